"""The registry of accounts in raw__accounts: the clients file joined with each source's description of the accounts."""

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
    """Appends what is new about accounts that were just looked up at their source."""
    _append_changes(warehouse, _newest(warehouse), registry_rows(clients, accounts).values(), run_id, now)


def keep_owners(
    warehouse: Warehouse, clients: Clients, accounts: Sequence[PlatformAccount], failed: set[str]
) -> list[PlatformAccount]:
    """Returns the accounts, each with its known listing if that listing could not be looked up now (``failed``).

    Two listed managers can lead to the same account. A temporary failure of the first one must not move the account,
    and its money, to the client of the other one.
    """
    known = _newest(warehouse) if failed else {}
    listed = _listed(clients)
    kept = []
    for account in accounts:
        before: str = known.get((account.source, account.account_id), {}).get("listed_as", "")
        keeps_listing = before in failed and (account.source, before) in listed
        kept.append(replace(account, listed_as=before) if keeps_listing else account)
    return kept


def registry_rows(clients: Clients, accounts: Sequence[PlatformAccount]) -> dict[str, Row]:
    """Returns the registry row of each account (of one source), by account id, without provenance."""
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
    """Returns the registered accounts of a source that the clients file still lists, by account id.

    They are described as the source described them last. Sends no request.
    """
    return _still_listed(_newest(warehouse), clients, source)


def follow_clients_file(
    warehouse: Warehouse, clients: Clients, run_id: str, now: datetime
) -> dict[str, dict[str, PlatformAccount]]:
    """Appends changes in the clients file for known accounts, such as another client or a new reporting currency.

    Sends no request. An account that left the file keeps its last row.

    Returns:
        The known accounts of each source, as ``known_accounts`` does.
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
        for (its_source, account_id), row in newest.items()
        if its_source == source and (source, row["listed_as"]) in listed
    }


def _listed(clients: Clients) -> dict[tuple[str, str], tuple[Client, AccountRef]]:
    """Returns the clients file's entries, by source and account id."""
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
    """Returns now, but later than the row that it replaces: the newest row counts, even if the clock was set back."""
    if not before:
        return now
    known_since: datetime = before["ingested_at"].replace(tzinfo=timezone.utc)
    return max(now, known_since + timedelta(microseconds=1))
