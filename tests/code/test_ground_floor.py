"""Settings, units, contracts: what is wrong is refused with its file and key."""

import json
import shutil
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import pytest
import yaml
from jsonschema import validate
from open_data_contract_standard.model import OpenDataContractStandard

from moe import contracts, jobs, services, tables
from moe.errors import MoeError
from moe.settings import Settings, settings
from moe.units import load_unit

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = sorted((ROOT / "contracts").glob("*/*.yml"))
UNIT = (ROOT / "units" / "advertiser" / "unit.yml").read_text()


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A moe.toml of the test's own, and an environment without settings."""
    for name in Settings.model_fields:
        monkeypatch.delenv(f"MOE_{name.upper()}", raising=False)
    monkeypatch.setenv("MOE_CONFIG", str(tmp_path / "moe.toml"))
    settings.cache_clear()
    yield tmp_path / "moe.toml"
    settings.cache_clear()


def test_the_environment_goes_before_the_file_and_the_file_before_the_defaults(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config.write_text('unit = "from_file"\nspark_memory = "5g"\n')
    monkeypatch.setenv("MOE_UNIT", "from_environment")
    found = settings()
    assert (found.unit, found.spark_memory, found.spark_master) == ("from_environment", "5g", "local[*]")
    assert found.store == found.home / "store"


def test_sparks_own_settings_are_a_table_in_the_file_and_json_in_the_environment(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config.write_text('[spark_conf]\n"spark.cores.max" = "8"\n"spark.executor.memory" = "1g"\n')
    monkeypatch.setenv("MOE_SPARK_CONF", '{"spark.executor.memory": "4g"}')
    assert settings().spark_conf == {"spark.cores.max": "8", "spark.executor.memory": "4g"}


@pytest.mark.parametrize(("text", "said"), [
    ("unti = 'x'\n", "unti"), ("threads = 'many'\n", "threads"), ("threads = \n", "moe.toml"),
])
def test_a_wrong_settings_file_is_refused_by_key(config: Path, text: str, said: str) -> None:
    config.write_text(text)
    with pytest.raises(MoeError, match=said) as caught:
        settings()
    assert str(config) in str(caught.value)


def test_no_secret_stands_in_the_settings_as_they_print(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Logs and tracebacks show objects as they print."""
    for name, value in (("PSEUDONYM_KEY", "hush"), ("ONLINE_STORE", "redis://:hush@host"),
                        ("POSTGRES_URL", "postgresql://u:hush@host/d"), ("NOTIFY", "https://chat.example/hush"),
                        ("AIRFLOW_DATABASE", "postgresql://u:hush@host/d"), ("SMTP_URL", "smtps://u:hush@host"),
                        ("MLFLOW_TRACKING_URI", "postgresql://u:hush@host/d")):
        monkeypatch.setenv(f"MOE_{name}", value)
    assert "hush" not in f"{settings()!r} {settings()}"
    assert settings().secret_key == b"hush" and settings().online_address("shop") == "redis://:hush@host?project=shop"


def test_the_pseudonym_key_is_made_once_and_readable_by_its_owner_alone(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOE_HOME", str(config.parent / "home"))
    key = settings().secret_key
    settings.cache_clear()
    assert settings().secret_key == key and len(key) == 64
    (path,) = settings().secrets.iterdir()
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(("find", "put", "said"), [
    ("currency: USD", "currency: dollars", "currency"),
    ("first_night: 2026-06-01", "first_night: soon", "first_night"),
    ("max_step: 0.2", "max_step: -1", "budget.max_step"),
    ("line: [platform, account_id, campaign_id]", "line: [planet]", "line.0"),
    ("name: meta_ads", "name: google_ads", "google_ads named twice"),
    ("simulated: true", "simulated: true\nmood: good", "mood"),
    ("simulated: true", "rates: [{currency: USD, since: 2026-01-01, rate: 2}]", "USD is the unit's own currency"),
    ("simulated: true", "rates: [{currency: EUR, since: 2026-01-01, rate: 2}, {currency: EUR, since: 2026-01-01, "
     "rate: 3}]", "two for one currency and date"),
    ("simulated: true", "rates: [{currency: EUR, since: 2026-01-01, rate: 0}]", "rates.0.rate"),
    ("late: go_on", "late: perhaps", "sources.2.late"),
    ("unit: advertiser", "unit: [", "not a readable unit file"),
])
def test_a_wrong_unit_file_is_refused_by_key(tmp_path: Path, find: str, put: str, said: str) -> None:
    path = tmp_path / "unit.yml"
    assert find in UNIT
    path.write_text(UNIT.replace(find, put, 1))
    with pytest.raises(MoeError) as caught:
        load_unit(str(path))
    assert str(path) in caught.value.message and said in caught.value.message


def test_an_unknown_unit_names_those_there_are() -> None:
    with pytest.raises(MoeError, match="advertiser, online_ads"):
        load_unit("nobody")


def test_an_unknown_placeholder_in_a_path_is_refused() -> None:
    unit = load_unit("advertiser")
    with pytest.raises(MoeError, match=r"unit advertiser: path x/\{nigth\} has an unknown placeholder"):
        unit.resolve("x/{nigth}")


@pytest.mark.parametrize("path", SHIPPED, ids=lambda p: p.stem)
def test_a_shipped_contract_is_valid_and_complete(path: Path) -> None:
    standard = json.loads((files("open_data_contract_standard") / "schema.json").read_text())
    validate(json.loads(json.dumps(yaml.safe_load(path.read_text()), default=str)), standard)
    document = OpenDataContractStandard.from_file(str(path))
    found = contracts.read(path)
    assert document.id == document.name == found.name == f"{path.parent.name}.{path.stem}"
    assert document.apiVersion == "v3.1.0" and found.owner and found.description
    names = [c.name for c in found.columns]
    assert names and len(set(names)) == len(names) and not set(names) & set(contracts.ADDED)
    assert [c.name for c in found.columns if not c.description.endswith(".")] == []
    assert found.layer == "landing" or found.key
    assert found.schema.names == [*contracts.ADDED, *names]
    amounts = [c for c in found.columns if c.type.startswith("DECIMAL")]
    assert [c.name for c in amounts if c.measure is None] == []  # an amount says what it counts


@pytest.mark.parametrize(("find", "put", "said"), [
    ("value: report", "value: reprot", "kind is reprot"),
    ("clicks, impressions", "clicks, impresions", "not_above names impresions"),
    ("physicalType: BIGINT", "physicalType: BIGNIT", "BIGNIT"),
    ("kind: DataContract", "kind: [", "not a valid Open Data Contract Standard file"),
    ("properties:\n      - {name: source", "planets:\n      - {name: source", "properties"),
    ("schema:", "schemas:", "schemas"),
])
def test_a_wrong_contract_is_refused_by_file(tmp_path: Path, find: str, put: str, said: str) -> None:
    path = tmp_path / "core" / "ad_performance__ad_day.yml"
    path.parent.mkdir()
    shutil.copy(ROOT / "contracts" / "core" / path.name, path)
    text = path.read_text()
    assert find in text
    path.write_text(text.replace(find, put, 1))
    with pytest.raises(MoeError) as caught:
        contracts.read(path)
    assert str(path) in caught.value.message and said in caught.value.message


def test_a_contract_of_two_tables_is_refused(tmp_path: Path) -> None:
    document = yaml.safe_load(SHIPPED[0].read_text())
    document["schema"] *= 2
    (tmp_path / "two.yml").write_text(yaml.safe_dump(document))
    with pytest.raises(MoeError, match="exactly one table"):
        contracts.read(tmp_path / "two.yml")


def test_an_unknown_table_names_the_nearest() -> None:
    with pytest.raises(MoeError, match=r"did you mean: core.order__order"):
        contracts.contract("core.orders__order")


def test_the_arrow_schema_has_the_types_and_nulls_of_the_contract() -> None:
    schema = contracts.contract("core.order__order").schema
    assert [str(schema.field(n).type) for n in ("unit", "night", "ordered_at", "order_value")] == [
        "string", "date32[day]", "timestamp[us, tz=UTC]", "decimal128(18, 6)"]
    assert [schema.field(n).nullable for n in ("night", "order_id", "customer_id")] == [False, False, True]


def test_jobs_run_in_their_own_order_whatever_was_typed() -> None:
    assert [job.name for job in jobs.find(["bid", "allocate", "bid"])] == ["allocate", "bid"]
    assert jobs.find(["monitor", "night"]) == [*jobs.NIGHT, jobs.BY_NAME["monitor"]]
    with pytest.raises(MoeError, match="no job nigth"):
        jobs.find(["nigth"])


def test_a_home_may_have_an_apostrophe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOE_HOME", str(tmp_path / "o'brien"))
    settings.cache_clear()
    tables._database.cache_clear()
    try:
        found = tables.connect().execute("select current_setting('temp_directory')").fetchall()
        assert found == [(str(settings().work),)]
    finally:
        settings.cache_clear()
        tables._database.cache_clear()


def test_a_database_s_password_stands_in_no_command(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOE_MLFLOW_TRACKING_URI", "postgresql://mlflow:s3cret@db/mlflow")
    settings.cache_clear()
    found = {service.name: service for service in services.services()}
    assert "s3cret" not in " ".join(word for service in found.values() for word in service.command)
    assert "s3cret" in found["mlflow"].environment["MLFLOW_BACKEND_STORE_URI"]
    monkeypatch.setenv("MOE_MLFLOW_TRACKING_URI", "https://mlflow.example")
    settings.cache_clear()
    assert "mlflow" not in {service.name for service in services.services()}, "it has a server of its own"
