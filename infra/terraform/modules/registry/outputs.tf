output "urls" {
  description = "Repository address by image."
  value       = { for image, repository in aws_ecr_repository.this : image => repository.repository_url }
}
