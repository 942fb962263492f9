# EMR Serverless for Spark work that outgrows one high-memory node: backfills and large advertisers. It costs nothing
# while nothing runs.

resource "aws_security_group" "this" {
  #checkov:skip=CKV2_AWS_5:Attached to the application below, which the check does not know
  name        = "${var.name}-spark"
  description = "Spark workers: nothing comes in but their own kind"
  vpc_id      = var.vpc_id
  tags        = { Name = "${var.name}-spark" }
}

resource "aws_vpc_security_group_ingress_rule" "workers" {
  #checkov:skip=CKV_AWS_25:Only members of the group itself come in; Spark chooses its ports
  security_group_id            = aws_security_group.this.id
  description                  = "Workers among themselves"
  referenced_security_group_id = aws_security_group.this.id
  ip_protocol                  = "tcp"
  from_port                    = 1024
  to_port                      = 65535
}

resource "aws_vpc_security_group_egress_rule" "https" {
  security_group_id = aws_security_group.this.id
  description       = "S3 and AWS endpoints"
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

resource "aws_vpc_security_group_egress_rule" "workers" {
  security_group_id            = aws_security_group.this.id
  description                  = "Workers among themselves"
  referenced_security_group_id = aws_security_group.this.id
  ip_protocol                  = "tcp"
  from_port                    = 1024
  to_port                      = 65535
}

resource "aws_emrserverless_application" "this" {
  name          = var.name
  type          = "SPARK"
  release_label = var.release_label
  architecture  = "X86_64"

  maximum_capacity {
    cpu    = "${var.max_vcpu} vCPU"
    memory = "${var.max_vcpu * 8} GB"
    disk   = "${var.max_vcpu * 20} GB"
  }

  auto_start_configuration {
    enabled = true
  }

  auto_stop_configuration {
    enabled              = true
    idle_timeout_minutes = 15
  }

  network_configuration {
    subnet_ids         = var.subnet_ids
    security_group_ids = [aws_security_group.this.id]
  }
}

# What a Spark job itself may do: read and write tables and its own scratch.
resource "aws_iam_role" "job" {
  name = "${var.name}-spark-job"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "emr-serverless.amazonaws.com" }
      Action    = "sts:AssumeRole"
      Condition = {
        StringEquals = { "aws:SourceAccount" = var.account_id }
        ArnLike      = { "aws:SourceArn" = aws_emrserverless_application.this.arn }
      }
    }]
  })
}

resource "aws_iam_role_policy" "job" {
  name = "tables"
  role = aws_iam_role.job.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect    = "Allow"
        Action    = ["s3:ListBucket"]
        Resource  = [var.lake_arn]
        Condition = { StringLike = { "s3:prefix" = ["store/*", "work/*"] } }
      },
      {
        Effect   = "Allow"
        Action   = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"]
        Resource = ["${var.lake_arn}/store/*", "${var.lake_arn}/work/*"]
      },
      {
        Effect   = "Allow"
        Action   = ["kms:Decrypt", "kms:GenerateDataKey"]
        Resource = [var.lake_key_arn]
      },
    ]
  })
}

# Who may start one, with that role and no other.
resource "aws_iam_role_policy" "submit" {
  name = "submit-spark"
  role = var.submitter_role_name
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect   = "Allow"
        Action   = ["emr-serverless:StartJobRun", "emr-serverless:StartApplication", "emr-serverless:GetApplication"]
        Resource = [aws_emrserverless_application.this.arn]
      },
      {
        Effect   = "Allow"
        Action   = ["emr-serverless:GetJobRun", "emr-serverless:CancelJobRun"]
        Resource = ["${aws_emrserverless_application.this.arn}/jobruns/*"]
      },
      {
        Effect    = "Allow"
        Action    = ["iam:PassRole"]
        Resource  = [aws_iam_role.job.arn]
        Condition = { StringEquals = { "iam:PassedToService" = "emr-serverless.amazonaws.com" } }
      },
    ]
  })
}
