"""The report says of every curve whether an experiment has checked it, and what became of the experiments."""

import re
from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from decisions.report import ReportData, evidence, render
from decisions.report.curves import curve_views
from tests.code.report_example import TESTED, example


def untested(data: ReportData) -> ReportData:
    """The same night without experiments."""
    rows = [r | {"evidence": "observational", "ceiling_before": None, "half_saturation_before": None}
            for r in data.curves.to_pylist()]
    return replace(data, experiments=None, curves=pa.Table.from_pylist(rows, schema=data.curves.schema))


def section(data: ReportData, folder: Path) -> str:
    """The text of the curves' section, without marks."""
    html = re.search(r'<section id="curves".*?</section>', render(data, folder).read_text(), re.DOTALL)
    assert html is not None
    return " ".join(re.sub(r"<[^>]+>", " ", html[0]).split())


def test_each_curve_is_marked_and_the_experiments_are_named(tmp_path: Path) -> None:
    data = example(6)
    said = section(data, tmp_path)
    assert said.count("Checked by an experiment: summer-geo.") == 1
    assert said.count("From observed spend only: no experiment has checked it.") == 5
    assert "1 of 6 curves is checked by an experiment." in said
    assert "summer-geo" in said and "in the curve" in said
    assert "left out Its days are too old." in said


def test_only_a_checked_curve_shows_what_it_was_before(tmp_path: Path) -> None:
    data = example(6)
    drawn = {c.line_id: c.unchecked for c in curve_views(data)}
    assert [line for line, path in drawn.items() if path] == [f"line-{TESTED:04d}"]
    assert "expected before its experiment" in section(data, tmp_path)
    assert "expected before its experiment" not in section(untested(data), tmp_path)


def test_the_next_test_is_where_the_range_is_widest() -> None:
    data = untested(example(6))
    assert evidence.words(data).startswith("None of 6 curves is checked by an experiment. They are")
    errors = [r["expected_value_se"] for r in data.budgets.to_pylist()]
    widest = data.budgets.to_pylist()[errors.index(max(errors))]
    assert f"A test teaches most on {widest['line_name']}: its range is the widest." in evidence.words(data)
    rows = [r | ({"evidence": "calibrated"} if r["line_id"] == widest["line_id"] else {})
            for r in data.curves.to_pylist()]
    then = replace(data, curves=pa.Table.from_pylist(rows, schema=data.curves.schema))
    assert widest["line_name"] not in evidence.words(then)
    every = [r | {"evidence": "calibrated"} for r in rows]
    done = replace(data, curves=pa.Table.from_pylist(every, schema=data.curves.schema))
    assert evidence.words(done) == "6 of 6 curves are checked by an experiment."


def test_without_experiments_there_is_no_table_and_no_file(tmp_path: Path) -> None:
    render(example(3), tmp_path)
    assert (tmp_path / "experiments.csv").exists()
    assert "experiments-table" not in render(untested(example(3)), tmp_path).read_text()
    assert not (tmp_path / "experiments.csv").exists()
