"""Bad input: file faults stop before anything is replaced, row faults go to quarantine, the rest warns."""

import gzip
import re
from datetime import date
from pathlib import Path

import pytest
from _stores import (
    ADS,
    D1,
    D2,
    FINDINGS,
    MAPPING,
    QUARANTINE,
    changed,
    deliver,
    known,
    land,
    ledger_of,
    python,
    read,
    row,
    rows,
    shop,
    store_bytes,
)

from expectations import docs
from moe.errors import FileFault, MoeError
from moe.jobs import find
from moe.runner import run
from moe.settings import settings
from moe.units import Unit

FORMATS = ("report.csv", "report.csv.gz", "report.parquet")
pytestmark = pytest.mark.usefixtures("home")


def prepared(tmp_path: Path, name: str = "report.csv") -> tuple[Unit, Path]:
    """A unit with one good night landed and the next one delivered."""
    unit = shop(tmp_path / "shop", mapping={"files": {"report": {"path": name}}})
    deliver(unit, D1, rows(D1), name)
    land(unit, D1)
    return unit, deliver(unit, D2, rows(D2), name)


def refused(unit: Unit, *said: str, night: date = D2) -> str:
    """The night stops with a message that holds every text of `said`, and nothing is replaced."""
    before = store_bytes()
    with pytest.raises(MoeError) as caught:
        land(unit, night)
    for text in said:
        assert text in str(caught.value)
    assert "What to do: " in str(caught.value)
    assert store_bytes() == before
    record = ledger_of(unit, night)[-1]
    assert record["status"] == "failed" and caught.value.message in record["reason"]
    return str(caught.value)


@pytest.mark.parametrize("name", FORMATS)
def test_a_missing_file(tmp_path: Path, name: str) -> None:
    unit, path = prepared(tmp_path, name)
    path.unlink()
    refused(unit, f"{path} is missing", "ask the source for the delivery of this night")


@pytest.mark.parametrize("name", FORMATS)
def test_an_empty_file(tmp_path: Path, name: str) -> None:
    unit, path = prepared(tmp_path, name)
    path.write_bytes(b"")
    refused(unit, f"{path} is empty (0 bytes)", "deliver it again")


@pytest.mark.parametrize("name", FORMATS)
def test_a_header_without_rows(tmp_path: Path, name: str) -> None:
    unit, path = prepared(tmp_path, name)
    deliver(unit, D2, [], name)
    refused(unit, f"{path} has a header but no rows", "may_be_empty")


def test_a_file_of_nothing_but_a_header_may_be_empty(tmp_path: Path) -> None:
    unit = shop(tmp_path / "shop", mapping={"files": {"report": {"path": "report.csv", "may_be_empty": True}}})
    path = deliver(unit, D1, [])
    path.write_bytes(path.read_bytes().strip())  # not even a line end
    assert land(unit, D1)[0].rows_out[ADS] == 0


@pytest.mark.parametrize(("name", "kept"), [
    ("report.csv.gz", 0.5), ("report.csv.gz", 0.999), ("report.parquet", 0.5), ("report.parquet", 0.999),
])
def test_a_truncated_file(tmp_path: Path, name: str, kept: float) -> None:
    unit, path = prepared(tmp_path, name)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * kept)])
    refused(unit, f"{path} is truncated or corrupt", "deliver it again")


def test_a_parquet_file_whose_pages_are_damaged(tmp_path: Path) -> None:
    unit, path = prepared(tmp_path, "report.parquet")
    data = bytearray(path.read_bytes())
    data[4:400] = bytes(396)
    path.write_bytes(data)
    refused(unit, str(path))


def test_a_csv_cut_off_inside_its_last_line(tmp_path: Path) -> None:
    unit, path = prepared(tmp_path)
    changed(path, lambda data: data[: data.rindex(b",1000") + 3])
    refused(unit, str(path), "the last line is cut off", "truncated")


def test_a_csv_cut_off_inside_a_quoted_text(tmp_path: Path) -> None:
    unit, path = prepared(tmp_path)
    changed(path, lambda data: data + b'2026-03-02,a1,brand,mobile,1,1,1,EUR,1,"12.')
    refused(unit, f"{path}, row 202, column value", "ends inside a quoted text")


def test_a_csv_whose_last_value_may_be_cut_off_is_reported(tmp_path: Path) -> None:
    unit, path = prepared(tmp_path)
    changed(path, lambda data: data[:-2])
    land(unit, D2)
    assert [(f["finding"], f["file"]) for f in read(FINDINGS, unit, D2)] == [("no_line_end", "report.csv")]


@pytest.mark.parametrize("name", FORMATS[:2])
@pytest.mark.parametrize(("encoding", "place"), [("latin-1", "row 4, column campaign"), ("utf-16", "row 1")])
def test_a_wrong_encoding(tmp_path: Path, name: str, encoding: str, place: str) -> None:
    unit, path = prepared(tmp_path, name)
    changed(path, lambda data: data.replace(b",c2,", ",Früh,".encode()).decode().encode(encoding))
    refused(unit, f"{path}, {place}: not UTF-8", "export it as UTF-8")


def test_a_utf8_signature_is_no_fault(tmp_path: Path) -> None:
    unit, path = prepared(tmp_path)
    changed(path, lambda data: b"\xef\xbb\xbf" + data)
    assert land(unit, D2)[0].rows_out[ADS] == 200


@pytest.mark.parametrize("name", FORMATS)
def test_a_missing_column(tmp_path: Path, name: str) -> None:
    unit, path = prepared(tmp_path, name)
    deliver(unit, D2, rows(D2), name, tuple(c for c in rows(D2)[0] if c != "cost"))
    refused(unit, f"{path} has no column cost", "ask the source for the column")


def test_a_csv_with_semicolons_and_a_workbook_are_told_as_what_they_are(tmp_path: Path) -> None:
    unit, path = prepared(tmp_path)
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b",", b";"))
    refused(unit, "has no column", "its separator seems to be the semicolon")
    path.write_bytes(b"PK\x03\x04" + whole)
    refused(unit, f"{path} is a spreadsheet", "as CSV")
    path.write_bytes(whole.replace(b"\r\n", b"\r").replace(b"\n", b"\r"))
    refused(unit, "carriage return alone", "as CSV UTF-8")


@pytest.mark.parametrize("header", [b"day,account,campaign,device,clicks,clicks", b"day,Clicks,clicks", b""])
def test_a_header_that_names_a_column_twice_or_none(tmp_path: Path, header: bytes) -> None:
    unit, path = prepared(tmp_path)
    changed(path, lambda data: header + data[data.index(b"\n"):])
    refused(unit, f"{path}: the header", "name every column once")


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize(("column", "value", "wanted"), [
    ("clicks", "many", "a whole number"), ("day", "1.3.26", "a date (YYYY-MM-DD)"), ("cost", "€ 5", "an exact number"),
])
def test_a_column_whose_type_changed(tmp_path: Path, name: str, column: str, value: str, wanted: str) -> None:
    unit, path = prepared(tmp_path, name)
    deliver(unit, D2, [r | {column: value} for r in rows(D2)], name)
    refused(unit, f"{path}, column {column}: the type changed: it was {wanted}", repr(value), "ask the source")


@pytest.mark.parametrize(("currency", "day"), [("GBP", D2), ("USD", date(2026, 2, 28))])
def test_a_currency_without_a_rate(tmp_path: Path, currency: str, day: date) -> None:
    unit, _ = prepared(tmp_path)
    deliver(unit, D2, [*rows(D2), row(day, "foreign", currency=currency)])
    refused(unit, f"source ads, column currency: no rate to EUR for {currency} from {day} (1 rows)",
            "add it under `rates` in the file of unit shop")


@pytest.mark.parametrize("name", FORMATS)
def test_a_second_and_different_delivery(tmp_path: Path, name: str) -> None:
    unit, path = prepared(tmp_path, name)
    (first,) = land(unit, D2)
    assert land(unit, D2)[0].digests == first.digests  # the same again is no fault
    deliver(unit, D2, [*rows(D2)[:-1], row(D2, "c199", clicks=7)], name)
    refused(unit, f"{path}: a different delivery of {D2} was landed before", "--replace")
    land(unit, D2, replace=True)
    assert {r["clicks"] for r in read(ADS, unit, D2) if r["campaign_id"] == "c199"} == {7}


@pytest.mark.parametrize("limit", [3000, 20_000])
def test_a_full_disk(tmp_path: Path, limit: int) -> None:
    """A real limit on the size of written files: 20,000 bytes stop the landing table, 3,000 the data docs."""
    unit, _ = prepared(tmp_path)
    deliver(unit, D2, [row(D2, f"{n * 7919 % 100_003:x}{n}", clicks=n) for n in range(9000)])
    before = store_bytes()
    process = python(
        "import resource, sys; from datetime import date; from moe import runner; from moe.jobs import find; "
        "from moe.units import load_unit; from expectations.gate import suite; suite('x', []); "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]),) * 2); "
        "runner.run(find(['land']), load_unit(sys.argv[1]), [date(2026, 3, 2)])",
        str(unit.folder / "unit.yml"), str(limit),
    )
    _, printed = process.communicate()
    assert process.returncode == 1 and "could not" in printed and "free disk space" in printed
    assert store_bytes() == before
    assert ledger_of(unit, D2)[-1]["status"] == "failed"
    assert land(unit, D2)[0].rows_out[ADS] == 9000


ROW_FAULTS = [  # changed values, column, rule, value shown, part of the remedy
    ({"clicks": "ten"}, "clicks", "not readable", "ten", "write a whole number"),
    ({"clicks": "3.7"}, "clicks", "not readable", "3.7", "write a whole number"),
    ({"clicks": "1_000"}, "clicks", "not readable", "1_000", "write a whole number"),
    ({"cost": "1,5"}, "cost", "not readable", "1,5", "write an exact number"),
    ({"cost": "NaN"}, "cost", "not readable", "NaN", "write an exact number"),
    ({"cost": "inf"}, "cost", "not readable", "inf", "write an exact number"),
    ({"value": "-Infinity"}, "conversion_value", "not readable", "-Infinity", "write an exact number"),
    ({"cost": "-0.01"}, "spend", "out of range", "-0.010000", "at least 0"),
    ({"clicks": "-1"}, "clicks", "out of range", "-1", "at least 0"),
    ({"day": "2026-02-27"}, "business_date", "date outside the delivery", "2026-02-27", "covers 2026-02-28 to"),
    ({"day": "2026-03-03"}, "business_date", "date outside the delivery", "2026-03-03", "deliver other dates"),
    ({"day": "infinity"}, "day", "not readable", "infinity", "write a date (YYYY-MM-DD)"),
    ({"campaign": ""}, "campaign_id", "missing", None, "must have a value"),
    ({"clicks": " "}, "clicks", "missing", None, "must have a value"),
]


@pytest.mark.parametrize(("values", "column", "rule", "value", "remedy"), ROW_FAULTS)
def test_a_row_fault_goes_to_quarantine(
    tmp_path: Path, values: dict[str, str], column: str, rule: str, value: str | None, remedy: str
) -> None:
    unit = shop(tmp_path / "shop", {"first_night": D2})
    delivered = rows(D2)
    delivered[6] = delivered[6] | values
    deliver(unit, D2, delivered)
    land(unit, D2)
    found = [q for q in read(QUARANTINE, unit, D2) if q["rule"] == rule]
    delivered_name = {v: k for k, v in MAPPING["columns"].items() if isinstance(v, str)} | {"campaign": "campaign_id"}
    assert [(q["source"], q["file"], q["row"], q["value"]) for q in found][:1] == [("ads", "report.csv", 8, value)]
    assert found[0]["column"] in (column, MAPPING["columns"].get(column), delivered_name.get(column))
    assert remedy in found[0]["remedy"]
    assert len(read(ADS, unit, D2)) == 199


@pytest.mark.parametrize("name", FORMATS)
def test_all_rows_of_a_duplicated_key_are_kept_out(tmp_path: Path, name: str) -> None:
    unit = shop(tmp_path / "shop", mapping={"files": {"report": {"path": name}}})
    deliver(unit, D1, [*rows(D1, 300), row(D1, "c5", clicks=1)], name)
    land(unit, D1)
    found = read(QUARANTINE, unit, D1)
    assert [(q["file"], q["row"], q["rule"], q["clicks"]) for q in found] == [
        (name, 7, "duplicated key", 5), (name, 302, "duplicated key", 1)]
    assert "campaign_id" in found[0]["column"] and "all rows of the key are kept out" in found[0]["remedy"]
    assert "c5" not in {r["campaign_id"] for r in known(unit, D1)}


def test_a_line_with_a_wrong_number_of_columns(tmp_path: Path) -> None:
    unit, path = prepared(tmp_path)
    changed(path, lambda data: data.replace(b"\n2026-03-02,a1,c1,", b"\n2026-03-02,a1,c1,x,", 1))
    land(unit, D2)
    (found,) = read(QUARANTINE, unit, D2)
    assert (found["row"], found["rule"]) == (3, "wrong number of columns") and "c1,x" in found["value"]
    assert {r["row"] for r in read("landing.ads__report", unit, D2)} == {2, *range(4, 202)}


def test_above_the_share_of_the_contract_the_night_stops(tmp_path: Path) -> None:
    """1 % of the rows may be faulty: 2 of 200 pass, 3 do not."""
    unit, path = prepared(tmp_path)
    deliver(unit, D2, [*rows(D2)[:197], *(row(D2, f"bad{n}", cost="-1") for n in range(3))])
    refused(unit, f"{path} of {D2}: 3 of 200 rows break the contract (1.5%, allowed 1.0%)",
            "row 199, column spend: out of range: '-1.000000'; the value must be at least 0")
    deliver(unit, D2, [*rows(D2)[:198], *(row(D2, f"bad{n}", cost="-1") for n in range(2))])
    assert land(unit, D2)[0].rows_out[QUARANTINE] == 2


def test_a_single_bad_row_stops_only_where_there_is_no_other(tmp_path: Path) -> None:
    unit = shop(tmp_path / "shop")
    deliver(unit, D1, [row(D1), row(D1, "bad", clicks="-1")])
    assert land(unit, D1)[0].rows_out[ADS] == 1
    deliver(unit, D2, [row(D2, "bad", clicks="-1")])
    refused(unit, "1 of 1 rows break the contract")


def test_extra_columns_and_clicks_above_impressions_warn(tmp_path: Path) -> None:
    unit, _ = prepared(tmp_path)
    odd = row(D2, "odd", impressions=1, clicks=2)
    deliver(unit, D2, [r | {"mood": "good", "night": "dark"} for r in [*rows(D2), odd]],
            columns=(*odd, "mood", "night"))
    land(unit, D2)
    assert [(f["finding"], f["column"], f["rows"]) for f in read(FINDINGS, unit, D2)] == [
        ("extra_column", "mood+night", 201), ("not_above", "clicks", 1)]
    assert len(read(ADS, unit, D2)) == 201 and not read(QUARANTINE, unit, D2)
    landed = read("landing.ads__report", unit, D2)[0]
    assert (landed["mood"], landed["night_"], landed["night"]) == ("good", "dark", D2)


def test_great_expectations_counts_the_rows_that_are_quarantined(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every kind of fault at once: each expectation's count is the number of rows found, and no value leaks."""
    unit = shop(tmp_path / "shop", {"first_night": D2})
    bad = [row(D2, f"bad{n}") | values for n, (values, *_) in enumerate(ROW_FAULTS)]
    deliver(unit, D2, [*rows(D2, 2000), row(D2, "c5"), *bad])
    saved = {}
    monkeypatch.setattr(docs, "save", lambda unit, night, results: saved.update(results))
    land(unit, D2)
    quarantined = read(QUARANTINE, unit, D2)

    def rows_of(*names: str) -> int:
        return len({q["row"] for q in quarantined if q["rule"] in names})

    counts = {(page, r.expectation_config.description.split(":")[0].split(" lies")[0][:19]):
              r.result["unexpected_count"] for page, result in saved.items() for r in result.results
              if not r.success}
    assert counts == {
        ("ads.report", "Columns that their "): rows_of("not readable"),
        ("ads.report.mapped", "Columns that must h"): rows_of("missing"),
        ("ads.report.mapped", "At least 0"): rows_of("out of range"),
        ("ads.report.mapped", "business_date"): rows_of("date outside the delivery"),
        ("ads.report.mapped", "One row for each ac"): rows_of("duplicated key"),
    }
    assert not any(r.result.get("partial_unexpected_list") for result in saved.values() for r in result.results)


def test_the_gate_raises_where_the_rule_and_great_expectations_disagree(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from expectations import gate

    unit = shop(tmp_path / "shop")
    deliver(unit, D1, [*rows(D1), row(D1, "bad", cost="-1")])
    monkeypatch.setattr(gate, "_failing_rows", lambda *_: gate.FAULT_SCHEMA.empty_table())
    refused(unit, "Great Expectations finds 1 rows, the gate 0", night=D1)


@pytest.mark.parametrize("policy", ["wait", "go_on", "hold"])
def test_a_late_source_waits_goes_on_or_holds(tmp_path: Path, policy: str) -> None:
    late = {"name": "late", "mapping": "ads.yml", "path": "late/{night}", "late": policy}
    unit = shop(tmp_path / "shop", {"sources": [{"name": "ads", "mapping": "ads.yml", "path": "deliveries/{night}"},
                                                late]})
    deliver(unit, D1, rows(D1))
    if policy == "wait":
        refused(unit, "late/2026-03-01/report.csv is missing", night=D1)
        return
    land(unit, D1)
    (finding,) = read(FINDINGS, unit, D1)
    assert (finding["source"], finding["finding"]) == ("late", "late")
    assert finding["message"].startswith(policy.replace("_", " ") + ": ")
    source = unit.folder / "late" / D1.isoformat()
    source.mkdir(parents=True)
    (source / "report.csv").write_bytes((unit.folder / "deliveries" / D1.isoformat() / "report.csv").read_bytes())
    land(unit, D1)  # it came after all
    assert not read(FINDINGS, unit, D1) and len(read(ADS, unit, D1)) == 400
    (source / "report.csv").unlink()  # what has landed is not late: a run again must not lose it
    refused(unit, "is missing", night=D1)


def test_other_faults_of_a_source_that_may_be_late_still_stop(tmp_path: Path) -> None:
    unit = shop(tmp_path / "is missing", {"sources": [
        {"name": "ads", "mapping": "ads.yml", "path": "deliveries/{night}", "late": "go_on"}]})
    deliver(unit, D1, rows(D1)).write_bytes(b"")
    refused(unit, "is empty (0 bytes)", night=D1)


def test_data_docs_are_pages_that_say_what_failed(tmp_path: Path) -> None:
    unit, _ = prepared(tmp_path)
    deliver(unit, D2, [*rows(D2), row(D2, "bad", cost="-1")])
    land(unit, D2)
    run(find(["docs"]), unit, [D2])
    folder = settings().data_docs / "shop" / str(D2)
    index = (folder / "index.html").read_text()
    links = re.findall(r'href="([^"]+)">[^<]*</a><td>([^<]*)<td>([^<]*)', index)
    assert [(name, state) for name, state, _ in links] == [
        ("ads.report.html", "passed"), ("ads.report.mapped.html", "rules broken")]
    page = (folder / "ads.report.mapped.html").read_text()
    assert "<html" in page and "At least 0: impressions, clicks, spend" in page and "1 unexpected" in page


def test_the_gate_judges_a_delivery_without_rows(tmp_path: Path) -> None:
    unit = shop(tmp_path / "shop", mapping={"files": {"report": {"path": "report.csv.gz", "may_be_empty": True}}})
    deliver(unit, D1, [], "report.csv.gz")
    assert gzip.decompress((unit.folder / "deliveries" / str(D1) / "report.csv.gz").read_bytes()).startswith(b"day,")
    assert land(unit, D1)[0].rows_out[ADS] == 0


def test_file_faults_are_errors_of_their_own_kind(tmp_path: Path) -> None:
    unit, path = prepared(tmp_path)
    path.unlink()
    with pytest.raises(FileFault):
        land(unit, D2)
