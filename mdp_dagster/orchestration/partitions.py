"""One daily partitioning for everything that is cut by day, and the window that a run is about."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import dagster as dg

from mdp_dagster.settings import Settings, SettingsError
from mdp_dagster.window import DateWindow

PARTITION_TAG = "dagster/partition"
RANGE_START_TAG = "dagster/asset_partition_range_start"
RANGE_END_TAG = "dagster/asset_partition_range_end"

# With today: what the daily run loads, because the platforms rewrite it most.
DAYS_BEFORE = 7

# A range of any length is one run: one dbt build, one window.
SINGLE_RUN = dg.BackfillPolicy.single_run()


def daily_partitions(settings: Settings) -> dg.DailyPartitionsDefinition:
    """A partition is a day in the ad account's time zone, from ``MDP_START_DATE`` up to and with today.

    Raises ``SettingsError`` for a start date in the future.
    """
    now = today(settings)
    if settings.start_date > now:
        raise SettingsError(
            f"MDP_START_DATE={settings.start_date} is in the future (today is {now}) → set the first day to have"
        )
    return dg.DailyPartitionsDefinition(
        start_date=settings.start_date.isoformat(), timezone=settings.timezone, end_offset=1
    )


def today(settings: Settings) -> date:
    """The day it is in ``MDP_TIMEZONE``."""
    return datetime.now(ZoneInfo(settings.timezone)).date()


def daily_window(settings: Settings) -> DateWindow:
    """Today and the days before it, but no earlier than the first partition."""
    last = today(settings)
    return DateWindow.of_days(max(last - timedelta(days=DAYS_BEFORE), settings.start_date), last)


def window_of(context: dg.AssetExecutionContext) -> DateWindow:
    """The days that a partitioned asset's run is about."""
    keys = context.partition_key_range
    return DateWindow.of_days(keys.start, keys.end)


def window_of_tags(tags: Mapping[str, str]) -> DateWindow | None:
    """The days that a run is about, from its tags: asset checks know no partitions. None for a run without any."""
    if PARTITION_TAG in tags:
        return DateWindow.of_days(tags[PARTITION_TAG], tags[PARTITION_TAG])
    if RANGE_START_TAG in tags and RANGE_END_TAG in tags:
        return DateWindow.of_days(tags[RANGE_START_TAG], tags[RANGE_END_TAG])
    return None


def range_tags(window: DateWindow) -> dict[str, str]:
    """The tags that make a run about a window."""
    return {RANGE_START_TAG: window.start.isoformat(), RANGE_END_TAG: window.last.isoformat()}
