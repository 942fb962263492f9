"""One typed settings object that owns every path and address of the platform.

Order of precedence: environment variables (`MOE_…`), then `moe.toml`, then the defaults below,
which make everything run embedded under `var/`. No other module joins paths or reads the environment.
"""

import contextlib
import os
import tomllib
from datetime import date
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from moe.errors import MoeError

ROOT = Path(__file__).resolve().parent.parent


def config_file() -> Path:
    return Path(os.environ.get("MOE_CONFIG", ROOT / "moe.toml"))


class Settings(BaseSettings):
    """Every setting with its default. Paths are absolute after construction."""

    model_config = SettingsConfigDict(env_prefix="MOE_", frozen=True, extra="forbid")

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
    threads: int = 0
    "Threads for DuckDB; 0 takes all cores."
    pseudonym_key: str = ""
    "Key of the pseudonyms of personal columns. Empty: made once and kept in `secrets`."
    mlflow_tracking_uri: str = ""
    training_launch: Literal["in_process", "torchrun"] = "in_process"
    "How `moe train` trains the network: in its own process, or by torchrun in several."
    training_processes: int = Field(default=2, ge=1)
    "Processes of a training by torchrun: on GPUs one for each, on CPU one for each core at most."
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
        return init_settings, env_settings, toml

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

    @property
    def mlflow_uri(self) -> str:
        return self.mlflow_tracking_uri or f"sqlite:///{self.home / 'mlflow' / 'mlflow.db'}"

    @property
    def mlflow_artifacts(self) -> Path:
        return self.home / "mlflow" / "artifacts"

    def report(self, unit: str, night: date) -> Path:
        """Folder of one night's report."""
        return self.reports / unit / night.isoformat()

    @cached_property
    def secret_key(self) -> bytes:
        """Key of the pseudonyms (HMAC-SHA256); made on first use, readable by the owner alone."""
        if self.pseudonym_key:
            return self.pseudonym_key.encode()
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


@lru_cache(maxsize=1)
def settings() -> Settings:
    """The settings of this process. Tests call `settings.cache_clear()` after changing the environment."""
    try:
        return Settings()
    except (ValidationError, SettingsError, tomllib.TOMLDecodeError) as error:
        faults = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors(include_url=False)) \
            if isinstance(error, ValidationError) else str(error)
        raise MoeError(f"settings (environment MOE_…, then {config_file()}): {faults}",
                       "the settings and their defaults stand in moe/settings.py") from error
