"""Numbers, amounts, days and times as French readers write them."""

from __future__ import annotations

from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal

NARROW_SPACE, SPACE, MINUS = "\u202f", "\u00a0", "\u2212"
NOTHING = "–"

WEEKDAYS = ("lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche")
_MONTHS = (
    "janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août", "septembre", "octobre", "novembre",
    "décembre",
)  # fmt: skip
# ISO 4217: the currencies with another number of decimals than two.
_DECIMALS = {
    **dict.fromkeys(("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "VND", "VUV"), 0),
    **dict.fromkeys(("XAF", "XOF", "XPF"), 0),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
}
_SYMBOLS = {"EUR": "€"}


def number(value: Decimal | int | None, decimals: int = 0) -> str:
    """Returns a number with non-breaking spaces between thousands and a decimal comma; a dash for None."""
    if value is None:
        return NOTHING
    rounded = Decimal(value).quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP)
    text = f"{abs(rounded):,.{decimals}f}".replace(",", NARROW_SPACE).replace(".", ",")
    return f"{MINUS}{text}" if rounded < 0 else text


def money(value: Decimal | None, currency: str) -> str:
    """Returns an amount with its currency, in the currency's usual number of decimals."""
    if value is None:
        return NOTHING
    return f"{number(value, _DECIMALS.get(currency, 2))}{SPACE}{_SYMBOLS.get(currency, currency)}"


def short_money(value: Decimal, currency: str) -> str:
    """Returns an amount without decimals, for a subject or a chart."""
    return f"{number(value)}{SPACE}{_SYMBOLS.get(currency, currency)}"


def percent(fraction: Decimal | None, decimals: int = 1) -> str:
    """Returns a share such as 12,5 %; a dash for None."""
    return NOTHING if fraction is None else f"{number(fraction * 100, decimals)}{SPACE}%"


def change(now: Decimal | None, before: Decimal | None) -> Decimal | None:
    """Returns the relative change; None if it has no meaning, because the earlier value is missing, zero or less."""
    if now is None or before is None or before <= 0:
        return None
    return now / before - 1


def signed_percent(fraction: Decimal | None) -> str:
    """Returns a change such as +4,0 %; a dash for None."""
    text = percent(fraction)
    return f"+{text}" if fraction is not None and not text.startswith((MINUS, "0,0")) else text


def long_day(day: date) -> str:
    """Returns a day such as ``vendredi 27 novembre 2026``."""
    return f"{WEEKDAYS[day.weekday()]} {_ordinal(day)} {_MONTHS[day.month - 1]} {day.year}"


def short_day(day: date) -> str:
    """Returns a day such as ``ven. 27/11``."""
    return f"{WEEKDAYS[day.weekday()][:3]}. {day:%d/%m}"


def instant(moment: datetime) -> str:
    """Returns a moment such as ``27/11/2026 à 02:10``, in its own time zone."""
    return f"{moment:%d/%m/%Y} à {moment:%H:%M}"


def _ordinal(day: date) -> str:
    return "1er" if day.day == 1 else str(day.day)
