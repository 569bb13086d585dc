"""The text of CSV records, as another program reads it."""

from __future__ import annotations

import csv
import io
from datetime import date
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdp_dagster.delivery.csv_text import header, records

MONEY = pa.decimal128(38, 9)


def text_of(values: list[object], kind: pa.DataType) -> list[str]:
    """Each value's field, as it is in the file."""
    batch = pa.record_batch({"a": pa.array(values, kind), "b": pa.array([7] * len(values))})
    return [line.removesuffix(",7") for line in records(batch).decode().splitlines()]


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        (Decimal("0"), MONEY, "0"),
        (Decimal("-0.01"), MONEY, "-0.01"),
        (Decimal("100"), MONEY, "100"),
        (Decimal("1234567.8901"), MONEY, "1234567.8901"),
        (Decimal("0.000000001"), MONEY, "0"),
        (Decimal("99999999999999999999999999999.5"), MONEY, "99999999999999999999999999999.5"),
        (Decimal("100"), pa.decimal128(38, 0), "100"),
        (0.1, pa.float64(), "0.1"),
        (1 / 3, pa.float64(), "0.3333333333333333"),
        (1e-7, pa.float64(), "0.0000001"),
        (2e20, pa.float64(), "200000000000000000000"),
        (-0.0, pa.float64(), "0"),
        (100.0, pa.float64(), "100"),
        (float("nan"), pa.float64(), ""),
        (float("inf"), pa.float64(), ""),
        (2**63 - 1, pa.int64(), "9223372036854775807"),
        (True, pa.bool_(), "true"),
        (date(2026, 2, 3), pa.date32(), "2026-02-03"),
        ("", pa.string(), ""),
        (None, pa.string(), ""),
        (None, MONEY, ""),
        ("plain", pa.string(), "plain"),
        (" edge", pa.string(), '" edge"'),
        ("a,b", pa.string(), '"a,b"'),
        ('he said "no"', pa.string(), '"he said ""no"""'),
        ('=HYPERLINK("http://x","y")', pa.string(), '"=HYPERLINK(""http://x"",""y"")"'),
        ("tab\tstays", pa.string(), "tab\tstays"),
        ("nul\x00bell\x07", pa.string(), "nul\ufffdbell\ufffd"),
        ("🧥 سترة", pa.string(), "🧥 سترة"),
    ],
)
def test_a_value_has_one_plain_text(value: object, kind: pa.DataType, expected: str) -> None:
    assert text_of([value], kind) == [expected]


def test_a_line_end_in_a_value_is_quoted_and_the_records_end_with_a_line_feed() -> None:
    batch = pa.record_batch({"a": ["two\nlines", "two\r\nlines"], "b": [1, 2]})
    assert header(["a", "b"]) + records(batch) == b'a,b\n"two\nlines",1\n"two\r\nlines",2\n'


TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"], include_characters="\n\r\t"), max_size=20)


@given(st.lists(st.tuples(TEXTS, st.decimals(-(10**9), 10**9, places=4)), min_size=1, max_size=5))
def test_pythons_reader_gets_every_value_back(rows: list[tuple[str, Decimal]]) -> None:
    batch = pa.record_batch({"a": [a for a, _ in rows], "b": pa.array([b for _, b in rows], MONEY)})
    read = list(csv.reader(io.StringIO(records(batch).decode(), newline="")))
    assert [(a, Decimal(b)) for a, b in read] == rows
