"""The rules of a night: which days are compared, and when a day without orders or a watermark needs an alert."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any

import pytest

from mdp_dagster.ingest import shop_night
from mdp_dagster.ingest.shop_alerts import AlertCause
from mdp_dagster.ingest.shop_night import SyncedShop, days_to_count
from mdp_dagster.operational.store_figures import ShopState

SHOP = "my-shop.myshopify.com"
MIDNIGHT = datetime(2026, 11, 20, 1, tzinfo=timezone.utc)  # 02:00 in Paris
TODAY = date(2026, 11, 20)


def state(watermark: datetime | None = MIDNIGHT, first_change: datetime | None = None) -> ShopState:
    first = first_change or datetime(2024, 1, 1, 12, tzinfo=timezone.utc)
    return ShopState(
        shop_id=1, domain=SHOP, time_zone="Europe/Paris", first_change=first, watermark=watermark, newest_change=1
    )


def test_each_complete_day_is_compared_once_a_week_and_the_last_seven_every_night() -> None:
    week = [days_to_count(state(MIDNIGHT + timedelta(days=night))) for night in range(7)]
    assert week[0][-7:] == [TODAY - timedelta(days=n) for n in range(7, 0, -1)]
    assert {day for days in week for day in days} >= {
        date(2024, 1, 2) + timedelta(days=n) for n in range((TODAY - date(2024, 1, 2)).days)
    }
    assert max(map(len, week)) - min(map(len, week)) <= 2, "no night is much longer than another one"
    assert date(2024, 1, 1) not in {day for days in week for day in days}, "the sync began at noon of this day"


def test_no_day_is_compared_before_the_first_sync() -> None:
    assert days_to_count(state(watermark=None)) == []
    assert days_to_count(state(first_change=MIDNIGHT)) == []


def alerts(
    orders: Callable[[date], int], before: ShopState | None = None, shop: SyncedShop | None = None
) -> list[tuple[AlertCause, str]]:
    """The alerts for days without orders, of a shop with this number of orders on a day."""

    def orders_by_day(_: ShopState, days: Sequence[date]) -> dict[date, int]:
        return {day: orders(day) for day in days}

    figures: Any = SimpleNamespace(shops=lambda: {SHOP: state()}, orders_by_day=orders_by_day)
    found = shop_night._usual_orders_missing(figures, shop or SyncedShop(SHOP), before)
    return [(alert.cause, alert.text.partition(",")[0]) for alert in found]


@pytest.mark.parametrize(("usual", "found"), [(20, True), (19, False)])
def test_a_day_without_orders_is_missing_data_from_twenty_usual_orders_on(usual: int, found: bool) -> None:
    yesterday = TODAY - timedelta(days=1)
    expected = [(AlertCause.NO_ORDERS, "no order on Thursday 2026-11-19")] if found else []
    assert alerts(lambda day: 0 if day == yesterday else usual) == expected


def test_only_the_same_weekday_of_eight_weeks_counts_and_a_single_order_is_enough() -> None:
    assert alerts(lambda day: 100 if day.weekday() == TODAY.weekday() else 0) == []
    assert alerts(lambda day: 0 if day == TODAY - timedelta(weeks=3, days=1) else 1) == []
    closed = {TODAY - timedelta(days=1, weeks=n) for n in (0, 1, 2, 3)}
    assert len(alerts(lambda day: 0 if day in closed else 50)) == 1, "the median of eight weeks"


def test_every_night_that_was_missed_is_checked_when_it_is_caught_up() -> None:
    before = state(MIDNIGHT - timedelta(days=3))
    assert len(alerts(lambda day: 0 if day >= TODAY - timedelta(days=3) else 50, before)) == 3


def test_a_shop_without_a_new_watermark_for_more_than_26_hours_has_an_alert() -> None:
    def causes(age: timedelta) -> list[AlertCause]:
        shop = SyncedShop(SHOP, watermark=MIDNIGHT - age)
        return [alert.cause for alert in shop_night._stopped_watermark(shop, MIDNIGHT)]

    assert causes(timedelta(hours=26)) == []
    assert causes(timedelta(hours=26, minutes=1)) == [AlertCause.WATERMARK_STOPPED]
