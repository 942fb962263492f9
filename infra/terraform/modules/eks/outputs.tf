output "cluster_name" {
  description = "For `aws eks update-kubeconfig --name`."
  value       = aws_eks_cluster.this.name
}

output "cluster_arn" {
  description = "The cluster."
  value       = aws_eks_cluster.this.arn
}

output "security_group_id" {
  description = "The security group that EKS gives to nodes and pods."
  value       = aws_eks_cluster.this.vpc_config[0].cluster_security_group_id
}

output "node_group_names" {
  description = "The node groups, which add-ons wait for."
  value       = [for group in aws_eks_node_group.this : group.node_group_name]
}
