# One person's or one branch's environment: small, cheap to idle, thrown away whole.
environment        = "dev"
owner              = "marketing-data"
vpc_cidr           = "10.20.0.0/16"
zones              = ["eu-central-1a", "eu-central-1b"]
single_nat_gateway = true

node_groups = {
  cpu     = { instance_types = ["m7i.large"], min = 1, max = 4 }
  highmem = { instance_types = ["r7i.2xlarge"], min = 0, max = 2, taint = "moe/highmem" }
  gpu = {
    instance_types = ["p4d.24xlarge"]
    min            = 0
    max            = 1
    disk_gb        = 200
    ami_type       = "AL2023_x86_64_NVIDIA"
    single_zone    = true
    taint          = "nvidia.com/gpu"
  }
}

database = {
  instance_class      = "db.t4g.medium"
  storage_gb          = 20
  max_storage_gb      = 100
  multi_az            = false
  backup_days         = 1
  deletion_protection = false
}

cache  = { node_type = "cache.t4g.small", nodes = 1, snapshot_days = 0 }
stream = { instance_type = "kafka.t3.small", brokers = 2, storage_gb = 20 }
spark  = { max_vcpu = 32 }
# A limit to be told at, not an estimate: see docs/how-to/provision.md.
budget = { monthly_usd = 1500 }
