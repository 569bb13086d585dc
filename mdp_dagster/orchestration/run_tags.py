"""MDP's run tags: the accounts of a run, and the reason for it."""

from __future__ import annotations

from collections.abc import Collection, Mapping

ACCOUNTS = "mdp/accounts"
REASON = "mdp/reason"
MOVED = "mdp/moved"
DAYS = "mdp/days"
PROBE_RUN = "mdp/probe_run"
BACKFILL = "mdp/backfill"
CONTINUES = "mdp/continues"
DUE_ACCOUNTS = "mdp/due_accounts"
"""A probe with this tag skips the accounts that are not due. A probe that a person launches does not have it."""


# PostgreSQL's index on tags refuses texts of more than 2,704 bytes.
_LONGEST_LIST = 2000


def account_list(accounts: Collection[str]) -> str:
    """Returns the tag that lists a run's accounts; only their number if the list is too long for a tag."""
    listed = ",".join(sorted(accounts))
    return listed if len(listed) <= _LONGEST_LIST else f"{len(accounts)} accounts"


def accounts_of(tags: Mapping[str, str]) -> set[str] | None:
    """Returns the accounts of a run; None for all accounts."""
    listed = tags.get(ACCOUNTS)
    return None if listed is None else set(filter(None, (part.strip() for part in listed.split(","))))
