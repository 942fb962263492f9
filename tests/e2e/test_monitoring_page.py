"""The monitoring pages in a real headless Chromium: from the nightly page to the verdict and to Evidently's report."""

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from playwright.sync_api import Browser

from decisions.jobs.report import _monitoring
from decisions.report import render
from moe.jobs import Night
from moe.settings import settings
from moe.units import load_unit
from monitoring import drift
from monitoring.model import Model, Window
from monitoring.page import write_pages
from monitoring.thresholds import Limit
from tests.code.report_example import example
from tests.e2e.visit import Visit

pytestmark = pytest.mark.chromium
D = date(2026, 7, 20)


def column(name: str, status: str, nights: int = 0) -> dict[str, Any]:
    return {"table_name": "features.ads__line_segment", "column_name": name, "check_name": "ks", "statistic": 0.5,
            "p_value": 0.0, "warn_above": 0.2, "alert_above": 0.4, "status": status, "nights_alert": nights}


def outcome(**changes: Any) -> dict[str, Any]:
    return {"target": "click_rate", "platform": "all", "since": D - timedelta(days=15), "until": D - timedelta(days=2),
            "dates": 14, "observed": 172514.0, "predicted": 180922.0, "predicted_over_observed": 1.0487,
            "ratio_low": 1.02, "ratio_high": 1.08, "decay": None, "is_judged": True, "calibration_status": "warn",
            "decay_status": "ok"} | changes


@pytest.fixture
def pages(home: Path) -> Path:
    """The pages of a night that asks for a model, and the nightly page; gives the latter."""
    rng = np.random.default_rng(1)
    limits = dict.fromkeys(drift.CHECKS, Limit(warn=0.1, alert=0.1))
    compared = [drift.Compared.of(name, pd.Series(rng.lognormal(8, 1, 300)), pd.Series(rng.lognormal(9, 1, 500)),
                                  limits) for name in ("clicks_7d", "spend_7d")]
    night = Night(load_unit("advertiser"), D)
    reasons = "drift: values moved by PSI and KS distance alike: <b>spend_7d</b>\nage: old"
    request = {"requested": True, "open_since": D, "reasons": reasons, "columns_alert": 1, "columns_warn": 1}
    write_pages(night, Model("a" * 16, D - timedelta(days=20)), Window.ending(D, 7),
                [column("days", "ok"), column("clicks_7d", "warn"), column("spend_7d", "alert", 3)],
                [outcome(), *(outcome(is_judged=False, dates=7) for _ in range(3))], request, drift.report(compared))
    folder = settings().report("advertiser", D)
    return render(replace(example(), links=_monitoring(night, folder)), folder)


@pytest.mark.parametrize("width", [360, 1280])
def test_from_the_nightly_page_to_the_distributions(pages: Path, browser: Browser, width: int) -> None:
    visit = Visit(browser, pages, width, "dark")
    visit.page.get_by_role("link", name="Monitoring of the model").click()
    visit.page.wait_for_load_state("load")
    assert "A new model is asked for." in visit.page.locator("#verdict").inner_text()
    items = visit.page.locator("#verdict li").all_text_contents()
    assert items[0].endswith("<b>spend_7d</b>") and len(items) == 2, "names are text, not markup"
    assert visit.page.locator("#loud tbody tr td:nth-child(3)").all_text_contents() == ["spend_7d", "clicks_7d"]
    assert visit.overflow() == 0
    visit.page.get_by_role("link", name="The distributions side by side").click()
    visit.page.get_by_text("Drift in column 'spend_7d by tenths'").wait_for()
    assert visit.page.locator(".js-plotly-plot").count() > 0, "the charts are drawn by the shared script"
    assert visit.trouble == []
    assert [url for url in visit.requests if not url.startswith(("file:", "data:", "blob:"))] == []
    visit.page.close()
