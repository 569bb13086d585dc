"""``make as-of``: the marts as they stood at a past instant, in schemas of their own."""

from __future__ import annotations

import argparse
from datetime import date, datetime, timezone
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from mdp_dagster.cli.console_log import say_what_is_waited_for
from mdp_dagster.cli.workspace import choose_workspace
from mdp_dagster.ingest.tables import EXTRACTS
from mdp_dagster.orchestration.partitions import today
from mdp_dagster.transform.as_of import AsOf, build_as_of
from mdp_dagster.warehouse.base import MARTS, Warehouse, in_window
from mdp_dagster.window import DateWindow

_BEFORE_ALL_DAYS = date(2000, 1, 1)  # and not MDP_START_DATE: MDP may have days from before it


class AsOfError(Exception):
    """An instant or days that can't be had. Says why, and the remedy."""


def add_commands(commands: Any) -> None:
    parser = commands.add_parser("as-of", help="build the marts as they were at a past instant, in separate schemas")
    parser.add_argument("instant", help="e.g. '2026-11-01 06:00' (MDP_TIMEZONE), 2026-11-01T06:00:00+01:00")
    parser.add_argument("days", nargs="*", metavar="DAY", help="the first and the last day (default: all days)")
    parser.add_argument("--drop", action="store_true", help="remove the schemas of that instant")
    parser.add_argument("--demo", type=Path, help="use the demo's data in this folder, even if there is a .env")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from mdp_dagster.definitions import services as services_for

    say_what_is_waited_for()
    settings = choose_workspace(options.demo).settings()
    as_of = AsOf(parse_instant(options.instant, settings.timezone))
    if settings.target == "duckdb" and not settings.duckdb_path.exists():
        raise AsOfError(f"{settings.duckdb_path} is not there yet → pull something first, then look back at it")
    services = services_for(settings)
    if options.drop:
        dropped = services.warehouse.drop_as_of(as_of.suffix)
        print(f"Removed: {', '.join(dropped)}" if dropped else f"Nothing to remove: no schema ends with {as_of.suffix}")
        return 0
    with services.warehouse.exclusive():
        services.prepare_raw()
        known = _known_days(services.warehouse, as_of, DateWindow.of_days(_BEFORE_ALL_DAYS, today(settings)))
        window = _window(options.days) if options.days else known
        print(f"As of {as_of.moment} UTC: {window} ({len(window)} days)", flush=True)
        build_as_of(settings, as_of, window)
        _report(services.warehouse, as_of, window, options.instant)
    return 0


def parse_instant(text: str, zone: str) -> datetime:
    """ISO, with an offset or the name of a zone; without either it is in ``zone``. A day alone is its beginning.

    Raises ``AsOfError``.
    """
    remedy = "an instant like '2026-11-01 06:00', '2026-11-01T06:00:00Z' or '2026-11-01 06:00 Europe/Berlin'"
    words = text.strip().split()
    try:
        if len(words) > 1 and words[-1][0].isalpha():
            zone = words.pop()
        instant = datetime.fromisoformat(" ".join(words).replace("Z", "+00:00"))
        instant = instant if instant.tzinfo else instant.replace(tzinfo=ZoneInfo(zone))
        instant.astimezone(timezone.utc)
    except (ValueError, ZoneInfoNotFoundError, OSError, OverflowError) as error:
        # OSError: a folder of zones, e.g. Europe. OverflowError: an instant that has no day in UTC
        raise AsOfError(f"{text!r} is no instant: {error} → {remedy}") from error
    if instant > datetime.now(timezone.utc):
        raise AsOfError(f"{text!r} is in the future → an instant that has passed")
    return instant


def _known_days(warehouse: Warehouse, as_of: AsOf, days: DateWindow) -> DateWindow:
    """The days of which anything had been pulled by then."""
    [row] = warehouse.query(
        f"""
        select
            min(extracted_at) as first_pull,
            min(case when extracted_at <= timestamp '{as_of.moment}' then date end) as first_day,
            max(case when extracted_at <= timestamp '{as_of.moment}' then date end) as last_day
        from {EXTRACTS.id}
        where {in_window(days)}
        """
    ).to_pylist()
    if row["first_pull"] is None:
        raise AsOfError("nothing was ever pulled → pull something first, then look back at it")
    if row["first_day"] is None:
        raise AsOfError(
            f"{as_of.moment} UTC is before the first pull → an instant from {row['first_pull']} (UTC) on; MDP can't "
            "know what the platforms said before that"
        )
    return DateWindow.of_days(row["first_day"], row["last_day"])


def _window(days: list[str]) -> DateWindow:
    try:
        first, last = (date.fromisoformat(day) for day in days)
        return DateWindow.of_days(first, last)
    except ValueError as error:
        raise AsOfError(f"{' '.join(days)}: {error} → a first and a last day, e.g. 2026-10-01 2026-10-31") from error


def _report(warehouse: Warehouse, as_of: AsOf, window: DateWindow, said: str) -> None:
    for dataset in as_of.datasets:
        print(f"\n{dataset}")
        for name in sorted(name for there, name in warehouse.tables() if there == dataset):
            counting = f"select count(*) as n from {dataset}.{name} where {in_window(window)}"
            [counted] = warehouse.query(counting).to_pylist()
            print(f"  {name:32} {counted['n']:>12,} rows")
    marts = as_of.datasets[1]
    print(f"""
What has changed since then, for instance:

  select date, client_id, platform, past.spend as spend_then, present.spend as spend_now,
      past.conversions as conversions_then, present.conversions as conversions_now
  from {marts}.mart_client__daily as past
  full join {MARTS}.mart_client__daily as present using (date, client_id, platform)
  where past.spend is distinct from present.spend or past.conversions is distinct from present.conversions
  order by date desc

In {warehouse.display_name}. To remove it again: make as-of AT="{said}" DROP=1""")
