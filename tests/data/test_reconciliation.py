"""Totals: core as of a night and quarantine together are what was landed, to the last digit.

Delivered numbers are rounded to the contract's scale when their text is read (`sources/typed.py`); currencies,
when they are converted (`sources/core.py`). The totals here are of what was read, in the original currency.
"""

import json
import shutil
from collections import Counter
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from _stores import (
    ADS,
    COLUMNS,
    D1,
    MEASURES,
    QUARANTINE,
    deliver,
    known,
    land,
    python,
    read,
    row,
    shop,
    totals,
)
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from moe import runner, tables
from moe.contracts import contract
from moe.jobs import find
from moe.settings import settings
from moe.units import Unit, load_unit

NIGHTS = [date(2020, 4, 1) + timedelta(days=n) for n in range(121)]
LAST = NIGHTS[-1]
TOTALS = {"impressions": Decimal("239014261"), "clicks": Decimal("2492825"), "spend": Decimal("276262.6159"),
          "conversions": Decimal("651762"), "conversion_value": Decimal("32715410.2317")}


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Unit]:
    """A home with all 121 nights of the real company, landed in one process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MOE_HOME", str(tmp_path_factory.mktemp("company")))
        patch.setenv("MOE_PSEUDONYM_KEY", "tests")
        settings.cache_clear()
        export = settings().test_data / "online_ads_performance" / "online_advertising_performance_data.csv"
        assert export.exists(), f"no {export}: set MOE_TEST_DATA to the folder of the real exports"
        unit = load_unit("online_ads")
        land(unit, *NIGHTS)
        yield unit
    settings.cache_clear()


def test_the_real_companys_totals(company: Unit) -> None:
    found = known(company, LAST)
    assert len(found) == 15_403 and totals(found) == TOTALS
    assert not any(tables.read(QUARANTINE, company.unit, night).num_rows for night in NIGHTS)
    assert all(r["conversions"] is not None for r in found)


def test_the_real_companys_rows_without_placement(company: Unit) -> None:
    found = known(company, LAST)
    assert Counter(r["line_id"] for r in found)["unplaced"] == 413
    assert all((r["line_id"] == "unplaced") == (r["placement"] == "") for r in found)


def test_the_real_companys_outcomes_are_known_30_days_later(company: Unit) -> None:
    night = date(2020, 5, 15)
    for r in known(company, night):
        assert (r["conversions"] is not None) == (r["business_date"] <= night - timedelta(days=30))
    assert {r["business_date"] for r in known(company, night)} == set(NIGHTS[: (night - NIGHTS[0]).days + 1])


def test_the_real_companys_marts_have_the_same_totals(company: Unit) -> None:
    runner.run(find(["marts"]), company, [LAST])
    mart = tables.read("marts.ad_performance__line_day", company.unit, LAST)
    assert totals(mart.to_pylist()) == TOTALS
    assert mart.num_rows > 500 and set(mart.column("unit").to_pylist()) == {"online_ads"}


FAULTS: list[dict[str, str]] = [
    {}, {}, {"clicks": "many"}, {"cost": "-3.333333"}, {"cost": "NaN"}, {"value": "inf"}, {"campaign": ""},
    {"day": "2019-01-01"}, {"day": "someday"}, {"clicks": "7000"}, {"conversions": ""}, {"impressions": "-1"},
]
amounts = st.decimals(0, 10**6, allow_nan=False, places=6).map(str)
lines = st.builds(
    lambda campaign, ago, clicks, cost, share, value, fault: row(
        D1 + timedelta(days=3 - ago), f"c{campaign}", clicks=clicks, impressions=clicks * 9 + 5, cost=cost,
        conversions=share, value=value) | fault,
    st.integers(0, 40), st.integers(0, 2), st.integers(0, 999), amounts, amounts, amounts, st.sampled_from(FAULTS),
)


def number(text: str, name: str) -> Decimal:
    """An independent reading of a delivered text."""
    try:
        value = Decimal(text.strip() or "0")
    except ArithmeticError:
        return Decimal(0)
    return value if value.is_finite() else Decimal(0)


@hypothesis_settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lists=st.lists(st.lists(lines, min_size=1, max_size=40), min_size=2, max_size=2))
def test_core_and_quarantine_are_what_was_landed(
    home: Path, tmp_path: Path, lists: list[list[dict[str, str]]]
) -> None:
    """Two nights of random deliveries with random faults, duplicated keys among them, the second restating."""
    for leftover in (home / "store", tmp_path / "shop"):
        shutil.rmtree(leftover, ignore_errors=True)
    unit = shop(tmp_path / "shop", mapping={"files": {"report": {"path": "report.csv", "contract": "loose"}}})
    write_loose_contract(unit)
    nights = [D1 + timedelta(days=3), D1 + timedelta(days=4)]
    for night, delivered in zip(nights, lists, strict=True):
        deliver(unit, night, delivered)
        land(unit, night)
        names = dict(zip(MEASURES, ("impressions", "clicks", "cost", "conversions", "value"), strict=True))
        landed = {m: sum((number(r[c], c) for r in read("landing.ads__report", unit, night)), Decimal(0))
                  for m, c in names.items()}
        core, out = read(ADS, unit, night), read(QUARANTINE, unit, night)
        assert {m: totals(core)[m] + totals(out)[m] for m in MEASURES} == landed
        assert len(core) + len({q["row"] for q in out}) == len(delivered)
    # as of the second night: its own dates from it alone, the first's others from the first
    covered = {nights[1] - timedelta(days=n) for n in range(3)} if accounts(unit, nights[1]) else set()
    expected = [r for r in read(ADS, unit, nights[0]) if r["business_date"] not in covered]
    assert totals(known(unit, nights[1])) == totals(expected + read(ADS, unit, nights[1]))


def accounts(unit: Unit, night: date) -> set[str]:
    return {r["account_id"] for r in read("core.coverage__account_day", unit, night)}


def write_loose_contract(unit: Unit) -> None:
    """A landing contract of the user's own, which lets any share of the rows be faulty."""
    types = {"day": "DATE", "impressions": "BIGINT", "clicks": "BIGINT", "cost": "DECIMAL(18,6)",
             "conversions": "DECIMAL(18,6)", "value": "DECIMAL(18,6)"}
    properties = "".join(f"      - {{name: {c}, logicalType: string, physicalType: \"{types.get(c, 'VARCHAR')}\", "
                         f"description: As delivered.}}\n" for c in COLUMNS)
    (unit.folder / "loose.yml").write_text(
        "apiVersion: v3.1.0\nkind: DataContract\nid: loose\nversion: 1.0.0\nstatus: active\nname: loose\nschema:\n"
        "  - name: loose\n    description: Loose.\n    customProperties:\n"
        f"      - {{property: failure_share, value: 1.0}}\n    properties:\n{properties}")


def test_the_currency_is_rounded_at_its_conversion_alone(home: Path, tmp_path: Path) -> None:
    unit = shop(tmp_path / "shop", {"rates": [{"currency": "USD", "since": D1, "rate": "0.33333333"}]})
    deliver(unit, D1, [row(D1, currency="USD", cost="0.000005", value="1.0000015")])
    land(unit, D1)
    (found,) = known(unit, D1)
    assert found["spend_original"] == Decimal("0.000005") and found["spend"] == Decimal("0.000002")
    assert found["conversion_value_original"] == Decimal("1.000002")  # seven digits, rounded when read
    assert contract(ADS).column("spend").type == "DECIMAL(18,6)"


def test_nights_from_to_equal_date_by_date(home: Path, tmp_path: Path) -> None:
    """Through the command: --from --to in one process gives the digests of single nights."""
    nights = NIGHTS[:3]
    code = "from moe.cli import main; main()"
    together = python(code, "run", "land", "--unit", "online_ads", "--from", str(nights[0]), "--to", str(nights[-1]))
    out, err = together.communicate()
    assert together.returncode == 0, err
    printed = {record["date"]: record["digests"] for record in map(json.loads, out.splitlines())}
    unit = load_unit("online_ads")
    for night in nights:
        (record,) = land(unit, night)
        assert record.digests == printed[str(night)]
