"""A BigQuery warehouse on the emulators."""

from __future__ import annotations

from typing import Any

from mdp_dagster.lake.lease.lease import BucketLease
from mdp_dagster.warehouse.bigquery.catalog import DatasetOptions
from mdp_dagster.warehouse.bigquery.warehouse import BigQueryWarehouse
from tests.support.emulators.google_cloud import LOCATION, GoogleCloud


def bigquery_warehouse(cloud: GoogleCloud, project: str | None = None, **options: Any) -> BigQueryWarehouse:
    """A warehouse with its own bucket, and its own project unless one is given."""
    place = project or cloud.new_project()
    return BigQueryWarehouse(
        lambda: cloud.bigquery_client(place),
        BucketLease(f"gs://{cloud.new_bucket()}/mdp", cloud.storage_client, "warehouse", 30),
        options.pop("options", DatasetOptions(LOCATION)),
        emulated=True,
        **options,
    )
