"""Credentials that are missing or wrong: one clear PlatformError that names the variable, before any query."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mdp_dagster.connectors.base import PlatformAccount
from mdp_dagster.connectors.errors import DeadlineError, PlatformError, TransientError
from mdp_dagster.connectors.google_ads import ACCOUNT_DAILY, GoogleAdsConnector
from mdp_dagster.connectors.google_ads.settings import GoogleAdsSettings
from sandbox import Sandbox
from tests.connectors.conftest import FAST, GOOGLE_DIRECT, LAST_MONTH, causes
from tests.connectors.dribbling import dribbling_server

Settings = Callable[..., GoogleAdsSettings]


def refused(settings: GoogleAdsSettings, kind: type[Exception] = PlatformError) -> Any:
    """The error, which is the same for `accounts` and `extract`."""
    google = GoogleAdsConnector(settings, retry=FAST)
    with pytest.raises(kind) as from_extract:
        list(google.extract(ACCOUNT_DAILY, PlatformAccount("google_ads", "1", "1"), LAST_MONTH))
    if kind is PlatformError:
        with pytest.raises(kind) as from_accounts:
            google.accounts([GOOGLE_DIRECT[0]])
        assert from_accounts.value.remedy == from_extract.value.remedy
    return from_extract.value


def test_without_credentials_the_error_names_the_variables() -> None:
    error = refused(GoogleAdsSettings(_env_file=None))  # type: ignore[call-arg]
    assert "no Google Ads credentials are set" in error.message
    assert "GOOGLE_ADS_JSON_KEY_FILE_PATH" in error.remedy
    assert "GOOGLE_ADS_REFRESH_TOKEN" in error.remedy


def test_for_incomplete_credentials_the_error_names_the_missing_variables() -> None:
    error = refused(GoogleAdsSettings(_env_file=None, client_id="id", refresh_token="1//token"))  # type: ignore
    assert "GOOGLE_ADS_CLIENT_SECRET not set" in error.message


def spoilt(sandbox: Sandbox, tmp_path: Path, change: Callable[[dict[str, Any]], Any]) -> Path:
    key = json.loads(Path(sandbox.env["GOOGLE_ADS_JSON_KEY_FILE_PATH"]).read_text())
    path = tmp_path / "key.json"
    path.write_text(json.dumps(change(key)))
    return path


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda key: {k: v for k, v in key.items() if k != "private_key"}, "the file lacks private_key"),
        (lambda key: {k: v for k, v in key.items() if k != "token_uri"}, "the file lacks token_uri"),
        (lambda key: {"type": "authorized_user"}, "the file lacks client_email, token_uri, private_key"),
        (lambda key: key | {"token_uri": "http://another-host/token"}, "token_uri=http://another-host/token is not"),
        (lambda key: ["no", "object"], "the file lacks client_email"),
        (lambda key: key | {"private_key": "no key"}, "the credentials can't be used"),
        (lambda key: key | {"client_email": "somebody@else"}, "Google refused the credentials"),
    ],
)
def test_the_error_names_the_fault_of_a_key_file(
    sandbox: Sandbox,
    google_settings: Settings,
    tmp_path: Path,
    change: Callable[[dict[str, Any]], Any],
    words: str,
) -> None:
    path = spoilt(sandbox, tmp_path, change)
    error = refused(google_settings(json_key_file_path=path))
    assert words in error.message
    assert "GOOGLE_ADS_JSON_KEY_FILE_PATH" in str(error)
    secret = json.loads(Path(sandbox.env["GOOGLE_ADS_JSON_KEY_FILE_PATH"]).read_text())["private_key"].splitlines()[2]
    assert not any(secret in f"{e!s}{e!r}" for e in causes(error))


@pytest.mark.parametrize("content", [None, "", "not JSON", "\x00"])
def test_a_key_file_that_is_missing_or_not_json_is_an_error(
    google_settings: Settings, tmp_path: Path, content: str | None
) -> None:
    path = tmp_path / "key.json"
    if content is not None:
        path.write_text(content)
    error = refused(google_settings(json_key_file_path=path))
    assert f"GOOGLE_ADS_JSON_KEY_FILE_PATH={path}" in error.message


def test_a_directory_instead_of_a_key_file_is_an_error(google_settings: Settings, tmp_path: Path) -> None:
    assert "GOOGLE_ADS_JSON_KEY_FILE_PATH" in refused(google_settings(json_key_file_path=tmp_path)).message


def test_an_unreachable_token_server_is_a_transient_error(
    sandbox: Sandbox, google_settings: Settings, tmp_path: Path
) -> None:
    path = spoilt(sandbox, tmp_path, lambda key: key | {"token_uri": "http://127.0.0.1:1/token"})
    error = refused(google_settings(json_key_file_path=path), TransientError)
    assert "access tokens can't be reached" in error.message


def test_a_token_that_never_arrives_whole_is_an_error_at_the_deadline(
    sandbox: Sandbox, google_settings: Settings, tmp_path: Path
) -> None:
    start = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 1000000\r\n\r\n"
    with dribbling_server(start, b" ") as (url, requests):
        path = spoilt(sandbox, tmp_path, lambda key: key | {"token_uri": f"{url}/token"})
        google = GoogleAdsConnector(google_settings(json_key_file_path=path), retry=FAST, timeout_seconds=0.5)
        with pytest.raises(DeadlineError, match="access tokens did not arrive within 0.5 s → check the connection"):
            list(google.extract(ACCOUNT_DAILY, PlatformAccount("google_ads", "1", "1"), LAST_MONTH))
    assert len(requests) == 2  # once more, in case the connection was at fault


def test_a_developer_token_may_be_unset(google_settings: Settings) -> None:
    """The request is sent anyway, because the platform decides (v26 calls developer tokens deprecated)."""
    error = refused(google_settings(developer_token=None))
    assert "DEVELOPER_TOKEN_PARAMETER_MISSING" in error.message
    assert error.remedy == "set GOOGLE_ADS_DEVELOPER_TOKEN"


def test_a_login_customer_that_is_not_an_id_is_an_error(google_settings: Settings) -> None:
    assert "GOOGLE_ADS_LOGIN_CUSTOMER_ID=my manager" in refused(google_settings(login_customer_id="my manager")).message
