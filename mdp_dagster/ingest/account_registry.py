"""The registry of accounts in raw__accounts: the clients file joined with each source's description of the accounts.

An account has one row for each version of its facts. The rows that were written together replace all earlier ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta, timezone
from typing import Any

import pyarrow as pa

from mdp_dagster.clients.facts import AccountFacts, ListedAccounts, listed_accounts
from mdp_dagster.clients.model import Clients
from mdp_dagster.clients.versions import first_day
from mdp_dagster.connectors.base import AccountOptions, PlatformAccount
from mdp_dagster.ingest.tables import ACCOUNTS
from mdp_dagster.warehouse.base import Append, Unit, Warehouse

Row = dict[str, Any]
Rows = list[Row]
"""An account's rows: one for each version of its facts, in the order of their days."""
OptionsOnDay = Callable[[date], AccountOptions]
"""Returns the options of an account that are valid on a day."""
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
    listed = listed_accounts(clients)
    kept = []
    for account in accounts:
        rows = known.get((account.source, account.account_id))
        before: str = rows[0]["listed_as"] if rows else ""
        keeps_listing = before in failed and _is_listed(listed, account.source, before)
        kept.append(replace(account, listed_as=before) if keeps_listing else account)
    return kept


def disputed_accounts(clients: Clients, accounts: Iterable[PlatformAccount]) -> Iterator[str]:
    """Describes each account that managers of several clients lead to, and that is not listed itself."""
    listed = listed_accounts(clients)
    for account in accounts:
        if account.listed_as == account.account_id:
            continue
        entries = listed[account.source]
        others = [
            f"{manager} of {' and '.join(entries.clients_of(manager))}"
            for manager in account.also_listed_as
            if entries.clients_of(manager) != entries.clients_of(account.listed_as)
        ]
        if others:
            owner = " and ".join(entries.clients_of(account.listed_as))
            yield (
                f"account {account.account_id} {account.name} is under the manager {account.listed_as} of {owner} and "
                f"also under {', '.join(others)}: it counts for {owner}, which the clients file lists first → list "
                "the account itself for its client"
            )


def registry_rows(clients: Clients, accounts: Sequence[PlatformAccount]) -> dict[str, Rows]:
    """Returns the registry rows of each account (of one source), by account id, without provenance."""
    listed = listed_accounts(clients)
    return {
        account.account_id: [
            _describe(account, facts) for facts in listed[account.source].facts(account.listed_as, account.currency)
        ]
        for account in accounts
    }


def account_options(clients: Clients, accounts: Iterable[PlatformAccount]) -> dict[str, OptionsOnDay]:
    """Returns what the clients file sets for each account (of one source) on a day, by account id."""
    listed = listed_accounts(clients)
    return {account.account_id: _options_on_day(listed[account.source], account) for account in accounts}


def _options_on_day(listed: ListedAccounts, account: PlatformAccount) -> OptionsOnDay:
    return lambda day: listed.options_on(account.listed_as, day)


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
    rows = [rows for accounts in known.values() for rows in registry_rows(clients, [*accounts.values()]).values()]
    _append_changes(warehouse, newest, rows, run_id, now)
    return known


def _still_listed(newest: Mapping[tuple[str, str], Rows], clients: Clients, source: str) -> dict[str, PlatformAccount]:
    listed = listed_accounts(clients)
    return {
        account_id: _account(rows[0])
        for (its_source, account_id), rows in newest.items()
        if its_source == source and _is_listed(listed, source, rows[0]["listed_as"])
    }


def _is_listed(listed: Mapping[str, ListedAccounts], source: str, listed_id: str) -> bool:
    return source in listed and listed_id in listed[source]


def _describe(account: PlatformAccount, facts: AccountFacts) -> Row:
    return {
        "source": account.source,
        "account_id": account.account_id,
        "account_name": account.name,
        "currency": account.currency,
        "time_zone": account.time_zone,
        "listed_as": account.listed_as,
        "manager_id": account.manager_id,
        "client_id": facts.client_id,
        "client_name": facts.client_name,
        "reporting_currency": facts.reporting_currency,
        "exchange_rate": facts.exchange_rate,
        "conversion_action_type": facts.conversion_action_type,
        "lookback_days": facts.lookback_days,
        "valid_from": facts.valid_from,
        "facts_digest": facts.digest,
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


def _newest(warehouse: Warehouse) -> dict[tuple[str, str], Rows]:
    """Returns the rows of each account that were written last."""
    found = warehouse.query(
        f"""
        select * from {ACCOUNTS.id}
        qualify rank() over (
            partition by source, account_id order by ingested_at desc, extract_run_id desc
        ) = 1
        """
    ).to_pylist()
    newest: dict[tuple[str, str], dict[date, Row]] = {}
    for row in found:
        newest.setdefault((row["source"], row["account_id"]), {})[first_day(row["valid_from"])] = row
    return {account: [rows[day] for day in sorted(rows)] for account, rows in newest.items()}


def _append_changes(
    warehouse: Warehouse, known: Mapping[tuple[str, str], Rows], accounts: Iterable[Rows], run_id: str, now: datetime
) -> None:
    new = []
    for rows in accounts:
        before = known.get((rows[0]["source"], rows[0]["account_id"]), [])
        if rows != [{name: value for name, value in row.items() if name not in _PROVENANCE} for row in before]:
            stamp = {"extract_run_id": run_id, "ingested_at": _after(before, now)}
            new += [{**row, **stamp} for row in rows]
    if new:
        warehouse.commit([Unit([Append(ACCOUNTS, pa.Table.from_pylist(new, ACCOUNTS.schema))])])


def _after(before: Rows, now: datetime) -> datetime:
    """Returns now, but later than the rows that it replaces: the newest count, even if the clock was set back."""
    if not before:
        return now
    known_since: datetime = before[0]["ingested_at"].replace(tzinfo=timezone.utc)
    return max(now, known_since + timedelta(microseconds=1))
