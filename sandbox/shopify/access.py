"""Access to the shops: tokens, scopes, and the versions of the API that are served."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Mapping
from datetime import date
from typing import Any

from sandbox.model import stable_hash

CLIENT_ID = "5a4d0b0c5a4d0b0c5a4d0b0c5a4d0b0c"
CLIENT_SECRET = "shpss_" + "5a4d0b0c" * 4
SCOPES = ("read_orders", "read_all_orders", "read_products", "read_customers", "read_reports")
LIFETIME_S = 86_399
_FIRST_DAY = date(2026, 10, 1)
VISIBLE_DAYS = 60  # without read_all_orders
_REQUIRED = {
    "orders": "read_orders",
    "ordersCount": "read_orders",
    "products": "read_products",
    "customers": "read_customers",
    "shopifyqlQuery": "read_reports",
}


class TokenRefused(Exception):
    """An OAuth error: ``error`` is its code, the text its description."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__(description)
        self.error = error


class Tokens:
    """The access tokens that were given out, by shop. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._shops: dict[str, str] = {}

    def exchange(self, domain: str, form: Mapping[str, Any]) -> dict[str, Any]:
        """Returns the token endpoint's answer to a client's credentials. Raises ``TokenRefused``."""
        if form.get("grant_type") != "client_credentials":
            raise TokenRefused("unsupported_grant_type", "The grant type is not supported")
        if form.get("client_id") != CLIENT_ID or form.get("client_secret") != CLIENT_SECRET:
            raise TokenRefused("invalid_client", "The client credentials are invalid or the app was uninstalled")
        token = "shpat_" + secrets.token_hex(16)
        with self._lock:
            self._shops[token] = domain
        return {"access_token": token, "scope": ",".join(SCOPES), "expires_in": LIFETIME_S}

    def valid(self, token: str | None, domain: str) -> bool:
        """Returns whether a token gives access to a shop."""
        with self._lock:
            return token is not None and self._shops.get(token) == domain

    def revoke(self, domain: str) -> None:
        """Ends the shop's tokens."""
        with self._lock:
            self._shops = {token: shop for token, shop in self._shops.items() if shop != domain}

    def static(self, domain: str) -> str:
        """Returns a token as an app that was created in the shop's admin has it."""
        with self._lock:
            token = f"shpat_{stable_hash(domain, 'token'):032x}"
            self._shops[token] = domain
            return token


def required_scope(field: str) -> str | None:
    """Returns the scope that a field of the root requires; None if it requires none."""
    return _REQUIRED.get(field)


def versions(today: date) -> list[str]:
    """Returns the stable versions that are supported, oldest first: one per quarter, each for a year."""
    quarter = _quarter(today)
    return [f"{number // 4}-{number % 4 * 3 + 1:02}" for number in range(quarter - 3, quarter + 1)]


def _quarter(today: date) -> int:
    """The number of a day's quarter. Before the version of the trimmed schema existed, the sandbox serves it too."""
    day = max(today, _FIRST_DAY)
    return day.year * 4 + (day.month - 1) // 3


def candidate(today: date) -> str:
    """Returns the version of the next quarter."""
    quarter = _quarter(today) + 1
    return f"{quarter // 4}-{quarter % 4 * 3 + 1:02}"


def served_version(requested: str, today: date) -> str | None:
    """Returns the version that answers a request; None for one that doesn't exist.

    An unsupported version falls forward to the oldest supported one.
    """
    supported = versions(today)
    if requested in ("unstable", candidate(today), *supported):
        return requested
    year, _, month = requested.partition("-")
    if not (len(year) == 4 and year.isdecimal() and month in ("01", "04", "07", "10")):
        return None
    return supported[0] if requested < supported[0] else None
