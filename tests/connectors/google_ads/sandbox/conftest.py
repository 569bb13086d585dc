"""The sandbox, and the vendor's client against it."""

from __future__ import annotations

from tests.support.sandbox_clients import _as_new, ads, google_client, sandbox  # noqa: F401
