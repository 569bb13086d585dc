"""dbt on the emulated BigQuery: the same raw rows give the same tables as in DuckDB, and a write changes its days only.

The emulator calculates with DuckDB, so these tests can't find a value that the real service calculates differently.
The SQL avoids such differences (dbt/macros/engine/types.sql), and test_dbt_types.py tests its assumptions.
"""

from __future__ import annotations

import json
import re
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

from mdp_dagster.transform.bigquery_conflicts import find_jobs_of_lost_answers
from tests.support.emulators.google_cloud import LOCATION, GoogleCloud, Job

from .bigquery_support import BigQuery, differences
from .rich_history import EMPTIED_DAY, LATER_WINDOW, WINDOW, Pools, google_row, history, later
from .shop_history import SHOPS, ShopHistory
from .support import (
    ADS,
    MODELS,
    SHOP_TABLES,
    WAREHOUSE_FILE,
    Dbt,
    Warehouse,
    node_results,
    point_dbt_at,
    went_wrong,
)

TYPES_OF_ACTIONS = ["omni_purchase", "purchase", "offsite_conversion.fb_pixel_purchase", "lead", "it's"]

decimals = st.from_regex(r"[+-]?[0-9]{0,15}(\.[0-9]{0,14})?([eE][+-]?[0-3])?", fullmatch=True)
amounts = st.one_of(decimals, st.integers(-5, 10**6), st.integers(-(10**6), 10**6).map(lambda n: n / 100), st.none())
entries = st.fixed_dictionaries({"action_type": st.sampled_from(TYPES_OF_ACTIONS)}, optional={"value": amounts})
names = st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=8)
pools = st.builds(
    Pools,
    numbers_as_text=st.lists(st.one_of(decimals, names), min_size=40, max_size=40),
    whole_numbers=st.lists(st.integers(-10, 10**12), min_size=20, max_size=20),
    doubles=st.lists(st.floats(-1e15, 1e15), min_size=40, max_size=40),
    action_lists=st.lists(st.lists(entries, max_size=4).map(json.dumps), min_size=30, max_size=30),
    names=st.lists(names, min_size=10, max_size=10),
)


@pytest.fixture
def more() -> Pools:
    """Random values from hypothesis. They differ in each run, and a failing test shows them."""
    thought_of: list[Pools] = []

    @settings(max_examples=1, phases=[Phase.generate], database=None, suppress_health_check=list(HealthCheck))
    @given(pools)
    def think(one: Pools) -> None:
        assume(len(set(one.doubles)) > 20)  # the first one is the simplest possible
        thought_of.append(one)

    think()
    print(thought_of[-1])
    return thought_of[-1]


LABELS = {"team": "marketing"}
MAX_BYTES = "123456789000"


@pytest.fixture(scope="module")
def other(google_cloud: GoogleCloud, tmp_path_factory: pytest.TempPathFactory) -> BigQuery:
    """The BigQuery project is parsed by dbt once, because the parsed models contain the name of the Google project."""
    return BigQuery(
        google_cloud,
        tmp_path_factory.mktemp("dbt-bigquery"),
        MDP_DBT_LABELS=json.dumps(LABELS),
        MDP_DBT_AS_OF_EXPIRATION_DAYS="7",
        MDP_BIGQUERY_MAX_BYTES_PER_QUERY=MAX_BYTES,
    )


def test_the_same_rows_make_the_same_tables(dbt: Dbt, warehouse: Warehouse, other: BigQuery, more: Pools) -> None:
    """Holds after a first build, and after a second build of a part of the days, some of which have changed."""
    other.clear()
    history(warehouse, more)
    other.fill(warehouse)
    assert not went_wrong(dbt("run", *ADS, window=WINDOW))
    assert not went_wrong(other.dbt("run", *ADS, window=WINDOW))
    assert differences(warehouse, other) == {}
    before = {model: other.table(model).rows for model in MODELS}
    assert all(before.values())

    later(warehouse)
    other.fill(warehouse)
    verdicts = [
        {each.node.name: (each.status, each.failures) for each in node_results(run.build(LATER_WINDOW))}
        for run in (dbt, other.dbt)
    ]
    assert verdicts[0] == verdicts[1]
    assert {status for status, _ in verdicts[0].values()} == {"success", "pass", "warn"}
    assert differences(warehouse, other) == {}
    for model in MODELS:
        after = other.table(model).rows
        assert after != before[model], model
        outside = [
            [row for row in rows if not LATER_WINDOW[0] <= str(row["date"]) < LATER_WINDOW[1]]
            for rows in (before[model], after)
        ]
        assert outside[0] == outside[1], model
    emptied = [
        row for row in other.table(MODELS[0]).rows if (str(row["date"]), row["account_id"]) == (EMPTIED_DAY, "11")
    ]
    assert emptied == []


def test_the_shops_tables_are_the_same_after_each_build(
    dbt: Dbt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, other: BigQuery
) -> None:
    """The first build makes whole tables. The second one writes what changed, and a whole shop that has a new zone."""
    other.clear()
    point_dbt_at(tmp_path / WAREHOUSE_FILE, monkeypatch)
    warehouse = Warehouse(tmp_path / WAREHOUSE_FILE, SHOP_TABLES)
    shops = ShopHistory(3, warehouse)
    models = [f"{node['schema']}.{name}" for name, node in dbt.nodes("model", "shop").items()]
    for changes in (40, 8):
        for shop in SHOPS:
            shops.extract(shop, changes, facts=changes == 8 and shop == 1)
        other.fill(warehouse, SHOP_TABLES)
        for engine in (dbt, other.dbt):
            assert not went_wrong(engine.build_shop(now="2026-05-20 12:00:00", premium_min_units="3"))
        assert differences(warehouse, other, models, "true") == {}
    empty = {name for name in models if not other.table(name, "true").rows}
    assert empty == {"mdp_staging.stg_shop__variants", "mdp_staging.stg_shop__customers"}


MODEL = "stg_google_ads__account_daily"
TABLE = f"mdp_staging.{MODEL}"
DAYS = ["2026-01-30", "2026-01-31", "2026-02-01"]
ALL = ("2026-01-30", "2026-02-02")
LAST = ("2026-02-01", "2026-02-02")


class One:
    """One small model, and the statements that are sent to build it."""

    def __init__(self, other: BigQuery) -> None:
        self.other = other

    def run(self, window: tuple[str, str]) -> tuple[dict[str, str], list[Job]]:
        """The errors and the statements."""
        sent = len(self.other.statements())
        wrong = went_wrong(self.other.dbt("run", "--select", MODEL, window=window))
        return wrong, self.other.statements()[sent:]

    def clicks(self) -> dict[str, int]:
        return {str(row["date"]): row["clicks"] for row in self.other.table(TABLE).rows}


@pytest.fixture
def one(other: BigQuery, warehouse: Warehouse) -> One:
    """Three days, extracted once, and not built."""
    extract(warehouse, "r1", 10)
    other.clear()
    other.fill(warehouse)
    return One(other)


def extract(warehouse: Warehouse, run: str, clicks: int, days: list[str] = DAYS) -> None:
    rows = [{**google_row(None), "metrics_clicks": clicks}] if clicks else []
    for day in days:
        warehouse.extract("google_ads", run, f"2026-02-0{run[1]} 06:00:00", "11", day, rows, report="account_daily")


def merge(*days: str) -> str:
    listed = ", ".join(f"date '{day}'" for day in days)
    return rf"merge into `[\w-]+`.`mdp_staging`.`{MODEL}` as .* and DBT_INTERNAL_DEST.date in \({re.escape(listed)}\) "


def matches(pattern: str, job: Job) -> bool:
    return re.search(pattern, re.sub(r"\s+", " ", job.sql or "")) is not None


def test_a_write_replaces_its_days_and_no_others(one: One, warehouse: Warehouse) -> None:
    """The table is created once, if it is missing. A day without rows becomes empty."""
    wrong, sent = one.run(ALL)
    assert not wrong
    make, fill = [job for job in sent if MODEL in (job.sql or "")]
    assert matches(rf"create table if not exists `[\w-]+`.`mdp_staging`.`{MODEL}` .* where false \)$", make)
    assert matches(merge(*DAYS), fill)
    made = one.other.client.get_table(f"{one.other.project}.{TABLE}")
    assert (made.time_partitioning.type_, made.time_partitioning.field) == ("DAY", "date")
    assert made.require_partition_filter and made.clustering_fields == ["account_id"]
    assert made.labels == LABELS
    assert made.description.startswith("Grain: date ") and all(column.description for column in made.schema)
    assert one.clicks() == dict.fromkeys(DAYS, 10)

    extract(warehouse, "r2", 20)
    extract(warehouse, "r3", 0, ["2026-02-01"])
    one.other.fill(warehouse)
    wrong, sent = one.run(LAST)
    assert not wrong
    [fill] = [job for job in sent if MODEL in (job.sql or "")]
    assert matches(merge("2026-02-01"), fill)
    assert one.clicks() == {"2026-01-30": 10, "2026-01-31": 10}
    for job in sent:
        assert job.configuration["labels"].items() >= LABELS.items()
        assert job.configuration["query"]["maximumBytesBilled"] == MAX_BYTES
        assert job.configuration["jobTimeoutMs"] == "3600000"
    assert fill.configuration["labels"]["mdp"] == MODEL
    assert [name for _, name in tables(one) if "tmp" in name] == []


def tables(one: One) -> list[tuple[str, str]]:
    listed = [one.other.client.list_tables(dataset) for dataset in ("mdp_staging", "mdp_marts")]
    return [(table.dataset_id, table.table_id) for of_dataset in listed for table in of_dataset]


def test_a_write_is_complete_or_has_no_effect(one: One, warehouse: Warehouse, google_cloud: GoogleCloud) -> None:
    """A failed write keeps the old rows, and a transient failure is retried."""
    assert not one.run(ALL)[0]
    extract(warehouse, "r2", 20)
    one.other.fill(warehouse)
    google_cloud.fail(reason="invalidQuery", message="no", project=one.other.project, contains="merge into")
    wrong, _ = one.run(ALL)
    assert "no" in wrong[MODEL]
    assert one.clicks() == dict.fromkeys(DAYS, 10)
    google_cloud.fail(reason="backendError", project=one.other.project, contains="merge into")
    wrong, sent = one.run(ALL)
    assert not wrong
    first, second = [job for job in sent if matches(merge(*DAYS), job)]
    assert (first.error and not second.error) and first.sql == second.sql
    assert one.clicks() == dict.fromkeys(DAYS, 20)


def test_a_write_succeeds_although_its_answer_is_lost(
    one: One, warehouse: Warehouse, google_cloud: GoogleCloud
) -> None:
    """The client sends the job again, finds that it exists, and uses its result. The job does not run twice."""
    find_jobs_of_lost_answers()
    assert not one.run(ALL)[0]
    extract(warehouse, "r2", 20)
    one.other.fill(warehouse)
    google_cloud.lose_answer(project=one.other.project, contains="merge into")
    wrong, sent = one.run(ALL)
    assert not wrong
    first, again = [job for job in sent if matches(merge(*DAYS), job)]
    assert (first.id, first.refused) == (again.id, None) and again.refused
    assert one.clicks() == dict.fromkeys(DAYS, 20)


def test_a_new_column_is_added(one: One) -> None:
    """It is null in old rows, and has a value on the days of the build."""
    assert not one.run(ALL)[0]
    one.other.client.query(f"alter table {TABLE} drop column clicks").result()
    assert not one.run(LAST)[0]
    assert one.clicks() == {"2026-01-30": None, "2026-01-31": None, "2026-02-01": 10}
    made = one.other.client.get_table(f"{one.other.project}.{TABLE}")
    [clicks] = [column for column in made.schema if column.name == "clicks"]
    assert clicks.field_type in ("INTEGER", "INT64") and clicks.description


def test_a_numeric_rate_of_an_earlier_version_becomes_a_double(one: One, warehouse: Warehouse) -> None:
    """Its nine digits stay in old rows, and rows of the build have all digits."""
    model, rate = "int_campaign__daily_unified", 0.00004932099
    registered = {"source": "google_ads", "account_id": "11", "currency": "USD", "client_id": "one",
                  "reporting_currency": "EUR", "exchange_rate": rate, "extract_run_id": "r",
                  "ingested_at": "2026-01-01 00:00:00"}  # fmt: skip
    warehouse.insert("raw__accounts", [registered])
    for day in DAYS[1:]:
        warehouse.extract("google_ads", "r1", "2026-02-02 06:00:00", "11", day, [google_row(1)])
    one.other.fill(warehouse)
    assert not went_wrong(one.other.dbt("run", "--select", f"+{model}", window=ALL))
    table = f"mdp_staging.{model}"
    one.other.client.query(f"alter table {table} alter column exchange_rate set data type numeric").result()
    before = {str(row["date"]): row["exchange_rate"] for row in one.other.table(table).rows}
    assert before == dict.fromkeys(DAYS[1:], Decimal("0.000049321"))
    assert not went_wrong(one.other.dbt("run", "--select", model, window=LAST))
    [alter] = [
        job for job in one.other.statements() if matches("alter column exchange_rate set data type float64", job)
    ]
    assert not alter.error
    assert one.other.table(table).types["exchange_rate"] == "FLOAT"
    after = {str(row["date"]): row["exchange_rate"] for row in one.other.table(table).rows}
    assert after == {DAYS[1]: 0.000049321, DAYS[2]: rate}


def test_a_build_as_of_an_instant_has_its_own_dataset_and_expires(one: One) -> None:
    """The build creates the dataset if it is missing, in the location and with the labels of the settings."""
    assert not one.run(ALL)[0]
    select = ("run", "--select", MODEL)
    result = one.other.dbt.as_of(*select, window=ALL, instant="2026-02-01 05:00:00", schema="then")
    assert not went_wrong(result)
    made = one.other.client.get_table(f"{one.other.project}.mdp_staging_then.{MODEL}")
    assert made.num_rows == 0  # the extract began later
    assert one.clicks() == dict.fromkeys(DAYS, 10)
    [dataset] = [job for job in one.other.statements() if matches("create schema .*mdp_staging_then", job)]
    assert matches(rf"options \( location = '{LOCATION}', labels = \[\('team', 'marketing'\)\] \)$", dataset)
    [make] = [job for job in one.other.statements() if matches("create table .*mdp_staging_then", job)]
    assert matches(r"expiration_timestamp=TIMESTAMP_ADD\(CURRENT_TIMESTAMP\(\), INTERVAL 168 hour\)", make)
