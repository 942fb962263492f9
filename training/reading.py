"""What the network reads of a row: its numbers, its ids as codes, and the shrunk rates that it starts from.

The constants are learnt once from the training dates, kept beside the data, and go into checkpoint and graph.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from moe.errors import MoeError
from training.dataset import IDS, TARGETS, FloatArray, Target, inputs
from training.models import Preparation, prepare

MOST_IDS = 20_000
"Values of one id with an embedding of their own, the most frequent: the rest share that of unknown ones."
LEAST_SHARE, MOST_SHARE = 1e-9, 0.999
"Where the logit of a base begins and ends."


@dataclass(frozen=True)
class Start:
    """A target's constants. The network's rate is ceiling · sigmoid(logit(base / ceiling) + f(x))."""

    fallback: float
    "The base where a row has none above zero."
    ceiling: float
    "1 where rates are shares; above the highest base where platforms count several conversions a click."
    scale: float
    "Of its loss, so that both targets weigh alike; 0 where there is nothing to learn."


@dataclass(frozen=True)
class Reading:
    """Constants that turn columns into the network's inputs. `kinds` are the columns' types, `starts` by target."""

    kinds: dict[str, str]
    preparation: Preparation
    starts: dict[str, Start]

    @property
    def vocabularies(self) -> list[int]:
        return [len(values) for values in self.preparation.names.values()]

    @property
    def numbers(self) -> int:
        """Numeric inputs: each number, and whether it is missing."""
        return 2 * len(self.preparation.numbers)

    def inputs(self, columns: Mapping[str, Any]) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
        """Numbers (n, 2f) and codes (n, ids): 0 for an unknown or missing id, else its place from 1 on."""
        missing = np.column_stack([np.isnan(columns[name]) for name in self.preparation.numbers])
        numbers = np.hstack([self.preparation.standardised(columns), missing]).astype(np.float32)
        codes = [_codes(columns[name], values) for name, values in self.preparation.names.items()]
        return numbers, np.column_stack(codes)

    def offset(self, columns: Mapping[str, Any], target: Target) -> FloatArray:
        """Logit of base over ceiling, shape (n,)."""
        start, rate = self.starts[target.name], columns[target.baseline]
        share = np.clip(np.where(rate > 0, rate, start.fallback) / start.ceiling, LEAST_SHARE, MOST_SHARE)
        offset: FloatArray = np.log(share / (1.0 - share))
        return offset

    def offsets(self, columns: Mapping[str, Any]) -> FloatArray:
        """Shape (n, targets)."""
        return np.column_stack([self.offset(columns, target) for target in TARGETS])

    @property
    def ceilings(self) -> list[float]:
        return [self.starts[target.name].ceiling for target in TARGETS]

    @property
    def scales(self) -> list[float]:
        return [self.starts[target.name].scale for target in TARGETS]

    def described(self) -> dict[str, Any]:
        """As plain values for JSON and checkpoints."""
        made = {k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in vars(self.preparation).items()}
        starts = {name: asdict(start) for name, start in self.starts.items()}
        return {"kinds": self.kinds, "preparation": made, "starts": starts}

    @classmethod
    def of(cls, described: Mapping[str, Any]) -> "Reading":
        made = dict(described["preparation"])
        arrays = {k: np.array(made[k], dtype=np.float64) for k in ("offset", "mean", "deviation", "fill")}
        preparation = Preparation(**{**made, "numbers": tuple(made["numbers"]), **arrays})
        starts = {name: Start(**start) for name, start in described["starts"].items()}
        return cls(dict(described["kinds"]), preparation, starts)


def _codes(values: Any, known: list[Any]) -> npt.NDArray[np.int64]:
    if not known:
        return np.zeros(len(values), dtype=np.int64)
    if not isinstance(values, pa.Array | pa.ChunkedArray):
        values = pa.array(values, pa.array(known).type, from_pandas=True)
    found = pc.fill_null(pc.index_in(values, value_set=pa.array(known)), -1)
    codes: npt.NDArray[np.int64] = found.to_numpy(zero_copy_only=False).astype(np.int64) + 1
    return codes


def nothing_to_learn(target: Target, events: FloatArray, exposure: FloatArray) -> str:
    """Why a target cannot be learnt from these rows; empty where it can."""
    seen = exposure > 0
    if not seen.any():
        return f"no row has {target.exposure}"
    if not events[seen].sum():
        return f"none of the {exposure.sum():g} {target.exposure} has {target.events}: one class only"
    if (events[seen] == exposure[seen]).all():
        return f"all of the {exposure.sum():g} {target.exposure} have {target.events}: one class only"
    return ""


def learn(columns: Mapping[str, Any], events: FloatArray, exposure: FloatArray) -> Reading:
    """From the training dates: columns of n values, events and exposure of shape (n, targets).

    Exposure is 0 where a row says nothing of a target. Raises MoeError where no target can be learnt.
    """
    if faults := label_faults(events, exposure):
        raise MoeError(f"the training set has {faults}", "mend the labels: counts are finite and not negative")
    whys = [nothing_to_learn(t, events[:, i], exposure[:, i]) for i, t in enumerate(TARGETS)]
    if all(whys):
        raise MoeError(f"the network has nothing to learn: {'; '.join(whys)}",
                       "train on dates that hold events, and some exposure without them")
    made = prepare(columns, ids=IDS)
    for name in IDS:
        most = Counter(v for v in columns[name] if isinstance(v, str) and v).most_common(MOST_IDS)
        made.names[name] = sorted(value for value, _ in most)
    starts = {t.name: _start(t, columns[t.baseline], events[:, i], exposure[:, i]) if not whys[i]
              else Start(1.0, 1.0, 0.0) for i, t in enumerate(TARGETS)}
    return Reading(inputs(), made, starts)


def _start(target: Target, rate: FloatArray, events: FloatArray, exposure: FloatArray) -> Start:
    fallback = float(events.sum() / exposure.sum())
    base = np.where(rate > 0, rate, fallback)
    highest = float(base.max())
    # A power of two, so that a last digit of the data does not move it.
    ceiling = 1.0 if highest < 0.5 else float(2.0 ** np.ceil(np.log2(2.0 * highest)))
    return Start(fallback, ceiling, float(len(events) / (exposure @ base)))


def label_faults(events: FloatArray, exposure: FloatArray) -> str:
    """What is wrong with labels; empty where nothing is."""
    if not (np.isfinite(events).all() and np.isfinite(exposure).all()):
        return "labels that are missing or infinite"
    return "negative labels" if (events < 0).any() or (exposure < 0).any() else ""
