"""The rows of a batch of events are exactly those that Dagster makes of each event."""

from __future__ import annotations

from typing import Any

import dagster as dg
import pytest
from dagster._core.storage.event_log import InMemoryEventLogStorage
from dagster._serdes import serialize_value

from mdp_dagster.cli.event_rows import event_rows

DAYS = dg.DailyPartitionsDefinition("2026-11-01", end_date="2026-11-06")


@dg.asset(partitions_def=DAYS, backfill_policy=dg.BackfillPolicy.single_run())
def rows() -> dg.MaterializeResult:
    text = dg.MetadataValue.text('with "quotes" and ü')
    return dg.MaterializeResult(metadata={"rows": dg.MetadataValue.int(12), "text": text})


@dg.asset(partitions_def=DAYS, backfill_policy=dg.BackfillPolicy.single_run(), deps=[rows])
def mart() -> None: ...


@pytest.fixture(scope="module")
def events() -> list[dg.EventLogEntry]:
    """All events of a run over five days, planned and materialized, and messages between them."""
    with dg.DagsterInstance.ephemeral() as instance:
        tags = {"dagster/asset_partition_range_start": "2026-11-01", "dagster/asset_partition_range_end": "2026-11-05"}
        run = dg.materialize([rows, mart], instance=instance, tags=tags)
        return instance.all_logs(run.run_id)


def both(events: list[dg.EventLogEntry]) -> tuple[list[Any], list[Any]]:
    """The rows of the batch, and Dagster's row of each event."""
    with dg.DagsterInstance.ephemeral() as instance:
        storage = instance.event_log_storage
        assert isinstance(storage, InMemoryEventLogStorage)
        to_row = storage._event_to_row
        return [*event_rows(events, to_row, storage._event_insert_timestamp)], [to_row(entry) for entry in events]


def with_materialization(entry: dg.EventLogEntry, **changed: Any) -> dg.EventLogEntry:
    event: Any = entry.get_dagster_event()
    data = event.event_specific_data
    data = data._replace(materialization=data.materialization._replace(**changed))
    return entry._replace(dagster_event=event._replace(event_specific_data=data))


def test_the_rows_are_dagsters_in_any_order(events: list[dg.EventLogEntry]) -> None:
    assert len([entry for entry in events if entry.is_dagster_event and entry.get_dagster_event().partition]) == 20
    for order in (events, events[::-1], events[::2] + events[1::2], events * 2):
        quick, stock = both(order)
        assert quick == stock


def test_dagster_writes_one_event_of_an_asset(events: list[dg.EventLogEntry]) -> None:
    """As in a run: its events share the values of their metadata. Those that were read from a log do not."""
    first = next(e for e in events if e.is_dagster_event and e.get_dagster_event().is_step_materialization)
    days = [with_materialization(first, partition=f"2026-11-{day:02d}")._replace(timestamp=day / 7) for day in range(9)]
    by_dagster: list[dg.EventLogEntry] = []

    def to_row(entry: dg.EventLogEntry) -> dict[str, Any]:
        by_dagster.append(entry)
        return {"event": serialize_value(entry)}

    found = [row["event"] for row in event_rows(days, to_row, lambda entry: entry.timestamp)]
    assert found == [serialize_value(entry) for entry in days]
    assert by_dagster == days[:1]


def test_an_event_with_another_content_is_written_alone(events: list[dg.EventLogEntry]) -> None:
    first, second, *_ = [e for e in events if e.is_dagster_event and e.get_dagster_event().is_step_materialization]
    others = [
        with_materialization(second, metadata={"rows": dg.MetadataValue.float(12.0)}),
        with_materialization(second, metadata={}),
        with_materialization(second, tags={"dagster/data_version": "other"}),
        with_materialization(second, partition='a "day"'),
        with_materialization(second, partition=None),
        second._replace(timestamp=1.0),
        second._replace(user_message="other"),
        second._replace(run_id="other"),
    ]
    for other in others:
        quick, stock = both([first, other, second])
        assert quick == stock
