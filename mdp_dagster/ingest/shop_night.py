"""A night of all shops: each is synced and compared with its source, and a fault of one does not stop the others."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta, timezone
from statistics import median
from zoneinfo import ZoneInfo

from mdp_dagster.connectors.api_version import ApiVersion
from mdp_dagster.connectors.errors import ConnectorError
from mdp_dagster.connectors.shop_documents import ShopReport
from mdp_dagster.ingest.clock import utc_now
from mdp_dagster.ingest.shop_alerts import AlertCause, ShopAlert
from mdp_dagster.ingest.shop_sync import DayCount, ShopStores, find_deleted_orders, sync_shop
from mdp_dagster.lake import LakeError
from mdp_dagster.operational.errors import StoreError
from mdp_dagster.operational.reject_rules import RejectedShare
from mdp_dagster.operational.shop_store import SyncResult, TooManyRejectsError
from mdp_dagster.operational.store_figures import Reject, ShopState, StoreFigures

log = logging.getLogger(__name__)

LONGEST_WITHOUT_WATERMARK = timedelta(hours=26)
_COUNTED_EVERY_NIGHT = 7
_COUNTED_IN_NIGHTS = 7  # every older day is counted once in this number of nights
_WEEKS = 8
_FEWEST_USUAL_ORDERS = 20
_MOST_NEW_DAYS = 7
_SHOWN_REJECTS = 20
_TRY_AGAIN = "the next night reads the same again; to read it now, run the job shop_daily"


@dataclass
class SyncedShop:
    """The night of one shop.

    Args:
        domain: The shop's domain.
        results: The committed parts of each report.
        shares: The rejected documents of each report.
        counts: The days with another number of orders than the shop.
        counted_days: How many days were compared.
        alerts: The causes for an alert.
        rejects: Some of the rejected rows.
        watermark: Up to this instant, the store has all orders; None before the first sync.
    """

    domain: str
    results: dict[ShopReport, list[SyncResult]] = field(default_factory=dict)
    shares: dict[ShopReport, RejectedShare] = field(default_factory=dict)
    counts: list[DayCount] = field(default_factory=list)
    counted_days: int = 0
    alerts: list[ShopAlert] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    watermark: datetime | None = None

    @property
    def failed(self) -> bool:
        """Whether the night of this shop was not committed completely."""
        return any(alert.cause in (AlertCause.SYNC_FAILED, AlertCause.TOO_MANY_REJECTS) for alert in self.alerts)

    def total(self, figure: str, report: ShopReport = "orders") -> int:
        """Returns a sum over the committed parts of a report, for example of ``new``."""
        return sum(getattr(result, figure) for result in self.results.get(report, []))


def sync_night(places: ShopStores, domains: Sequence[str], sync_id: str, parallel: int) -> list[SyncedShop]:
    """Syncs each shop, and finds the causes for alerts.

    Args:
        places: The places.
        domains: The shops.
        sync_id: The id of the night's syncs.
        parallel: How many shops are synced at the same time. A sync mostly waits for the shop.

    Raises:
        StoreError: The store cannot be used, which concerns every shop.
        LakeError: The lake cannot be written, which concerns every shop.
    """
    figures = StoreFigures(places.store.address)
    before = figures.shops()

    def sync_one(domain: str) -> SyncedShop:
        shop = SyncedShop(domain)
        _sync(places, figures, shop, sync_id)
        shop.alerts += _usual_orders_missing(figures, shop, before.get(domain))
        shop.alerts += _stopped_watermark(shop, utc_now())
        for alert in shop.alerts:
            log.warning("%s", alert)
        return shop

    with ThreadPoolExecutor(parallel, thread_name_prefix="shop") as pool:
        return list(pool.map(sync_one, domains))


def api_version(places: ShopStores, shops: Sequence[SyncedShop]) -> ApiVersion | None:
    """Returns the version of the API that MDP requests, from the first shop that answers; None if none does."""
    for shop in shops:
        if not shop.failed:
            try:
                return places.access.open(shop.domain).api_version()
            except ConnectorError as error:
                log.warning("the supported versions of the API can't be read: %s", error)
    return None


def _sync(places: ShopStores, figures: StoreFigures, shop: SyncedShop, sync_id: str) -> None:
    """Syncs a shop and compares its numbers of orders. A fault of the shop is an alert."""
    try:
        shop.results = sync_shop(places, shop.domain, sync_id)
        for report, results in shop.results.items():
            shop.shares[report] = RejectedShare(
                sum(result.rejected for result in results),
                sum(result.documents for result in results),
                tuple(reason for result in results for reason in result.reasons),
            )
        _count(places, figures, shop, sync_id)
    except (StoreError, LakeError):
        raise
    except TooManyRejectsError as error:
        shop.shares[error.sync.report] = error.share
        shop.alerts.append(
            ShopAlert(
                AlertCause.TOO_MANY_REJECTS,
                shop.domain,
                f"{error.sync.report}: {error.share}; more than 5 %, so nothing of this night was committed",
                "correct the shop's data, or report the reasons to the maintainers of MDP; see the check reject_rate",
            )
        )
    except ConnectorError as error:
        text = error.message.removeprefix(f"{shop.domain}: ")  # an alert names its shop
        shop.alerts.append(ShopAlert(AlertCause.SYNC_FAILED, shop.domain, text, error.remedy or _TRY_AGAIN))
    except Exception as error:  # one shop must not stop the others
        log.exception("the sync of %s failed", shop.domain)
        text = f"unexpected {type(error).__name__}: {error}"
        shop.alerts.append(ShopAlert(AlertCause.SYNC_FAILED, shop.domain, text, "see the log of the run"))
    if any(share.rejected for share in shop.shares.values()):
        shop.rejects = figures.rejects(shop.domain, sync_id, _SHOWN_REJECTS)
    state = figures.shops().get(shop.domain)
    shop.watermark = state.watermark if state else None


def _count(places: ShopStores, figures: StoreFigures, shop: SyncedShop, sync_id: str) -> None:
    state = figures.shops()[shop.domain]
    days = days_to_count(state)
    shop.counted_days = len(days)
    shop.counts = find_deleted_orders(places, shop.domain, sync_id, days)
    wrong = [count for count in shop.counts if not count.is_explained]
    if wrong:
        shown = ", ".join(f"{count.day}: {count.in_store} instead of {count.at_shop}" for count in wrong[:5])
        more = f" and {len(wrong) - 5} more days" if len(wrong) > 5 else ""
        shop.alerts.append(
            ShopAlert(
                AlertCause.COUNT_DIFFERS,
                shop.domain,
                f"the store has another number of orders than the shop ({shown}{more})",
                "run the job shop_daily again; if the numbers stay, see the check counts_match_shopify in docs/shop.md",
            )
        )


def days_to_count(state: ShopState) -> list[date]:
    """Returns the days (UTC) to compare tonight: the last seven, and a seventh of all earlier ones.

    So each day is compared at least once a week, no night is much longer than another one, and no state is kept. Only
    days count that the syncs have read completely: an earlier order is in the store only if it changed since.
    """
    if state.first_change is None or state.watermark is None:
        return []
    first = state.first_change.astimezone(timezone.utc)
    first_day = first.date() if first.timetz() == time(tzinfo=timezone.utc) else first.date() + timedelta(days=1)
    tonight = state.watermark.astimezone(timezone.utc).date()
    days = [tonight - timedelta(days=age) for age in range(1, (tonight - first_day).days + 1)]
    return sorted(
        day
        for age, day in enumerate(days)
        if age < _COUNTED_EVERY_NIGHT
        or day.toordinal() % _COUNTED_IN_NIGHTS == tonight.toordinal() % _COUNTED_IN_NIGHTS
    )


def _usual_orders_missing(figures: StoreFigures, shop: SyncedShop, before: ShopState | None) -> list[ShopAlert]:
    """Returns an alert for the days without orders that ended since the last sync, if such days usually have some."""
    state = figures.shops().get(shop.domain)
    if shop.failed or state is None or state.watermark is None:
        return []
    zone = ZoneInfo(state.time_zone)
    today = state.watermark.astimezone(zone).date()
    known = before.watermark.astimezone(zone).date() if before and before.watermark else today - timedelta(days=1)
    new_days = [today - timedelta(days=n) for n in range(min(max((today - known).days, 1), _MOST_NEW_DAYS), 0, -1)]
    compared = {day: [day - timedelta(weeks=n) for n in range(1, _WEEKS + 1)] for day in new_days}
    wanted = sorted({*new_days, *(day for days in compared.values() for day in days)})
    orders = figures.orders_by_day(state, wanted)
    alerts = []
    for day in new_days:
        usual = median(orders[other] for other in compared[day])
        if orders[day] == 0 and usual >= _FEWEST_USUAL_ORDERS:
            alerts.append(
                ShopAlert(
                    AlertCause.NO_ORDERS,
                    shop.domain,
                    f"no order on {day:%A} {day}, but usually {usual:g} on this weekday (the median of {_WEEKS} weeks)",
                    "look at the shop's own admin: if it has orders of this day, run the job shop_daily again",
                )
            )
    return alerts


def _stopped_watermark(shop: SyncedShop, now: datetime) -> list[ShopAlert]:
    """Returns an alert if no sync has read the shop's orders for 26 hours."""
    if shop.watermark is None or now - shop.watermark <= LONGEST_WITHOUT_WATERMARK:
        return []
    return [
        ShopAlert(
            AlertCause.WATERMARK_STOPPED,
            shop.domain,
            f"orders are complete only up to {shop.watermark:%Y-%m-%d %H:%M} (UTC)",
            "remove the cause of the failed syncs; the next sync reads everything since then",
        )
    ]
