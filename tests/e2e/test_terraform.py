"""The infrastructure: its form, its promises against a mocked AWS, and what a simulated AWS holds once it is applied.

Terraform must be on the PATH and the AWS provider in a folder on this machine: the one that `TF_PLUGIN_MIRROR` names,
or that TF_CLI_CONFIG_FILE configures, or one of the usual places. Nothing is fetched and no cloud is called.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from services import free_port

from moe.settings import settings

pytestmark = pytest.mark.terraform

TERRAFORM = settings().root / "infra" / "terraform"
PROVIDER = "registry.terraform.io/hashicorp/aws"
USUAL = ("/opt/tf-plugins", "/usr/share/terraform/plugins", "/usr/local/share/terraform/plugins",
         "~/.terraform.d/plugins")
REGION = "eu-central-1"
# What moto holds of the platform. It has no EFS mounts, MSK, EMR, EKS add-ons, Redis replication groups nor managed
# Prometheus's scrapers; it gives a cluster no security group, so that the database's rule cannot name one.
HELD = ("keys", "network", "storage", "registry", "secrets", "iam", "eks", "alarms", "database.aws_db_instance.this")


def configured() -> str:
    """A CLI configuration whose only source of providers is this machine's disk."""
    named = os.environ.get("TF_PLUGIN_MIRROR")
    given = Path(os.environ.get("TF_CLI_CONFIG_FILE", ""))
    if not named and given.is_file():
        return given.read_text(encoding="utf-8")
    for place in (named,) if named else USUAL:
        folder = Path(place).expanduser()
        if (folder / PROVIDER).is_dir():
            return f'provider_installation {{\n  filesystem_mirror {{\n    path = "{folder}"\n  }}\n}}\n'
    raise AssertionError(f"no folder with {PROVIDER} among {USUAL}: put it there, or name its folder by "
                         "TF_PLUGIN_MIRROR (terraform providers mirror FOLDER makes one)")


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Of every terraform here: nothing of the person's own configuration or credentials comes in."""
    folder = tmp_path_factory.mktemp("terraform")
    (folder / "terraform.rc").write_text(configured(), encoding="utf-8")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "TF_"))}
    return kept | {
        "TF_CLI_CONFIG_FILE": str(folder / "terraform.rc"), "TF_DATA_DIR": str(folder / "data"), "TF_INPUT": "0",
        "TF_IN_AUTOMATION": "1", "TF_CLI_ARGS": "-no-color", "CHECKPOINT_DISABLE": "1", "AWS_ACCESS_KEY_ID": "tests",
        "AWS_SECRET_ACCESS_KEY": "tests", "AWS_REGION": REGION, "AWS_EC2_METADATA_DISABLED": "true",
    }


@pytest.fixture(scope="module")
def terraform(environment: dict[str, str]) -> "Terraform":
    found = Terraform(environment)
    found("init", "-backend=false", "-lockfile=readonly")
    return found


class Terraform:
    """The command, in the module's folder."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.environment = environment

    def __call__(self, command: str, *options: str) -> str:
        done = subprocess.run(["terraform", command, *options], cwd=TERRAFORM, env=self.environment,
                              capture_output=True, text=True)
        assert done.returncode == 0, f"terraform {command}: {done.returncode}\n{done.stdout[-4000:]}\n{done.stderr}"
        return done.stdout


def test_the_form_is_terraforms_own(terraform: Terraform) -> None:
    terraform("fmt", "-check", "-recursive", "-diff")
    terraform("validate")


def test_what_each_environment_promises_holds_against_a_mocked_aws(terraform: Terraform) -> None:
    said = terraform("test", "-var-file=environments/dev.tfvars")
    passed = re.search(r"Success! (\d+) passed, 0 failed", said)
    assert passed, said
    runs = sum(len(re.findall(r"^run ", file.read_text(encoding="utf-8"), re.MULTILINE))
               for file in (TERRAFORM / "tests").glob("*.tftest.hcl"))
    assert int(passed[1]) == runs


def test_alarms_on_nights_read_what_the_steps_write() -> None:
    """The filters' words are in the messages that tasks write, so that the alarms can ring."""
    filters = dict(re.findall(r'^\s+(failed_steps|finished_nights)\s+= "(.*)"$',
                              (TERRAFORM / "modules/alarms/main.tf").read_text(encoding="utf-8"), re.MULTILINE))
    words = {name: re.findall(r'\\"(.*?)\\"', pattern) for name, pattern in filters.items()}
    told = re.sub(r'"\s+"', "", (settings().dags / "_defaults.py").read_text(encoding="utf-8"))
    assert words["failed_steps"]
    assert all(word in told for word in words["failed_steps"])
    line = json.dumps({"step": "make_live", "status": "done"})
    assert words["finished_nights"]
    assert all(word in line for word in words["finished_nights"])
    assert '"make_live"' in (settings().dags / "_steps.py").read_text(encoding="utf-8")
    assert '"status": "done"' in (settings().dags / "_steps.py").read_text(encoding="utf-8")


class Moto:
    """A simulated AWS on a free port."""

    def __init__(self, folder: Path) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        with (folder / "moto.log").open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)], stdout=log, stderr=log,
                env=os.environ | {"MOTO_IAM_LOAD_MANAGED_POLICIES": "true"})
        for _ in range(240):
            try:
                urllib.request.urlopen(f"{self.url}/moto-api/", timeout=1)
                return
            except OSError:
                assert self.process.poll() is None, (folder / "moto.log").read_text()
                time.sleep(0.25)
        raise AssertionError("moto did not answer within a minute")

    def client(self, service: str) -> Any:
        return boto3.client(service, endpoint_url=self.url, region_name=REGION, aws_access_key_id="tests",
                            aws_secret_access_key="tests")


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Moto]:
    moto = Moto(tmp_path_factory.mktemp("moto"))
    yield moto
    moto.process.terminate()
    moto.process.wait(30)


@pytest.fixture(scope="module")
def cloud(environment: dict[str, str], aws: Moto, tmp_path_factory: pytest.TempPathFactory) -> Terraform:
    """Terraform against the simulated AWS, with its state in a bucket there, locked by S3 itself."""
    aws.client("s3").create_bucket(Bucket="state", CreateBucketConfiguration={"LocationConstraint": REGION})
    data = tmp_path_factory.mktemp("cloud")
    found = Terraform(environment | {"AWS_ENDPOINT_URL": aws.url, "TF_DATA_DIR": str(data)})
    found("init", "-lockfile=readonly", "-backend-config=bucket=state", "-backend-config=key=moe/dev.tfstate",
          f"-backend-config=region={REGION}", "-backend-config=skip_credentials_validation=true")
    return found


@pytest.fixture(scope="module")
def applied(cloud: Terraform) -> Iterator[dict[str, Any]]:
    """What moto holds of a dev environment, made; then thrown away. Gives the state."""
    cloud("apply", "-auto-approve", "-var-file=environments/dev.tfvars",
          *(f"-target=module.{part}" for part in HELD))
    yield json.loads(cloud("show", "-json"))
    cloud("destroy", "-auto-approve", "-var-file=environments/dev.tfvars")


@pytest.mark.all
@pytest.mark.parametrize("name", ["dev", "staging", "prod"])
def test_a_whole_environment_can_be_planned(cloud: Terraform, tmp_path: Path, name: str) -> None:
    file = tmp_path / "plan"
    cloud("plan", f"-var-file=environments/{name}.tfvars", f"-out={file}", "-lock=false")
    plan = json.loads(cloud("show", "-json", str(file)))
    changes = [change for change in plan["resource_changes"] if change["mode"] == "managed"]
    made = {(change["type"], change["name"], change.get("index")): change["change"]["after"] for change in changes}
    database = made["aws_db_instance", "this", None]
    careful = name == "prod"
    assert database["multi_az"] is careful
    assert database["deletion_protection"] is (name != "dev")
    assert database["manage_master_user_password"]
    assert made["aws_elasticache_replication_group", "this", None]["automatic_failover_enabled"] is (name != "dev")
    assert len([1 for kind, _, _ in made if kind == "aws_nat_gateway"]) == (3 if careful else 1)
    gpu = made["aws_eks_node_group", "this", "gpu"]
    assert gpu["scaling_config"][0]["min_size"] == 0
    untagged = [change["address"] for change in changes
                if "tags_all" in (after := change["change"]["after"])
                and (after["tags_all"] or {}).get("Environment") != name]
    assert not untagged


@pytest.mark.all
def test_what_was_applied_stands_there(applied: dict[str, Any], aws: Moto) -> None:
    """Read back by boto3, as AWS would show it to an auditor."""
    s3 = aws.client("s3")
    account = aws.client("sts").get_caller_identity()["Account"]
    keys = {alias["AliasName"]: alias["TargetKeyId"] for alias in aws.client("kms").list_aliases()["Aliases"]
            if "TargetKeyId" in alias}
    for kind, key in (("deliveries", "personal"), ("lake", "lake")):
        bucket = f"moe-dev-{kind}-{account}"
        rules = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
        default = rules[0]["ApplyServerSideEncryptionByDefault"]
        assert default["SSEAlgorithm"] == "aws:kms"
        assert default["KMSMasterKeyID"].endswith(keys[f"alias/moe-dev-{key}"])
        assert all(s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"].values())
        assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
        assert s3.get_bucket_logging(Bucket=bucket)["LoggingEnabled"]["TargetBucket"] == f"moe-dev-logs-{account}"
        statements = json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"])["Statement"]
        assert {"DenyInsecureTransport", "DenyForeignKeys"} <= {statement["Sid"] for statement in statements}
    lifecycle = {rule["ID"]: rule for rule in
                 s3.get_bucket_lifecycle_configuration(Bucket=f"moe-dev-lake-{account}")["Rules"]}
    assert lifecycle["landed-rows-end"]["Expiration"]["Days"] == 90
    database = aws.client("rds").describe_db_instances(DBInstanceIdentifier="moe-dev")["DBInstances"][0]
    assert database["StorageEncrypted"]
    assert not database["PubliclyAccessible"]
    groups = aws.client("eks").list_nodegroups(clusterName="moe-dev")["nodegroups"]
    assert set(groups) == {"cpu", "gpu", "highmem"}
    gpu = aws.client("eks").describe_nodegroup(clusterName="moe-dev", nodegroupName="gpu")["nodegroup"]
    assert gpu["scalingConfig"]["minSize"] == 0
    assert gpu["taints"] == [{"key": "nvidia.com/gpu", "value": "true", "effect": "NO_SCHEDULE"}]
    policy = aws.client("iam").get_role_policy(RoleName="moe-dev-serving", PolicyName="what-it-needs")
    actions = {action for statement in policy["PolicyDocument"]["Statement"] for action in statement["Action"]}
    assert actions == {"s3:ListBucket", "s3:GetObject", "kms:Decrypt"}
    images = aws.client("ecr").describe_repositories()["repositories"]
    assert {image["imageTagMutability"] for image in images} == {"IMMUTABLE"}


@pytest.mark.all
def test_secrets_are_drawn_and_in_no_state(applied: dict[str, Any], aws: Moto) -> None:
    secrets = aws.client("secretsmanager")
    names = [secret["Name"] for secret in secrets.list_secrets()["SecretList"] if secret["Name"].startswith("moe-dev/")]
    values = {name: secrets.get_secret_value(SecretId=name)["SecretString"] for name in names}
    assert len(values) == 6
    assert len(set(values.values())) == 6
    assert all(re.fullmatch(r"[A-Za-z0-9]{64}", value) for value in values.values())
    state = aws.client("s3").get_object(Bucket="state", Key="moe/dev.tfstate")["Body"].read().decode()
    assert "aws_secretsmanager_secret_version" in state
    assert not [name for name, value in values.items() if value in state or value in json.dumps(applied)]


@pytest.mark.all
def test_checkov_finds_nothing(tmp_path_factory: pytest.TempPathFactory) -> None:
    """checkov's pins do not fit ours: it gets an environment of its own, once, beside the temporary folders."""
    version = "3.3.30"
    home = tmp_path_factory.getbasetemp().parent / f"checkov-{version}"
    if not (home / "ready").exists():
        shutil.rmtree(home, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
        subprocess.run([str(home / "bin/pip"), "install", "-qq", f"checkov=={version}"], check=True)
        (home / "ready").touch()
    infra = settings().root / "infra"
    done = subprocess.run([str(home / "bin/checkov"), "--config-file", str(infra / ".checkov.yaml"), "-d", str(infra),
                           "--var-file", str(TERRAFORM / "environments/prod.tfvars"), "--output", "json"],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    reports = {report["check_type"]: report["summary"] for report in json.loads(done.stdout)}
    assert set(reports) == {"terraform", "kubernetes", "dockerfile"}
    assert all(report["passed"] and not report["parsing_errors"] for report in reports.values()), reports
