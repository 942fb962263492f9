variable "name" {
  description = "Prefix of every name."
  type        = string
}

variable "environment" {
  description = "Value of the tag Environment, which must be activated as a cost allocation tag."
  type        = string
}

variable "monthly_usd" {
  description = "What a month may cost, US dollars."
  type        = number
}

variable "thresholds" {
  description = "Percent of it that are told."
  type        = list(number)
}

variable "topic_arn" {
  description = "Where alarms go."
  type        = string
}
