"""Secrets stay out of text, in any form."""

from __future__ import annotations

import logging
from urllib.parse import quote, quote_plus, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdp_dagster.connectors.redaction import MASK, redact, redact_logger

secrets = st.text(st.characters(codec="ascii", categories=("L", "N", "P", "S")), min_size=8, max_size=60)


@given(secrets, st.text(max_size=30))
def test_a_known_secret_goes_in_every_form(secret: str, around: str) -> None:
    for form in (secret, quote(secret), quote(secret, safe=""), quote_plus(secret), urlencode({"t": secret})):
        out = redact(f"{around} {form} {around}", [secret])
        assert secret not in out.replace(around, "")
        assert MASK in out


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("GET /v26.0/act_1/insights?access_token=abc123&limit=5", "abc123"),
        ("Params: {'access_token': 'abc123', 'limit': 5}", "abc123"),
        ('{"access_token":"abc123"}', "abc123"),
        ("url?appsecret_proof=0fae12 failed", "0fae12"),
        ("next=http%3A%2F%2Fx%3Faccess_token%3Dabc123", "abc123"),
        ("authorization: Bearer ya29.a0AfH6SMB", "a0AfH6SMB"),
        ("token EAAWsandboxZBtoken0123456789ZCZD expired", "sandboxZBtoken"),
        ("('developer-token', 'AbC-dEf')", "AbC-dEf"),
        ("refresh_token=1//0gabcdefghijklmnopqrstuvwxyz", "abcdefghijkl"),
        ("assertion=eyJhbGciOi.eyJpc3MiOi.c2lnbmF0dXJl", "eyJpc3MiOi"),
        ("-----BEGIN PRIVATE KEY-----\nMIIEvQ\n-----END PRIVATE KEY-----\n", "MIIEvQ"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIEvQ and no end", "MIIEvQ"),
    ],
)
def test_what_is_shaped_like_a_secret_goes_too(text: str, secret: str) -> None:
    assert secret not in redact(text)


@pytest.mark.parametrize(
    "text",
    [
        "Error validating access token: Session has expired on Friday",
        "Invalid appsecret_proof provided in the API argument",
        "check GOOGLE_ADS_DEVELOPER_TOKEN, its access level",
        "The developer token is not valid.",
    ],
)
def test_the_platforms_words_stay(text: str) -> None:
    assert redact(text) == text


def test_an_empty_or_tiny_secret_garbles_nothing() -> None:
    assert redact("a token a day", ["", "a"]) == "a token a day"


def test_a_librarys_logger_is_redacted_once(caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("tests.redaction")
    redact_logger(logger.name)
    redact_logger(logger.name)
    assert len(logger.filters) == 1
    with caplog.at_level(logging.DEBUG, logger.name):
        logger.debug('"%s %s HTTP/1.1" %d', "GET", "/x?access_token=abc123", 200)
    assert "abc123" not in caplog.text
    assert "/x?access_token=***" in caplog.text
