"""The shops as the models have them: names, time zones, and the day in each shop."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from mdp_dagster.warehouse.base import STAGING, Warehouse

_SHOPS = "stg_shop__shops"


@dataclass(frozen=True)
class Shop:
    """A shop.

    Args:
        domain: Its domain, as in the clients file.
        name: Its name for people.
        time_zone: IANA name. A day of the shop is a day in this zone.
    """

    domain: str
    name: str
    time_zone: str

    def today(self, now: datetime) -> date:
        """The shop's date at an instant."""
        return now.astimezone(ZoneInfo(self.time_zone)).date()

    def last_day(self, now: datetime) -> date:
        """The last day that was over at an instant."""
        return self.today(now) - timedelta(days=1)

    def month(self, now: datetime) -> date:
        """The first day of the current month."""
        return self.today(now).replace(day=1)


def shops_of(warehouse: Warehouse) -> dict[str, Shop]:
    """Returns the shops in the models, by domain. Empty before the first build."""
    if not warehouse.has_table(STAGING, _SHOPS):
        return {}
    rows = warehouse.query(f"select domain, name, time_zone from {STAGING}.{_SHOPS} order by domain").to_pylist()
    return {row["domain"]: Shop(row["domain"], row["name"] or row["domain"], row["time_zone"]) for row in rows}
