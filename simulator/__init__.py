"""A simulated advertiser, delivered night by night; its truth is for tests and benchmarks only."""

from simulator.deliveries import deliver
from simulator.truth import expected_value
from simulator.world import World

__all__ = ["World", "deliver", "expected_value"]
