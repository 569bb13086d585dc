"""When a source no longer changes a day. The dbt macro ``is_settled`` (macros/ads/maturity.sql) has the same rule."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta, timezone
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_LATEST_ZONE = ZoneInfo("Etc/GMT+12")
"""The zone in which a day ends last: twelve hours after UTC."""


def is_settled(day: date, lookback_days: int, processing_hours: int, time_zone: str, at: datetime) -> bool:
    """Returns whether the source no longer changes a day.

    A click late in the evening has its whole window before it. So the window of a day ends with the last hour of the
    day that is ``lookback_days`` later, in the account's time zone. After that, the source processes what it received.

    Args:
        day: The day, in the account's time zone.
        lookback_days: The length of the window.
        processing_hours: How many hours the source needs after the window has ended.
        time_zone: The account's time zone (IANA name). If it is unknown, the zone in which a day ends last counts.
        at: The instant; UTC if it does not have a time zone.
    """
    utc = at if at.tzinfo else at.replace(tzinfo=timezone.utc)
    processed = (utc - timedelta(hours=processing_hours)).astimezone(_zone(time_zone)).date()
    return (processed - day).days > lookback_days


def settled_at(day: date, lookback_days: int, processing_hours: int, time_zone: str) -> datetime:
    """Returns the instant (UTC) from which a day is settled; an hour off where a clock changes at midnight."""
    closes = datetime.combine(day + timedelta(days=lookback_days + 1), time(), _zone(time_zone))
    return closes.astimezone(timezone.utc) + timedelta(hours=processing_hours)


def hours_until_settled(lookback_days: int, processing_hours: int) -> int:
    """Returns after how many hours a day is settled in every time zone, counted from midnight UTC of the day."""
    return 24 * (lookback_days + 1) + processing_hours + 12


@lru_cache(maxsize=1024)
def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # OSError: the name of a folder, such as "America"
        return _LATEST_ZONE
