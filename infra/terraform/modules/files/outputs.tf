output "volume_handle" {
  description = "What the EFS driver calls the shared folder: file system and access point."
  value       = "${aws_efs_file_system.this.id}::${aws_efs_access_point.home.id}"
}
