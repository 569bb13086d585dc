"""Settings come from the environment and from .env, and no secret shows."""

from __future__ import annotations

import itertools
import os
import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from google.ads.googleads import config as google_ads_config
from pydantic import SecretStr

from mdp_dagster.connectors.google_ads.settings import GoogleAdsSettings
from mdp_dagster.google_cloud.settings import load_google_cloud_settings
from mdp_dagster.settings import (
    PROJECT_ROOT,
    Settings,
    SettingsError,
    default_start_date,
    load_settings,
    read_settings,
)
from mdp_dagster.window import months_before
from tests.support.settings_variables import FIELDS, KINDS, LOADERS, SECRETS, forget_settings

VARIABLES = list(LOADERS)
LOAD = [load for _, load in KINDS.values()]
REQUIRED = {"GOOGLE_CLOUD_PROJECT": "a-project", "BIGQUERY_LOCATION": "EU"}


@pytest.fixture(autouse=True)
def _no_settings_from_outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    forget_settings(monkeypatch)
    monkeypatch.chdir(tmp_path)


def value_of(variable: str) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        if LOADERS[variable] is load_google_cloud_settings:
            for name, given in REQUIRED.items():
                if name != variable:
                    patch.setenv(name, given)
        value = getattr(LOADERS[variable](), FIELDS[variable])
    value = value.get_secret_value() if isinstance(value, SecretStr) else value
    if isinstance(value, dict):
        return ",".join(f"{key}={label}" for key, label in value.items())
    return str(value).lower() if isinstance(value, bool) else value


def a_value(variable: str) -> str:
    """A value that the variable takes, other than its default."""
    return {
        "MDP_TARGET": "duckdb",
        "MDP_START_DATE": "2025-06-07",
        "SHOPIFY_START_DATE": "2025-06-07",
        "MDP_TIMEZONE": "Pacific/Auckland",
        "MDP_SHOP_TIMEZONE": "Europe/Paris",
        "MDP_RELOAD_CADENCE": "0+=1h",
        "MDP_PARALLEL_ACCOUNTS": "7",
        "MDP_LOCK_TIMEOUT_SECONDS": "12.5",
        "MDP_EVENT_RETENTION_DAYS": "30",
        "MDP_DUCKDB_MEMORY_LIMIT": "2GiB",
        "MDP_DBT_EXECUTION": "cli",
        "MDP_BIGQUERY_LABELS": "team=marketing,env=prod",
        "MDP_BIGQUERY_PARTITION_EXPIRATION_DAYS": "730",
        "MDP_BIGQUERY_AS_OF_EXPIRATION_DAYS": "7",
        "MDP_BIGQUERY_MAX_BYTES_PER_QUERY": "1000000000",
        "MDP_BIGQUERY_MAX_BYTES_PER_RUN": "20000000000",
        "GOOGLE_CLOUD_PROJECT": "another-project",
        "BIGQUERY_LOCATION": "europe-west3",
        "GOOGLE_ADS_USE_APPLICATION_DEFAULT_CREDENTIALS": "true",
    }.get(variable, f"/value/of/{variable.lower()}")


@pytest.mark.parametrize("variable", VARIABLES)
def test_each_variable_is_read_from_the_environment(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    default = None if variable in REQUIRED else value_of(variable)
    monkeypatch.setenv(variable, a_value(variable))
    assert str(value_of(variable)) == a_value(variable)
    assert variable == "MDP_TARGET" or value_of(variable) != default


@pytest.mark.parametrize("variable", [name for name in VARIABLES if name not in REQUIRED])
def test_empty_counts_as_unset(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    default = value_of(variable)
    monkeypatch.setenv(variable, "")
    assert value_of(variable) == default
    Path(".env").write_text(f"{variable}=\n")
    monkeypatch.delenv(variable)
    assert value_of(variable) == default


@pytest.mark.parametrize("variable", VARIABLES)
def test_the_environment_beats_the_env_file_unless_it_is_empty(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env").write_text(f"{variable}={a_value(variable)}\n")
    assert str(value_of(variable)) == a_value(variable)
    monkeypatch.setenv(variable, "")
    assert str(value_of(variable)) == a_value(variable)
    other = {"duckdb": "duckdb", "7": "8", "12.5": "13.5", "cli": "in_process", "true": "false"}
    other |= {"2025-06-07": "2025-06-08", "Pacific/Auckland": "America/Denver", "Europe/Paris": "Asia/Tokyo"}
    other |= {"team=marketing,env=prod": "env=test", "730": "731", "1000000000": "5", "20000000000": "6"}
    other |= {"another-project": "a-third-project", "2GiB": "600MB", "30": "31", "0+=1h": "0+=2h"}
    environment = other.get(a_value(variable), "/from/the/environment")
    monkeypatch.setenv(variable, environment)
    assert str(value_of(variable)) == environment


def test_the_env_file_may_stand_elsewhere_and_its_comments_and_quotes_are_understood(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "somewhere else" / "mdp.env"
    elsewhere.parent.mkdir()
    elsewhere.write_text(
        "# a comment\nexport MDP_PARALLEL_ACCOUNTS=2  # two\nMDP_LAKE_URI='gs://b/a b'\nMETA_ACCESS_TOKEN=\"a#b\"\n",
        encoding="utf-8",
    )
    Path(".env").write_text("MDP_PARALLEL_ACCOUNTS=3\nMDP_TIMEZONE=Europe/Berlin\n")
    monkeypatch.setenv("MDP_ENV_FILE", str(elsewhere))
    assert (load_settings().parallel_accounts, load_settings().lake_uri) == (2, "gs://b/a b")
    assert load_settings().timezone == "UTC", "the .env of the working directory is left alone"
    assert value_of("META_ACCESS_TOKEN") == "a#b"
    monkeypatch.setenv("MDP_ENV_FILE", os.devnull)
    assert load_settings() == Settings(_env_file=None)  # type: ignore[call-arg]
    monkeypatch.setenv("MDP_ENV_FILE", "")
    assert load_settings().parallel_accounts == 3


@pytest.mark.parametrize("loader", LOAD)
def test_an_env_file_that_is_not_there_or_not_text_is_named(
    loader: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrong path would otherwise mean: all the defaults, in silence."""
    monkeypatch.setenv("MDP_ENV_FILE", str(tmp_path / "nowhere.env"))
    with pytest.raises(SettingsError, match="MDP_ENV_FILE=.*nowhere.env.*no such file → "):
        loader()
    (tmp_path / "nowhere.env").write_bytes("MDP_TIMEZONE=Europe/Zürich\n".encode("latin-1"))
    with pytest.raises(SettingsError, match="nowhere.env can't be read.*→ save it as UTF-8"):
        loader()


def test_a_missing_env_file_in_the_working_directory_is_not_a_fault() -> None:
    assert not Path(".env").exists()
    assert load_settings().target == "duckdb"


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("MDP_TARGET", "bigqueri"),
        ("MDP_START_DATE", "2026-02-29"),
        ("MDP_START_DATE", "01.02.2026"),
        ("MDP_START_DATE", "20240101"),
        ("SHOPIFY_START_DATE", "2026-02-29"),
        ("SHOPIFY_START_DATE", "2005-12-31"),
        ("MDP_TIMEZONE", "Europe/Atlantis"),
        ("MDP_TIMEZONE", "Europe"),
        ("MDP_SHOP_TIMEZONE", "Paris"),
        ("MDP_TIMEZONE", "../../etc/passwd"),
        ("MDP_TIMEZONE", "A" * 3_000),
        ("MDP_PARALLEL_ACCOUNTS", "0"),
        ("MDP_PARALLEL_ACCOUNTS", "33"),
        ("MDP_PARALLEL_ACCOUNTS", "many"),
        ("MDP_LOCK_TIMEOUT_SECONDS", "0"),
        ("MDP_EVENT_RETENTION_DAYS", "-1"),
        ("MDP_EVENT_RETENTION_DAYS", "a month"),
        ("MDP_DUCKDB_MEMORY_LIMIT", "512"),
        ("MDP_DUCKDB_MEMORY_LIMIT", "1GiB'; drop schema mdp_raw"),
        ("MDP_LOCK_TIMEOUT_SECONDS", "nan"),
        ("MDP_DBT_EXECUTION", "thread"),
        ("MDP_BIGQUERY_LABELS", "Team=Marketing"),
        ("MDP_BIGQUERY_LABELS", "=marketing"),
        ("MDP_BIGQUERY_PARTITION_EXPIRATION_DAYS", "90"),
        ("MDP_BIGQUERY_MAX_BYTES_PER_RUN", "-1"),
        ("GOOGLE_CLOUD_PROJECT", "Not A Project"),
        ("GOOGLE_ADS_USE_APPLICATION_DEFAULT_CREDENTIALS", "perhaps"),
    ],
)
def test_a_wrong_value_names_its_variable(variable: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for other in SECRETS:
        monkeypatch.setenv(other, "hush-" + other)
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError, match=f"(?s){variable}=.* → correct it in the environment or in .env") as caught:
        value_of(variable)
    error: BaseException | None = caught.value
    while error is not None:
        assert "hush-" not in str(error) and "hush-" not in repr(error)
        error = error.__cause__ or error.__context__


@pytest.mark.parametrize(
    ("today", "start"),
    [
        ("2026-11-27", "2023-10-01"),
        ("2026-11-30", "2023-10-01"),
        ("2026-12-01", "2023-11-01"),
        ("2027-01-01", "2023-12-01"),
        ("2027-02-28", "2024-01-01"),
        ("2028-02-29", "2025-01-01"),
    ],
)
def test_the_first_day_is_the_first_of_the_month_37_months_ago(today: str, start: str) -> None:
    assert default_start_date(date.fromisoformat(today)) == date.fromisoformat(start)
    assert date.fromisoformat(start) <= months_before(date.fromisoformat(today), 37)


def test_the_first_day_defaults_to_the_platforms_history(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Settings.model_construct().start_date == load_settings().start_date == default_start_date()
    monkeypatch.setenv("MDP_START_DATE", "2020-02-03")
    assert load_settings().start_date == date(2020, 2, 3)


def test_the_example_begins_with_the_four_values_that_a_user_fills_in() -> None:
    lines = (PROJECT_ROOT / ".env.example").read_text(encoding="utf-8").split("# ---- ")[1].splitlines()
    variables = [line.partition("=")[0] for line in lines[1:] if line and not line.startswith("#")]
    assert variables == [
        "MDP_CLIENTS_FILE", "GOOGLE_ADS_DEVELOPER_TOKEN", "GOOGLE_ADS_JSON_KEY_FILE_PATH", "META_ACCESS_TOKEN",
    ]  # fmt: skip


def test_bigquery_needs_a_lake_in_a_bucket(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MDP_TARGET", "bigquery")
    with pytest.raises(
        SettingsError, match="MDP_LAKE_URI='.*lake'.*BigQuery loads from a bucket → use gs://bucket/prefix"
    ):
        load_settings()
    monkeypatch.setenv("MDP_LAKE_URI", "gs://bucket/mdp")
    assert load_settings().target == "bigquery"


@pytest.mark.parametrize("variable", REQUIRED)
def test_google_cloud_needs_a_project_and_a_location(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in REQUIRED.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv(variable, "")
    with pytest.raises(SettingsError, match=f"^{variable} is not set → "):
        load_google_cloud_settings()


def test_one_error_names_all_wrong_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MDP_TIMEZONE", "Mars/Base")
    monkeypatch.setenv("MDP_PARALLEL_ACCOUNTS", "0")
    with pytest.raises(SettingsError, match="(?s)MDP_TIMEZONE='Mars/Base'.*MDP_PARALLEL_ACCOUNTS='0'"):
        load_settings()


def test_a_tilde_means_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a .env file no shell expands it."""
    monkeypatch.setenv("HOME", str(tmp_path))
    Path(".env").write_text(
        "MDP_DUCKDB_PATH=~/a.duckdb\nMDP_LAKE_URI=~/lake\nMDP_CLIENTS_FILE=~/clients.yaml\n"
        "GOOGLE_ADS_JSON_KEY_FILE_PATH=~/key.json\n"
    )
    found = load_settings()
    assert (found.duckdb_path, found.clients_file) == (tmp_path / "a.duckdb", tmp_path / "clients.yaml")
    assert found.lake_uri == str(tmp_path / "lake")
    assert read_settings(GoogleAdsSettings).json_key_file_path == tmp_path / "key.json"
    monkeypatch.setenv("MDP_LAKE_URI", "gs://bucket/~/x")
    assert load_settings().lake_uri == "gs://bucket/~/x"


@pytest.mark.parametrize("variable", SECRETS)
def test_a_secret_never_shows(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, "hush-hush")
    assert value_of(variable) == "hush-hush"
    loaded = LOADERS[variable]()
    shown = [str(loaded), repr(loaded), f"{loaded}", str(loaded.model_dump()), loaded.model_dump_json()]
    assert not any("hush" in text for text in shown)


def test_what_sounds_like_a_secret_is_one() -> None:
    """A new field with such a name must be a SecretStr."""
    sounding = re.compile("SECRET|TOKEN|PASSWORD|PRIVATE|API_KEY")
    assert sorted(name for name in VARIABLES if sounding.search(name)) == sorted(SECRETS)


def test_settings_can_not_be_changed_once_read() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load_settings().timezone = "Europe/Berlin"  # type: ignore[misc]


def test_the_environment_is_read_again_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MDP_TIMEZONE", "Europe/Berlin")
    assert load_settings().timezone == "Europe/Berlin"
    monkeypatch.setenv("MDP_TIMEZONE", "Asia/Tokyo")
    assert load_settings().timezone == "Asia/Tokyo"


# ---- .env.example ----------------------------------------------------------------------------------------------------


@pytest.fixture
def example() -> dict[str, str]:
    lines = (PROJECT_ROOT / ".env.example").read_text(encoding="utf-8").splitlines()
    pairs = [line.split("=", 1) for line in lines if line and not line.startswith("#")]
    assert all(len(pair) == 2 for pair in pairs)
    assert len({name for name, _ in pairs}) == len(pairs)
    return dict(pairs)


def test_the_example_lists_every_setting_and_no_other(example: dict[str, str]) -> None:
    assert sorted(example) == sorted(VARIABLES)


def test_the_examples_values_are_the_defaults(example: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a copy of it changes nothing."""
    before = [load() for load in LOAD]
    monkeypatch.setenv("MDP_ENV_FILE", str(PROJECT_ROOT / ".env.example"))
    assert [load() for load in LOAD] == before
    assert all(example[name] == "" for name in SECRETS)


def test_every_setting_is_explained_or_in_an_explained_block(example: dict[str, str]) -> None:
    blocks = (PROJECT_ROOT / ".env.example").read_text(encoding="utf-8").split("\n\n")
    for block in blocks:
        lines = block.splitlines()
        assert lines[0].startswith("#"), f"no word on {lines[0]}"
        for before, line in itertools.pairwise(lines):
            if line.startswith("MDP_"):
                assert before.startswith("# "), f"no word on {line}"


def test_google_ads_reads_its_variables_under_the_same_names() -> None:
    known = {
        value
        for name, value in vars(google_ads_config).items()
        if name.startswith("_") and isinstance(value, tuple | str)
        for value in (value if isinstance(value, tuple) else (value,))
    }
    assert set(GoogleAdsSettings.model_fields) <= known
