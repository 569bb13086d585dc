"""Dagster's SQLite event log, with the events of a range of days in one transaction.

A run over a year has eleven thousand events, one planned and one materialized for each asset and day. Dagster hands
them over in batches (``DAGSTER_EVENT_BATCH_SIZE``); its own SQLite storage writes each by itself, in two transactions,
which takes longer than all else that the run does. The same tables and files: an instance may change from one to the
other.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dagster import DagsterEventType, EventLogEntry, StringSource
from dagster._core.storage.event_log import SqlEventLogStorageTable, SqliteEventLogStorage

if TYPE_CHECKING:
    from dagster._serdes import ConfigurableClassData

_BATCHED = (DagsterEventType.ASSET_MATERIALIZATION, DagsterEventType.ASSET_MATERIALIZATION_PLANNED)


class BatchedSqliteEventLogStorage(SqliteEventLogStorage):
    """``home``: DAGSTER_HOME; the events lie where Dagster's own storage has them. (dagster.yaml names this class.)"""

    @classmethod
    def config_type(cls) -> Any:
        return {"home": StringSource}

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> BatchedSqliteEventLogStorage:
        return cls(str(Path(config_value["home"]) / "history" / "runs"), inst_data)

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        by_run: dict[str, list[EventLogEntry]] = defaultdict(list)
        for event in events:
            if event.dagster_event_type in _BATCHED and event.get_dagster_event().asset_key:
                by_run[event.run_id].append(event)
            else:
                self.store_event(event)
        for run_id, batch in by_run.items():
            self._store_asset_events(run_id, batch)

    def _store_asset_events(self, run_id: str, events: Sequence[EventLogEntry]) -> None:
        """In the run's own database, and in the index of all runs, as ``store_event`` does for one."""
        rows = [self._event_to_row(event) for event in events]
        insert = SqlEventLogStorageTable.insert()
        with self.run_connection(run_id) as connection:
            connection.execute(insert, rows)
        with self.index_transaction() as connection:
            with_ids = insert.returning(SqlEventLogStorageTable.c.id, sort_by_parameter_order=True)
            ids: list[int] = list(connection.execute(with_ids, rows).scalars())
            self._store_asset_event_tags(connection, events, ids)
            # an asset's own record has the last event of each kind
            last = {
                (e.get_dagster_event().asset_key, e.dagster_event_type): (e, i)
                for e, i in zip(events, ids, strict=True)
            }
            for event, id_ in last.values():
                self._store_asset_event(connection, event, id_)
