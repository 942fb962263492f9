"""A model bundle: the only code that loads a model, prepares its inputs and predicts.

A bundle is a folder named by the hash of what it holds: `model.onnx`, one graph from raw features to
calibrated rates, and `bundle.json`, which says what goes in. Needs numpy and onnxruntime alone.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort

FILES = ("bundle.json", "model.onnx")
OUTPUTS = ("click_rate", "conversion_rate")
"""Of every bundle: expected clicks an impression, and conversions a click (platforms may report more than one).
Where the unit reports values there is `value_per_conversion` too: times the conversion rate, a click's worth."""

Bounds = tuple[float, float, float]


class BundleError(Exception):
    """A bundle that cannot be used, or rows that it cannot read. `remedy` says what to do."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(f"{message}\n  What to do: {remedy}")
        self.message = message
        self.remedy = remedy


def content_hash(contents: Mapping[str, bytes]) -> str:
    """A bundle's version: 16 hexadecimal digits over the names and bytes of its files."""
    digest = hashlib.sha256()
    for name in sorted(contents):
        digest.update(f"{name}:{len(contents[name])}:".encode() + contents[name])
    return digest.hexdigest()[:16]


@dataclass(frozen=True)
class Bundle:
    """A loaded model. `features` maps an input's name to its type: `double`, `int64` or `string`."""

    version: str
    features: dict[str, str]
    about: dict[str, Any]
    "All of bundle.json: unit, training night, feature service, calibration, data digest."
    session: Any

    @property
    def feature_names(self) -> tuple[str, ...]:
        return tuple(self.features)

    @cached_property
    def intervals(self) -> tuple["Bounds | None", ...]:
        """For each of OUTPUTS the level, and the ends of the true rate's interval as factors of the prediction."""
        stated = self.about.get("intervals") or {}
        found = (stated.get(name) for name in OUTPUTS)
        return tuple((stated["level"], *ends) if ends else None for ends in found)

    @cached_property
    def outputs(self) -> tuple[str, ...]:
        """What the graph predicts: OUTPUTS, and more where the unit has it."""
        return tuple(output.name for output in self.session.get_outputs())

    @classmethod
    def load(cls, folder: Path | str) -> "Bundle":
        """Load a bundle whose folder's name is its version. Raises BundleError where the two do not agree."""
        folder = Path(folder)
        again = f"train again (`moe train`), or copy the folder {folder.name} again from where it was made"
        try:
            contents = {name: (folder / name).read_bytes() for name in FILES}
        except OSError as error:
            raise BundleError(f"bundle {folder} cannot be read: {error}", again) from error
        if (found := content_hash(contents)) != folder.name:
            raise BundleError(f"bundle {folder} is damaged: its content is {found}", again)
        about = json.loads(contents["bundle.json"])
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1  # otherwise it takes more cores than it is given
        options.inter_op_num_threads = 1
        session = ort.InferenceSession(contents["model.onnx"], options, providers=["CPUExecutionProvider"])
        return cls(folder.name, {f["name"]: f["type"] for f in about["features"]}, about, session)

    def predict(self, rows: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """Rates and values of n rows, each float64 of shape (n,). `rows` holds one column of n values a feature.

        A missing number is NaN or None, a missing or unknown name None or any text; `int64` features may not
        be missing. Other columns are left alone. Raises BundleError that names the column at fault.
        """
        feed = {name: self._column(name, kind, rows) for name, kind in self.features.items()}
        sizes = {name: len(values) for name, values in feed.items()}
        if len(set(sizes.values())) > 1:
            raise BundleError(f"columns differ in length: {sizes}", "give one value a row in every column")
        if not next(iter(sizes.values())):
            return {name: np.empty(0) for name in self.outputs}
        rates = dict(zip(self.outputs, self.session.run(None, feed), strict=True))
        for name, values in rates.items():
            if not np.isfinite(values).all():
                row = int(np.flatnonzero(~np.isfinite(values))[0])
                raise BundleError(f"row {row} has no finite {name}", "a feature of it is infinite: mend it")
        return rates

    def _column(self, name: str, kind: str, rows: Mapping[str, Any]) -> np.ndarray:
        if name not in rows:
            raise BundleError(f"feature {name} is missing", f"give all of: {', '.join(self.features)}")
        values = rows[name]
        try:
            if kind == "double":
                column = np.asarray(values, dtype=np.float64)  # None becomes NaN
            elif kind == "int64":
                column = np.asarray(values).astype(np.int64, casting="safe")
            else:
                column = np.asarray([v if isinstance(v, str) else "" for v in values], dtype=object)
        except (TypeError, ValueError) as error:
            raise BundleError(f"feature {name} is no {kind}: {error}", f"give {name} as {kind}") from error
        if column.ndim != 1:
            raise BundleError(f"feature {name} has {column.ndim} dimensions", "give one value a row")
        return column
