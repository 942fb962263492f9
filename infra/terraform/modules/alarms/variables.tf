variable "name" {
  description = "Prefix of every name."
  type        = string
}

variable "account_id" {
  description = "The account that everything belongs to."
  type        = string
}

variable "key_arn" {
  description = "KMS key of the messages."
  type        = string
}

variable "logs_key_arn" {
  description = "KMS key of log groups."
  type        = string
}

variable "emails" {
  description = "Who hears of alarms; each confirms once."
  type        = set(string)
}

variable "cluster_name" {
  description = "The Kubernetes cluster."
  type        = string
}

variable "database_identifier" {
  description = "The PostgreSQL instance."
  type        = string
}

variable "database_storage_gb" {
  description = "Its storage, GiB."
  type        = number
}

variable "cache_node_ids" {
  description = "The Redis nodes."
  type        = set(string)
}

variable "expect_nights" {
  description = "Whether a day without a finished night is an alarm."
  type        = bool
}
