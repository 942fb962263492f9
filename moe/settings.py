"""One typed settings object that owns every path and address of the platform.

Order of precedence: environment variables (`MOE_…`), then `moe.toml`, then files of a folder of secrets (as a
container has them: `/run/secrets/moe_postgres_url`), then the defaults below, which make everything run embedded
under `var/`. No other module joins paths or reads the environment.
"""

import contextlib
import os
import re
import tomllib
from datetime import date
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Literal
from urllib.parse import quote, urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SecretsSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from moe.errors import MoeError, key_faults

ROOT = Path(__file__).resolve().parent.parent


def config_file() -> Path:
    return Path(os.environ.get("MOE_CONFIG", ROOT / "moe.toml"))


def secret_files() -> Path:
    """Folder of files that hold one setting each, named like its environment variable in small letters."""
    return Path(os.environ.get("MOE_SECRETS_DIR", "/run/secrets"))


class Settings(BaseSettings):
    """Every setting with its default. Paths are absolute after construction."""

    model_config = SettingsConfigDict(env_prefix="MOE_", frozen=True, extra="forbid",
                                      hide_input_in_errors=True)

    home: Path = ROOT / "var"
    "Folder of everything that the platform writes."
    unit: str = "advertiser"
    "The business unit used where none is named: a name under units/ or the path of a unit.yml."
    units: tuple[str, ...] = ("advertiser",)
    "Units whose nights Airflow schedules."
    test_data: Path = ROOT.parent / "shared" / "data"
    "Folder of real exports for tests and examples."
    spark_master: str = "local[*]"
    spark_memory: str = "2g"
    "Driver memory of the nightly Spark session: 1 million events need less than 1 GiB of it."
    spark_conf: dict[str, str] = {}
    "Further settings of the Spark session, over the platform's own (docs/how-to/scale-out.md)."
    lake: str = ""
    "Spark catalog of Iceberg tables in which every partition is kept too, and which Spark reads. Empty: files alone."
    dbt_target: Literal["duckdb", "spark"] = "duckdb"
    "Where the marts are built; the rows are the same."
    bid_training: Literal["local", "spark"] = "local"
    "Where the bid model is trained: in the process, or on workers of the Spark master."
    threads: int = 0
    "Threads for DuckDB; 0 takes all cores."
    pseudonym_key: SecretStr = SecretStr("")
    "Key of the pseudonyms of personal columns. Empty: made once and kept in `secrets`."
    airflow_port: int = 8080
    mlflow_port: int = 5000
    serving_port: int = 8000
    reports_port: int = 8090
    "Ports on which `moe up` answers, on this machine alone."
    online_store: SecretStr = SecretStr("")
    "Where features are looked up by entity. Empty: a SQLite file a unit; else `redis://[user:password@]host:port/db`."
    mlflow_tracking_uri: SecretStr = SecretStr("")
    "MLflow's database (postgresql://…) or server; empty: SQLite under `home`."
    airflow_database: SecretStr = SecretStr("")
    "Metadata database of the Airflow that `moe airflow` runs: postgresql://…; empty: SQLite under `home`."
    postgres_url: SecretStr = SecretStr("")
    "postgresql://user:password@host:port/database whose tables follow what is live; empty: none does."
    s3_url: str = ""
    "s3://bucket/prefix to which partitions, bundles, reports and the pointer follow; empty: none do."
    s3_endpoint: str = ""
    "Address of an S3 service that is not Amazon's. Credentials and region come from boto3's own chain."
    notify: SecretStr = SecretStr("")
    "Who gets a link to each published night's page: mail addresses and webhooks (https://…), separated by commas."
    smtp_url: SecretStr = SecretStr("")
    "Mail server: smtp://[user:password@]host[:587], with STARTTLS where it is offered, or smtps://…[:465]."
    notify_from: str = ""
    "Sender of the mails; empty: the mail server's user, else moe@ this machine."
    reports_url: str = ""
    "Address under which people reach the pages (`moe up` serves them on this machine alone). Empty: that one."
    training_launch: Literal["in_process", "torchrun", "kubernetes"] = "in_process"
    "How `moe train` trains the network: in its own process, by torchrun in several, or as a Kubernetes job on GPUs."
    training_processes: int = Field(default=2, ge=1)
    "Processes of a training by torchrun: on GPUs one for each, on CPU one for each core at most."
    training_image: str = ""
    "Image of the Kubernetes job, with its tag or digest."
    training_nodes: int = Field(default=1, ge=1)
    training_gpus: int = Field(default=8, ge=1)
    "GPUs of each node of the Kubernetes job."
    kill_at: str = ""
    "Name of a commit point at which the process kills itself (SIGKILL): crash tests only."

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        toml = TomlConfigSettingsSource(settings_cls, config_file())
        folder = secret_files()
        files = (SecretsSettingsSource(settings_cls, folder),) if folder.is_dir() else ()
        return init_settings, env_settings, toml, *files

    @field_validator("postgres_url", "airflow_database")
    @classmethod
    def _is_postgresql(cls, value: SecretStr) -> SecretStr:
        """The message names no part of the address: where it is wrong, any part may be the password."""
        address = value.get_secret_value()
        credentials_apart = address.count("@") <= 1 and urlsplit(address).netloc.count("@") == address.count("@")
        if address and not (address.startswith("postgresql://") and credentials_apart):
            raise ValueError("it must be postgresql://user:password@host:port/database, and signs such as @ : / # % "
                             "in the password written as %40 %3A %2F %23 %25")
        return value

    @field_validator("notify")
    @classmethod
    def _is_reachable(cls, value: SecretStr) -> SecretStr:
        """The message repeats no address: a webhook's is a secret."""
        for at, address in enumerate(value.get_secret_value().replace(",", " ").split(), start=1):
            if not re.fullmatch(r"https?://[^/\s]+\S*|[^@\s/:]+@[^@\s/:]+", address):
                raise ValueError(f"entry {at} is neither a mail address nor http(s)://…")
        return value

    @field_validator("smtp_url")
    @classmethod
    def _is_smtp(cls, value: SecretStr) -> SecretStr:
        address = value.get_secret_value()
        if address and not (re.match(r"smtps?://", address) and address.count("@") <= 1 and urlsplit(address).hostname):
            raise ValueError("it must be smtp://user:password@host:port or smtps://…, and signs such as @ : / # % in "
                             "user and password written as %40 %3A %2F %23 %25")
        return value

    @field_validator("s3_url")
    @classmethod
    def _is_s3(cls, value: str) -> str:
        if value and not re.match(r"s3://[^/]+(/|$)", value):
            raise ValueError("it must be s3://bucket or s3://bucket/prefix")
        return value.rstrip("/")

    def model_post_init(self, _context: object) -> None:
        for name in ("home", "test_data"):
            object.__setattr__(self, name, getattr(self, name).expanduser().resolve())

    # Folders of the repository.
    @property
    def root(self) -> Path:
        return ROOT

    @property
    def contracts(self) -> Path:
        return ROOT / "contracts"

    @property
    def mappings(self) -> Path:
        return ROOT / "sources" / "mappings"

    @property
    def shipped_units(self) -> Path:
        return ROOT / "units"

    @property
    def dbt_project(self) -> Path:
        return ROOT / "dbt"

    @property
    def dags(self) -> Path:
        return ROOT / "dags"

    @property
    def feature_repo(self) -> Path:
        return ROOT / "feature_repo"

    @property
    def training_job(self) -> Path:
        """The Kubernetes Job of a distributed training, as a template."""
        return ROOT / "infra" / "kubernetes" / "training-job.yaml"

    # What the platform writes.
    @property
    def store(self) -> Path:
        """Tables: `<layer>/<subject__grain>/<unit>/<night>.parquet`."""
        return self.home / "store"

    @property
    def deliveries(self) -> Path:
        """What the simulator hands over: `<source>/<night>/…`."""
        return self.home / "deliveries"

    @property
    def truth(self) -> Path:
        """The simulator's truth. Only tests and benchmarks read it."""
        return self.home / "truth"

    @property
    def ledger(self) -> Path:
        return self.home / "ledger"

    @property
    def published(self) -> Path:
        """Pointers and publication logs of releases and models."""
        return self.home / "published"

    @property
    def bundles(self) -> Path:
        """Model bundles by version."""
        return self.home / "bundles"

    @property
    def reports(self) -> Path:
        return self.home / "reports"

    @property
    def data_docs(self) -> Path:
        return self.home / "data_docs"

    @property
    def logs(self) -> Path:
        return self.home / "logs"

    @property
    def work(self) -> Path:
        """Throwaway files of running jobs."""
        return self.home / "work"

    @property
    def secrets(self) -> Path:
        return self.home / "secrets"

    @property
    def airflow_home(self) -> Path:
        return self.home / "airflow"

    @property
    def feast_home(self) -> Path:
        return self.home / "feast"

    def online_file(self, unit: str) -> Path:
        """The SQLite file of a unit's online features, where no Redis is set."""
        return self.feast_home / unit / "online.db"

    def online_address(self, unit: str) -> str:
        """Where `serving.online` reads a unit's features."""
        address = self.online_store.get_secret_value() or f"sqlite:///{quote(str(self.online_file(unit)))}"
        return f"{address}?project={unit}"

    @property
    def mlflow_uri(self) -> str:
        uri = self.mlflow_tracking_uri.get_secret_value()
        return with_driver(uri) or f"sqlite:///{self.home / 'mlflow' / 'mlflow.db'}"

    def mlflow_artifacts(self, unit: str) -> str:
        """Where MLflow keeps the files of a unit's runs."""
        if self.s3_url:
            return f"{self.s3_url}/mlflow/{unit}"
        return (self.home / "mlflow" / "artifacts" / unit).as_uri()

    @property
    def s3_bucket(self) -> str:
        return self.s3_url.removeprefix("s3://").partition("/")[0]

    @property
    def s3_prefix(self) -> str:
        """Empty, or ends with a slash."""
        prefix = self.s3_url.removeprefix("s3://").partition("/")[2]
        return f"{prefix}/" if prefix else ""

    def report(self, unit: str, night: date) -> Path:
        """Folder of one night's report."""
        return self.reports / unit / night.isoformat()

    def monitoring(self, unit: str, night: date) -> Path:
        """Folder of one night's monitoring pages."""
        return self.reports / unit / "monitoring" / night.isoformat()

    @property
    def monitoring_library(self) -> Path:
        """Evidently's script, which all pages share."""
        return self.reports / "evidently"

    @cached_property
    def secret_key(self) -> bytes:
        """Key of the pseudonyms (HMAC-SHA256); made on first use, readable by the owner alone."""
        if self.pseudonym_key:
            return self.pseudonym_key.get_secret_value().encode()
        path = self.secrets / "pseudonym.key"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            beside = path.with_name(f".{path.name}.{os.getpid()}")
            with os.fdopen(os.open(beside, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600), "w") as file:
                file.write(os.urandom(32).hex())
            with contextlib.suppress(FileExistsError):  # the first of several processes wins
                os.link(beside, path)
            beside.unlink()
        return path.read_bytes()


def with_driver(uri: str) -> str:
    """An address for SQLAlchemy: psycopg 3 serves Airflow's synchronous and asynchronous sessions and MLflow."""
    return uri.replace("postgresql://", "postgresql+psycopg://", 1)


@lru_cache(maxsize=1)
def settings() -> Settings:
    """The settings of this process. Tests call `settings.cache_clear()` after changing the environment."""
    try:
        return Settings()
    except (ValidationError, SettingsError, tomllib.TOMLDecodeError) as error:
        faults = key_faults(error) if isinstance(error, ValidationError) else str(error)
        raise MoeError(f"settings (environment MOE_…, then {config_file()}): {faults}",
                       "the settings and their defaults stand in moe/settings.py") from error
