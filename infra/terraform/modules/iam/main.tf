# One role a Kubernetes service account, through EKS Pod Identity: no key is stored anywhere, and a role's session can
# only be had by the named service account in the named namespace.

locals {
  lake       = var.bucket_arns["lake"]
  deliveries = var.bucket_arns["deliveries"]
  data_key   = ["kms:Decrypt", "kms:GenerateDataKey"]

  # What each may do in the lake, by prefix. `list` follows from both.
  access = {
    serving  = { read = ["bundles", "live", "published"], write = [] }
    training = { read = ["bundles", "live", "published", "store/core", "store/features"], write = ["bundles", "mlflow", "training"] }
    mlflow   = { read = ["mlflow"], write = ["mlflow"] }
    jobs = {
      read  = local.everything
      write = local.everything
    }
  }
  everything = ["bundles", "live", "mlflow", "published", "reports", "store", "training", "work"]

  lake_statements = { for name, access in local.access : name => concat(
    [for prefixes in [distinct(concat(access.read, access.write))] : {
      Sid       = "List"
      Effect    = "Allow"
      Action    = ["s3:ListBucket"]
      Resource  = [local.lake]
      Condition = { StringLike = { "s3:prefix" = [for prefix in prefixes : "${prefix}/*"] } }
    } if length(prefixes) > 0],
    [for prefixes in [distinct(concat(access.read, access.write))] : {
      Sid      = "Read"
      Effect   = "Allow"
      Action   = ["s3:GetObject"]
      Resource = [for prefix in prefixes : "${local.lake}/${prefix}/*"]
    } if length(prefixes) > 0],
    [for prefixes in [access.write] : {
      Sid      = "Write"
      Effect   = "Allow"
      Action   = ["s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"]
      Resource = [for prefix in prefixes : "${local.lake}/${prefix}/*"]
    } if length(prefixes) > 0],
    length(access.read) + length(access.write) == 0 ? [] : [{
      Sid      = "LakeKey"
      Effect   = "Allow"
      Action   = length(access.write) > 0 ? local.data_key : ["kms:Decrypt"]
      Resource = [var.key_arns["lake"]]
    }],
  ) }

  # What a role may do besides.
  further = {
    jobs = [
      { Sid = "ListDeliveries", Effect = "Allow", Action = ["s3:ListBucket"], Resource = [local.deliveries] },
      { Sid = "ReadDeliveries", Effect = "Allow", Action = ["s3:GetObject"], Resource = ["${local.deliveries}/*"] },
      { Sid = "PersonalKey", Effect = "Allow", Action = ["kms:Decrypt"], Resource = [var.key_arns["personal"]] },
    ]
    autoscaler = [
      {
        Sid    = "See" # these calls know no resources
        Effect = "Allow"
        Action = [
          "autoscaling:DescribeAutoScalingGroups", "autoscaling:DescribeAutoScalingInstances",
          "autoscaling:DescribeLaunchConfigurations", "autoscaling:DescribeScalingActivities",
          "autoscaling:DescribeTags", "ec2:DescribeImages", "ec2:DescribeInstanceTypes",
          "ec2:DescribeLaunchTemplateVersions", "ec2:GetInstanceTypesFromInstanceRequirements",
        ]
        Resource = ["*"]
      },
      {
        Sid      = "SeeGroups"
        Effect   = "Allow"
        Action   = ["eks:DescribeNodegroup"]
        Resource = ["arn:aws:eks:${var.region}:${var.account_id}:nodegroup/${var.name}/*"]
      },
      {
        Sid       = "Scale"
        Effect    = "Allow"
        Action    = ["autoscaling:SetDesiredCapacity", "autoscaling:TerminateInstanceInAutoScalingGroup"]
        Resource  = ["arn:aws:autoscaling:${var.region}:${var.account_id}:autoScalingGroup:*"]
        Condition = { StringEquals = { "aws:ResourceTag/k8s.io/cluster-autoscaler/${var.name}" = "owned" } }
      },
    ]
  }

  # Airflow's own parts ask nothing of AWS: their role has no grants, so that they cannot borrow the node's either.
  accounts = {
    serving    = "moe"
    jobs       = "moe"
    training   = "moe"
    mlflow     = "moe"
    airflow    = "moe"
    autoscaler = "kube-system"
  }

  statements = { for name in keys(local.accounts) : name =>
    concat(lookup(local.lake_statements, name, []), lookup(local.further, name, []))
  }
}

resource "aws_iam_role" "pod" {
  for_each = local.accounts
  name     = "${var.name}-${each.key}"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "pods.eks.amazonaws.com" }
      Action    = ["sts:AssumeRole", "sts:TagSession"]
      Condition = { StringEquals = {
        "aws:SourceAccount"                         = var.account_id
        "aws:RequestTag/eks-cluster-name"           = var.name
        "aws:RequestTag/kubernetes-namespace"       = each.value
        "aws:RequestTag/kubernetes-service-account" = each.key
      } }
    }]
  })
}

resource "aws_iam_role_policy" "pod" {
  for_each = { for name, statements in local.statements : name => statements if length(statements) > 0 }
  name     = "what-it-needs"
  role     = aws_iam_role.pod[each.key].id
  policy   = jsonencode({ Version = "2012-10-17", Statement = each.value })
}
