"""The current time, in one place, so that tests can set it."""

from __future__ import annotations

from datetime import datetime, timezone


def utc_now() -> datetime:
    """Returns the current time in UTC."""
    return datetime.now(timezone.utc)
