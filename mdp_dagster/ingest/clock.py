"""The current time, in one place, so that tests can set it."""

from __future__ import annotations

from datetime import date, datetime, timezone
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError


def utc_now() -> datetime:
    """Returns the current time in UTC."""
    return datetime.now(timezone.utc)


def local_date(at: datetime, time_zone: str) -> date:
    """Returns the date at a moment in a time zone (IANA name); in UTC if the zone is unknown."""
    return at.astimezone(_zone(time_zone)).date()


@lru_cache(maxsize=1024)
def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name or "UTC")
    except (ZoneInfoNotFoundError, ValueError, OSError):  # OSError: the name of a folder, such as "America"
        return ZoneInfo("UTC")
