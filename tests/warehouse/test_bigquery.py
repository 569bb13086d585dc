"""BigQuery's own behaviour: its jobs and its faults. The contract of all engines is in test_contract.py."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from google.api_core.exceptions import Forbidden
from google.cloud import bigquery

from mdp_dagster.ingest.tables import ACCOUNTS, EXTRACTS, REJECTS
from mdp_dagster.lake import LakeError
from mdp_dagster.warehouse.base import Append, LandedRows, Table, Unit, WarehouseError
from mdp_dagster.warehouse.bigquery.catalog import DatasetOptions
from mdp_dagster.warehouse.bigquery.errors import translated_errors
from mdp_dagster.warehouse.bigquery.warehouse import BigQueryWarehouse
from tests.bigquery.partition_filters import unpruned
from tests.support.emulators.google_cloud import LOCATION, GoogleCloud, Job
from tests.support.limits import HANG_SECONDS
from tests.warehouse.bigquery_support import bigquery_warehouse

DAY = date(2026, 3, 1)
SPEND = Table(
    "raw_test__spend",
    "Rows.",
    pa.schema([("run", pa.string()), ("date", pa.date32()), ("clicks", pa.int64())]),
    partition_column="date",
    cluster_columns=("run",),
    require_partition_filter=True,
)
LEDGER = Table(
    "raw_test__ledger",
    "The runs with valid rows.",
    pa.schema([("run", pa.string()), ("date", pa.date32()), ("landing_uri", pa.string())]),
    partition_column="date",
    require_partition_filter=True,
)

OTHER = Table("raw_test__other", "Beside.", pa.schema([("n", pa.int64())]))


class Place:
    """A project with a warehouse, and a bucket for the files."""

    def __init__(self, cloud: GoogleCloud, **options: object) -> None:
        self.cloud = cloud
        self.project = cloud.new_project()
        self.bucket = cloud.new_bucket()
        self.warehouse = bigquery_warehouse(cloud, self.project, **options)
        self.client = cloud.bigquery_client(self.project)

    def prepared(self) -> Place:
        self.warehouse.prepare([SPEND, LEDGER])
        return self

    def unit(self, run: str, count: int = 2, landed: bool = True, wrong: bool = False) -> Unit:
        """An extract with rows in the bucket. ``wrong`` puts text where numbers should be."""
        rows = pa.table({"clicks": range(count), "run": [run] * count, "date": [DAY] * count})
        rows = rows.select(SPEND.schema.names).cast(SPEND.schema)
        file = rows.set_column(2, "clicks", pa.array(["many"] * count)) if wrong else rows
        sink = io.BytesIO()
        pq.write_table(file, sink)
        blob = self.cloud.storage_client().bucket(self.bucket).blob(f"mdp/{run}.parquet")
        if not blob.exists():
            blob.upload_from_string(sink.getvalue())
        address = f"gs://{self.bucket}/mdp/{run}.parquet"
        ledger = pa.table({"run": [run], "date": [DAY], "landing_uri": [address]}).cast(LEDGER.schema)
        source = LandedRows(address, count, lambda: [rows]) if landed else rows
        return Unit([Append(SPEND, source), Append(LEDGER, ledger)], commit_key={"landing_uri": address})

    @contextmanager
    def slow_commit(self, run: str) -> Iterator[BigQueryWarehouse]:
        """A commit that is still loading its rows, slowly.

        Yields the warehouse of another process, with its own lease, as if the first process were dead.
        """
        self.cloud.delay(1.5, project=self.project, kind="load", table=SPEND.id)
        committing = threading.Thread(target=self.warehouse.commit, args=([self.unit(run)],))
        committing.start()
        while not self.loads(SPEND):
            time.sleep(0.02)
        yield bigquery_warehouse(self.cloud, self.project)
        committing.join()

    def rows(self) -> dict[str, int]:
        return self._counted(SPEND)

    def ledger(self) -> dict[str, int]:
        return self._counted(LEDGER)

    def _counted(self, table: Table) -> dict[str, int]:
        sql = f"select run, count(*) as n from {table.id} where date = date '{DAY}' group by run"
        return {row["run"]: row["n"] for row in self.warehouse.query(sql).to_pylist()}

    def loads(self, table: Table) -> list[Job]:
        jobs = [job for job in self.cloud.statements(self.project) if job.kind == "load"]
        return [job for job in jobs if job.configuration["load"]["destinationTable"]["tableId"] == table.name]


@pytest.fixture
def place(google_cloud: GoogleCloud) -> Place:
    google_cloud.clear()
    return Place(google_cloud).prepared()


# ---- datasets and tables ---------------------------------------------------------------------------------------------


def test_new_datasets_and_tables_follow_the_settings(google_cloud: GoogleCloud) -> None:
    options = DatasetOptions(LOCATION, {"team": "marketing"}, partition_expiration_days=730)
    place = Place(google_cloud, options=options)
    place.warehouse.prepare([EXTRACTS, REJECTS, ACCOUNTS, SPEND])
    dataset = place.client.get_dataset("mdp_raw")
    assert (dataset.location.lower(), dataset.labels) == (LOCATION, {"team": "marketing"})
    assert dataset.default_partition_expiration_ms == 730 * 24 * 3600 * 1000
    assert place.client.get_table(EXTRACTS.id).time_partitioning.expiration_ms == 730 * 24 * 3600 * 1000
    found = {table.name: place.client.get_table(f"mdp_raw.{table.name}") for table in [EXTRACTS, REJECTS, ACCOUNTS]}
    assert [found[name].time_partitioning and found[name].time_partitioning.field for name in found] == [
        "date",
        "date",
        None,
    ]
    assert found["raw__extracts"].clustering_fields == ["source", "report", "account_id"]
    assert found["raw__extracts"].require_partition_filter is True
    assert not found["raw__rejects"].require_partition_filter, "their day may be unreadable"
    assert found["raw__extracts"].description == EXTRACTS.description
    types = {field.name: field.field_type for field in found["raw__extracts"].schema}
    assert (types["date"], types["extracted_at"], types["landing_uri"]) == ("DATE", "TIMESTAMP", "STRING")


def test_a_dataset_in_another_location_is_an_error(google_cloud: GoogleCloud) -> None:
    place = Place(google_cloud, options=DatasetOptions("us-east1"))
    dataset = bigquery.Dataset(f"{place.project}.mdp_raw")
    dataset.location = LOCATION
    place.client.create_dataset(dataset)
    with pytest.raises(WarehouseError, match=f"mdp_raw is in (?i:{LOCATION}), but BIGQUERY_LOCATION is us-east1 → "):
        place.warehouse.prepare([SPEND])


@pytest.mark.parametrize("what", ["create_dataset", "create_table"])
def test_an_error_names_a_missing_permission_to_create_them(
    google_cloud: GoogleCloud, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    def refused(*_: object, **__: object) -> None:
        said = f"Access Denied: Project p: User does not have bigquery.{what} permission in project p."
        raise Forbidden(said, errors=[{"reason": "accessDenied", "message": said}])

    monkeypatch.setattr(bigquery.Client, what, refused)
    with pytest.raises(WarehouseError, match=f"Access Denied.*{what}.* → give the service account .*dataEditor.*user"):
        Place(google_cloud).prepared()


# ---- load jobs -------------------------------------------------------------------------------------------------------


def test_one_job_loads_the_files_of_all_extracts_and_the_ledger_comes_last(place: Place) -> None:
    place.warehouse.commit([place.unit(run) for run in "cab"])
    [rows], [ledger] = place.loads(SPEND), place.loads(LEDGER)
    load = rows.configuration["load"]
    assert load["sourceUris"] == [f"gs://{place.bucket}/mdp/{run}.parquet" for run in "abc"]
    assert (load["writeDisposition"], load["createDisposition"]) == ("WRITE_APPEND", "CREATE_NEVER")
    assert load["sourceFormat"] == "PARQUET"
    assert [field["name"] for field in load["schema"]["fields"]] == SPEND.schema.names
    jobs = [job.id for job in place.cloud.statements(place.project)]
    assert jobs.index(rows.id) < jobs.index(ledger.id)
    assert rows.id.startswith("mdp_raw_test__spend_") and ledger.id.startswith("mdp_raw_test__ledger_")
    assert place.rows() == {"a": 2, "b": 2, "c": 2} and place.ledger() == {"a": 1, "b": 1, "c": 1}


def test_the_search_for_committed_extracts_reads_only_their_days(place: Place) -> None:
    place.warehouse.commit([place.unit("a")])
    asked = [job.sql for job in place.cloud.statements(place.project) if job.kind == "query"]
    assert asked and not [found for sql in asked for found in unpruned(sql, {LEDGER.id: "date", SPEND.id: "date"})]


@pytest.mark.parametrize("table", [SPEND, LEDGER], ids=["rows", "ledger"])
@pytest.mark.parametrize("landed", [True, False], ids=["from the bucket", "from memory"])
def test_a_lost_answer_loads_once(place: Place, table: Table, landed: bool) -> None:
    place.cloud.lose_answer(project=place.project, kind="load", table=table.id)
    place.warehouse.commit([place.unit("a", landed=landed)])
    assert (place.rows(), place.ledger()) == ({"a": 2}, {"a": 1})
    assert len({job.id for job in place.loads(table)}) == 1, "the same job was sent again"


@pytest.mark.parametrize("table", [SPEND, LEDGER], ids=["rows", "ledger"])
def test_a_short_outage_is_retried(place: Place, table: Table) -> None:
    place.cloud.unavailable(project=place.project, kind="load", table=table.id)
    place.warehouse.commit([place.unit("a")])
    assert (place.rows(), place.ledger()) == ({"a": 2}, {"a": 1})


@pytest.mark.parametrize("table", [SPEND, LEDGER], ids=["rows", "ledger"])
def test_a_job_with_a_transient_failure_is_retried(place: Place, table: Table) -> None:
    place.cloud.fail("backendError", project=place.project, kind="load", table=table.id)
    place.warehouse.commit([place.unit("a")])
    assert (place.rows(), place.ledger()) == ({"a": 2}, {"a": 1})
    first, second = (job.id for job in place.loads(table))
    assert (first[-2:], second[-2:], first[:-2]) == ("_1", "_2", second[:-2])


def test_a_job_that_can_not_succeed_raises_an_error_and_commits_nothing(place: Place) -> None:
    with pytest.raises(WarehouseError, match="→ "):
        place.warehouse.commit([place.unit("a", wrong=True)])
    assert place.ledger() == {} and len(place.loads(SPEND)) == 1


def test_a_crash_before_the_ledger_commits_nothing_and_a_retry_duplicates_nothing(place: Place) -> None:
    place.cloud.fail("invalid", "died here", project=place.project, kind="load", table=LEDGER.id)
    with pytest.raises(WarehouseError, match="died here"):
        place.warehouse.commit([place.unit("a"), place.unit("b")])
    assert (place.rows(), place.ledger()) == ({"a": 2, "b": 2}, {})
    again = bigquery_warehouse(place.cloud, place.project)  # the warehouse of another process
    again.commit([place.unit("b"), place.unit("a")])
    assert (place.rows(), place.ledger()) == ({"a": 2, "b": 2}, {"a": 1, "b": 1})
    again.commit([place.unit("a"), place.unit("b")])
    assert (place.rows(), place.ledger()) == ({"a": 2, "b": 2}, {"a": 1, "b": 1})


def test_a_commit_waits_for_a_running_job_of_another_process(place: Place) -> None:
    """The process died, but its job continues."""
    with place.slow_commit("a") as other:
        other.commit([place.unit("a")])
        assert place.ledger()["a"] >= 1 and place.rows() == {"a": 2}
    assert place.rows() == {"a": 2}
    assert (place.ledger(), len({job.id for job in place.loads(LEDGER)})) == ({"a": 1}, 1)


def test_rows_without_a_commit_key_are_appended_each_time(place: Place) -> None:
    for _ in range(2):
        place.warehouse.commit([Unit(place.unit("a", landed=False).appends)])
    assert place.rows() == {"a": 4}


# ---- rebuilding ------------------------------------------------------------------------------------------------------


def test_a_rebuild_copies_the_ledger_last_and_drops_its_temporary_tables(place: Place) -> None:
    place.warehouse.commit([place.unit("a"), place.unit("gone")])
    place.warehouse.prepare([OTHER])
    other = Unit([Append(OTHER, pa.table({"n": [1]}))])  # like the registry, which has no commit key
    place.warehouse.replace([place.unit("a"), place.unit("b"), other], [LEDGER, OTHER, SPEND])
    assert (place.rows(), place.ledger()) == ({"a": 2, "b": 2}, {"a": 1, "b": 1})
    copies = [job for job in place.cloud.statements(place.project) if job.kind == "copy"]
    targets = [job.configuration["copy"]["destinationTable"]["tableId"] for job in copies]
    assert targets == [OTHER.name, SPEND.name, LEDGER.name]
    assert place.warehouse.tables() == {("mdp_raw", name) for name in targets}
    assert place.client.get_table(SPEND.id).require_partition_filter is True


def test_after_a_rebuild_only_extracts_outside_it_are_committed_again(place: Place) -> None:
    """Even if the extract was loaded before the rebuild, by a job with the same id."""
    place.warehouse.commit([place.unit("a"), place.unit("b")])
    place.warehouse.replace([place.unit("a")], [SPEND, LEDGER])
    place.warehouse.commit([place.unit("a")])
    assert (place.rows(), place.ledger()) == ({"a": 2}, {"a": 1})
    place.warehouse.commit([place.unit("a"), place.unit("b")])
    assert (place.rows(), place.ledger()) == ({"a": 2, "b": 2}, {"a": 1, "b": 1})


def test_after_a_crashed_rebuild_all_rows_of_the_ledger_exist(place: Place) -> None:
    place.warehouse.commit([place.unit("a")])
    place.cloud.fail("invalid", "died here", project=place.project, kind="copy", table=LEDGER.id)
    with pytest.raises(WarehouseError, match="died here"):
        place.warehouse.replace([place.unit("a"), place.unit("b")], [SPEND, LEDGER])
    assert place.ledger() == {"a": 1} and place.rows()["a"] == 2
    place.warehouse.replace([place.unit("a"), place.unit("b")], [SPEND, LEDGER])
    assert (place.rows(), place.ledger()) == ({"a": 2, "b": 2}, {"a": 1, "b": 1})


@pytest.mark.parametrize("fault", ["the answer is lost", "it fails transiently"])
def test_a_copy_runs_once_and_again_after_a_failure(place: Place, fault: str) -> None:
    place.warehouse.commit([place.unit("a")])
    which = {"project": place.project, "kind": "copy", "table": SPEND.id}
    place.cloud.lose_answer(**which) if "lost" in fault else place.cloud.fail("backendError", **which)
    place.warehouse.replace([place.unit("a"), place.unit("b")], [SPEND, LEDGER])
    assert (place.rows(), place.ledger()) == ({"a": 2, "b": 2}, {"a": 1, "b": 1})


def test_the_next_rebuild_drops_the_temporary_tables_of_a_killed_one(place: Place) -> None:
    place.client.create_table(bigquery.Table(f"{place.project}.mdp_raw.{SPEND.name}__rebuilt_0123456789ab"))
    place.warehouse.replace([place.unit("a")], [SPEND, LEDGER])
    assert place.warehouse.tables() == {("mdp_raw", SPEND.name), ("mdp_raw", LEDGER.name)}


def test_a_file_that_lacks_a_column_is_loaded_from_memory(place: Place) -> None:
    """The missing column is empty."""
    rows = pa.table({"run": ["old"], "date": [DAY], "clicks": pa.nulls(1, pa.int64())}).cast(SPEND.schema)
    landed = LandedRows(f"gs://{place.bucket}/not-read.parquet", 1, lambda: [rows], exact=False)
    place.warehouse.replace([Unit([Append(SPEND, landed)])], [SPEND])
    assert place.rows() == {"old": 1}


# ---- one at a time ---------------------------------------------------------------------------------------------------


def test_a_commit_waits_for_a_rebuild_or_a_build_of_models(place: Place) -> None:
    committed = threading.Event()

    def commit() -> None:
        place.warehouse.commit([place.unit("a")])
        committed.set()

    with place.warehouse.exclusive():
        waiting = threading.Thread(target=commit)
        waiting.start()
        assert not committed.wait(0.5)
    waiting.join(HANG_SECONDS)
    assert place.ledger() == {"a": 1}


@pytest.mark.parametrize("write", ["commit", "replace"])
def test_a_process_that_lost_the_lease_submits_no_more_jobs(place: Place, write: str) -> None:
    """It was paused, like a process on a sleeping laptop, and another process has written since."""

    class Lost(LakeError):
        pass

    def lost() -> None:
        raise Lost("somebody else's turn")

    place.warehouse.commit([place.unit("a")])
    place.warehouse._lease.check = lost  # type: ignore[method-assign]
    sent = len(place.cloud.statements(place.project))
    with pytest.raises(Lost):
        if write == "commit":
            place.warehouse.commit([place.unit("b")])
        else:
            place.warehouse.replace([place.unit("b")], [SPEND, LEDGER])
    later = place.cloud.statements(place.project)[sent:]
    assert [job for job in later if job.kind != "query"] == []
    assert (place.rows(), place.ledger()) == ({"a": 2}, {"a": 1})


def test_a_rebuild_waits_for_the_load_job_of_a_dead_process(place: Place) -> None:
    with place.slow_commit("a") as other:
        other.replace([place.unit("a")], [SPEND, LEDGER])
    assert place.rows() == {"a": 2}


# ---- queries ---------------------------------------------------------------------------------------------------------


def test_every_query_has_the_byte_limit_and_the_labels(google_cloud: GoogleCloud) -> None:
    options = DatasetOptions(LOCATION, {"team": "marketing"})
    place = Place(google_cloud, options=options, max_bytes_per_query=20_000_000).prepared()
    place.warehouse.query(f"select 1 as one from {SPEND.id} where date = $day", {"day": DAY})
    [job] = [job for job in google_cloud.statements(place.project) if job.kind == "query"]
    assert job.configuration["query"]["maximumBytesBilled"] == "20000000"
    assert job.configuration["labels"] == {"team": "marketing"}


def test_a_statement_without_a_filter_on_days_is_refused(place: Place) -> None:
    with pytest.raises(WarehouseError, match="without a filter over column"):
        place.warehouse.query(f"select * from {SPEND.id}")


@pytest.mark.parametrize(
    ("reason", "remedy"),
    [
        ("accessDenied", "roles/bigquery.jobUser"),
        ("quotaExceeded", "more quota"),
        ("bytesBilledLimitExceeded", "MDP_BIGQUERY_MAX_BYTES_PER_QUERY"),
    ],
)
def test_an_error_of_bigquery_has_a_remedy(place: Place, reason: str, remedy: str) -> None:
    place.cloud.fail(reason, f"no: {reason}", project=place.project, kind="query")
    with pytest.raises(WarehouseError, match=f"{place.project}: no: {reason} → .*{remedy}"):
        place.warehouse.query("select 1 as one")


def test_an_exceeded_quota_is_not_reported_as_a_missing_permission() -> None:
    said = [{"reason": "quotaExceeded", "message": "Custom quota exceeded: your usage exceeded the custom quota"}]
    with pytest.raises(WarehouseError, match="here: Custom quota exceeded.* → .*more quota"), translated_errors("here"):
        raise Forbidden("POST https://bigquery.example/projects/p/jobs", errors=said)


def test_a_dollar_sign_that_is_not_a_parameter_stays(place: Place) -> None:
    sql = """select json_value('{"a": "b"}', '$.a') as found, $a as given"""
    assert place.warehouse.query(sql, {"a": "c"}).to_pylist() == [{"found": "b", "given": "c"}]


def test_only_datasets_of_a_past_instant_are_dropped(place: Place) -> None:
    for name in ("mdp_marts_as_of_20261101t060000z", "mdp_marts", "mdp_staging_as_of_20261102t060000z"):
        place.client.create_dataset(name, exists_ok=True)
        place.client.create_table(bigquery.Table(f"{place.project}.{name}.t", [bigquery.SchemaField("n", "INT64")]))
    assert place.warehouse.drop_as_of("as_of_20261101t060000z") == ["mdp_marts_as_of_20261101t060000z"]
    with pytest.raises(WarehouseError, match="is not a valid suffix of a past instant"):
        place.warehouse.drop_as_of("")
    assert {dataset for dataset, _ in place.warehouse.tables()} == {
        "mdp_raw",
        "mdp_marts",
        "mdp_staging_as_of_20261102t060000z",
    }
