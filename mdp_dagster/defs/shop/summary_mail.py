"""The morning email of a client, in French, as text and as HTML. The templates are in `templates/`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import jinja2

from mdp_dagster.clients.model import Client
from mdp_dagster.defs.shop.alert_texts import alert_text
from mdp_dagster.defs.shop.shop_calendar import Shop
from mdp_dagster.defs.shop.summary_figures import Measure, Ranked, ShopDay
from mdp_dagster.delivery import french
from mdp_dagster.delivery.mail import Mail, one_line
from mdp_dagster.ingest.shop_alerts import ShopAlert

SUMMARY = "summary"
GUEST_LIMIT = Decimal("0.10")
FINAL_AFTER_DAYS = 7
"""The sync looks for deleted orders of the last seven days every night."""
_BAR_CHARACTERS = 24
_MOST_TITLE = 80
_WITHOUT_NAME = "(sans nom)"


@dataclass(frozen=True)
class ShopReport:
    """The day of a shop.

    Args:
        shop: The shop.
        day: The day that the figures are about, in the shop's time zone.
        expected_day: The last day that is over. An earlier ``day`` means that the figures are late.
        currencies: The figures by currency.
        complete_until: Up to this instant, the figures have all orders; None if that is not known.
        rejected: The rejected orders of the night; None if that is not known.
        read: The orders that the night has read.
    """

    shop: Shop
    day: date
    expected_day: date
    currencies: Sequence[ShopDay]
    complete_until: datetime | None
    rejected: int | None = None
    read: int | None = None

    @property
    def is_late(self) -> bool:
        """Whether the last day that is over is missing."""
        return self.day < self.expected_day


def summary_mail(
    client: Client, day: date, reports: Sequence[ShopReport], alerts: Sequence[ShopAlert], dashboard_url: str | None
) -> Mail:
    """Returns the client's email of a day.

    Args:
        client: The client.
        day: The day, which names the email. A shop in another time zone can have another one.
        reports: The shops.
        alerts: The alerts of these shops.
        dashboard_url: The address of the dashboard.
    """
    values: dict[str, Any] = {
        "client": one_line(client.name),
        "day": french.long_day(day),
        "preview": _preview(reports),
        "shops": [_shop(report) for report in reports],
        "alerts": [alert_text(alert) for alert in alerts],
        "dashboard_url": _link(dashboard_url),
    }
    return Mail(
        client.id, day, SUMMARY, tuple(dict.fromkeys(client.mail)), _subject(client, day, reports, alerts),
        render("summary.txt", values), render("summary.html", values),
    )  # fmt: skip


def alert_mail(client: Client, night: date, alert: ShopAlert, dashboard_url: str | None) -> Mail:
    """Returns the email of an alert. A client gets one for each cause, shop and night."""
    text = alert_text(alert)
    values = {
        "client": one_line(client.name),
        "night": french.long_day(night),
        "alert": text,
        "dashboard_url": _link(dashboard_url),
    }
    return Mail(
        client.id, night, f"alert/{alert.cause.value}/{alert.shop}", tuple(dict.fromkeys(client.mail)),
        one_line(f"[ALERTE] {client.name} : {text.title}"), render("alert.txt", values), render("alert.html", values),
    )  # fmt: skip


_TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=lambda name: name is not None and name.endswith(".html"),
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)


def render(name: str, values: Mapping[str, Any]) -> str:
    """Returns a template's text. Values in HTML are escaped."""
    return _TEMPLATES.get_template(name).render(values)


def _link(url: str | None) -> str:
    """The address, if it is one that a reader may follow."""
    return url if url and url.startswith(("https://", "http://")) else ""


def _subject(client: Client, day: date, reports: Sequence[ShopReport], alerts: Sequence[ShopAlert]) -> str:
    of_day = f"{french.WEEKDAYS[day.weekday()]} {day:%d/%m}"
    days = [currency for report in reports for currency in report.currencies]
    if any(report.is_late for report in reports) or not days:
        text = f"ventes du {of_day}, données incomplètes"
    elif len(days) == 1:
        text = f"{french.short_money(days[0].revenue.value or Decimal(0), days[0].currency)} de CA net le {of_day}"
    else:
        text = f"ventes du {of_day}"
    if alerts:
        text += ", 1 alerte" if len(alerts) == 1 else f", {len(alerts)} alertes"
    return one_line(f"{one_line(client.name, 80)} : {text}")


def _preview(reports: Sequence[ShopReport]) -> str:
    """The line that mail programs show next to the subject."""
    parts = []
    for report in reports:
        for of_day in report.currencies:
            change = french.change(of_day.revenue.value, of_day.revenue.week_before)
            text = f"CA net {french.money(of_day.revenue.value, of_day.currency)}"
            parts.append(text if change is None else f"{text} ({french.signed_percent(change)} sur une semaine)")
    return " ; ".join(parts) or "Aucune vente"


def _shop(report: ShopReport) -> dict[str, Any]:
    zone = ZoneInfo(report.shop.time_zone)
    until = report.complete_until
    final = max((report.day + timedelta(days=FINAL_AFTER_DAYS) - report.expected_day).days, 0)
    return {
        "name": one_line(report.shop.name, _MOST_TITLE),
        "domain": report.shop.domain,
        "day": french.long_day(report.day),
        "expected_day": french.long_day(report.expected_day),
        "is_late": report.is_late,
        "currencies": [_currency(of_day) for of_day in report.currencies],
        "as_of": french.instant(until.astimezone(zone)) if until else "une heure inconnue",
        "time_zone": report.shop.time_zone,
        "rejects": _rejects(report),
        "final": f"{final}{french.SPACE}jours" if final > 1 else f"{final}{french.SPACE}jour",
    }


def _rejects(report: ShopReport) -> str:
    if report.rejected is None:
        return "nombre inconnu"
    if report.rejected == 0:
        return "aucun"
    read = max(report.read or 0, report.rejected)
    share = french.percent(Decimal(report.rejected) / read)
    return f"{french.number(report.rejected)} sur {french.number(read)} commandes lues ({share})"


def _currency(of_day: ShopDay) -> dict[str, Any]:
    weekday, currency = french.WEEKDAYS[of_day.day.weekday()], of_day.currency

    def amount(value: Decimal | None) -> str:
        return french.money(value, currency)

    def orders(value: Decimal | None) -> str:
        return french.number(value, 0 if value is None or value == value.to_integral_value() else 1)

    usual = {0: "", 1: f"dernier {weekday}"}.get(
        of_day.compared_weeks, f"moyenne des {of_day.compared_weeks} derniers {weekday}s"
    )
    guests = of_day.guest_share
    return {
        "code": currency,
        "week_before": f"{weekday} {of_day.day - timedelta(weeks=1):%d/%m}",
        "usual": usual,
        "measures": [
            _measure("CA net", of_day.revenue, amount),
            _measure("Commandes", of_day.orders, orders),
            _measure("Panier moyen", of_day.basket, amount),
        ],
        "bars": _bars(of_day),
        "products": [_ranked(row, currency, "unité") for row in of_day.products],
        "countries": [_ranked(row, currency, "commande") for row in of_day.countries],
        "returns": amount(of_day.returns.value),
        "return_share": french.percent(of_day.return_share),
        "returns_usual": amount(of_day.returns.usual),
        "guests": french.percent(guests),
        "too_many_guests": guests is not None and guests > GUEST_LIMIT,
    }


def _measure(label: str, measure: Measure, shown: Any) -> dict[str, Any]:
    def compared(before: Decimal | None) -> dict[str, str]:
        change = french.change(measure.value, before)
        direction = "" if change is None or abs(change) < Decimal("0.0005") else ("up" if change > 0 else "down")
        return {"value": shown(before), "change": french.signed_percent(change), "direction": direction}

    return {
        "label": label,
        "value": shown(measure.value),
        "week_before": compared(measure.week_before),
        "usual": compared(measure.usual),
    }


def _bars(of_day: ShopDay) -> list[dict[str, Any]]:
    """Returns a bar for each day. Its length is a share of the best day's; a day with more returns has none."""
    most = max((value for _, value in of_day.bars if value is not None), default=Decimal(0))
    rows: list[dict[str, Any]] = []
    for day, value in of_day.bars:
        share = max(value or Decimal(0), Decimal(0)) / most if most > 0 else Decimal(0)
        amount = french.NOTHING if value is None else french.short_money(value, of_day.currency)
        rows.append(
            {
                "day": french.short_day(day),
                "amount": amount,
                "percent": int(share * 100),
                "text": "█" * int((share * _BAR_CHARACTERS).to_integral_value()),
                "is_today": day == of_day.day,
            }
        )
    widest = max(len(row["amount"]) for row in rows)
    return [{**row, "padding": " " * (widest - len(row["amount"]))} for row in rows]


def _ranked(row: Ranked, currency: str, unit: str) -> dict[str, str]:
    plural = "s" if row.quantity > 1 else ""
    return {
        "name": one_line(row.name or _WITHOUT_NAME, _MOST_TITLE) or _WITHOUT_NAME,
        "revenue": french.money(row.revenue, currency),
        "quantity": f"{french.number(row.quantity)}{french.SPACE}{unit}{plural}",
    }
