variable "name" {
  description = "Prefix of every name."
  type        = string
}

variable "vpc_id" {
  description = "Network of the workers."
  type        = string
}

variable "subnet_ids" {
  description = "Private subnets."
  type        = list(string)
}

variable "release_label" {
  description = "EMR release; emr-spark-8.0.0 is Spark 4.0."
  type        = string
}

variable "max_vcpu" {
  description = "Most vCPU that all jobs together may take; 8 GB of memory and 20 GB of disk come with each."
  type        = number
}

variable "account_id" {
  description = "The account that everything belongs to."
  type        = string
}

variable "lake_arn" {
  description = "Bucket of the tables."
  type        = string
}

variable "lake_key_arn" {
  description = "KMS key of the tables."
  type        = string
}

variable "submitter_role_name" {
  description = "Role that may start Spark jobs."
  type        = string
}
