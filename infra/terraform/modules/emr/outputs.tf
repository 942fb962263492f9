output "application_id" {
  description = "For `aws emr-serverless start-job-run --application-id`."
  value       = aws_emrserverless_application.this.id
}

output "application_arn" {
  description = "The application, for policies."
  value       = aws_emrserverless_application.this.arn
}

output "job_role_arn" {
  description = "For `aws emr-serverless start-job-run --execution-role-arn`."
  value       = aws_iam_role.job.arn
}
