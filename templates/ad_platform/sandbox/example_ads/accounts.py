"""The Example Ads accounts of the fictional agency's clients. `config/clients.yaml` lists exactly these accounts."""

from __future__ import annotations

from sandbox.model import Account, Slot

ACCOUNTS: tuple[Account, ...] = (
    Account(
        "example_ads",
        "501400000101",
        "Nordlicht Example DE",
        "EUR",
        "Europe/Berlin",
        "nordlicht",
        (
            Slot("Prospecting", "SALES", size=1.4),
            Slot("Retargeting", "SALES", size=0.7),
            Slot("Blog", "TRAFFIC", "flight"),
            Slot("Drop", "SALES", "promo", 1.2),
        ),
    ),
    Account(
        "example_ads",
        "501400000102",
        "Nordlicht Example Alps",
        "EUR",
        "Europe/Zurich",
        "nordlicht",
        (
            Slot("Prospecting", "SALES"),
            Slot("Retargeting", "SALES", size=0.6),
            Slot("Reach", "TRAFFIC", size=0.8),
            Slot("Season", "SALES", "flight"),
            Slot("Launch", "SALES", "promo"),
        ),
    ),
)
