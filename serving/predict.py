"""From checked rows to predictions: look up what is missing, run the graph, fall back where that fails."""

import logging
import math
from collections.abc import Callable, Sequence
from typing import Any

from serving.answers import Interval, Prediction
from serving.bundle import OUTPUTS, BundleError
from serving.lookup import Lookup, LookupFailed
from serving.metrics import Metrics
from serving.model import Live
from serving.problems import Fault, Problem
from serving.schema import OWN_RATES, Schema, Values
from serving.turn import INLINE_ROWS, Rates, Turn

Told = Callable[[list[Values], list[Prediction] | Exception], None]
"Is told what Predictor.predict returns or raises. It raises nothing."
log = logging.getLogger("serving")


class Predictor:
    def __init__(self, lookup: Lookup | None, metrics: Metrics) -> None:
        self._lookup, self._metrics, self._turn = lookup, metrics, Turn(metrics)
        self._rows = metrics.of_requests.rows

    async def predict(self, live: Live, rows: Sequence[Any]) -> tuple[list[Values], list[Prediction]]:
        """Each row's features as they were used, and its prediction.

        Raises Problem `invalid-input` where the graph cannot read a row, `no-answer` where no rate is known.
        """
        values = [live.schema.values(row) for row in rows]
        reasons = await self._look_up(live.schema, rows, values)
        if live.bundle is None:
            return values, [self._history(live, v, f"no model answers: {live.fault}") for v in values]
        run = values if not reasons else [v for n, v in enumerate(values) if n not in reasons]
        try:
            outcome: Rates | Exception = await self._turn.rates(live.bundle, run) if run else ([], [])
        except Exception as error:
            outcome = error
        if isinstance(outcome, Exception) or not reasons:
            return values, self._told(live, values, outcome)
        made = iter(self._told(live, run, outcome))
        return values, [self._history(live, v, reasons[n]) if n in reasons else next(made)
                        for n, v in enumerate(values)]

    def soon(self, live: Live, rows: Sequence[Any], done: Told) -> bool:
        """What `predict` does, without a task, where there is nothing to wait for but the model; False elsewhere."""
        if live.bundle is None or len(rows) > INLINE_ROWS:
            return False
        values = [live.schema.values(row) for row in rows]
        if self._lacking(rows, values):
            return False

        def tell(outcome: Rates | Exception) -> None:
            try:
                made: list[Prediction] | Exception = self._told(live, values, outcome)
            except Exception as error:
                made = error
            done(values, made)

        self._turn.add(live.bundle, values, tell)
        return True

    def _told(self, live: Live, values: Sequence[Values], outcome: Rates | Exception) -> list[Prediction]:
        """Predictions from a model's rates, or from historical rates where it failed."""
        assert live.bundle
        if isinstance(outcome, BundleError):
            raise Problem("invalid-input", outcome.message, [Fault("", outcome.message)]) from outcome
        if isinstance(outcome, Exception):  # onnxruntime raises classes of its own
            log.error("model %s failed", live.version, exc_info=outcome)
            return [self._history(live, v, f"the model failed: {type(outcome).__name__}") for v in values]
        bounds = live.bundle.intervals
        made = [self._model(live.schema, v, ctr, conversion, bounds)
                for v, ctr, conversion in zip(values, *outcome, strict=True)]
        self._rows["model"] += len(made)
        return made

    def _lacking(self, rows: Sequence[Any], values: list[Values]) -> list[int]:
        """The rows that lack something which can be looked up."""
        if self._lookup is None:
            return []
        return [n for n, row in enumerate(rows) if row.entity is not None and None in values[n]]

    async def _look_up(self, schema: Schema, rows: Sequence[Any], values: list[Values]) -> dict[int, str]:
        """Fill what is missing of rows with an entity; the rows whose look-up failed, with the reason."""
        wanted = self._lacking(rows, values)
        if not wanted or self._lookup is None:
            return {}
        try:
            found = await self._lookup.read([schema.entity(rows[n]) for n in wanted])
        except LookupFailed as error:
            self._metrics.lookups_failed.inc()
            return dict.fromkeys(wanted, f"the online store does not answer: {error}")
        for n, features in zip(wanted, found, strict=True):
            values[n] = schema.fill(values[n], features)
        return {}

    def _model(self, schema: Schema, values: Values, ctr: float, conversion: float, bounds: Any) -> Prediction:
        warnings = []
        if None in values:
            for name, value in zip(schema.names, values, strict=True):
                if value is None:
                    self._metrics.missing.labels(name).inc()
                    warnings.append(f"feature {name} is missing: predicted without it")
        for n, name, known in schema.known:
            if values[n] not in known and values[n] is not None:
                self._metrics.unknown.labels(name).inc()
                warnings.append(f"{name} '{values[n]}' was not seen in training")
        of_clicks, of_conversions = bounds
        return Prediction(ctr, conversion, _interval(ctr, of_clicks, 1.0),
                          _interval(conversion, of_conversions, math.inf),
                          "model", None, warnings)

    def _history(self, live: Live, values: Values, reason: str) -> Prediction:
        own = dict(zip(live.schema.names, values, strict=True))
        rates = []
        for target in OUTPUTS:
            rate = own.get(OWN_RATES[target])
            rate = (live.history or {}).get(target) if rate is None else rate
            if rate is None:
                raise Problem("no-answer", f"{reason}; and no historical {target} is known")
            rates.append(float(rate))
        self._rows["historical_rates"] += 1
        return Prediction(rates[0], rates[1], None, None, "historical_rates", reason, [])


def _interval(rate: float, bounds: tuple[float, float, float] | None, most: float) -> Interval | None:
    """`most`: the largest rate; a click may bring more than one conversion."""
    return None if bounds is None else Interval(bounds[0], rate * bounds[1], min(rate * bounds[2], most))
