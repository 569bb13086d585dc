"""Addresses that secrets are sent to: encrypted, or on this machine."""

from __future__ import annotations

import pytest

from mdp_dagster.addresses import secret_address_fault

EXAMPLE = "https://graph.facebook.com"


@pytest.mark.parametrize(
    "address",
    [
        EXAMPLE,
        "HTTPS://another-host:8443/graph",
        "http://localhost:8080",
        "http://127.0.0.1:9",
        "http://127.8.8.8",
        "http://[::1]:80",
    ],
)
def test_an_encrypted_address_and_one_of_this_machine_are_good(address: str) -> None:
    assert secret_address_fault("META_GRAPH_URL", address, EXAMPLE) is None


@pytest.mark.parametrize(
    "address",
    [
        "http://another-host",
        "HTTP://10.0.0.5:8080",
        "http://127.0.0.1.another-host.example",
        "http://localhost@another-host",
        "http://localhost.another-host",
        "http://[2001:db8::1]/",
        "http://0.0.0.0",
    ],
)
def test_an_address_without_encryption_is_refused_with_a_remedy(address: str) -> None:
    what, remedy = secret_address_fault("META_GRAPH_URL", address, EXAMPLE) or ("", "")
    assert what == f"META_GRAPH_URL={address} is not encrypted: secrets would cross the network in plain text"
    assert "use https" in remedy


@pytest.mark.parametrize(
    "address", ["", "graph", "ftp://x", "http://", "http://[", "http://evil\\@localhost", "http://a:b"]
)
def test_an_address_that_cannot_be_read_is_refused(address: str) -> None:
    what, remedy = secret_address_fault("META_GRAPH_URL", address, EXAMPLE) or ("", "")
    assert "is not a valid address" in what
    assert EXAMPLE in remedy
