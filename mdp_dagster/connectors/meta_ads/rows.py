"""Insights rows into Arrow columns, as received: numbers stay text, lists become canonical JSON text."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import orjson
import pyarrow as pa

from mdp_dagster.connectors.base import ColumnType, PlatformAccount, Report
from mdp_dagster.connectors.errors import AccountError
from mdp_dagster.connectors.meta_ads.reports import ACCOUNT_ID, CAMPAIGN_STATUS, TIME_ZONE

logger = logging.getLogger(__name__)

ROWS_PER_BATCH = 10_000

# Campaign id to the fields of the campaign.
Campaigns = Mapping[str, Mapping[str, Any]]


class KnownCampaigns(dict[str, Mapping[str, Any]]):
    """Campaigns that are known without a request. The account can have others."""


_encode_anything = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str).encode


def _encode(value: Any) -> str:
    """Canonical JSON. orjson is ten times faster, but refuses a few values (half a surrogate pair)."""
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
    except orjson.JSONEncodeError:
        return _encode_anything(value)


def text(value: Any) -> str | None:
    """A value as text. Anything but text and numbers becomes JSON text, which ingest checks."""
    if value is None or type(value) is str:
        return value
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    return _encode(value)


def canonical_json(value: Any) -> str | None:
    """JSON text that is the same for the same content.

    Keys are sorted, and a list's entries by their ``action_type``, so that another order is not a change.
    """
    if value is None:
        return None
    return _encode(_sorted(value) if isinstance(value, list) else value)


def _sorted(entries: list[Any]) -> list[Any]:
    try:
        by_type = {entry["action_type"]: entry for entry in entries}
        if len(by_type) == len(entries):
            return [by_type[action_type] for action_type in sorted(by_type)]
    except (TypeError, KeyError):
        pass
    return sorted(entries, key=_encode)  # entries of another form, or more than one for a type: by their own text


def with_status(batches: Iterable[pa.RecordBatch], campaigns: Campaigns) -> list[pa.RecordBatch]:
    """Returns the batches with the status of these campaigns."""
    filled = []
    for batch in batches:
        ids = batch.column("campaign_id").to_pylist()
        for column, field in CAMPAIGN_STATUS.items():
            values = [text(campaigns.get(campaign_id, {}).get(field)) for campaign_id in ids]
            batch = batch.set_column(batch.schema.get_field_index(column), column, pa.array(values, pa.string()))
        filled.append(batch)
    return filled


class RowGatherer:
    """Gathers the rows of one try. A missing key is null; so is every column of a row that is not an object."""

    def __init__(
        self, report: Report, account: PlatformAccount, campaigns: Campaigns, batch_rows: int = ROWS_PER_BATCH
    ) -> None:
        self._report = report
        self._account = account
        self._campaigns = campaigns
        self._batch_rows = batch_rows
        self._readers = [self._reader(column.name, column.type) for column in report.columns]
        self._columns: list[list[str | None]] = [[] for _ in report.columns]
        self._batches: list[pa.RecordBatch] = []

    def add(self, rows: Sequence[Any]) -> None:
        """Adds the ``data`` of one page.

        Raises:
            AccountError: A row is of another account.
        """
        objects = [row if isinstance(row, dict) else self._rubbish(row) for row in rows]
        account_id = self._account.account_id
        accounts = {text(row.get(ACCOUNT_ID)) for row in objects} - {None, account_id, f"act_{account_id}"}
        if accounts:
            raise AccountError(
                f"{self._report.table}: the answer for account {account_id} has rows of another account: "
                f"{', '.join(sorted(map(str, accounts)))[:200]}",
                "extract the account again; if it happens again, report it to Meta",
            )
        for read, values in zip(self._readers, self._columns, strict=True):
            values.extend(map(read, objects))
        if len(self._columns[0]) >= self._batch_rows:
            self._flush()

    def batches(self) -> list[pa.RecordBatch]:
        """All gathered rows."""
        self._flush()
        return self._batches

    def _flush(self) -> None:
        if not self._columns[0]:
            return
        schema = self._report.schema
        arrays = [pa.array(values, pa.string()) for values in self._columns]
        self._batches += pa.Table.from_arrays(arrays, schema=schema).to_batches(max_chunksize=self._batch_rows)
        self._columns = [[] for _ in self._report.columns]

    def _reader(self, name: str, kind: ColumnType) -> Callable[[dict[str, Any]], str | None]:
        if name == TIME_ZONE:
            time_zone = self._account.time_zone or None
            return lambda row: time_zone
        if name in CAMPAIGN_STATUS:
            return self._campaign_reader(CAMPAIGN_STATUS[name])
        if kind is ColumnType.JSON_TEXT:
            return lambda row: canonical_json(row.get(name))
        return lambda row: text(row.get(name))

    def _campaign_reader(self, field: str) -> Callable[[dict[str, Any]], str | None]:
        values = {campaign_id: text(campaign.get(field)) for campaign_id, campaign in self._campaigns.items()}
        return lambda row: values.get(text(row.get("campaign_id")) or "")

    def _rubbish(self, row: Any) -> dict[str, Any]:
        logger.warning(
            "meta_ads %s account %s: a row is not an object: %.200r",
            self._report.name,
            self._account.account_id,
            row,
        )
        return {}
