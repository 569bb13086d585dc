"""The dbt project, parsed once for each version of its files. Parsing takes seconds, loading a fraction of one."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

from mdp_dagster.google_cloud.settings import load_google_cloud_settings
from mdp_dagster.settings import PROJECT_ROOT, Settings
from mdp_dagster.window import DateWindow

DBT_DIR = PROJECT_ROOT / "dbt"
_TARGET = DBT_DIR / "target"
_SOURCES = ("*.sql", "*.yml", "*.md")
_KEPT = 6
_IN_USE_SECONDS = 24 * 60 * 60


class DbtError(Exception):
    """dbt failed. The text is dbt's message."""


@dataclass(frozen=True)
class ParsedProject:
    """A parsed project in its folder."""

    folder: Path

    @property
    def manifest_path(self) -> Path:
        """The file with the manifest."""
        return self.folder / "manifest.json"

    @property
    def partial_parse_path(self) -> Path:
        """The file with dbt's parsing cache."""
        return self.folder / "partial_parse.msgpack"

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """The manifest for Dagster. Each test of a model has the name of its check."""
        manifest: dict[str, Any] = json.loads(self.manifest_path.read_bytes())
        for node in manifest["nodes"].values():
            if node.get("attached_node"):
                node["name"] = check_name(node)
        return manifest

    def require_one_tag_per_model(self, domains: Collection[str]) -> None:
        """Checks that every model belongs to exactly one domain: models are built by their domain's tag.

        Raises:
            DbtError: A model has the tag of no domain, or of several.
        """
        wrong = []
        for node in filter(_is_model, self.manifest["nodes"].values()):
            found = [tag for tag in node["tags"] if tag in domains]
            if len(found) != 1:
                wrong.append(f"{node['original_file_path']} has {' and '.join(found) or 'none'}")
        if wrong:
            raise DbtError(
                f"a dbt model needs the tag of one domain ({', '.join(domains)}), but {', '.join(sorted(wrong))} → set "
                "`+tags: [<domain>]` for the model's folder in dbt/dbt_project.yml"
            )

    def raw_tables(self, domain: str) -> set[tuple[str, str]]:
        """Returns the dataset and name of each raw table that the models of a domain read."""
        sources, parents = self.manifest["sources"], self.manifest["parent_map"]
        models = [unique_id for unique_id, node in self.manifest["nodes"].items() if domain in node["tags"]]
        read = {parent for model in models for parent in parents[model] if parent in sources}
        return {(sources[unique_id]["schema"], sources[unique_id]["name"]) for unique_id in read}

    def models_with_column(self, column: str) -> set[str]:
        """Returns the names of the models that have a column."""
        return {
            node["name"] for node in self.manifest["nodes"].values() if _is_model(node) and column in node["columns"]
        }

    def models_to_build_first(self, selected: set[str], tables: set[tuple[str, str]]) -> list[str]:
        """Returns the models to build before the selected ones, sorted.

        These are unselected models that the selected ones read, and that have no table yet or read a selected model,
        so that they would be old. Their own parents are included if they have no table or are selected.

        Args:
            selected: The names of the selected models.
            tables: The existing tables: (dataset, name).
        """
        nodes = self.manifest["nodes"]

        def missing(unique_id: str) -> bool:
            return (nodes[unique_id]["schema"], nodes[unique_id]["name"]) not in tables

        models = {unique_id for unique_id, node in nodes.items() if _is_model(node) and node["name"] in selected}
        unselected = self._ancestors(models) - models
        first = {unique_id for unique_id in unselected if missing(unique_id) or self._ancestors({unique_id}) & models}
        first |= {unique_id for unique_id in self._ancestors(first) if missing(unique_id) or unique_id in models}
        return sorted(nodes[unique_id]["name"] for unique_id in first)

    def _ancestors(self, unique_ids: set[str]) -> set[str]:
        nodes, parents = self.manifest["nodes"], self.manifest["parent_map"]
        waiting, seen = list(unique_ids), set()
        while waiting:
            for parent in parents[waiting.pop()]:
                if parent not in seen and parent in nodes:
                    seen.add(parent)
                    waiting.append(parent)
        return seen


def check_name(test: Mapping[str, Any]) -> str:
    """Returns a dbt test's name without the name of the model that it tests.

    dbt needs a different name for each test: `grain_unique_mart_client__daily`. Dagster shows a check next to its
    asset, where `grain_unique` is enough.
    """
    model = test["attached_node"].split(".")[2]
    return str(test["name"]).removesuffix(f"_{model}")


def _is_model(node: dict[str, Any]) -> bool:
    return bool(node["resource_type"] == "model")


def parsed_project(settings: Settings) -> ParsedProject:
    """Returns the project for the current files. Parses it if this version was not parsed here before.

    Raises:
        DbtError: The project can't be parsed. The text is dbt's message.
    """
    use_environment(settings)
    folder = _TARGET / _fingerprint(settings)
    if not (folder / "manifest.json").exists():
        _parse_into(folder)
        _drop_old_versions(keep=folder)
    with suppress(OSError):  # in an image the folder is read-only, and is never dropped
        os.utime(folder)
    return ParsedProject(folder)


def use_environment(settings: Settings) -> None:
    """Sets the environment variables that dbt's profile and project read. None of them is a secret.

    Raises:
        SettingsError: BigQuery's project or location is missing.
    """
    for name, value in _environment(settings).items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def _environment(settings: Settings) -> dict[str, str | None]:
    """Returns the variables that dbt/profiles.yml, dbt/dbt_project.yml and dbt/macros read. None: not set."""
    common: dict[str, str | None] = {"MDP_TARGET": settings.target, "DBT_SEND_ANONYMOUS_USAGE_STATS": "false"}
    if settings.target == "duckdb":
        # Only BigQuery has labels.
        return {
            **common,
            "MDP_DUCKDB_PATH": str(settings.duckdb_path.resolve()),
            "MDP_DUCKDB_MEMORY_LIMIT": settings.duckdb_memory_limit,
            "MDP_DBT_LABELS": None,
        }
    cloud = load_google_cloud_settings()
    return {
        **common,
        "GOOGLE_CLOUD_PROJECT": cloud.project,
        "BIGQUERY_LOCATION": cloud.location,
        "BIGQUERY_EMULATOR_HOST": cloud.bigquery_emulator_host,
        "MDP_GOOGLE_IMPERSONATE_SERVICE_ACCOUNT": cloud.impersonate_service_account,
        "MDP_BIGQUERY_MAX_BYTES_PER_QUERY": _text(settings.bigquery_max_bytes_per_query),
        "MDP_DBT_LABELS": _labels(settings),
        "MDP_DBT_PARTITION_EXPIRATION_DAYS": _text(settings.bigquery_partition_expiration_days),
        "MDP_DBT_AS_OF_EXPIRATION_DAYS": _text(settings.bigquery_as_of_expiration_days),
    }


def _text(number: int | None) -> str | None:
    return None if number is None else str(number)


def _labels(settings: Settings) -> str:
    return json.dumps(settings.bigquery_labels, sort_keys=True)


def _fingerprint(settings: Settings) -> str:
    digest = hashlib.blake2b(digest_size=8)
    # The parsed project contains the macros of dbt and of the adapter.
    parts = [settings.target, *(version(name) for name in ("dbt-core", "dbt-adapters", f"dbt-{settings.target}"))]
    # It contains the database's name in every relation: DuckDB's file name, or BigQuery's project.
    if settings.target == "duckdb":
        parts.append(settings.duckdb_path.stem)
    else:
        # It contains the tables' labels and expirations. A build as of an instant parses again every time.
        expiration = str(settings.bigquery_partition_expiration_days)
        parts += [load_google_cloud_settings().project, _labels(settings), expiration]
    for part in parts:
        digest.update(part.encode() + b"\0")
    files = (path for pattern in _SOURCES for path in DBT_DIR.rglob(pattern) if _TARGET not in path.parents)
    for path in sorted(files):
        digest.update(str(path.relative_to(DBT_DIR)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def _parse_into(folder: Path) -> None:
    from dbt.cli.main import dbtRunner

    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(prefix="parsing-", dir=folder.parent))
    except OSError as error:
        raise DbtError(
            f"{folder.parent} can't be written: {error} → build the image with the settings that it runs with, or "
            "mount a writable folder there"
        ) from error
    try:
        result = dbtRunner().invoke(["--quiet", "parse", *common_flags(unfinished), "--show-all-deprecations"])
        if not result.success:
            raise DbtError(f"{DBT_DIR} can't be parsed: {result.exception} → correct it, then reload the code location")
        try:
            unfinished.rename(folder)
        except OSError:
            if not (folder / "manifest.json").exists():  # otherwise another process parsed the same files first
                raise
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def window_variables(window: DateWindow) -> dict[str, str]:
    """Returns dbt's variables for a window. Without them, no model can be built (dbt/macros/engine/window.sql)."""
    return {"window_start": window.start.isoformat(), "window_end": window.end.isoformat()}


def common_flags(target: Path) -> list[str]:
    """Returns the flags of every dbt command: artifacts and logs go to ``target``."""
    return [
        "--project-dir",
        str(DBT_DIR),
        "--profiles-dir",
        str(DBT_DIR),
        "--target-path",
        str(target),
        "--log-path",
        str(target),
        "--no-use-colors",
        "--no-version-check",
    ]


def _is_old(path: Path) -> bool:
    return time.time() - path.stat().st_mtime > _IN_USE_SECONDS


def _drop_old_versions(keep: Path) -> None:
    versions = sorted(
        # A process that uses a version may not have read all of it yet.
        (path for path in _TARGET.iterdir() if (path / "manifest.json").exists() and path != keep and _is_old(path)),
        key=lambda path: path.stat().st_mtime,
    )
    for path in versions[: -(_KEPT - 1)]:
        shutil.rmtree(path, ignore_errors=True)
