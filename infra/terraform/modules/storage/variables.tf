variable "name" {
  description = "Prefix of every name."
  type        = string
}

variable "account_id" {
  description = "Makes the buckets' names unique in the world."
  type        = string
}

variable "personal_key_arn" {
  description = "KMS key of the deliveries."
  type        = string
}

variable "lake_key_arn" {
  description = "KMS key of the lake."
  type        = string
}

variable "deliveries_days" {
  description = "Days after which raw deliveries and landed rows, which hold personal values, are deleted."
  type        = number
}

variable "force_destroy" {
  description = "Whether `terraform destroy` may delete buckets that still hold objects."
  type        = bool
}
