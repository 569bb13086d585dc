"""A larger world for measurements: numbered accounts and campaigns in addition to the named ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sandbox.model import Account, Slot
from sandbox.platforms import platforms


def enlarge(
    named: Sequence[Account], *, accounts: int | None = None, campaigns_per_account: int | None = None
) -> tuple[Account, ...]:
    """At least `accounts` serving accounts per platform, each with at least `campaigns_per_account` slots."""
    grown = list(named)
    for platform in platforms().values():
        serving = sum(account.platform == platform.name and account.serves_ads for account in named)
        for number in range(serving, accounts or 0):
            id_, slots = platform.numbered_account(number), _slots(platform.name, 4, first=0)
            grown.append(Account(platform.name, id_, f"Bench {number:04}", "EUR", "Europe/Berlin", "bench", slots))
    if campaigns_per_account is None:
        return tuple(grown)
    return tuple(
        replace(a, slots=a.slots + _slots(a.platform, campaigns_per_account, first=len(a.slots))) if a.serves_ads else a
        for a in grown
    )


def _slots(platform: str, count: int, *, first: int) -> tuple[Slot, ...]:
    kinds = platforms()[platform].numbered_kinds
    return tuple(Slot(f"Bench campaign {n:05}", kinds[n % len(kinds)]) for n in range(first, count))
