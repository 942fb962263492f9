# The platform on AWS: one environment a state. Everything that differs between environments is a variable.

data "aws_caller_identity" "current" {}

locals {
  name       = "moe-${var.environment}"
  account_id = data.aws_caller_identity.current.account_id
  # Only what can be thrown away may be deleted with its content.
  disposable = var.environment == "dev"
}

module "keys" {
  source     = "./modules/keys"
  name       = local.name
  account_id = local.account_id
  region     = var.region
}

module "network" {
  source             = "./modules/network"
  name               = local.name
  account_id         = local.account_id
  cidr               = var.vpc_cidr
  zones              = var.zones
  single_nat_gateway = var.single_nat_gateway
  logs_key_arn       = module.keys.arns["logs"]
}

module "storage" {
  source           = "./modules/storage"
  name             = local.name
  account_id       = local.account_id
  personal_key_arn = module.keys.arns["personal"]
  lake_key_arn     = module.keys.arns["lake"]
  deliveries_days  = var.deliveries_days
  force_destroy    = local.disposable
}

module "registry" {
  source        = "./modules/registry"
  name          = local.name
  key_arn       = module.keys.arns["images"]
  force_destroy = local.disposable
}

module "secrets" {
  source        = "./modules/secrets"
  providers     = { aws = aws.secrets }
  name          = local.name
  key_arn       = module.keys.arns["secrets"]
  recovery_days = local.disposable ? 0 : 30
  versions      = var.secret_versions
}

module "iam" {
  source      = "./modules/iam"
  name        = local.name
  account_id  = local.account_id
  region      = var.region
  bucket_arns = module.storage.arns
  key_arns    = module.keys.arns
}

module "eks" {
  source                = "./modules/eks"
  name                  = local.name
  account_id            = local.account_id
  kubernetes_version    = var.kubernetes_version
  subnet_ids            = module.network.private_subnet_ids
  endpoint_public_cidrs = var.endpoint_public_cidrs
  admin_role_arns       = var.admin_role_arns
  secrets_key_arn       = module.keys.arns["cluster"]
  logs_key_arn          = module.keys.arns["logs"]
  node_groups           = var.node_groups
}

module "addons" {
  source       = "./modules/addons"
  name         = local.name
  account_id   = local.account_id
  cluster_name = module.eks.cluster_name
  pods         = module.iam.pods
  depends_on   = [module.eks]
}

module "files" {
  source                   = "./modules/files"
  name                     = local.name
  vpc_id                   = module.network.vpc_id
  subnet_ids               = module.network.private_subnet_ids
  client_security_group_id = module.eks.security_group_id
  key_arn                  = module.keys.arns["personal"]
}

module "database" {
  source                   = "./modules/database"
  name                     = local.name
  account_id               = local.account_id
  vpc_id                   = module.network.vpc_id
  subnet_ids               = module.network.private_subnet_ids
  client_security_group_id = module.eks.security_group_id
  key_arn                  = module.keys.arns["database"]
  secrets_key_arn          = module.keys.arns["secrets"]
  engine_version           = var.database.engine_version
  instance_class           = var.database.instance_class
  storage_gb               = var.database.storage_gb
  max_storage_gb           = var.database.max_storage_gb
  multi_az                 = var.database.multi_az
  backup_days              = var.database.backup_days
  deletion_protection      = var.database.deletion_protection
}

module "cache" {
  source                   = "./modules/cache"
  name                     = local.name
  vpc_id                   = module.network.vpc_id
  subnet_ids               = module.network.private_subnet_ids
  client_security_group_id = module.eks.security_group_id
  key_arn                  = module.keys.arns["cache"]
  logs_key_arn             = module.keys.arns["logs"]
  token_secret_arn         = module.secrets.arns["redis-token"]
  token_version_id         = module.secrets.version_ids["redis-token"]
  node_type                = var.cache.node_type
  nodes                    = var.cache.nodes
  snapshot_days            = var.cache.snapshot_days
}

module "stream" {
  source                   = "./modules/stream"
  name                     = local.name
  vpc_id                   = module.network.vpc_id
  subnet_ids               = module.network.private_subnet_ids
  client_security_group_id = module.eks.security_group_id
  client_role_name         = module.iam.pods["jobs"].role_name
  key_arn                  = module.keys.arns["stream"]
  logs_key_arn             = module.keys.arns["logs"]
  kafka_version            = var.stream.kafka_version
  instance_type            = var.stream.instance_type
  brokers                  = var.stream.brokers
  storage_gb               = var.stream.storage_gb
}

module "emr" {
  source              = "./modules/emr"
  name                = local.name
  account_id          = local.account_id
  vpc_id              = module.network.vpc_id
  subnet_ids          = module.network.private_subnet_ids
  lake_arn            = module.storage.arns["lake"]
  lake_key_arn        = module.keys.arns["lake"]
  submitter_role_name = module.iam.pods["jobs"].role_name
  release_label       = var.spark.release_label
  max_vcpu            = var.spark.max_vcpu
}

module "alarms" {
  source              = "./modules/alarms"
  name                = local.name
  account_id          = local.account_id
  key_arn             = module.keys.arns["alarms"]
  logs_key_arn        = module.keys.arns["logs"]
  emails              = var.alarm_emails
  cluster_name        = module.eks.cluster_name
  database_identifier = module.database.identifier
  database_storage_gb = var.database.storage_gb
  cache_node_ids      = module.cache.node_ids
  expect_nights       = var.expect_nights
}

module "metrics" {
  source            = "./modules/metrics"
  name              = local.name
  region            = var.region
  logs_key_arn      = module.keys.arns["logs"]
  cluster_arn       = module.eks.cluster_arn
  subnet_ids        = module.network.private_subnet_ids
  security_group_id = module.eks.security_group_id
  topic_arn         = module.alarms.topic_arn
}

module "budget" {
  source      = "./modules/budget"
  name        = local.name
  environment = var.environment
  monthly_usd = var.budget.monthly_usd
  thresholds  = var.budget.thresholds
  topic_arn   = module.alarms.topic_arn
}
