"""The check of addresses that secrets are sent to."""

from __future__ import annotations

import re
from ipaddress import ip_address
from urllib.parse import urlsplit


def secret_address_fault(setting: str, address: str, example: str) -> tuple[str, str] | None:
    """Returns the fault of an address that secrets are sent to, and the remedy; None for a good address.

    The address must be encrypted (https). Only the own machine can be reached without encryption (http).

    Args:
        setting: The name of the setting, for the message.
        address: The address.
        example: A valid address, for the remedy.
    """
    scheme, host = _parts(address)
    if scheme not in ("http", "https") or not host:
        return f"{setting}={address} is not a valid address", f"use one such as {example}"
    if scheme == "http" and not _is_loopback(host):
        return (
            f"{setting}={address} is not encrypted: secrets would cross the network in plain text",
            f"use https, as in {example}; http is allowed only for this machine (localhost, 127.0.0.1)",
        )
    return None


def _parts(address: str) -> tuple[str, str]:
    """The scheme and the host. Empty for an address that two programs could read in different ways."""
    try:
        parts = urlsplit(address)
        host = parts.hostname or ""
        if parts.port == 0:  # raises ValueError for a port that is not a number
            return "", ""
    except ValueError:
        return "", ""
    return ("", "") if re.search(r"[\\\s]", address) else (parts.scheme, host)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
