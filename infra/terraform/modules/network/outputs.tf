output "vpc_id" {
  description = "The VPC."
  value       = aws_vpc.this.id
}

output "private_subnet_ids" {
  description = "One private subnet a zone, in the zones' order."
  value       = [for zone in var.zones : aws_subnet.private[zone].id]
}
