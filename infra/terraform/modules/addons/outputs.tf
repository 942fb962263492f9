output "service_accounts" {
  description = "Service accounts that have a role, as namespace/name."
  value       = [for account, pod in var.pods : "${pod.namespace}/${account}"]
}
