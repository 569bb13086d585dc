"""The client of each account, and when it changed: raw__accounts, in which an account's newest row counts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mdp_dagster.clients.model import Clients
from mdp_dagster.connectors.base import PlatformAccount
from mdp_dagster.ingest.account_registry import (
    disputed_accounts,
    follow_clients_file,
    register_accounts,
    registry_rows,
)
from mdp_dagster.ingest.tables import ACCOUNTS
from mdp_dagster.warehouse.base import Append, Unit, Warehouse
from mdp_dagster.warehouse.duckdb import DuckDBWarehouse
from tests.support.limits import HANG_SECONDS

NOW = datetime(2026, 6, 1, 5, tzinfo=timezone.utc)
RATES = {"EUR": {"USD": 0.9, "GBP": 1.17}, "USD": {"EUR": 1.1}}

Row = dict[str, Any]


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    made = DuckDBWarehouse(tmp_path / "warehouse.duckdb", lock_timeout_seconds=HANG_SECONDS)
    made.prepare([ACCOUNTS])
    return made


def clients_file(
    accounts: dict[str, list[Any]], rates: dict[str, dict[str, float]] = RATES, currency: str = "EUR"
) -> Clients:
    """Google accounts by client; the client ``acme`` reports in ``currency``, others in USD."""
    return Clients.model_validate(
        {
            "clients": [
                {
                    "id": client,
                    "name": client.title(),
                    "reporting_currency": currency if client == "acme" else "USD",
                    "accounts": {"google_ads": listed},
                }
                for client, listed in accounts.items()
            ],
            "exchange_rates": rates,
        }
    )


def account(account_id: str, listed_as: str = "", **said: Any) -> PlatformAccount:
    said = {"name": f"Account {account_id}", "currency": "EUR", "time_zone": "Europe/Berlin", **said}
    return PlatformAccount("google_ads", account_id, listed_as or account_id, **said)


def rows(warehouse: Warehouse) -> list[Row]:
    return warehouse.query(f"select * from {ACCOUNTS.id} order by account_id, ingested_at").to_pylist()


def current(warehouse: Warehouse) -> dict[str, Row]:
    """The newest row of each account, as dbt's `accounts_by_day` macro reads it without validity dates."""
    found = warehouse.query(
        f"""
        select * from {ACCOUNTS.id}
        qualify row_number() over (partition by source, account_id order by ingested_at desc, extract_run_id desc) = 1
        """
    ).to_pylist()
    return {row["account_id"]: row for row in found}


def register(warehouse: Warehouse, clients: Clients, accounts: Sequence[PlatformAccount], hours: float = 0) -> None:
    register_accounts(warehouse, clients, accounts, f"run{hours}", NOW + timedelta(hours=hours))


def follow(warehouse: Warehouse, clients: Clients, hours: float) -> None:
    follow_clients_file(warehouse, clients, f"run{hours}", NOW + timedelta(hours=hours))


def test_a_new_account_gets_a_row_with_all_that_is_known(warehouse: Warehouse) -> None:
    listed = [{"id": "1", "conversion_action_type": "lead"}]
    register(warehouse, clients_file({"acme": listed}), [account("1", currency="GBP")])
    assert rows(warehouse) == [
        {
            "source": "google_ads",
            "account_id": "1",
            "account_name": "Account 1",
            "currency": "GBP",
            "time_zone": "Europe/Berlin",
            "listed_as": "1",
            "manager_id": "",
            "client_id": "acme",
            "client_name": "Acme",
            "reporting_currency": "EUR",
            "exchange_rate": 1.17,
            "conversion_action_type": "lead",
            "lookback_days": None,
            "valid_from": None,
            "facts_digest": rows(warehouse)[0]["facts_digest"],
            "extract_run_id": "run0",
            "ingested_at": NOW.replace(tzinfo=None),
        }
    ]


def test_nothing_is_appended_if_nothing_changed(warehouse: Warehouse) -> None:
    clients = clients_file({"acme": ["1", "2"]})
    accounts = [account("1"), account("2", currency="SEK"), account("3", listed_as="1")]
    for hours in range(3):
        register(warehouse, clients, accounts, hours)
        follow(warehouse, clients, hours + 0.5)
    assert len(rows(warehouse)) == 3
    register(warehouse, clients, [], 9)
    assert len(rows(warehouse)) == 3


def test_only_what_changed_is_appended(warehouse: Warehouse) -> None:
    clients = clients_file({"acme": ["1", "2"]})
    register(warehouse, clients, [account("1"), account("2")])
    register(warehouse, clients, [account("1"), account("2", name="A new name")], 1)
    assert [(row["account_id"], row["account_name"]) for row in rows(warehouse)] == [
        ("1", "Account 1"),
        ("2", "Account 2"),
        ("2", "A new name"),
    ]


@pytest.mark.parametrize(
    ("said", "column"),
    [
        ({"name": "Other"}, "account_name"),
        ({"currency": "USD"}, "currency"),
        ({"time_zone": "UTC"}, "time_zone"),
        ({"manager_id": "9"}, "manager_id"),
    ],
)
def test_a_new_description_from_the_source_counts(warehouse: Warehouse, said: Row, column: str) -> None:
    clients = clients_file({"acme": ["1"]})
    register(warehouse, clients, [account("1")])
    register(warehouse, clients, [account("1", **said)], 1)
    assert current(warehouse)["1"][column] == next(iter(said.values()))


def test_an_account_that_moves_belongs_to_its_new_client(warehouse: Warehouse) -> None:
    """With that client's currency, without a request to the platform; and the past stays on record."""
    register(warehouse, clients_file({"acme": ["1"], "zenith": ["2"]}), [account("1"), account("2", currency="USD")])
    follow(warehouse, clients_file({"acme": [], "zenith": ["2", "1"]}), 1)
    now = current(warehouse)["1"]
    assert (now["client_id"], now["client_name"], now["reporting_currency"]) == ("zenith", "Zenith", "USD")
    assert now["exchange_rate"] == 1.1
    assert [row["client_id"] for row in rows(warehouse) if row["account_id"] == "1"] == ["acme", "zenith"]
    assert len([row for row in rows(warehouse) if row["account_id"] == "2"]) == 1


def test_an_account_that_moves_back_belongs_to_its_old_client_again(warehouse: Warehouse) -> None:
    here, there = clients_file({"acme": ["1"], "zenith": []}), clients_file({"acme": [], "zenith": ["1"]})
    register(warehouse, here, [account("1")])
    follow(warehouse, there, 1)
    follow(warehouse, here, 2)
    assert current(warehouse)["1"]["client_id"] == "acme" and len(rows(warehouse)) == 3


def test_an_account_that_leaves_the_file_keeps_its_last_row(warehouse: Warehouse) -> None:
    """Its history goes on belonging to somebody."""
    register(warehouse, clients_file({"acme": ["1", "2"]}), [account("1"), account("2")])
    before = rows(warehouse)
    follow(warehouse, clients_file({"acme": ["2"]}), 1)
    register(warehouse, clients_file({"acme": ["2"]}), [account("2")], 2)
    assert rows(warehouse) == before
    follow(warehouse, clients_file({"zenith": ["1"]}), 3)
    assert current(warehouse)["1"]["client_id"] == "zenith", "and it may come back"


def test_a_new_exchange_rate_counts_and_a_missing_one_is_unknown(warehouse: Warehouse) -> None:
    listed: dict[str, list[Any]] = {"acme": ["1"]}
    register(warehouse, clients_file(listed), [account("1", currency="USD")])
    follow(warehouse, clients_file(listed, {"EUR": {"USD": 0.95}}), 1)
    follow(warehouse, clients_file(listed, {}), 2)
    follow(warehouse, clients_file(listed, {}, currency="USD"), 3)
    assert [row["exchange_rate"] for row in rows(warehouse)] == [0.9, 0.95, None, 1.0]


def test_another_conversion_action_counts_and_none_is_said_by_leaving_it_out(warehouse: Warehouse) -> None:
    with_type, without = [{"id": "1", "conversion_action_type": "lead"}], ["1"]
    register(warehouse, clients_file({"acme": without}), [account("1")])
    follow(warehouse, clients_file({"acme": with_type}), 1)
    follow(warehouse, clients_file({"acme": without}), 2)
    assert [row["conversion_action_type"] for row in rows(warehouse)] == [None, "lead", None]


def test_a_managers_children_follow_the_manager(warehouse: Warehouse) -> None:
    """The file lists the manager only; a move of it moves them all."""
    children = [account(child, listed_as="900", manager_id="900") for child in ("1", "2")]
    register(warehouse, clients_file({"acme": ["900"], "zenith": []}), children)
    assert {row["client_id"] for row in rows(warehouse)} == {"acme"}
    follow(warehouse, clients_file({"acme": [], "zenith": ["900"]}), 1)
    assert {id_: row["client_id"] for id_, row in current(warehouse).items()} == {"1": "zenith", "2": "zenith"}


def test_a_child_that_is_listed_itself_leaves_its_managers_client(warehouse: Warehouse) -> None:
    """After the next lookup, the registry has the place where the connector found the account."""
    register(warehouse, clients_file({"acme": ["900"]}), [account("1", listed_as="900")])
    clients = clients_file({"acme": ["900"], "zenith": ["1"]})
    register(warehouse, clients, [account("1", listed_as="1")], 1)
    assert (current(warehouse)["1"]["client_id"], current(warehouse)["1"]["listed_as"]) == ("zenith", "1")


def test_accounts_of_two_platforms_with_the_same_id_are_two(warehouse: Warehouse) -> None:
    clients = Clients.model_validate(
        {
            "clients": [
                {"id": "a", "name": "A", "currency": "EUR", "accounts": {"google_ads": ["1"]}},
                {"id": "b", "name": "B", "currency": "EUR", "accounts": {"meta_ads": ["1"]}},
            ]
        }
    )
    register(warehouse, clients, [account("1")])
    register(warehouse, clients, [PlatformAccount("meta_ads", "1", "1", currency="EUR")], 1)
    follow(warehouse, clients, 2)
    assert {(row["source"], row["client_id"]) for row in rows(warehouse)} == {("google_ads", "a"), ("meta_ads", "b")}
    assert len(rows(warehouse)) == 2


def test_the_registry_row_of_each_account_goes_with_its_extract() -> None:
    clients = clients_file({"acme": ["900"], "zenith": ["3"]})
    found = registry_rows(clients, [account("1", listed_as="900"), account("3")])
    assert {id_: [row["client_id"] for row in rows] for id_, rows in found.items()} == {"1": ["acme"], "3": ["zenith"]}
    assert registry_rows(clients, []) == {}


def test_a_change_counts_even_if_the_clock_was_set_back(warehouse: Warehouse) -> None:
    register(warehouse, clients_file({"acme": ["1"], "zenith": []}), [account("1")])
    moved = clients_file({"acme": [], "zenith": ["1"]})
    for _ in range(3):
        follow(warehouse, moved, -48)
    assert current(warehouse)["1"]["client_id"] == "zenith"
    assert len(rows(warehouse)) == 2, "and it is appended once, not with every run until the clock has caught up"


def test_two_registrations_at_once_are_harmless(warehouse: Warehouse) -> None:
    """Both read, then both append: the same row is there twice, and a third one does not follow."""
    clients = clients_file({"acme": ["1"]})
    [row] = registry_rows(clients, [account("1")])["1"]
    twice = [{**row, "extract_run_id": run, "ingested_at": NOW} for run in ("a", "b")]
    warehouse.commit(Unit([Append(ACCOUNTS, pa.Table.from_pylist([one], ACCOUNTS.schema))]) for one in twice)
    assert list(current(warehouse)) == ["1"]
    register(warehouse, clients, [account("1")], 1)
    assert len(rows(warehouse)) == 2
    follow(warehouse, clients_file({"acme": ["1"]}, currency="USD"), 2)
    assert current(warehouse)["1"]["reporting_currency"] == "USD" and len(rows(warehouse)) == 3


def test_two_different_registrations_in_the_same_instant_end_with_the_clients_file(warehouse: Warehouse) -> None:
    """The registry and dbt must agree which of the two counts."""
    acme, zenith = clients_file({"acme": ["1"], "zenith": []}), clients_file({"acme": [], "zenith": ["1"]})
    for run, clients in [("a", acme), ("b", zenith)]:
        [row] = registry_rows(clients, [account("1")])["1"]
        stamped = {**row, "extract_run_id": run, "ingested_at": NOW}
        warehouse.commit([Unit([Append(ACCOUNTS, pa.Table.from_pylist([stamped], ACCOUNTS.schema))])])
    follow(warehouse, acme, 1)
    assert current(warehouse)["1"]["client_id"] == "acme"


files = st.fixed_dictionaries(
    {
        "acme": st.sets(st.sampled_from("12"), max_size=2),
        "currency": st.sampled_from(["EUR", "USD"]),
        "rate": st.sampled_from([0.9, 0.95, None]),
        "clock": st.integers(-3, 3),
        "asks": st.booleans(),
    }
)


@pytest.mark.slow
def test_after_any_history_the_newest_row_equals_the_clients_file(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Accounts that move, currencies and rates that change, clocks that jump; asked at the platform or not."""

    @settings(max_examples=6, deadline=None)
    @given(st.lists(files, min_size=1, max_size=4))
    def check(history: list[Row]) -> None:
        warehouse = DuckDBWarehouse(tmp_path_factory.mktemp("registry") / "warehouse.duckdb", 30)
        warehouse.prepare([ACCOUNTS])
        accounts = [account("1", currency="GBP"), account("2", currency="GBP")]
        register(warehouse, clients_file({"acme": ["1", "2"]}), accounts)
        for step in history:
            listed = {"acme": sorted(step["acme"]), "zenith": sorted({"1", "2"} - step["acme"])}
            rates = {"EUR": {"GBP": step["rate"]}} if step["rate"] else {}
            clients = clients_file(listed, rates, step["currency"])
            before = len(rows(warehouse))
            if step["asks"]:
                register(warehouse, clients, accounts, step["clock"])
            else:
                follow(warehouse, clients, step["clock"])
            wanted = registry_rows(clients, accounts)
            found = current(warehouse)
            newest = {id_: [{name: found[id_][name] for name in rows[0]}] for id_, rows in wanted.items()}
            assert newest == wanted
            assert len(rows(warehouse)) - before <= 2
            follow(warehouse, clients, step["clock"])
            assert len(rows(warehouse)) - before <= 2, "once appended is enough"

    check()


def test_an_account_of_two_managers_counts_for_the_first_client_and_both_are_named(warehouse: Warehouse) -> None:
    clients = clients_file({"acme": ["900"], "zenith": ["800", "7"], "acme2": []})
    found = [
        account("1", listed_as="900", manager_id="900", also_listed_as=("800",)),
        account("2", listed_as="900", manager_id="900"),
        account("7", also_listed_as=("900",)),  # listed itself: nobody has to decide
    ]
    assert list(disputed_accounts(clients, found)) == [
        "account 1 Account 1 is under the manager 900 of acme and also under 800 of zenith: it counts for acme, which "
        "the clients file lists first → list the account itself for its client"
    ]
    assert registry_rows(clients, found)["1"][0]["client_id"] == "acme"
    same = clients_file({"acme": ["900", "800"]})
    assert list(disputed_accounts(same, found[:2])) == [], "both managers belong to one client"


def test_an_account_that_moves_on_a_day_has_a_row_for_each_range_of_days(warehouse: Warehouse) -> None:
    """They are written together, and the next change writes all of them again."""
    moves: dict[str, list[Any]] = {"acme": ["1"], "zenith": [{"id": "1", "from": "2026-03-01"}]}
    register(warehouse, clients_file(moves), [account("1")])
    register(warehouse, clients_file(moves), [account("1")], 1)
    found = [(row["client_id"], str(row["valid_from"])) for row in rows(warehouse)]
    assert found == [("acme", "None"), ("zenith", "2026-03-01")]
    assert len({row["ingested_at"] for row in rows(warehouse)}) == 1
    moves["zenith"][0]["from"] = "2026-04-01"
    follow(warehouse, clients_file(moves), 2)
    newest = [row for row in rows(warehouse) if row["extract_run_id"] == "run2"]
    assert sorted((row["client_id"], str(row["valid_from"])) for row in newest) == [
        ("acme", "None"),
        ("zenith", "2026-04-01"),
    ]
    assert {row["facts_digest"] for row in rows(warehouse)} == {row["facts_digest"] for row in newest}
