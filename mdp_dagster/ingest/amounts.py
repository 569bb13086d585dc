"""The amounts of a report by day, summed over raw rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

import pyarrow as pa

from mdp_dagster.connectors.base import AccountOptions, DayReport
from mdp_dagster.ingest.account_registry import OptionsOnDay

Amounts = dict[str, float]
"""Sums by the amount's name; money is in the account's currency."""


def amounts_by_day(report: DayReport, rows: pa.Table, options: OptionsOnDay) -> dict[date, Amounts]:
    """Returns the sums of each day that has rows. The rows, of one account, have a column ``date``."""
    sums: dict[date, Amounts] = {}
    for row in rows.to_pylist():
        add_row(sums.setdefault(row["date"], {}), report, row, options(row["date"]))
    return sums


def add_row(sums: Amounts, report: DayReport, row: Mapping[str, Any], options: AccountOptions) -> None:
    """Adds the amounts of one raw row."""
    for name, amount in report.amounts.items():
        sums[name] = sums.get(name, 0.0) + amount.of_row(row, options)


def difference(names: Iterable[str], now: Amounts | None, before: Amounts | None) -> Amounts:
    """Returns now minus before. A day without activity does not have rows; its amounts are 0."""
    now, before = now or {}, before or {}
    return {name: now.get(name, 0.0) - before.get(name, 0.0) for name in names}
