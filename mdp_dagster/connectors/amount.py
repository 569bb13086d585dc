"""The quantities of a report that can be summed, for example spend."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from mdp_dagster.number_text import TOO_LARGE, decimal_number

AccountOptions = Mapping[str, str]
"""The settings of an account in the clients file, by option. Only the account's source interprets them."""

ReadAmount = Callable[[Mapping[str, Any], AccountOptions], float]
"""Reads an amount from a raw row, given the options of the row's account."""


@dataclass(frozen=True)
class Amount:
    """A quantity that can be summed over the raw rows of a report, for example spend.

    MDP uses amounts to decide whether days changed, and to report by how much. The dbt models compute their own
    measures.

    Args:
        column: The column that holds the amount.
        is_money: Whether the amount is in the account's currency.
        units_per_one: How many units of the column make one: 1,000,000 for millionths.
        read: Reads the amount from a raw row, where the column holds more than a number.
    """

    column: str
    is_money: bool = False
    units_per_one: int = 1
    read: ReadAmount | None = None

    def of_row(self, row: Mapping[str, Any], options: AccountOptions) -> float:
        """Returns the amount of one raw row. A value that the models can't read counts as 0, as it does there."""
        if self.read is not None:
            return self.read(row, options)
        return _number(row[self.column]) / self.units_per_one

    def total(self, rows: pa.Table, options: AccountOptions) -> float:
        """Returns the sum over valid rows of one account."""
        if self.read is not None:
            return sum(self.read(row, options) for row in rows.to_pylist())
        values = rows.column(self.column)
        if pa.types.is_string(values.type):
            try:
                values = pc.cast(values, pa.float64())
            except pa.ArrowInvalid:  # valid forms that Arrow does not read, such as +4.5
                values = pa.array([_number(text) for text in values.to_pylist()], pa.float64())
        if pa.types.is_floating(values.type):
            values = values.filter(pc.less(pc.abs(values), TOO_LARGE))  # NaN is not less than a number
        return (pc.sum(values).as_py() or 0) / self.units_per_one


def _number(value: str | float | None) -> float:
    if isinstance(value, str):
        value = float(decimal_number(value) or 0)
    return float(value) if value is not None and abs(value) < TOO_LARGE else 0.0
