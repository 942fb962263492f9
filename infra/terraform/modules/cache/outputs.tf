output "address" {
  description = "Host of the primary, TLS on port 6379."
  value       = aws_elasticache_replication_group.this.primary_endpoint_address
}

output "node_ids" {
  description = "Names of the nodes, for alarms. Known before they are made."
  value       = [for index in range(var.nodes) : format("%s-%03d", var.name, index + 1)]
}
