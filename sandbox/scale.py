"""A larger world for measurements: more accounts and more campaigns, made up by counting."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sandbox.model import PLATFORMS, Account, Slot

_KINDS = {
    "google_ads": ("SEARCH", "PERFORMANCE_MAX", "SHOPPING", "DISPLAY"),
    "meta_ads": ("OUTCOME_SALES", "OUTCOME_TRAFFIC"),
}


def enlarge(
    cast: Sequence[Account], *, accounts: int | None = None, campaigns_per_account: int | None = None
) -> tuple[Account, ...]:
    """At least `accounts` serving accounts per platform, each with at least `campaigns_per_account` slots."""
    grown = list(cast)
    for platform in PLATFORMS:
        serving = sum(account.platform == platform and account.serves_ads for account in cast)
        for number in range(serving, accounts or 0):
            id_ = f"{9_000_000_000 + number}" if platform == "google_ads" else f"{900_000_000_000_000 + number}"
            slots = _slots(platform, 4, first=0)
            grown.append(Account(platform, id_, f"Bench {number:04}", "EUR", "Europe/Berlin", "bench", slots))
    if campaigns_per_account is None:
        return tuple(grown)
    return tuple(
        replace(a, slots=a.slots + _slots(a.platform, campaigns_per_account, first=len(a.slots))) if a.serves_ads else a
        for a in grown
    )


def _slots(platform: str, count: int, *, first: int) -> tuple[Slot, ...]:
    kinds = _KINDS[platform]
    return tuple(Slot(f"Bench campaign {n:05}", kinds[n % len(kinds)]) for n in range(first, count))
