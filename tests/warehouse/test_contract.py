"""The contract of a warehouse. Add a new engine to ``WAREHOUSES``: it must pass all these tests."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mdp_dagster.warehouse.base import MARTS, RAW, Append, Table, Unit, Warehouse, WarehouseError, in_window
from mdp_dagster.warehouse.duckdb import DuckDBWarehouse
from mdp_dagster.window import DateWindow
from tests.support.emulators.google_cloud import GoogleCloud
from tests.support.limits import HANG_SECONDS
from tests.warehouse.bigquery_support import bigquery_warehouse

WAREHOUSES = ("duckdb", "bigquery")
Make = Callable[[Path], Warehouse]

UTC = pa.timestamp("us", tz="UTC")
SPEND = Table(
    name="raw_test__spend",
    description="A test's rows; it's \"quoted\".",
    schema=pa.schema(
        [
            ("run", pa.string()),
            ("date", pa.date32()),
            ("clicks", pa.int64()),
            ("version", pa.int32()),
            ("spend", pa.float64()),
            ("is_paused", pa.bool_()),
            ("seen_at", UTC),
            ("order", pa.string()),  # a reserved word
        ]
    ),
    partition_column="date",
)
LEDGER = Table("raw_test__ledger", "The runs with valid rows.", pa.schema([("run", pa.string())]))
OTHER = Table("other", "In another dataset.", pa.schema([("n", pa.int64())]), dataset=MARTS)
TABLES = [SPEND, LEDGER, OTHER]

Row = dict[str, Any]


@pytest.fixture(params=WAREHOUSES)
def make(request: pytest.FixtureRequest) -> Make:
    """Makes a new, empty warehouse."""
    if request.param == "duckdb":
        return lambda folder: DuckDBWarehouse(folder / "warehouse.duckdb", lock_timeout_seconds=HANG_SECONDS)
    cloud: GoogleCloud = request.getfixturevalue("google_cloud")
    return lambda _: bigquery_warehouse(cloud)


@pytest.fixture
def warehouse(make: Make, tmp_path: Path) -> Warehouse:
    made = make(tmp_path)
    made.prepare(TABLES)
    return made


def spend(run: str, count: int = 1, **values: Any) -> Append:
    rows = [{"run": run, "clicks": n, **values} for n in range(count)]
    return Append(SPEND, pa.Table.from_pylist(rows, SPEND.schema))


def ledger(run: str) -> Append:
    return Append(LEDGER, pa.table({"run": [run]}, schema=LEDGER.schema))


def unit(run: str, count: int = 1, **values: Any) -> Unit:
    return Unit([spend(run, count, **values), ledger(run)])


def unloadable() -> Append:
    """Rows that every engine refuses, because a column is missing."""
    return Append(LEDGER, pa.table({"something_else": ["x"]}))


def rows_of(warehouse: Warehouse, sql: str, parameters: dict[str, Any] | None = None) -> list[Row]:
    """The rows of a query, with timestamps as aware datetimes."""
    rows = warehouse.query(sql, parameters).to_pylist()
    for row in rows:
        for name, value in row.items():
            if isinstance(value, datetime):
                row[name] = value.replace(tzinfo=timezone.utc) if value.tzinfo is None else value
    return rows


def visible(warehouse: Warehouse) -> dict[str, int]:
    """The number of committed rows by run: rows with a run in the ledger, the last table of the unit."""
    found = rows_of(
        warehouse,
        f"""
        select ledger.run, count(spend.run) as n from {LEDGER.id} as ledger
        left join {SPEND.id} as spend on spend.run = ledger.run group by ledger.run
        """,
    )
    return {row["run"]: row["n"] for row in found}


# ---- prepare ---------------------------------------------------------------------------------------------------------


def test_prepared_tables_exist_and_are_empty(warehouse: Warehouse) -> None:
    for table in TABLES:
        found = warehouse.query(f"select * from {table.id}")
        assert (found.num_rows, found.column_names) == (0, table.schema.names)


def test_has_table_finds_only_existing_tables(warehouse: Warehouse) -> None:
    assert warehouse.has_table(SPEND.dataset, SPEND.name)
    assert warehouse.has_table(OTHER.dataset, OTHER.name)
    assert not warehouse.has_table(OTHER.dataset, SPEND.name)
    assert not warehouse.has_table("mdp_nowhere", SPEND.name)


def test_preparing_again_keeps_the_rows(warehouse: Warehouse) -> None:
    warehouse.commit([unit("a", 3)])
    warehouse.prepare(TABLES)
    warehouse.prepare(TABLES)
    assert visible(warehouse) == {"a": 3}
    warehouse.prepare([])


def test_a_new_column_is_added_and_empty_for_old_rows(warehouse: Warehouse) -> None:
    warehouse.commit([unit("old")])
    wider = Table(SPEND.name, SPEND.description, SPEND.schema.append(pa.field("reach", pa.int64())))
    warehouse.prepare([wider, LEDGER])
    rows = pa.Table.from_pylist([{"run": "new", "reach": 7}], wider.schema)
    warehouse.commit([Unit([Append(wider, rows), ledger("new")]), unit("from an older process")])
    found = rows_of(warehouse, f"select run, reach from {SPEND.id} order by run")
    assert [(row["run"], row["reach"]) for row in found] == [("from an older process", None), ("new", 7), ("old", None)]


def test_columns_may_come_in_another_order(warehouse: Warehouse) -> None:
    rows = spend("a", clicks=5).rows
    warehouse.commit([Unit([Append(SPEND, rows.select(rows.column_names[::-1]))])])
    assert [(row["run"], row["clicks"]) for row in rows_of(warehouse, f"select * from {SPEND.id}")] == [("a", 5)]


def test_the_parts_of_a_result_are_its_rows_and_a_failure_in_between_leaves_the_warehouse_usable(
    warehouse: Warehouse,
) -> None:
    warehouse.commit([unit(f"run {n}", 4, clicks=n) for n in range(5)])
    sql = f"select clicks, cast(clicks as numeric) as amount from {SPEND.id} order by clicks"
    with warehouse.batches(sql) as parts:
        rows = pa.Table.from_batches(parts)
    assert rows.column("clicks").to_pylist() == sorted(4 * list(range(5)))
    assert pa.types.is_decimal(rows.schema.field("amount").type)
    with pytest.raises(RuntimeError, match="stop"), warehouse.batches(sql) as parts:
        raise RuntimeError("stop")
    with warehouse.session(), warehouse.batches(sql) as parts:
        assert sum(part.num_rows for part in parts) == 20
    assert len(visible(warehouse)) == 5


# ---- commit ----------------------------------------------------------------------------------------------------------


def test_units_are_appended(warehouse: Warehouse) -> None:
    warehouse.commit([unit("a", 2), unit("b", 3)])
    warehouse.commit(unit(run) for run in ["c", "d"])
    assert visible(warehouse) == {"a": 2, "b": 3, "c": 1, "d": 1}


def test_a_commit_without_rows_is_allowed(warehouse: Warehouse) -> None:
    warehouse.commit([])
    warehouse.commit([Unit([])])
    warehouse.commit([Unit([spend("a", 0)])])
    warehouse.commit([Unit([spend("b", 0), ledger("b")])])
    assert visible(warehouse) == {"b": 0}


def test_a_committed_unit_is_skipped(warehouse: Warehouse) -> None:
    """For example, a rebuild from the lake or another process may have committed it."""
    once = Unit([spend("a", 2), ledger("a")], commit_key={"run": "a"})
    warehouse.commit([once, once])
    warehouse.commit([once, Unit([spend("b"), ledger("b")], commit_key={"run": "b"})])
    assert visible(warehouse) == {"a": 2, "b": 1}
    warehouse.replace([once, once], [SPEND, LEDGER])
    assert visible(warehouse) == {"a": 2}


def test_a_unit_without_a_commit_key_is_appended_each_time(warehouse: Warehouse) -> None:
    for _ in range(3):
        warehouse.commit([Unit([spend("a", 2)])])
    assert rows_of(warehouse, f"select count(*) as n from {SPEND.id}") == [{"n": 6}]


def test_a_unit_with_a_commit_key_can_be_retried_after_a_failure(warehouse: Warehouse) -> None:
    with pytest.raises(WarehouseError):
        warehouse.commit([Unit([spend("a"), unloadable(), ledger("a")], commit_key={"run": "a"})])
    warehouse.commit([Unit([spend("a", 2), ledger("a")], commit_key={"run": "a"})])
    assert visible(warehouse) == {"a": 2}


def test_all_values_of_a_commit_key_count(warehouse: Warehouse) -> None:
    """Includes text with quotes, and days."""
    days = [date(2026, 1, 1), date(2026, 1, 2)]
    for run in ["it's", "b"]:
        for day in [*days, *days]:
            warehouse.commit([Unit([spend(run, date=day)], commit_key={"run": run, "date": day})])
    assert rows_of(warehouse, f"select count(*) as n from {SPEND.id}") == [{"n": 4}]


def test_a_failing_unit_appends_nothing_and_earlier_units_stay(warehouse: Warehouse) -> None:
    with pytest.raises(WarehouseError):
        warehouse.commit([unit("a", 2), Unit([spend("b", 2), unloadable(), ledger("b")]), unit("c")])
    assert visible(warehouse) == {"a": 2}
    warehouse.commit([unit("b", 1)])
    assert visible(warehouse) == {"a": 2, "b": 1}


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_when_the_units_source_fails_the_earlier_units_stay(warehouse: Warehouse, error: type[BaseException]) -> None:
    def units() -> Iterator[Unit]:
        yield unit("a")
        raise error("the lake can't be read")

    with pytest.raises(error, match="the lake can't be read"):
        warehouse.commit(units())
    assert visible(warehouse) == {"a": 1}


def test_a_reader_never_sees_a_partial_unit(warehouse: Warehouse) -> None:
    seen: list[dict[str, int]] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            seen.append(visible(warehouse))

    reader = threading.Thread(target=read)
    reader.start()
    for n in range(10):
        warehouse.commit([unit(f"{n}", 500)])
    done.set()
    reader.join()
    assert seen and all(count == 500 for snapshot in seen for count in snapshot.values())


# ---- replace ---------------------------------------------------------------------------------------------------------


def test_replace_leaves_only_the_new_rows_and_keeps_other_tables(warehouse: Warehouse) -> None:
    warehouse.commit([unit("old", 5), Unit([Append(OTHER, pa.table({"n": [1]}))])])
    warehouse.replace([unit("a", 2), unit("b")], [SPEND, LEDGER])
    assert visible(warehouse) == {"a": 2, "b": 1}
    assert rows_of(warehouse, f"select count(*) as n from {SPEND.id}") == [{"n": 3}]
    assert rows_of(warehouse, f"select n from {OTHER.id}") == [{"n": 1}]
    warehouse.replace([], [SPEND, LEDGER])
    assert visible(warehouse) == {}


def test_replace_creates_missing_tables(warehouse: Warehouse) -> None:
    fresh = Table("fresh", "New.", pa.schema([("n", pa.int64())]))
    warehouse.replace([Unit([Append(fresh, pa.table({"n": [1, 2]}))])], [fresh])
    assert rows_of(warehouse, f"select sum(n) as n from {fresh.id}") == [{"n": 3}]


@pytest.mark.parametrize("how", ["a bad unit", "the source fails"])
def test_a_failed_replace_changes_nothing(warehouse: Warehouse, how: str) -> None:
    warehouse.commit([unit("old", 2)])

    def units() -> Iterator[Unit]:
        yield unit("new", 9)
        if how == "the source fails":
            raise RuntimeError(how)
        yield Unit([spend("new", 9), unloadable()])

    with pytest.raises((WarehouseError, RuntimeError)):
        warehouse.replace(units(), [SPEND, LEDGER])
    assert visible(warehouse) == {"old": 2}
    assert rows_of(warehouse, f"select distinct run from {SPEND.id}") == [{"run": "old"}]


steps = st.lists(
    st.tuples(
        st.sampled_from(["commit", "replace", "prepare"]),
        st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 3), st.integers(0, 9)), max_size=3),
    ),
    min_size=1,
    max_size=6,
)


@pytest.mark.slow
def test_any_sequence_of_valid_and_failing_writes_gives_the_expected_rows(
    make: Make, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Compares with a model in memory, a list of runs. A unit fails when its last number is 0."""

    @settings(max_examples=10, deadline=None)
    @given(steps)
    def check(history: list[tuple[str, list[tuple[str, int, int]]]]) -> None:
        warehouse = make(tmp_path_factory.mktemp("history"))
        warehouse.prepare(TABLES)
        model: list[str] = []
        for step, contents in history:
            if step == "prepare":
                warehouse.prepare(TABLES)
                continue
            units = [
                Unit([spend(run, count), *([unloadable()] if last == 0 else []), ledger(run)])
                for run, count, last in contents
            ]
            failing = next((n for n, (_, _, last) in enumerate(contents) if last == 0), None)
            try:
                warehouse.commit(units) if step == "commit" else warehouse.replace(units, [SPEND, LEDGER])
                assert failing is None
            except WarehouseError:
                assert failing is not None
            kept = [run for run, count, _ in contents[:failing] for _ in range(count)]
            if step == "commit":
                model += kept
            elif failing is None:
                model = kept
        found = rows_of(warehouse, f"select run from {SPEND.id} where run in (select run from {LEDGER.id})")
        assert sorted(row["run"] for row in found) == sorted(model)

    check()


# ---- values and queries ----------------------------------------------------------------------------------------------

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=12)
INDIA = timezone(timedelta(hours=5, minutes=30))
values = st.fixed_dictionaries(
    {
        "date": st.none() | st.dates(date(1, 1, 1)),
        "clicks": st.none() | st.integers(-(2**63), 2**63 - 1),
        "version": st.none() | st.integers(-(2**31), 2**31 - 1),
        "spend": st.none() | st.floats(allow_nan=False),
        "is_paused": st.none() | st.booleans(),
        # A fixed offset, because Python compares an hour that a zone has twice as unequal to itself in another zone.
        "seen_at": st.none() | st.datetimes(datetime(1, 1, 2), timezones=st.sampled_from([timezone.utc, INDIA])),
        "order": st.none() | texts | st.sampled_from(["'", '"', "$x", "null", "--", "\n", ";"]),
    }
)


@pytest.mark.slow
def test_values_are_read_as_they_were_written(warehouse: Warehouse) -> None:
    @settings(max_examples=15, deadline=None)
    @given(st.lists(values, min_size=1, max_size=30))
    def check(rows: list[Row]) -> None:
        numbered = [{**row, "run": str(n)} for n, row in enumerate(rows)]
        warehouse.replace([Unit([Append(SPEND, pa.Table.from_pylist(numbered, SPEND.schema))])], [SPEND])
        found = rows_of(warehouse, f"select * from {SPEND.id} order by cast(run as bigint)")
        assert found == [{field: row.get(field) for field in SPEND.schema.names} for row in numbered]

    check()


def test_an_instant_from_any_zone_is_stored_in_utc(warehouse: Warehouse) -> None:
    instant = datetime(2026, 3, 29, 0, 30, tzinfo=timezone.utc)  # an hour that Berlin doesn't have
    for run, zone in [("utc", "UTC"), ("berlin", "Europe/Berlin"), ("denver", "America/Denver")]:
        column = pa.array([instant], pa.timestamp("us", tz=zone))
        index = SPEND.schema.get_field_index("seen_at")
        rows = spend(run).rows.set_column(index, "seen_at", column)
        warehouse.commit([Unit([Append(SPEND, rows)])])
    found = rows_of(warehouse, f"select run, seen_at from {SPEND.id} where seen_at = $at", {"at": instant})
    assert {row["run"]: row["seen_at"] for row in found} == dict.fromkeys(["utc", "berlin", "denver"], instant)


@pytest.mark.parametrize(
    "value", ["O'Brien", "$name", "'; drop table mdp_raw.raw_test__spend; --", "", "ünï 👟", "a\nb", "null"]
)
def test_a_parameter_is_a_value_and_never_sql(warehouse: Warehouse, value: str) -> None:
    warehouse.commit([Unit([spend(value), spend("x")])])
    found = rows_of(warehouse, f"select run from {SPEND.id} where run = $name and $name <> 'x'", {"name": value})
    assert found == [{"run": value}]


def test_parameters_can_have_any_type(warehouse: Warehouse) -> None:
    day, at = date(2026, 2, 3), datetime(2026, 2, 3, 4, 5, 6, 789, tzinfo=timezone.utc)
    warehouse.commit([Unit([spend("a", date=day, seen_at=at, spend=0.1), spend("b", date=day + timedelta(days=1))])])
    sql = f"select run from {SPEND.id} where date = $day and seen_at = $at and spend = $spend and clicks < $n"
    assert rows_of(warehouse, sql, {"day": day, "at": at, "spend": 0.1, "n": 5}) == [{"run": "a"}]


def test_a_query_without_rows_still_has_columns(warehouse: Warehouse) -> None:
    found = warehouse.query(f"select run, clicks from {SPEND.id} where clicks > $n", {"n": 5})
    assert (found.column_names, found.num_rows) == (["run", "clicks"], 0)
    assert found.schema.field("clicks").type == pa.int64()


@pytest.mark.parametrize(
    "sql", ["select * from nowhere", "selec 1", f"select nothing from {SPEND.id}", "select $missing"]
)
def test_an_invalid_query_raises_a_warehouse_error(warehouse: Warehouse, sql: str) -> None:
    with pytest.raises(WarehouseError):
        warehouse.query(sql)
    assert visible(warehouse) == {}, "and the next one runs"


def test_in_window_selects_exactly_the_days_of_the_window(warehouse: Warehouse) -> None:
    first = date(2024, 2, 20)
    days = [first + timedelta(days=n) for n in range(20)]
    rows = [{"run": str(day), "date": day} for day in days]
    warehouse.commit([Unit([Append(SPEND, pa.Table.from_pylist(rows, SPEND.schema))])])

    @settings(max_examples=20, deadline=None)
    @given(st.integers(-3, 22), st.integers(1, 25))
    def check(start: int, length: int) -> None:
        window = DateWindow(first + timedelta(days=start), first + timedelta(days=start + length))
        found = rows_of(warehouse, f"select date from {SPEND.id} where {in_window(window)}")
        assert {row["date"] for row in found} == set(window.days()) & set(days)

    check()


# ---- exclusive -------------------------------------------------------------------------------------------------------


def test_exclusive_is_reentrant_and_its_holder_can_read_and_write(warehouse: Warehouse) -> None:
    with warehouse.exclusive(), warehouse.exclusive():
        warehouse.commit([unit("a")])
        with warehouse.exclusive():
            assert visible(warehouse) == {"a": 1}


def test_exclusive_ends_when_its_holder_fails(warehouse: Warehouse) -> None:
    with pytest.raises(RuntimeError), warehouse.exclusive(), warehouse.exclusive():
        raise RuntimeError("dbt failed")
    with_others = threading.Thread(target=warehouse.commit, args=([unit("a")],))
    with_others.start()
    with_others.join(HANG_SECONDS)
    assert not with_others.is_alive() and visible(warehouse) == {"a": 1}


def test_a_tables_id_contains_the_dataset() -> None:
    assert (SPEND.id, OTHER.id) == (f"{RAW}.raw_test__spend", f"{MARTS}.other")
