"""The cast: four clients of a fictional agency with eight Google and seven Meta accounts.

`config/clients.yaml` lists exactly these accounts. The seed of a world changes their numbers, never their names.
"""

from __future__ import annotations

from functools import partial

from sandbox.model import Account, Slot

HARBORLINE_MANAGER = "7001002000"
HARBORLINE_OCEANIA = "7001002090"

_GOOGLE_NORDLICHT_DE = (
    Slot("Brand | Suche", "SEARCH", size=1.2),
    Slot("Generic | Wanderschuhe & Söckchen", "SEARCH"),
    Slot("PMax | Outdoor Gesamt", "PERFORMANCE_MAX", size=1.6),
    Slot("Shopping | Bestseller", "SHOPPING"),
    Slot('Video | "Draußen, jetzt"', "VIDEO", "flight"),
    Slot("Demand Gen | Saisonstart", "DEMAND_GEN", "flight", 0.8),
    Slot("Flash Sale", "SEARCH", "promo", 1.3),
)
_GOOGLE_NORDLICHT_UK = (
    Slot("Brand | Search", "SEARCH"),
    Slot("PMax | All Products", "PERFORMANCE_MAX", size=1.2),
    Slot("Display | Remarketing", "DISPLAY", size=0.6),
    Slot("Bank Holiday Sale", "SHOPPING", "promo"),
)
_GOOGLE_HARBORLINE_EAST = (
    Slot("Brand - Exact", "SEARCH", size=1.4),
    Slot("Non-Brand - Sofas, Tables & Chairs", "SEARCH"),
    Slot("PMax - Furniture", "PERFORMANCE_MAX", size=1.8),
    Slot("Shopping - Clearance", "SHOPPING", "flight"),
    Slot("Video - Living Spaces", "VIDEO"),
    Slot("Weekend Deal", "PERFORMANCE_MAX", "promo", 1.2),
)
_GOOGLE_HARBORLINE_WEST = (
    Slot("Brand - Exact", "SEARCH"),
    Slot("PMax - Patio", "PERFORMANCE_MAX", size=1.3),
    Slot("Display - Lookalikes", "DISPLAY", "flight", 0.7),
    Slot("Demand Gen - Summer Living", "DEMAND_GEN", "flight"),
    Slot("Pop-up Sale", "SHOPPING", "promo"),
)
_GOOGLE_HARBORLINE_NZ = (
    Slot("Brand - NZ", "SEARCH", size=0.7),
    Slot("PMax - NZ", "PERFORMANCE_MAX", size=0.8),
    Slot("Shopping - NZ", "SHOPPING", "flight", 0.6),
    Slot("Video - NZ", "VIDEO", size=0.4),
)
_GOOGLE_ALPENZEIT_CH = (
    Slot("Marke | DE/FR/IT", "SEARCH"),
    Slot("Uhren | Générique", "SEARCH", size=0.8),
    Slot("PMax | Schweiz", "PERFORMANCE_MAX", size=1.4),
    Slot("Demand Gen | Manufaktur", "DEMAND_GEN", "flight"),
    Slot("Jubiläum", "VIDEO", "promo"),
)
_GOOGLE_ALPENZEIT_DE = (
    Slot("Marke | DE", "SEARCH"),
    Slot("PMax | Deutschland", "PERFORMANCE_MAX"),
    Slot("Shopping | Klassiker", "SHOPPING"),
    Slot("Display | Wiederkehrer", "DISPLAY", "flight", 0.5),
    Slot("Uhrenwoche", "SHOPPING", "promo"),
)
_GOOGLE_SVEA = (
    Slot("Varumärke", "SEARCH"),
    Slot("Kurser | Generisk", "SEARCH", size=1.1),
    Slot("PMax | Kurser", "PERFORMANCE_MAX", size=1.2),
    Slot("Video | Öppet hus", "VIDEO", "flight", 0.8),
    Slot("Terminsstart", "DEMAND_GEN", "promo"),
)

_META_SALES = (
    Slot("Prospecting | Broad", "OUTCOME_SALES", size=1.6),
    Slot("Retargeting | 14 Tage 🥾", "OUTCOME_SALES", size=0.7),
    Slot("Advantage+ Shopping", "OUTCOME_SALES", size=1.8),
    Slot("Traffic | Blog", "OUTCOME_TRAFFIC", "flight", 0.8),
    Slot("Drop", "OUTCOME_SALES", "promo", 1.2),
)
_META_AWARENESS = (
    Slot("Catalog Sales", "OUTCOME_SALES"),
    Slot("Reach | Reels, Stories", "OUTCOME_AWARENESS", "flight", 1.4),
    Slot("Engagement | Community", "OUTCOME_ENGAGEMENT", size=0.6),
    Slot("Lookalike 1 % – Purchasers", "OUTCOME_SALES"),
    Slot("Launch", "OUTCOME_SALES", "promo"),
)
_META_LEADS = (
    Slot("Lead Form | Newsletter", "OUTCOME_LEADS"),
    Slot("Lead Form | Beratung", "OUTCOME_LEADS", size=0.8),
    Slot("Traffic | Landing Page", "OUTCOME_TRAFFIC", "flight"),
    Slot("Open Day", "OUTCOME_LEADS", "promo"),
)


_google = partial(Account, "google_ads")
_meta = partial(Account, "meta_ads")

CAST: tuple[Account, ...] = (
    _google("4123087751", "Nordlicht DE", "EUR", "Europe/Berlin", "nordlicht", _GOOGLE_NORDLICHT_DE),
    _google("5182204466", "Nordlicht UK", "GBP", "Europe/London", "nordlicht", _GOOGLE_NORDLICHT_UK),
    # The manager and what stands under it: two accounts, a sub-manager with a third, and one that was cancelled.
    _google(HARBORLINE_MANAGER, "Harborline (MCC)", "USD", "America/New_York", "harborline", (), is_manager=True),
    _google(
        "7001002010",
        "Harborline East",
        "USD",
        "America/New_York",
        "harborline",
        _GOOGLE_HARBORLINE_EAST,
        manager_id=HARBORLINE_MANAGER,
    ),
    _google(
        "7001002020",
        "Harborline West",
        "USD",
        "America/Los_Angeles",
        "harborline",
        _GOOGLE_HARBORLINE_WEST,
        manager_id=HARBORLINE_MANAGER,
        direct=False,
    ),
    _google(
        HARBORLINE_OCEANIA,
        "Harborline Oceania (MCC)",
        "USD",
        "Pacific/Auckland",
        "harborline",
        (),
        manager_id=HARBORLINE_MANAGER,
        is_manager=True,
        direct=False,
    ),
    _google(
        "7001002030",
        "Harborline New Zealand",
        "USD",
        "Pacific/Auckland",
        "harborline",
        _GOOGLE_HARBORLINE_NZ,
        manager_id=HARBORLINE_OCEANIA,
        direct=False,
    ),
    _google(
        "7001002099",
        "Harborline Outlet (closed)",
        "USD",
        "America/Chicago",
        "harborline",
        (),
        manager_id=HARBORLINE_MANAGER,
        direct=False,
        status="CANCELED",
    ),
    _google("3390417725", "Alpenzeit Schweiz", "CHF", "Europe/Zurich", "alpenzeit", _GOOGLE_ALPENZEIT_CH),
    _google("3390418836", "Alpenzeit Deutschland", "EUR", "Europe/Berlin", "alpenzeit", _GOOGLE_ALPENZEIT_DE),
    _google("8864201357", "Svea Studio", "SEK", "Europe/Stockholm", "svea", _GOOGLE_SVEA),
    _meta("301400000000101", "Nordlicht Outdoor DE", "EUR", "Europe/Berlin", "nordlicht", _META_SALES),
    _meta(
        "301400000000102",
        "Nordlicht Tourenclub",
        "EUR",
        "Europe/Berlin",
        "nordlicht",
        _META_LEADS,
        conversion="lead",
    ),
    _meta("301400000000201", "Harborline US", "USD", "America/Los_Angeles", "harborline", _META_SALES),
    _meta("301400000000202", "Harborline NZ", "USD", "Pacific/Auckland", "harborline", _META_AWARENESS),
    _meta(
        "301400000000301",
        "Alpenzeit",
        "CHF",
        "Europe/Zurich",
        "alpenzeit",
        _META_AWARENESS,
        conversion="purchase",
    ),
    _meta("301400000000401", "Svea Studio", "SEK", "Europe/Stockholm", "svea", _META_SALES),
    _meta("301400000000402", "Svea Akademi", "SEK", "Europe/Stockholm", "svea", _META_AWARENESS),
)
