"""Bid landscapes: the share of its auctions that a bid wins, and what a click then costs.

Ad platforms simulate what other bids would have brought on a date (Google Ads: bid simulations). Where a unit delivers
them, the bid model learns two curves of the bid for every line and segment, the win rate (auctions won by auctions
eligible) and the clearing price (spend by clicks). Neither falls as the bid rises: a constraint of the trees, so that
it holds for every row and not on average. They have a bundle and a publication log of their own; the nightly score
writes them for the bid job, which paces by them.
"""

from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # ships no types

from feature_repo.store import KEYS, training_features
from moe import publish, tables
from moe.asof import COVERAGE, as_of_sql
from moe.contracts import contract
from moe.errors import MoeError
from moe.jobs import Night
from moe.units import Unit, option
from serving.bundle import Bundle, BundleError
from training import bundles, dataset
from training.bid_model import BidOptimizationModel
from training.dataset import MIN_DATES, MIN_ROWS, FloatArray, Target
from training.export import monotone_to_onnx
from training.models import Boosted, Monotone, Preparation, prepare

LANDSCAPE = "core.bid_landscape__bid"
RESPONSE = "features.bid_response__line_segment_bid"
LOOKBACK_DAYS = 28
ELIGIBLE_DAYS = 7
MOST_BIDS = 32
"A segment's curve is told at so many bids at most."
WIN_RATE = Target("win_rate", "impressions", "eligible_impressions", "")
PRICE = Target("cost_per_click", "spend", "clicks", "cost_per_click_7d", "value")

_ROWS = """
    select line_id, segment, business_date, bid::double as bid, eligible_impressions::double as eligible_impressions,
        impressions::double as impressions, clicks::double as clicks, spend::double as spend,
        concat_ws('/', source, account_id, platform, campaign_id, ad_group_id, ad_id, placement, region) as ad_group
    from ({known}) where business_date > date '{since}' and business_date <= date '{night}' and line_id <> 'unplaced'
    order by all
"""


def landscapes(unit: str, night: date) -> pd.DataFrame:
    """The landscapes of the last 28 dates as known in `night`, one row a line, segment, ad group, date and bid."""
    since = night - timedelta(days=LOOKBACK_DAYS)
    with tables.connect() as connection:
        tables.scan(connection, LANDSCAPE, tables.files(LANDSCAPE, unit, since, night)).create_view("rows")
        tables.scan(connection, COVERAGE, tables.files(COVERAGE, unit, since, night)).create_view("coverage")
        known = as_of_sql(contract(LANDSCAPE), "rows", night, since, "coverage")
        found: pd.DataFrame = connection.sql(_ROWS.format(known=known, since=since, night=night)).df()
    return found


def landscape_set(unit: str, night: date) -> pd.DataFrame:
    """Landscapes with the features known the night before their date; rows without features or auctions left out."""
    found = landscapes(unit, night)
    at = pd.to_datetime(found["business_date"]).dt.tz_localize("UTC")
    joined = training_features(unit, found.assign(event_timestamp=at))
    return joined[joined["platform"].notna() & (joined["eligible_impressions"] > 0)].reset_index(drop=True)


def inputs() -> dict[str, str]:
    """What the curves read: the bid, and what the rates read."""
    return {"bid": "double", **dataset.inputs()}


def columns(frame: pd.DataFrame, days: "pd.Series[Any]") -> dict[str, Any]:
    return {"bid": frame["bid"].to_numpy(np.float64), **dataset.columns(frame, days)}


@dataclass(frozen=True)
class Fitted:
    """Both curves, and the squared error of the win rate on the dates after those they were fitted on."""

    curves: list[Monotone]
    error: float
    peer_error: float
    "Of one isotonic curve of the bid for the whole unit."
    is_better: bool
    "By more than one standard error over those dates."


def split(frame: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The oldest 80 % of the dates, which the curves are fitted on, and the others."""
    dates = np.sort(frame["business_date"].unique())
    late = frame["business_date"].isin(dates[-max(2, round(0.2 * len(dates))):])
    return frame[~late], frame[late]


def fit(frame: pd.DataFrame) -> Fitted:
    """Fit on the oldest 80 % of the dates, measure on the others. What is measured is what is shipped.

    Raises MoeError where there is nothing to learn from.
    """
    from sklearn.isotonic import IsotonicRegression

    train, test = split(frame)
    clicked = train[train["clicks"] > 0]
    curves = [curve(WIN_RATE, train), curve(PRICE, clicked)]
    peer = IsotonicRegression(out_of_bounds="clip")
    peer.fit(train["bid"], _share(WIN_RATE, train), sample_weight=train["eligible_impressions"])
    won = _share(WIN_RATE, test)
    weight = test["eligible_impressions"].to_numpy()
    own = weight * (curves[0].predict(columns(test, test["business_date"])) - won) ** 2
    other = weight * (peer.predict(test["bid"]) - won) ** 2
    gain = pd.Series(other - own).groupby(test["business_date"].to_numpy()).sum()
    error = gain.std(ddof=1) * np.sqrt(len(gain))
    return Fitted(curves, own.sum() / weight.sum(), other.sum() / weight.sum(), bool(gain.sum() > error))


def curve(target: Target, rows: pd.DataFrame) -> Monotone:
    """Events by exposure as a function of the bid and the features, weighted by exposure, rising in the bid."""
    exposure = rows[target.exposure].to_numpy(np.float64)
    share = _share(target, rows)
    made = _prepared(rows)
    is_share = target is WIN_RATE
    scale = 1.0 if is_share else float(np.average(share, weights=exposure)) or 1.0
    x = made.raw(columns(rows, rows["business_date"]))
    model = BidOptimizationModel(
        objective="reg:logistic" if is_share else "count:poisson", base_score=0.5 if is_share else 1.0,
        monotone=(1, *[0] * (x.shape[1] - 1)),
        # Simulated, not counted: a row is no sum of single draws, so that each weighs as one on average.
        least_weight=1.0, shrinkage=1.0)
    trees = model.fit(x, share / scale, exposure / exposure.mean())
    return Monotone(target, Boosted(made, trees, "bid_optimization"), scale, is_share)


def _share(target: Target, rows: pd.DataFrame) -> FloatArray:
    """Events by exposure (n,). Simulated rows may say more auctions won than there were, of which the gate only warns:
    they count as all of them."""
    found: FloatArray = rows[target.events].to_numpy(np.float64) / rows[target.exposure].to_numpy(np.float64)
    return found.clip(max=1.0) if target is WIN_RATE else found


def _prepared(rows: pd.DataFrame) -> Preparation:
    made = prepare(dataset.columns(rows, rows["business_date"]))
    return replace(made, numbers=("bid", *made.numbers))


def promote(unit: Unit, night: date, effective: date, who: str) -> str:
    """Fit the unit's curves as of a night and make them effective from another on. Says what was done and why.

    Raises MoeError where there is nothing to learn from, PublishError where newer curves are effective.
    """
    if not tables.nights(LANDSCAPE, unit.unit):
        return "the unit delivers no bid landscapes"
    frame = landscape_set(unit.unit, night)
    dates = frame["business_date"].nunique()
    if dates < MIN_DATES or len(frame) < MIN_ROWS:
        return f"{len(frame)} landscape rows on {dates} dates are too little to fit a model"
    if not (split(frame)[0]["clicks"] > 0).any():
        return "not used: no row that it would be fitted on has clicks, so that none tells what a click costs"
    with threadpool_limits(1):
        fitted = fit(frame)
    measured = {"error": round(fitted.error, 8), "peer_error": round(fitted.peer_error, 8), "rows": len(frame)}
    if not fitted.is_better:
        return "not used: on the latest dates one curve of the bid for the whole unit is as good"
    about = {"unit": unit.unit, "training_night": night.isoformat(), "measured": measured,
             "features": [{"name": name, "type": kind} for name, kind in inputs().items()],
             "data_digest": dataset.digest(frame)}
    folder = bundles.write(monotone_to_onnx(fitted.curves, inputs()), about)
    bundles.check_parity(Bundle.load(folder), fitted.curves, columns(frame, frame["business_date"]))
    live, now = publish.live("bid_model", unit.unit), publish.effective("bid_model", unit.unit, effective)
    if now and now.moved_to == folder.name:
        return f"unchanged: {folder.name} is effective since {now.effective}"
    if live and live.facts.get("training_night", "") > night.isoformat():
        return f"not used: the live ones know more, up to the night of {live.facts['training_night']}"
    publish.move("bid_model", unit.unit, folder.name, expected=live.moved_to if live else None, effective=effective,
                 who=who, reason=f"trained on what was known in {night}",
                 facts=measured | {"training_night": night.isoformat()})
    return f"published: {folder.name} is effective from {effective} on"


def response(night: Night, features: pd.DataFrame) -> pa.Table:
    """Rows of RESPONSE for every line and segment with features and recent landscapes; none without a model.

    Raises MoeError where the model's bundle is missing or damaged.
    """
    empty = contract(RESPONSE).schema.empty_table().drop_columns(["unit", "night"])
    entry = publish.effective("bid_model", night.unit.unit, night.date)
    if entry is None:
        return empty
    found = landscapes(night.unit.unit, night.date)
    grid = pd.DataFrame({"bid": _bids(found, night.unit)})
    rows = features.merge(_eligible(found, night.date), on=list(KEYS)).merge(grid, how="cross")
    if rows.empty:
        return empty
    try:
        bundle = Bundle.load(night.settings.bundles / entry.moved_to)
        predicted = bundle.predict(columns(rows, pd.Series(pd.Timestamp(night.decided_day), index=rows.index)))
    except BundleError as error:
        raise MoeError(f"curves of the bid {entry.moved_to} of unit {night.unit.unit}: {error.message}",
                       _again(night.unit, entry)) from error
    return pa.table({**{key: rows[key].to_numpy(dtype=object) for key in KEYS}, "bid": rows["bid"].to_numpy(),
                     "eligible_impressions": rows["eligible_impressions"].to_numpy(), **predicted,
                     "model_version": pa.repeat(bundle.version, len(rows))})


def _again(unit: Unit, entry: publish.Entry) -> str:
    """How a bundle comes back: the same data give the same one, before anything is judged or moved."""
    trained = entry.facts.get("training_night", entry.effective)  # older entries do not say it
    return ("copy its folder back from where it was made, or fit it again on the same night: `moe model promote "
            f"--unit {option(unit.unit)} --date {trained} --who … --reason …`")


def _eligible(found: pd.DataFrame, night: date) -> pd.DataFrame:
    """Mean auctions a day of the last 7 dates by line and segment; an ad group's are the same at every bid."""
    recent = found[pd.to_datetime(found["business_date"]) > pd.Timestamp(night - timedelta(days=ELIGIBLE_DAYS))]
    groups = recent.groupby([*KEYS, "business_date", "ad_group"])["eligible_impressions"].max()
    daily = groups.groupby([*KEYS, "business_date"]).sum()
    return daily.groupby(list(KEYS)).mean().reset_index()


def _bids(found: pd.DataFrame, unit: Unit) -> FloatArray:
    """Bids between the unit's floor and cap that the landscapes tell of: between two of them trees know no slope."""
    told = np.unique(np.ceil(found["bid"].to_numpy() * 10_000 - 1e-6) / 10_000)
    told = told[(told > 0) & (told >= float(unit.bids.floor)) & (told <= float(unit.bids.cap))]
    return told[np.unique(np.linspace(0, len(told) - 1, MOST_BIDS).round().astype(int))] if len(told) else told
