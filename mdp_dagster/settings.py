"""Settings: environment variables, read when asked for, typed. `.env.example` lists them all."""

from __future__ import annotations

import os
import re
import reprlib
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

S = TypeVar("S", bound=BaseSettings)

PROJECT_ROOT = Path(__file__).resolve().parent.parent
STATE_DIR = PROJECT_ROOT / ".mdp"


class SettingsError(Exception):
    """A setting that can't be used. Names the variable and the remedy."""


def _config(prefix: str) -> SettingsConfigDict:
    # Empty counts as unset: a line `GOOGLE_ADS_LOGIN_CUSTOMER_ID=` in a .env file means "none".
    return SettingsConfigDict(
        env_prefix=prefix, env_ignore_empty=True, extra="ignore", frozen=True, hide_input_in_errors=True
    )


def _expand_home(path: Any) -> Any:
    # In a .env file no shell does it, and a folder named `~` would appear.
    return type(path)(os.path.expanduser(path)) if path is not None else None


class GoogleAdsSettings(BaseSettings):
    """The variables that google-ads itself reads, under the same names."""

    model_config = _config("GOOGLE_ADS_")

    developer_token: SecretStr | None = None
    json_key_file_path: Path | None = None
    impersonated_email: str | None = None
    client_id: str | None = None
    client_secret: SecretStr | None = None
    refresh_token: SecretStr | None = None
    use_application_default_credentials: bool = False
    login_customer_id: str | None = None
    endpoint: str | None = None
    http_proxy: str | None = None

    _home = field_validator("json_key_file_path")(_expand_home)


class MetaAdsSettings(BaseSettings):
    """Access to the Meta Marketing API."""

    model_config = _config("META_")

    access_token: SecretStr | None = None
    app_id: str | None = None
    app_secret: SecretStr | None = None
    graph_url: str = "https://graph.facebook.com"
    api_version: str | None = None  # None: the version that the installed SDK was made for


class GoogleCloudSettings(BaseSettings):
    """Where BigQuery and Cloud Storage are, under the names that Google's own libraries read. Who asks is told by
    application default credentials: a key file (GOOGLE_APPLICATION_CREDENTIALS), workload identity, gcloud's login."""

    model_config = _config("")

    project: str = Field(alias="GOOGLE_CLOUD_PROJECT", pattern=r"^[a-z0-9.:-]{4,}$")
    location: str = Field(alias="BIGQUERY_LOCATION")  # without a default: a dataset can't be moved later
    impersonate_service_account: str | None = Field(default=None, alias="MDP_GOOGLE_IMPERSONATE_SERVICE_ACCOUNT")
    bigquery_emulator_host: str | None = Field(default=None, alias="BIGQUERY_EMULATOR_HOST")
    storage_emulator_host: str | None = Field(default=None, alias="STORAGE_EMULATOR_HOST")


class Settings(BaseSettings):
    """MDP's own settings (``MDP_*``)."""

    model_config = _config("MDP_")

    target: Literal["duckdb", "bigquery"] = "duckdb"
    duckdb_path: Path = STATE_DIR / "warehouse.duckdb"
    duckdb_memory_limit: str = "320MiB"
    lake_uri: str = Field(default=str(STATE_DIR / "lake"), validate_default=True)
    clients_file: Path = PROJECT_ROOT / "config" / "clients.yaml"
    start_date: date = date(2024, 1, 1)
    timezone: str = "UTC"
    probe_cron: str = "20 * * * *"  # not on the hour, when the daily run begins
    parallel_accounts: int = Field(default=4, ge=1, le=32)
    lock_timeout_seconds: float = Field(default=1800, gt=0, allow_inf_nan=False)
    dbt_execution: Literal["in_process", "cli"] = "in_process"
    bigquery_labels: Annotated[dict[str, str], NoDecode] = Field(default_factory=dict)
    # Shorter than a year, and what late data and the checks compare with would be gone.
    bigquery_partition_expiration_days: int | None = Field(default=None, ge=400)
    bigquery_as_of_expiration_days: int = Field(default=30, ge=1)
    bigquery_max_bytes_per_query: int | None = Field(default=None, gt=0)
    bigquery_max_bytes_per_run: int | None = Field(default=None, gt=0)

    _home = field_validator("duckdb_path", "lake_uri", "clients_file")(_expand_home)

    @field_validator("duckdb_path")
    @classmethod
    def _not_a_datasets_name(cls, value: Path) -> Path:
        # DuckDB names a database after its file, and can't tell `mdp_raw.t` in `mdp_raw` from `t` in `mdp_raw.mdp_raw`
        if value.stem in ("mdp_raw", "mdp_staging", "mdp_marts", "main", "temp", "system"):
            raise ValueError("the file can't be called like a dataset of DuckDB's → call it warehouse.duckdb, say")
        return value

    @field_validator("duckdb_memory_limit")
    @classmethod
    def _an_amount(cls, value: str) -> str:
        if not re.fullmatch(r"[1-9][0-9]{0,5} ?[MGT]i?B", value):
            raise ValueError("no amount of memory → a number and its unit, like 512MiB or 4GiB")
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
                raise ValueError(f"{pair!r} is no label → small letters, digits, - and _, like team=marketing,env=prod")
            labels[key] = label
        return labels

    @field_validator("lake_uri")
    @classmethod
    def _in_a_bucket_for_bigquery(cls, value: str, info: ValidationInfo) -> str:
        if info.data.get("target") == "bigquery" and not value.startswith("gs://"):
            raise ValueError("BigQuery loads from a bucket → gs://bucket/prefix, or MDP_TARGET=duckdb")
        return value

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:  # OSError: a folder of zones, e.g. Europe
            raise ValueError("no such IANA time zone, e.g. Europe/Berlin") from error
        return value


def load_settings() -> Settings:
    """The settings of this process's environment, and of the file that ``MDP_ENV_FILE`` names (`.env`).

    Raises ``SettingsError`` that names each variable that can't be used.
    """
    return _load(Settings, "MDP_")


def load_google_ads_settings() -> GoogleAdsSettings:
    return _load(GoogleAdsSettings, "GOOGLE_ADS_")


def load_meta_ads_settings() -> MetaAdsSettings:
    return _load(MetaAdsSettings, "META_")


def load_google_cloud_settings() -> GoogleCloudSettings:
    """Raises ``SettingsError`` where the project or the location is missing."""
    return _load(GoogleCloudSettings, "")


def _load(kind: type[S], prefix: str) -> S:
    named = os.environ.get("MDP_ENV_FILE")
    if named and (not os.path.exists(named) or os.path.isdir(named)):  # a folder would be passed over in silence
        raise SettingsError(f"MDP_ENV_FILE={named!r}: there is no such file → correct the path, or unset it")
    env_file = named or ".env"
    try:
        return kind(_env_file=env_file)  # type: ignore[call-arg]
    except (UnicodeDecodeError, OSError) as error:
        raise SettingsError(f"{env_file} can't be read: {error} → save it as UTF-8 text") from error
    except ValidationError as error:
        lines = [_wrong(kind, prefix + "_".join(str(part) for part in e["loc"]).upper(), e) for e in error.errors()]
    # Outside the handler: pydantic's error holds what was given, secrets too.
    raise SettingsError("; ".join(lines) + " → correct it in the environment or in .env")


def _wrong(kind: type[BaseSettings], variable: str, error: Any) -> str:
    if error["type"] == "missing":
        return f"{variable} is not set"
    field = kind.model_fields.get(str(error["loc"][0]))
    secret = field is not None and field.annotation == SecretStr | None
    given = "***" if secret else reprlib.repr(error.get("input"))
    return f"{variable}={given}: {error['msg']}"
