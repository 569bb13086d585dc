"""Looks up the listed accounts in parallel. A failure concerns only its own account."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from mdp_dagster.connectors.base import AccountFailure, PlatformAccount
from mdp_dagster.connectors.errors import ConnectorError, PlatformError

LookUp = Callable[[str], list[PlatformAccount]]


def look_up_accounts(
    source: str, listed: Sequence[str], look_up: LookUp, workers: int
) -> tuple[list[PlatformAccount], list[AccountFailure]]:
    """The accounts behind the listed ids, in their order, each once, and the failures.

    A direct listing wins over a manager's, and an earlier manager over a later one; ``also_listed_as`` has the ids that
    did not win. An id that fails but is also reached through a listed manager does not count
    as a failure: its requests go through the manager.

    Raises:
        PlatformError: A look-up raised it, and no other one succeeded.
    """
    ids = list(dict.fromkeys(listed))
    if not ids:
        return [], []
    with ThreadPoolExecutor(max_workers=min(workers, len(ids)), thread_name_prefix=f"{source}-accounts") as pool:
        outcomes = dict(zip(ids, pool.map(lambda listed_id: _outcome(look_up, listed_id), ids), strict=True))

    found: dict[str, PlatformAccount] = {}
    leading: dict[str, list[str]] = {}
    failures: dict[str, ConnectorError] = {}
    for listed_id, outcome in outcomes.items():
        if isinstance(outcome, ConnectorError):
            failures[listed_id] = outcome
            continue
        for account in outcome:
            leading.setdefault(account.account_id, []).append(listed_id)
            if account.account_id not in found or account.account_id == account.listed_as:
                found[account.account_id] = account
    if not found:
        for error in failures.values():
            if isinstance(error, PlatformError):
                raise error
    left = []
    for listed_id, error in failures.items():
        if listed_id in found:
            found[listed_id] = replace(found[listed_id], listed_as=listed_id)
        else:
            left.append(AccountFailure(source, listed_id, error))
    return [_with_other_ids(account, leading[account.account_id]) for account in found.values()], left


def _with_other_ids(account: PlatformAccount, leading: Sequence[str]) -> PlatformAccount:
    others = tuple(listed_id for listed_id in leading if listed_id != account.listed_as)
    return replace(account, also_listed_as=others) if others else account


def _outcome(look_up: LookUp, listed_id: str) -> list[PlatformAccount] | ConnectorError:
    try:
        return look_up(listed_id)
    except ConnectorError as error:
        return error
