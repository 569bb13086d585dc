"""Shopify's search syntax, as far as the sandbox models it: terms, comparators, and AND.

Two real surprises are modelled. A time without a zone is one of the shop's zone, and `>` on a time behaves as `>=`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime, timezone
from zoneinfo import ZoneInfo

from sandbox.shopify.facts import OrderState

_TERM = re.compile(
    r"""\s*(?P<name>[a-z_]+):(?P<sign>>=|<=|>|<|=)?(?:'(?P<single>[^']*)'|"(?P<double>[^"]*)"|(?P<bare>[^\s()'"]+))"""
)
_AND = re.compile(r"\s+(?:AND\s+)?")
_TIMES = ("updated_at", "created_at", "processed_at")
_STATUSES = ("open", "closed", "cancelled", "not_closed")


class UnmodelledFilter(Exception):
    """A filter that the sandbox doesn't model. Nobody should take it for Shopify's answer."""


@dataclass(slots=True)
class Range:
    """A half-open range of whole numbers: epoch seconds, or ids."""

    start: int | None = None
    end: int | None = None

    def narrow(self, sign: str, value: int) -> None:
        """Adds a comparison."""
        if sign in (">=", ">", "=", ""):
            self.start = value if self.start is None else max(self.start, value)
        if sign in ("<", "<=", "=", ""):
            end = value if sign == "<" else value + 1
            self.end = end if self.end is None else min(self.end, end)

    def __contains__(self, value: int) -> bool:
        return (self.start is None or value >= self.start) and (self.end is None or value < self.end)


@dataclass(slots=True)
class Search:
    """A parsed filter."""

    updated_at: Range = field(default_factory=Range)
    created_at: Range = field(default_factory=Range)
    processed_at: Range = field(default_factory=Range)
    id: Range = field(default_factory=Range)
    test: bool | None = None
    status: str | None = None

    def matches(self, state: OrderState) -> bool:
        """Returns whether an order matches."""
        order = state.order
        return (
            state.updated_at in self.updated_at
            and order.created_at in self.created_at
            and order.processed_at in self.processed_at
            and order.id in self.id
            and self.test in (None, order.test)
            and self._has_status(state)
        )

    def _has_status(self, state: OrderState) -> bool:
        """No order of the sandbox is ever closed."""
        if self.status == "closed":
            return False
        return self.status in (None, "not_closed") or (self.status == "cancelled") == (state.cancelled_at is not None)


def parse_search(text: str | None, zone: ZoneInfo) -> Search:
    """Returns the parsed filter. Raises ``UnmodelledFilter``."""
    search, text = Search(), (text or "").strip()
    position = 0
    while position < len(text):
        term = _TERM.match(text, position)
        if term is None:
            raise UnmodelledFilter(f"The sandbox doesn't model the filter {text[position:]!r}.")
        _add(search, term, zone)
        position = term.end()
        gap = _AND.match(text, position)
        if gap is None and position < len(text):
            raise UnmodelledFilter(f"The sandbox doesn't model the filter {text[position:]!r}.")
        position = gap.end() if gap else position
    return search


def _add(search: Search, term: re.Match[str], zone: ZoneInfo) -> None:
    name, sign = term["name"], term["sign"] or ""
    value = next(v for v in (term["single"], term["double"], term["bare"]) if v is not None)
    if name in _TIMES:
        if term["bare"] is not None and ":" in value:
            raise UnmodelledFilter(f"Put the time of {name} into quotes: {name}:{sign}'{value}'")
        getattr(search, name).narrow(">=" if sign == ">" else sign, _instant(value, zone))
    elif name == "id" and value.isdecimal():
        search.id.narrow(sign, int(value))
    elif name == "test" and value in ("true", "false"):
        search.test = value == "true"
    elif name == "status" and value in _STATUSES:
        search.status = value
    else:
        raise UnmodelledFilter(f"The sandbox doesn't model the filter {term[0].strip()!r}.")


def _instant(value: str, zone: ZoneInfo) -> int:
    try:
        moment = datetime.fromisoformat(value.replace("Z", "+00:00"))  # Python 3.10 doesn't know Z
    except ValueError:
        raise UnmodelledFilter(f"The sandbox doesn't model the time {value!r}.") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone)
    return int(moment.astimezone(timezone.utc).timestamp())
