# A rehearsal of prod: the same shape, smaller, without a promise to survive a zone.
environment        = "staging"
owner              = "marketing-data"
vpc_cidr           = "10.30.0.0/16"
zones              = ["eu-central-1a", "eu-central-1b", "eu-central-1c"]
single_nat_gateway = true

node_groups = {
  cpu     = { instance_types = ["m7i.xlarge"], min = 2, max = 6 }
  highmem = { instance_types = ["r7i.4xlarge"], min = 0, max = 3, taint = "moe/highmem" }
  gpu = {
    instance_types = ["p4d.24xlarge"]
    min            = 0
    max            = 2
    disk_gb        = 500
    ami_type       = "AL2023_x86_64_NVIDIA"
    single_zone    = true
    taint          = "nvidia.com/gpu"
  }
}

database = {
  instance_class      = "db.m7g.large"
  storage_gb          = 50
  max_storage_gb      = 200
  multi_az            = false
  backup_days         = 7
  deletion_protection = true
}

cache  = { node_type = "cache.m7g.large", nodes = 2, snapshot_days = 1 }
stream = { instance_type = "kafka.m7g.large", brokers = 3, storage_gb = 100 }
spark  = { max_vcpu = 128 }
# A limit to be told at, not an estimate: see docs/how-to/provision.md.
budget = { monthly_usd = 4000 }

expect_nights = true
