"""Settings: typed environment variables, read on each call. `.env.example` lists them all.

This module holds MDP's own settings and the reader for all. A source's settings are in its folder
(`connectors/<source>/settings.py`), Google Cloud's in `google_cloud/settings.py`.
"""

from __future__ import annotations

import os
import re
import reprlib
from datetime import date, datetime, timezone
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from mdp_dagster.reload_cadence import DEFAULT as DEFAULT_CADENCE
from mdp_dagster.reload_cadence import parse_cadence

S = TypeVar("S", bound=BaseSettings)

PROJECT_ROOT = Path(__file__).resolve().parent.parent
STATE_DIR = PROJECT_ROOT / ".mdp"
_HISTORY_MONTHS = 37


class SettingsError(Exception):
    """A setting can't be used. Names the variable and the remedy."""


def settings_config(prefix: str) -> SettingsConfigDict:
    """The configuration of a settings class for variables with this prefix."""
    # Empty counts as unset: a line `META_APP_ID=` in a .env file means that there is none.
    return SettingsConfigDict(
        env_prefix=prefix, env_ignore_empty=True, extra="ignore", frozen=True, hide_input_in_errors=True
    )


def expand_home(path: Any) -> Any:
    """The path with the home folder in place of `~`: no shell expands the values of a .env file."""
    return type(path)(os.path.expanduser(path)) if path is not None else None


def default_start_date(today: date | None = None) -> date:
    """The first day of the month 37 months ago (UTC): Google Ads and Meta Ads keep daily data for 37 months.

    It moves once a month, and not every day, because Dagster loses sight of the partitions before it.
    """
    today = today or datetime.now(timezone.utc).date()
    months = today.year * 12 + today.month - 1 - _HISTORY_MONTHS
    return date(months // 12, months % 12 + 1, 1)


class Settings(BaseSettings):
    """MDP's own settings (``MDP_*``)."""

    model_config = settings_config("MDP_")

    target: Literal["duckdb", "bigquery"] = "duckdb"
    duckdb_path: Path = STATE_DIR / "warehouse.duckdb"
    duckdb_memory_limit: str = "320MiB"
    lake_uri: str = Field(default=str(STATE_DIR / "lake"), validate_default=True)
    clients_file: Path = PROJECT_ROOT / "config" / "clients.yaml"
    start_date: date = Field(default_factory=default_start_date)
    timezone: str = "UTC"
    probe_cron: str = "20 * * * *"  # not on the hour: the daily run begins then
    reload_cadence: str = DEFAULT_CADENCE
    parallel_accounts: int = Field(default=4, ge=1, le=32)
    lock_timeout_seconds: float = Field(default=1800, gt=0, allow_inf_nan=False)
    event_retention_days: int = Field(default=90, ge=0, le=36_500)  # 0: for ever
    dbt_execution: Literal["in_process", "cli"] = "in_process"
    shop_postgres_url: SecretStr | None = None
    shop_timezone: str | None = None  # None: as ``timezone``
    looker_uri: str | None = None
    smtp_url: SecretStr | None = None
    mail_from: str | None = None
    dashboard_url: str | None = None
    bigquery_labels: Annotated[dict[str, str], NoDecode] = Field(default_factory=dict)
    # Late data and the checks compare with the year before, so its days must still be there.
    bigquery_partition_expiration_days: int | None = Field(default=None, ge=400)
    bigquery_as_of_expiration_days: int = Field(default=30, ge=1)
    bigquery_max_bytes_per_query: int | None = Field(default=None, gt=0)
    bigquery_max_bytes_per_run: int | None = Field(default=None, gt=0)

    _home = field_validator("duckdb_path", "lake_uri", "clients_file", "looker_uri")(expand_home)

    @property
    def shop_zone(self) -> str:
        """The time zone of the shops' night."""
        return self.shop_timezone or self.timezone

    @property
    def looker_address(self) -> str:
        """Where the files for Looker Studio are published. Without ``looker_uri``: a folder next to the warehouse."""
        return self.looker_uri or str(self.duckdb_path.parent / "looker")

    @property
    def shop_postgres_folder(self) -> Path:
        """The folder of the embedded PostgreSQL, which is used without ``shop_postgres_url``: next to the warehouse."""
        return self.duckdb_path.parent / "postgres"

    @field_validator("duckdb_path")
    @classmethod
    def _differs_from_datasets(cls, value: Path) -> Path:
        # DuckDB names a database after its file: `mdp_raw.t` would be ambiguous in a database `mdp_raw`.
        if value.stem in ("mdp_raw", "mdp_staging", "mdp_marts", "main", "temp", "system"):
            raise ValueError("the file has the name of a dataset → use another one, for example warehouse.duckdb")
        return value

    @field_validator("duckdb_memory_limit")
    @classmethod
    def _valid_amount(cls, value: str) -> str:
        if not re.fullmatch(r"[1-9][0-9]{0,5} ?[MGT]i?B", value):
            raise ValueError("not a valid amount of memory → use a number and a unit, for example 512MiB or 4GiB")
        return value

    @field_validator("reload_cadence")
    @classmethod
    def _valid_cadence(cls, value: str) -> str:
        parse_cadence(value)
        return value

    @field_validator("bigquery_labels", mode="before")
    @classmethod
    def _labels(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        labels = {}
        for pair in filter(None, (part.strip() for part in value.split(","))):
            key, _, label = pair.partition("=")
            if not re.fullmatch(r"[a-z][a-z0-9_-]{0,62}", key) or not re.fullmatch(r"[a-z0-9_-]{0,63}", label):
                raise ValueError(
                    f"{pair!r} is not a valid label → use small letters, digits, - and _, as in team=marketing,env=prod"
                )
            labels[key] = label
        return labels

    @field_validator("lake_uri")
    @classmethod
    def _in_a_bucket_for_bigquery(cls, value: str, info: ValidationInfo) -> str:
        if info.data.get("target") == "bigquery" and not value.startswith("gs://"):
            raise ValueError("BigQuery loads from a bucket → use gs://bucket/prefix, or MDP_TARGET=duckdb")
        return value

    @field_validator("timezone", "shop_timezone")
    @classmethod
    def _known_zone(cls, value: str | None) -> str | None:
        try:
            ZoneInfo(value or "UTC")
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:  # OSError: a folder of zones, e.g. Europe
            raise ValueError("not a valid IANA time zone → use one such as Europe/Berlin") from error
        return value


def load_settings() -> Settings:
    """MDP's settings, from the environment and from the file that ``MDP_ENV_FILE`` names (`.env`).

    Raises:
        SettingsError: Names each variable that can't be used.
    """
    return read_settings(Settings)


def read_settings(kind: type[S]) -> S:
    """The settings of this class, from the environment and from the file that ``MDP_ENV_FILE`` names (`.env`).

    Raises:
        SettingsError: Names each variable that can't be used.
    """
    named = os.environ.get("MDP_ENV_FILE")
    if named and (not os.path.exists(named) or os.path.isdir(named)):  # pydantic ignores a folder without a word
        raise SettingsError(f"MDP_ENV_FILE={named!r}: there is no such file → correct the path, or unset it")
    env_file = named or ".env"
    try:
        return kind(_env_file=env_file)  # type: ignore[call-arg]
    except (UnicodeDecodeError, OSError) as error:
        raise SettingsError(f"{env_file} can't be read: {error} → save it as UTF-8 text") from error
    except ValidationError as error:
        prefix = kind.model_config.get("env_prefix", "")
        lines = [_wrong(kind, prefix + "_".join(str(part) for part in e["loc"]).upper(), e) for e in error.errors()]
    # Outside the handler: pydantic's error holds the values, secrets too.
    raise SettingsError("; ".join(lines) + " → correct it in the environment or in .env")


def secret_fields(kind: type[BaseSettings]) -> list[str]:
    """The names of the class's fields that hold a secret."""
    return [name for name, field in kind.model_fields.items() if field.annotation in (SecretStr, SecretStr | None)]


def secret_values(settings: BaseSettings) -> list[str]:
    """The secrets among the settings, as a request would contain them."""
    values = (getattr(settings, name) for name in secret_fields(type(settings)))
    return [value.get_secret_value().strip() for value in values if value is not None]


def _wrong(kind: type[BaseSettings], variable: str, error: Any) -> str:
    if error["type"] == "missing":
        return f"{variable} is not set"
    given = "***" if str(error["loc"][0]) in secret_fields(kind) else reprlib.repr(error.get("input"))
    return f"{variable}={given}: {error['msg']}"
