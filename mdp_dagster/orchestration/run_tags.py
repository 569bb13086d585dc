"""MDP's run tags: the accounts of a run, and the reason for it."""

from __future__ import annotations

from collections.abc import Mapping

ACCOUNTS = "mdp/accounts"
REASON = "mdp/reason"
MOVED = "mdp/moved"
DAYS = "mdp/days"
PROBE_RUN = "mdp/probe_run"
BACKFILL = "mdp/backfill"
CONTINUES = "mdp/continues"


def accounts_of(tags: Mapping[str, str]) -> set[str] | None:
    """Returns the accounts of a run; None for all accounts."""
    listed = tags.get(ACCOUNTS)
    return None if listed is None else set(filter(None, (part.strip() for part in listed.split(","))))
