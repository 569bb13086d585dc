"""Splits a long window into chunks that one request may cover, within the report's history."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from mdp_dagster.connectors.base import DayReport
from mdp_dagster.connectors.history import out_of_reach, reachable
from mdp_dagster.ingest.extraction import ExtractPlan, ExtractResult
from mdp_dagster.ingest.ledger import has_days
from mdp_dagster.warehouse.base import Warehouse
from mdp_dagster.window import DateWindow

log = logging.getLogger(__name__)


def chunks_within_history(report: DayReport, window: DateWindow, warehouse: Warehouse) -> list[DateWindow]:
    """Returns the window in chunks, the oldest first, without the days that the source no longer delivers.

    Raises:
        HistoryError: The source no longer has any day of the window, and raw does not have any either.
    """
    within = reachable(report, window)
    if within == window:
        return list(window.chunks(report.max_days_per_extract))
    if within is None and not has_days(warehouse, report, window):
        raise out_of_reach(report, window)
    # Split first, then cut: a run that is continued tomorrow has the same chunks, except for the first one.
    chunks = [
        DateWindow(max(chunk.start, within.start), chunk.end)
        for chunk in (window.chunks(report.max_days_per_extract) if within else ())
        if within and chunk.end > within.start
    ]
    log.warning(
        "%s: %d days of %s are before the source's history of %d months; raw keeps what it has of them",
        report.table, days_beyond(window, chunks), window, report.history_months,
    )  # fmt: skip
    return chunks


def days_beyond(window: DateWindow, chunks: Sequence[DateWindow]) -> int:
    """Returns how many days of the window are not in any chunk."""
    return len(window) - sum(len(chunk) for chunk in chunks)


def log_progress(
    plan: ExtractPlan, chunks: Sequence[DateWindow], extracts: Sequence[ExtractResult], committed: int
) -> None:
    """Logs which chunk of a long window is done.

    Args:
        plan: The plan of the chunk.
        chunks: All chunks of the window.
        extracts: What was extracted of the chunk.
        committed: How many accounts had been committed before.
    """
    if len(chunks) == 1:
        return
    accepted = [extracted for extracted in extracts if not extracted.refused]
    rows = sum(extracted.received - extracted.rejected for extracted in accepted)
    restated = len({day for extracted in accepted for day in extracted.restated_days})
    before = f"; {committed} accounts were committed before" if committed else ""
    log.info(
        "%s: chunk %d of %d (%s): %d accounts, %s rows, %d restated days%s",
        plan.report.table, chunks.index(plan.window) + 1, len(chunks), plan.window,
        len(accepted), f"{rows:,}", restated, before,
    )  # fmt: skip
