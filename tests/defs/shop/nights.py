"""Nights of the sandbox's shops, with a PostgreSQL, a lake and a warehouse of their own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from decimal import Decimal
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import dagster as dg
import psycopg
import pytest

from mdp_dagster.definitions import build_definitions, services
from mdp_dagster.defs.shop.jobs import SHOP_JOB
from mdp_dagster.settings import load_settings
from sandbox import Sandbox
from sandbox.shopify.edits import Edits
from tests.support.clock import NOW

NORDLICHT, HARBORLINE = "nordlicht-outdoor.myshopify.com", "harborline-home.myshopify.com"
_FIGURES = ("ca_brut", "remises", "retours", "ca_net", "livraison", "taxes", "ca_total", "commandes")

Evaluations = dict[str, dg.AssetCheckEvaluation]


class Nights:
    """MDP with the sandbox's shops, in the environment of the test."""

    def __init__(self, servers: Sandbox, folder: Path, start: date, postgres_url: str) -> None:
        self.servers = servers
        self.folder = folder
        self.start = start
        self.postgres_url = postgres_url
        self.settings = load_settings()
        self.warehouse = services(self.settings).warehouse
        self.definitions = build_definitions(self.settings)
        self.instance = dg.DagsterInstance.ephemeral()

    @property
    def _control(self) -> Any:
        return self.servers.servers["shopify"].control  # type: ignore[attr-defined]

    def edits(self, shop: str = NORDLICHT) -> Edits:
        edits: Edits = self._control.edits(shop)
        return edits

    def run(
        self,
        job: str = SHOP_JOB,
        succeeds: bool = True,
        select: str | None = None,
        instance: dg.DagsterInstance | None = None,
    ) -> Evaluations:
        """Runs a job, and returns its checks by name. A check of several models keeps the one that failed."""
        self._set_watermarks_back()
        definition = self.definitions.resolve_job_def(job)
        keys = dg.AssetSelection.from_string(select).resolve(self.definitions.resolve_asset_graph()) if select else None
        result = definition.execute_in_process(
            instance=instance or self.instance, raise_on_error=False, asset_selection=sorted(keys) if keys else None
        )
        assert result.success == succeeds, [
            event.event_specific_data.error for event in result.all_events if event.is_failure
        ]
        found: Evaluations = {}
        for evaluation in result.get_asset_check_evaluations():
            if evaluation.check_name not in found or not evaluation.passed:
                found[evaluation.check_name] = evaluation
        return found

    def _set_watermarks_back(self) -> None:
        """The world's clock does not move, but the sync's does: after some minutes it would not read an edit."""
        if self.store("select to_regclass('shop.syncs')") != [(None,)]:
            until = NOW - timedelta(minutes=2)
            self.store(f"update shop.syncs set watermark = '{until}' where watermark > '{until}'")

    def truth(self, shop: str, deletions_until: str | None = None) -> dict[date, dict[str, Decimal]]:
        truth = self._control.truth(shop, f"{self.start}T00:00:00Z", deletions_until)
        rows = truth.shop_daily(date(2020, 1, 1), date(2099, 12, 31))
        return {row["jour"]: _figures(row) for row in rows if any(row[name] for name in _FIGURES)}

    def mart(self, shop: str) -> dict[date, dict[str, Decimal]]:
        sql = f"select * from mdp_marts.mart_shop__daily where boutique = '{shop}'"
        rows = self.warehouse.query(sql).to_pylist()
        return {row["jour"]: _figures(row) for row in rows if any(row[name] for name in _FIGURES)}

    def is_true(self, *shops: str) -> bool:
        return all(self.truth(shop) and self.mart(shop) == self.truth(shop) for shop in shops)

    def store(self, sql: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.postgres_url, autocommit=True) as connection:
            cursor = connection.execute(sql)
            return cursor.fetchall() if cursor.description else []

    def mails(self) -> list[EmailMessage]:
        """The emails that arrived, in order."""
        found = []
        for path in sorted((self.folder / "mail").glob("*.eml")):
            message = message_from_bytes(path.read_bytes(), policy=policy.default)
            assert isinstance(message, EmailMessage)
            found.append(message)
        return found

    def published_sums(self, column: str) -> dict[str, Decimal]:
        """The sums of a column of the published sales by place, by currency."""
        manifest = json.loads((self.folder / "looker" / "manifest.json").read_text())
        sums = manifest["files"]["ventes_geographiques"]["sums"][column]
        return {currency: Decimal(amount) for currency, amount in sums.items()}

    def mart_sums(self, column: str) -> dict[str, Decimal]:
        rows = self.warehouse.query(
            f"select devise, sum({column}) as n from mdp_marts.mart_shop__daily group by devise"
        )
        return {row["devise"]: row["n"] for row in rows.to_pylist()}

    def count(self, table: str) -> int:
        counted: int = self.warehouse.query(f"select count(*) as n from {table}").to_pylist()[0]["n"]
        return counted


def _figures(row: dict[str, Any]) -> dict[str, Decimal]:
    return {name: Decimal(row[name]).quantize(Decimal("0.0001")) for name in _FIGURES}


def failures(evaluation: dg.AssetCheckEvaluation) -> dict[str, str]:
    """The failures in a check's metadata, by shop."""
    table = evaluation.metadata.get("failures")
    records = table.records if isinstance(table, dg.TableMetadataValue) else []
    return {str(record.data["account_id"]): str(record.data["failure"]) for record in records}


@contextmanager
def fault(servers: Sandbox, kind: str, shop: str = NORDLICHT, **options: Any) -> Iterator[None]:
    added = servers.faults.add("shopify", kind, account_id=shop, **options)
    try:
        yield
    finally:
        servers.faults.clear(added.id)


def new_database(server_url: str, name: str) -> str:
    """Makes an empty database, and returns its address."""
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(f"drop database if exists {name} (force)")
        connection.execute(f"create database {name}")
    return server_url.rpartition("/")[0] + f"/{name}"


def settings_for(patch: pytest.MonkeyPatch, postgres_url: str, start: date) -> None:
    patch.setenv("MDP_SHOP_POSTGRES_URL", postgres_url)
    patch.setenv("SHOPIFY_START_DATE", start.isoformat())
