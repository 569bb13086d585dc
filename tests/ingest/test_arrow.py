from __future__ import annotations

from datetime import date
from typing import Any

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from mdp_dagster.ingest.arrow import values

columns = st.sampled_from(
    [(pa.date32(), st.dates()), (pa.string(), st.text(max_size=3)), (pa.int64(), st.integers(-9, 9))]
).flatmap(lambda kind: st.tuples(st.just(kind[0]), st.lists(st.lists(st.none() | kind[1], max_size=5), max_size=3)))


@given(columns)
def test_values_are_what_arrow_says(drawn: tuple[pa.DataType, list[list[Any]]]) -> None:
    type_, chunks = drawn
    column = pa.chunked_array(chunks, type_)
    assert values(column) == column.to_pylist()


def test_a_value_that_recurs_is_made_once() -> None:
    first, second = values(pa.chunked_array([[date(2026, 11, 1)], [date(2026, 11, 1)]]))
    assert first is second
