# Who may do what with the data: buckets, keys and roles as they would be sent to AWS.

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  name             = "moe-dev"
  account_id       = "123456789012"
  region           = "eu-central-1"
  personal_key_arn = "arn:aws:kms:eu-central-1:123456789012:key/personal"
  lake_key_arn     = "arn:aws:kms:eu-central-1:123456789012:key/lake"
  deliveries_days  = 90
  force_destroy    = false
  bucket_arns      = { lake = "arn:aws:s3:::lake", deliveries = "arn:aws:s3:::deliveries" }
  key_arns = {
    lake     = "arn:aws:kms:eu-central-1:123456789012:key/lake"
    personal = "arn:aws:kms:eu-central-1:123456789012:key/personal"
  }
}

run "buckets" {
  command = apply
  module {
    source = "./modules/storage"
  }

  assert {
    condition = alltrue([for policy in aws_s3_bucket_policy.this : anytrue([
      for statement in jsondecode(policy.policy).Statement :
      statement.Effect == "Deny" && statement.Action == "s3:*" &&
      try(statement.Condition.Bool["aws:SecureTransport"], "") == "false" && length(statement.Resource) == 2
    ])])
    error_message = "every bucket refuses plain HTTP, for itself and its objects"
  }
  assert {
    condition = alltrue([for block in aws_s3_bucket_public_access_block.this : alltrue([
      block.block_public_acls, block.block_public_policy, block.ignore_public_acls, block.restrict_public_buckets
    ])]) && length(aws_s3_bucket_public_access_block.this) == 3
    error_message = "no bucket can be made public"
  }
  assert {
    condition = alltrue([for kind, key in { deliveries = var.personal_key_arn, lake = var.lake_key_arn } : (
      one(aws_s3_bucket_server_side_encryption_configuration.this[kind].rule).apply_server_side_encryption_by_default[0].kms_master_key_id == key
    )])
    error_message = "raw deliveries and the lake are encrypted with different keys"
  }
  assert {
    condition = anytrue([for rule in aws_s3_bucket_lifecycle_configuration.lake.rule :
      rule.id == "landed-rows-end" && one(rule.filter).prefix == "store/landing/" && try(one(rule.expiration).days, 0) == 90
    ])
    error_message = "landed rows, which hold personal values, end with the deliveries"
  }
}

run "roles" {
  command = apply
  module {
    source = "./modules/iam"
  }

  assert {
    condition = alltrue([for statement in jsondecode(aws_iam_role_policy.pod["serving"].policy).Statement : alltrue([
      for action in statement.Action : contains(["s3:ListBucket", "s3:GetObject", "kms:Decrypt"], action)
    ])])
    error_message = "serving can only read"
  }
  assert {
    condition = toset(flatten([
      for statement in jsondecode(aws_iam_role_policy.pod["serving"].policy).Statement : statement.Resource
      if statement.Sid == "Read"
    ])) == toset(["arn:aws:s3:::lake/bundles/*", "arn:aws:s3:::lake/live/*", "arn:aws:s3:::lake/published/*"])
    error_message = "serving reads bundles and what is published, and nothing else"
  }
  assert {
    condition = contains(flatten([
      for statement in jsondecode(aws_iam_role_policy.pod["training"].policy).Statement : statement.Resource
      if contains(statement.Action, "s3:PutObject")
    ]), "arn:aws:s3:::lake/bundles/*")
    error_message = "training writes bundles"
  }
  assert {
    condition = alltrue([for name, policy in aws_iam_role_policy.pod :
      name == "jobs" || !(strcontains(policy.policy, "store/landing") || strcontains(policy.policy, "s3:::deliveries") || strcontains(policy.policy, "key/personal") || strcontains(policy.policy, "lake/store/*"))
    ])
    error_message = "raw personal values are for jobs alone"
  }
  assert {
    condition = alltrue([for name, policy in aws_iam_role_policy.pod : alltrue([
      for statement in jsondecode(policy.policy).Statement : alltrue([
        for action in statement.Action : !endswith(action, "*")
        ]) && (
        !contains(statement.Resource, "*") || alltrue([for action in statement.Action : can(regex(":(Describe|Get)", action))])
      )
    ])])
    error_message = "no action by wildcard, and every resource only for calls that describe"
  }
  assert {
    condition = alltrue([for name, role in aws_iam_role.pod : alltrue([
      for key, value in { namespace = name == "autoscaler" ? "kube-system" : "moe", service-account = name } :
      jsondecode(role.assume_role_policy).Statement[0].Condition.StringEquals["aws:RequestTag/kubernetes-${key}"] == value
    ])])
    error_message = "a role is for one service account in one namespace"
  }
}

run "keys" {
  command = apply
  module {
    source = "./modules/keys"
  }

  assert {
    condition     = alltrue([for key in aws_kms_key.this : key.enable_key_rotation])
    error_message = "keys rotate"
  }
  assert {
    condition = alltrue([for class, key in aws_kms_key.this : alltrue([
      for statement in jsondecode(key.policy).Statement :
      try(statement.Principal.Service, null) == null || length(try(statement.Condition, {})) > 0
    ])])
    error_message = "a service may use a key for this account alone"
  }
}
