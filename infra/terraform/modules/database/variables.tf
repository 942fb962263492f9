variable "name" {
  description = "Prefix of every name."
  type        = string
}

variable "account_id" {
  description = "The account that everything belongs to."
  type        = string
}

variable "vpc_id" {
  description = "Network of the instance."
  type        = string
}

variable "subnet_ids" {
  description = "Private subnets, in two zones at least."
  type        = list(string)
}

variable "client_security_group_id" {
  description = "Whose members may connect."
  type        = string
}

variable "key_arn" {
  description = "KMS key of data and backups."
  type        = string
}

variable "secrets_key_arn" {
  description = "KMS key of the master password that RDS keeps in Secrets Manager."
  type        = string
}

variable "engine_version" {
  description = "PostgreSQL version."
  type        = string
}

variable "instance_class" {
  description = "Size of the instance."
  type        = string
}

variable "storage_gb" {
  description = "Storage at first, GiB."
  type        = number
}

variable "max_storage_gb" {
  description = "Storage grows by itself up to this, GiB."
  type        = number
}

variable "multi_az" {
  description = "A standby in a second zone."
  type        = bool
}

variable "backup_days" {
  description = "Days that can be restored to the second."
  type        = number
}

variable "deletion_protection" {
  description = "Refuse deletion, and take a last snapshot."
  type        = bool
}
