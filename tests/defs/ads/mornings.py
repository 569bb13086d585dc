"""KPI checks in a world with a known truth: the sandbox's, morning by morning.

A morning's mart has the last days as the platforms show them then. The truth is the same days when all conversions have
arrived. A false alarm is a miss of a campaign that meets its target with the settled values.

    python -m tests.defs.ads.mornings --mornings 60 --seeds 7 11 23
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta, timezone
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import pyarrow as pa

from mdp_dagster.clients.file import load_clients
from mdp_dagster.clients.model import Clients
from mdp_dagster.clients.versions import valid_on
from mdp_dagster.defs.ads.kpi_check import DAYS, campaign_totals
from mdp_dagster.defs.ads.kpis import KPIS, judge
from mdp_dagster.defs.ads.platforms import AD_PLATFORMS
from mdp_dagster.defs.shop.definitions import SOURCES as SHOPS
from mdp_dagster.settings import PROJECT_ROOT
from mdp_dagster.warehouse.duckdb import DuckDBWarehouse
from mdp_dagster.window import DateWindow
from sandbox import World
from sandbox.model import Account
from sandbox.rows import CampaignDay, hundredths

MART = "mart_campaign__daily"
AGES = (1, 3, 7, 14, 28)
LOOKBACK = {"google_ads": 90, "meta_ads": 28}
_OBSERVED_DAYS = 30
_LONG_AFTER = timedelta(days=120)

COLUMNS = {
    "date": "date",
    "platform": "varchar",
    "campaign_id": "varchar",
    "client_id": "varchar",
    "account_id": "varchar",
    "campaign_name": "varchar",
    "reporting_currency": "varchar",
    "impressions": "bigint",
    "link_clicks": "bigint",
    "conversions": "decimal(38, 9)",
    "spend_reporting": "decimal(38, 9)",
    "age_days": "bigint",
    "is_final": "boolean",
    "expected_completeness": "double",
    "completeness_source": "varchar",
}
"""The columns of the mart that the checks read."""


class Mart:
    """A warehouse that has the mart only."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.warehouse = DuckDBWarehouse(path)
        with duckdb.connect(str(path)) as connection:
            columns = ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())
            connection.execute(f"create schema mdp_marts; create table mdp_marts.{MART} ({columns})")

    def replace(self, rows: Iterable[dict[str, Any]]) -> None:
        """Puts these rows in the place of all rows."""
        with duckdb.connect(str(self.path)) as connection:
            connection.begin()
            connection.execute(f"delete from mdp_marts.{MART}")
            values = pa.Table.from_pylist([{name: row.get(name) for name in COLUMNS} for row in rows])
            if values.num_rows:
                connection.register("shown", values)
                connection.execute(f"insert into mdp_marts.{MART} select * from shown")
            connection.commit()


@dataclass
class Count:
    """The number of alarms of some mornings, and of the real misses."""

    campaign_mornings: int = 0
    alarms: int = 0
    false_alarms: int = 0
    misses: int = 0
    found: int = 0
    by_kpi: dict[str, list[int]] = field(default_factory=dict)

    @property
    def false_alarms_in_100(self) -> float:
        """False alarms, of all KPIs together, in 100 campaign-mornings."""
        return 100 * self.false_alarms / self.campaign_mornings

    @property
    def found_share(self) -> float:
        """The share of the real misses that were reported on the same morning."""
        return self.found / self.misses


def agency() -> Clients:
    """The clients of the sandbox."""
    sources = {source.name: source.account_id for source in (*AD_PLATFORMS, *SHOPS)}
    return load_clients(PROJECT_ROOT / "config" / "clients.yaml", sources)


def count(folder: Path, seed: int, mornings: Sequence[datetime], *, measured: bool, reloaded: bool = True) -> Count:
    """Judges all campaigns of a world on some mornings.

    Args:
        folder: Where the warehouse is made.
        seed: The world's.
        mornings: The instants of the morning's runs.
        measured: Whether the accounts' curves are known. Otherwise nothing is measured yet.
        reloaded: Whether late days were reloaded. Otherwise days are as old as when the morning's run last had them.
    """
    clients, mart = agency(), Mart(folder / f"{seed}-{measured}-{reloaded}.duckdb")
    found = Count(by_kpi={kpi.name: [0, 0, 0, 0] for kpi in KPIS})
    world = World(seed, mornings[0])
    curves = _Curves(world, mornings[0]) if measured else None
    for morning in mornings:
        window = DateWindow.of_days(morning.date() - timedelta(days=DAYS), morning.date())
        shown, settled = [], []
        for row, age in _rows(world, morning, window, reloaded=reloaded):
            final = age >= LOOKBACK[row.account.platform]
            share = 1.0 if final else curves.at(row.account, age) if curves else None
            source = "final" if final else "account" if share is not None else None
            shown.append(_mart_row(row, clients, age, final, share, source))
        over = {(row["date"], row["account_id"]) for row in shown if row["age_days"] >= 1}
        for row, _ in _rows(world, morning + _LONG_AFTER, window, reloaded=True):
            if (row.day, row.account.id) in over:
                settled.append(_mart_row(row, clients, 200, True, 1.0, "final"))
        _compare(found, mart, clients, window, shown, settled)
    return found


def _compare(
    found: Count,
    mart: Mart,
    clients: Clients,
    window: DateWindow,
    shown: list[dict[str, Any]],
    settled: list[dict[str, Any]],
) -> None:
    mart.replace(shown)
    now = campaign_totals(mart.warehouse, MART, window)
    mart.replace(settled)
    later = campaign_totals(mart.warehouse, MART, window)
    found.campaign_mornings += len(now)
    for kpi in KPIS:
        alarms = {miss.key for miss in judge(kpi, now, clients).missed}
        misses = {miss.key for miss in judge(kpi, later, clients).missed}
        numbers = (len(alarms), len(alarms - misses), len(misses), len(misses & alarms))
        found.by_kpi[kpi.name] = [a + b for a, b in zip(found.by_kpi[kpi.name], numbers, strict=True)]
        found.alarms += numbers[0]
        found.false_alarms += numbers[1]
        found.misses += numbers[2]
        found.found += numbers[3]


def _rows(world: World, moment: datetime, window: DateWindow, *, reloaded: bool) -> Iterator[tuple[CampaignDay, int]]:
    """The rows that the platforms show, with their ages."""
    for days in range(8, DAYS + 1) if not reloaded else ():
        # the last morning on which the day was one of the schedule's eight
        day = moment.date() - timedelta(days=days)
        then = moment - timedelta(days=days - 7)
        yield from _served(world, then, DateWindow.of_days(day, day))
    first = window.start if reloaded else moment.date() - timedelta(days=7)
    yield from _served(world, moment, DateWindow(first, window.end))


def _served(world: World, moment: datetime, window: DateWindow) -> list[tuple[CampaignDay, int]]:
    world.now = moment
    return [
        (row, (world.local_today(account) - row.day).days)
        for platform in LOOKBACK
        for account in world.accounts(platform)
        for row in world.campaign_days(account, window.start, window.end)
    ]


class _Curves:
    """Each account's completeness at the measured ages, as days that are final now were last seen on a day of that age.

    The hourly probe sees them late on that day: the fraction is higher than that of the morning, as in the mart.
    """

    def __init__(self, world: World, morning: datetime) -> None:
        self._world, self._morning = world, morning
        self._known: dict[tuple[str, int], float | None] = {}

    def at(self, account: Account, age: int) -> float | None:
        measured = max((each for each in AGES if each <= age), default=None)
        if measured is None:
            return None
        key = account.id, measured
        if key not in self._known:
            self._known[key] = self._measure(account, measured)
        return self._known[key]

    def _measure(self, account: Account, age: int) -> float | None:
        last = self._morning.date() - timedelta(days=LOOKBACK[account.platform] + 1)
        early = settled = 0
        for number in range(_OBSERVED_DAYS):
            day = last - timedelta(days=number)
            seen = datetime.combine(day + timedelta(days=age), time(20), timezone.utc)
            early += self._conversions(account, day, seen)
            settled += self._conversions(account, day, seen + _LONG_AFTER)
        return early / settled if settled else None

    def _conversions(self, account: Account, day: date, moment: datetime) -> int:
        self._world.now = moment
        rows = self._world.campaign_days(account, day, day + timedelta(days=1))
        return sum(row.metrics.conversions for row in rows)


def _mart_row(
    row: CampaignDay, clients: Clients, age: int, final: bool, share: float | None, source: str | None
) -> dict[str, Any]:
    client = next(client for client in clients.clients if client.id == row.account.client_id)
    currency = valid_on(client.reporting_currency, row.day)
    assert currency
    rate = clients.exchange_rate(currency, row.account.currency, row.day)
    return {
        "date": row.day,
        "platform": row.account.platform,
        "campaign_id": str(row.campaign.id),
        "client_id": client.id,
        "account_id": row.account.id,
        "campaign_name": row.campaign.name,
        "reporting_currency": currency,
        "impressions": row.metrics.impressions,
        "link_clicks": row.metrics.clicks,
        "conversions": hundredths(row.metrics.conversions),
        "spend_reporting": None if rate is None else float(hundredths(row.metrics.spend)) * rate,
        "age_days": age,
        "is_final": final,
        "expected_completeness": share,
        "completeness_source": source,
    }


def mornings(first: date, number: int, step: int = 1) -> list[datetime]:
    """Mornings at five o'clock in Berlin, roughly."""
    days = [first + timedelta(days=step * n) for n in range(number)]
    return [datetime(day.year, day.month, day.day, 4, tzinfo=timezone.utc) for day in days]


def main() -> None:
    """Prints the counts of a larger run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mornings", type=int, default=30)
    parser.add_argument("--step", type=int, default=3)
    parser.add_argument("--seeds", type=int, nargs="+", default=[7, 11, 23])
    arguments = parser.parse_args()
    moments = mornings(date(2026, 3, 2), arguments.mornings, arguments.step)
    for measured, reloaded in ((True, True), (True, False), (False, True), (False, False)):
        for seed in arguments.seeds:
            with TemporaryDirectory() as folder:
                found = count(Path(folder), seed, moments, measured=measured, reloaded=reloaded)
            print(
                f"seed {seed}, curves {'measured' if measured else 'unknown'}, late days "
                f"{'reloaded' if reloaded else 'as on the 8th morning'}: {found.campaign_mornings} campaign-mornings, "
                f"{found.alarms} alarms, {found.false_alarms} false ({found.false_alarms_in_100:.2f} in 100), "
                f"{found.found} of {found.misses} misses found ({100 * found.found_share:.0f} %); "
                f"alarms, false, misses, found by KPI: {found.by_kpi}",
                flush=True,
            )


if __name__ == "__main__":
    main()
