variable "name" {
  description = "Name of the cluster and prefix of the roles."
  type        = string
}

variable "account_id" {
  description = "The account that everything belongs to."
  type        = string
}

variable "region" {
  description = "Region of the cluster."
  type        = string
}

variable "bucket_arns" {
  description = "Buckets by kind: deliveries, lake."
  type        = map(string)
}

variable "key_arns" {
  description = "KMS keys by class of data: personal, lake."
  type        = map(string)
}
