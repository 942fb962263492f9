output "arns" {
  description = "Secret ARN by short name. Values are in Secrets Manager alone."
  value       = { for name, secret in aws_secretsmanager_secret.this : name => secret.arn }
}

output "version_ids" {
  description = "The written version of each secret: who reads a secret waits for it."
  value       = { for name, version in aws_secretsmanager_secret_version.this : name => version.version_id }
}
