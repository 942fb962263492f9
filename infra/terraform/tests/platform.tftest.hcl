# What the platform promises, by environment, against a mocked AWS: every resource is "made", so that policies and
# settings can be read as they would be sent. Variables not named here are those of environments/dev.tfvars.

mock_provider "aws" {
  source = "./tests/mocks"
}

# Mocks know no ephemeral resources. Secrets are made and read back by tests/e2e/test_terraform.py; here none is, so
# that this provider is never called.
provider "aws" {
  alias                       = "secrets"
  region                      = "eu-central-1"
  access_key                  = "none"
  secret_key                  = "none"
  skip_credentials_validation = true
  skip_requesting_account_id  = true
  skip_metadata_api_check     = true
}

variables {
  secret_versions = {}
}

override_module {
  target = module.secrets
  outputs = {
    arns        = { redis-token = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:mocked" }
    version_ids = { redis-token = "1" }
  }
}

run "the_whole_platform_fits_together" {
  command = apply

  assert {
    condition     = output.platform["LAKE"] == "moe-dev-lake-123456789012"
    error_message = "buckets are named by environment and account"
  }
  assert {
    condition     = !strcontains(jsonencode([output.platform, output.secret_arns]), "a-token-that-no-output-may-show")
    error_message = "an output shows the Redis token"
  }
  assert {
    condition     = alltrue([for name in keys(output.platform) : !can(regex("PASSWORD|TOKEN|SECRET", name))])
    error_message = "the manifests' ConfigMap must hold no secret"
  }
}

run "prod_refuses_what_does_not_survive_a_zone" {
  command = plan
  variables {
    environment        = "prod"
    zones              = ["eu-central-1a", "eu-central-1b", "eu-central-1c"]
    single_nat_gateway = true
    cache              = { node_type = "cache.m7g.large", nodes = 1, snapshot_days = 1 }
    stream             = { instance_type = "kafka.m7g.large", brokers = 2, storage_gb = 100 }
    database = {
      instance_class      = "db.m7g.large"
      storage_gb          = 100
      max_storage_gb      = 200
      multi_az            = false
      backup_days         = 30
      deletion_protection = true
    }
    alarm_emails = []
  }
  expect_failures = [var.single_nat_gateway, var.database, var.cache, var.stream, var.alarm_emails]
}

run "prod_refuses_a_database_that_may_be_deleted" {
  command = plan
  variables {
    environment        = "prod"
    zones              = ["eu-central-1a", "eu-central-1b", "eu-central-1c"]
    single_nat_gateway = false
    cache              = { node_type = "cache.m7g.large", nodes = 2, snapshot_days = 1 }
    stream             = { instance_type = "kafka.m7g.large", brokers = 3, storage_gb = 100 }
    database = {
      instance_class      = "db.m7g.large"
      storage_gb          = 100
      max_storage_gb      = 200
      multi_az            = true
      backup_days         = 30
      deletion_protection = false
    }
    alarm_emails = ["somebody@example.com"]
  }
  expect_failures = [var.database]
}

run "what_cannot_be_right_is_refused" {
  command = plan
  variables {
    environment     = "production"
    vpc_cidr        = "10.0.0.0/24"                # no room for pods
    zones           = ["us-east-1a", "us-east-1b"] # of another region
    secret_versions = { "pseudonym-key" = 2 }
    node_groups = {
      cpu     = { instance_types = ["m7i.large"], min = 1, max = 2 }
      highmem = { instance_types = ["r7i.2xlarge"], min = 0, max = 2, taint = "moe/highmem" }
      gpu     = { instance_types = ["g5.xlarge"], min = 0, max = 2, taint = "nvidia.com/gpu", ami_type = "AL2023_x86_64_NVIDIA" }
    }
  }
  expect_failures = [var.environment, var.vpc_cidr, var.zones, var.secret_versions, var.node_groups]
}
