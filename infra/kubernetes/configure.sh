#!/usr/bin/env bash
# Gives the manifests an environment's addresses, and the cluster its secrets.
#     infra/kubernetes/configure.sh TAG          (in a shell that Terraform, AWS and kubectl know the environment of)
# Secrets go from Secrets Manager to the cluster, through this shell's memory alone.
set -euo pipefail
cd "$(dirname "$0")"
tag="${1:?which image tag?}"

terraform -chdir=../terraform output -json platform | python3 -c '
import json, sys
platform, tag = json.load(sys.stdin), sys.argv[1]
platform["IMAGE_JOBS_REPOSITORY"], platform["IMAGE_TAG"] = platform["IMAGE_JOBS"], tag
platform["IMAGE_JOBS"] += ":" + tag
platform["IMAGE_SERVING"] += ":" + tag
print("\n".join(f"{name}={value}" for name, value in sorted(platform.items())))' "$tag" > base/platform.env

of() { sed -n "s/^$1=//p" base/platform.env; }
secret() { aws secretsmanager get-secret-value --secret-id "$1" --query SecretString --output text; }
mine() { secret "moe-$(of ENVIRONMENT)/$1"; }
url() { echo "$1://$2:$(mine "database-$2")@$(of DATABASE_HOST):5432/$2?sslmode=require"; }
# Files of a secret are given as descriptors: on a command line every process could read them.
put() { kubectl -n moe create secret generic "$@" --dry-run=client -o yaml | kubectl apply -f - >/dev/null; echo "secret $1"; }

kubectl create namespace moe --dry-run=client -o yaml | kubectl apply -f - >/dev/null
master="$(secret "$(terraform -chdir=../terraform output -raw database_master_secret_arn)")"
field() { python3 -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]], end="")' "$1" <<< "$master"; }
put database-setup --from-file=PGUSER=<(field username) --from-file=PGPASSWORD=<(field password) \
  --from-file=AIRFLOW=<(mine database-airflow | tr -d '\n') --from-file=MLFLOW=<(mine database-mlflow | tr -d '\n') \
  --from-file=RELEASE=<(mine database-release | tr -d '\n')
put airflow --from-file=AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=<(url postgresql+psycopg airflow | tr -d '\n') \
  --from-file=AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC=<(url postgresql+psycopg airflow | tr -d '\n') \
  --from-file=AIRFLOW__API_AUTH__JWT_SECRET=<(mine airflow-key | tr -d '\n')
put mlflow --from-file=database-url=<(url postgresql+psycopg mlflow | tr -d '\n')
online() { echo "rediss://:$(mine redis-token)@$(of REDIS_HOST):6379/0"; }
put moe-settings --from-file=moe_pseudonym_key=<(mine pseudonym-key | tr -d '\n') \
  --from-file=moe_postgres_url=<(url postgresql release | tr -d '\n') \
  --from-file=moe_online_store=<(online | tr -d '\n')
put serving-online --from-file=advertiser=<(echo "$(online)?project=advertiser" | tr -d '\n')
echo "now: kubectl apply -k infra/kubernetes/overlays/$(of ENVIRONMENT)"
