"""What the page's SVG pictures share: round numbers for an axis, and paths."""

import math
from collections.abc import Iterable


def ticks(highest: float, lowest: float = 0.0, about: int = 4) -> list[float]:
    """Round numbers from `lowest` to `highest`, some `about` of them."""
    if highest <= lowest:
        return [lowest]
    rough = (highest - lowest) / about
    size = 10.0 ** math.floor(math.log10(rough))
    step: float = next(size * m for m in (1.0, 2.0, 2.5, 5.0, 10.0) if size * m >= rough)
    return [i * step for i in range(math.ceil(lowest / step), int(highest / step) + 1)]


def path(points: Iterable[tuple[float, float]]) -> str:
    """A line through the points, with one decimal."""
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
