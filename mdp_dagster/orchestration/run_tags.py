"""MDP's own run tags: which accounts a run is about, and why it was asked for."""

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
    """The accounts that a run is about; None for all of them."""
    listed = tags.get(ACCOUNTS)
    return None if listed is None else set(filter(None, (part.strip() for part in listed.split(","))))
