"""The pieces in which a long window is pulled: those that the platform still has, and how far the pull is."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from mdp_dagster.connectors.base import DayReport
from mdp_dagster.connectors.history import out_of_reach, reachable
from mdp_dagster.ingest.extraction import Pulled
from mdp_dagster.ingest.ledger import has_days
from mdp_dagster.warehouse.base import Warehouse
from mdp_dagster.window import DateWindow

log = logging.getLogger(__name__)


def pieces_in_reach(report: DayReport, window: DateWindow, warehouse: Warehouse) -> list[DateWindow]:
    """The window in pieces that one extract can have, in order of time, without the days that lie beyond the
    platform's history: raw keeps what it has of those.

    Raises ``HistoryError`` when the platform has none of the days, and raw has none either.
    """
    within = reachable(report, window)
    if within == window:
        return list(window.chunks(report.max_days_per_extract))
    if within is None and not has_days(warehouse, report, window):
        raise out_of_reach(report, window)
    # cut after the window is divided: continued tomorrow, the run has the same pieces but for the first
    pieces = [
        DateWindow(max(piece.start, within.start), piece.end)
        for piece in (window.chunks(report.max_days_per_extract) if within else ())
        if within and piece.end > within.start
    ]
    log.warning(
        "%s: %d days of %s lie beyond the platform's %d months; they stay as raw has them",
        report.table, days_beyond(window, pieces), window, report.history_months,
    )  # fmt: skip
    return pieces


def days_beyond(window: DateWindow, pieces: Sequence[DateWindow]) -> int:
    """How many days of the window are in no piece."""
    return len(window) - sum(len(piece) for piece in pieces)


def tell(
    report: DayReport, pieces: Sequence[DateWindow], piece: DateWindow, pulls: Sequence[Pulled], committed: int
) -> None:
    """Say in the run's log how far a long window is. ``committed``: accounts that were, before."""
    if len(pieces) == 1:
        return
    taken = [pulled for pulled in pulls if not pulled.refused]
    rows = sum(pulled.received - pulled.rejected for pulled in taken)
    restated = len({day for pulled in taken for day in pulled.restated_days})
    before = f"; {committed} accounts were committed before" if committed else ""
    log.info(
        "%s: piece %d of %d (%s): %d accounts, %s rows, %d restated days%s",
        report.table, pieces.index(piece) + 1, len(pieces), piece, len(taken), f"{rows:,}", restated, before,
    )  # fmt: skip
