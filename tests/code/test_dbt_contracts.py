"""The marts' contracts come from dbt's own files, and the metrics from its one list."""

import shutil
from pathlib import Path

import pyarrow as pa
import pytest

from moe.dbt_contracts import mart_contracts, metrics
from moe.errors import MoeError
from moe.jobs import BY_NAME
from moe.settings import Settings, settings


def test_every_mart_is_written_by_the_job() -> None:
    assert {mart.name for mart in mart_contracts()} == set(BY_NAME["marts"].writes)


def test_a_mart_has_the_schema_that_dbt_enforces() -> None:
    orders = next(mart for mart in mart_contracts() if mart.name == "marts.order__day")
    assert orders.key == ("business_date",)
    assert orders.kind == "snapshot" and orders.layer == "marts"
    assert orders.column_names[:3] == ("unit", "night", "business_date")
    assert orders.schema.field("order_value").type == pa.decimal128(38, 6)
    assert orders.schema.field("currency").type == pa.string()
    assert orders.column("order_value").measure == "unit currency"
    assert not orders.schema.field("customers").nullable


def test_every_column_is_described_and_every_number_has_a_unit() -> None:
    for mart in mart_contracts():
        assert mart.description and mart.key
        for column in mart.columns:
            assert column.description and "{" not in column.description, (mart.name, column.name)
            if column.type not in ("VARCHAR", "DATE", "BOOLEAN"):
                assert column.measure, (mart.name, column.name)


def test_metrics_are_columns_of_the_mart_and_divide_its_columns() -> None:
    mart = next(m for m in mart_contracts() if m.name == "marts.ad_performance__line_day")
    assert {m.name for m in metrics()} == {c.name for c in mart.columns if c.type == "DOUBLE"}
    for metric in metrics():
        assert {metric.numerator, metric.denominator} < {c.name for c in mart.columns}
        assert mart.column(metric.name).description == metric.description
        assert mart.column(metric.name).measure == metric.unit


@pytest.mark.parametrize("missing", ["constraints", "description"])
def test_an_incomplete_mart_is_named(missing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(settings().dbt_project / "models", tmp_path / "models")
    shutil.copy(settings().dbt_project / "dbt_project.yml", tmp_path)
    mart = tmp_path / "models" / "marts" / "order__day.yml"
    mart.write_text(mart.read_text().replace(f"    {missing}:", f"    was_{missing}:", 1))
    monkeypatch.setattr(Settings, "dbt_project", tmp_path)
    with pytest.raises(MoeError, match=rf"order__day lacks '{missing}'"):
        mart_contracts()


def test_a_file_that_is_no_yaml_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(settings().dbt_project / "models", tmp_path / "models")
    shutil.copy(settings().dbt_project / "dbt_project.yml", tmp_path)
    mart = tmp_path / "models" / "marts" / "order__day.yml"
    mart.write_text(f"{mart.read_text()}\n      - name: new_column\n")
    monkeypatch.setattr(Settings, "dbt_project", tmp_path)
    with pytest.raises(MoeError, match=r"order__day.yml is not readable YAML"):
        mart_contracts()
