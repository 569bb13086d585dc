"""Commands for maintenance: rebuild raw from the lake, check the clients file, parse the dbt project ahead of time."""

from __future__ import annotations

import argparse
from typing import Any

import duckdb

from mdp_dagster.cli.console_log import log_to_stderr
from mdp_dagster.cli.workspace import choose_workspace
from mdp_dagster.settings import Settings, load_settings
from mdp_dagster.warehouse.base import WarehouseError


def add_commands(commands: Any) -> None:
    """Add the commands ``rebuild-raw``, ``replay-shops``, ``check-clients``, ``query`` and ``parse-dbt``."""
    rebuild = commands.add_parser("rebuild-raw", help="empty mdp_raw and load it again from the lake")
    rebuild.set_defaults(run=_rebuild_raw)
    shops = commands.add_parser("replay-shops", help="fill the shops' PostgreSQL from the lake, if it was lost")
    shops.set_defaults(run=_replay_shops)
    clients = commands.add_parser("check-clients", help="check the clients file and list its clients")
    clients.set_defaults(run=_check_clients)
    query = commands.add_parser("query", help="run a SQL statement on the warehouse and print the result")
    query.add_argument("sql", metavar="SQL")
    query.set_defaults(run=_query)
    parse = commands.add_parser("parse-dbt", help="parse the dbt project ahead of time")
    parse.set_defaults(run=_parse_dbt)


def _rebuild_raw(_: argparse.Namespace) -> int:
    from mdp_dagster.definitions import services

    log_to_stderr()
    stores = services(choose_workspace().settings())
    rebuilt = stores.rebuild_raw()
    print(f"mdp_raw in {stores.warehouse.display_name} rebuilt from {stores.lake.uri}: {rebuilt.extracts} extracts")
    if rebuilt.refused:
        print(f"  {rebuilt.refused} refused extracts restored only their rejected rows (raw__rejects)")
    if rebuilt.foreign:
        print(f"  {rebuilt.foreign} extracts skipped: their reports no longer exist")
    if rebuilt.forgotten_days:
        print(
            f"  {rebuilt.forgotten_days} account days dropped: their file is missing; the next run extracts them again"
        )
    print(
        "Next: materialize the dbt models for the days that the marts should have. For shops, run the job shop_daily."
    )
    return 0


def _replay_shops(_: argparse.Namespace) -> int:
    from mdp_dagster.definitions import services
    from mdp_dagster.defs.shop.jobs import SHOP_JOB
    from mdp_dagster.defs.shop.shop_systems import SHOP_SYSTEMS
    from mdp_dagster.ingest.shop_sync import replay
    from mdp_dagster.operational.server_users import server_stopped_afterwards

    log_to_stderr()
    stores = services(choose_workspace().settings())
    systems = [system for system in SHOP_SYSTEMS if stores.clients.listed(system.name)]
    if not systems:
        print(f"{stores.settings.clients_file} lists no shops: there is nothing to replay.")
        return 0
    with server_stopped_afterwards(stores.settings.shop_postgres_folder):
        for system in systems:
            replayed = replay(stores.shop_stores(system))
            print(f"{stores.shop_store.address.display_name} filled from {stores.lake.uri}: {replayed.syncs} syncs")
            if replayed.refused:
                print(f"  {replayed.refused} syncs were refused again: more than 5 % of their documents are rejected")
            if replayed.lost:
                print(f"  {replayed.lost} syncs left out: a file is missing; the next sync reads their windows again")
    print(f"Next: run the job {SHOP_JOB}. It extracts all documents once more.")
    return 0


def _check_clients(_: argparse.Namespace) -> int:
    from mdp_dagster.definitions import SOURCES, services

    for client in services(load_settings()).clients.clients:
        accounts = ", ".join(f"{len(client.accounts.get(s.name, []))} on {s.name}" for s in SOURCES)
        currencies = ", ".join(
            f"{version.value} from {version.valid_from}" if version.valid_from else version.value
            for version in client.reporting_currency
        )
        print(f"{client.id}: {client.name}, {currencies}, accounts: {accounts}")
    return 0


def _query(options: argparse.Namespace) -> int:
    settings = choose_workspace().settings()
    if settings.target == "bigquery":
        return _query_bigquery(settings, options.sql)
    path = settings.duckdb_path
    if not path.exists():
        raise WarehouseError(f"{path} does not exist yet → run `make demo`, or materialize something")
    try:
        with duckdb.connect(str(path), read_only=True) as connection:
            answer = connection.sql(options.sql)
            if answer is not None:
                answer.show(max_width=200)
    except duckdb.Error as error:
        raise WarehouseError(f"{path}: {error}") from error
    return 0


def _query_bigquery(settings: Settings, sql: str) -> int:
    """Print the rows in DuckDB's table format, so that both engines look the same on a terminal."""
    from mdp_dagster.definitions import services

    answer = services(settings).warehouse.query(sql)
    duckdb.from_arrow(answer).show(max_width=200)
    return 0


def _parse_dbt(_: argparse.Namespace) -> int:
    from mdp_dagster.definitions import dbt_project

    print(f"dbt project parsed: {dbt_project(load_settings()).folder}")
    return 0
