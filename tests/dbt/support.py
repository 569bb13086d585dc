"""A small warehouse, and dbt in this process."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest
from dbt.artifacts.schemas.run import RunExecutionResult
from dbt.cli.main import dbtRunner, dbtRunnerResult
from dbt.contracts.graph.manifest import Manifest

from mdp_dagster.defs.ads.platforms import REPORTS
from mdp_dagster.ingest.feed_tables import feed_tables
from mdp_dagster.ingest.tables import SHARED_TABLES, report_table
from mdp_dagster.operational.shop_reports import FEEDS
from mdp_dagster.warehouse.base import Table
from mdp_dagster.warehouse.duckdb import DuckDBWarehouse

DBT_PROJECT = Path(__file__).resolve().parents[2] / "dbt"
MODEL_FILES = sorted(DBT_PROJECT.glob("models/**/*.sql"))
MACRO_FILES = sorted(DBT_PROJECT.glob("macros/**/*.sql"))
TEST_FILES = sorted(DBT_PROJECT.glob("tests/generic/*.sql"))
WAREHOUSE_FILE = "warehouse.duckdb"

# As the ingest layer makes them from the connectors' reports.
RAW_TABLES = [*map(report_table, REPORTS), *SHARED_TABLES]
SHOP_TABLES = feed_tables(FEEDS)

Row = dict[str, Any]

ADS = ("--select", "tag:ads")
MONTH = ("2026-01-01", "2026-02-01")
MODELS = [
    "mdp_staging.stg_google_ads__campaign_daily",
    "mdp_staging.stg_google_ads__account_daily",
    "mdp_staging.stg_meta_ads__campaign_daily",
    "mdp_staging.stg_meta_ads__account_daily",
    "mdp_staging.int_campaign__daily_unified",
    "mdp_staging.int_account__reconciliation",
    "mdp_staging.int_account__daily_maturity",
    "mdp_staging.int_platform__daily_maturity",
    "mdp_marts.mart_campaign__daily",
    "mdp_marts.mart_campaign__restatements",
    "mdp_marts.mart_client__daily",
    "mdp_marts.mart_account__maturity",
    "mdp_marts.mart_platform__maturity",
]
RECONCILES = "campaigns_add_up_int_account__reconciliation"


def code(path: Path) -> str:
    """The text of a file without its comments."""
    return re.sub(r"\{#.*?#\}|-- [^\n]*", "", path.read_text(), flags=re.DOTALL)


class Warehouse:
    """A DuckDB file with empty raw tables. It is opened for each use, because dbt opens the same file."""

    def __init__(self, path: Path, tables: Sequence[Table] = RAW_TABLES) -> None:
        self.path = path
        self._open: duckdb.DuckDBPyConnection | None = None
        DuckDBWarehouse(path).prepare(tables)

    def query(self, sql: str) -> list[Row]:
        with duckdb.connect(str(self.path)) as connection:
            result = connection.execute(sql)
            names = [column[0] for column in result.description or []]
            return [dict(zip(names, row, strict=True)) for row in result.fetchall()]

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Makes one transaction of all inserts in the block, which is faster for hundreds of rows."""
        with duckdb.connect(str(self.path)) as self._open:
            self._open.begin()
            yield
            self._open.commit()
        self._open = None

    def insert(self, table: str, rows: Iterable[Row]) -> None:
        if self._open is None:
            with self.at_once():
                return self.insert(table, rows)
        for row in rows:
            self._open.execute(
                f"insert into mdp_raw.{table} ({', '.join(row)}) values ({', '.join('?' * len(row))})",
                list(row.values()),
            )

    def extract(
        self,
        platform: str,
        run: str,
        at: str,
        account: str,
        day: str,
        rows: list[Row],
        *,
        report: str = "campaign_daily",
        unchanged_since: str | None = None,
        commit: bool = True,
    ) -> None:
        """Do the same as the ingest layer for one account and day: append the rows, then the ledger row."""
        key = {"source": platform, "account_id": account, "date": day, "extract_run_id": run}
        if unchanged_since is None:
            self.insert(f"raw_{platform}__{report}", [{**key, "ingested_at": at, **row} for row in rows])
        if commit:
            entry = {
                "report": report,
                "extracted_at": at,
                "row_count": len(rows),
                "content_digest": repr(rows),
                "status": "unchanged" if unchanged_since else "loaded",
                "effective_run_id": unchanged_since or run,
            }
            self.insert("raw__extracts", [{**key, **entry}])


def dbt_options(target: Path) -> list[str]:
    return [
        *("--project-dir", str(DBT_PROJECT), "--profiles-dir", str(DBT_PROJECT)),
        *("--target-path", str(target), "--log-path", str(target), "--log-level-file", "none", "--quiet"),
    ]


def invoke(runner: dbtRunner, command: Sequence[str], environment: Mapping[str, str]) -> dbtRunnerResult:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        return runner.invoke([*command])


def parse_project(folder: Path, environment: Mapping[str, str]) -> None:
    """Parse the project into ``folder``: ``manifest.json``, ``partial_parse.msgpack`` and ``warnings.json``."""
    warnings: list[str] = []

    def collect(event: Any) -> None:
        if event.info.level in ("warn", "error"):
            warnings.append(event.info.msg)

    command = ["parse", "--no-partial-parse", "--show-all-deprecations", *dbt_options(folder)]
    parsed = invoke(dbtRunner(callbacks=[collect]), command, environment)
    assert parsed.success, parsed.exception
    (folder / "warnings.json").write_text(json.dumps(warnings))


class Dbt:
    """dbt in this process, with a project that was parsed before: only a run needs a window.

    Args:
        state: A folder for the files that dbt writes.
        environment: The variables that the profile reads, in addition to those that are set.
        parsed: A folder that ``parse_project`` filled for the same environment. If there is none, it is filled here.
    """

    def __init__(self, state: Path, environment: Mapping[str, str] | None = None, parsed: Path | None = None) -> None:
        self._state = state
        self._environment = environment or {}
        if parsed is None:
            parsed = state / "parsed"
            parse_project(parsed, self._environment)
        self.parse_warnings: list[str] = json.loads((parsed / "warnings.json").read_text())
        self.manifest: dict[str, Any] = json.loads((parsed / "manifest.json").read_text())
        self._manifest = Manifest.from_msgpack((parsed / "partial_parse.msgpack").read_bytes())
        # results are read from dbt's return value, and not from its files
        self._options = [*dbt_options(state / "target"), "--no-write-json"]

    def __call__(self, *command: str, window: tuple[str, str] | None = None, **more: str) -> dbtRunnerResult:
        variables = {"window_start": window[0], "window_end": window[1], **more} if window else more
        runner = dbtRunner(manifest=self._manifest)
        return self._invoke([*command, "--vars", json.dumps(variables), *self._options], runner)

    def _invoke(self, command: list[str], runner: dbtRunner) -> dbtRunnerResult:
        return invoke(runner, command, self._environment)

    def build(self, window: tuple[str, str]) -> dbtRunnerResult:
        """Build like a scheduled run of the ads: models and data tests, without unit tests."""
        return self("build", *ADS, "--exclude-resource-type", "unit_test", window=window)

    def build_shop(self, *command: str, **more: str) -> dbtRunnerResult:
        """Build like a run of the shop, which has no window."""
        return self("build", "--select", "tag:shop", "--exclude-resource-type", "unit_test", *command, **more)

    def build_as_of(self, window: tuple[str, str], instant: str, schema: str) -> dbtRunnerResult:
        """Build as of an instant, into separate schemas."""
        return self.as_of(
            "build", *ADS, "--exclude-resource-type", "unit_test", window=window, instant=instant, schema=schema
        )

    def as_of(self, *command: str, window: tuple[str, str], instant: str, schema: str) -> dbtRunnerResult:
        """Parse the project again, with these variables."""
        variables = {"window_start": window[0], "window_end": window[1], "as_of": instant, "as_of_schema": schema}
        options = [*self._options, "--vars", json.dumps(variables), "--target-path", str(self._state / schema)]
        return self._invoke([*command, *options], dbtRunner())

    def nodes(self, kind: str, domain: str | None = None) -> dict[str, dict[str, Any]]:
        """The manifest's nodes of a resource type, by name; with `domain`, those of its models."""
        every = [*self.manifest["nodes"].values(), *self.manifest["sources"].values(),
                 *self.manifest["unit_tests"].values()]  # fmt: skip
        return {
            node["name"]: node
            for node in every
            if node["resource_type"] == kind and domain in (None, *self._model_of(node)["tags"])
        }

    def _model_of(self, node: dict[str, Any]) -> dict[str, Any]:
        """The model that a test tests; the node itself for all others."""
        if node["resource_type"] == "unit_test":
            return dict(self.manifest["nodes"][node["depends_on"]["nodes"][0]])
        return dict(self.manifest["nodes"][node["attached_node"]]) if node.get("attached_node") else node


@dataclass(frozen=True)
class Built:
    """A warehouse that was filled and built for the month. Tests copy it, because a build takes seconds."""

    path: Path
    result: dbtRunnerResult

    @classmethod
    def once(cls, dbt: Dbt, folder: Path, fill: Callable[[Warehouse], None]) -> Built:
        path = folder / WAREHOUSE_FILE
        with pytest.MonkeyPatch.context() as patch:
            point_dbt_at(path, patch)
            warehouse = Warehouse(path)
            fill(warehouse)
            built = cls(path, dbt.build(MONTH))
            warehouse.query("checkpoint")  # so that the one file that is copied is complete
        return built

    def copy_to(self, warehouse: Warehouse) -> Warehouse:
        shutil.copyfile(self.path, warehouse.path)
        return warehouse


def point_dbt_at(warehouse: Path, patch: pytest.MonkeyPatch) -> None:
    patch.setenv("MDP_DUCKDB_PATH", str(warehouse))
    patch.delenv("MDP_TARGET", raising=False)


def node_results(result: dbtRunnerResult) -> list[Any]:
    """Returns the result of each selected node."""
    assert isinstance(result.result, RunExecutionResult), result.exception
    return list(result.result)


def compiled(result: dbtRunnerResult) -> dict[str, str]:
    """The SQL of each node, after `dbt compile`."""
    return {r.node.name: r.node.compiled_code for r in node_results(result)}


def outcomes(result: dbtRunnerResult, *statuses: str) -> dict[str, str]:
    """The nodes that ended in one of the statuses, with dbt's message."""
    return {r.node.name: str(r.message) for r in node_results(result) if r.status in statuses}


def went_wrong(result: dbtRunnerResult) -> dict[str, str]:
    return outcomes(result, "error", "fail", "skipped", "runtime error")


def google(
    campaign: int | None,
    *,
    micros: int = 10_000_000,
    clicks: int = 10,
    currency: str = "USD",
    impressions: int = 1000,
    conversions: float = 2.5,
) -> Row:
    row = {
        "customer_currency_code": currency,
        "metrics_impressions": impressions,
        "metrics_clicks": clicks,
        "metrics_cost_micros": micros,
        "metrics_conversions": conversions,
        "metrics_conversions_value": 40.0 * conversions / 2.5,
        "metrics_conversions_by_conversion_date": 1.5 * conversions / 2.5,
        "metrics_conversions_value_by_conversion_date": 24.0 * conversions / 2.5,
    }
    return row if campaign is None else {**row, "campaign_id": campaign, "campaign_name": f"G{campaign}"}


def meta(campaign: str | None, *, spend: str = "7.50", currency: str = "EUR", impressions: str = "500") -> Row:
    row = {
        "account_currency": currency,
        "impressions": impressions,
        "clicks": "5",
        "inline_link_clicks": "4",
        "spend": spend,
        "actions": '[{"action_type":"purchase","value":"1"},{"action_type":"omni_purchase","value":"2"}]',
        "action_values": '[{"action_type":"omni_purchase","value":"25.5"},{"action_type":"lead","value":"9"}]',
    }
    return row if campaign is None else {**row, "campaign_id": campaign, "campaign_name": f"M{campaign}"}


def account(source: str, account_id: str, currency: str, rate: float | None, client: str = "acme") -> Row:
    return {
        "source": source,
        "account_id": account_id,
        "currency": currency,
        "client_id": client,
        "client_name": client.title(),
        "reporting_currency": "EUR",
        "exchange_rate": rate,
        "extract_run_id": "r0",
        "ingested_at": "2026-01-01 00:00:00",
    }


def table(warehouse: Warehouse, model: str, where: str = "true") -> list[Row]:
    return warehouse.query(f"select * from {model} where {where} order by all")


def tables(warehouse: Warehouse, where: str = "true", *, as_of_schema: str | None = None) -> dict[str, list[Row]]:
    """The rows of every model, by its name; with `as_of_schema`, of the build as of an instant."""
    suffix = f"_{as_of_schema}" if as_of_schema else ""
    return {model: table(warehouse, model.replace(".", f"{suffix}."), where) for model in MODELS}
