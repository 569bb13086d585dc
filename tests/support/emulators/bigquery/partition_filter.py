"""Reading a table with ``require_partition_filter`` needs a filter. Stricter than BigQuery, which may infer more."""

from __future__ import annotations

from bqemulator.catalog.repository import CatalogRepository

from tests.support.emulators.bigquery.job import JobError
from tests.support.emulators.bigquery.scans import Scan


def check(catalog: CatalogRepository, scans: list[Scan]) -> None:
    """Raises ``JobError`` with BigQuery's message."""
    for scan in scans:
        table = catalog.get_table(*scan.table)
        partitioning = table.time_partitioning if table else None
        if partitioning is None or not partitioning.require_partition_filter or not partitioning.field:
            continue
        if partitioning.field.lower() not in scan.filters:
            raise JobError(
                "invalidQuery",
                f"Cannot query over table '{'.'.join(scan.table)}' without a filter over column(s) "
                f"'{partitioning.field}' that can be used for partition elimination",
            )
