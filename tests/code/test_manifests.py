"""The Kubernetes manifests: valid by Kubernetes' own schema, fitting together, and no secret on a command line."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from moe.settings import settings

INFRA = settings().root / "infra"
BASE = INFRA / "kubernetes" / "base"
TERRAFORM = INFRA / "terraform"
VERSION = re.search(r'variable "kubernetes_version".*?default\s+= "([\d.]+)"',
                    (TERRAFORM / "variables.tf").read_text(encoding="utf-8"), re.DOTALL)


def documents() -> list[dict[str, Any]]:
    files = [file for file in sorted(BASE.glob("*.yaml")) if file.name != "kustomization.yaml"]
    return [document for file in files for document in yaml.safe_load_all(file.read_text(encoding="utf-8"))]


def pods() -> list[tuple[str, dict[str, Any]]]:
    """Every pod that the manifests make, by its owner's name."""
    found = []
    for document in documents():
        if document["kind"] == "Pod":
            found.append((document["metadata"]["name"], document["spec"]))
        elif "template" in document.get("spec", {}):
            found.append((document["metadata"]["name"], document["spec"]["template"]["spec"]))
    return found


PODS = dict(pods())


@pytest.mark.parametrize("document", documents(), ids=lambda d: f"{d['kind']}-{d['metadata']['name']}")
def test_every_manifest_is_valid_for_the_clusters_version(document: dict[str, Any]) -> None:
    assert VERSION
    kubernetes_validate.validate(document, VERSION[1], strict=True)


@pytest.mark.parametrize("name", PODS)
def test_every_pod_runs_with_little_right_and_bounded_memory(name: str) -> None:
    pod = PODS[name]
    for container in pod["containers"]:
        right = container["securityContext"]
        assert right["allowPrivilegeEscalation"] is False
        assert right["readOnlyRootFilesystem"] is True
        assert right["capabilities"] == {"drop": ["ALL"]}
        assert "memory" in container["resources"]["limits"]
        assert {"cpu", "memory"} <= set(container["resources"]["requests"])
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    if name != "nvidia-device-plugin":  # the kubelet's socket belongs to root
        assert pod["securityContext"]["runAsNonRoot"] is True


def test_what_a_manifest_names_is_there() -> None:
    kinds: dict[str, set[str]] = {}
    for document in documents():
        kinds.setdefault(document["kind"], set()).add(document["metadata"]["name"])
    made = yaml.safe_load((BASE / "kustomization.yaml").read_text(encoding="utf-8"))
    assert set(made["resources"]) == {f.name for f in BASE.glob("*.yaml")} - {"kustomization.yaml", "pod-template.yaml"}
    maps = kinds["ConfigMap"] | {entry["name"] for entry in made["configMapGenerator"]}
    script = (INFRA / "kubernetes" / "configure.sh").read_text(encoding="utf-8")
    secrets = set(re.findall(r"^put ([a-z-]+) ", script, re.MULTILINE)) | {"serving-keys"}  # made by a person
    for name, pod in PODS.items():
        if name != "nvidia-device-plugin":
            assert pod["serviceAccountName"] in kinds["ServiceAccount"], name
        for volume in pod.get("volumes", []):
            if "configMap" in volume:
                assert volume["configMap"]["name"] in maps, name
            if "secret" in volume:
                assert volume["secret"]["secretName"] in secrets, name
        single = [e["valueFrom"] for c in pod["containers"] for e in c.get("env", []) if "valueFrom" in e]
        assert {s["secretKeyRef"]["name"] for s in single if "secretKeyRef" in s} <= secrets, name
        for source in [source for c in pod["containers"] for source in c.get("envFrom", [])]:
            assert source.get("configMapRef", {}).get("name") in maps | {None}, name
            assert source.get("secretRef", {}).get("name") in secrets | {None}, name


def test_accounts_with_a_role_are_the_manifests_accounts() -> None:
    roles = re.search(r"accounts = \{(.*?)\}", (TERRAFORM / "modules/iam/main.tf").read_text(encoding="utf-8"),
                      re.DOTALL)
    assert roles
    accounts = {(d["metadata"]["name"], d["metadata"]["namespace"]) for d in documents()
                if d["kind"] == "ServiceAccount"}
    assert set(re.findall(r'(\w+)\s+= "([\w-]+)"', roles[1])) == accounts


def test_the_autoscaler_is_of_the_clusters_version() -> None:
    assert VERSION
    assert PODS["autoscaler"]["containers"][0]["image"].rpartition(":v")[2].startswith(f"{VERSION[1]}.")


@pytest.mark.kubectl
@pytest.mark.parametrize(("environment", "least"), [("dev", 1), ("staging", 2), ("prod", 3)])
def test_an_environments_manifests_are_whole(environment: str, least: int, tmp_path: Path) -> None:
    """As `kubectl apply -k` sees them: every placeholder is filled in."""
    assert VERSION
    folder = tmp_path / "kubernetes"
    shutil.copytree(INFRA / "kubernetes", folder)
    shutil.copyfile(BASE / "platform.env.example", folder / "base" / "platform.env")
    built = subprocess.run(["kubectl", "kustomize", str(folder / "overlays" / environment)], check=True,
                           capture_output=True, text=True).stdout
    whole = list(yaml.safe_load_all(built))
    for document in whole:
        kubernetes_validate.validate(document, VERSION[1], strict=True)
    found = {(document["kind"], document["metadata"]["name"]): document for document in whole}
    assert found["HorizontalPodAutoscaler", "serving"]["spec"]["minReplicas"] == least
    assert found["PersistentVolume", "moe-store"]["spec"]["csi"]["volumeHandle"].startswith("fs-")
    assert "set-by-overlay" not in built
    images = {container["image"] for document in whole if document["kind"] in ("Deployment", "Job")
              for container in document["spec"]["template"]["spec"]["containers"]}
    assert all(":" in image for image in images), images


STUBS = {
    "terraform": '''case "$*" in
  *"output -json platform") echo '{"ENVIRONMENT": "dev", "IMAGE_JOBS": "r/moe-jobs", "IMAGE_SERVING": "r/moe-serving",
    "DATABASE_HOST": "db.example", "REDIS_HOST": "redis.example", "LAKE": "lake"}';;
  *"output -raw database_master_secret_arn") echo arn:master;;
  *) exit 9;;
esac''',
    "aws": '''case "$4" in
  arn:master) echo '{"username": "platform", "password": "value-of-master"}';;
  *) echo "value-of-${4#moe-dev/}";;
esac''',
    "kubectl": '''echo "$*" >> "$SEEN"
for word in "$@"; do case "$word" in --from-file=*) file="${word##*=}"
  printf '%s=%s\\n' "${word#*=}" "$(cat "$file")" | sed 's|=/dev/fd/[0-9]*=|=|' >> "$HELD";; esac; done
cat /dev/null''',
}


def test_configuring_gives_the_cluster_its_secrets_and_no_command_line_shows_them(tmp_path: Path) -> None:
    """The three commands are stand-ins that write down what they are asked; the script is the real one."""
    for name, body in STUBS.items():
        stub = tmp_path / "bin" / name
        stub.parent.mkdir(exist_ok=True)
        stub.write_text(f"#!/usr/bin/env bash\n{body}\n", encoding="utf-8")
        stub.chmod(0o755)
    folder = tmp_path / "kubernetes"
    (folder / "base").mkdir(parents=True)
    (folder / "configure.sh").write_bytes((INFRA / "kubernetes" / "configure.sh").read_bytes())
    seen, held = tmp_path / "seen", tmp_path / "held"
    done = subprocess.run(["bash", str(folder / "configure.sh"), "7"], capture_output=True, text=True, env={
        "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}", "SEEN": str(seen), "HELD": str(held)})
    assert done.returncode == 0, done.stderr
    written = (folder / "base" / "platform.env").read_text(encoding="utf-8").splitlines()
    assert {"IMAGE_JOBS=r/moe-jobs:7", "IMAGE_JOBS_REPOSITORY=r/moe-jobs", "IMAGE_TAG=7",
            "IMAGE_SERVING=r/moe-serving:7"} <= set(written)
    values = set(held.read_text(encoding="utf-8").splitlines())
    assert {"PGUSER=platform", "PGPASSWORD=value-of-master", "MLFLOW=value-of-database-mlflow",
            "moe_pseudonym_key=value-of-pseudonym-key",
            "moe_postgres_url=postgresql://release:value-of-database-release@db.example:5432/release?sslmode=require",
            "moe_online_store=rediss://:value-of-redis-token@redis.example:6379/0",
            } <= values
    for shown in (seen.read_text(encoding="utf-8"), done.stdout, done.stderr, "\n".join(written)):
        assert "value-of" not in shown


def test_the_example_has_what_terraform_puts_out() -> None:
    outputs = (TERRAFORM / "outputs.tf").read_text(encoding="utf-8").partition('output "platform"')[2]
    expected = set(re.findall(r"^    ([A-Z_]+)\s+=", outputs, re.MULTILINE)) | {"IMAGE_TAG", "IMAGE_JOBS_REPOSITORY"}
    example = (BASE / "platform.env.example").read_text(encoding="utf-8")
    assert set(re.findall(r"^([A-Z_]+)=", example, re.MULTILINE)) == expected
