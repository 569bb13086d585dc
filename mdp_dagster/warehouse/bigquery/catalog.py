"""Creates datasets and tables, adds columns, and lists and drops tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from google.api_core.exceptions import NotFound, PreconditionFailed
from google.cloud import bigquery

from mdp_dagster.warehouse.base import MARTS, RAW, STAGING, Table, WarehouseError
from mdp_dagster.warehouse.bigquery.schema import schema_fields, table_definition

_DAY_MS = 24 * 60 * 60 * 1000
_GENERATION_LABEL = "mdp_generation"
_MAX_ATTEMPTS = 5


@dataclass(frozen=True)
class DatasetOptions:
    """Options for the datasets and tables that MDP creates.

    Args:
        location: The location of datasets. It can't be changed later.
        labels: The labels of datasets, tables and jobs.
        partition_expiration_days: None keeps all days.
    """

    location: str
    labels: dict[str, str] = field(default_factory=dict)
    partition_expiration_days: int | None = None


class Catalog:
    """The datasets and tables of a project. Each process looks up a table only once."""

    def __init__(self, client: bigquery.Client, options: DatasetOptions) -> None:
        self._client = client
        self._options = options
        self._prepared: set[Table] = set()

    @property
    def labels(self) -> dict[str, str]:
        """The labels of jobs."""
        return self._options.labels

    def reference(self, table: Table) -> bigquery.TableReference:
        """The table's full name."""
        return bigquery.DatasetReference(self._client.project, table.dataset).table(table.name)

    def prepare(self, tables: Sequence[Table]) -> None:
        """Create missing datasets and tables, and add missing columns."""
        new = [table for table in tables if table not in self._prepared]
        if not new:
            return
        if not self._prepared:
            for name in sorted({RAW, STAGING, MARTS, *(table.dataset for table in new)}):
                self._ensure_dataset(name)  # also dbt's datasets, because dbt would not report a missing permission
        for table in new:
            self._ensure_table(table)
            self._prepared.add(table)

    def create(self, table: Table, reference: bigquery.TableReference) -> bigquery.Table:
        """Create a table under the given reference, unless it exists."""
        return self._client.create_table(
            table_definition(table, reference, self._options.labels, self._expiration), exists_ok=True
        )

    def generation(self, table: Table) -> str:
        """A value that changes when the table is created again or all its rows are replaced.

        Earlier load jobs don't count for a new generation, because their rows are gone.
        """
        found = self._client.get_table(self.reference(table))
        return f"{found.created} {found.labels.get(_GENERATION_LABEL, '')}"

    def set_generation(self, table: Table, name: str) -> None:
        """Mark a new generation after a copy onto the table, and restore the required partition filter."""
        found = self._client.get_table(self.reference(table))
        found.labels = {**found.labels, _GENERATION_LABEL: name}
        if found.time_partitioning:
            found.require_partition_filter = table.require_partition_filter
        self._client.update_table(found, ["labels", "require_partition_filter"])

    @property
    def _expiration(self) -> int | None:
        days = self._options.partition_expiration_days
        return None if days is None else days * _DAY_MS

    def tables(self) -> Iterator[tuple[str, str]]:
        """The dataset and name of every table in MDP's datasets."""
        for dataset in self._client.list_datasets():
            if dataset.dataset_id.startswith((RAW, STAGING, MARTS)):
                for table in self._client.list_tables(dataset.reference):
                    yield table.dataset_id, table.table_id

    def drop(self, datasets: Iterable[str]) -> list[str]:
        """Drop the datasets that exist, with all their tables, and return their names."""
        existing = {dataset.dataset_id for dataset in self._client.list_datasets()}
        dropped = [name for name in datasets if name in existing]
        for name in dropped:
            self._client.delete_dataset(name, delete_contents=True, not_found_ok=True)
        return dropped

    def _ensure_dataset(self, name: str) -> None:
        reference = bigquery.DatasetReference(self._client.project, name)
        try:
            found = self._client.get_dataset(reference)
        except NotFound:
            made = bigquery.Dataset(reference)
            made.location = self._options.location
            made.labels = self._options.labels
            made.default_partition_expiration_ms = self._expiration
            found = self._client.create_dataset(made, exists_ok=True)
        if found.location and found.location.lower() != self._options.location.lower():
            raise WarehouseError(
                f"dataset {found.full_dataset_id} is in {found.location}, but BIGQUERY_LOCATION is "
                f"{self._options.location} → set BIGQUERY_LOCATION={found.location}: a dataset can't be moved"
            )

    def _ensure_table(self, table: Table) -> None:
        for attempt in range(_MAX_ATTEMPTS):
            try:
                return self._ensure_table_matches(table)
            except PreconditionFailed:  # another process updated the table meanwhile
                if attempt == _MAX_ATTEMPTS - 1:
                    raise

    def _ensure_table_matches(self, table: Table) -> None:
        try:
            found = self._client.get_table(self.reference(table))
        except NotFound:
            found = self.create(table, self.reference(table))
        existing = {column.name for column in found.schema}
        new = [column for column in schema_fields(table.schema) if column.name not in existing]
        changed = []
        if new:
            found.schema = [*found.schema, *new]
            changed.append("schema")
        if found.time_partitioning and bool(found.require_partition_filter) != table.require_partition_filter:
            found.require_partition_filter = table.require_partition_filter
            changed.append("require_partition_filter")
        if changed:
            self._client.update_table(found, changed)
