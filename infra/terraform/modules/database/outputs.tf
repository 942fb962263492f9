output "identifier" {
  description = "Name of the instance, for alarms."
  value       = aws_db_instance.this.identifier
}

output "address" {
  description = "Host to connect to."
  value       = aws_db_instance.this.address
}

output "master_secret_arn" {
  description = "Where RDS keeps the master password, used once to make roles and databases."
  value       = one(aws_db_instance.this.master_user_secret[*].secret_arn)
}
