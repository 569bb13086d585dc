"""Raw rows of many kinds: usual values, possible values, and invalid values."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import cycle
from typing import Any

from .support import Row, Warehouse

WINDOW = ("2026-02-20", "2026-04-01")
LATER_WINDOW = ("2026-03-01", "2026-03-30")
"""Contains the days that are extracted again later."""

EMPTIED_DAY = "2026-03-01"

# the ends of a month, and of winter time
DAYS = ["2026-02-20", "2026-02-27", "2026-02-28", "2026-03-01", "2026-03-02", "2026-03-28", "2026-03-29", "2026-03-30"]

NAMES = [
    "O'Brien",
    'say "hi"',
    "back\\slash \\n",
    "日本 – ñ 🚀",
    "",
    None,
    "a -- b; c",
    "{{ jinja }}",
    "two\nlines",
    "%s @x",
]
CURRENCIES = ["USD", "EUR", "SEK", "usd", "EURO", "", None, " EU"]
ZONES = ["Europe/Berlin", "America/Los_Angeles", "", None, "Nowhere/At_All"]

NUMBERS_AS_TEXT = [
    *("1.5", "30.0", "30.00", "30.", "0", "-0", "-3", "+5", ".5", "5.", ".", "-", "", " 7 ", "1 2"),
    *(
        "garbage",
        "NaN",
        "Infinity",
        "0x1F",
        "1_000",
        "1,5",
        "١٢",
        "true",
        "null",
        "1e3",
        "1E-7",
        "2.5e+3",
        "1e",
        "1e5.",
    ),
    *("0.1234567895", "-0.1234567895", "0.12345678949999", "9.9999999995", "4.9e-10", "5e-10", "1e-400"),
    *("999999999999999999", "9223372036854775808", "123456789012345678", "12345678.123456789"),
    *("99999999999999999999999999999999", "1" * 60, "0.000000000000000000000000000000000001"),
    None,
]
WHOLE_NUMBERS = [0, 1, 7, 999, 1_000_000, 9_007_199_254_740_993, 10**15, -1, None]
MICROS = [0, 1, 999_999, 10_000_000, 123_456_789, 9_007_199_254_740_993, 10**15 + 1, -5_000_000, None]
DOUBLES = [
    *(0.0, -0.0, 2.5, 1 / 3, 0.1 + 0.2, 9.3, 1e-7, 1e-10, 5e-324, 123456789.123, 12345678.12345679, 93000000.3),
    *(1e15, 1e16, 4.35, 1.005, 0.123456789123, 0.1234567895, -5.25, 1e40, math.nan, math.inf, -math.inf, None),
]
RATES = [1.0, 0.5, 0.123456789123, 0.0000543210987, 1.1e-5, None, math.nan]
ACTION_LISTS = [
    None,
    *("", "[", "{}", "null", '"purchase"', "[]", " [ ] ", "[1, null]", '[{"value": "1"}]', "[[]]", "[{}]", "[] x"),
    '[{"action_type": "purchase"}]',
    '[{"action_type": "purchase", "value": null}]',
    '[{"action_type":"purchase","value":"1"},{"action_type":"omni_purchase","value":"2"}]',
    '[{"action_type":"omni_purchase","value":"2"},{"action_type":"omni_purchase","value":"3.5","7d_click":"9"}]',
    '[{"action_type":"omni_purchase","value":"2"},{"action_type":"omni_purchase","value":"?"}]',
    '[{"action_type":"offsite_conversion.fb_pixel_purchase","value":"7"}, null, 3, "purchase"]',
    '[{"action_type":"Purchase","value":"7"},{"ACTION_TYPE":"purchase","value":"8"}]',
    '[{"action_type":"lead","value":"4"},{"action_type":"it\'s","value":"5"}]',
    '[{"action_type":"purchase","value":2.5},{"action_type":"purchase","value":1e2},{"action_type":"purchase","value":3}]',
    '[{"action_type":"purchase","value":123456789012345678}]',
    '[{"action_type":"purchase","value":123456789012345678901234567890}]',
    '[{"action_type":"purchase","value":true}]',
    '[{"action_type":"purchase","value":{"a":[1]}}]',
    '[{"action_type":{"a":1},"value":"1"},{"action_type":5,"value":"1"}]',
    '[{"action_type":"purchase","value":"1_000"}]',
    '[{"action_type":"purchase","value":" 12.5 "}]',
    '[{"action_type":"purchase","value":"0.1234567895"}]',
    '[{"action_type":"purchase","value":"-4"}]',
    '[{"action_type":"p\\u0075rchase","value":"\\u0031\\u0032"}]',
    '[{"action_type":"\\"quoted\\\\","value":"1"},{"action_type":"日本","value":"1"}]',
]


@dataclass(frozen=True)
class Pools:
    """The values of the rows: those above, and more of the same kinds."""

    numbers_as_text: Sequence[str | None] = ()
    whole_numbers: Sequence[int | None] = ()
    doubles: Sequence[float | None] = ()
    action_lists: Sequence[str | None] = ()
    names: Sequence[str | None] = ()


def history(warehouse: Warehouse, more: Pools) -> None:
    """Accounts of both platforms: extracted at several ages, restated, emptied, unchanged, rejected."""
    with warehouse.at_once():
        registered(warehouse)
        odd_rows(warehouse, more)
        ages(warehouse)
        moments(warehouse)
        rejected(warehouse)


def later(warehouse: Warehouse) -> None:
    """Later extracts of the accounts with odd rows: one day is emptied, one is restated, one is unchanged."""
    at = ("later", "2026-05-02 07:00:00.000001")
    ledger = "select * from mdp_raw.raw__extracts where date = '2026-03-29' and extract_run_id = 'odd'"
    counts = {(entry["source"], entry["report"]): entry["row_count"] for entry in warehouse.query(ledger)}
    with warehouse.at_once():
        for platform, account, row in (("google_ads", "11", google_row), ("meta_ads", "22", meta_row)):
            for report, campaign in (("campaign_daily", 900), ("account_daily", None)):
                warehouse.extract(platform, *at, account, EMPTIED_DAY, [], report=report)
                warehouse.extract(platform, *at, account, "2026-03-28", [row(campaign)], report=report)
                same: list[Row] = [{}] * counts[platform, report]
                warehouse.extract(platform, *at, account, "2026-03-29", same, report=report, unchanged_since="odd")


def registered(warehouse: Warehouse) -> None:
    accounts = [
        *(("google_ads", number) for number in ("11", "12", "14")),
        *(("meta_ads", number) for number in ("22", "23", "24", "25")),
        *((platform, f"{platform}-{number}") for platform in ("google_ads", "meta_ads") for number in range(4)),
    ]
    names, rates, currencies = cycle(NAMES), cycle(RATES), cycle(["USD", "EUR", "IDR", ""])
    lookbacks, types = cycle([None, 3, 28]), cycle([None, "", "it's", "lead"])
    for said in ("2026-01-01 00:00:00", "2026-01-01 00:00:00.000001"):  # the second counts
        rows = [
            {
                "source": platform,
                "account_id": account,
                "account_name": next(names),
                "currency": next(currencies),
                "time_zone": "Europe/Berlin",
                "client_id": f"client-{position % 3}",
                "client_name": next(names),
                "reporting_currency": "EUR",
                "exchange_rate": next(rates),
                "conversion_action_type": next(types) if platform == "meta_ads" else None,
                "lookback_days": next(lookbacks),
                "extract_run_id": "r0",
                "ingested_at": said,
            }
            for position, (platform, account) in enumerate(accounts)
        ]
        warehouse.insert("raw__accounts", rows)


def odd_rows(warehouse: Warehouse, more: Pools) -> None:
    """A campaign for each odd value, and totals that never equal the sum of the campaigns."""
    values = {
        "texts": [*NUMBERS_AS_TEXT, *more.numbers_as_text],
        "whole": [*WHOLE_NUMBERS, *more.whole_numbers],
        "doubles": [*DOUBLES, *more.doubles],
        "lists": [*ACTION_LISTS, *more.action_lists],
        "names": [*NAMES, *more.names],
    }
    count = 2 * max(map(len, values.values()))
    for platform, account, row in (("google_ads", "11", _odd_google_row), ("meta_ads", "22", _odd_meta_row)):
        campaigns = [row(number, values) for number in range(count)]
        for position, day in enumerate(DAYS):
            some = campaigns[position :: len(DAYS)]
            warehouse.extract(platform, "odd", "2026-04-02 23:59:59.999999", account, day, some)
            total = {name: value for name, value in some[-1].items() if name not in _CAMPAIGN}
            at = "2026-04-03 00:00:00.000001"
            warehouse.extract(platform, "odd", at, account, day, [total], report="account_daily")


_CAMPAIGN = {"campaign_id", "campaign_name", "campaign_status", "campaign_advertising_channel_type", "objective"}


def _picked(values: Sequence[Any], number: int, stride: int = 1) -> Any:
    """Picks values with different strides, so that each value is combined with many others."""
    return values[(number * stride) % len(values)]


def _odd_google_row(number: int, values: dict[str, list[Any]]) -> Row:
    return {
        "campaign_id": 1000 + number,
        "campaign_name": _picked(values["names"], number),
        "campaign_status": _picked(["ENABLED", "PAUSED", None], number),
        "campaign_advertising_channel_type": _picked(["SEARCH", None], number),
        "customer_descriptive_name": _picked(values["names"], number, 7),
        "customer_currency_code": _picked(CURRENCIES, number),
        "customer_time_zone": _picked(ZONES, number),
        "metrics_impressions": _picked(values["whole"], number),
        "metrics_clicks": _picked(values["whole"], number, 5),
        "metrics_cost_micros": _picked(MICROS, number, 7),
        "metrics_conversions": _picked(values["doubles"], number),
        "metrics_conversions_value": _picked(values["doubles"], number, 5),
        "metrics_all_conversions": _picked(values["doubles"], number, 7),
        "metrics_conversions_by_conversion_date": _picked(values["doubles"], number, 11),
        "metrics_conversions_value_by_conversion_date": _picked(values["doubles"], number, 13),
    }


def _odd_meta_row(number: int, values: dict[str, list[Any]]) -> Row:
    return {
        "campaign_id": f"m{number}",
        "campaign_name": _picked(values["names"], number),
        "campaign_status": _picked(["ACTIVE", "PAUSED", None], number),
        "objective": _picked(["OUTCOME_SALES", None], number),
        "account_name": _picked(values["names"], number, 7),
        "account_currency": _picked(CURRENCIES, number),
        "timezone_name": _picked(ZONES, number),
        "impressions": _picked(values["texts"], number),
        "clicks": _picked(values["texts"], number, 5),
        "spend": _picked(values["texts"], number, 7),
        "reach": _picked(values["texts"], number, 11),
        "inline_link_clicks": _picked(values["texts"], number, 13),
        "actions": _picked(values["lists"], number),
        "action_values": _picked(values["lists"], number, 5),
    }


def ages(warehouse: Warehouse) -> None:
    """Accounts with days that are extracted at each age of the maturity curve, with higher numbers each time."""
    for platform in ("google_ads", "meta_ads"):
        for number in range(4):
            account = f"{platform}-{number}"
            for position, day in enumerate(DAYS[: 4 + number]):
                for step, age in enumerate([0, 2, 3, 8, 30 + number][: 3 + (position + number) % 3]):
                    at = f"{_plus(day, age)} 23:59:59.999999"
                    for report in ("campaign_daily", "account_daily"):
                        rows = list(_growing(platform, account, step, report))
                        warehouse.extract(platform, f"age-{account}-{age}", at, account, day, rows, report=report)


def _growing(platform: str, account: str, step: int, report: str) -> Iterator[Row]:
    campaigns = [1, 2, 3][: 1 + step % 3] if report == "campaign_daily" else [None]
    for campaign in campaigns:
        if platform == "google_ads":
            row = google_row(campaign)
            row["metrics_conversions"] = 1.1 * (step + 1)
        else:
            row = meta_row(campaign)
            row["actions"] = json.dumps([{"action_type": "purchase", "value": str(2 * step + 1)}])
        if campaign:
            row["campaign_id"] = (
                int(campaign) * 10 + int(account[-1]) if platform == "google_ads" else f"{account}/{campaign}"
            )
        yield row


def moments(warehouse: Warehouse) -> None:
    """Campaigns and totals that differ, extracted an hour apart, or about ten minutes apart on the day itself.

    The explanation depends on the whole minutes.
    """
    times = [
        ("2026-03-25", "2026-03-30 10:00:59", "2026-03-30 11:01:00"),
        ("2026-03-25", "2026-03-30 10:00:00", "2026-03-30 11:00:00"),
        ("2026-03-25", "2026-03-30 10:00:00.999999", "2026-03-30 11:01:00.999998"),
        ("2026-03-25", "2026-03-30 10:00:00.999999", "2026-03-30 11:01:00.999999"),
        ("2026-03-29", "2026-03-29 23:50:00.5", "2026-03-30 00:00:59.4"),
        ("2026-03-29", "2026-03-29 23:50:00.5", "2026-03-30 00:01:00.5"),
    ]
    for position, (day, first, second) in enumerate(times):
        account, total = f"moment-{position}", google_row(None)
        total["metrics_cost_micros"] = 99_000_000
        warehouse.extract("google_ads", "m1", first, account, day, [google_row(7000 + position)])
        warehouse.extract("google_ads", "m2", second, account, day, [total], report="account_daily")
    # totals without campaigns, campaigns without totals, an extract that was never committed
    warehouse.extract(
        "google_ads", "m1", "2026-03-30 10:00:00", "12", "2026-03-28", [google_row(None)], report="account_daily"
    )
    warehouse.extract("google_ads", "m1", "2026-03-30 10:00:00", "14", "2026-03-28", [google_row(8000)])
    warehouse.extract("meta_ads", "m1", "2026-03-30 10:00:00", "23", "2026-03-28", [meta_row("8001")])
    warehouse.extract("meta_ads", "m2", "2026-03-30 11:00:00", "23", "2026-03-28", [meta_row("8002")], commit=False)
    warehouse.extract("meta_ads", "m1", "2026-03-30 10:00:00", "24", "2026-02-27", [meta_row("8003")])
    warehouse.extract("meta_ads", "m2", "2026-03-31 10:00:00", "24", "2026-02-27", [])
    warehouse.extract("meta_ads", "m3", "2026-04-01 10:00:00", "24", "2026-02-27", [meta_row("8003")])
    warehouse.extract("meta_ads", "m4", "2026-04-02 10:00:00", "24", "2026-02-27", [{}], unchanged_since="m3")


def rejected(warehouse: Warehouse) -> None:
    for run, account, day in (("odd", "11", "2026-03-01"), ("odd", "22", None), ("m1", "23", "2026-03-28")):
        row = {
            "source": "google_ads" if account == "11" else "meta_ads",
            "report": "campaign_daily",
            "account_id": account,
            "date": day,
            "extract_run_id": run,
            "ingested_at": "2026-04-03 00:00:00",
            "reason": "spend is not a decimal number",
            "payload": '{"spend": "\\u0000"}',
        }
        warehouse.insert("raw__rejects", [row, row])


def google_row(campaign: int | None) -> Row:
    row: Row = {
        "customer_currency_code": "USD",
        "metrics_impressions": 1000,
        "metrics_clicks": 10,
        "metrics_cost_micros": 10_000_000,
        "metrics_conversions": 2.5,
        "metrics_conversions_value": 40.0,
    }
    return row if campaign is None else {**row, "campaign_id": campaign, "campaign_name": f"G{campaign}"}


def meta_row(campaign: str | int | None) -> Row:
    row: Row = {
        "account_currency": "EUR",
        "impressions": "500",
        "clicks": "5",
        "spend": "7.50",
        "actions": '[{"action_type":"omni_purchase","value":"2"}]',
        "action_values": '[{"action_type":"omni_purchase","value":"25.5"}]',
    }
    return row if campaign is None else {**row, "campaign_id": str(campaign), "campaign_name": f"M{campaign}"}


def _plus(day: str, days: int) -> str:
    return str(date.fromisoformat(day) + timedelta(days=days))
