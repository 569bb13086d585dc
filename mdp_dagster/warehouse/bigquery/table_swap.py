"""Raw anew: filled into tables beside, then copied over, each table in one step. Copying costs nothing.

The ledger comes last. Until then the old one stands, and points to rows that the new tables have as well: a run's rows
come from the lake under the same extract_run_id.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any
from uuid import uuid4

from google.cloud import bigquery

from mdp_dagster.warehouse.base import Append, Table, Unit
from mdp_dagster.warehouse.bigquery.catalog import Catalog
from mdp_dagster.warehouse.bigquery.loads import TIMEOUT, Sent, loads, run, wait_for_others

_MARK = "__rebuilt_"


def swap_in(
    client: bigquery.Client,
    catalog: Catalog,
    units: Sequence[Unit],
    tables: Sequence[Table],
    check: Callable[[], None],
) -> None:
    """Whoever reads meanwhile sees the old rows of a table or the new ones. ``check``: see ``loads.run``."""
    nonce = uuid4().hex[:12]
    beside = {table.name: _beside(catalog, table, nonce) for table in tables}
    _drop_leftovers(client, catalog, tables)
    try:
        for table in tables:
            catalog.create(table, beside[table.name])
        appends = [append for unit in units for append in unit.appends]
        todo = loads(_of(tables, appends), lambda table: beside[table.name], lambda _: nonce, catalog.labels)
        run(client, todo, check)
        commit_points = {unit.appends[-1].table.name for unit in units if unit.once}
        for dataset in {table.dataset for table in tables}:
            wait_for_others(client, dataset)
        for table in sorted(tables, key=lambda table: table.name in commit_points):
            copy = partial(_copy, client, beside[table.name], catalog.reference(table), catalog.labels)
            Sent(client, copy, partial("mdp_{}_copy_{}_{}".format, table.name, nonce), check).finish()
            catalog.begin_generation(table, nonce)
    finally:
        for reference in beside.values():
            client.delete_table(reference, not_found_ok=True)


def _of(tables: Sequence[Table], appends: Sequence[Append]) -> list[Append]:
    known = {table.name for table in tables}
    return [append for append in appends if append.table.name in known]


def _beside(catalog: Catalog, table: Table, nonce: str) -> bigquery.TableReference:
    return catalog.reference(replace(table, name=f"{table.name}{_MARK}{nonce}"))


def _drop_leftovers(client: bigquery.Client, catalog: Catalog, tables: Sequence[Table]) -> None:
    """What a rebuild left that was killed. Two at a time there can't be."""
    datasets = {table.dataset for table in tables}
    for dataset, name in catalog.tables():
        if dataset in datasets and _MARK in name:
            client.delete_table(f"{client.project}.{dataset}.{name}", not_found_ok=True)


def _copy(
    client: bigquery.Client,
    source: bigquery.TableReference,
    target: bigquery.TableReference,
    labels: dict[str, str],
    job_id: str,
) -> Any:
    config = bigquery.CopyJobConfig(write_disposition=bigquery.WriteDisposition.WRITE_TRUNCATE, labels=labels)
    return client.copy_table(source, target, job_id=job_id, job_config=config, timeout=TIMEOUT)
