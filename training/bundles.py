"""Writing a bundle: prove it equal to the model that was fitted, then put its folder in place by rename."""

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from moe import tables
from moe.errors import MoeError
from moe.locks import exclusive
from moe.settings import settings
from serving.bundle import Bundle, BundleError, content_hash
from training.export import at_split
from training.models import Monotone, Rate

TOLERANCE = 1e-5
"Largest relative difference between the graph and the fitted model."


def write(model: bytes, about: dict[str, Any]) -> Path:
    """Put a bundle's folder in place; its name is its version. The same content gives the same version."""
    described = json.dumps(about, indent=1, sort_keys=True) + "\n"
    contents = {"model.onnx": model, "bundle.json": described.encode()}
    folder = settings().bundles / content_hash(contents)
    with exclusive(folder.parent / ".lock"):  # two trainings of the same data make the same folder
        try:
            Bundle.load(folder)
            return folder
        except BundleError:
            shutil.rmtree(folder, ignore_errors=True)  # absent, or damaged
        temporary = tables.beside(folder)
        temporary.mkdir()
        for name, content in contents.items():
            with (temporary / name).open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        temporary.rename(folder)
    return folder


def check_parity(bundle: Bundle, rates: Sequence[Rate | Monotone], columns: Mapping[str, Any]) -> dict[str, float]:
    """The largest relative difference over all rows, and rows at a split that were left out of it.

    Raises MoeError where another row differs by more than the tolerance: such a bundle must not go live.
    """
    predicted = bundle.predict(columns)
    worst, left_out = 0.0, 0
    for rate in rates:
        wanted = rate.predict(columns)
        error = np.abs(predicted[rate.target.name] - wanted) / np.maximum(wanted, 1e-12)
        off = np.flatnonzero(error > TOLERANCE)
        excused = off[at_split(rate, dict(columns), off)] if len(off) else off
        if len(excused) < len(off):
            raise MoeError(
                f"the exported {rate.target.name} differs from the fitted one by {error.max():.2g} on "
                f"{len(off) - len(excused)} of {len(error)} rows; nothing was registered",
                "onnxruntime or xgboost changed: compare their versions with requirements.lock",
            )
        error[excused] = 0.0
        worst, left_out = max(worst, float(error.max(initial=0.0))), left_out + len(excused)
    return {"parity_largest_error": worst, "parity_rows_at_split": float(left_out),
            "parity_rows": float(len(error))}
