"""The snapshot of the asset graph: what each asset is made from, and its checks, by group.

A change of the graph shows in the diff of this file. To write it again:

    .venv/bin/python -m pytest tests/test_definitions.py --update-snapshots
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dagster as dg
import yaml

ASSET_GRAPH = Path(__file__).parents[1] / "asset_graph.yaml"

Graph = dict[str, dict[str, dict[str, Any]]]


def graph_of(definitions: dg.Definitions) -> Graph:
    """The graph as the snapshot has it: by group, then by asset."""
    graph = definitions.resolve_asset_graph()
    found: Graph = {}
    for node in map(graph.get, sorted(graph.get_all_asset_keys())):
        checks = sorted(node.check_keys, key=lambda key: key.name)
        found.setdefault(str(node.group_name), {})[node.key.to_user_string()] = {
            "made_from": sorted(parent.to_user_string() for parent in node.parent_keys),
            "checks": {key.name: "blocks" if graph.get_check_spec(key).blocking else "reports" for key in checks},
        }
    return dict(sorted(found.items()))


def write(graph: Graph) -> None:
    ASSET_GRAPH.write_text(yaml.safe_dump(graph, sort_keys=False, width=120))


def read() -> Graph:
    graph: Graph = yaml.safe_load(ASSET_GRAPH.read_text())
    return graph


def number_of_checks(domain: str) -> int:
    """The checks of a run over all assets of a domain."""
    return sum(
        len(asset["checks"])
        for group, assets in read().items()
        if group.startswith(f"{domain}_")
        for asset in assets.values()
    )
