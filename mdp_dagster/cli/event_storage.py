"""Dagster's SQLite event log with a lower cost per event.

A daily run has five hundred events, and a run over a year has twelve thousand: one planned and one materialized event
for each asset and day, and log messages. Dagster's own SQLite storage opens one database per event (two for an asset's
event), and syncs the disk each time. This class keeps connections open, syncs only at checkpoints of the write-ahead
log, and stores each of Dagster's batches (``DAGSTER_EVENT_BATCH_SIZE``) in one transaction. A killed process loses
nothing. A power failure may lose the last seconds of the event log, but never loaded data.

The tables and files are those of Dagster, so an instance can switch between the two classes.
"""

from __future__ import annotations

import os
from collections import OrderedDict, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dagster import DagsterEventType, EventLogEntry
from dagster._core.event_api import EventHandlerFn
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus
from dagster._core.storage.event_log import SqlEventLogStorageTable, SqliteEventLogStorage
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable
from dagster._core.storage.event_log.sqlite.sqlite_event_log import INDEX_SHARD_NAME, SqliteEventLogStorageWatchdog
from dagster._serdes import serialize_value
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.pool import StaticPool
from watchdog.observers import Observer

from mdp_dagster.cli.event_rows import event_rows

if TYPE_CHECKING:
    from dagster._serdes import ConfigurableClassData

_MAX_CONNECTIONS = 16  # the index of all runs, and the runs that are being written or shown
_BUSY_SECONDS = 60

_MATERIALIZATIONS = (DagsterEventType.ASSET_MATERIALIZATION, DagsterEventType.ASSET_MATERIALIZATION_PLANNED)
_BATCHED = (*_MATERIALIZATIONS, DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED)


class QuickSqliteEventLogStorage(SqliteEventLogStorage):
    """Dagster's SQLite event log with open connections and batched writes.

    ``base_dir`` has Dagster's meaning. The commands name this class in the dagster.yaml of their DAGSTER_HOME.
    """

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._engines: OrderedDict[str, tuple[Engine, tuple[int, int] | None]] = OrderedDict()
        super().__init__(base_dir, inst_data)

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> QuickSqliteEventLogStorage:
        """Dagster's hook to create the storage."""
        return cls(config_value["base_dir"], inst_data)

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        """A transaction in one of the databases. As in Dagster's class, each process runs one at a time."""
        with self._db_lock, self._engine(shard).begin() as connection:
            yield connection

    def _engine(self, shard: str) -> Engine:
        """The database's connection. It is new if the file was replaced, because a run or the home was deleted."""
        engine, file = self._engines.pop(shard, (None, None))
        if engine is None or file != _file_identity(self.path_for_shard(shard)):
            if engine is not None:
                engine.dispose()
            engine = _new_engine(self.conn_string_for_shard(shard))
            if file is not None or not os.path.exists(self.path_for_shard(shard)):
                self._initialized_dbs.discard(shard)
        if shard not in self._initialized_dbs:
            self._initdb(engine)
            self._initialized_dbs.add(shard)
        self._engines[shard] = engine, _file_identity(self.path_for_shard(shard))
        if len(self._engines) > _MAX_CONNECTIONS:
            self._engines.popitem(last=False)[1][0].dispose()
        return engine

    def _close(self) -> None:
        with self._db_lock:
            while self._engines:
                self._engines.popitem()[1][0].dispose()

    def delete_events(self, run_id: str) -> None:
        """Delete a run's events, and the run's file. Dagster's own class leaves an empty file of the same size."""
        with self.index_connection() as index:
            self.delete_events_for_run(index, run_id)
        with self._db_lock:
            engine, _ = self._engines.pop(run_id, (None, None))
            if engine is not None:
                engine.dispose()
            self._initialized_dbs.discard(run_id)
            for ending in ("", "-wal", "-shm"):
                Path(self.path_for_shard(run_id) + ending).unlink(missing_ok=True)
        self.free_concurrency_slots_for_run(run_id)

    def wipe(self) -> None:
        """Close all connections, then delete the files."""
        self._close()
        super().wipe()

    def dispose(self) -> None:
        """Close all connections."""
        super().dispose()
        self._close()

    def watch(self, run_id: str, cursor: str | None, callback: EventHandlerFn) -> None:
        """Watch a run's events. Dagster's own watcher only notices them when the writing connection is closed."""
        observer: Any = self._obs
        if observer is None:
            self._obs = observer = Observer()  # type: ignore[assignment]
            observer.start()
        watchdog = _Watchdog(self, run_id, callback, cursor)
        self._watchers[run_id][callback] = watchdog, observer.schedule(watchdog, self._base_dir, recursive=True)

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        """Store events in one transaction per run."""
        by_run: dict[str, list[EventLogEntry]] = defaultdict(list)
        for entry in events:
            if entry.dagster_event_type in _BATCHED:
                by_run[entry.run_id].append(entry)
            else:
                self.store_event(entry)
        for run_id, batch in by_run.items():
            self._store_together(run_id, batch)

    def _store_together(self, run_id: str, events: Sequence[EventLogEntry]) -> None:
        """Store the events in the run's database and in the index of all runs, as ``store_event`` does for one event.

        Both transactions succeed or neither does, because Dagster stores each event of a failed batch again.
        """
        rows = [*event_rows(events, self._event_to_row, self._event_insert_timestamp)]
        insert = SqlEventLogStorageTable.insert()
        with (
            self._db_lock,
            self._engine(run_id).begin() as run,
            self._engine(INDEX_SHARD_NAME).begin() as index,
        ):
            run.execute(insert, rows)
            with_ids = insert.returning(SqlEventLogStorageTable.c.id, sort_by_parameter_order=True)
            stored: list[tuple[EventLogEntry, int]] = list(
                zip(events, index.execute(with_ids, rows).scalars(), strict=True)
            )
            asset_events = [(entry, id_) for entry, id_ in stored if entry.dagster_event_type in _MATERIALIZATIONS]
            self._store_asset_event_tags(index, [entry for entry, _ in asset_events], [id_ for _, id_ in asset_events])
            # An asset's own record contains the last event of each kind.
            last = {(e.get_dagster_event().asset_key, e.dagster_event_type): (e, id_) for e, id_ in asset_events}
            for entry, id_ in last.values():
                self._store_asset_event(index, entry, id_)
            for entry, id_ in stored:
                if entry.dagster_event_type not in _MATERIALIZATIONS:
                    self._store_planned_check(index, entry, id_)

    def _store_planned_check(self, index: Connection, entry: EventLogEntry, id_: int) -> None:
        """Store one row per day. The event is serialized once for all rows."""
        planned = entry.get_dagster_event().asset_check_planned_data
        row = {
            "asset_key": planned.asset_key.to_string(),
            "check_name": planned.check_name,
            "run_id": entry.run_id,
            "execution_status": AssetCheckExecutionRecordStatus.PLANNED.value,
            "evaluation_event": serialize_value(entry),
            "evaluation_event_timestamp": self._event_insert_timestamp(entry),  # type: ignore[no-untyped-call]
            "evaluation_event_storage_id": id_,
        }
        days: list[str | None] = [None]
        if planned.partitions_subset:
            days = [*planned.partitions_subset.get_partition_keys()]
        index.execute(AssetCheckExecutionsTable.insert(), [{**row, "partition": day} for day in days])


class _Watchdog(SqliteEventLogStorageWatchdog):
    """Also watches the write-ahead log, which contains most new events while connections stay open."""

    def __init__(
        self, storage: QuickSqliteEventLogStorage, run_id: str, callback: EventHandlerFn, cursor: str | None
    ) -> None:
        super().__init__(storage, run_id, callback, cursor)
        self._patterns = [self._log_path, f"{self._log_path}-wal"]

    def on_modified(self, event: Any) -> None:
        """Read the new events."""
        self._process_log()


def _file_identity(path: str) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def _new_engine(address: str) -> Engine:
    """An engine with one open connection. Any thread may use it, because the storage's lock admits one at a time."""
    engine = create_engine(
        address, poolclass=StaticPool, connect_args={"timeout": _BUSY_SECONDS, "check_same_thread": False}
    )

    event.listen(engine, "connect", lambda connection, _: connection.execute("pragma synchronous = normal"))
    return engine
