"""The estimate of what BigQuery bills a run for reading, made before the run reads, and the limit on it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import dagster as dg

from mdp_dagster.transform.project import ParsedProject
from mdp_dagster.window import DateWindow


@dataclass(frozen=True)
class Estimate:
    """The bytes that each statement of a build reads. None: unknown until the tables that it reads exist."""

    by_statement: Mapping[str, int | None]

    @property
    def total(self) -> int:
        """The bytes of all models."""
        return sum(filter(None, self.by_statement.values()))

    def __str__(self) -> str:
        unknown = sum(found is None for found in self.by_statement.values())
        without = f", without {unknown} that can't be known yet" if unknown else ""
        return f"{in_units(self.total)} in {len(self.by_statement)} statements{without}"

    def require_within(self, limit: int | None, window: DateWindow) -> None:
        """Checks the estimate before anything is read.

        Raises:
            dagster.Failure: The build would be billed more than ``limit``.
        """
        if limit is None or self.total <= limit:
            return
        worst = sorted(self.by_statement.items(), key=lambda item: item[1] or 0, reverse=True)[:5]
        raise dg.Failure(
            f"The models and tests of {window} would be billed {self}, more than MDP_BIGQUERY_MAX_BYTES_PER_RUN "
            f"({in_units(limit)}). Nothing was read → a shorter range, or a higher limit. Most of it: "
            + ", ".join(f"{_name(statement)} {in_units(read or 0)}" for statement, read in worst),
            metadata={"estimated_bytes": self.total, "limit_bytes": limit},
            allow_retries=False,
        )


def _name(statement: str) -> str:
    """Returns the short name of a statement: `mart_client__daily` of `model.mdp.mart_client__daily (replaced)`."""
    return statement.split(".")[2]


def in_units(count: int) -> str:
    """Returns the number of bytes in binary units, as Google bills."""
    size = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:,.1f} TiB"


def costs(
    project: ParsedProject, estimated: Estimate | None, responses: Mapping[str, Mapping[str, Any]]
) -> dict[str, dict[str, dg.MetadataValue]]:
    """Returns, for each model, the estimated and the billed bytes of the model and its tests.

    The estimate is left out if it is unknown for one of its statements.

    Args:
        project: The parsed dbt project.
        estimated: The estimate; None if reading is free.
        responses: The engine's answer for each node, from dbt.
    """
    if estimated is None:
        return {}
    nodes = project.manifest["nodes"]
    counted: dict[str, Counter[str]] = defaultdict(Counter)
    unknown = set()
    for statement, read in estimated.by_statement.items():
        node = statement.split(" ")[0]
        # A test's bytes count for the model that it tests.
        model = nodes[nodes[node].get("attached_node") or node]["name"]
        counted[model]["estimated_bytes"] += read or 0
        if read is None:
            unknown.add(model)
        if statement == node:
            counted[model]["billed_bytes"] += int(responses.get(node, {}).get("bytes_billed") or 0)
    return {
        model: {
            name: dg.MetadataValue.int(bytes_)
            for name, bytes_ in counts.items()
            if name != "estimated_bytes" or model not in unknown
        }
        for model, counts in counted.items()
    }
