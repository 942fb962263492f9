# Where alarms go, and what rings them in AWS's own metrics. What the serving's metrics ring is in modules/metrics.

locals {
  metrics = "moe/${var.name}"
  # Text that dags/_defaults.py and dags/_steps.py write; tests/e2e/test_terraform.py holds them together.
  events = {
    failed_steps    = "\"Then clear the task with those downstream\""
    finished_nights = "\"make_live\" \"done\""
  }
  alarms = merge(
    {
      database-storage = {
        says       = "PostgreSQL has less than 10 % of its first storage free: see whether it still grows, else raise max_storage_gb"
        namespace  = "AWS/RDS", metric = "FreeStorageSpace", dimensions = { DBInstanceIdentifier = var.database_identifier }
        comparison = "LessThanThreshold", threshold = var.database_storage_gb * 0.1 * pow(1024, 3)
        statistic  = "Minimum", period = 300, periods = 3, missing = "breaching"
      }
      database-cpu = {
        says       = "PostgreSQL is busy for 15 minutes"
        namespace  = "AWS/RDS", metric = "CPUUtilization", dimensions = { DBInstanceIdentifier = var.database_identifier }
        comparison = "GreaterThanThreshold", threshold = 85
        statistic  = "Average", period = 300, periods = 3, missing = "breaching"
      }
      nodes-failed = {
        says       = "A Kubernetes node is failed"
        namespace  = "ContainerInsights", metric = "cluster_failed_node_count", dimensions = { ClusterName = var.cluster_name }
        comparison = "GreaterThanThreshold", threshold = 0
        statistic  = "Maximum", period = 300, periods = 2, missing = "notBreaching"
      }
      night-failed = {
        says       = "A step of a night failed for good; its log says what to do"
        namespace  = local.metrics, metric = "failed_steps", dimensions = {}
        comparison = "GreaterThanThreshold", threshold = 0
        statistic  = "Sum", period = 300, periods = 1, missing = "notBreaching"
      }
    },
    { for node in var.cache_node_ids : "cache-memory-${node}" => {
      says       = "Redis node ${node} is nearly full; it refuses writes when it is"
      namespace  = "AWS/ElastiCache", metric = "DatabaseMemoryUsagePercentage", dimensions = { CacheClusterId = node }
      comparison = "GreaterThanThreshold", threshold = 80
      statistic  = "Maximum", period = 300, periods = 2, missing = "breaching"
    } },
    !var.expect_nights ? {} : {
      night-missing = {
        says       = "No night finished in 24 hours"
        namespace  = local.metrics, metric = "finished_nights", dimensions = {}
        comparison = "LessThanThreshold", threshold = 1
        statistic  = "Sum", period = 86400, periods = 1, missing = "breaching"
      }
    },
  )
}

resource "aws_sns_topic" "this" {
  name              = "${var.name}-alarms"
  kms_master_key_id = var.key_arn
}

resource "aws_sns_topic_policy" "this" {
  arn = aws_sns_topic.this.arn
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "ServicesOfThisAccount"
      Effect    = "Allow"
      Principal = { Service = ["cloudwatch.amazonaws.com", "budgets.amazonaws.com", "aps.amazonaws.com"] }
      Action    = "sns:Publish"
      Resource  = aws_sns_topic.this.arn
      Condition = { StringEquals = { "aws:SourceAccount" = var.account_id } }
    }]
  })
}

resource "aws_sns_topic_subscription" "email" {
  for_each  = var.emails
  topic_arn = aws_sns_topic.this.arn
  protocol  = "email"
  endpoint  = each.value
}

# Made here, before Container Insights writes to it, so that it is encrypted and does not grow for ever.
resource "aws_cloudwatch_log_group" "pods" {
  name              = "/aws/containerinsights/${var.cluster_name}/application"
  kms_key_id        = var.logs_key_arn
  retention_in_days = 365
}

resource "aws_cloudwatch_log_metric_filter" "this" {
  for_each       = local.events
  name           = "${var.name}-${each.key}"
  log_group_name = aws_cloudwatch_log_group.pods.name
  pattern        = each.value
  metric_transformation {
    name      = each.key
    namespace = local.metrics
    value     = "1"
  }
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each            = local.alarms
  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = each.value.says
  namespace           = each.value.namespace
  metric_name         = each.value.metric
  dimensions          = each.value.dimensions
  statistic           = each.value.statistic
  comparison_operator = each.value.comparison
  threshold           = each.value.threshold
  period              = each.value.period
  evaluation_periods  = each.value.periods
  treat_missing_data  = each.value.missing
  alarm_actions       = [aws_sns_topic.this.arn]
  ok_actions          = [aws_sns_topic.this.arn]
}
