output "endpoint" {
  description = "Prometheus API, for Grafana."
  value       = aws_prometheus_workspace.this.prometheus_endpoint
}
