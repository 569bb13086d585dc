"""Finds faults in `accepted_differences` that show only next to the other entries and the listed accounts."""

from __future__ import annotations

import reprlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import pairwise

from mdp_dagster.clients.account_id_pattern import AccountIdPattern
from mdp_dagster.clients.model import AcceptedDifference, Clients

KEY = "accepted_differences"

Fault = tuple[Sequence[object], str]
"""The place of a fault in the file, and the fault with its remedy."""
_Entry = tuple[int, AcceptedDifference]


def accepted_faults(clients: Clients, sources: Mapping[str, AccountIdPattern]) -> Iterator[Fault]:
    """Yields unknown platforms and accounts, and entries with days that an earlier entry has.

    Args:
        clients: The clients.
        sources: The sources that the file may name, with the form of their account ids. An id of another form is left
            out, because it is already reported as a fault.
    """
    listed = {source: set(clients.listed(source)) for source in sources}
    by_account: dict[tuple[str, str], list[_Entry]] = {}
    for n, entry in enumerate(clients.accepted_differences):
        if entry.platform in listed:
            by_account.setdefault((entry.platform, entry.account), []).append((n, entry))
            yield from _account_faults(listed[entry.platform], sources[entry.platform], n, entry)
        else:
            known = ", ".join(sources)
            yield (KEY, n, "platform"), f"{reprlib.repr(entry.platform)} is not a known platform → use one of {known}"
    for entries in by_account.values():
        yield from _overlaps(entries)


def _account_faults(
    listed: Collection[str], form: AccountIdPattern, n: int, entry: AcceptedDifference
) -> Iterator[Fault]:
    of_platform = f"of {entry.platform} is not listed for a client"
    if entry.manager is not None:
        if entry.manager not in listed and form.matches(entry.manager):
            yield (KEY, n, "manager"), f"manager {entry.manager} {of_platform} → correct its id, or list it"
    elif entry.account not in listed and form.matches(entry.account):
        remedy = "correct its id, or add `manager:` with the listed account that leads to it"
        yield (KEY, n, "account"), f"account {entry.account} {of_platform} → {remedy}"


def _overlaps(entries: Sequence[_Entry]) -> Iterator[Fault]:
    in_order = sorted(entries, key=lambda each: (each[1].first_day, each[1].last_day, each[0]))
    for (_, earlier), (n, later) in pairwise(in_order):
        if later.first_day <= earlier.last_day:
            account = f"account {later.account} of {later.platform}"
            yield (KEY, n), f"{account}: {_days(later)} overlaps {_days(earlier)} → give each day one entry"


def _days(entry: AcceptedDifference) -> str:
    return f"{entry.first_day}...{entry.last_day}"
