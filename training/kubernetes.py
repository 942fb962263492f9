"""The Kubernetes Job that trains the network on many GPUs: torchrun in an Indexed Job, a pod a node.

    kubectl apply -f <(python -c 'from training.kubernetes import render; print(render(…))')

The manifest is `infra/kubernetes/training-job.yaml`. Values are checked before they are put in, so that none can
change the manifest's meaning.
"""

import json
import re
from collections.abc import Sequence
from datetime import timedelta
from pathlib import PurePosixPath
from string import Template

from moe.errors import MoeError
from moe.settings import settings

SHARED = PurePosixPath("/store/work")
"The part of the store that a training sees, on every node."
NAME = re.compile(r"[a-z]([a-z0-9-]{0,50}[a-z0-9])?")
"A DNS label (RFC 1035), with room for a pod's index behind it."
IMAGE = re.compile(r"[a-z0-9][a-z0-9._/:-]*(:[A-Za-z0-9_][A-Za-z0-9._-]{0,127}|@sha256:[0-9a-f]{64})")
"A reference with a tag or a digest: without one the image would be whatever was pushed last."


def render(
    image: str,
    nodes: int,
    gpus_per_node: int,
    data: PurePosixPath,
    out: PurePosixPath,
    *,
    name: str = "train-network",
    namespace: str = "moe",
    options: Sequence[str] = (),
    cpus: int = 64,
    memory_gib: int = 512,
    deadline: timedelta = timedelta(hours=12),
) -> str:
    """The manifests of one training as YAML: a headless Service and the Job.

    `data` and `out` lie in the shared folder; `options` are further ones of `training.train_network`. CPUs and memory
    are for a pod, which has a node of its own. Raises MoeError that names the value which cannot be used.
    """
    for what, text in (("name", name), ("namespace", namespace)):
        _check(NAME.fullmatch(text) is not None, what, text, "small letters, digits and dashes, 52 signs at most")
    _check(IMAGE.fullmatch(image) is not None, "image", image, "an image with a tag or a digest")
    for what, number in (("nodes", nodes), ("gpus_per_node", gpus_per_node), ("cpus", cpus),
                         ("memory_gib", memory_gib), ("deadline", int(deadline.total_seconds()))):
        _check(isinstance(number, int) and number > 0, what, number, "a whole number above 0")
    for what, path in (("data", data), ("out", out)):
        _check(path.is_relative_to(SHARED) and ".." not in path.parts, what, path, f"a path under {SHARED}")
    arguments = ["--data", str(data), "--out", str(out), *options]
    return Template(settings().training_job.read_text(encoding="utf-8")).substitute(
        NAME=name,
        NAMESPACE=namespace,
        IMAGE=json.dumps(image),
        NODES=nodes,
        GPUS_PER_NODE=gpus_per_node,
        CPU=cpus,
        MEMORY=f"{memory_gib}Gi",
        DEADLINE_SECONDS=int(deadline.total_seconds()),
        # JSON is YAML; Kubernetes would expand $(NAME), and takes $$ for a plain $.
        ARGUMENTS=json.dumps([argument.replace("$", "$$") for argument in arguments]),
    )


def _check(ok: bool, what: str, value: object, wanted: str) -> None:
    if not ok:
        raise MoeError(f"the training job's {what} cannot be {value!r}", f"give {wanted}")
