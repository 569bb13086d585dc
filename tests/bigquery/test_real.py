"""Tests that an emulator can't replace, in your own Google Cloud project. They need an account, and cost some cents.

    gcloud auth application-default login
    GOOGLE_CLOUD_PROJECT=… BIGQUERY_LOCATION=EU MDP_TEST_BUCKET=… make test-bigquery

The project must not have any of MDP's datasets. The test drops its own datasets at the end, with their tables.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import dagster as dg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from google.cloud import bigquery, storage

from mdp_dagster.ingest.tables import EXTRACTS
from mdp_dagster.lake.lease.lease import BucketLease, LeaseTimeout
from mdp_dagster.warehouse.base import MARTS, RAW, STAGING, Append, LandedRows, Unit, WarehouseError
from sandbox import Sandbox
from tests.bigquery.conftest import CloudPlatform
from tests.bigquery.parity import assert_same
from tests.end_to_end.conftest import Platform, days_ago

pytestmark = [pytest.mark.real_bigquery, pytest.mark.timeout(1800)]

GOOGLE, META = "4123087751", "301400000000101"


class RealCloud:
    """The part of the emulators' interface that MDP's tests need."""

    def __init__(self, project: str, location: str, bucket: str) -> None:
        self.project, self.location, self.bucket = project, location, bucket

    def new_project(self) -> str:
        return self.project

    def new_bucket(self) -> str:
        return f"{self.bucket}/mdp-test-{uuid4().hex[:8]}"  # CloudPlatform turns it into an address

    def env_of(self, project: str) -> dict[str, str]:
        return {"GOOGLE_CLOUD_PROJECT": project, "BIGQUERY_LOCATION": self.location}

    def bigquery_client(self, project: str) -> bigquery.Client:
        return bigquery.Client(project=project, location=self.location)

    def storage_client(self) -> storage.Client:
        return storage.Client(project=self.project)

    def datasets(self) -> list[str]:
        listed = [dataset.dataset_id for dataset in self.bigquery_client(self.project).list_datasets()]
        return [name for name in listed if name.startswith((RAW, STAGING, MARTS))]


@pytest.fixture(scope="module")
def real_cloud() -> Iterator[RealCloud]:
    names = ("GOOGLE_CLOUD_PROJECT", "BIGQUERY_LOCATION", "MDP_TEST_BUCKET")
    missing = [name for name in names if not os.environ.get(name)]
    if missing:
        pytest.fail(f"not set: {', '.join(missing)} → a project, its location, and a bucket there")
    cloud = RealCloud(*(os.environ[name] for name in names))
    if cloud.datasets():
        pytest.fail(f"{cloud.project} has {cloud.datasets()} → a project without: the test removes what it makes")
    yield cloud
    client = cloud.bigquery_client(cloud.project)
    for name in cloud.datasets():
        client.delete_dataset(name, delete_contents=True)
    bucket = cloud.storage_client().bucket(cloud.bucket)
    for blob in bucket.list_blobs(prefix="mdp-test-"):
        blob.delete()


@pytest.fixture
def real_platform(servers: Sandbox, environment: Path, real_cloud: RealCloud) -> Iterator[CloudPlatform]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield CloudPlatform(real_cloud, servers, environment, instance)  # type: ignore[arg-type]


def test_raw_to_marts_with_restatements_as_on_duckdb_and_what_it_costs(real_platform: CloudPlatform) -> None:
    window = days_ago(4)
    with dg.DagsterInstance.ephemeral() as instance:
        duckdb = Platform(real_platform.sandbox, real_platform.folder, instance)
        for platform in (real_platform, duckdb):
            platform.run(window)
        real_platform.world.restate("google_ads", GOOGLE, real_platform.a_day_with_rows(GOOGLE), factor=1.37)
        real_platform.world.empty_day("meta_ads", META, real_platform.a_day_with_rows(META))
        result = real_platform.run(window)
        duckdb.run(window)
        real_platform.assert_mart_is_true(window)
        assert_same(real_platform, duckdb, window)

    told = {
        event.asset_key: event.step_materialization_data.materialization.metadata
        for event in result.all_events
        if event.is_step_materialization
    }
    costs = [found for found in told.values() if "billed_bytes" in found]
    estimated = sum(cost["estimated_bytes"].value for cost in costs)
    billed = sum(cost["billed_bytes"].value for cost in costs)
    print(f"one run over {window}: estimated {estimated:,} bytes, billed {billed:,}")
    assert len(costs) == 11 and 0.5 < estimated / billed < 2

    client = real_platform.cloud.bigquery_client(real_platform.project)
    mart = client.get_table("mdp_marts.mart_campaign__daily")
    assert (mart.time_partitioning.field, mart.clustering_fields) == ("date", ["platform", "campaign_id"])


def test_partition_filters_are_enforced(real_platform: CloudPlatform, monkeypatch: pytest.MonkeyPatch) -> None:
    real_platform.run(days_ago(2), select="group:ads_raw")
    with pytest.raises(WarehouseError, match="partition elimination"):
        real_platform.warehouse.query(f"select count(*) as n from {EXTRACTS.id}")
    monkeypatch.setenv("MDP_BIGQUERY_MAX_BYTES_PER_QUERY", "1")
    with real_platform.environment(), dg.DagsterInstance.ephemeral() as instance:
        limited = CloudPlatform(real_platform.cloud, real_platform.sandbox, real_platform.folder, instance)
        with pytest.raises(WarehouseError, match="MDP_BIGQUERY_MAX_BYTES_PER_QUERY"):
            limited.warehouse.query("select * from mdp_raw.raw__accounts")


def test_a_file_of_the_wrong_type_is_refused_whole(real_platform: CloudPlatform) -> None:
    real_platform.run(days_ago(1, 1), select="group:ads_raw")
    bucket, _, prefix = real_platform.bucket.partition("/")
    wrong = pa.table({name: ["text"] for name in EXTRACTS.schema.names})
    sink = io.BytesIO()
    pq.write_table(wrong, sink)
    blob = real_platform.cloud.storage_client().bucket(bucket).blob(f"{prefix}/wrong.parquet")
    blob.upload_from_string(sink.getvalue())
    rows = LandedRows(f"gs://{bucket}/{prefix}/wrong.parquet", 1, lambda: [wrong])
    with pytest.raises(WarehouseError):
        real_platform.warehouse.commit([Unit([Append(EXTRACTS, rows)])])


def test_one_process_holds_a_lease_of_the_real_bucket(real_platform: CloudPlatform) -> None:
    def lease(timeout: float) -> BucketLease:
        return BucketLease(f"gs://{real_platform.bucket}", real_platform.cloud.storage_client, "test", timeout)

    with lease(30).held(), pytest.raises(LeaseTimeout), lease(1).held():
        pass
    with lease(30).held():
        pass
