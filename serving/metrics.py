"""What Prometheus reads at /metrics."""

from bisect import bisect_left
from collections import Counter as Counts
from collections.abc import Iterator
from functools import partial
from itertools import accumulate

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, HistogramMetricFamily, Metric

BUCKETS = (0.0005, 0.001, 0.002, 0.003, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


class Metrics:
    """One registry a service. Labels are bounded: paths, statuses and features that the service knows itself."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        counter = partial(Counter, registry=self.registry)
        gauge = partial(Gauge, registry=self.registry)
        histogram = partial(Histogram, registry=self.registry)
        self.of_requests = OfRequests()
        self.registry.register(self.of_requests)
        self.inference = histogram("serving_inference_seconds", "Of one run of the graph, several requests together.",
                                   buckets=BUCKETS)
        self.together = histogram("serving_rows_together", "Rows in one run of the graph.",
                                  buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256, 1024, 10_000))
        self.unknown = counter("serving_unknown_category", "Names that training never saw.", ["feature"])
        self.missing = counter("serving_missing_feature", "Features predicted without.", ["feature"])
        self.lookups_failed = counter("serving_lookups_failed", "Look-ups that the online store did not answer.")
        self.model = gauge("serving_model_info", "1 for the version that answers.", ["version"])
        self.refused = gauge("serving_model_refused", "1 while the bundle that the pointer names is refused.")
        self.swaps = counter("serving_model_swaps", "Bundles taken over, the first one included.")
        self.follow_failed = counter("serving_follow_failed", "Looks at pointer or keys that failed.")
        self.logged = counter("serving_decisions_logged", "Rows in closed files of the decision log.")
        self.dropped = counter("serving_decisions_dropped", "Rows that the decision log had no room for.")
        self.log_failed = counter("serving_decision_files_failed", "Files of the log that could not be written.")

    def page(self) -> bytes:
        return generate_latest(self.registry)


class OfRequests:
    """What is counted for each request, by the event loop alone: plain numbers until they are read, since the counters
    of prometheus_client take 2 µs a request."""

    def __init__(self) -> None:
        self.answers: Counts[tuple[str, int]] = Counts()
        "By path and status."
        self.rows: Counts[str] = Counts()
        "By source."
        self._within, self._seconds = [0] * (len(BUCKETS) + 1), 0.0

    def took(self, seconds: float) -> None:
        self._within[bisect_left(BUCKETS, seconds)] += 1
        self._seconds += seconds

    def collect(self) -> Iterator[Metric]:
        answers = CounterMetricFamily("serving_requests", "Answers by path and status.", labels=["path", "status"])
        for (path, status), count in self.answers.items():
            answers.add_metric([path, str(status)], count)
        rows = CounterMetricFamily("serving_rows", "Rows answered, by source.", labels=["source"])
        for source in ("model", "historical_rates"):
            rows.add_metric([source], self.rows[source])
        limits = [*map(str, BUCKETS), "+Inf"]
        seconds = HistogramMetricFamily("serving_request_seconds", "From a request for predictions to its answer.",
                                        list(zip(limits, accumulate(self._within), strict=True)), self._seconds)
        yield from (answers, rows, seconds)
