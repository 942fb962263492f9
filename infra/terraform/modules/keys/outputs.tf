output "arns" {
  description = "Key by class of data."
  value       = { for class, key in aws_kms_key.this : class => key.arn }
}
