"""The file of a bulk operation: one line for each object, in no order, streamed to the disk."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import IO, Any

import orjson

from sandbox.faults import Fault
from sandbox.shopify.projection import Document, Line, Projection

_MIXED_LINES = 4_000  # the lines in memory, which change places


@dataclass(slots=True)
class Counts:
    """The numbers of a bulk operation."""

    roots: int = 0
    objects: int = 0
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class FileStyle:
    """The form of the file.

    Args:
        grouped: True for children right after their parent.
        children_first: The fault that puts all children before all parents.
        malformed: The fault that damages orders.
    """

    grouped: bool = False
    children_first: Fault | None = None
    malformed: Fault | None = None


def write_file(
    path: Path, documents: Iterable[Document], projection: Projection, style: FileStyle, counts: Counts
) -> None:
    """Writes the lines of all documents, and counts them as they are written. Without documents, it writes no file."""
    groups: Iterator[list[Line]] = (list(projection.lines(document)) for document in documents)
    if style.malformed is not None:
        groups = damaged(groups, style.malformed)
    with path.open("wb") as file:
        if style.grouped:
            for group in groups:
                _write(file, map(_bytes, group), counts)
                counts.roots += 1
        elif style.children_first is not None:
            parents = []
            for group in groups:
                parents.append(_bytes(group[0]))
                _write(file, map(_bytes, group[1:]), counts)
                counts.roots += 1
            _write(file, parents, counts)
        else:
            _write_mixed(file, groups, counts)
    if not counts.objects:
        path.unlink()


def _write_mixed(file: IO[bytes], groups: Iterable[list[Line]], counts: Counts) -> None:
    """Lines of different orders are mixed, and a child can come before its parent."""
    rng, waiting = Random(0), list[bytes]()
    for group in groups:
        waiting += map(_bytes, group)
        counts.roots += 1
        if len(waiting) > _MIXED_LINES:
            rng.shuffle(waiting)
            _write(file, waiting[: _MIXED_LINES // 2], counts)
            del waiting[: _MIXED_LINES // 2]
    rng.shuffle(waiting)
    _write(file, waiting, counts)


def _write(file: IO[bytes], lines: Iterable[bytes], counts: Counts) -> None:
    found = list(lines)
    counts.objects += len(found)
    counts.bytes += file.write(b"".join(found))


def _bytes(line: Line) -> bytes:
    text = orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)
    return text.replace(_SURROGATE, b"\\ud83d").replace(_BROKEN, b"") if _MARK in text else text


# --- damage

_MARK = b"\xee\x80\x80"  # a character for private use, which no title has
_SURROGATE, _BROKEN = _MARK + b"surrogate", b'"' + _MARK + b'broken":'


def damaged(groups: Iterable[list[Line]], fault: Fault) -> Iterator[list[Line]]:
    """Yields the lines of each order, those of some orders damaged as the fault `malformed` describes."""
    field, every, left = str(fault.params["field"]), int(fault.number("every")), int(fault.number("orders"))
    previous: Any = None
    for number, group in enumerate(groups):
        own_id = group[0].get("id")
        if every > 0 and number % every == 0 and left > 0:
            left -= 1
            group = _damaged(group, field, previous)
        previous = own_id
        yield group


def _damaged(group: list[Line], field: str, previous: Any) -> list[Line]:
    order, rest = dict(group[0]), [dict(line) for line in group[1:]]
    items = [line for line in rest if "isGiftCard" in line]
    agreements = [line for line in rest if "happenedAt" in line]
    sales = [line for line in rest if "actionType" in line]
    match field:
        case "happenedAt":
            agreements[0]["happenedAt"] = "yesterday"
        case "amount":
            sales[0]["totalAmount"] = _money_like(sales[0]["totalAmount"], "12,50 €")
        case "quantity":
            sales[0]["quantity"] = -1
        case "parent":
            child = (items or rest)[0]
            child["__parentId"] = "gid://shopify/Order/1"
        case "moved":
            items[0]["__parentId"] = previous
        case "total":
            order["originalTotalPriceSet"] = _money_like(order["originalTotalPriceSet"], "999999.99")
        case "duplicate":
            return [order, {**order, "name": "#twice"}, *rest]
        case "nul":
            items[0]["title"] = "Schuh\u0000links"
        case "surrogate":
            items[0]["title"] = f"Schuh {(_MARK + b'surrogate').decode()}"
        case "json":
            return [order, *rest[:-1], {(_MARK + b"broken").decode(): rest[-1]}]
        case "large_id":
            order["id"] = f"gid://shopify/Order/{2**63}"
        case "id" | "currencyCode":
            order[field] = None if field == "id" else "euro"
        case _:
            order[field] = "2026-13-45T25:00:00Z"
    return [order, *rest]


def _money_like(money: Any, amount: str) -> Any:
    """The same selection of money, with another amount in the shop's currency."""
    return {**money, "shopMoney": {**money["shopMoney"], "amount": amount}}
