"""A training as a Kubernetes job: apply the rendered manifest, and wait until the job has ended."""

import json
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from moe.errors import MoeError
from moe.settings import settings
from training.kubernetes import render

NAMESPACE = "moe"
POLL_SECONDS = 15.0


def run(data: Path, out: Path, options: Sequence[str]) -> None:
    """Train on the cluster that kubectl is configured for; the job's own deadline ends what hangs.

    A job of the same training that still runs is waited for; one that has ended makes room for a new one.

    Raises MoeError where the job cannot be started, or fails: the manifest stands beside its output.
    """
    name = f"train-{out.name}"
    manifest = settings().work / f"{name}.yaml"
    manifest.parent.mkdir(parents=True, exist_ok=True)
    manifest.write_text(render(
        settings().training_image, settings().training_nodes, settings().training_gpus, PurePosixPath(data),
        PurePosixPath(out), name=name, namespace=NAMESPACE, options=options), encoding="utf-8")
    if _ended(name):  # of an earlier training: applying the same manifest again would start nothing
        _kubectl("delete", "job", name, "--wait")
    _kubectl("apply", "-f", str(manifest))
    while not (ended := _ended(name)):
        time.sleep(POLL_SECONDS)
    if ended != "Complete":
        raise MoeError(f"the training job {name} ended as {ended}",
                       f"see `kubectl -n {NAMESPACE} logs job/{name}`; its manifest is {manifest}")


def _ended(name: str) -> str:
    """Complete or Failed; empty while the job runs, or where there is none."""
    job = json.loads(_kubectl("get", "job", name, "--ignore-not-found", "-o", "json") or "{}")
    conditions = job.get("status", {}).get("conditions", [])
    return next((c["type"] for c in conditions if c["type"] in ("Complete", "Failed") and c["status"] == "True"), "")


def _kubectl(*arguments: str) -> str:
    try:
        done = subprocess.run(["kubectl", "-n", NAMESPACE, *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise MoeError("kubectl is not on the path", "install it, or set MOE_TRAINING_LAUNCH=torchrun") from error
    if done.returncode:
        raise MoeError(f"kubectl {arguments[0]} failed: {done.stderr.strip()[-500:]}",
                       "check `kubectl config current-context` and the rights of its user")
    return done.stdout
