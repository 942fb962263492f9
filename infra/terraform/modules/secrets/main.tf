# Secrets are drawn by Secrets Manager and written through write-only arguments: neither plan nor state holds them.
# Raising a secret's version in `versions` draws a new value.

locals {
  databases = toset(["airflow", "mlflow", "release"])
}

ephemeral "aws_secretsmanager_random_password" "database" {
  for_each            = local.databases
  password_length     = 40
  exclude_punctuation = true # it stands in a URL
}

ephemeral "aws_secretsmanager_random_password" "airflow" {
  password_length     = 64
  exclude_punctuation = true
}

ephemeral "aws_secretsmanager_random_password" "pseudonym" {
  password_length     = 64
  exclude_punctuation = true
}

ephemeral "aws_secretsmanager_random_password" "redis" {
  password_length     = 64
  exclude_punctuation = true
}

resource "aws_secretsmanager_secret" "this" {
  #checkov:skip=CKV2_AWS_57:A new pseudonym key would cut every person's history in two; the others are changed by raising their version together with a restart of what reads them
  for_each                = var.versions
  name                    = "${var.name}/${each.key}"
  description             = local.described[each.key]
  kms_key_id              = var.key_arn
  recovery_window_in_days = var.recovery_days
}

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

resource "aws_secretsmanager_secret_version" "database" {
  for_each                 = local.databases
  secret_id                = aws_secretsmanager_secret.this["database-${each.key}"].id
  secret_string_wo         = ephemeral.aws_secretsmanager_random_password.database[each.key].random_password
  secret_string_wo_version = var.versions["database-${each.key}"]
}

resource "aws_secretsmanager_secret_version" "airflow" {
  secret_id                = aws_secretsmanager_secret.this["airflow-key"].id
  secret_string_wo         = ephemeral.aws_secretsmanager_random_password.airflow.random_password
  secret_string_wo_version = var.versions["airflow-key"]
}

resource "aws_secretsmanager_secret_version" "pseudonym" {
  secret_id                = aws_secretsmanager_secret.this["pseudonym-key"].id
  secret_string_wo         = ephemeral.aws_secretsmanager_random_password.pseudonym.random_password
  secret_string_wo_version = var.versions["pseudonym-key"]
}

resource "aws_secretsmanager_secret_version" "redis" {
  secret_id                = aws_secretsmanager_secret.this["redis-token"].id
  secret_string_wo         = ephemeral.aws_secretsmanager_random_password.redis.random_password
  secret_string_wo_version = var.versions["redis-token"]
}
