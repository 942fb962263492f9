# Kafka for events that arrive during the day. TLS on the wire, IAM for who may do what; small until something reads it.

resource "aws_security_group" "this" {
  name        = "${var.name}-stream"
  description = "Kafka with IAM from the cluster"
  vpc_id      = var.vpc_id
  tags        = { Name = "${var.name}-stream" }
}

resource "aws_vpc_security_group_ingress_rule" "cluster" {
  security_group_id            = aws_security_group.this.id
  description                  = "Kafka with IAM from pods"
  referenced_security_group_id = var.client_security_group_id
  ip_protocol                  = "tcp"
  from_port                    = 9098
  to_port                      = 9098
}

resource "aws_msk_configuration" "this" {
  name           = "${var.name}-events"
  kafka_versions = [var.kafka_version]
  # With three brokers an acknowledged event is on two of them; topics are made on purpose.
  server_properties = <<-PROPERTIES
    auto.create.topics.enable=false
    default.replication.factor=${var.brokers > 2 ? 3 : 2}
    min.insync.replicas=${var.brokers > 2 ? 2 : 1}
    log.retention.hours=168
  PROPERTIES
}

resource "aws_cloudwatch_log_group" "brokers" {
  name              = "/${var.name}/kafka"
  kms_key_id        = var.logs_key_arn
  retention_in_days = 365
}

resource "aws_msk_cluster" "this" {
  cluster_name           = var.name
  kafka_version          = var.kafka_version
  number_of_broker_nodes = var.brokers
  enhanced_monitoring    = "PER_BROKER"

  broker_node_group_info {
    instance_type   = var.instance_type
    client_subnets  = slice(var.subnet_ids, 0, var.brokers)
    security_groups = [aws_security_group.this.id]
    storage_info {
      ebs_storage_info {
        volume_size = var.storage_gb
      }
    }
  }

  configuration_info {
    arn      = aws_msk_configuration.this.arn
    revision = aws_msk_configuration.this.latest_revision
  }

  client_authentication {
    unauthenticated = false
    sasl {
      iam = true
    }
  }

  encryption_info {
    encryption_at_rest_kms_key_arn = var.key_arn
    encryption_in_transit {
      client_broker = "TLS"
      in_cluster    = true
    }
  }

  logging_info {
    broker_logs {
      cloudwatch_logs {
        enabled   = true
        log_group = aws_cloudwatch_log_group.brokers.name
      }
    }
  }
}

# Jobs read and write the topics named events…; they cannot change the cluster.
resource "aws_iam_role_policy" "client" {
  name = "events"
  role = var.client_role_name
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect   = "Allow"
        Action   = ["kafka-cluster:Connect", "kafka-cluster:DescribeCluster"]
        Resource = [aws_msk_cluster.this.arn]
      },
      {
        Effect = "Allow"
        Action = [
          "kafka-cluster:CreateTopic", "kafka-cluster:DescribeTopic", "kafka-cluster:ReadData",
          "kafka-cluster:WriteData",
        ]
        Resource = ["${replace(aws_msk_cluster.this.arn, ":cluster/", ":topic/")}/events*"]
      },
      {
        Effect   = "Allow"
        Action   = ["kafka-cluster:AlterGroup", "kafka-cluster:DescribeGroup"]
        Resource = ["${replace(aws_msk_cluster.this.arn, ":cluster/", ":group/")}/moe*"]
      },
    ]
  })
}
