"""Writes the tables of columns in docs/data_model.md from the declarations: `make docs-tables`.

A block between `<!-- generated: NAME -->` and `<!-- end -->` has a table's description and its columns. A second name
adds a table with fewer columns to the same block.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mdp_dagster.defs.ads.platforms import REPORTS
from mdp_dagster.ingest.feed_tables import feed_tables
from mdp_dagster.ingest.tables import SHARED_TABLES, report_table
from mdp_dagster.operational.shop_reports import FEEDS
from mdp_dagster.settings import Settings
from mdp_dagster.transform.project import parsed_project
from mdp_dagster.warehouse.base import Table

DATA_MODEL = Path(__file__).parents[2] / "docs" / "data_model.md"

# The columns before a report's own, which are the same in every raw report.
REPORT_METADATA = "raw_<source>__<report>"

_BLOCK = re.compile(r"<!-- generated: (.+?) -->\n(.*?)<!-- end -->", re.DOTALL)
_TYPES = {
    "string": "string",
    "int64": "bigint",
    "int32": "integer",
    "double": "double",
    "bool": "boolean",
    "date32[day]": "date",
    "timestamp[us, tz=UTC]": "timestamp",
}


@dataclass(frozen=True)
class Described:
    """A table's description, and the type and description of each column."""

    text: str
    columns: Mapping[str, tuple[str, str]]


def described_tables() -> dict[str, Described]:
    """Every table of MDP by its name: raw from `mdp_dagster`, the models from dbt."""
    raw = {table.name: _raw(table) for table in [*SHARED_TABLES, *map(report_table, REPORTS), *feed_tables(FEEDS)]}
    metadata = {}
    for report in REPORTS:
        whole = raw[report.table]
        own = {name: column for name, column in whole.columns.items() if name in report.schema.names}
        metadata = {name: column for name, column in whole.columns.items() if name not in own}
        raw[report.table] = Described(whole.text, own)
    return {**raw, REPORT_METADATA: Described("", metadata), **_models()}


def _raw(table: Table) -> Described:
    columns = {field.name: (_TYPES[str(field.type)], table.descriptions[field.name]) for field in table.schema}
    return Described(table.description, columns)


def _models() -> dict[str, Described]:
    nodes = parsed_project(Settings()).manifest["nodes"].values()
    return {
        node["name"]: Described(
            node["description"],
            {name: (column["data_type"] or "", column["description"]) for name, column in node["columns"].items()},
        )
        for node in nodes
        if node["resource_type"] == "model"
    }


def blocks(text: str) -> list[str]:
    """The names of the tables that a document has a block for."""
    return [name for names, _ in _BLOCK.findall(text) for name in names.split()]


def generated(text: str) -> str:
    """The document with every block as the declarations have it."""
    tables = described_tables()

    def block(match: re.Match[str]) -> str:
        names = match[1].split()
        return f"<!-- generated: {match[1]} -->\n{_block({name: tables[name] for name in names})}<!-- end -->"

    return _BLOCK.sub(block, text)


def _block(tables: Mapping[str, Described]) -> str:
    (name, first), *others = tables.items()
    rows = ["| column | type | description |", "|---|---|---|"]
    for column, (kind, description) in first.columns.items():
        only = "" if all(column in other.columns for _, other in others) else f" Only in `{name}`."
        rows.append(f"| `{column}` | {kind} | {_one_line(description)}{only} |")
    paragraphs = [table.text if len(tables) == 1 else f"`{name}`: {table.text}" for name, table in tables.items()]
    prose = [textwrap.fill(_one_line(text), 119, break_on_hyphens=False) for text in paragraphs if text]
    return "\n" + "\n\n".join([*prose, "\n".join(rows)]) + "\n\n"


def _one_line(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    DATA_MODEL.write_text(generated(DATA_MODEL.read_text()))
    print(f"{DATA_MODEL.name}: {len(blocks(DATA_MODEL.read_text()))} tables")
