"""Whose account it is: the clients file joined with what the platforms say of each account, kept in raw__accounts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pyarrow as pa

from mdp_dagster.clients.model import AccountRef, Client, Clients
from mdp_dagster.connectors.base import AccountOptions, PlatformAccount
from mdp_dagster.ingest.tables import ACCOUNTS
from mdp_dagster.warehouse.base import Append, Unit, Warehouse

Row = dict[str, Any]
_PROVENANCE = ("extract_run_id", "ingested_at")


def register_accounts(
    warehouse: Warehouse, clients: Clients, accounts: Sequence[PlatformAccount], run_id: str, now: datetime
) -> None:
    """Append what is new about accounts that were just listed on their platform."""
    _append_changes(warehouse, _newest(warehouse), registry_rows(clients, accounts).values(), run_id, now)


def keep_owners(
    warehouse: Warehouse, clients: Clients, accounts: Sequence[PlatformAccount], failed: set[str]
) -> list[PlatformAccount]:
    """The accounts, each under the listing it is known by while that one can't be looked up (``failed``).

    Two listed managers can lead to one account: the passing failure of the first must not move the account, and its
    money, to the other one's client.
    """
    known = _newest(warehouse) if failed else {}
    listed = _listed(clients)
    kept = []
    for account in accounts:
        before: str = known.get((account.source, account.account_id), {}).get("listed_as", "")
        holds = before in failed and (account.source, before) in listed
        kept.append(replace(account, listed_as=before) if holds else account)
    return kept


def registry_rows(clients: Clients, accounts: Sequence[PlatformAccount]) -> dict[str, Row]:
    """The registry row of each account (of one platform), by its id, without provenance."""
    listed = _listed(clients)
    return {
        account.account_id: _describe(clients, account, *listed[account.source, account.listed_as])
        for account in accounts
    }


def account_options(clients: Clients, accounts: Iterable[PlatformAccount]) -> dict[str, AccountOptions]:
    """Returns what the clients file sets for each account (of one source), by account id."""
    listed = _listed(clients)
    return {account.account_id: listed[account.source, account.listed_as][1].options for account in accounts}


def known_accounts(warehouse: Warehouse, clients: Clients, source: str) -> dict[str, PlatformAccount]:
    """The accounts of a platform that were registered before and that the clients file still leads to, by id, as the
    platform described them last. No request to it."""
    return _still_listed(_newest(warehouse), clients, source)


def follow_clients_file(
    warehouse: Warehouse, clients: Clients, run_id: str, now: datetime
) -> dict[str, dict[str, PlatformAccount]]:
    """Append what the clients file says anew of accounts that are known already: an account that moved to another
    client, a new reporting currency. No request to a platform. An account that left the file keeps its last row.

    Gives the known accounts of each platform, as ``known_accounts`` does.
    """
    newest = _newest(warehouse)
    known = {source: _still_listed(newest, clients, source) for source in {source for source, _ in newest}}
    rows = [row for accounts in known.values() for row in registry_rows(clients, [*accounts.values()]).values()]
    _append_changes(warehouse, newest, rows, run_id, now)
    return known


def _still_listed(newest: Mapping[tuple[str, str], Row], clients: Clients, source: str) -> dict[str, PlatformAccount]:
    listed = _listed(clients)
    return {
        account_id: _account(row)
        for (platform, account_id), row in newest.items()
        if platform == source and (source, row["listed_as"]) in listed
    }


def _listed(clients: Clients) -> dict[tuple[str, str], tuple[Client, AccountRef]]:
    """What the clients file lists, by platform and account id."""
    return {
        (source, ref.id): (client, ref)
        for client in clients.clients
        for source, refs in client.accounts.items()
        for ref in refs
    }


def _describe(clients: Clients, account: PlatformAccount, client: Client, ref: AccountRef) -> Row:
    return {
        "source": account.source,
        "account_id": account.account_id,
        "account_name": account.name,
        "currency": account.currency,
        "time_zone": account.time_zone,
        "listed_as": account.listed_as,
        "manager_id": account.manager_id,
        "client_id": client.id,
        "client_name": client.name,
        "reporting_currency": client.reporting_currency,
        "exchange_rate": clients.exchange_rate(client.reporting_currency, account.currency),
        "conversion_action_type": ref.conversion_action_type,
        "lookback_days": client.lookback_days.get(account.source),
    }


def _account(row: Row) -> PlatformAccount:
    return PlatformAccount(
        source=row["source"],
        account_id=row["account_id"],
        listed_as=row["listed_as"],
        name=row["account_name"],
        currency=row["currency"],
        time_zone=row["time_zone"],
        manager_id=row["manager_id"],
    )


def _newest(warehouse: Warehouse) -> dict[tuple[str, str], Row]:
    rows = warehouse.query(
        f"""
        select * from {ACCOUNTS.id}
        qualify row_number() over (
            partition by source, account_id order by ingested_at desc, extract_run_id desc
        ) = 1
        """
    )
    return {(row["source"], row["account_id"]): row for row in rows.to_pylist()}


def _append_changes(
    warehouse: Warehouse, known: dict[tuple[str, str], Row], rows: Iterable[Row], run_id: str, now: datetime
) -> None:
    new = []
    for row in rows:
        before = known.get((row["source"], row["account_id"]), {})
        if row != {name: value for name, value in before.items() if name not in _PROVENANCE}:
            new.append({**row, "extract_run_id": run_id, "ingested_at": _after(before, now)})
    if new:
        warehouse.commit([Unit([Append(ACCOUNTS, pa.Table.from_pylist(new, ACCOUNTS.schema))])])


def _after(before: Row, now: datetime) -> datetime:
    """Now, but later than the row that it replaces: the newest counts, even if the clock was set back."""
    if not before:
        return now
    known_since: datetime = before["ingested_at"].replace(tzinfo=timezone.utc)
    return max(now, known_since + timedelta(microseconds=1))
