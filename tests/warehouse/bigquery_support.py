"""A BigQuery warehouse on the emulators."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from mdp_dagster.lake.lease import BucketLease
from mdp_dagster.warehouse.bigquery.catalog import DatasetOptions
from mdp_dagster.warehouse.bigquery.warehouse import BigQueryWarehouse
from tests.emulators.google_cloud import LOCATION, GoogleCloud


def leases_in(cloud: GoogleCloud, bucket: str) -> Callable[[str], AbstractContextManager[None]]:
    known: dict[str, BucketLease] = {}

    def held(name: str) -> AbstractContextManager[None]:
        if name not in known:
            known[name] = BucketLease(f"gs://{bucket}/mdp", cloud.storage_client, name, 30)
        return known[name].held()

    return held


def bigquery_warehouse(cloud: GoogleCloud, project: str | None = None, **options: Any) -> BigQueryWarehouse:
    """In a project and with a bucket of its own, unless a project is given."""
    place = project or cloud.new_project()
    return BigQueryWarehouse(
        lambda: cloud.bigquery_client(place),
        leases_in(cloud, cloud.new_bucket()),
        options.pop("options", DatasetOptions(LOCATION)),
        **options,
    )
