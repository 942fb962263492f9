output "arns" {
  description = "Secret ARN by short name. Values are in Secrets Manager alone."
  value       = { for name, secret in aws_secretsmanager_secret.this : name => secret.arn }
}

output "redis_version_id" {
  description = "The written version of the Redis token: who reads the token waits for it."
  value       = aws_secretsmanager_secret_version.redis.version_id
}
