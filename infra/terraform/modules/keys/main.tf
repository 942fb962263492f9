# One KMS key a class of data, so that the right to read one class is no right to read another.

locals {
  classes = {
    personal = "raw deliveries with personal columns"
    lake     = "tables, model bundles, releases and reports"
    database = "PostgreSQL and its backups"
    cache    = "Redis: online features"
    stream   = "Kafka: events"
    secrets  = "Secrets Manager"
    cluster  = "Kubernetes Secrets"
    images   = "container images"
    logs     = "log groups"
    alarms   = "alarm messages"
  }
  # Services that use a key in their own name. Everything else comes through a role's policy.
  services = {
    logs   = ["logs.${var.region}.amazonaws.com"]
    alarms = ["cloudwatch.amazonaws.com", "budgets.amazonaws.com", "aps.amazonaws.com"]
  }
  # CloudWatch Logs names the log group instead of the account.
  conditions = {
    logs = { ArnLike = {
      "kms:EncryptionContext:aws:logs:arn" = "arn:aws:logs:${var.region}:${var.account_id}:log-group:*"
    } }
    alarms = { StringEquals = { "aws:SourceAccount" = var.account_id } }
  }
}

resource "aws_kms_key" "this" {
  for_each                = local.classes
  description             = "${var.name}: ${each.value}"
  enable_key_rotation     = true
  deletion_window_in_days = 30
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [{
        Sid       = "RolesOfThisAccountByTheirPolicies"
        Effect    = "Allow"
        Principal = { AWS = "arn:aws:iam::${var.account_id}:root" }
        Action    = "kms:*"
        Resource  = "*"
      }],
      [for service in lookup(local.services, each.key, []) : {
        Sid       = "Service${replace(title(split(".", service)[0]), "-", "")}"
        Effect    = "Allow"
        Principal = { Service = service }
        Action    = ["kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*", "kms:DescribeKey"]
        Resource  = "*"
        Condition = local.conditions[each.key]
      }],
    )
  })
}

resource "aws_kms_alias" "this" {
  for_each      = local.classes
  name          = "alias/${var.name}-${each.key}"
  target_key_id = aws_kms_key.this[each.key].key_id
}
