variable "name" {
  description = "Prefix of every name."
  type        = string
}

variable "account_id" {
  description = "The account that everything belongs to."
  type        = string
}

variable "cluster_name" {
  description = "The cluster, with nodes that add-ons can run on."
  type        = string
}

variable "pods" {
  description = "Role and namespace by service account."
  type        = map(object({ namespace = string, role_name = string, role_arn = string }))
}
