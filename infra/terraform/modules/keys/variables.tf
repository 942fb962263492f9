variable "name" {
  description = "Prefix of every name."
  type        = string
}

variable "account_id" {
  description = "The account whose roles may be given the use of the keys."
  type        = string
}

variable "region" {
  description = "Region of the log groups that the log key serves."
  type        = string
}
