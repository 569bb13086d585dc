"""The rows of Dagster's event log for a batch of events. Events of an asset's days differ only in the day and the time.

Dagster writes each event as JSON, which took most of the time of a batch. Here it writes the first event of an asset,
and the others are the same text with their own day and time.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from operator import is_
from typing import Any

from dagster import AssetMaterialization, EventLogEntry
from dagster._core.events import AssetMaterializationPlannedData, StepMaterializationData
from dagster._serdes import serialize_value

Row = dict[str, Any]

_MARK = "the day, which is written here afterwards 7d1f0c"


def event_rows(
    events: Sequence[EventLogEntry], to_row: Callable[[EventLogEntry], Row], time_of: Callable[[EventLogEntry], Any]
) -> Iterator[Row]:
    """The same rows as ``to_row`` gives, in the order of the events.

    Args:
        events: The events of a batch.
        to_row: Dagster's function for one event.
        time_of: Dagster's function for the column ``timestamp``.
    """
    pattern: _Pattern | None = None
    for entry in events:
        if pattern is None or not pattern.fits(entry):
            row = to_row(entry)
            pattern = _Pattern.of(entry, row)
            yield row
        else:
            day = _day(entry)
            yield {**pattern.row, "event": pattern.text(entry), "timestamp": time_of(entry), "partition": day}


class _Pattern:
    """The row of an event of one day, for the events of other days."""

    def __init__(self, entry: EventLogEntry, row: Row, parts: Sequence[str]) -> None:
        self.row = row
        self._fields = _fields(entry)
        self._metadata = _metadata(entry)
        self._parts = parts

    @classmethod
    def of(cls, entry: EventLogEntry, row: Row) -> _Pattern | None:
        """The pattern of an event; None if it is not an event of a day."""
        if not _day(entry):
            return None
        before, _, after = serialize_value(_with_day(entry, _MARK)).partition(json.dumps(_MARK))
        between, _, end = after.partition(json.dumps(entry.timestamp))
        parts = [before, between, end]
        is_right = row["event"] == _join(parts, entry)
        return cls(entry, row, parts) if is_right else None

    def fits(self, entry: EventLogEntry) -> bool:
        """True if the events differ only in their day and time."""
        if not _day(entry) or _fields(entry) != self._fields:
            return False
        metadata = _metadata(entry)
        return list(metadata) == list(self._metadata) and all(map(is_, metadata.values(), self._metadata.values()))

    def text(self, entry: EventLogEntry) -> str:
        """The event as JSON."""
        return _join(self._parts, entry)


def _join(parts: Sequence[str], entry: EventLogEntry) -> str:
    before, between, end = parts
    return f"{before}{json.dumps(_day(entry))}{between}{json.dumps(entry.timestamp)}{end}"


def _about_asset(entry: EventLogEntry) -> AssetMaterialization | AssetMaterializationPlannedData | None:
    """The part of the event that has the day; None for other kinds of events."""
    data = entry.dagster_event.event_specific_data if entry.dagster_event else None
    if isinstance(data, StepMaterializationData):
        return data.materialization
    return data if isinstance(data, AssetMaterializationPlannedData) else None


def _day(entry: EventLogEntry) -> str | None:
    asset = _about_asset(entry)
    return asset.partition if asset is not None else None


def _with_day(entry: EventLogEntry, day: str) -> EventLogEntry:
    event = entry.get_dagster_event()
    data: Any = event.event_specific_data
    if isinstance(data, StepMaterializationData):
        changed: Any = data._replace(materialization=data.materialization._replace(partition=day))
    else:
        changed = data._replace(partition=day)
    return entry._replace(dagster_event=event._replace(event_specific_data=changed))


def _metadata(entry: EventLogEntry) -> dict[str, Any]:
    asset = _about_asset(entry)
    return dict(asset.metadata) if isinstance(asset, AssetMaterialization) else {}


def _fields(entry: EventLogEntry) -> tuple[Any, ...]:
    """All fields of the event, its data and its asset, except the day, the time and the metadata."""
    event: Any = entry.get_dagster_event()
    asset: Any = _about_asset(entry)
    if isinstance(asset, AssetMaterialization):
        data = asset._replace(partition=None, metadata={}), event.event_specific_data.asset_lineage
    else:
        data = asset._replace(partition=None)
    entry_fields = tuple(entry._replace(timestamp=0.0, dagster_event=None))
    return entry_fields, tuple(event._replace(event_specific_data=None)), data
