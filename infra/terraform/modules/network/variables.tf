variable "name" {
  description = "Prefix of every name."
  type        = string
}

variable "account_id" {
  description = "The account that everything belongs to."
  type        = string
}

variable "cidr" {
  description = "Addresses of the VPC; a /16 leaves room for pods, which take an address each."
  type        = string
}

variable "zones" {
  description = "Availability zones, the first of them for what stands in one alone."
  type        = list(string)
}

variable "single_nat_gateway" {
  description = "One NAT gateway for all zones: cheaper, and its zone's failure cuts all of them off."
  type        = bool
}

variable "interface_endpoints" {
  description = "AWS services that are reached without leaving the VPC."
  type        = set(string)
  default = [
    "autoscaling", "ec2", "ecr.api", "ecr.dkr", "eks", "eks-auth", "elasticloadbalancing", "kms", "logs", "monitoring",
    "secretsmanager", "sts",
  ]
}

variable "logs_key_arn" {
  description = "KMS key of log groups."
  type        = string
}
