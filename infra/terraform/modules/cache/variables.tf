variable "name" {
  description = "Prefix of every name."
  type        = string
}

variable "vpc_id" {
  description = "Network of the nodes."
  type        = string
}

variable "subnet_ids" {
  description = "Private subnets."
  type        = list(string)
}

variable "client_security_group_id" {
  description = "Whose members may connect."
  type        = string
}

variable "key_arn" {
  description = "KMS key of data and snapshots."
  type        = string
}

variable "logs_key_arn" {
  description = "KMS key of log groups."
  type        = string
}

variable "token_secret_arn" {
  description = "Secret that holds the auth token."
  type        = string
}

variable "token_version_id" {
  description = "Version of that secret."
  type        = string
}

variable "node_type" {
  description = "Size of a node."
  type        = string
}

variable "nodes" {
  description = "Primary and replicas together; more than one fails over to another zone."
  type        = number
}

variable "snapshot_days" {
  description = "Days of snapshots. Online values can be materialised again, so few suffice."
  type        = number
}
