terraform {
  required_version = "~> 1.11"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.100"
    }
  }
}

locals {
  tags = {
    Project     = "marketing-optimization-engine"
    Environment = var.environment
    Owner       = var.owner
    ManagedBy   = "terraform"
  }
}

provider "aws" {
  region = var.region
  default_tags {
    tags = local.tags
  }
}

# Secrets are drawn by an ephemeral resource, which Terraform's mocks do not know: with a provider of its own for this
# one module, tests can mock all the others.
provider "aws" {
  alias  = "secrets"
  region = var.region
  default_tags {
    tags = local.tags
  }
}
