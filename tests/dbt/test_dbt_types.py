"""How values are converted (dbt/macros/engine/types.sql), against rules written a second time in Python.

The rules are GoogleSQL's, from its documentation and its open source (github.com/google/googlesql). The emulator
calculates with DuckDB, so it can't show the results of the real service. If DuckDB follows the rules, both engines do.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date, datetime, time, timedelta, timezone
from decimal import ROUND_HALF_UP, Decimal, localcontext
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mdp_dagster.connectors.base import Column, ColumnType
from mdp_dagster.ingest.row_validation import validate
from mdp_dagster.ingest.settling import hours_until_settled, is_settled
from mdp_dagster.number_text import decimal_number
from mdp_dagster.window import DateWindow
from tests.ingest.scripted import REPORT

from .rich_history import DOUBLES, NUMBERS_AS_TEXT
from .support import WAREHOUSE_FILE, Dbt, compiled

MOMENTS = st.datetimes(datetime(2026, 1, 1), datetime(2026, 1, 2))


class Macros:
    """Expressions of dbt's macros, calculated by DuckDB for many values at once."""

    def __init__(self, dbt: Dbt, connection: duckdb.DuckDBPyConnection) -> None:
        self._dbt = dbt
        self._connection = connection
        self._expressions: dict[str, str] = {}

    def __call__(self, expression: str, type_: str, values: Sequence[Any]) -> list[Any]:
        """The results of the expression for `x`, which has the type."""
        if expression not in self._expressions:
            [sql] = compiled(
                self._dbt("compile", "--no-populate-cache", "--inline", f"{{{{ {expression} }}}}")
            ).values()
            self._expressions[expression] = sql
        query = f"select {self._expressions[expression]} from (select unnest(?::{type_}[]) as x)"
        return [value for (value,) in self._connection.execute(query, [list(values)]).fetchall()]


@pytest.fixture(scope="module")
def duckdbs(dbt: Dbt, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Macros]:
    with pytest.MonkeyPatch.context() as patch, duckdb.connect() as connection:
        patch.setenv("MDP_DUCKDB_PATH", str(tmp_path_factory.mktemp("types") / WAREHOUSE_FILE))
        patch.delenv("MDP_TARGET", raising=False)
        yield Macros(dbt, connection)


def googles_numeric(text: str | None) -> Decimal | None:
    """`safe_cast(text as numeric)` with white space around it, or with an exponent.

    It has nine decimals, and halves are rounded away from zero. With more than 29 digits before the point it is null.
    """
    if text is None or not re.fullmatch(
        r"[ \t\n\f\r]*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?[ \t\n\f\r]*", text, re.ASCII
    ):
        return None
    with localcontext(prec=1000):
        exact = Decimal(text.strip())
        if not exact:
            return Decimal(0)  # with any exponent
        if exact.adjusted() >= 29:
            return None
        rounded = exact.quantize(Decimal("1e-9"), ROUND_HALF_UP) if exact.adjusted() > -20 else Decimal(0)
        return rounded if abs(rounded) < Decimal(10) ** 29 else None


numbers = st.from_regex(r"\s?[+-]?[0-9]{0,30}(\.[0-9]{0,40})?([eE][+-]?[0-9]{0,3})?\s?", fullmatch=True)
nines = st.from_regex(r"-?9{18,30}(\.9{0,12})?([eE][+-]?[0-9]{1,2})?", fullmatch=True)
texts = st.one_of(numbers, nines, st.text("0159.+-eE_ x", max_size=6), st.none())
ODD_NUMBERS = [
    *(".5", "+4.5", "1e3", "1E+05", "1.2E10", "1e+16", "1e19", "1e20", "1e99", "-1e99", "1e-999", "1e-99999"),
    *(" 7\n", "1.", "."),
]


def is_accepted(type_: ColumnType, text: str | None) -> bool:
    """Whether ingest accepts the text in an essential column of the type."""
    report = replace(REPORT, columns=(*REPORT.columns[:2], Column("spend", type_, "The text.")), amounts={})
    table = pa.Table.from_pylist([{"day": "2026-01-01", "campaign_id": "1", "spend": text}], report.schema)
    return not validate(report, table, DateWindow.of_days("2026-01-01", "2026-01-01"))[1]


@settings(max_examples=50, deadline=None)
@given(st.lists(texts, min_size=1, max_size=40))
@example(NUMBERS_AS_TEXT)
@example(ODD_NUMBERS)
def test_a_text_that_ingest_accepts_is_the_number_that_it_is_for_bigquery(
    duckdbs: Macros, values: list[str | None]
) -> None:
    """And a text that ingest rejects is null in staging: never another number, never 0."""
    found = duckdbs("text_to_numeric('x')", "varchar", values)
    for value, number in zip(values, found, strict=True):
        if value is not None:
            accepted = is_accepted(ColumnType.DECIMAL_TEXT, value)
            assert accepted == (number is not None) == (decimal_number(value) is not None), value
        assert number is None or number == googles_numeric(value), value


@settings(max_examples=50, deadline=None)
@given(st.lists(texts, min_size=1, max_size=40))
@example(NUMBERS_AS_TEXT)
@example(ODD_NUMBERS)
def test_a_whole_number_for_ingest_is_one_for_staging(duckdbs: Macros, values: list[str | None]) -> None:
    found = duckdbs("text_to_integer('x')", "varchar", values)
    for value, number in zip(values, found, strict=True):
        if value is not None:
            assert is_accepted(ColumnType.INTEGER_TEXT, value) == (number is not None), value
        assert number is None or number == googles_numeric(value), value


def test_which_forms_of_numbers_are_valid() -> None:
    invalid = [text for text in ODD_NUMBERS if decimal_number(text) is None]
    assert invalid == ["1e20", "1e99", "-1e99", "1e-99999", "."]


def googles_text(value: float) -> str:
    """The text of BigQuery's double_to_text: 15, 16 or 17 digits, the first that is read back as the same number."""
    return next(text for text in (f"{value:.{digits}g}" for digits in (15, 16, 17)) if float(text) == value)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=100))
@example([value for value in DOUBLES if value is not None and math.isfinite(value)])
@example([12345678.12345679, 93000000.3, 9.3, 2.0**-44, 1e22, 123456789.123])
def test_a_double_becomes_the_number_that_it_was_printed_from(duckdbs: Macros, values: list[float]) -> None:
    """It becomes the shortest text. BigQuery's cast gives 15 or 17 digits, which is not always the shortest."""
    small = [value for value in values if abs(value) < 1e27]
    found = duckdbs("double_to_numeric('x')", "double", small)
    assert found == [googles_numeric(googles_text(value)) for value in small]
    assert googles_numeric("12345678.123456791") != googles_numeric(googles_text(12345678.12345679))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.decimals(-(10**6), 10**6, places=9), min_size=1, max_size=100))
def test_a_number_becomes_the_nearest_double(duckdbs: Macros, values: list[Decimal]) -> None:
    assert duckdbs("to_double('x')", "decimal(38, 9)", values) == [float(value) for value in values]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(MOMENTS, MOMENTS), min_size=1, max_size=20))
@example([(datetime(2026, 1, 1, 10, 0, 59), datetime(2026, 1, 1, 11, 1))])
@example([(datetime(2026, 1, 1, 11, 1, 0, 1), datetime(2026, 1, 1, 10, 0, 0, 2))])
def test_minutes_are_whole_minutes(duckdbs: Macros, values: list[tuple[datetime, datetime]]) -> None:
    """They are counted like BigQuery's timestamp_diff, and not by changes of the clock's minute."""
    pairs = [{"a": one, "b": other} for one, other in values]
    found = duckdbs("minutes_between('x.a', 'x.b')", "struct(a timestamp, b timestamp)", pairs)
    assert found == [abs(one - other) // timedelta(minutes=1) for one, other in values]


ZONES = ["America/Los_Angeles", "Europe/Berlin", "Asia/Kolkata", "Australia/Lord_Howe", "Pacific/Kiritimati", "UTC"]
UNKNOWN_ZONES = [None, "", "Bogus/Zone", "America", "berlin"]
PLATFORM_HOURS = {"google_ads": 15, "meta_ads": 12, "another": 0}


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.dates(date(2015, 1, 1), date(2035, 1, 1)),
            st.sampled_from(sorted(PLATFORM_HOURS)),
            st.integers(1, 540),
            st.sampled_from([*ZONES, *UNKNOWN_ZONES]),
            st.timedeltas(timedelta(hours=-20), timedelta(hours=48)),
        ),
        min_size=1,
        max_size=20,
    )
)
@example([(date(2026, 3, 7), "google_ads", 90, zone, timedelta(hours=15)) for zone in [*ZONES, *UNKNOWN_ZONES]])
def test_a_day_is_final_in_the_marts_when_it_is_settled_for_the_probe(
    duckdbs: Macros, days: list[tuple[date, str, int, str | None, timedelta]]
) -> None:
    rows = [
        {"day": day, "platform": platform, "lookback": lookback, "zone": zone,
         "instant": datetime.combine(day, time()) + timedelta(days=lookback + 1) + after}
        for day, platform, lookback, zone, after in days
    ]  # fmt: skip
    found = duckdbs(
        "is_settled('x.day', 'x.platform', 'x.lookback', 'x.zone', 'x.instant')",
        "struct(day date, platform varchar, lookback bigint, zone varchar, instant timestamp)",
        rows,
    )
    for (day, platform, lookback, zone, after), settled in zip(days, found, strict=True):
        hours = PLATFORM_HOURS[platform]
        at = datetime.combine(day, time()) + timedelta(days=lookback + 1) + after
        assert settled == is_settled(day, lookback, hours, zone or "", at), (day, platform, lookback, zone, at)
        latest = datetime.combine(day, time()) + timedelta(hours=hours_until_settled(lookback, hours))
        assert settled or at < latest


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.dates(date(2026, 1, 1), date(2026, 12, 31)),
            st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 31)),
            st.sampled_from([*ZONES, *UNKNOWN_ZONES]),
        ),
        min_size=1,
        max_size=20,
    )
)
@example([(date(2026, 1, 2), datetime(2026, 1, 1, 20), zone) for zone in ("Pacific/Kiritimati", "", None)])
def test_a_day_has_the_age_that_it_has_for_its_account(
    duckdbs: Macros, days: list[tuple[date, datetime, str | None]]
) -> None:
    """Counted in the account's time zone, or in UTC if that is unknown. An age is never negative."""
    found = duckdbs(
        "age_days('x.day', 'x.instant', 'x.zone')",
        "struct(day date, instant timestamp, zone varchar)",
        [{"day": day, "instant": instant, "zone": zone} for day, instant, zone in days],
    )
    for (day, instant, zone), age in zip(days, found, strict=True):
        local = instant.replace(tzinfo=timezone.utc).astimezone(ZoneInfo(zone if zone in ZONES else "UTC"))
        assert age == max(0, (local.date() - day).days)
