"""The reconciliation of a world without faults: figures move between extracts, and every difference is explained."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta, timezone
from functools import partial
from typing import Any

import pytest

from sandbox import World
from sandbox.meta_ads.actions import link_clicks

from .support import Dbt, Row, Warehouse, went_wrong

FIRST_MORNING = datetime(2026, 10, 6, 5, tzinfo=timezone.utc)
MORNINGS = 2
OLDEST = 12
"""Days before the first morning that the probe watches."""
ACCOUNTS_OF_A_PLATFORM = 3
START, END = (FIRST_MORNING - timedelta(days=OLDEST)).date(), (FIRST_MORNING + timedelta(days=MORNINGS + 1)).date()


class Extracts:
    """MDP's extracts of a world: mornings, hourly probes, and reloads some minutes later."""

    def __init__(self, world: World, warehouse: Warehouse) -> None:
        self.world = world
        self.warehouse = warehouse
        self.accounts = [
            account
            for platform in ("google_ads", "meta_ads")
            for account in [a for a in world.accounts(platform) if a.serves_ads][:ACCOUNTS_OF_A_PLATFORM]
        ]
        self.seen: dict[tuple[str, str, str, date], list[Row]] = {}
        self.runs = 0
        warehouse.insert(
            "raw__accounts",
            [
                {"source": a.platform, "account_id": a.id, "currency": a.currency, "time_zone": a.time_zone,
                 "conversion_action_type": "purchase" if a.platform == "meta_ads" else None, "client_id": "one",
                 "extract_run_id": "a", "ingested_at": "2026-01-01 00:00:00"}
                for a in self.accounts
            ],
        )  # fmt: skip

    def morning(self, at: datetime) -> None:
        """Eight days: the campaigns, and the totals three minutes later."""
        days = [at.date() - timedelta(days=n) for n in range(8)]
        self.extract("campaign_daily", at, days, keep_unchanged=True)
        self.extract("account_daily", at + timedelta(minutes=3), days, keep_unchanged=True)

    def probe(self, at: datetime, *, reload: bool = True) -> None:
        """The totals of all days, and the campaigns of the accounts' days that changed, a quarter of an hour later."""
        days = [START + timedelta(days=n) for n in range((at.date() - START).days + 1)]
        changed = self.extract("account_daily", at, days)
        for account, its_days in changed.items() if reload else ():
            self.extract("campaign_daily", at + timedelta(minutes=15), its_days, only=account, keep_unchanged=True)

    def campaigns(self, at: datetime) -> None:
        """Somebody materializes the campaigns of eight days alone."""
        days = [at.date() - timedelta(days=n) for n in range(8)]
        self.extract("campaign_daily", at, days, keep_unchanged=True)

    def extract(
        self, report: str, at: datetime, days: list[date], *, only: str = "", keep_unchanged: bool = False
    ) -> dict[str, list[date]]:
        """Returns the days that changed, by account."""
        self.world.now = at
        self.runs += 1
        changed = defaultdict(list)
        for account in self.accounts:
            if only not in ("", account.id):
                continue
            served: dict[date, list[Any]] = defaultdict(list)
            for row in self.world.campaign_days(account, min(days), max(days) + timedelta(days=1)):
                served[row.day].append(row)
            for day in days:
                rows = [raw_row(account.platform, row.campaign.id, [row.metrics]) for row in served[day]]
                if report == "account_daily":
                    rows = [raw_row(account.platform, None, [row.metrics for row in served[day]])] if rows else []
                key = account.platform, report, account.id, day
                if self.seen.get(key) == rows and not keep_unchanged:
                    continue
                if self.seen.get(key) != rows:
                    changed[account.id].append(day)
                self.seen[key] = rows
                self.warehouse.extract(
                    account.platform, f"run {self.runs}", f"{at:%F %T}", account.id, str(day), rows, report=report
                )
        return changed


def raw_row(platform: str, campaign: int | None, metrics: Sequence[Any]) -> Row:
    """The row as the platform sends it; without a campaign, the account's total."""
    names = ("impressions", "clicks", "spend", "conversions", "conversion_value")
    impressions, clicks, spend, conversions, value = (sum(getattr(m, name) for m in metrics) for name in names)
    if platform == "google_ads":
        row: Row = {
            "metrics_impressions": impressions,
            "metrics_clicks": clicks,
            "metrics_cost_micros": spend * 10_000,
            "metrics_conversions": conversions / 100,
            "metrics_conversions_value": value / 100,
            "metrics_conversions_by_conversion_date": sum(m.conversions_by_date for m in metrics) / 100,
            "metrics_conversions_value_by_conversion_date": sum(m.conversion_value_by_date for m in metrics) / 100,
        }
        return row if campaign is None else {**row, "campaign_id": campaign}
    row = {
        "impressions": str(impressions),
        "clicks": str(clicks),
        "inline_link_clicks": str(sum(link_clicks(m.clicks) for m in metrics)),
        "spend": f"{spend / 100:.2f}",
        "actions": json.dumps([{"action_type": "purchase", "value": str(conversions / 100)}]),
        "action_values": json.dumps([{"action_type": "purchase", "value": f"{value / 100:.2f}"}]),
    }
    return row if campaign is None else {**row, "campaign_id": str(campaign)}


@pytest.mark.slow
def test_mornings_and_hours_of_a_healthy_world_have_no_unexplained_difference(dbt: Dbt, warehouse: Warehouse) -> None:
    """After each morning's run, after probes and reloads, between the two, and after an extract of campaigns alone."""
    extracts = Extracts(World(seed=7, now=FIRST_MORNING), warehouse)
    found: Counter[str] = Counter()
    with warehouse.at_once():
        extracts.probe(FIRST_MORNING - timedelta(hours=1))
    for day in range(MORNINGS):
        morning = FIRST_MORNING + timedelta(days=day)
        steps: list[list[Callable[[], None]]] = [
            [partial(extracts.morning, morning)],
            [partial(extracts.probe, morning + timedelta(minutes=60 * hour + 20)) for hour in (1, 2, 3, 4)],
            [partial(extracts.probe, morning + timedelta(hours=5, minutes=20), reload=False)],
            [
                partial(extracts.probe, morning + timedelta(hours=6, minutes=20)),
                partial(extracts.campaigns, morning + timedelta(hours=7, minutes=10)),
            ],
            [partial(extracts.probe, morning + timedelta(hours=hour)) for hour in (8, 12, 16, 19, 20)],
        ]
        for step in steps:
            with warehouse.at_once():
                for extract in step:
                    extract()
            result = dbt("run", "--select", "+int_account__reconciliation", window=(str(START), str(END)))
            assert not went_wrong(result)
            rows = warehouse.query("select * from mdp_staging.int_account__reconciliation")
            assert [row for row in rows if row["verdict"] not in ("matches", "explained")] == []
            found.update(row["verdict"] for row in rows)
    print(dict(found))
    assert found["matches"] > 10 * found["explained"] > 0
