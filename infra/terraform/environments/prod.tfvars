# Survives the loss of a zone and of a node of every kind; nothing in it is deleted by accident.
environment        = "prod"
owner              = "marketing-data"
vpc_cidr           = "10.40.0.0/16"
zones              = ["eu-central-1a", "eu-central-1b", "eu-central-1c"]
single_nat_gateway = false

node_groups = {
  cpu     = { instance_types = ["m7i.2xlarge"], min = 3, max = 12 }
  highmem = { instance_types = ["r7i.8xlarge"], min = 0, max = 6, taint = "moe/highmem" }
  gpu = {
    instance_types = ["p4d.24xlarge"]
    min            = 0
    max            = 4
    disk_gb        = 500
    ami_type       = "AL2023_x86_64_NVIDIA"
    single_zone    = true
    taint          = "nvidia.com/gpu"
  }
}

database = {
  instance_class      = "db.m7g.xlarge"
  storage_gb          = 100
  max_storage_gb      = 1000
  multi_az            = true
  backup_days         = 30
  deletion_protection = true
}

cache  = { node_type = "cache.m7g.large", nodes = 3, snapshot_days = 7 }
stream = { instance_type = "kafka.m7g.large", brokers = 3, storage_gb = 250 }
spark  = { max_vcpu = 400 }
# A limit to be told at, not an estimate: see docs/how-to/provision.md.
budget = { monthly_usd = 15000 }

alarm_emails  = ["marketing-data@example.com"]
expect_nights = true
