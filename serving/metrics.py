"""What Prometheus reads at /metrics."""

from functools import partial

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

BUCKETS = (0.0005, 0.001, 0.002, 0.003, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


class Metrics:
    """One registry a service. Labels are bounded: paths, statuses and features that the service knows itself."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        counter = partial(Counter, registry=self.registry)
        gauge = partial(Gauge, registry=self.registry)
        histogram = partial(Histogram, registry=self.registry)
        self.requests = counter("serving_requests", "Answers by path and status.", ["path", "status"])
        self.seconds = histogram("serving_request_seconds", "From a request for predictions to its answer.",
                                 buckets=BUCKETS)
        self.inference = histogram("serving_inference_seconds", "Of one run of the graph, several requests together.",
                                   buckets=BUCKETS)
        self.together = histogram("serving_rows_together", "Rows in one run of the graph.",
                                  buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256, 1024, 10_000))
        self.rows = counter("serving_rows", "Rows answered, by source.", ["source"])
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

        self._answers: dict[tuple[str, int], Counter] = {}

    def answered(self, path: str, status: int) -> None:
        counter = self._answers.get((path, status))
        if counter is None:
            counter = self._answers[path, status] = self.requests.labels(path, str(status))
        counter.inc()

    def page(self) -> bytes:
        return generate_latest(self.registry)
