"""The Kubernetes Job of a distributed training, rendered and held against Kubernetes' own schema."""

import contextlib
import os
import sys
from datetime import timedelta
from pathlib import Path, PurePosixPath
from typing import Any

import kubernetes_validate
import pytest
import yaml

from moe.errors import MoeError
from moe.settings import settings
from training import cluster
from training.kubernetes import render

IMAGE = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/moe-dev/moe-jobs:7"
DATA, OUT = PurePosixPath("/store/work/network/data"), PurePosixPath("/store/work/network/out")


def rendered(**changed: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Service and Job, valid in every word."""
    values = {"image": IMAGE, "nodes": 4, "gpus_per_node": 8, "data": DATA, "out": OUT} | changed
    service, job = yaml.safe_load_all(render(**values))
    for manifest in (service, job):
        kubernetes_validate.validate(manifest, "1.35", strict=True)
    return service, job


def test_every_node_runs_torchrun_and_meets_at_the_first() -> None:
    service, job = rendered(options=["--batch-rows", "16384"], deadline=timedelta(hours=2))
    assert job["spec"]["completions"] == job["spec"]["parallelism"] == 4
    assert job["spec"]["activeDeadlineSeconds"] == 7200
    pod = job["spec"]["template"]["spec"]
    container = pod["containers"][0]
    assert container["image"] == IMAGE
    assert {"--nnodes=4", "--nproc-per-node=8"} < set(container["command"])
    assert container["args"] == ["--data", str(DATA), "--out", str(OUT), "--batch-rows", "16384"]
    assert container["resources"]["limits"]["nvidia.com/gpu"] == 8
    # The name of the first pod: <job>-0.<subdomain>, which the headless Service answers.
    assert "--rdzv-endpoint=train-network-0.train-network:29500" in container["command"]
    assert pod["subdomain"] == service["metadata"]["name"] == job["metadata"]["name"] == "train-network"
    assert service["spec"]["clusterIP"] == "None"
    assert service["spec"]["selector"] == {"batch.kubernetes.io/job-name": job["metadata"]["name"]}
    assert any(toleration["key"] == "nvidia.com/gpu" for toleration in pod["tolerations"])
    store = [mount for mount in container["volumeMounts"] if mount["name"] == "store"]
    assert store == [{"name": "store", "mountPath": "/store/work", "subPath": "work"}]


@pytest.mark.parametrize("option", ["x]\n          env: []", '"quoted"', "a: b # c", "${IMAGE}", "- y", "\u2028é"])
def test_an_option_stays_one_argument_whatever_is_in_it(option: str) -> None:
    _, job = rendered(options=[option])
    assert job["spec"]["template"]["spec"]["containers"][0]["args"][4:] == [option.replace("$", "$$")]


def test_kubernetes_does_not_expand_a_variable_in_an_option() -> None:
    _, job = rendered(options=["$(HOME)"])
    assert job["spec"]["template"]["spec"]["containers"][0]["args"][4:] == ["$$(HOME)"]


@pytest.mark.parametrize(("what", "value"), [
    ("name", "Train"), ("name", "a" * 53), ("name", "a\nkind: Pod"), ("namespace", "kube system"), ("namespace", ""),
    ("image", "moe-jobs"), ("image", "moe-jobs:1\n  command: [sh]"), ("image", "moe jobs:1"),
    ("nodes", 0), ("gpus_per_node", -1), ("memory_gib", "1Gi, x: 2"), ("deadline", timedelta(0)),
    ("data", PurePosixPath("/etc/passwd")), ("out", PurePosixPath("/store/work/../core")),
    ("data", PurePosixPath("data")),
])
def test_a_value_that_cannot_be_right_is_refused_by_name(what: str, value: Any) -> None:
    with pytest.raises(MoeError, match=f"training job's {what} "):
        rendered(**{what: value})


KUBECTL = """#!{python}
# Stands in for kubectl and a cluster, which tests lack: keeps what is applied, and ends a job at the second look.
import json, pathlib, shutil, sys
folder, arguments = pathlib.Path(__file__).parent, sys.argv[3:]
job, seen = folder / "applied.yaml", folder / "seen"
with (folder / "log").open("a") as log:
    print(*arguments, file=log)
if arguments[0] == "apply":
    job.exists() or seen.unlink(missing_ok=True)
    shutil.copy(arguments[2], job)
elif arguments[0] == "delete":
    job.unlink()
elif job.exists():
    ends = [{{"type": "{end}", "status": "True"}}] if seen.exists() else []
    seen.touch()
    print(json.dumps({{"status": {{"conditions": ends}}}}))
elif "--ignore-not-found" not in arguments:
    sys.exit("Error from server (NotFound)")
"""


@pytest.mark.parametrize("end", ["Complete", "Failed"])
def test_a_training_waits_for_its_job(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: str) -> None:
    kubectl = tmp_path / "bin" / "kubectl"
    kubectl.parent.mkdir()
    kubectl.write_text(KUBECTL.format(python=sys.executable, end=end))
    kubectl.chmod(0o755)
    monkeypatch.setenv("PATH", f"{kubectl.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("MOE_TRAINING_IMAGE", IMAGE)
    monkeypatch.setenv("MOE_TRAINING_NODES", "2")
    monkeypatch.setattr(cluster, "POLL_SECONDS", 0.01)
    settings.cache_clear()
    out = Path(OUT.parent / "0123456789abcdef")
    if end == "Complete":
        cluster.run(Path(DATA), out, ["--batch-rows", "512"])
    else:
        with pytest.raises(MoeError, match="train-0123456789abcdef ended as Failed"):
            cluster.run(Path(DATA), out, ["--batch-rows", "512"])
    _, job = yaml.safe_load_all((kubectl.parent / "applied.yaml").read_text())
    kubernetes_validate.validate(job, "1.35", strict=True)
    assert job["metadata"]["name"] == "train-0123456789abcdef" and job["spec"]["completions"] == 2
    with contextlib.suppress(MoeError):
        cluster.run(Path(DATA), out, [])
    asked = [line.partition(" ")[0] for line in (kubectl.parent / "log").read_text().splitlines()]
    assert asked == ["get", "apply", "get", "get", "get", "delete", "apply", "get", "get"], "it trains again"


def test_a_cluster_that_does_not_answer_is_a_clear_error(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("MOE_TRAINING_IMAGE", IMAGE)
    settings.cache_clear()
    with pytest.raises(MoeError, match="kubectl is not on the path"):
        cluster.run(Path(DATA), Path(OUT), [])
