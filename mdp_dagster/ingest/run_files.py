"""The files that a run writes to the lake: one for each report and window, with the extracts of all accounts."""

from __future__ import annotations

from threading import Lock
from uuid import uuid4

import pyarrow as pa

from mdp_dagster.connectors.base import DayReport
from mdp_dagster.ingest.landing import (
    REFUSED_FOLDER,
    Extract,
    LandedFile,
    dump,
    rejected_rows,
    rejects_of,
    with_metadata,
)
from mdp_dagster.ingest.tables import report_table
from mdp_dagster.lake import Lake
from mdp_dagster.lake.writer import LakeWriter
from mdp_dagster.window import DateWindow


class RunFiles:
    """The file of the accepted extracts, and the file of the refused ones. Safe for threads.

    The accounts' threads add extracts in any order. Nothing is visible in the lake before ``finish`` or ``refuse``.
    """

    def __init__(self, lake: Lake, report: DayReport, window: DateWindow, extract_run_id: str) -> None:
        """Writes nothing: a file without extracts does not exist."""
        path = f"{report.source}/{report.name}/{extract_run_id}/{window.start}_{window.last}"
        self._lock = Lock()
        self._accepted = _FileInProgress(lake, report, _unique(path))
        self._refused = _FileInProgress(lake, report, _unique(f"{REFUSED_FOLDER}/{path}"))

    def add(self, extract: Extract, rows: pa.Table) -> None:
        """Adds an account's extract.

        Args:
            extract: The extract.
            rows: The rows of its loaded days. They have a ``date`` column, but not the other metadata columns.

        Raises:
            LakeError: The lake cannot be written.
        """
        with self._lock:
            self._accepted.add(extract, rows)

    def add_refused(self, extract: Extract, rows: pa.Table) -> None:
        """Adds an extract with too many rejects or with held days, and its valid rows. A rebuild will not load it.

        Raises:
            LakeError: The lake cannot be written.
        """
        with self._lock:
            self._refused.add(extract, rows)

    def finish(self) -> LandedFile | None:
        """Makes the files visible, and returns the one with the accepted extracts; None if there is no such extract.

        Raises:
            LakeError: The lake cannot be written.
        """
        self._refused.finish()
        return self._accepted.finish()

    def refuse(self) -> None:
        """Makes the files visible in the folder that a rebuild does not load.

        Raises:
            LakeError: The lake cannot be written.
        """
        self._refused.finish()
        self._accepted.finish(f"{REFUSED_FOLDER}/")

    def discard(self) -> None:
        """Removes what was written and is not visible yet."""
        self._accepted.discard()
        self._refused.discard()


def _unique(path: str) -> str:
    """Returns a path that no other file has. Two windows of a run are equal if accounts have different lookbacks."""
    return f"{path}_{uuid4().hex[:8]}.parquet"


class _FileInProgress:
    """A file of the lake to which extracts are added as they arrive. Nothing of it is visible before ``finish``."""

    def __init__(self, lake: Lake, report: DayReport, path: str) -> None:
        """Writes nothing: a file without extracts does not exist."""
        self._lake = lake
        self._report = report
        self._path = path
        self._writer: LakeWriter | None = None
        self._extracts: list[Extract] = []

    def add(self, extract: Extract, rows: pa.Table) -> None:
        """Adds an account's extract.

        Args:
            extract: The extract.
            rows: The rows of its loaded days. They have a ``date`` column, but not the other metadata columns.
        """
        if self._writer is None:
            self._writer = self._lake.writer(self._path, report_table(self._report).schema)
        self._writer.add(with_metadata(self._report, extract, rows))
        self._extracts.append(extract)

    def finish(self, folder: str = "") -> LandedFile | None:
        """Makes the file visible, and returns it; None if there is no extract.

        The rejects have a file of their own. It is first: when the extracts' file appears, both are complete.

        Args:
            folder: The folder in the lake, with a slash at the end.
        """
        if self._writer is None:
            return None
        path = folder + self._path
        try:
            if rejected := [rejected_rows(extract) for extract in self._extracts if extract.rejects]:
                self._lake.write(rejects_of(path), pa.concat_tables(rejected), {"kind": "rejects"})
        except BaseException:
            self.discard()
            raise
        self._writer.finish(path, {"kind": "extracts", "extracts": [dump(extract) for extract in self._extracts]})
        return LandedFile(self._lake.address(path), tuple(self._extracts))

    def discard(self) -> None:
        """Removes what was written."""
        if self._writer is not None:
            self._writer.discard()
