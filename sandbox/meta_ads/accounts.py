"""The Meta ad accounts of the fictional agency's clients.

`config/clients.yaml` lists exactly these accounts. The seed of a world changes their numbers, never their names.
"""

from __future__ import annotations

from functools import partial

from sandbox.model import Account, Slot

_SALES = (
    Slot("Prospecting | Broad", "OUTCOME_SALES", size=1.6),
    Slot("Retargeting | 14 Tage 🥾", "OUTCOME_SALES", size=0.7),
    Slot("Advantage+ Shopping", "OUTCOME_SALES", size=1.8),
    Slot("Traffic | Blog", "OUTCOME_TRAFFIC", "flight", 0.8),
    Slot("Drop", "OUTCOME_SALES", "promo", 1.2),
)
_AWARENESS = (
    Slot("Catalog Sales", "OUTCOME_SALES"),
    Slot("Reach | Reels, Stories", "OUTCOME_AWARENESS", "flight", 1.4),
    Slot("Engagement | Community", "OUTCOME_ENGAGEMENT", size=0.6),
    Slot("Lookalike 1 % – Purchasers", "OUTCOME_SALES"),
    Slot("Launch", "OUTCOME_SALES", "promo"),
)
_LEADS = (
    Slot("Lead Form | Newsletter", "OUTCOME_LEADS"),
    Slot("Lead Form | Beratung", "OUTCOME_LEADS", size=0.8),
    Slot("Traffic | Landing Page", "OUTCOME_TRAFFIC", "flight"),
    Slot("Open Day", "OUTCOME_LEADS", "promo"),
)

_account = partial(Account, "meta_ads")

ACCOUNTS: tuple[Account, ...] = (
    _account("301400000000101", "Nordlicht Outdoor DE", "EUR", "Europe/Berlin", "nordlicht", _SALES),
    _account(
        "301400000000102",
        "Nordlicht Tourenclub",
        "EUR",
        "Europe/Berlin",
        "nordlicht",
        _LEADS,
        conversion="lead",
    ),
    _account("301400000000201", "Harborline US", "USD", "America/Los_Angeles", "harborline", _SALES),
    _account("301400000000202", "Harborline NZ", "USD", "Pacific/Auckland", "harborline", _AWARENESS),
    _account(
        "301400000000301",
        "Alpenzeit",
        "CHF",
        "Europe/Zurich",
        "alpenzeit",
        _AWARENESS,
        conversion="purchase",
    ),
    _account("301400000000401", "Svea Studio", "SEK", "Europe/Stockholm", "svea", _SALES),
    _account("301400000000402", "Svea Akademi", "SEK", "Europe/Stockholm", "svea", _AWARENESS),
)
