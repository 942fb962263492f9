"""Amounts between the tables' decimals and whole cents."""

from decimal import Decimal

import numpy as np
import pyarrow as pa
from numpy.typing import ArrayLike


def cents(amount: Decimal) -> int:
    """To the nearest cent."""
    return int((amount * 100).to_integral_value(rounding="ROUND_HALF_UP"))


def money(amounts: ArrayLike, decimals: int = 2) -> pa.Array:
    """Cents (n,), or smaller parts of the currency unit, as a table's column."""
    return pa.array([Decimal(int(c)).scaleb(-decimals) for c in np.asarray(amounts)], pa.decimal128(18, decimals))
