"""Replaces all rows of raw: loads temporary tables, then copies each over its target in one step. Copying is free.

The ledger is copied last. Until then the old ledger stays valid, because the new tables contain its rows too: rows from
the lake keep their extract_run_id.
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
from mdp_dagster.warehouse.bigquery.loads import TIMEOUT, SubmittedJob, plan_loads, run_loads, wait_for_running_loads

_TEMPORARY_MARK = "__rebuilt_"


def replace_tables(
    client: bigquery.Client,
    catalog: Catalog,
    units: Sequence[Unit],
    tables: Sequence[Table],
    check: Callable[[], None],
) -> None:
    """Replace all rows of the tables. Readers see either the old rows of a table or the new ones.

    Args:
        client: The client.
        catalog: The tables of the project.
        units: The new rows.
        tables: The tables to replace.
        check: Is called before each job is submitted, see ``run_loads``.
    """
    nonce = uuid4().hex[:12]
    temporary = {table.name: _temporary_reference(catalog, table, nonce) for table in tables}
    _drop_leftovers(client, catalog, tables)
    try:
        for table in tables:
            catalog.create(table, temporary[table.name])
        appends = [append for unit in units for append in unit.appends]
        loads = plan_loads(
            _appends_to(tables, appends), lambda table: temporary[table.name], lambda _: nonce, catalog.labels
        )
        run_loads(client, loads, check)
        commit_points = {unit.appends[-1].table.name for unit in units if unit.commit_key}
        for dataset in {table.dataset for table in tables}:
            wait_for_running_loads(client, dataset)
        for table in sorted(tables, key=lambda table: table.name in commit_points):
            copy = partial(_copy, client, temporary[table.name], catalog.reference(table), catalog.labels)
            SubmittedJob(client, copy, partial("mdp_{}_copy_{}_{}".format, table.name, nonce), check).finish()
            catalog.set_generation(table, nonce)
    finally:
        for reference in temporary.values():
            client.delete_table(reference, not_found_ok=True)


def _appends_to(tables: Sequence[Table], appends: Sequence[Append]) -> list[Append]:
    known = {table.name for table in tables}
    return [append for append in appends if append.table.name in known]


def _temporary_reference(catalog: Catalog, table: Table, nonce: str) -> bigquery.TableReference:
    return catalog.reference(replace(table, name=f"{table.name}{_TEMPORARY_MARK}{nonce}"))


def _drop_leftovers(client: bigquery.Client, catalog: Catalog, tables: Sequence[Table]) -> None:
    """Drop the temporary tables of a killed rebuild. Only one rebuild can run at a time."""
    datasets = {table.dataset for table in tables}
    for dataset, name in catalog.tables():
        if dataset in datasets and _TEMPORARY_MARK in name:
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
