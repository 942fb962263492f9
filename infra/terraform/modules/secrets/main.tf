# Secrets are drawn by Secrets Manager and written through write-only arguments: neither plan nor state holds them.
# Raising a secret's version draws a new value.

locals {
  described = {
    "pseudonym-key"    = "HMAC key of the pseudonyms of personal columns: losing it loses every person's history"
    "redis-token"      = "Auth token of Redis"
    "airflow-key"      = "Signs the tokens between Airflow's components"
    "database-airflow" = "Password of the PostgreSQL role airflow"
    "database-mlflow"  = "Password of the PostgreSQL role mlflow"
    "database-release" = "Password of the PostgreSQL role release"
  }
}

ephemeral "aws_secretsmanager_random_password" "this" {
  for_each            = var.versions
  password_length     = 64
  exclude_punctuation = true # some stand in URLs
}

resource "aws_secretsmanager_secret" "this" {
  #checkov:skip=CKV2_AWS_57:A new pseudonym key would cut every person's history in two; the others are changed by raising their version together with a restart of what reads them
  for_each                = var.versions
  name                    = "${var.name}/${each.key}"
  description             = local.described[each.key]
  kms_key_id              = var.key_arn
  recovery_window_in_days = var.recovery_days
}

resource "aws_secretsmanager_secret_version" "this" {
  for_each                 = var.versions
  secret_id                = aws_secretsmanager_secret.this[each.key].id
  secret_string_wo         = ephemeral.aws_secretsmanager_random_password.this[each.key].random_password
  secret_string_wo_version = each.value
}
