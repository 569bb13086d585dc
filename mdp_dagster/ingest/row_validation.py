"""Validates rows. Invalid rows are kept with their reason, never dropped silently."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from mdp_dagster.connectors.base import ColumnType, DayReport, PlatformAccount
from mdp_dagster.number_text import DECIMAL_NUMBER, TOO_LARGE, WHOLE_NUMBER
from mdp_dagster.window import DateWindow

_SHAPES = {
    ColumnType.INTEGER_TEXT: (WHOLE_NUMBER, "is not a whole number"),
    ColumnType.DECIMAL_TEXT: (DECIMAL_NUMBER, "is not a decimal number"),
    ColumnType.JSON_TEXT: (r"^\[.*\]$", "is not a list"),
}


@dataclass(frozen=True)
class Reject:
    """An invalid row. ``date`` is None if the row does not have a readable day."""

    date: date | None
    reason: str
    payload: str


def validate(
    report: DayReport, rows: pa.Table, window: DateWindow, account: PlatformAccount | None = None
) -> tuple[pa.Table, list[Reject]]:
    """Returns the valid rows, with a ``date`` column in front, and the rejects.

    A row is rejected if a part of its key is missing, its day is not readable or outside the window, or a value of an
    essential column does not have the type that the report declares. It is also rejected if it breaks another fact that
    the report declares: it covers more than its day, or it is of another account or in another currency than
    ``account``.
    """
    # one chunk for each column, because Arrow's versions differ in how they handle a column without chunks
    rows = rows.combine_chunks()
    if rows.num_rows == 0:
        return rows.add_column(0, pa.field("date", pa.date32()), pa.array([], pa.date32())), []
    days = _days(rows.column(report.day_column))
    faults = [*_faults(report, rows, days, window), *_broken_facts(report, rows, account)]
    bad = pa.chunked_array([pa.repeat(False, rows.num_rows)])
    for mask, _ in faults:
        bad = pc.or_(bad, mask)
    dated = rows.add_column(0, pa.field("date", pa.date32()), days)
    if not pc.any(bad).as_py():
        return dated, []
    return dated.filter(pc.invert(bad)), _rejects(rows.select(report.schema.names), days, faults, bad)


def _faults(
    report: DayReport, rows: pa.Table, days: pa.ChunkedArray, window: DateWindow
) -> Iterator[tuple[pa.ChunkedArray, str]]:
    """Yields masks without nulls, each with the reason for which it rejects its rows."""
    for name in dict.fromkeys((*report.key, report.day_column)):
        column = rows.column(name)
        missing = pc.is_null(column)
        if pa.types.is_string(column.type):
            missing = pc.or_(missing, pc.fill_null(pc.equal(column, ""), False))
        yield missing, f"{name} is missing"
    unreadable = pc.and_(pc.is_valid(rows.column(report.day_column)), pc.is_null(days))
    yield unreadable, f"{report.day_column} is not a day"
    outside = pc.or_(pc.less(days, pa.scalar(window.start)), pc.greater_equal(days, pa.scalar(window.end)))
    yield pc.fill_null(outside, False), f"{report.day_column} is outside the window {window}"
    for column in report.columns:
        if not column.essential:
            continue  # staging makes a bad value null and flags it
        values = rows.column(column.name)
        if column.type in _SHAPES:
            pattern, what = _SHAPES[column.type]
            yield (
                pc.fill_null(pc.invert(pc.match_substring_regex(values, pattern)), False),
                f"{column.name} {what}",
            )
        elif column.type is ColumnType.DOUBLE:
            yield pc.fill_null(pc.invert(pc.is_finite(values)), False), f"{column.name} is not a finite number"
            large = pc.and_(pc.is_finite(values), pc.greater_equal(pc.abs(values), TOO_LARGE))
            yield pc.fill_null(large, False), f"{column.name} is too large"


def _broken_facts(
    report: DayReport, rows: pa.Table, account: PlatformAccount | None
) -> Iterator[tuple[pa.ChunkedArray, str]]:
    """Yields masks like ``_faults``: rows that contradict the period, the account or the currency of the report."""
    if name := report.period_end_column:
        # an answer without the column does not contradict the report
        other = pc.fill_null(pc.not_equal(rows.column(name), rows.column(report.day_column)), False)
        yield other, f"the row covers more than one day: {name} is not {report.day_column}"
    if account is not None and (name := report.account_id_column):
        other = pc.not_equal(pc.cast(rows.column(name), pa.string()), account.account_id)
        yield pc.fill_null(other, False), f"{name} is not the extracted account {account.account_id}"
    if account is not None and account.currency and (name := report.currency_column):
        values = rows.column(name)
        # staging flags a currency that is missing
        other = pc.and_(pc.not_equal(values, account.currency), pc.not_equal(values, ""))
        yield pc.fill_null(other, False), f"{name} is not {account.currency}, the account's currency"


def _days(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Returns the day column as dates; null where it is not an ISO day. Each distinct value is parsed once."""
    encoded = pc.dictionary_encode(column).combine_chunks()
    parsed = pa.array([_day(text) for text in encoded.dictionary.to_pylist()], pa.date32())
    return pa.chunked_array([parsed.take(encoded.indices)])


def _day(text: str | None) -> date | None:
    # fromisoformat also accepts other ISO forms (20260101, 2026-W01-1), which the sources do not send
    if text is None or not re.fullmatch(r"\d{4}-\d\d-\d\d", text, re.ASCII):
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _rejects(
    rows: pa.Table, days: pa.ChunkedArray, faults: list[tuple[pa.ChunkedArray, str]], bad: pa.ChunkedArray
) -> list[Reject]:
    positions = pc.indices_nonzero(bad)
    if not len(positions):
        return []
    payloads = rows.take(positions).to_pylist()
    reasons: list[list[str]] = [[] for _ in payloads]
    for mask, what in faults:
        for position, is_bad in enumerate(mask.take(positions).to_pylist()):
            if is_bad:
                reasons[position].append(what)
    return [
        Reject(day, "; ".join(why), json.dumps(payload, ensure_ascii=False, default=str))
        for day, why, payload in zip(days.take(positions).to_pylist(), reasons, payloads, strict=True)
    ]
