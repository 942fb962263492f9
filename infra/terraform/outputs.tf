output "cluster_name" {
  description = "For `aws eks update-kubeconfig --name`."
  value       = module.eks.cluster_name
}

output "buckets" {
  description = "Buckets by kind: deliveries, lake, logs."
  value       = module.storage.names
}

output "image_repositories" {
  description = "Where images are pushed, by image."
  value       = module.registry.urls
}

output "secret_arns" {
  description = "Where secrets are, by short name; not what they are."
  value       = module.secrets.arns
}

output "database_master_secret_arn" {
  description = "Where RDS keeps the master password, used once to make roles and databases."
  value       = module.database.master_secret_arn
}

output "platform" {
  description = "Addresses that the manifests' ConfigMap `platform` holds; no secrets. See docs/how-to/provision.md."
  value = {
    ENVIRONMENT       = var.environment
    AWS_REGION        = var.region
    CLUSTER_NAME      = module.eks.cluster_name
    IMAGE_JOBS        = module.registry.urls["moe-jobs"]
    IMAGE_SERVING     = module.registry.urls["moe-serving"]
    STORE_VOLUME      = module.files.volume_handle
    LAKE              = module.storage.names["lake"]
    DELIVERIES        = module.storage.names["deliveries"]
    DATABASE_HOST     = module.database.address
    REDIS_HOST        = module.cache.address
    KAFKA_BOOTSTRAP   = module.stream.bootstrap
    SPARK_APPLICATION = module.emr.application_id
    SPARK_JOB_ROLE    = module.emr.job_role_arn
    PROMETHEUS        = module.metrics.endpoint
  }
}
