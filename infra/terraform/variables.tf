variable "environment" {
  description = "Which environment this is; part of every name, and prod is held to more."
  type        = string

  validation {
    condition     = contains(["dev", "staging", "prod"], var.environment)
    error_message = "environment is dev, staging or prod."
  }
}

variable "region" {
  description = "AWS region of everything."
  type        = string
  default     = "eu-central-1"
}

variable "owner" {
  description = "Team that answers for the cost and the alarms: a tag of every resource."
  type        = string
}

variable "vpc_cidr" {
  description = "Addresses of the VPC. Pods take one each, hence /16 to /18."
  type        = string

  validation {
    condition     = can(cidrnetmask(var.vpc_cidr)) && try(tonumber(split("/", var.vpc_cidr)[1]) >= 16 && tonumber(split("/", var.vpc_cidr)[1]) <= 18, false)
    error_message = "vpc_cidr is an IPv4 range between /16 and /18, such as 10.20.0.0/16."
  }
}

variable "zones" {
  description = "Availability zones by name, written down so that a zone that AWS adds moves nothing. GPU nodes stand in the first: choose one that offers them."
  type        = list(string)

  validation {
    condition     = length(distinct(var.zones)) == length(var.zones) && length(var.zones) >= 2 && length(var.zones) <= 3
    error_message = "EKS and RDS want two different zones at least; the address plan has room for three."
  }

  validation {
    condition     = alltrue([for zone in var.zones : startswith(zone, var.region)])
    error_message = "The zones are zones of the region."
  }
}

variable "single_nat_gateway" {
  description = "One NAT gateway instead of one a zone: cheaper, and its zone's failure cuts all of them off."
  type        = bool

  validation {
    condition     = var.environment != "prod" || !var.single_nat_gateway
    error_message = "prod has a NAT gateway a zone."
  }
}

variable "deliveries_days" {
  description = "Days after which raw deliveries and landed rows, which hold personal values, are deleted."
  type        = number
  default     = 90

  validation {
    condition     = var.deliveries_days >= 30 && var.deliveries_days <= 400
    error_message = "Between 30 (restatements come for weeks) and 400 days."
  }
}

variable "kubernetes_version" {
  description = "Kubernetes minor version; see EKS's release calendar before raising it."
  type        = string
  default     = "1.35"

  validation {
    condition     = can(regex("^1\\.[0-9]{2}$", var.kubernetes_version))
    error_message = "A minor version such as 1.35."
  }
}

variable "endpoint_public_cidrs" {
  description = "Addresses that may reach the Kubernetes API from outside the VPC; none turns its public endpoint off."
  type        = list(string)
  default     = []
}

variable "admin_role_arns" {
  description = "IAM roles of people and pipelines that administer the cluster."
  type        = set(string)
  default     = []
}

variable "node_groups" {
  description = "Node groups. Those with a taint start from zero, and only pods that tolerate it run there."
  type = map(object({
    instance_types = list(string)
    min            = number
    max            = number
    disk_gb        = optional(number, 100)
    ami_type       = optional(string, "AL2023_x86_64_STANDARD")
    capacity_type  = optional(string, "ON_DEMAND")
    single_zone    = optional(bool, false)
    taint          = optional(string)
    labels         = optional(map(string), {})
  }))

  validation {
    condition     = alltrue([for name in ["cpu", "gpu", "highmem"] : contains(keys(var.node_groups), name)])
    error_message = "The manifests ask for the groups cpu, gpu and highmem."
  }

  validation {
    condition = alltrue([for name, group in var.node_groups : name != "gpu" || (
      group.min == 0 && group.taint == "nvidia.com/gpu" && group.ami_type == "AL2023_x86_64_NVIDIA"
    )])
    error_message = "The gpu group starts from zero, keeps other pods off by the taint nvidia.com/gpu, and uses the AMI with NVIDIA's driver."
  }

  validation {
    condition = alltrue(flatten([for name, group in var.node_groups : [
      for type in group.instance_types : name != "gpu" || can(regex("^(p4de?|p5(e|en)?|p6[a-z0-9-]*)\\.", type))
    ]]))
    error_message = "GPU nodes are A100 (p4d, p4de) or newer (p5, p6)."
  }

  validation {
    condition     = alltrue([for group in values(var.node_groups) : group.min <= group.max && group.max >= 1])
    error_message = "min is at most max, and max at least 1."
  }
}

variable "database" {
  description = "PostgreSQL: size, and how much loss it stands."
  type = object({
    engine_version      = optional(string, "16")
    instance_class      = string
    storage_gb          = number
    max_storage_gb      = number
    multi_az            = bool
    backup_days         = number
    deletion_protection = bool
  })

  validation {
    condition = var.environment != "prod" || (
      var.database.multi_az && var.database.deletion_protection && var.database.backup_days >= 14
    )
    error_message = "prod's database is multi-AZ, protected from deletion, and can be restored for 14 days at least."
  }

  validation {
    condition     = var.database.max_storage_gb > var.database.storage_gb && var.database.storage_gb >= 20
    error_message = "Storage starts at 20 GiB or more and has room to grow."
  }
}

variable "cache" {
  description = "Redis: size of a node, nodes, days of snapshots."
  type = object({
    node_type     = string
    nodes         = number
    snapshot_days = number
  })

  validation {
    condition     = var.cache.nodes >= (var.environment == "prod" ? 2 : 1) && var.cache.nodes <= 6
    error_message = "One to six nodes, and in prod two at least, so that one may fail."
  }
}

variable "stream" {
  description = "Kafka: version, size, brokers (one a zone), disk of each in GiB."
  type = object({
    kafka_version = optional(string, "3.9.x")
    instance_type = string
    brokers       = number
    storage_gb    = number
  })

  validation {
    condition     = var.stream.brokers >= (var.environment == "prod" ? 3 : 2) && var.stream.brokers <= length(var.zones)
    error_message = "A broker a zone: two at least, in prod three."
  }
}

variable "spark" {
  description = "EMR Serverless: release, and the most vCPU that all jobs together may take."
  type = object({
    release_label = optional(string, "emr-spark-8.0.0")
    max_vcpu      = number
  })
}

variable "budget" {
  description = "What a month may cost in US dollars, and at which percent of it people hear of it."
  type = object({
    monthly_usd = number
    thresholds  = optional(list(number), [50, 80, 100])
  })

  validation {
    condition     = var.budget.monthly_usd > 0 && length(var.budget.thresholds) > 0
    error_message = "A budget is above zero and tells at some threshold."
  }
}

variable "alarm_emails" {
  description = "Who hears of alarms and budgets; each confirms once."
  type        = set(string)
  default     = []

  validation {
    condition     = var.environment != "prod" || length(var.alarm_emails) > 0
    error_message = "In prod somebody hears of alarms."
  }
}

variable "expect_nights" {
  description = "Whether a day without a finished night is an alarm: true once nights are scheduled."
  type        = bool
  default     = false
}

variable "secret_versions" {
  description = "The secrets and the version of each: a higher number draws a new value."
  type        = map(number)
  default = {
    "pseudonym-key"    = 1
    "redis-token"      = 1
    "airflow-key"      = 1
    "database-airflow" = 1
    "database-mlflow"  = 1
    "database-release" = 1
  }

  validation {
    condition     = lookup(var.secret_versions, "pseudonym-key", 1) == 1
    error_message = "The pseudonym key stays: a new one would cut every person's history in two."
  }
}
