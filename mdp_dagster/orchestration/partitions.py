"""The daily partitions of all tables that have days, and the window of a run."""

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

# The daily run loads today and these days before it, because sources change them most often.
DAYS_BEFORE = 7
# The hour of the daily run, in MDP_TIMEZONE.
DAILY_RUN_HOUR = 5

# A backfill of any length is one run, with one window and one dbt build.
SINGLE_RUN = dg.BackfillPolicy.single_run()


def daily_partitions(settings: Settings) -> dg.DailyPartitionsDefinition:
    """Returns the partitions: the days from ``MDP_START_DATE`` to today, each in the account's own time zone.

    Raises:
        SettingsError: The start date is in the future.
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
    """Returns today's date in ``MDP_TIMEZONE``."""
    return datetime.now(ZoneInfo(settings.timezone)).date()


def daily_window(settings: Settings) -> DateWindow:
    """Returns the window of the daily run: today and the days before it, but no day before ``MDP_START_DATE``."""
    last = today(settings)
    return DateWindow.of_days(max(last - timedelta(days=DAYS_BEFORE), settings.start_date), last)


def run_window(tags: Mapping[str, str], settings: Settings) -> DateWindow:
    """Returns the days that a run is about. Assets and checks have no other way to determine them.

    Args:
        tags: The run's tags. A run without partitions has the daily run's window.
        settings: MDP's settings.
    """
    return partition_window(tags) or daily_window(settings)


def partition_window(tags: Mapping[str, str]) -> DateWindow | None:
    """Returns the days of the partitions in a run's tags; None if the tags do not have any.

    Raises:
        ValueError: The partitions are not valid days.
    """
    if PARTITION_TAG in tags:
        return DateWindow.of_days(tags[PARTITION_TAG], tags[PARTITION_TAG])
    if RANGE_START_TAG in tags and RANGE_END_TAG in tags:
        return DateWindow.of_days(tags[RANGE_START_TAG], tags[RANGE_END_TAG])
    return None


def range_tags(window: DateWindow) -> dict[str, str]:
    """Returns the run tags for a window."""
    return {RANGE_START_TAG: window.start.isoformat(), RANGE_END_TAG: window.last.isoformat()}
