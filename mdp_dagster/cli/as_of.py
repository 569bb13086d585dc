"""``make as-of``: the marts as of a past instant, in separate schemas."""

from __future__ import annotations

import argparse
from datetime import date, datetime, timezone
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from mdp_dagster.cli.console_log import log_to_stderr
from mdp_dagster.cli.workspace import choose_workspace
from mdp_dagster.ingest.tables import EXTRACTS
from mdp_dagster.orchestration.partitions import today
from mdp_dagster.transform.as_of_build import AsOf, build_as_of
from mdp_dagster.warehouse.base import MARTS, Warehouse, in_window
from mdp_dagster.window import DateWindow

_BEFORE_ALL_DAYS = date(2000, 1, 1)  # and not MDP_START_DATE: MDP may have days from before it


class AsOfError(Exception):
    """The marts can't be built for this instant or these days. The message names the reason and the remedy."""


def add_commands(commands: Any) -> None:
    """Add the command ``as-of``."""
    parser = commands.add_parser("as-of", help="build the marts as of a past instant, in separate schemas")
    parser.add_argument("instant", help="e.g. '2026-11-01 06:00' (MDP_TIMEZONE), 2026-11-01T06:00:00+01:00")
    parser.add_argument("days", nargs="*", metavar="DAY", help="the first and the last day (default: all days)")
    parser.add_argument("--drop", action="store_true", help="remove the schemas of that instant")
    parser.add_argument("--demo", type=Path, help="use the demo's data in this folder, even if there is a .env")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from mdp_dagster.definitions import dbt_project, domains_with_data
    from mdp_dagster.definitions import services as services_for

    log_to_stderr()
    settings = choose_workspace(options.demo).settings()
    as_of = AsOf(parse_instant(options.instant, settings.timezone))
    if settings.target == "duckdb" and not settings.duckdb_path.exists():
        raise AsOfError(f"{settings.duckdb_path} does not exist yet → run a daily job or a backfill first")
    services = services_for(settings)
    if options.drop:
        dropped = services.warehouse.drop_as_of(as_of.suffix)
        print(f"Removed: {', '.join(dropped)}" if dropped else f"Nothing to remove: no schema ends with {as_of.suffix}")
        return 0
    with services.warehouse.exclusive():
        services.prepare_raw()
        domains = domains_with_data(settings, services.warehouse, as_of.instant)
        known = _known_days(services.warehouse, as_of, DateWindow.of_days(_BEFORE_ALL_DAYS, today(settings)), domains)
        window = _window(options.days) if options.days else known
        print(f"As of {as_of.moment} UTC: {window} ({len(window)} days)", flush=True)
        build_as_of(settings, as_of, window, domains)
        by_day = dbt_project(settings).models_with_column("date")
        _report(services.warehouse, as_of, window, options.instant, by_day)
    return 0


def parse_instant(text: str, zone: str) -> datetime:
    """The instant in an ISO text.

    Args:
        text: May contain an offset or the name of a time zone. A day alone means its start.
        zone: The time zone of a text without one.

    Raises:
        AsOfError: the text is not a valid instant, or the instant is in the future.
    """
    remedy = "use an instant like '2026-11-01 06:00', '2026-11-01T06:00:00Z' or '2026-11-01 06:00 Europe/Berlin'"
    words = text.strip().split()
    try:
        if len(words) > 1 and words[-1][0].isalpha():
            zone = words.pop()
        instant = datetime.fromisoformat(" ".join(words).replace("Z", "+00:00"))
        instant = instant if instant.tzinfo else instant.replace(tzinfo=ZoneInfo(zone))
        instant.astimezone(timezone.utc)
    except (ValueError, ZoneInfoNotFoundError, OSError, OverflowError) as error:
        # OSError: the zone is a folder of zones, e.g. Europe. OverflowError: the instant has no day in UTC.
        raise AsOfError(f"{text!r} is not a valid instant: {error} → {remedy}") from error
    if instant > datetime.now(timezone.utc):
        raise AsOfError(f"{text!r} is in the future → use an instant in the past")
    return instant


def _known_days(warehouse: Warehouse, as_of: AsOf, days: DateWindow, domains: list[str]) -> DateWindow:
    """From the first to the last day that had been extracted by then. The last of ``days`` without reports by day."""
    [row] = warehouse.query(
        f"""
        select
            min(extracted_at) as first_extract,
            min(case when extracted_at <= timestamp '{as_of.moment}' then date end) as first_day,
            max(case when extracted_at <= timestamp '{as_of.moment}' then date end) as last_day
        from {EXTRACTS.id}
        where {in_window(days)}
        """
    ).to_pylist()
    if row["first_day"] is None and domains:
        return DateWindow.of_days(days.last, days.last)
    if row["first_extract"] is None:
        raise AsOfError("there are no extracts yet → run a daily job or a backfill first")
    if row["first_day"] is None:
        raise AsOfError(
            f"{as_of.moment} UTC is before the first extract → use an instant from {row['first_extract']} (UTC) on; "
            "MDP has no data from before that"
        )
    return DateWindow.of_days(row["first_day"], row["last_day"])


def _window(days: list[str]) -> DateWindow:
    try:
        first, last = (date.fromisoformat(day) for day in days)
        return DateWindow.of_days(first, last)
    except ValueError as error:
        raise AsOfError(
            f"{' '.join(days)}: {error} → give a first and a last day, for example 2026-10-01 2026-10-31"
        ) from error


def _report(warehouse: Warehouse, as_of: AsOf, window: DateWindow, given_instant: str, by_day: set[str]) -> None:
    """Prints the rows of each table: of the window, if the table is ``by_day``."""
    for dataset in as_of.datasets:
        print(f"\n{dataset}")
        for name in sorted(name for there, name in warehouse.tables() if there == dataset):
            days = f" where {in_window(window)}" if name in by_day else ""
            [counted] = warehouse.query(f"select count(*) as n from {dataset}.{name}{days}").to_pylist()
            print(f"  {name:32} {counted['n']:>12,} rows")
    marts = as_of.datasets[1]
    print(f"""
To see the changes since then:

  select date, client_id, platform, past.spend as spend_then, present.spend as spend_now,
      past.conversions as conversions_then, present.conversions as conversions_now
  from {marts}.mart_client__daily as past
  full join {MARTS}.mart_client__daily as present using (date, client_id, platform)
  where past.spend is distinct from present.spend or past.conversions is distinct from present.conversions
  order by date desc

In {warehouse.display_name}. To remove these schemas: make as-of AT="{given_instant}" DROP=1""")
