"""Datasets and tables: made where they are missing, widened where columns are new, listed, dropped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from google.api_core.exceptions import NotFound, PreconditionFailed
from google.cloud import bigquery

from mdp_dagster.warehouse.base import MARTS, RAW, STAGING, Table, WarehouseError
from mdp_dagster.warehouse.bigquery.schema import described, fields

_DAY_MS = 24 * 60 * 60 * 1000
_GENERATION = "mdp_generation"
_ATTEMPTS = 5


@dataclass(frozen=True)
class DatasetOptions:
    """Of datasets and tables that are made. ``location``: where a dataset stays. ``partition_expiration_days``:
    None keeps all days."""

    location: str
    labels: dict[str, str] = field(default_factory=dict)
    partition_expiration_days: int | None = None


class Catalog:
    """What is there. Datasets and tables that were seen once aren't looked up again by this process."""

    def __init__(self, client: bigquery.Client, options: DatasetOptions) -> None:
        self._client = client
        self._options = options
        self._prepared: set[Table] = set()

    @property
    def labels(self) -> dict[str, str]:
        return self._options.labels

    def reference(self, table: Table) -> bigquery.TableReference:
        return bigquery.DatasetReference(self._client.project, table.dataset).table(table.name)

    def prepare(self, tables: Sequence[Table]) -> None:
        todo = [table for table in tables if table not in self._prepared]
        if not todo:
            return
        if not self._prepared:
            for name in sorted({RAW, STAGING, MARTS, *(table.dataset for table in todo)}):
                self._prepare_dataset(name)  # dbt's too: it would not say which right is missing
        for table in todo:
            self._prepare_table(table)
            self._prepared.add(table)

    def create(self, table: Table, reference: bigquery.TableReference) -> bigquery.Table:
        """Raises nothing if somebody else was faster."""
        return self._client.create_table(
            described(table, reference, self._options.labels, self._expiration), exists_ok=True
        )

    def generation(self, table: Table) -> str:
        """Changes when the table is made anew, or filled anew: what was loaded before then isn't in it any more."""
        found = self._client.get_table(self.reference(table))
        return f"{found.created} {found.labels.get(_GENERATION, '')}"

    def begin_generation(self, table: Table, name: str) -> None:
        """After a copy onto the table, which may have taken the protection off."""
        found = self._client.get_table(self.reference(table))
        found.labels = {**found.labels, _GENERATION: name}
        if found.time_partitioning:
            found.require_partition_filter = table.require_partition_filter
        self._client.update_table(found, ["labels", "require_partition_filter"])

    @property
    def _expiration(self) -> int | None:
        days = self._options.partition_expiration_days
        return None if days is None else days * _DAY_MS

    def tables(self) -> Iterator[tuple[str, str]]:
        """Of MDP's datasets; the others are none of its business."""
        for dataset in self._client.list_datasets():
            if dataset.dataset_id.startswith((RAW, STAGING, MARTS)):
                for table in self._client.list_tables(dataset.reference):
                    yield table.dataset_id, table.table_id

    def drop(self, datasets: Iterable[str]) -> list[str]:
        """Drop the datasets with all that is in them, and say which there were."""
        there = {dataset.dataset_id for dataset in self._client.list_datasets()}
        dropped = [name for name in datasets if name in there]
        for name in dropped:
            self._client.delete_dataset(name, delete_contents=True, not_found_ok=True)
        return dropped

    def _prepare_dataset(self, name: str) -> None:
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
                f"dataset {found.full_dataset_id} is in {found.location}, and BIGQUERY_LOCATION says "
                f"{self._options.location} → set it to where the dataset is: it can't be moved"
            )

    def _prepare_table(self, table: Table) -> None:
        for attempt in range(_ATTEMPTS):
            try:
                return self._match(table)
            except PreconditionFailed:  # somebody else is at it, too
                if attempt == _ATTEMPTS - 1:
                    raise

    def _match(self, table: Table) -> None:
        try:
            found = self._client.get_table(self.reference(table))
        except NotFound:
            found = self.create(table, self.reference(table))
        there = {column.name for column in found.schema}
        new = [column for column in fields(table.schema) if column.name not in there]
        changed = []
        if new:
            found.schema = [*found.schema, *new]
            changed.append("schema")
        if found.time_partitioning and bool(found.require_partition_filter) != table.require_partition_filter:
            found.require_partition_filter = table.require_partition_filter
            changed.append("require_partition_filter")
        if changed:
            self._client.update_table(found, changed)
