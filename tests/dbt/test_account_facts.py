"""Facts about accounts that change, and builds in any order: at the end the tables are those of one full build."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from mdp_dagster.clients.facts import AccountFacts, listed_accounts
from mdp_dagster.clients.model import Clients
from mdp_dagster.connectors.base import PlatformAccount
from mdp_dagster.defs.ads.platforms import PLATFORM_NAMES, SHOWN_BY
from mdp_dagster.ingest.account_registry import follow_clients_file, register_accounts
from mdp_dagster.ingest.shown_facts import days_with_other_facts
from mdp_dagster.warehouse.duckdb import DuckDBWarehouse
from mdp_dagster.window import DateWindow, join_days

from .support import MODELS, WAREHOUSE_FILE, Dbt, Row, Warehouse, google, meta, point_dbt_at, table, went_wrong

DAYS = DateWindow.of_days("2026-01-01", "2026-01-10")
NOW = datetime(2026, 2, 1, 6, tzinfo=timezone.utc)
MART = "mdp_marts.mart_campaign__daily"
ACCOUNTS = [
    PlatformAccount("google_ads", "11", "11", "Dollars", "USD", "Europe/Berlin"),
    PlatformAccount("google_ads", "12", "12", "Rupiah", "IDR", "Asia/Jakarta"),
    PlatformAccount("meta_ads", "22", "22", "Euros", "EUR", "Europe/Berlin"),
]
RATES = {
    "EUR": {"USD": [0.9, 0.95, 0.123456789123], "IDR": [0.00005, 0.00004932099, 0.0000512345678]},
    "GBP": {"USD": [0.8, 0.7777777], "IDR": [0.0000432198765, 0.00004], "EUR": [0.85, 0.8512345678901]},
}


class World:
    """A warehouse, a clients file that changes, and the days that were extracted and not built."""

    def __init__(self, seed: int, dbt: Dbt, warehouse: Warehouse) -> None:
        self.random = random.Random(seed)
        self.dbt = dbt
        self.warehouse = warehouse
        self.hours = 0
        self.unbuilt = set(DAYS.days())
        self.clients = self._clients()
        register_accounts(self._engine, self.clients, ACCOUNTS, "r0", NOW)
        with warehouse.at_once():
            for day in DAYS.days():
                self._extract(day)

    @property
    def _engine(self) -> DuckDBWarehouse:
        return DuckDBWarehouse(self.warehouse.path, 60)

    def _versions(self, values: list[Any], key: str = "value") -> list[dict[str, Any]]:
        """A value from the beginning and up to two later ones."""
        starts = self.random.sample(list(DAYS.days()), self.random.randint(0, 2))
        return [{key: self.random.choice(values), **({"from": start} if start else {})} for start in [None, *starts]]

    def _clients(self) -> Clients:
        listed: dict[str, dict[str, list[dict[str, Any]]]] = {"one": {}, "two": {}}
        for account in ACCOUNTS:
            types = self._versions(["purchase", "omni_purchase", "lead", None])
            for entry in self._versions(["one", "two"], "client"):
                refs = listed[entry.pop("client")].setdefault(account.source, [])
                refs.append({"id": account.account_id, "conversion_action_type": types, **entry})
        return Clients.model_validate(
            {
                "clients": [
                    {
                        "id": client,
                        "name": self.random.choice([client.title(), f"{client.title()} Ltd"]),
                        "reporting_currency": self._versions(["EUR", "GBP"]),
                        "lookback_days": {
                            "google_ads": self._versions([5, 26, 90]),
                            "meta_ads": self._versions([4, 28]),
                        },
                        "accounts": accounts,
                    }
                    for client, accounts in listed.items()
                ],
                "exchange_rates": {
                    reporting: {currency: self._versions(rates) for currency, rates in of_reporting.items()}
                    for reporting, of_reporting in RATES.items()
                },
            }
        )

    def _extract(self, day: date) -> None:
        self.hours += 1
        at = (NOW + timedelta(hours=self.hours)).replace(tzinfo=None).isoformat(" ")
        for account in ACCOUNTS:
            rows: list[Row] = []
            for campaign in range(self.random.choice((0, 1, 1, 2, 2))):  # 0: the day is emptied
                name = f"{account.account_id}{campaign}"
                if account.source == "google_ads":
                    micros = self.random.randint(1, 10**9) * (20_000 if account.currency == "IDR" else 1)
                    rows.append(google(int(name), micros=micros, currency=account.currency))
                else:
                    rows.append(meta(name, spend=f"{self.random.randint(1, 10**6) / 100:.2f}"))
            self.warehouse.extract(account.source, f"r{self.hours}", at, account.account_id, str(day), rows)
        self.unbuilt.add(day)

    def build(self, window: DateWindow) -> None:
        assert not went_wrong(self.dbt.build((str(window.start), str(window.end))))
        self.unbuilt -= set(window.days())

    def step(self) -> None:
        kind = self.random.choice(("change", "build", "restate"))
        if kind == "change":
            self.hours += 1
            self.clients = self._clients()
            follow_clients_file(self._engine, self.clients, f"f{self.hours}", NOW + timedelta(hours=self.hours))
        elif kind == "build":
            first = self.random.choice(list(DAYS.days()))
            self.build(DateWindow.of_days(first, min(DAYS.last, first + timedelta(days=self.random.randint(0, 3)))))
        else:
            self._extract(self.random.choice(list(DAYS.days())))

    def late_days(self) -> set[date]:
        """The days that the probe reports, of all accounts."""
        return {
            day
            for source in PLATFORM_NAMES
            for differing in days_with_other_facts(self._engine, source, SHOWN_BY, DAYS)
            for day in differing.to_build(SHOWN_BY.measured_days, DAYS).days()
        }

    def valid(self) -> Iterator[tuple[PlatformAccount, date, AccountFacts]]:
        listed = listed_accounts(self.clients)
        for account in ACCOUNTS:
            facts = listed[account.source].facts(account.listed_as, account.currency)
            for day in DAYS.days():
                yield account, day, [each for each in facts if (each.valid_from or date.min) <= day][-1]


def contents(warehouse: Warehouse) -> dict[str, list[Row]]:
    """The tables, without the maturity curve: it is an average over many days, and each run computes its own days."""
    return {
        model: [{name: value for name, value in row.items() if name != "expected_completeness"} for row in rows]
        for model in MODELS
        if "maturity" not in model
        for rows in [table(warehouse, model)]
    }


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_builds_in_any_order_end_with_the_tables_of_a_full_build(
    seed: int, dbt: Dbt, warehouse: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(seed, dbt, warehouse)
    world.build(DAYS)
    assert world.late_days() == set()
    for _ in range(6):
        world.step()
    rounds = 0
    while late := world.late_days() | world.unbuilt:
        rounds += 1
        assert rounds <= 1, "what is late is built together, and is not late afterwards"
        for window in join_days(late):
            world.build(window)

    assert rounds == 1, "a history without late days shows nothing"
    shown = {(r["account_id"], r["date"]): r for r in table(warehouse, MART)}
    for account, day, facts in world.valid():
        row = shown.get((account.account_id, day))
        if row is None:  # the day was emptied
            continue
        assert (row["client_id"], row["client_name"]) == (facts.client_id, facts.client_name)
        assert (row["reporting_currency"], row["exchange_rate"]) == (facts.reporting_currency, facts.exchange_rate)
        assert row["facts_digest"] == facts.digest
        # to a millionth of a cent of the exact product
        assert abs(row["spend"] * Decimal(repr(facts.exchange_rate)) - row["spend_reporting"]) < Decimal("1e-8")

    incremental = contents(warehouse)
    (tmp_path / "full").mkdir()
    warehouse.query("checkpoint")
    shutil.copyfile(warehouse.path, tmp_path / "full" / WAREHOUSE_FILE)
    point_dbt_at(tmp_path / "full" / WAREHOUSE_FILE, monkeypatch)
    full = Warehouse(tmp_path / "full" / WAREHOUSE_FILE)
    for schema in ("mdp_staging", "mdp_marts"):
        full.query(f"drop schema {schema} cascade")
    assert not went_wrong(dbt.build((str(DAYS.start), str(DAYS.end))))
    assert contents(full) == incremental


def test_sums_in_euros_of_spend_in_rupiah_are_right_to_the_cent(dbt: Dbt, warehouse: Warehouse) -> None:
    """One EUR is 20,275.34 IDR: the rate has seven digits after four zeros. Tables with nine decimals become wider."""
    account = {"source": "google_ads", "account_id": "12", "currency": "IDR", "client_id": "one", "client_name": "One",
               "reporting_currency": "EUR", "exchange_rate": 0.00004932099, "facts_digest": "a",
               "extract_run_id": "r", "ingested_at": "2026-01-01 00:00:00"}  # fmt: skip
    warehouse.insert("raw__accounts", [account])
    micros = [20_275_340_000 * 1000 + 7_000_001 * n for n in range(200)]
    with warehouse.at_once():
        for day in ("2026-01-02", "2026-01-03"):
            rows = [google(n, micros=spend, currency="IDR") for n, spend in enumerate(micros)]
            warehouse.extract("google_ads", "r", "2026-01-05 06:00:00", "12", day, rows)
    assert not went_wrong(dbt("run", "--select", "+mart_client__daily", window=("2026-01-02", "2026-01-03")))
    # as in a table of an earlier version
    for model in ("mdp_staging.int_campaign__daily_unified", MART):
        warehouse.query(f"alter table {model} alter column exchange_rate type decimal(38, 9)")
    assert not went_wrong(dbt("run", "--select", "+mart_client__daily", window=("2026-01-03", "2026-01-04")))
    exact = sum(Decimal(spend) / 1_000_000 * Decimal("0.00004932099") for spend in micros)
    found = warehouse.query("select date, spend from mdp_marts.mart_client__daily order by date")
    assert [round(row["spend"], 2) for row in found] == [round(exact, 2)] * 2
    rates = warehouse.query(f"select distinct date, exchange_rate from {MART} order by date")
    assert rates[1]["exchange_rate"] == 0.00004932099 != rates[0]["exchange_rate"]


def test_the_completeness_of_later_days_follows_a_changed_lookback(dbt: Dbt, warehouse: Warehouse) -> None:
    """The first three days are no longer final, so the curves of the days after them have three days less."""

    def clients(first: int) -> Clients:
        lookback = [{"value": first}, {"value": 5, "from": "2026-01-04"}]
        one = {"id": "one", "name": "One", "reporting_currency": "USD", "accounts": {"google_ads": ["11"]}}
        return Clients.model_validate({"clients": [{**one, "lookback_days": {"google_ads": lookback}}]})

    def build(window: DateWindow) -> dict[str, list[Row]]:
        result = dbt("run", "--select", "+mart_campaign__daily", window=(str(window.start), str(window.end)))
        assert not went_wrong(result)
        names = (MART, "mdp_marts.mart_account__maturity", "mdp_marts.mart_platform__maturity")
        return {name: table(warehouse, name) for name in names}

    engine = DuckDBWarehouse(warehouse.path, 60)
    register_accounts(engine, clients(5), ACCOUNTS[:1], "r0", NOW)
    with warehouse.at_once():
        for day in DAYS.days():
            for age in (1, 8):
                at = f"{day + timedelta(days=age)} 12:00:00"
                for report, campaign in (("campaign_daily", 1), ("account_daily", None)):
                    rows = [google(campaign, conversions=float(age))]
                    warehouse.extract("google_ads", f"{day} {age}", at, "11", str(day), rows, report=report)
    before = build(DAYS)
    follow_clients_file(engine, clients(90), "f", NOW + timedelta(hours=1))
    [differing] = days_with_other_facts(engine, "google_ads", SHOWN_BY, DAYS)
    assert str(differing.window) == "2026-01-01...2026-01-03"
    after = build(differing.to_build(SHOWN_BY.measured_days, DAYS))
    assert after == build(DAYS)

    def observed(tables: dict[str, list[Row]]) -> set[int]:
        rows = tables["mdp_marts.mart_platform__maturity"]
        return {row["days_observed"] for row in rows if row["age_days"] == 1 and row["date"] == DAYS.last}

    assert (observed(before), observed(after)) == ({9}, {6})
