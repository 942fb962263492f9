# deliveries: what sources hand over, with personal columns. lake: everything that the platform writes.
# logs: who read what of both.

locals {
  buckets = {
    deliveries = var.personal_key_arn
    lake       = var.lake_key_arn
    logs       = null # server access logs can only be delivered to a bucket with SSE-S3
  }
  # Raw values live in deliveries and in store/landing/: an erasure must have left every copy after this many days.
  erased_after_days = 30
}

resource "aws_s3_bucket" "this" {
  #checkov:skip=CKV_AWS_144:Everything but the deliveries can be computed again from them; a copy in a second region would also be a second place to erase personal data from
  #checkov:skip=CKV2_AWS_62:Nights are scheduled, nothing starts on an object's arrival
  #checkov:skip=CKV_AWS_145:The logs bucket takes SSE-S3 alone, which log delivery asks for; the others have a KMS key each
  #checkov:skip=CKV_AWS_18:The logs bucket cannot log itself; the others log to it
  #checkov:skip=CKV2_AWS_61:Every bucket has one, each its own, below
  for_each      = local.buckets
  bucket        = "${var.name}-${each.key}-${var.account_id}"
  force_destroy = var.force_destroy
}

resource "aws_s3_bucket_public_access_block" "this" {
  for_each                = aws_s3_bucket.this
  bucket                  = each.value.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_ownership_controls" "this" {
  for_each = aws_s3_bucket.this
  bucket   = each.value.id
  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_versioning" "this" {
  for_each = aws_s3_bucket.this
  bucket   = each.value.id
  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "this" {
  for_each = local.buckets
  bucket   = aws_s3_bucket.this[each.key].id
  rule {
    bucket_key_enabled = each.value != null
    apply_server_side_encryption_by_default {
      sse_algorithm     = each.value == null ? "AES256" : "aws:kms"
      kms_master_key_id = each.value
    }
  }
}

resource "aws_s3_bucket_logging" "this" {
  for_each      = toset(["deliveries", "lake"])
  bucket        = aws_s3_bucket.this[each.key].id
  target_bucket = aws_s3_bucket.this["logs"].id
  target_prefix = "${each.key}/"
  depends_on    = [aws_s3_bucket_policy.this] # which lets the log service write
}

resource "aws_s3_bucket_policy" "this" {
  for_each = aws_s3_bucket.this
  bucket   = each.value.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [{
        Sid       = "DenyInsecureTransport"
        Effect    = "Deny"
        Principal = { AWS = "*" }
        Action    = "s3:*"
        Resource  = [each.value.arn, "${each.value.arn}/*"]
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      }],
      # Without the header the bucket's own key is taken; one that names another key is refused. A negated condition
      # is true where its header is absent, hence the second condition.
      each.key == "logs" ? [] : [{
        Sid       = "DenyForeignKeys"
        Effect    = "Deny"
        Principal = { AWS = "*" }
        Action    = "s3:PutObject"
        Resource  = "${each.value.arn}/*"
        Condition = {
          StringNotEquals = { "s3:x-amz-server-side-encryption-aws-kms-key-id" = local.buckets[each.key] }
          Null            = { "s3:x-amz-server-side-encryption-aws-kms-key-id" = "false" }
        }
      }],
      each.key != "logs" ? [] : [{
        Sid       = "AllowAccessLogs"
        Effect    = "Allow"
        Principal = { Service = "logging.s3.amazonaws.com" }
        Action    = "s3:PutObject"
        Resource  = "${each.value.arn}/*"
        Condition = { StringEquals = { "aws:SourceAccount" = var.account_id } }
      }],
    )
  })
  depends_on = [aws_s3_bucket_public_access_block.this]
}

resource "aws_s3_bucket_lifecycle_configuration" "deliveries" {
  bucket = aws_s3_bucket.this["deliveries"].id

  rule {
    id     = "raw-deliveries-end"
    status = "Enabled"
    filter {}
    expiration {
      days = var.deliveries_days
    }
    noncurrent_version_expiration {
      noncurrent_days = local.erased_after_days
    }
    abort_incomplete_multipart_upload {
      days_after_initiation = 3
    }
  }
  depends_on = [aws_s3_bucket_versioning.this]
}

resource "aws_s3_bucket_lifecycle_configuration" "lake" {
  bucket = aws_s3_bucket.this["lake"].id

  rule {
    id     = "old-versions-end"
    status = "Enabled"
    filter {}
    noncurrent_version_expiration {
      noncurrent_days = local.erased_after_days
    }
    abort_incomplete_multipart_upload {
      days_after_initiation = 3
    }
  }

  rule {
    id     = "landed-rows-end"
    status = "Enabled"
    filter {
      prefix = "store/landing/"
    }
    expiration {
      days = var.deliveries_days
    }
  }

  # Nights of long ago are read by audits and backfills: seldom, but then at once.
  rule {
    id     = "old-nights-cool"
    status = "Enabled"
    filter {
      prefix = "store/"
    }
    transition {
      days          = 90
      storage_class = "STANDARD_IA"
    }
    transition {
      days          = 365
      storage_class = "GLACIER_IR"
    }
  }

  rule {
    id     = "scratch-ends"
    status = "Enabled"
    filter {
      prefix = "work/"
    }
    expiration {
      days = 7
    }
  }
  depends_on = [aws_s3_bucket_versioning.this]
}

resource "aws_s3_bucket_lifecycle_configuration" "logs" {
  bucket = aws_s3_bucket.this["logs"].id

  rule {
    id     = "access-logs-end"
    status = "Enabled"
    filter {}
    expiration {
      days = 400
    }
    noncurrent_version_expiration {
      noncurrent_days = 1
    }
    abort_incomplete_multipart_upload {
      days_after_initiation = 3
    }
  }
  depends_on = [aws_s3_bucket_versioning.this]
}
