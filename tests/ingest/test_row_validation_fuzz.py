"""For any rows of a connector: each is valid or rejected with a reason, and the valid ones can be loaded."""

from __future__ import annotations

import json
import math
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from mdp_dagster.connectors.base import Column, ColumnType, DayReport
from mdp_dagster.defs.ads.platforms import REPORTS
from mdp_dagster.ingest.answers import CheckedAnswer, check_answer
from mdp_dagster.ingest.digest import EMPTY
from mdp_dagster.ingest.row_validation import validate
from mdp_dagster.window import DateWindow
from tests.support.effort import fuzzed

FIRST = date(2026, 11, 1)
WINDOW = DateWindow(FIRST, FIRST + timedelta(days=3))

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
strange_days = st.sampled_from(
    ["2026-11-1", "20261101", "2026-W44-7", "2026-02-30", "２０２６-11-01", "2026-11-01\n", " 2026-11-01"]
)
numbers = (
    st.integers().map(str)
    | st.floats().map(str)
    | st.sampled_from(["1\n", " 1", "1.", ".5", "-", "--1", "1e5", "1E+05", "1e-999", "1e99", "-9e60", "9" * 18,
                       "9" * 19, "9" * 29, "9" * 30, "1.0", "1.00", "١", "0x1", "1_000", "+1", "NaN", "Infinity",
                       "1.5e10", "-0"])
)  # fmt: skip
lists = st.sampled_from(["[]", "[1]", "[\n]", "[x]", "{}", "[", "[][", '[{"action_type":"purchase","value":"1"}]',
                         '[{"action_type":[],"value":1}]', '["a"]', "[null]", "[" * 2_000 + "]" * 2_000])  # fmt: skip


def _values(report: DayReport, column: Column) -> st.SearchStrategy[Any]:
    if column.name == report.day_column:
        return (
            st.dates(FIRST, FIRST + timedelta(days=4)).map(str) | strange_days | texts | st.dates().map(str) | st.none()
        )
    kinds: dict[ColumnType, st.SearchStrategy[Any]] = {
        ColumnType.STRING: st.sampled_from(["a", "b", ""]) | texts,
        ColumnType.INTEGER: st.sampled_from([1, 2]) | st.integers(-(2**63), 2**63 - 1),
        ColumnType.DOUBLE: st.floats(),
        ColumnType.INTEGER_TEXT: numbers | texts,
        ColumnType.DECIMAL_TEXT: numbers | texts,
        ColumnType.JSON_TEXT: lists | texts,
    }
    return kinds[column.type] | st.none()


def tables(report: DayReport) -> st.SearchStrategy[pa.Table]:
    """Some rows that are mostly good, in chunks of any size, none of them too."""
    row = st.fixed_dictionaries({column.name: _values(report, column) for column in report.columns})
    return st.lists(st.lists(row, max_size=4), max_size=3).map(
        lambda chunks: pa.Table.from_batches(
            [pa.RecordBatch.from_pylist(rows, report.schema) for rows in chunks], report.schema
        )
    )


given_tables = st.sampled_from(REPORTS).flatmap(lambda report: st.tuples(st.just(report), tables(report)))


def is_loadable(report: DayReport, row: dict[str, Any]) -> bool:
    """The values that staging's types can hold, in Python."""
    for column in report.columns:
        value = row[column.name]
        if value is None or not column.essential:
            continue
        if column.type is ColumnType.DOUBLE and not math.isfinite(value):
            return False
        if column.type is ColumnType.INTEGER_TEXT and (Decimal(value) % 1 or abs(Decimal(value)) >= 10**18):
            return False
        if column.type is ColumnType.DECIMAL_TEXT and not Decimal(value).is_finite():
            return False
        if column.type is ColumnType.JSON_TEXT and not (value.startswith("[") and value.endswith("]")):
            return False
    return all(row[name] not in (None, "") for name in report.key)


def plain(row: dict[str, Any]) -> str:
    return json.dumps({name: value for name, value in row.items() if name != "date"}, default=str)


@fuzzed(120)
@given(given_tables)
def test_each_row_is_taken_or_rejected_with_a_reason(drawn: tuple[DayReport, pa.Table]) -> None:
    report, table = drawn
    good, rejects = validate(report, table, WINDOW)
    taken = good.to_pylist()
    assert sorted([*map(plain, taken), *(plain(json.loads(r.payload)) for r in rejects)]) == sorted(
        map(plain, table.to_pylist())
    ), "no row is lost, doubled or changed"
    assert all(reject.reason for reject in rejects)
    assert all(is_loadable(report, row) for row in taken)
    assert all(row["date"] in WINDOW and str(row["date"]) == row[report.day_column] for row in taken)
    for reject in rejects:
        reject.payload.encode("utf-8")


def checked(report: DayReport, answer: pa.Table) -> CheckedAnswer:
    return check_answer(report, answer, WINDOW, lambda _: {})


@fuzzed(70)
@given(given_tables)
def test_what_is_taken_has_a_digest_for_each_day_and_its_rows_counted(drawn: tuple[DayReport, pa.Table]) -> None:
    report, table = drawn
    found = checked(report, table)
    assert sum(content.row_count for content in found.contents.values()) == found.rows.num_rows
    assert set(found.contents) == set(found.rows.column("date").to_pylist())
    backwards = table.take(pa.array(list(reversed(range(table.num_rows))), pa.int64()))
    assert checked(report, backwards).contents == found.contents, "in any order"
    assert EMPTY not in found.contents.values()


@fuzzed(70)
@given(given_tables)
def test_rows_with_the_key_of_another_row_are_counted(drawn: tuple[DayReport, pa.Table]) -> None:
    report, table = drawn
    found = checked(report, table)
    keys = [tuple(row[name] for name in report.key) for row in found.rows.to_pylist()]
    assert found.duplicates == len(keys) - len(set(keys))


@fuzzed(70)
@given(given_tables, st.sampled_from([{}, {"conversion_action_type": "purchase"}]))
def test_every_valid_row_has_every_amount(drawn: tuple[DayReport, pa.Table], options: dict[str, str]) -> None:
    report, table = drawn
    found = checked(report, table)
    assert {"spend", "conversions"} <= set(report.amounts)
    for row in found.rows.to_pylist():
        assert all(isinstance(amount.of_row(row, options), float) for amount in report.amounts.values())
    assert math.isfinite(found.money["spend"])


def test_a_campaign_counts_once_for_each_of_its_days() -> None:
    for report in REPORTS:
        ids: list[Any] = ["1", "2"] if pa.types.is_string(report.schema.field(report.key[0]).type) else [1, 2]
        campaigns = ids if report.name == "campaign_daily" else [None]
        rows = [
            {report.day_column: f"2026-11-0{day}"} | ({"campaign_id": campaign} if campaign else {})
            for day in (1, 2)
            for campaign in campaigns
        ]
        once, twice = (
            checked(report, pa.Table.from_pylist(drawn, report.schema)) for drawn in (rows, [*rows, rows[0]])
        )
        assert (once.rows.num_rows, once.duplicates, twice.duplicates) == (len(rows), 0, 1)
