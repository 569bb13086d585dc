"""Any credentials are used, or refused with an error that names the variable and does not contain a secret."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mdp_dagster.connectors.errors import ConnectorError, PlatformError
from mdp_dagster.connectors.google_ads import GoogleAdsConnector
from mdp_dagster.connectors.google_ads.client import GoogleAdsClients, endpoint
from mdp_dagster.connectors.google_ads.settings import GoogleAdsSettings
from tests.connectors.google_ads.scripted_server import IMPATIENT, Script, ScriptedAds
from tests.support import json_text
from tests.support.effort import fuzzed

FIELDS = ["type", "client_email", "token_uri", "private_key", "private_key_id", "project_id", "universe_domain"]
SECRET = "hush-hush-private"
_private_keys = st.sampled_from(
    [f'"{SECRET}"', f'"-----BEGIN PRIVATE KEY-----\\n{SECRET}\\n-----END PRIVATE KEY-----\\n"', f'["{SECRET}"]']
)
key_files = (
    json_text.with_keys(
        {
            "type": st.just('"service_account"') | json_text.scalars,
            "client_email": st.just('"a@b.example"') | json_text.values(),
            "token_uri": st.just('"http://127.0.0.1:1/"') | json_text.values(),
            "private_key": _private_keys | json_text.values(),
            "universe_domain": json_text.values(),
        }
    )
    | st.just(f'{{"client_email": "a@b", "token_uri": "http://127.0.0.1:1/", "private_key": "{SECRET}"}}')
    | st.just(f'{{"client_email": 5, "token_uri": [], "private_key": ["{SECRET}"]}}')
    | json_text.values(FIELDS)
).map(lambda text: text.encode("utf-8", "surrogatepass")) | st.binary(max_size=30)


def settings(**given: Any) -> GoogleAdsSettings:
    return GoogleAdsSettings(_env_file=None, **given)  # type: ignore[call-arg]


@fuzzed(120)
@given(content=key_files)
@example(content=b"[" * 100_000)
def test_any_key_file_is_used_or_the_error_names_the_variable(
    content: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "key.json"
    path.write_bytes(content)
    with pytest.raises(ConnectorError) as caught:
        GoogleAdsClients(settings(json_key_file_path=path))._new_credentials()
    told = "".join(traceback.format_exception(caught.value))
    assert SECRET not in told
    assert "GOOGLE_ADS_JSON_KEY_FILE_PATH" in told or "can't be reached" in told


@pytest.mark.parametrize("place", ["~nobody-here/key.json", "a\x00b", ".", "k" * 300, "/dev/null"])
def test_any_key_file_name_is_used_or_refused(place: str) -> None:
    with pytest.raises(PlatformError, match="GOOGLE_ADS_JSON_KEY_FILE_PATH"):
        GoogleAdsClients(settings(json_key_file_path=Path(place)))._new_credentials()


tokens = st.text(st.characters(exclude_categories=["Cs"]), max_size=12).map(lambda text: f"hush{text}hush")


@fuzzed(30)
@given(token=tokens | st.sampled_from(["hush\nhush", "hush-é-hush", "hush\x00hush", "hush hush"]))
def test_any_developer_token_is_sent_or_refused_without_being_shown(
    ads: ScriptedAds, ads_script: Script, token: str
) -> None:
    ads_script.begin()
    connector = ads.connector(developer_token=token)
    try:
        _, failures = connector.accounts(["1234567890"])
        errors = [failure.error for failure in failures]  # the server has no account
    except PlatformError as error:
        assert "GOOGLE_ADS_DEVELOPER_TOKEN" in str(error)
        errors = [error]
    for one in errors:
        assert "hush" not in "".join(traceback.format_exception(one))


@fuzzed(30)
@given(login=st.text("0123456789- x", max_size=14) | st.text(max_size=5))
def test_any_login_customer_is_used_or_the_error_names_the_variable(
    ads: ScriptedAds, ads_script: Script, login: str
) -> None:
    ads_script.begin()
    connector = ads.connector(login_customer_id=login)
    try:
        accounts, _ = connector.accounts(["1234567890"])
    except PlatformError as error:
        assert "GOOGLE_ADS_LOGIN_CUSTOMER_ID" in str(error)
    else:
        assert accounts == [], "the server has no account"


@fuzzed(150)
@given(st.text(max_size=20) | st.sampled_from(["https://[", "://", "a:b:c", "http://"]))
def test_any_endpoint_is_an_address_or_an_error(text: str) -> None:
    found = endpoint(text)
    assert found is None or (found and "/" not in found)


def test_the_error_for_missing_credentials_has_the_remedy() -> None:
    with pytest.raises(PlatformError, match="GOOGLE_ADS_JSON_KEY_FILE_PATH"):
        GoogleAdsConnector(settings(), retry=IMPATIENT).accounts(["1234567890"])
