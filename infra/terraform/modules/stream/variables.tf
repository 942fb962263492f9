variable "name" {
  description = "Prefix of every name."
  type        = string
}

variable "vpc_id" {
  description = "Network of the brokers."
  type        = string
}

variable "subnet_ids" {
  description = "Private subnets; each broker takes one."
  type        = list(string)
}

variable "client_security_group_id" {
  description = "Whose members may connect."
  type        = string
}

variable "key_arn" {
  description = "KMS key of the brokers' disks."
  type        = string
}

variable "logs_key_arn" {
  description = "KMS key of log groups."
  type        = string
}

variable "kafka_version" {
  description = "Kafka version that MSK offers."
  type        = string
}

variable "instance_type" {
  description = "Size of a broker."
  type        = string
}

variable "brokers" {
  description = "Brokers, one a zone."
  type        = number
}

variable "storage_gb" {
  description = "Disk of a broker, GiB."
  type        = number
}

variable "client_role_name" {
  description = "Role that may read and write the events."
  type        = string
}
