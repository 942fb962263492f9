variable "name" {
  description = "Prefix of every name."
  type        = string
}

variable "region" {
  description = "Region of the alarm topic."
  type        = string
}

variable "logs_key_arn" {
  description = "KMS key of log groups and series."
  type        = string
}

variable "cluster_arn" {
  description = "The cluster whose pods are read."
  type        = string
}

variable "subnet_ids" {
  description = "Private subnets of the scraper, in two zones at least."
  type        = list(string)
}

variable "security_group_id" {
  description = "Security group that may reach pods."
  type        = string
}

variable "topic_arn" {
  description = "Where alarms go."
  type        = string
}
