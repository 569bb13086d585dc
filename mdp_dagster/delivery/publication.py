"""Publishes files together: all or none, as far as a bucket allows, with the manifest last.

1. Each file is written to ``_runs/<run>/``, read back, and compared with what was written.
2. The files are copied to their fixed names, in a fixed order. Each copy replaces only the version that was there when
   the publication began, so of two publishers at most one gets past the first file.
3. ``manifest.json`` follows. It lists the versions, so a reader can see whether a publication is complete.

A kill between two copies leaves new and old files, with the old manifest. The next publication replaces all of them.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mdp_dagster.delivery.csv_files import CsvFile, Written, check_stored, text_of_sums, write_csv
from mdp_dagster.delivery.errors import DeliveryError
from mdp_dagster.delivery.places import Place, Replaced
from mdp_dagster.warehouse.base import Warehouse

log = logging.getLogger(__name__)

MANIFEST = "manifest.json"
RUNS = "_runs"
"""The folder of the runs' own files."""
_RUNS_KEPT = 14


@dataclass(frozen=True)
class Published:
    """The result of a publication.

    Args:
        manifest: The content of ``manifest.json``.
        addresses: The address of each file, by name.
    """

    manifest: dict[str, Any]
    addresses: dict[str, str]


def publish(files: Sequence[CsvFile], warehouse: Warehouse, place: Place, run_id: str, now: datetime) -> Published:
    """Writes the files from the warehouse, and replaces the published ones.

    Args:
        files: The files, which belong together.
        warehouse: The source of the rows.
        place: Where they are published.
        run_id: The run, for the manifest.
        now: The time, in UTC.

    Raises:
        DeliveryError: Nothing was published, or the next run must repair it; the message shows which.
        WarehouseError: A table can't be read. Nothing was published.
    """
    folder = f"{RUNS}/{now:%Y%m%dT%H%M%SZ}-{run_id[:8]}"
    stage = "nothing was published"
    try:
        with place.exclusive():
            before = {path: place.version(path) for path in (*(file.path for file in files), MANIFEST)}
            written = {file: _staged(file, warehouse, place, f"{folder}/{file.name}.csv") for file in files}
            stage = "the published files may be of two runs until the next run publishes again"
            versions: dict[str, str] = {}
            for file in files:
                place.check()
                versions[file.path] = place.replace(f"{folder}/{file.name}.csv", file.path, before[file.path])
            if versions != {file.path: place.version(file.path) for file in files}:
                raise Replaced(place.uri)
            manifest = _manifest(run_id, now, written, versions)
            _write(place, f"{folder}/{MANIFEST}", json.dumps(manifest, indent=1, ensure_ascii=False).encode())
            place.check()
            place.replace(f"{folder}/{MANIFEST}", MANIFEST, before[MANIFEST])
            _remove_old_runs(place)
    except Replaced as error:
        raise DeliveryError(
            f"{place.uri}: another process replaced {error} at the same time → run again; until then, the files may be "
            "of two runs"
        ) from error
    except OSError as error:
        remedy = getattr(error, "remedy", "") or "free space there, or choose another place"
        raise DeliveryError(f"{place.uri} can't be written: {error} → {remedy}; {stage}") from error
    return Published(manifest, {file.name: f"{place.uri}/{file.path}" for file in files})


def read_manifest(place: Place) -> dict[str, Any] | None:
    """Returns the manifest of the last complete publication; None if there is none.

    Raises:
        OSError: The place can't be read.
        ValueError: The file is not a manifest.
    """
    if place.version(MANIFEST) is None:
        return None
    with place.stream(MANIFEST) as file:
        manifest = json.load(file)
    if not isinstance(manifest, dict) or not isinstance(manifest.get("files"), dict):
        raise ValueError(f"{place.uri}/{MANIFEST} is not a manifest of MDP → remove it, then run again")
    return manifest


def faults_of_publication(place: Place, run_id: str) -> list[str]:
    """Compares the published files with the manifest, and returns what differs. Empty if the run's files are there."""
    try:
        manifest = read_manifest(place)
        if manifest is None:
            return [f"{place.uri} has no {MANIFEST}: nothing was published yet"]
        faults = [] if manifest.get("run") == run_id else [f"the manifest is of the run {manifest.get('run')}"]
        for name, facts in manifest["files"].items():
            if place.version(facts["path"]) != facts["version"]:
                faults.append(f"{name}.csv is not the file of the manifest")
        return faults
    except (OSError, ValueError, KeyError, TypeError) as error:
        return [f"{place.uri} can't be read: {error}"]


def _staged(file: CsvFile, warehouse: Warehouse, place: Place, path: str) -> Written:
    new = place.new_file(path)
    try:
        written = write_csv(file, warehouse, new.content)
        new.finish(path)
    finally:
        new.discard()
    with place.stream(path) as stored:
        check_stored(file, written, f"{place.uri}/{path}", stored)
    return written


def _write(place: Place, path: str, content: bytes) -> None:
    new = place.new_file(path)
    try:
        new.content.write(content)
        new.finish(path)
    finally:
        new.discard()


def _manifest(run_id: str, now: datetime, written: dict[CsvFile, Written], versions: dict[str, str]) -> dict[str, Any]:
    return {
        "run": run_id,
        "published_at": now.isoformat(timespec="seconds"),
        "files": {
            file.name: {
                "path": file.path,
                "version": versions[file.path],
                "rows": of_file.rows,
                "bytes": of_file.size,
                "sha256": of_file.sha256,
                "columns": list(file.columns),
                "sums": text_of_sums(of_file),
                **file.facts,
            }
            for file, of_file in written.items()
        },
    }


def _remove_old_runs(place: Place) -> None:
    """Deletes the files of old runs. If that fails, they stay until the next time."""
    try:
        for run in sorted(place.folders(RUNS))[:-_RUNS_KEPT]:
            place.remove_folder(f"{RUNS}/{run}")
    except OSError as error:
        log.warning("%s: old files of %s were not deleted: %s", place.uri, RUNS, error)
