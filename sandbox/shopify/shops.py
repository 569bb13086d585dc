"""The shops of the fictional agency's clients, and their products.

The seed of a world changes the orders of a shop, never the shop or its products.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta, timezone


@dataclass(frozen=True, slots=True)
class Variant:
    """A variant of a product. The price is in hundredths of the shop's currency, on the product's first day."""

    id: int
    product_id: int
    title: str
    sku: str | None
    price: int


@dataclass(frozen=True, slots=True)
class Product:
    """A product.

    Args:
        id: The number at the end of its gid.
        titles: Its titles, each with the instant (epoch seconds) from which it is valid. The first one is the oldest.
        vendor: The vendor's name.
        product_type: The kind of product.
        popularity: How often it is bought, relative to the others.
        variants: Its variants.
        dearer_at: The instant at which its prices rise by five percent.
    """

    id: int
    titles: tuple[tuple[int, str], ...]
    vendor: str
    product_type: str
    popularity: float
    variants: tuple[Variant, ...]
    dearer_at: int

    @property
    def created_at(self) -> int:
        """The instant from which it is sold, in epoch seconds."""
        return self.titles[0][0]

    def title(self, at: int) -> str:
        """Returns the title that is valid at an instant."""
        return next((title for since, title in reversed(self.titles) if since <= at), self.titles[0][1])

    def price(self, variant: Variant, at: int) -> int:
        """Returns the price of a variant at an instant, in hundredths."""
        return variant.price if at < self.dearer_at else round(variant.price * 1.05)

    def updated_at(self, now: int) -> int:
        """Returns the instant of the last change up to now."""
        changes = (self.dearer_at, *(since for since, _ in self.titles))
        return max(at for at in changes if self.created_at <= at <= max(now, self.created_at))


@dataclass(frozen=True, slots=True)
class Destination:
    """A place that the shop ships to. The tax rate is in hundredths of a percent."""

    country: str
    province: str | None
    city: str
    zip: str
    tax_rate: int
    weight: float


@dataclass(frozen=True, slots=True)
class Shop:
    """A shop.

    Args:
        domain: Its myshopify.com domain.
        id: The number at the end of its gid.
        name: Its name.
        client_id: The client of the agency that owns it.
        currency: Its currency.
        time_zone: Its IANA time zone.
        taxes_included: True if its prices include tax.
        opened: The day of its first order.
        orders_per_day: How many orders an ordinary day has.
        first_id: The ids of its products, customers and orders begin here.
        destinations: The places that it ships to.
        products: Its products.
    """

    domain: str
    id: int
    name: str
    client_id: str
    currency: str
    time_zone: str
    taxes_included: bool
    opened: date
    orders_per_day: float
    first_id: int
    destinations: tuple[Destination, ...]
    products: tuple[Product, ...]

    def resized(self, orders_per_day: float | None, opened: date | None) -> Shop:
        """Returns the shop with another size or another first day, for measurements."""
        return replace(
            self,
            orders_per_day=self.orders_per_day if orders_per_day is None else orders_per_day,
            opened=self.opened if opened is None else opened,
        )


OPENED = date(2025, 1, 1)
_NO_VARIANTS = ("Default Title",)
_Spec = tuple[str, str, str, int, float, tuple[str, ...]]


def epoch(day: date, hour: int = 0) -> int:
    """Returns an hour of a UTC day in epoch seconds."""
    return int(datetime(day.year, day.month, day.day, hour, tzinfo=timezone.utc).timestamp())


def _products(first_id: int, prefix: str, specs: Sequence[_Spec], renamed: dict[int, str]) -> tuple[Product, ...]:
    found = []
    for index, (title, vendor, kind, price, popularity, names) in enumerate(specs):
        id_ = first_id + 1000 * (index + 1)
        # Most are sold from the beginning. The last ones come later, one every 45 days.
        late = max(0, index - len(specs) + 5)
        since = epoch(OPENED + timedelta(days=420 + 45 * late if late else -30), 9)
        titles = [(since, title)]
        if index in renamed:
            titles.append((epoch(OPENED + timedelta(days=610 + 30 * index), 14), renamed[index]))
        variants = tuple(
            Variant(id_ + 1 + n, id_, name, f"{prefix}-{index + 1:02}-{n + 1}" if index % 9 else None, price + 500 * n)
            for n, name in enumerate(names)
        )
        dearer = epoch(OPENED + timedelta(days=365 + 17 * index), 3)
        found.append(Product(id_, tuple(titles), vendor, kind, popularity, variants, dearer))
    return tuple(found)


_SIZES = ("S", "M", "L")
_OUTDOOR: tuple[_Spec, ...] = (
    ("Wanderschuh Föhn", "Nordlicht", "Schuhe", 18_900, 2.0, ("40", "42", "44")),
    ("Söckchen 3er-Pack", "Nordlicht", "Bekleidung", 1_495, 5.0, ("35–38", "39–42", "43–46")),
    ("Regenjacke Brise", "Havblik", "Bekleidung", 12_990, 2.2, _SIZES),
    ('Daunenjacke "Polar", leicht', "Havblik", "Bekleidung", 24_900, 1.1, _SIZES),
    ("Rucksack Kar 28 l", "Karwendel & Söhne", "Ausrüstung", 9_995, 1.6, _NO_VARIANTS),
    ("Rucksack Kar 45 l", "Karwendel & Söhne", "Ausrüstung", 14_995, 0.9, _NO_VARIANTS),
    ("Trinkflasche 0,75 l", "Klarquell", "Zubehör", 2_450, 3.5, ("Blau", "Rot")),
    ("Stirnlampe 400", "Lumen <Pro>", "Ausrüstung", 4_990, 1.8, _NO_VARIANTS),
    ("Biwakzelt Alkor", "Karwendel & Söhne", "Ausrüstung", 39_900, 0.5, _NO_VARIANTS),
    ("Schlafsack −5 °C", "Havblik", "Ausrüstung", 17_900, 0.7, ("Regular", "Long")),
    ("Merino-Shirt", "Nordlicht", "Bekleidung", 6_995, 2.6, _SIZES),
    ("Kompass", "Klarquell", "Zubehör", 1_990, 0.8, _NO_VARIANTS),
    ("Tourenstöcke Carbon", "Lumen <Pro>", "Ausrüstung", 11_990, 0.9, _NO_VARIANTS),
    ("-20 % Restposten Mütze", "Nordlicht", "Bekleidung", 1_250, 1.4, _NO_VARIANTS),
    ("Müsliriegel 🥾 Box", "Klarquell", "Proviant", 1_790, 2.8, _NO_VARIANTS),
    ("Gaskocher Mini", "Karwendel & Söhne", "Ausrüstung", 4_490, 0.9, _NO_VARIANTS),
    ("Winterhandschuh", "Havblik", "Bekleidung", 4_990, 1.7, _SIZES),
    ("Schneeschuh Firn", "Karwendel & Söhne", "Ausrüstung", 21_900, 0.6, _NO_VARIANTS),
)
_HOME: tuple[_Spec, ...] = (
    ("Linen Sofa, 3 seats", "Harborline", "Furniture", 149_900, 0.4, ("Sand", "Slate")),
    ("Oak Side Table", "Harborline", "Furniture", 18_900, 1.1, _NO_VARIANTS),
    ("Throw Blanket", "Cedar & Pine", "Textiles", 5_900, 2.9, ("Cream", "Rust", "Sage")),
    ("Candle <Cedar & Sage>", "Cedar & Pine", "Decor", 2_800, 4.2, _NO_VARIANTS),
    ('Ceramic Vase, 12"', "Studio Marlow", "Decor", 6_400, 1.7, _NO_VARIANTS),
    ("Dinner Plates (set of 4)", "Studio Marlow", "Kitchen", 7_200, 2.0, ("White", "Blue")),
    ("Reading Lamp", "Brightwater", "Lighting", 11_900, 1.2, _NO_VARIANTS),
    ("Wool Rug 5×7", "Cedar & Pine", "Textiles", 32_900, 0.6, _NO_VARIANTS),
    ("Cast-Iron Pan", "Brightwater", "Kitchen", 5_450, 1.9, _NO_VARIANTS),
    ("Linen Sheets", "Cedar & Pine", "Textiles", 15_900, 1.3, ("Full", "Queen", "King")),
    ("Patio Chair", "Harborline", "Furniture", 22_900, 0.9, _NO_VARIANTS),
    ("Outdoor String Lights", "Brightwater", "Lighting", 3_900, 2.4, _NO_VARIANTS),
    ("Wall Mirror, round", "Studio Marlow", "Decor", 19_900, 0.7, _NO_VARIANTS),
    ("Kitchen Towel", "Cedar & Pine", "Kitchen", 1_200, 3.6, _NO_VARIANTS),
    ("Bookshelf, 5 tiers", "Harborline", "Furniture", 27_900, 0.6, _NO_VARIANTS),
    ("Tea Kettle", "Brightwater", "Kitchen", 6_900, 1.0, _NO_VARIANTS),
)
_OUTDOOR_PLACES = (
    Destination("DE", None, "Hamburg", "20095", 1900, 30),
    Destination("DE", None, "München", "80331", 1900, 26),
    Destination("DE", None, "Köln", "50667", 1900, 18),
    Destination("AT", None, "Wien", "1010", 2000, 9),
    Destination("FR", None, "Lyon", "69001", 2000, 6),
    Destination("CH", "ZH", "Zürich", "8001", 0, 6),
    Destination("DK", None, "Aarhus", "8000", 2500, 3),
    Destination("GB", "SCT", "Edinburgh", "EH1 1YZ", 0, 2),
)
_HOME_PLACES = (
    Destination("US", "CA", "Oakland", "94607", 925, 24),
    Destination("US", "NY", "Brooklyn", "11201", 888, 20),
    Destination("US", "OR", "Portland", "97205", 0, 12),
    Destination("US", "TX", "Austin", "78701", 825, 16),
    Destination("CA", "BC", "Vancouver", "V5K 0A1", 500, 8),
    Destination("NZ", "AUK", "Auckland", "1010", 1500, 5),
    Destination("MX", "CMX", "Ciudad de México", "06000", 0, 3),
)
# More than a floating-point number holds exactly, so a client that reads ids as such numbers gets wrong ones.
_BEYOND_DOUBLES = 9_007_199_300_000_001

NORDLICHT = Shop(
    "nordlicht-outdoor.myshopify.com",
    64_100_000_101,
    "Nordlicht Outdoor",
    "nordlicht",
    "EUR",
    "Europe/Berlin",
    True,
    OPENED,
    48,
    6_100_000_000_000,
    _OUTDOOR_PLACES,
    _products(6_100_000_000_000, "NL", _OUTDOOR, {2: "Regenjacke Brise II", 7: "Stirnlampe 450"}),
)
HARBORLINE = Shop(
    "harborline-home.myshopify.com",
    64_100_000_202,
    "Harborline Home",
    "harborline",
    "USD",
    "America/Los_Angeles",
    False,
    OPENED,
    36,
    _BEYOND_DOUBLES,
    _HOME_PLACES,
    _products(_BEYOND_DOUBLES, "HL", _HOME, {1: "Oak End Table", 5: "Dinner Plates, set of 4"}),
)
SHOPS: tuple[Shop, ...] = (NORDLICHT, HARBORLINE)
