"""Read an auction log from CSV (or tab separated text, gzip or not) or Parquet, by a small mapping of names.

Every row is checked; an error names the file, the row, the column and what to do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from decisions.auctions.columns import BoolArray, Columns, as_array
from decisions.auctions.log import MOST_PRICE, NANO, AuctionLog, FloatArray, IntArray, Seen
from decisions.auctions.rates import predicted
from moe.errors import FileFault

SEEN_FOR_RATES = 0.5
"""Share of the training part on which a click rate is learnt where the log has none; it is left out of the replay."""


def read(
    path: Path, names: Mapping[str, str] | None = None, *, price_per: int = 1000, campaign: str | None = None,
    features: Sequence[str] = (), conversions: bool = False, train_share: float = 0.6,
) -> tuple[AuctionLog, int]:
    """The log in `path`, and the instant at which `train_share` of its time is over; `names` gives the file's own
    name of a column where it differs from ours.

    Columns: `time` (ISO 8601, UTC where none is named; seconds or milliseconds since 1970; yyyyMMddHHmmss with or
    without milliseconds), `market_price` (empty where the auction was lost; then `bid`, the logger's, is needed),
    `click`, and optional `conversion`, `click_rate`, `conversion_rate` (a click's), `bid_floor`, `segment`,
    `campaign`. Prices are per `price_per` impressions: 1000 or 1. Without `click_rate`, it is learnt from the columns
    in `features`, on the first half of the training part, which is left out. `conversions`: rates are of conversions,
    click_rate × conversion_rate. Raises FileFault.
    """
    if price_per < 1:
        raise FileFault(f"prices per {price_per} impressions", "give --price-per 1000 or 1")
    table = Columns(path, dict(names or {}), features)
    if campaign is not None:
        table.keep("campaign", campaign)
    time = _microseconds(table)
    lost = table.empty("market_price")
    price = table.numbers("market_price", allow_empty=True) * NANO / price_per
    if lost.any():
        if not table.has("bid"):
            table.refuse("market_price", lost, "is empty, so that the auction was lost",
                         "say which column is the logger's bid, --map bid=…, or leave out what was lost")
        price[lost] = table.numbers("bid")[lost] * NANO / price_per
    floor = table.numbers("bid_floor") * NANO / price_per if table.has("bid_floor") else np.zeros(len(price))
    for name, amounts in (("market_price", price), ("bid_floor", floor)):
        table.refuse(name, amounts > MOST_PRICE, "is too large a price", "check the unit of prices (--price-per)")
    click = table.counts("click", lost)
    conversion = table.counts("conversion", lost) if table.has("conversion") else np.zeros_like(click)
    segment = table.codes("segment") if table.has("segment") else np.zeros(len(price), dtype=np.int64)
    order = np.argsort(time, kind="stable")
    first, length = int(time[order[0]]), int(time[order[-1]] - time[order[0]])
    teaches = first + round(SEEN_FOR_RATES * train_share * length)
    kept = order[np.searchsorted(time[order], teaches):] if features else order
    rate = _rate(table, order, kept, click, lost, features, conversions)
    seen = Seen(time[kept], rate, np.rint(floor[kept]).astype(np.int64), segment[kept])
    log = AuctionLog(seen, np.rint(price[kept]).astype(np.int64), lost[kept], click[kept], conversion[kept])
    return log, first + round(train_share * length)


def _rate(
    table: Columns, order: IntArray, kept: IntArray, click: IntArray, lost: BoolArray, features: Sequence[str],
    conversions: bool,
) -> FloatArray:
    if features:
        columns = [table.codes(name) for name in features]
        early = order[: order.size - kept.size]
        early = early[~lost[early]]
        if not click[early].any():
            raise FileFault(f"{table.path}: no click in the first half of the training part",
                            "give a longer log, a larger --train-share, or a column click_rate")
        rate = predicted([c[early] for c in columns], np.minimum(click[early], 1), [c[kept] for c in columns])
    else:
        table.need("click_rate", "a bid needs a predicted click rate")
        rate = table.shares("click_rate")[kept]
    if conversions:
        table.need("conversion_rate", "a bid for conversions needs a predicted conversion rate of a click")
        table.need("conversion", "bidding for conversions needs to know them")
        rate = rate * table.shares("conversion_rate")[kept]
    return rate


def _microseconds(table: Columns) -> IntArray:
    text = pc.utf8_trim_whitespace(table.column("time"))
    digits = pc.match_substring_regex(text, r"^\d+(\.\d+)?$")
    if not pc.all(digits).as_py():
        for zone in (None, "UTC"):
            try:
                return _whole(pc.cast(text, pa.timestamp("us", zone)))
            except pa.ArrowInvalid:
                continue
        bad = np.array([not _is_instant(value) for value in text.to_pylist()])
        table.refuse("time", bad, "is not an instant", "give ISO 8601, all with a zone or all without, or seconds "
                     "since 1970; all in one form")
        table.refuse("time", ~as_array(pc.match_substring_regex(text, r"(Z|[+-]\d\d:?\d\d)$")),
                     "has no zone, though others have", "give all with a zone or all without")
    length = int(pc.utf8_length(text[0]).as_py()) if len(text) else 0
    if length in (14, 17):
        table.refuse("time", as_array(pc.utf8_length(text)) != length, f"has not {length} digits as the first row has",
                     "give all instants in one form")
        parts = [pc.utf8_slice_codeunits(text, a, b) for a, b in ((0, 4), (4, 6), (6, 8), (8, 10), (10, 12), (12, 14))]
        instant = pc.binary_join_element_wise(*parts, "-")
        stamp = pc.strptime(instant, format="%Y-%m-%d-%H-%M-%S", unit="us", error_is_null=True)
        table.refuse("time", as_array(pc.is_null(stamp)), "is not an instant", "give yyyyMMddHHmmss")
        if length == 14:
            return _whole(stamp)
        milliseconds: IntArray = as_array(pc.cast(pc.utf8_slice_codeunits(text, 14, 17), pa.int64()))
        return _whole(stamp) + milliseconds * 1000
    seconds: FloatArray = as_array(pc.cast(text, pa.float64()))
    return np.rint(seconds * (1_000 if np.median(seconds) > 1e11 else 1_000_000)).astype(np.int64)


def _is_instant(value: str) -> bool:
    for zone in (None, "UTC"):
        try:
            pa.array([value]).cast(pa.timestamp("us", zone))
        except pa.ArrowInvalid:
            continue
        return True
    return False


def _whole(instants: pa.ChunkedArray) -> IntArray:
    whole: IntArray = as_array(pc.cast(instants.cast(pa.timestamp("us")), pa.int64())).astype(np.int64, copy=False)
    return whole
