"""The record of each sync in the lake, from which a lost store can be filled again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from mdp_dagster.connectors.shop_documents import ShopFacts, ShopWindow
from mdp_dagster.lake import Lake, LakeError
from mdp_dagster.operational.sync_records import Sync

_ENDING = ".sync.json"


@dataclass(frozen=True)
class Manifest:
    """One sync of a shop's report.

    Args:
        folder: The folder in the lake with the sync's files.
        sync: The sync.
        files: The landed files, in the order in which they were read.
        deleted: The orders that the shop no longer had. A sync with such orders has no files.
    """

    folder: str
    sync: Sync
    files: tuple[str, ...] = ()
    deleted: tuple[int, ...] = ()


def folder_of(source: str, sync: Sync) -> str:
    """Returns the folder in the lake for the files of a sync."""
    return f"{source}/{sync.report}/{sync.sync_id}"


def write_manifest(lake: Lake, manifest: Manifest) -> None:
    """Writes a manifest next to the files that it names, which are complete.

    Raises:
        LakeError: The lake cannot be written.
    """
    sync = manifest.sync
    content = {
        "sync_id": sync.sync_id,
        "shop": asdict(sync.shop),
        "report": sync.report,
        "window": [sync.window.start.isoformat(), sync.window.end.isoformat()],
        "read_at": sync.read_at.isoformat(),
        "files": manifest.files,
        "deleted": manifest.deleted,
    }
    kind = "_deleted" if manifest.deleted else ""
    path = f"{sync.shop.domain}_{sync.window.start:%Y%m%dT%H%M%S}_{sync.window.end:%Y%m%dT%H%M%S}{kind}{_ENDING}"
    lake.landing(manifest.folder).write(path, json.dumps(content).encode())


def manifests(lake: Lake, source: str) -> Iterator[Manifest]:
    """Yields the manifests of a source, in the order of their syncs.

    Raises:
        LakeError: A manifest can't be read.
    """
    found = [_read(lake, path) for path in lake.files(source, _ENDING)]
    yield from sorted(found, key=lambda manifest: (manifest.sync.read_at, manifest.sync.window.start))


def _read(lake: Lake, path: str) -> Manifest:
    folder, _, name = path.rpartition("/")
    try:
        with lake.landing(folder).open(name) as file:
            content: dict[str, Any] = json.loads(file.read())
        sync = Sync(
            sync_id=content["sync_id"],
            shop=ShopFacts(**content["shop"]),
            report=content["report"],
            window=ShopWindow(*map(datetime.fromisoformat, content["window"])),
            read_at=datetime.fromisoformat(content["read_at"]),
        )
        return Manifest(folder, sync, tuple(content["files"]), tuple(content["deleted"]))
    except (ValueError, KeyError, TypeError) as error:
        raise LakeError(f"{lake.address(path)} is damaged: {error!r} → move it out of the lake") from error
