variable "name" {
  description = "Name of the cluster and prefix of its parts."
  type        = string
}

variable "account_id" {
  description = "The account that everything belongs to."
  type        = string
}

variable "kubernetes_version" {
  description = "Kubernetes minor version."
  type        = string
}

variable "subnet_ids" {
  description = "Private subnets, one a zone."
  type        = list(string)
}

variable "endpoint_public_cidrs" {
  description = "Addresses that may reach the API from outside the VPC; none turns the public endpoint off."
  type        = list(string)

  validation {
    condition     = alltrue([for cidr in var.endpoint_public_cidrs : can(cidrnetmask(cidr)) && cidr != "0.0.0.0/0"])
    error_message = "Name IPv4 ranges, and not the whole internet."
  }
}

variable "admin_role_arns" {
  description = "IAM roles of people and pipelines that administer the cluster."
  type        = set(string)
}

variable "secrets_key_arn" {
  description = "KMS key of Kubernetes Secrets."
  type        = string
}

variable "logs_key_arn" {
  description = "KMS key of log groups."
  type        = string
}

variable "node_groups" {
  description = "Node groups by name: what they are made of, how far they scale, and the taint that keeps others off."
  type = map(object({
    instance_types = list(string)
    min            = number
    max            = number
    disk_gb        = number
    ami_type       = string
    capacity_type  = string
    single_zone    = bool
    taint          = optional(string)
    labels         = optional(map(string), {})
  }))
}
