variable "name" {
  description = "Prefix of every name."
  type        = string
}

variable "vpc_id" {
  description = "Network of the mount targets."
  type        = string
}

variable "subnet_ids" {
  description = "Private subnets; each gets a mount target."
  type        = list(string)
}

variable "client_security_group_id" {
  description = "Whose members may mount."
  type        = string
}

variable "key_arn" {
  description = "KMS key of the files; landed rows with personal values are among them."
  type        = string
}
