"""A simulated advertiser with known truth, delivered night by night. Only tests and benchmarks read its truth."""

from simulator.deliveries import deliver
from simulator.truth import expected_value
from simulator.world import World

__all__ = ["World", "deliver", "expected_value"]
