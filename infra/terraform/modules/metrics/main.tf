# Managed Prometheus: a scraper without pods of its own reads what serving exposes under /metrics; rules ring the alarms.

resource "aws_cloudwatch_log_group" "this" {
  name              = "/${var.name}/prometheus"
  kms_key_id        = var.logs_key_arn
  retention_in_days = 365
}

resource "aws_prometheus_workspace" "this" {
  alias       = var.name
  kms_key_arn = var.logs_key_arn
  logging_configuration {
    log_group_arn = "${aws_cloudwatch_log_group.this.arn}:*"
  }
}

resource "aws_prometheus_scraper" "this" {
  alias                = var.name
  scrape_configuration = file("${path.module}/scrape.yml")
  source {
    eks {
      cluster_arn        = var.cluster_arn
      subnet_ids         = var.subnet_ids
      security_group_ids = [var.security_group_id]
    }
  }
  destination {
    amp {
      workspace_arn = aws_prometheus_workspace.this.arn
    }
  }
}

resource "aws_prometheus_rule_group_namespace" "serving" {
  name         = "serving"
  workspace_id = aws_prometheus_workspace.this.id
  data         = file("${path.module}/rules.yml")
}

resource "aws_prometheus_alert_manager_definition" "this" {
  workspace_id = aws_prometheus_workspace.this.id
  definition = yamlencode({
    alertmanager_config = yamlencode({
      route = { receiver = "alarms", group_by = ["alertname"], repeat_interval = "4h" }
      receivers = [{
        name        = "alarms"
        sns_configs = [{ topic_arn = var.topic_arn, sigv4 = { region = var.region } }]
      }]
    })
  })
}
