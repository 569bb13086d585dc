"""The token endpoint: a service account's assertion is really checked."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
import requests
from cryptography.hazmat.primitives.asymmetric import rsa
from google.auth import crypt, jwt
from google.auth.exceptions import RefreshError
from google.auth.transport.requests import Request
from google.oauth2.service_account import Credentials

from sandbox import Sandbox
from sandbox.google_ads.tokens import (
    CLIENT_EMAIL,
    GRANT_TYPE,
    LIFETIME_S,
    SCOPE,
    Tokens,
    write_service_account_file,
)
from tests.support.limits import HANG_SECONDS


def _claims(sandbox: Sandbox, **changes: Any) -> dict[str, Any]:
    now = int(time.time())
    claims = {
        "iss": CLIENT_EMAIL,
        "aud": sandbox.url + "/token",
        "iat": now,
        "exp": now + 3600,
        "scope": SCOPE,
    }
    return {key: value for key, value in (claims | changes).items() if value is not None}


def _exchange(sandbox: Sandbox, claims: dict[str, Any], grant_type: str = GRANT_TYPE) -> requests.Response:
    info = json.loads(Path(sandbox.env["GOOGLE_ADS_JSON_KEY_FILE_PATH"]).read_text())
    signer = crypt.RSASigner.from_service_account_info(info)
    form = {"grant_type": grant_type, "assertion": jwt.encode(signer, claims).decode()}
    return requests.post(sandbox.url + "/token", data=form, timeout=HANG_SECONDS)


def test_the_vendors_library_gets_a_token(sandbox: Sandbox) -> None:
    credentials = Credentials.from_service_account_file(sandbox.env["GOOGLE_ADS_JSON_KEY_FILE_PATH"], scopes=[SCOPE])
    credentials.refresh(Request())
    assert credentials.valid and sandbox.servers["google_ads"].tokens.state(credentials.token) == "valid"


def test_a_good_assertion_is_exchanged(sandbox: Sandbox) -> None:
    answer = _exchange(sandbox, _claims(sandbox))
    assert answer.status_code == 200
    assert answer.json()["token_type"] == "Bearer" and answer.json()["expires_in"] == LIFETIME_S


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"exp": int(time.time()) - 10}, "invalid_grant"),
        ({"iat": int(time.time()) + 4000, "exp": int(time.time()) + 7000}, "invalid_grant"),
        ({"iss": "someone@else.example"}, "invalid_grant"),
        ({"aud": "https://elsewhere.example/token"}, "invalid_grant"),
        ({"scope": "https://www.googleapis.com/auth/drive"}, "invalid_scope"),
        ({"scope": None}, "invalid_scope"),
    ],
)
def test_a_bad_claim_is_refused(sandbox: Sandbox, changes: dict[str, Any], error: str) -> None:
    answer = _exchange(sandbox, _claims(sandbox, **changes))
    assert answer.status_code == 400 and answer.json()["error"] == error
    assert answer.json()["error_description"]


def test_another_key_is_refused(sandbox: Sandbox, tmp_path: Path) -> None:
    stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    write_service_account_file(tmp_path / "stranger.json", stranger, sandbox.url + "/token")
    credentials = Credentials.from_service_account_file(str(tmp_path / "stranger.json"), scopes=[SCOPE])
    with pytest.raises(RefreshError, match="Invalid JWT Signature"):
        credentials.refresh(Request())


@pytest.mark.parametrize("form", [{}, {"grant_type": GRANT_TYPE}, {"grant_type": GRANT_TYPE, "assertion": "a.b.c"}])
def test_nonsense_is_refused(sandbox: Sandbox, form: dict[str, str]) -> None:
    answer = requests.post(sandbox.url + "/token", data=form, timeout=HANG_SECONDS)
    assert answer.status_code == 400 and answer.json()["error"] in ("invalid_grant", "unsupported_grant_type")


def test_tokens_expire() -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    clock = [1_000_000.0]
    tokens = Tokens(key, "http://here/token", clock=lambda: clock[0])
    assert tokens.state("ya29.unknown") == "unknown"
    tokens._expiry["ya29.known"] = clock[0] + LIFETIME_S
    assert tokens.state("ya29.known") == "valid"
    clock[0] += LIFETIME_S
    assert tokens.state("ya29.known") == "expired"
