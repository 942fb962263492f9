# What runs inside the cluster for the cluster, and which service account gets which role.

locals {
  addons = {
    vpc-cni                         = jsonencode({ enableNetworkPolicy = "true" }) # the CNI enforces network policies
    kube-proxy                      = null
    coredns                         = null
    eks-pod-identity-agent          = null
    aws-efs-csi-driver              = null # mounts the shared store
    metrics-server                  = null # what the horizontal autoscaler reads
    amazon-cloudwatch-observability = null # Container Insights, and pods' output to CloudWatch Logs
  }
}

# EKS starts a cluster with its own copies of the first three: they are taken over.
resource "aws_eks_addon" "this" {
  for_each                    = local.addons
  cluster_name                = var.cluster_name
  addon_name                  = each.key
  configuration_values        = each.value
  resolve_conflicts_on_create = "OVERWRITE"
  resolve_conflicts_on_update = "OVERWRITE"

  dynamic "pod_identity_association" {
    for_each = each.key == "amazon-cloudwatch-observability" ? ["cloudwatch-agent"] : []
    content {
      role_arn        = aws_iam_role.observability.arn
      service_account = pod_identity_association.value
    }
  }
}

resource "aws_iam_role" "observability" {
  name = "${var.name}-observability"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "pods.eks.amazonaws.com" }
      Action    = ["sts:AssumeRole", "sts:TagSession"]
      Condition = { StringEquals = {
        "aws:SourceAccount"                         = var.account_id
        "aws:RequestTag/eks-cluster-name"           = var.cluster_name
        "aws:RequestTag/kubernetes-service-account" = "cloudwatch-agent"
      } }
    }]
  })
}

resource "aws_iam_role_policy_attachment" "observability" {
  role       = aws_iam_role.observability.name
  policy_arn = "arn:aws:iam::aws:policy/CloudWatchAgentServerPolicy"
}

resource "aws_eks_pod_identity_association" "this" {
  for_each        = var.pods
  cluster_name    = var.cluster_name
  namespace       = each.value.namespace
  service_account = each.key
  role_arn        = each.value.role_arn
}
