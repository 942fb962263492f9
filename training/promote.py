"""Promotion and roll-back of a unit's model: check, move the pointer, log, and let MLflow's alias follow.

    moe model promote --unit advertiser --who ann --reason "weekly training"
    moe model rollback 54e53771b743 --unit advertiser --who ann --reason "bids jumped"
"""

import json
import logging
from dataclasses import asdict, dataclass, replace
from datetime import date, timedelta
from typing import Any

import numpy as np

from moe import publish, tables
from moe.errors import PublishError
from moe.settings import settings
from moe.units import Unit, option
from serving.bundle import Bundle, BundleError
from training import landscape, tracking
from training.compare import Check, HeldOut, compare
from training.dataset import TARGETS, known, sample, training_set
from training.labels import regions
from training.train import CHALLENGERS

log = logging.getLogger("moe.model")
SCORES = "features.score__line_segment"


@dataclass(frozen=True)
class Verdict:
    """What came of a challenger."""

    champion: str | None
    challenger: str
    promoted: bool
    effective: str | None
    "First night that the challenger decides; None where it was refused."
    said: str
    checks: tuple[Check, ...] = ()
    bid_response: str = "not looked at"
    "What came of the curves of win rate and price, which are judged by themselves."

    def facts(self) -> dict[str, Any]:
        return asdict(self)


def promote(unit: Unit, night: date, *, who: str, reason: str, dry_run: bool = False, despite: bool = False) -> Verdict:
    """Let the newest challenger of a night up to `night` take over where it earns it.

    It decides from its own night on, or the first that is not decided yet. A unit's first model, and the first that is
    learnt, take over unopposed. `despite`: a person overrules the checks, which are logged all the same. Raises
    PublishError where there is no challenger.
    """
    trained = [n for n in tables.nights(CHALLENGERS, unit.unit) if n <= night]
    if not trained:
        raise PublishError(f"unit {unit.unit} has no challenger by {night}",
                           f"run `moe train --unit {option(unit.unit)} --date {night}` first")
    live = publish.live("model", unit.unit)
    # Where no model ever was, none decided a night: training again mends a log that was lost.
    effective = _next_night(unit.unit, trained[-1]) if live else trained[-1]
    verdict = _line_model(unit, trained[-1], live, effective, who=who, reason=reason, dry_run=dry_run, despite=despite)
    return verdict if dry_run else replace(verdict, bid_response=_curves(unit, trained[-1], effective, who))


def _line_model(unit: Unit, night: date, live: publish.Entry | None, effective: date, *, who: str, reason: str,
                dry_run: bool, despite: bool) -> Verdict:
    """What comes of the challenger of a night beside the live model."""
    row = tables.read(CHALLENGERS, unit.unit, night).to_pylist()[0]
    now, version = live.moved_to if live else None, row["model_version"]
    if now == version:
        if not dry_run:
            tracking.follow(unit.unit, version)
        return Verdict(now, version, False, None, f"{version} is champion already, nothing moved")
    first = live is None or not live.facts.get("learnt", True)
    checks = () if first else tuple(_checks(unit, night, str(now), version))
    failed = [check for check in checks if not check.passed]
    if failed and not despite:
        said = f"refused: {'; '.join(f'{check.name}: {check.said}' for check in failed)}"
        if not dry_run:
            tracking.mark(unit.unit, version, {"promotion": "refused", "promotion_reason": said})
            tracking.follow(unit.unit, str(now))
        return Verdict(now, version, False, None, said, checks)
    said = f"{now or 'nothing'} → {version}, effective from the night of {effective} on"
    if not dry_run:
        why = f"{reason}; despite {', '.join(check.name for check in failed)}" if failed else reason
        facts = {**json.loads(row["facts"]), "checks": {check.name: check.said for check in checks}}
        move(unit.unit, version, now, effective, who, why, facts)
    return Verdict(now, version, not dry_run, effective.isoformat(), f"{'would promote' if dry_run else 'promoted'}: "
                   f"{said}", checks)


def _curves(unit: Unit, night: date, effective: date, who: str) -> str:
    """What came of the curves of the bid. Their fault is logged and told: the line model stands without them."""
    try:
        return landscape.promote(unit, night, effective, who)
    except Exception as error:
        log.exception("%s: no curves of the bid from the night of %s", unit.unit, night)
        first_line, _, _ = str(error).partition("\n")  # XGBoost's stack stands below it
        return f"failed, earlier curves stay: {type(error).__name__}: {first_line}"


def rollback(unit: Unit, version: str, *, who: str, reason: str, dry_run: bool = False) -> str:
    """Make a model that was champion before champion again, from the next night on; decided nights stay."""
    live, before = publish.live("model", unit.unit), publish.log("model", unit.unit)
    found = [entry for entry in before if entry.moved_to.startswith(version)]
    if live is None or not found:
        raise PublishError(f"{version} was never the model of {unit.unit}", "see `moe model show` for those that were")
    to = found[-1]
    if to.moved_to == live.moved_to:
        if not dry_run:
            tracking.follow(unit.unit, to.moved_to)
        return f"{to.moved_to} is champion already, nothing moved"
    try:
        Bundle.load(settings().bundles / to.moved_to)
    except BundleError as error:
        raise PublishError(error.message, "copy its folder back from where it is kept, or choose another") from error
    effective = max(_next_night(unit.unit, date.fromisoformat(to.effective)), date.fromisoformat(live.effective))
    sentence = f"{live.moved_to} → {to.moved_to}, effective from the night of {effective} on"
    if dry_run:
        return f"would move {sentence}"
    move(unit.unit, to.moved_to, live.moved_to, effective, who, reason, to.facts)
    return f"rolled back: {sentence}"


def move(unit: str, to: str, expected: str | None, effective: date, who: str, reason: str,
         facts: dict[str, Any]) -> None:
    """The pointer and its log first; MLflow's alias says nothing that they have not said.

    Where MLflow cannot be reached, the same command again finds nothing to move and brings the alias after.
    """
    publish.move("model", unit, to, expected=expected, effective=effective, who=who, reason=reason, facts=facts)
    tracking.follow(unit, to)


def _next_night(unit: str, night: date) -> date:
    """The first night from `night` on that was not scored: what is decided keeps the model that decided it."""
    scored = [n for n in tables.nights(SCORES, unit) if n >= night]
    return scored[-1] + timedelta(days=1) if scored else night


def _checks(unit: Unit, night: date, champion: str, challenger: str) -> list[Check]:
    """Compare both on the rows that neither was fitted or calibrated on, as known in the challenger's night."""
    held, new = (Bundle.load(settings().bundles / version) for version in (champion, challenger))
    since = np.datetime64(max(_held_out_from(held), _held_out_from(new)))
    frame = training_set(unit.unit, night)
    frame = frame[frame["business_date"].to_numpy("datetime64[D]") >= since].reset_index(drop=True)
    frame["region"] = frame["line_id"].map(regions(unit.unit, night)).fillna("unknown")
    return compare(held, new, {
        target.name: HeldOut(sample(frame, target), known(frame, target)["region"].to_numpy(object))
        for target in TARGETS})


def _held_out_from(bundle: Bundle) -> str:
    """The first date that it was not fitted on; of one that does not say, the day after its training night."""
    after = date.fromisoformat(bundle.about["training_night"]) + timedelta(days=1)
    return str(bundle.about.get("held_out_from") or after)
