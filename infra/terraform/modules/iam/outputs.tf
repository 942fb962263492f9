output "pods" {
  description = "Role and namespace by service account."
  value = { for account, namespace in local.accounts : account => {
    namespace = namespace
    role_name = aws_iam_role.pod[account].name
    role_arn  = aws_iam_role.pod[account].arn
  } }
}
