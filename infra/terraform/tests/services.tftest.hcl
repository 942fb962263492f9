# The data services, the cluster and the alarms as they would be sent to AWS.

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  name                     = "moe-prod"
  account_id               = "123456789012"
  vpc_id                   = "vpc-0123456789abcdef0"
  subnet_ids               = ["subnet-0000000000000000a", "subnet-0000000000000000b", "subnet-0000000000000000c"]
  client_security_group_id = "sg-00000000000c1057e"
  key_arn                  = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  secrets_key_arn          = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555556"
  logs_key_arn             = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555557"
}

run "database" {
  command = apply
  module {
    source = "./modules/database"
  }
  variables {
    engine_version      = "16"
    instance_class      = "db.m7g.large"
    storage_gb          = 100
    max_storage_gb      = 1000
    multi_az            = true
    backup_days         = 30
    deletion_protection = true
  }

  assert {
    condition     = aws_db_instance.this.manage_master_user_password && aws_db_instance.this.password == null
    error_message = "RDS keeps the master password; no password is given"
  }
  assert {
    condition     = aws_db_instance.this.storage_encrypted && !aws_db_instance.this.publicly_accessible && aws_db_instance.this.multi_az
    error_message = "encrypted, private, in two zones"
  }
  assert {
    condition     = !aws_db_instance.this.skip_final_snapshot && aws_db_instance.this.final_snapshot_identifier == "moe-prod-last"
    error_message = "what is protected leaves a last snapshot"
  }
  assert {
    condition     = anytrue([for p in aws_db_parameter_group.this.parameter : p.name == "rds.force_ssl" && p.value == "1"])
    error_message = "connections without TLS are refused"
  }
  assert {
    condition     = aws_vpc_security_group_ingress_rule.cluster.referenced_security_group_id == "sg-00000000000c1057e" && aws_vpc_security_group_ingress_rule.cluster.cidr_ipv4 == null
    error_message = "only the cluster reaches PostgreSQL"
  }
}

run "cache" {
  command = apply
  module {
    source = "./modules/cache"
  }
  variables {
    node_type        = "cache.m7g.large"
    nodes            = 2
    snapshot_days    = 1
    token_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:token"
    token_version_id = "1"
  }

  assert {
    condition = (
      aws_elasticache_replication_group.this.transit_encryption_mode == "required" &&
      aws_elasticache_replication_group.this.at_rest_encryption_enabled == "true" &&
      aws_elasticache_replication_group.this.auth_token == "a-token-that-no-output-may-show"
    )
    error_message = "Redis wants TLS and the token of Secrets Manager"
  }
  assert {
    condition     = aws_elasticache_replication_group.this.multi_az_enabled && aws_elasticache_replication_group.this.automatic_failover_enabled
    error_message = "a second node takes over"
  }
  assert {
    condition     = output.node_ids == ["moe-prod-001", "moe-prod-002"]
    error_message = "alarms name the nodes as ElastiCache does"
  }
}

run "stream" {
  command = apply
  module {
    source = "./modules/stream"
  }
  variables {
    kafka_version    = "3.9.x"
    instance_type    = "kafka.m7g.large"
    brokers          = 3
    storage_gb       = 100
    client_role_name = "moe-prod-jobs"
  }

  assert {
    condition = (
      !aws_msk_cluster.this.client_authentication[0].unauthenticated &&
      aws_msk_cluster.this.client_authentication[0].sasl[0].iam &&
      aws_msk_cluster.this.encryption_info[0].encryption_in_transit[0].client_broker == "TLS"
    )
    error_message = "clients sign with IAM, over TLS"
  }
  assert {
    condition     = strcontains(aws_msk_configuration.this.server_properties, "min.insync.replicas=2")
    error_message = "an acknowledged event is on two of three brokers"
  }
  assert {
    condition = anytrue([for statement in jsondecode(aws_iam_role_policy.client.policy).Statement :
      endswith(one(statement.Resource), ":topic/mocked/11111111-2222-3333-4444-555555555555-1/events*")
    ])
    error_message = "jobs reach the topics named events, of this cluster"
  }
}

run "spark" {
  command = apply
  module {
    source = "./modules/emr"
  }
  variables {
    lake_arn            = "arn:aws:s3:::lake"
    lake_key_arn        = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555558"
    submitter_role_name = "moe-prod-jobs"
    release_label       = "emr-spark-8.0.0"
    max_vcpu            = 100
  }

  assert {
    condition     = aws_emrserverless_application.this.auto_stop_configuration[0].enabled && length(aws_emrserverless_application.this.initial_capacity) == 0
    error_message = "nothing runs, nor costs, between jobs"
  }
  assert {
    condition     = one(aws_emrserverless_application.this.maximum_capacity).cpu == "100 vCPU"
    error_message = "jobs together stay under the limit"
  }
}

run "cluster" {
  command = apply
  module {
    source = "./modules/eks"
  }
  variables {
    kubernetes_version    = "1.35"
    endpoint_public_cidrs = []
    admin_role_arns       = []
    node_groups = {
      cpu = {
        instance_types = ["m7i.large"], min = 2, max = 4, disk_gb = 100, ami_type = "AL2023_x86_64_STANDARD"
        capacity_type  = "ON_DEMAND", single_zone = false
      }
      gpu = {
        instance_types = ["p4d.24xlarge"], min = 0, max = 4, disk_gb = 500, ami_type = "AL2023_x86_64_NVIDIA"
        capacity_type  = "ON_DEMAND", single_zone = true, taint = "nvidia.com/gpu"
      }
    }
  }

  assert {
    condition = (
      aws_eks_node_group.this["gpu"].scaling_config[0].min_size == 0 &&
      aws_eks_node_group.this["gpu"].scaling_config[0].desired_size == 0 &&
      one(aws_eks_node_group.this["gpu"].taint).key == "nvidia.com/gpu" &&
      one(aws_eks_node_group.this["gpu"].taint).effect == "NO_SCHEDULE"
    )
    error_message = "GPU nodes start from zero and keep other pods off"
  }
  assert {
    condition     = length(aws_eks_node_group.this["gpu"].subnet_ids) == 1 && length(aws_eks_node_group.this["cpu"].subnet_ids) == 3
    error_message = "GPU nodes stand in one zone, the others in all"
  }
  assert {
    condition     = length(aws_eks_node_group.this["cpu"].taint) == 0
    error_message = "the cpu group takes every pod"
  }
  assert {
    condition = alltrue([for template in aws_launch_template.node :
      template.metadata_options[0].http_tokens == "required" && template.metadata_options[0].http_put_response_hop_limit == 1
    ])
    error_message = "pods cannot reach the node's role"
  }
  assert {
    condition     = !aws_eks_cluster.this.vpc_config[0].endpoint_public_access && contains(aws_eks_cluster.this.encryption_config[0].resources, "secrets")
    error_message = "a private API, and Secrets encrypted by our key"
  }
}

run "the_api_is_never_open_to_the_internet" {
  command = plan
  module {
    source = "./modules/eks"
  }
  variables {
    kubernetes_version    = "1.35"
    endpoint_public_cidrs = ["0.0.0.0/0"]
    admin_role_arns       = []
    node_groups           = {}
  }
  expect_failures = [var.endpoint_public_cidrs]
}

run "alarms" {
  command = apply
  module {
    source = "./modules/alarms"
  }
  variables {
    emails              = ["somebody@example.com"]
    cluster_name        = "moe-prod"
    database_identifier = "moe-prod"
    database_storage_gb = 100
    cache_node_ids      = ["moe-prod-001", "moe-prod-002"]
    expect_nights       = true
  }

  assert {
    condition = keys(aws_cloudwatch_metric_alarm.this) == [
      "cache-memory-moe-prod-001", "cache-memory-moe-prod-002", "database-cpu", "database-storage", "night-failed",
      "night-missing", "nodes-failed",
    ]
    error_message = "an alarm for each thing that people must hear of"
  }
  assert {
    condition     = alltrue([for alarm in aws_cloudwatch_metric_alarm.this : length(alarm.alarm_actions) == 1])
    error_message = "every alarm tells somebody"
  }
  assert {
    condition     = aws_cloudwatch_metric_alarm.this["night-missing"].treat_missing_data == "breaching"
    error_message = "a night that never started rings too"
  }
}

run "budget" {
  command = apply
  module {
    source = "./modules/budget"
  }
  variables {
    environment = "prod"
    monthly_usd = 1000
    thresholds  = [50, 80, 100]
    topic_arn   = "arn:aws:sns:eu-central-1:123456789012:alarms"
  }

  assert {
    condition     = length(aws_budgets_budget.this.notification) == 4
    error_message = "three thresholds of what was spent, and the forecast"
  }
  assert {
    condition     = one(one(aws_budgets_budget.this.cost_filter).values) == "user:Environment$prod"
    error_message = "the environment's own cost, by its tag"
  }
}
