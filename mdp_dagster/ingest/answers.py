"""What the platform's answers for several accounts are worth: which rows can be taken, and what each day of them has.

Judged together, since asking Arrow costs as much for one account's days as for those of a hundred.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from mdp_dagster.connectors.base import DayReport
from mdp_dagster.ingest.digest import DayContent, contents
from mdp_dagster.ingest.row_validation import Reject, validate
from mdp_dagster.window import DateWindow

_ANSWER = "answer"  # which of the answers a row is from; no platform's field


@dataclass(frozen=True)
class Judged:
    """One account's answer. ``rows`` can be taken, and have a ``date``; ``duplicates``: those whose key another one of
    them has. ``money``: the sums of the amounts that are money, in the account's currency."""

    rows: pa.Table
    rejects: tuple[Reject, ...]
    contents: dict[date, DayContent]
    duplicates: int
    money: dict[str, float]


def judge(report: DayReport, answers: Sequence[pa.Table], window: DateWindow) -> list[Judged]:
    """What comes of each account's answer, in their order."""
    whose = [pa.repeat(pa.scalar(n, pa.int32()), answer.num_rows) for n, answer in enumerate(answers)]
    rows = pa.concat_tables(answers).add_column(0, _ANSWER, pa.chunked_array(whose))
    good, rejects = validate(report, rows, window)
    taken = _counts(good)
    days: dict[int, dict[date, DayContent]] = {n: {} for n in range(len(answers))}
    for (n, day), content in contents(good, (_ANSWER, "date")).items():
        days[n][day] = content
    distinct = {n: len(days[n]) for n in days} if report.key == (report.day_column,) else _distinct(report, good)
    good = good.drop_columns([_ANSWER])
    judged = []
    row = reject = 0
    for n, answer in enumerate(answers):  # rows and rejects are in the order of the answers
        count = taken.get(n, 0)
        refused = answer.num_rows - count
        own = good.slice(row, count)
        judged.append(
            Judged(
                rows=own,
                rejects=tuple(rejects[reject : reject + refused]),
                contents=days[n],
                duplicates=count - distinct.get(n, 0),
                money=_money(report, own),
            )
        )
        row += count
        reject += refused
    return judged


def _counts(rows: pa.Table) -> dict[int, int]:
    return {entry["values"]: entry["counts"] for entry in pc.value_counts(rows.column(_ANSWER)).to_pylist()}


def _distinct(report: DayReport, rows: pa.Table) -> dict[int, int]:
    """How many keys each answer's rows have."""
    return _counts(rows.group_by([_ANSWER, *report.key]).aggregate([]))


def _money(report: DayReport, rows: pa.Table) -> dict[str, float]:
    return {name: amount.total(rows, {}) for name, amount in report.amounts.items() if amount.is_money}
