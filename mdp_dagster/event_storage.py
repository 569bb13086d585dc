"""Dagster's SQLite event log, without its cost per event.

A daily run has five hundred events, a run over a year twelve thousand: one planned and one materialized for each
asset and day, and what is logged. Dagster's own SQLite storage opens a database for each, two for an asset's, and
waits for the disk each time. Here connections are kept, WAL's commits leave the waiting to the checkpoint, and events
that Dagster hands over in batches (``DAGSTER_EVENT_BATCH_SIZE``) are one transaction. A killed process loses nothing;
a machine that loses its power may lose the last moments of what runs have said, never what they have loaded.

The same tables and files: an instance may change from one to the other.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dagster import DagsterEventType, EventLogEntry, StringSource
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus
from dagster._core.storage.event_log import SqlEventLogStorageTable, SqliteEventLogStorage
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable
from dagster._serdes import serialize_value
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.pool import StaticPool

if TYPE_CHECKING:
    from dagster._serdes import ConfigurableClassData

_KEPT_CONNECTIONS = 16  # the index of all runs, and the runs that are being written or looked at
_BUSY_SECONDS = 60

_MATERIALIZATIONS = (DagsterEventType.ASSET_MATERIALIZATION, DagsterEventType.ASSET_MATERIALIZATION_PLANNED)
_BATCHED = (*_MATERIALIZATIONS, DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED)


class QuickSqliteEventLogStorage(SqliteEventLogStorage):
    """``home``: DAGSTER_HOME; the events lie where Dagster's own storage has them. (dagster.yaml names this class.)"""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._engines: OrderedDict[str, Engine] = OrderedDict()
        super().__init__(base_dir, inst_data)

    @classmethod
    def config_type(cls) -> Any:
        return {"home": StringSource}

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> QuickSqliteEventLogStorage:
        return cls(str(Path(config_value["home"]) / "history" / "runs"), inst_data)

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        """A transaction in one of the databases. One at a time in a process, as with Dagster's own."""
        with self._db_lock:
            engine = self._engine(shard)
            if shard not in self._initialized_dbs:
                self._initdb(engine)
                self._initialized_dbs.add(shard)
            with engine.begin() as connection:
                yield connection

    def _engine(self, shard: str) -> Engine:
        if shard not in self._engines:
            self._engines[shard] = _new_engine(self.conn_string_for_shard(shard))
        self._engines.move_to_end(shard)
        if len(self._engines) > _KEPT_CONNECTIONS:
            self._engines.popitem(last=False)[1].dispose()
        return self._engines[shard]

    def _close(self) -> None:
        with self._db_lock:
            while self._engines:
                self._engines.popitem()[1].dispose()

    def wipe(self) -> None:
        self._close()  # the files are removed
        super().wipe()

    def dispose(self) -> None:
        super().dispose()
        self._close()

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        by_run: dict[str, list[EventLogEntry]] = defaultdict(list)
        for entry in events:
            if entry.dagster_event_type in _BATCHED:
                by_run[entry.run_id].append(entry)
            else:
                self.store_event(entry)
        for run_id, batch in by_run.items():
            self._store_together(run_id, batch)

    def _store_together(self, run_id: str, events: Sequence[EventLogEntry]) -> None:
        """In the run's own database, and in the index of all runs, as ``store_event`` does for one."""
        rows = [self._event_to_row(entry) for entry in events]
        insert = SqlEventLogStorageTable.insert()
        with self.run_connection(run_id) as connection:
            connection.execute(insert, rows)
        with self.index_transaction() as connection:
            with_ids = insert.returning(SqlEventLogStorageTable.c.id, sort_by_parameter_order=True)
            stored: list[tuple[EventLogEntry, int]] = list(
                zip(events, connection.execute(with_ids, rows).scalars(), strict=True)
            )
            made = [(entry, id_) for entry, id_ in stored if entry.dagster_event_type in _MATERIALIZATIONS]
            self._store_asset_event_tags(connection, [entry for entry, _ in made], [id_ for _, id_ in made])
            # an asset's own record has the last event of each kind
            last = {(e.get_dagster_event().asset_key, e.dagster_event_type): (e, id_) for e, id_ in made}
            for entry, id_ in last.values():
                self._store_asset_event(connection, entry, id_)
        for entry, id_ in stored:
            if entry.dagster_event_type not in _MATERIALIZATIONS:
                self.store_asset_check_event(entry, id_)

    def _store_asset_check_evaluation_planned(self, event: EventLogEntry, event_id: int | None) -> None:
        """A row for each day, each with the event: written out once, not for each of them."""
        planned = event.get_dagster_event().asset_check_planned_data
        subset = planned.partitions_subset
        row = {
            "asset_key": planned.asset_key.to_string(),
            "check_name": planned.check_name,
            "run_id": event.run_id,
            "execution_status": AssetCheckExecutionRecordStatus.PLANNED.value,
            "evaluation_event": serialize_value(event),
            "evaluation_event_timestamp": self._event_insert_timestamp(event),  # type: ignore[no-untyped-call]
            "evaluation_event_storage_id": event_id,
        }
        days: list[str | None] = [None]
        if subset:
            days = [*subset.get_partition_keys()]
        with self.index_connection() as connection:
            connection.execute(AssetCheckExecutionsTable.insert(), [{**row, "partition": day} for day in days])


def _new_engine(address: str) -> Engine:
    """One connection, kept. It may be used by any thread: the storage's lock lets one at a time."""
    engine = create_engine(
        address, poolclass=StaticPool, connect_args={"timeout": _BUSY_SECONDS, "check_same_thread": False}
    )

    event.listen(engine, "connect", lambda connection, _: connection.execute("pragma synchronous = normal"))
    return engine
