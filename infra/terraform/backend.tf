# The rest (bucket, region) is given at `terraform init -backend-config=…`: see environments/backend.hcl.example.
terraform {
  backend "s3" {
    encrypt      = true
    use_lockfile = true
  }
}
