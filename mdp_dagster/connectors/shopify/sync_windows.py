"""The windows of a sync: which ranges of last changes are read, and in which parts."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from mdp_dagster.connectors.shop_documents import ShopWindow

OVERLAP = timedelta(minutes=15)
"""Is read again: Shopify's search index follows the data within seconds, and the clock of a shop can step back."""
INDEX_LAG = timedelta(minutes=2)
"""Is left to the next sync, because the search index may not have it yet."""
_SHORTEST = timedelta(minutes=1)


def windows_until(now: datetime, watermark: datetime | None, first: datetime) -> list[ShopWindow]:
    """Returns the windows that follow the watermark, oldest first, split at the first of each month (UTC).

    After a missed night, they cover all the time since the watermark.

    Args:
        now: The shop's time.
        watermark: The end of the last window that was committed; None before the first sync.
        first: The start of the first sync.
    """
    end = (now.astimezone(timezone.utc) - INDEX_LAG).replace(microsecond=0)
    start = first if watermark is None else watermark.astimezone(timezone.utc) - OVERLAP
    if end <= (start if watermark is None else watermark):
        return []
    edges = [start]
    while (following := _next_month(edges[-1])) < end:
        edges.append(following)
    return [ShopWindow(*pair) for pair in zip(edges, [*edges[1:], end], strict=True)]


def halves(window: ShopWindow) -> tuple[ShopWindow, ShopWindow] | None:
    """Returns the two halves of a window; None for a window that is too short."""
    if window.end - window.start < 2 * _SHORTEST:
        return None
    middle = (window.start + (window.end - window.start) / 2).replace(microsecond=0)
    return ShopWindow(window.start, middle), ShopWindow(middle, window.end)


def _next_month(instant: datetime) -> datetime:
    year, month = divmod(instant.year * 12 + instant.month, 12)
    return datetime(year, month + 1, 1, tzinfo=timezone.utc)
