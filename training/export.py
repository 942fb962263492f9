"""From a fitted pair of rates to one ONNX graph, and the proof that both say the same.

The graph holds everything: what stands for a missing number, scaling, categories, trees, layers, calibration.
Numbers stay float64 but for the trees, which split float32 values as XGBoost does, and the network's layers.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from training.calibration import Calibration
from training.dataset import inputs
from training.models import CLIP, LARGEST_CORRECTION, Boosted, Monotone, Preparation, Rate, Regression
from training.network import Network
from training.reading import LEAST_SHARE, MOST_SHARE

OPSET = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
IR_VERSION = 10
_TYPES = {"double": TensorProto.DOUBLE, "int64": TensorProto.INT64, "string": TensorProto.STRING}


class _Graph:
    """Nodes and constants; a step's name doubles as its output's."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def add(self, op: str, values: list[str], name: str, domain: str = "", **attributes: Any) -> str:
        self.nodes.append(helper.make_node(op, values, [name], name=name, domain=domain, **attributes))
        return name

    def constant(self, name: str, value: Any, kind: Any = np.float64) -> str:
        self.constants.append(numpy_helper.from_array(np.asarray(value, dtype=kind), name))
        return name


def to_onnx(rates: list[Rate]) -> bytes:
    """A model with one input of shape (n,) a feature, and one output of shape (n,) a rate."""
    graph = _Graph()
    for rate in rates:
        _rate(graph, rate)
    return _model(graph, "line_performance", inputs(), [rate.target.name for rate in rates])


def monotone_to_onnx(curves: list[Monotone], given: dict[str, str]) -> bytes:
    """As `to_onnx`, of curves; `given` are the inputs with their types."""
    graph = _Graph()
    for curve in curves:
        to = curve.target.name
        trees = _trees(graph, to, curve.correction)
        margin = graph.add("Reshape", [trees, graph.constant(f"{to}_rows", [-1], np.int64)], f"{to}_flat")
        if curve.is_share:
            graph.add("Sigmoid", [margin], to)
        else:
            factor = graph.add("Exp", [margin], f"{to}_factor")
            graph.add("Mul", [factor, graph.constant(f"{to}_scale", curve.scale)], to)
    return _model(graph, "bid_response", given, [curve.target.name for curve in curves])


def _model(graph: _Graph, name: str, given: dict[str, str], outputs: list[str]) -> bytes:
    ends = [helper.make_tensor_value_info(output, TensorProto.DOUBLE, ["n"]) for output in outputs]
    starts = [helper.make_tensor_value_info(name, _TYPES[kind], ["n"]) for name, kind in given.items()]
    body = helper.make_graph(graph.nodes, name, starts, ends, graph.constants)
    model = helper.make_model(body, opset_imports=OPSET, ir_version=IR_VERSION, producer_name="moe")
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString(deterministic=True))


def _rate(graph: _Graph, rate: Rate) -> None:
    to = rate.target.name
    zero = graph.constant(f"{to}_zero", 0.0)
    some = graph.add("Greater", [rate.target.baseline, zero], f"{to}_has_base")  # NaN is not greater
    base = graph.add("Where", [some, rate.target.baseline, graph.constant(f"{to}_fallback", rate.fallback)],
                     f"{to}_base")
    match rate.correction:
        case Regression() as linear:
            log_factor = _linear(graph, to, linear)
        case Boosted() as boosted:
            log_factor = _trees(graph, to, boosted)
        case Network() as network:
            log_factor = _head(graph, to, network, f"{to}_base")
        case _:
            _calibrated(graph, to, rate.calibration, base)
            return
    flat = graph.add("Reshape", [log_factor, graph.constant(f"{to}_rows", [-1], np.int64)], f"{to}_flat")
    bound = LARGEST_CORRECTION
    ends = [graph.constant(f"{to}_low", -bound), graph.constant(f"{to}_high", bound)]
    factor = graph.add("Exp", [graph.add("Clip", [flat, *ends], f"{to}_clipped")], f"{to}_factor")
    _calibrated(graph, to, rate.calibration, graph.add("Mul", [base, factor], f"{to}_raw"))


def _calibrated(graph: _Graph, to: str, how: Calibration, rate: str) -> None:
    """As `Calibration.apply`. Steps are a sum of ramps, one between two knots."""
    if how.knots:
        before, after = np.array(how.knots).T
        column = graph.add("Unsqueeze", [rate, graph.constant(f"{to}_knot_axis", [1], np.int64)], f"{to}_column")
        along = graph.add("Sub", [column, graph.constant(f"{to}_knots", before[:-1])], f"{to}_along")
        along = graph.add("Max", [along, graph.constant(f"{to}_start", 0.0)], f"{to}_begun")
        along = graph.add("Min", [along, graph.constant(f"{to}_widths", np.diff(before))], f"{to}_ramps")
        slopes = graph.constant(f"{to}_slopes", (np.diff(after) / np.diff(before))[:, None])
        above = graph.add("MatMul", [along, slopes], f"{to}_above")
        flat = graph.add("Reshape", [above, graph.constant(f"{to}_all_rows", [-1], np.int64)], f"{to}_above_flat")
        graph.add("Add", [flat, graph.constant(f"{to}_lowest", after[0])], to)
        return
    line = graph.add("Mul", [graph.add("Log", [rate], f"{to}_log_rate"), graph.constant(f"{to}_slope", how.slope)],
                     f"{to}_line_rate")
    graph.add("Exp", [graph.add("Add", [line, graph.constant(f"{to}_level", how.intercept)], f"{to}_log_calibrated")],
              to)


def _numbers(graph: _Graph, to: str, preparation: Preparation) -> str:
    """Shape (n, numbers). One step over all inputs: a step an input takes a fifth of a row's time."""
    rows = graph.add("Concat", list(preparation.numbers), f"{to}_in_a_row", axis=0)
    shape = graph.constant(f"{to}_shape", [len(preparation.numbers), -1], np.int64)
    return graph.add("Transpose", [graph.add("Reshape", [rows, shape], f"{to}_by_number")], f"{to}_numbers",
                     perm=[1, 0])


def _categories(graph: _Graph, to: str, preparation: Preparation) -> list[str]:
    """One-hot columns as float32; a value that was not seen in training is all zeros."""
    hot = []
    for name, values in preparation.names.items():
        known = {"cats_strings" if inputs()[name] == "string" else "cats_int64s": values}
        hot.append(graph.add("OneHotEncoder", [name], f"{to}_{name}_hot", "ai.onnx.ml", zeros=1, **known))
    return hot


def _standardised(graph: _Graph, to: str, made: Preparation) -> str:
    numbers = _numbers(graph, to, made)
    missing = graph.add("IsNaN", [numbers], f"{to}_missing")
    x = graph.add("Where", [missing, graph.constant(f"{to}_fill", made.fill), numbers], f"{to}_filled")
    x = graph.add("Max", [x, graph.constant(f"{to}_nothing", 0.0)], f"{to}_positive")
    x = graph.add("Log", [graph.add("Add", [x, graph.constant(f"{to}_offset", made.offset)], f"{to}_moved")],
                  f"{to}_log")
    x = graph.add("Sub", [x, graph.constant(f"{to}_mean", made.mean)], f"{to}_centred")
    x = graph.add("Div", [x, graph.constant(f"{to}_deviation", made.deviation)], f"{to}_scaled")
    ends = [graph.constant(f"{to}_least", -CLIP), graph.constant(f"{to}_most", CLIP)]
    return graph.add("Clip", [x, *ends], f"{to}_z")


def _linear(graph: _Graph, to: str, model: Regression) -> str:
    made = model.preparation
    x = _standardised(graph, to, made)
    hot = [graph.add("Cast", [h], f"{h}_double", to=TensorProto.DOUBLE) for h in _categories(graph, to, made)]
    x = graph.add("Concat", [x, *hot], f"{to}_inputs", axis=1)
    slopes = graph.constant(f"{to}_coefficients", model.coefficients[:, None])
    x = graph.add("MatMul", [x, slopes], f"{to}_product")
    return graph.add("Add", [x, graph.constant(f"{to}_intercept", model.intercept)], f"{to}_log_factor")


def _trees(graph: _Graph, to: str, model: Boosted) -> str:
    made = model.preparation
    numbers = graph.add("Cast", [_numbers(graph, to, made)], f"{to}_single", to=TensorProto.FLOAT)
    x = graph.add("Concat", [numbers, *_categories(graph, to, made)], f"{to}_inputs", axis=1)
    x = graph.add("TreeEnsembleRegressor", [x], f"{to}_sum", "ai.onnx.ml", n_targets=1,
                  aggregate_function="SUM", post_transform="NONE", **tree_attributes(model.trees))
    return graph.add("Cast", [x], f"{to}_log_factor", to=TensorProto.DOUBLE)


def _head(graph: _Graph, to: str, network: Network, base: str) -> str:
    """log σ(o + f) − log σ(o), with o the logit of base over ceiling."""
    ceiling = graph.constant(f"{to}_ceiling", network.reading.starts[to].ceiling)
    ends = [graph.constant(f"{to}_least_share", LEAST_SHARE), graph.constant(f"{to}_most_share", MOST_SHARE)]
    share = graph.add("Clip", [graph.add("Div", [base, ceiling], f"{to}_of_ceiling"), *ends], f"{to}_share")
    rest = graph.add("Sub", [graph.constant(f"{to}_one", 1.0), share], f"{to}_rest")
    offset = graph.add("Log", [graph.add("Div", [share, rest], f"{to}_odds")], f"{to}_logit")
    head = graph.constant(f"{to}_head", network.head, np.int64)
    added = graph.add("Gather", [_layers(graph, network), head], f"{to}_added", axis=1)
    moved = graph.add("Sigmoid", [graph.add("Add", [offset, added], f"{to}_moved_logit")], f"{to}_moved_share")
    return graph.add("Log", [graph.add("Div", [moved, share], f"{to}_ratio")], f"{to}_log_factor")


def _layers(graph: _Graph, network: Network) -> str:
    """f(x) of every head, shape (n, targets), float64; once for all heads of one network."""
    name, made = "network_corrections", network.reading.preparation
    if any(node.name == name for node in graph.nodes):
        return name
    numbers = _standardised(graph, "network", made)
    parts = [graph.add("Cast", [x], f"{x}_single", to=TensorProto.FLOAT) for x in (numbers, "network_missing")]
    weights = {key: value.numpy() for key, value in network.model.state_dict().items()}
    for at, (column, known) in enumerate(made.names.items()):
        table = graph.constant(f"network_{column}_embeddings", weights[f"embeddings.{at}.weight"], np.float32)
        parts.append(graph.add("Gather", [table, _code(graph, column, known)], f"network_{column}_embedded"))
    x = graph.add("Concat", parts, "network_inputs", axis=1)
    layers = [key.removesuffix(".weight") for key in weights if key.endswith(".weight") and "embed" not in key]
    for layer in layers:
        x = x if layer == layers[0] else graph.add("Relu", [x], f"network_{layer}_active")
        matrix = [graph.constant(f"network_{layer}_{part}", weights[f"{layer}.{part}"], np.float32)
                  for part in ("weight", "bias")]
        x = graph.add("Gemm", [x, *matrix], f"network_{layer}", transB=1)
    x = graph.add("Cast", [x], "network_double", to=TensorProto.DOUBLE)
    ends = [graph.constant("network_low", -LARGEST_CORRECTION), graph.constant("network_high", LARGEST_CORRECTION)]
    return graph.add("Clip", [x, *ends], name)


def _code(graph: _Graph, column: str, known: list[Any]) -> str:
    """0 for an unknown id, else its place from 1 on."""
    keys = {"keys_strings" if inputs()[column] == "string" else "keys_int64s": known or ["none is known"]}
    return graph.add("LabelEncoder", [column], f"network_{column}_code", "ai.onnx.ml", default_int64=0,
                     values_int64s=list(range(1, len(known) + 1)) or [0], **keys)


def tree_attributes(trees: list[dict[str, Any]]) -> dict[str, list[Any]]:
    """XGBoost's trees for ONNX's TreeEnsembleRegressor: left where x < value, or by default where NaN."""
    found: dict[str, list[Any]] = {f"nodes_{k}": [] for k in (
        "treeids", "nodeids", "featureids", "modes", "values", "truenodeids", "falsenodeids",
        "missing_value_tracks_true")}
    found |= {f"target_{k}": [] for k in ("treeids", "nodeids", "ids", "weights")}
    for tree, parts in enumerate(trees):
        for node, left in enumerate(parts["left_children"]):
            value, leaf = float(parts["split_conditions"][node]), left == -1
            row = (tree, node, 0 if leaf else parts["split_indices"][node], "LEAF" if leaf else "BRANCH_LT",
                   0.0 if leaf else value, max(left, 0), max(parts["right_children"][node], 0),
                   0 if leaf else int(parts["default_left"][node]))
            for values, entry in zip(list(found.values())[:8], row, strict=True):
                values.append(entry)
            if leaf:
                for values, entry in zip(list(found.values())[8:], (tree, node, 0, value), strict=True):
                    values.append(entry)
    return found


def at_split(rate: Rate | Monotone, columns: dict[str, Any], rows: npt.NDArray[np.intp]) -> npt.NDArray[np.bool_]:
    """Which of some rows hold a number within rounding of a split, where a last digit decides the branch."""
    if not isinstance(rate.correction, Boosted):
        return np.zeros(len(rows), dtype=bool)
    raw = rate.correction.preparation.raw({name: values[rows] for name, values in columns.items()})
    near = np.zeros(len(rows), dtype=bool)
    for parts in rate.correction.trees:
        for left, feature, value in zip(parts["left_children"], parts["split_indices"],
                                        parts["split_conditions"], strict=True):
            if left != -1:
                near |= np.isclose(raw[:, feature], np.float32(value), rtol=1e-6, atol=0.0)
    return near
