variable "name" {
  description = "Prefix of every name."
  type        = string
}

variable "images" {
  description = "A repository each."
  type        = set(string)
  default     = ["moe-jobs", "moe-serving"]
}

variable "key_arn" {
  description = "KMS key of the images."
  type        = string
}

variable "force_destroy" {
  description = "Whether `terraform destroy` may delete repositories that hold images."
  type        = bool
}
