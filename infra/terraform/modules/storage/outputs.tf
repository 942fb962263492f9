output "names" {
  description = "Bucket names: deliveries, lake, logs."
  value       = { for kind, bucket in aws_s3_bucket.this : kind => bucket.bucket }
}

output "arns" {
  description = "Bucket ARNs: deliveries, lake, logs."
  value       = { for kind, bucket in aws_s3_bucket.this : kind => bucket.arn }
}
