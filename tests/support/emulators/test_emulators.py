"""The emulated BigQuery refuses the same requests as the service, as far as other tests rely on it."""

from __future__ import annotations

import io
import subprocess
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from google.api_core.exceptions import BadRequest, Conflict, Forbidden, GoogleAPICallError, NotFound, PreconditionFailed
from google.cloud import bigquery

from tests.support.emulators.google_cloud import LOCATION, GoogleCloud
from tests.support.emulators.processes import PYTHON, ROOT, Emulator, EmulatorError
from tests.support.limits import HANG_SECONDS

FIELDS = [
    bigquery.SchemaField("date", "DATE"),
    bigquery.SchemaField("account_id", "STRING"),
    bigquery.SchemaField("clicks", "INT64"),
]
ROWS = pa.table(
    {"clicks": [1, 2], "account_id": ["a", "b"], "date": pa.array([date(2026, 11, 19), date(2026, 11, 20)])}
)
TABLE = "mdp_raw.clicks"


class Place:
    """A project with one table, partitioned by date with a required filter, and a bucket."""

    def __init__(self, cloud: GoogleCloud) -> None:
        self.cloud = cloud
        self.project = cloud.new_project()
        self.client = cloud.bigquery_client(self.project)
        self.bucket = cloud.storage_client().bucket(cloud.new_bucket())
        dataset = bigquery.Dataset(f"{self.project}.mdp_raw")
        dataset.location = LOCATION
        self.client.create_dataset(dataset)
        table = bigquery.Table(f"{self.project}.{TABLE}", FIELDS)
        table.time_partitioning = bigquery.TimePartitioning(field="date")
        table.clustering_fields = ["account_id"]
        table.require_partition_filter = True
        self.client.create_table(table)

    def landed(self, rows: pa.Table, name: str = "day=1/rows.parquet") -> str:
        self.bucket.blob(name).upload_from_string(parquet(rows))
        return f"gs://{self.bucket.name}/{name}"

    def load(self, *files: str, job_id: str | None = None, table: str = TABLE, **config: Any) -> bigquery.LoadJob:
        given = bigquery.LoadJobConfig(source_format="PARQUET", create_disposition="CREATE_NEVER", **config)
        return self.client.load_table_from_uri(files, f"{self.project}.{table}", job_id=job_id, job_config=given)

    def upload(self, rows: pa.Table, job_id: str | None = None, size: int | None = None) -> bigquery.LoadJob:
        given = bigquery.LoadJobConfig(source_format="PARQUET")
        file = io.BytesIO(parquet(rows))
        return self.client.load_table_from_file(
            file, f"{self.project}.{TABLE}", job_id=job_id, job_config=given, size=size
        )

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        return [row.values() for row in self.client.query(sql).result()]

    def sizes(self) -> dict[str, int]:
        tables = [self.client.get_table(table) for table in self.client.list_tables("mdp_raw")]
        return {table.table_id: table.num_rows for table in tables}

    def rows(self) -> list[tuple[Any, ...]]:
        return self.query(f"select clicks, account_id from {TABLE} where date >= '2000-01-01' order by clicks")


def parquet(rows: pa.Table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(rows, sink)
    return sink.getvalue()


@pytest.fixture
def place(google_cloud: GoogleCloud) -> Place:
    return Place(google_cloud)


def reason(error: pytest.ExceptionInfo[GoogleAPICallError]) -> str:
    return str(error.value.errors[0]["reason"])


# Job ids


@pytest.mark.parametrize("how", ["load", "resumable", "multipart", "query", "copy"])
def test_a_job_id_can_be_used_once(place: Place, how: str) -> None:
    file = place.landed(ROWS)
    copies = bigquery.CopyJobConfig(write_disposition="WRITE_TRUNCATE")
    source, target = f"{place.project}.{TABLE}", f"{place.project}.mdp_raw.copy"
    insert = f"insert into {TABLE} (clicks) values (1)"
    begin: dict[str, Callable[[], Any]] = {
        "load": lambda: place.load(file, job_id="one"),
        "resumable": lambda: place.upload(ROWS, job_id="one"),
        "multipart": lambda: place.upload(ROWS, job_id="one", size=len(parquet(ROWS))),
        "query": lambda: place.client.query(insert, job_id="one", job_retry=None),
        "copy": lambda: place.client.copy_table(source, target, job_id="one", job_config=copies),
    }
    begin[how]().result()
    before = place.sizes()
    with pytest.raises(Conflict, match=f"Already Exists: Job {place.project}:{LOCATION}.one") as error:
        begin[how]()
    assert reason(error) == "duplicate"
    assert place.sizes() == before
    assert place.client.get_job("one").state == "DONE"
    refused = [job.refused for job in place.cloud.statements(place.project) if job.id == "one"]
    assert [refusal is None for refusal in refused] == [True, False]


def test_a_job_that_failed_keeps_its_id_and_its_error(place: Place) -> None:
    job = place.load(f"gs://{place.bucket.name}/missing.parquet", job_id="one")
    with pytest.raises(NotFound):
        job.result()
    with pytest.raises(Conflict):
        place.load(place.landed(ROWS), job_id="one")
    found = place.client.get_job("one")
    assert found.error_result["reason"] == "notFound"
    assert "missing.parquet" in found.error_result["message"]


def test_a_job_is_found_in_its_location_only(place: Place) -> None:
    place.load(place.landed(ROWS), job_id="one").result()
    for location in ("US", "EU"):
        with pytest.raises(NotFound):
            place.client.get_job("one", location=location)
    with pytest.raises(NotFound, match="was not found in location US"):
        place.client.query(f"select 1 from {TABLE} where date = '2026-11-19'", location="US").result()


def test_projects_are_isolated(place: Place, google_cloud: GoogleCloud) -> None:
    place.load(place.landed(ROWS), job_id="one").result()
    other = Place(google_cloud)
    assert other.rows() == []
    other.load(other.landed(ROWS.slice(0, 1)), job_id="one").result()
    assert (other.rows(), place.rows()) == ([(1, "a")], [(1, "a"), (2, "b")])
    assert {job.id for job in google_cloud.statements(other.project) if job.kind == "load"} == {"one"}


# Load jobs


def test_a_load_is_atomic(place: Place) -> None:
    good = place.landed(ROWS, "good.parquet")
    text = place.landed(ROWS.set_column(0, "clicks", pa.array(["1", "2"])), "text.parquet")
    more = place.landed(ROWS.append_column("views", pa.array([1, 2])), "more.parquet")
    for files, said in (
        ([good, text], "Field clicks has changed type from INTEGER to STRING"),
        ([text, good], "Field clicks has changed type from INTEGER to STRING"),
        ([good, more], r"Cannot add fields \(field: views\)"),
        ([good, f"gs://{place.bucket.name}/missing.parquet"], "Not found: URI"),
    ):
        with pytest.raises(GoogleAPICallError, match=said):
            place.load(*files).result()
        with pytest.raises(GoogleAPICallError, match=said):
            place.load(*files, write_disposition="WRITE_TRUNCATE").result()
        assert place.rows() == []


def test_columns_are_matched_by_name_and_may_be_missing(place: Place) -> None:
    place.load(place.landed(ROWS), place.landed(ROWS.select(["date", "clicks"]), "fewer.parquet")).result()
    assert place.query(f"select clicks, account_id from {TABLE} where date = '2026-11-19' order by 2 nulls first") == [
        (1, None),
        (1, "a"),
    ]
    assert place.load(place.landed(ROWS), write_disposition="WRITE_TRUNCATE").result().output_rows == 2
    assert place.rows() == [(1, "a"), (2, "b")]


def test_a_schema_that_is_not_the_tables_fails(place: Place) -> None:
    with pytest.raises(BadRequest, match="changed type from INTEGER to FLOAT") as error:
        place.load(place.landed(ROWS), schema=[bigquery.SchemaField("clicks", "FLOAT64")]).result()
    assert reason(error) == "invalid"


def test_a_load_creates_no_table_if_it_must_not(place: Place) -> None:
    for table in ("mdp_raw.other", "mdp_marts.other"):
        with pytest.raises(NotFound):
            place.load(place.landed(ROWS), table=table).result()
    assert [table.table_id for table in place.client.list_tables("mdp_raw")] == ["clicks"]


# Partition filters


@pytest.mark.parametrize(
    "sql",
    [
        "select * from {t} where date between '2026-11-19' and '2026-11-20'",
        "with a as (select * from {t}), b as (select date as day from a) select * from b where day = '2026-11-19'",
        "select * from (select *, row_number() over (partition by date order by clicks) as n from {t}) "
        "where date in ('2026-11-19') and n = 1",
        "select a.clicks from {t} as a join {t} as b on a.clicks = b.clicks and b.date >= '2026-11-19' "
        "where a.date >= date_sub(date '2026-11-20', interval 1 day)",
        "select * from {t} where date is null or date >= '2026-11-19'",
        "delete from {t} where date = '2026-11-19' and clicks > 5",
        "merge into {t} as d using (select date '2026-11-19' as date, 'c' as account_id, 3 as clicks) as s on false "
        "when not matched by source and d.date in (date '2026-11-19') then delete "
        "when not matched then insert (date, account_id, clicks) values (date, account_id, clicks)",
    ],
)
def test_a_filter_on_the_partitions_suffices(place: Place, sql: str) -> None:
    place.query(sql.format(t=TABLE))


@pytest.mark.parametrize(
    "sql",
    [
        "select * from {t}",
        "select count(*) from {t} where clicks = 1",
        "select * from {t} where date = '2026-11-19' or clicks = 1",
        "select * from {t} where date = (select max(day) from (select date '2026-11-19' as day))",
        "select * from (select *, sum(clicks) over (order by date) as s from {t}) where date = '2026-11-19'",
        "select * from (select * from {t} limit 10) where date = '2026-11-19'",
        "select a.clicks from {t} as a join {t} as b using (date) where a.date = '2026-11-19'",
        "select 1 where exists (select 1 from {t})",
        "select * from mdp_raw.all_clicks",
        "delete from {t} where true",
        "merge into {t} as d using (select date '2026-11-19' as date) as s on d.date = s.date "
        "when matched then update set clicks = 1",
        "merge into {t} as d using (select date '2026-11-19' as date) as s on false "
        "when not matched by source then delete when not matched then insert (date) values (date)",
        "create table mdp_raw.other as select * from {t}",
        "declare day date default date '2026-11-19'; select * from {t} where date = day; select * from {t};",
    ],
)
def test_a_statement_without_a_partition_filter_is_refused(place: Place, sql: str) -> None:
    place.query(f"create view mdp_raw.all_clicks as select * from {TABLE}")
    with pytest.raises(BadRequest, match="without a filter over column.s. 'date' that can be used for") as error:
        place.query(sql.format(t=TABLE))
    assert reason(error) == "invalidQuery"


def test_the_filter_is_required_until_the_table_is_changed(place: Place) -> None:
    table = place.client.get_table(f"{place.project}.{TABLE}")
    assert (table.require_partition_filter, table.time_partitioning.field) == (True, "date")
    table.require_partition_filter = False
    place.client.update_table(table, ["require_partition_filter"])
    place.query(f"select * from {TABLE}")
    place.query(
        "create or replace table mdp_raw.made (date date, n int64) partition by date cluster by n "
        "options (require_partition_filter = true, partition_expiration_days = 5) as (select date '2026-11-19', 1)"
    )
    made = place.client.get_table(f"{place.project}.mdp_raw.made")
    assert (made.clustering_fields, made.time_partitioning.expiration_ms) == (["n"], 5 * 24 * 3600 * 1000)
    with pytest.raises(BadRequest):
        place.query("select * from mdp_raw.made")
    place.query("alter table mdp_raw.made set options (require_partition_filter = false)")
    place.query("select * from mdp_raw.made")


# Tables


def test_table_options_from_sql_are_kept(place: Place) -> None:
    place.query(
        "create table mdp_raw.made (date date not null, n numeric options (description = 'a number')) "
        "partition by date cluster by n options (description = 'made', labels = [('team', 'x')]) "
        "as (select date, n from (select date '2026-11-19' as date, cast(1 as numeric) as n))"
    )
    place.query("alter table mdp_raw.made add column a int64, add column b string")
    place.query("alter table mdp_raw.made set options (labels = [('team', 'y')])")
    made = place.client.get_table(f"{place.project}.mdp_raw.made")
    assert [(field.name, field.field_type, field.mode, field.description) for field in made.schema] == [
        ("date", "DATE", "REQUIRED", None),
        ("n", "NUMERIC", "NULLABLE", "a number"),
        ("a", "INTEGER", "NULLABLE", None),
        ("b", "STRING", "NULLABLE", None),
    ]
    assert (made.description, made.labels, made.clustering_fields) == ("made", {"team": "y"}, ["n"])
    assert (made.time_partitioning.field, made.location, made.num_rows) == ("date", LOCATION, 1)


def test_a_table_gets_new_columns_and_loses_none(place: Place) -> None:
    place.load(place.landed(ROWS)).result()
    table = place.client.get_table(f"{place.project}.{TABLE}")
    table.schema = [*table.schema, bigquery.SchemaField("views", "INT64")]
    place.client.update_table(table, ["schema"])
    assert place.query(f"select views from {TABLE} where date = '2026-11-19'") == [(None,)]
    with pytest.raises(PreconditionFailed):  # this test has changed it since
        place.client.update_table(table, ["schema"])
    table = place.client.get_table(f"{place.project}.{TABLE}")
    table.schema = table.schema[1:]
    with pytest.raises(BadRequest, match="Field date is missing in new schema"):
        place.client.update_table(table, ["schema"])


def test_sizes_are_those_of_the_columns_and_partitions_that_are_read(place: Place) -> None:
    place.load(place.landed(ROWS)).result()
    table = place.client.get_table(f"{place.project}.{TABLE}")
    assert (table.num_rows, table.num_bytes) == (2, 2 * (8 + 8 + 3))
    dry = bigquery.QueryJobConfig(dry_run=True)
    job = place.client.query(f"select clicks from {TABLE} where date = '2026-11-19'", job_config=dry)
    assert job.total_bytes_processed == 8 + 8
    limited = bigquery.QueryJobConfig(maximum_bytes_billed=10 << 20)
    sql = f"select clicks from {TABLE} where date = '2026-11-19'"
    done = place.client.query(sql, job_config=limited)
    done.result()
    assert done.total_bytes_billed == 10 << 20
    place.cloud.bytes_read(11 << 20, project=place.project)
    with pytest.raises(GoogleAPICallError, match="Query exceeded limit for bytes billed: 10485760. 11534336 or higher"):
        place.client.query(sql, job_config=limited).result()


# SQL


def test_numbers_have_bigquerys_types_and_decimals(place: Place) -> None:
    asked = place.client.query(
        "select cast('1.123456789' as numeric) as a, n * n as b, n / 3 as c, sum(n) over () as d, "
        "cast(n as string) as e, cast(cast(n as float64) * 2 as string) as f, safe_cast('x' as numeric) as g "
        "from (select numeric '1.5' as n)"
    ).result()
    assert [field.field_type for field in asked.schema] == ["NUMERIC"] * 4 + ["STRING"] * 2 + ["NUMERIC"]
    assert [row.values() for row in asked] == [
        (Decimal("1.123456789"), Decimal("2.25"), Decimal("0.5"), Decimal("1.5"), "1.5", "3", None)
    ]


def test_a_script_that_fails_in_a_transaction_leaves_nothing(place: Place) -> None:
    place.load(place.landed(ROWS)).result()
    delete = f"begin transaction; delete from {TABLE} where date = '2026-11-19';"
    with pytest.raises(BadRequest, match="no more"):
        place.query(f"{delete} select error('no more'); commit transaction;")
    assert place.rows() == [(1, "a"), (2, "b")]
    place.query(f"{delete} insert into {TABLE} (date, clicks) values ('2026-11-19', 3); commit transaction;")
    assert place.rows() == [(2, "b"), (3, None)]


# Faults


def test_a_retry_after_a_lost_answer_finds_the_job(place: Place) -> None:
    place.cloud.lose_answer(project=place.project, kind="load", table=TABLE)
    with pytest.raises(Conflict):  # the client retries
        place.load(place.landed(ROWS), job_id="one")
    assert place.client.get_job("one").output_rows == 2
    place.cloud.lose_answer(project=place.project)
    assert place.upload(ROWS, job_id="two").result().output_rows == 2  # the end of an upload can be requested again
    place.cloud.lose_answer(project=place.project, kind="query")
    assert place.query("select 1") == [(1,)]
    assert len(place.rows()) == 4


def test_jobs_fail_on_request(place: Place) -> None:
    place.cloud.fail("backendError", project=place.project, table=TABLE)
    job = place.load(place.landed(ROWS), job_id="one")
    with pytest.raises(GoogleAPICallError):
        job.result()
    assert job.error_result["reason"] == "backendError"
    assert place.rows() == []
    place.cloud.fail("accessDenied", "Access Denied: Table t", project=place.project, contains="SELECT 1", times=2)
    for ask in (place.client.query("select 1").result, lambda: place.client.query_and_wait("select 1")):
        with pytest.raises(Forbidden, match="Access Denied"):
            ask()
    place.cloud.fail("quotaExceeded", project=place.project)
    place.cloud.clear()
    assert place.query("select 1") == [(1,)]


def test_an_unavailable_service_does_nothing(place: Place) -> None:
    place.cloud.unavailable(project=place.project, kind="load")
    assert place.load(place.landed(ROWS), job_id="one").result().output_rows == 2  # the client retried
    place.cloud.unavailable(403, "accessDenied", project=place.project)
    with pytest.raises(Forbidden):
        place.query("select 1")
    assert [job.id for job in place.cloud.statements(place.project)] == ["one"]


def test_a_delayed_job_is_running(place: Place) -> None:
    place.cloud.delay(0.3, project=place.project, kind="load")
    job = place.load(place.landed(ROWS), job_id="one")
    assert (job.state, place.rows()) == ("RUNNING", [])
    with pytest.raises(Conflict):
        place.load(place.landed(ROWS), job_id="one")
    job.result()
    assert len(place.rows()) == 2


def test_a_failing_statement_always_raises(place: Place) -> None:
    for ask in (lambda: place.query("select nothing"), lambda: place.client.query_and_wait("select nothing")):
        with pytest.raises(BadRequest):
            ask()


# Processes


def test_an_emulator_ends_with_its_parent() -> None:
    started = subprocess.Popen(
        [str(PYTHON), "-m", "tests.support.emulators.lifeline", "http.server", "--bind", "127.0.0.1", "0"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    assert started.stdin is not None
    with pytest.raises(subprocess.TimeoutExpired):
        started.wait(0.3)
    started.stdin.close()  # like the kernel after a kill
    assert started.wait(HANG_SECONDS) == 0


def test_an_emulator_that_does_not_start_shows_its_log(tmp_path: Path) -> None:
    with pytest.raises(EmulatorError, match="No module named .*tests.support.emulators.missing"):
        Emulator("tests.support.emulators.missing", [], tmp_path / "log").wait_until(lambda: False)
