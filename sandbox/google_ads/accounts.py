"""The Google Ads accounts of the fictional agency's clients.

`config/clients.yaml` lists exactly these accounts. The seed of a world changes their numbers, never their names.
"""

from __future__ import annotations

from functools import partial

from sandbox.model import Account, Slot

_HARBORLINE_MANAGER = "7001002000"
_HARBORLINE_OCEANIA = "7001002090"

_NORDLICHT_DE = (
    Slot("Brand | Suche", "SEARCH", size=1.2),
    Slot("Generic | Wanderschuhe & Söckchen", "SEARCH"),
    Slot("PMax | Outdoor Gesamt", "PERFORMANCE_MAX", size=1.6),
    Slot("Shopping | Bestseller", "SHOPPING"),
    Slot('Video | "Draußen, jetzt"', "VIDEO", "flight"),
    Slot("Demand Gen | Saisonstart", "DEMAND_GEN", "flight", 0.8),
    Slot("Flash Sale", "SEARCH", "promo", 1.3),
)
_NORDLICHT_UK = (
    Slot("Brand | Search", "SEARCH"),
    Slot("PMax | All Products", "PERFORMANCE_MAX", size=1.2),
    Slot("Display | Remarketing", "DISPLAY", size=0.6),
    Slot("Bank Holiday Sale", "SHOPPING", "promo"),
)
_HARBORLINE_EAST = (
    Slot("Brand - Exact", "SEARCH", size=1.4),
    Slot("Non-Brand - Sofas, Tables & Chairs", "SEARCH"),
    Slot("PMax - Furniture", "PERFORMANCE_MAX", size=1.8),
    Slot("Shopping - Clearance", "SHOPPING", "flight"),
    Slot("Video - Living Spaces", "VIDEO"),
    Slot("Weekend Deal", "PERFORMANCE_MAX", "promo", 1.2),
)
_HARBORLINE_WEST = (
    Slot("Brand - Exact", "SEARCH"),
    Slot("PMax - Patio", "PERFORMANCE_MAX", size=1.3),
    Slot("Display - Lookalikes", "DISPLAY", "flight", 0.7),
    Slot("Demand Gen - Summer Living", "DEMAND_GEN", "flight"),
    Slot("Pop-up Sale", "SHOPPING", "promo"),
)
_HARBORLINE_NZ = (
    Slot("Brand - NZ", "SEARCH", size=0.7),
    Slot("PMax - NZ", "PERFORMANCE_MAX", size=0.8),
    Slot("Shopping - NZ", "SHOPPING", "flight", 0.6),
    Slot("Video - NZ", "VIDEO", size=0.4),
)
_ALPENZEIT_CH = (
    Slot("Marke | DE/FR/IT", "SEARCH"),
    Slot("Uhren | Générique", "SEARCH", size=0.8),
    Slot("PMax | Schweiz", "PERFORMANCE_MAX", size=1.4),
    Slot("Demand Gen | Manufaktur", "DEMAND_GEN", "flight"),
    Slot("Jubiläum", "VIDEO", "promo"),
)
_ALPENZEIT_DE = (
    Slot("Marke | DE", "SEARCH"),
    Slot("PMax | Deutschland", "PERFORMANCE_MAX"),
    Slot("Shopping | Klassiker", "SHOPPING"),
    Slot("Display | Wiederkehrer", "DISPLAY", "flight", 0.5),
    Slot("Uhrenwoche", "SHOPPING", "promo"),
)
_SVEA = (
    Slot("Varumärke", "SEARCH"),
    Slot("Kurser | Generisk", "SEARCH", size=1.1),
    Slot("PMax | Kurser", "PERFORMANCE_MAX", size=1.2),
    Slot("Video | Öppet hus", "VIDEO", "flight", 0.8),
    Slot("Terminsstart", "DEMAND_GEN", "promo"),
)

_account = partial(Account, "google_ads")

ACCOUNTS: tuple[Account, ...] = (
    _account("4123087751", "Nordlicht DE", "EUR", "Europe/Berlin", "nordlicht", _NORDLICHT_DE),
    _account("5182204466", "Nordlicht UK", "GBP", "Europe/London", "nordlicht", _NORDLICHT_UK),
    # The manager, and below it two accounts, a sub-manager with a third one, and a cancelled account.
    _account(_HARBORLINE_MANAGER, "Harborline (MCC)", "USD", "America/New_York", "harborline", (), is_manager=True),
    _account(
        "7001002010",
        "Harborline East",
        "USD",
        "America/New_York",
        "harborline",
        _HARBORLINE_EAST,
        manager_id=_HARBORLINE_MANAGER,
    ),
    _account(
        "7001002020",
        "Harborline West",
        "USD",
        "America/Los_Angeles",
        "harborline",
        _HARBORLINE_WEST,
        manager_id=_HARBORLINE_MANAGER,
        direct=False,
    ),
    _account(
        _HARBORLINE_OCEANIA,
        "Harborline Oceania (MCC)",
        "USD",
        "Pacific/Auckland",
        "harborline",
        (),
        manager_id=_HARBORLINE_MANAGER,
        is_manager=True,
        direct=False,
    ),
    _account(
        "7001002030",
        "Harborline New Zealand",
        "USD",
        "Pacific/Auckland",
        "harborline",
        _HARBORLINE_NZ,
        manager_id=_HARBORLINE_OCEANIA,
        direct=False,
    ),
    _account(
        "7001002099",
        "Harborline Outlet (closed)",
        "USD",
        "America/Chicago",
        "harborline",
        (),
        manager_id=_HARBORLINE_MANAGER,
        direct=False,
        status="CANCELED",
    ),
    _account("3390417725", "Alpenzeit Schweiz", "CHF", "Europe/Zurich", "alpenzeit", _ALPENZEIT_CH),
    _account("3390418836", "Alpenzeit Deutschland", "EUR", "Europe/Berlin", "alpenzeit", _ALPENZEIT_DE),
    _account("8864201357", "Svea Studio", "SEK", "Europe/Stockholm", "svea", _SVEA),
)
