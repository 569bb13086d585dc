"""The ledger's rule is written twice, in dbt's `current_extracts` and in Python's `current_days`. The two must agree.

The versions of a day are in dbt only, and are compared with a plain form of the rule in this file.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import duckdb
from hypothesis import given, settings
from hypothesis import strategies as st

from mdp_dagster.connectors.base import DayReport
from mdp_dagster.defs.ads.platforms import REPORTS
from mdp_dagster.ingest.ledger import current_days
from mdp_dagster.warehouse.duckdb import DuckDBWarehouse
from mdp_dagster.window import DateWindow

from .support import Dbt, Row, Warehouse, node_results

WINDOW = DateWindow(date(2026, 1, 2), date(2026, 1, 4))
DAYS = [WINDOW.start - timedelta(days=1), *WINDOW.days(), WINDOW.end]  # one more day at each end
ACCOUNTS = ["1", "2"]
NOON = datetime(2026, 1, 5, 12)
RUNS = ["a", "b", "c", "Z", "10", "9"]

extracts: st.SearchStrategy[Row] = st.fixed_dictionaries(
    {
        "report": st.sampled_from(REPORTS),
        "account_id": st.sampled_from(ACCOUNTS),
        "date": st.sampled_from(DAYS),
        "extract_run_id": st.sampled_from(RUNS),
        # few instants for many runs, so that there are ties, and one that differs by a microsecond
        "extracted_at": st.sampled_from([NOON, NOON, NOON + timedelta(microseconds=1), NOON - timedelta(days=1)]),
        "row_count": st.integers(0, 3),
        "unchanged_since": st.sampled_from([None, *RUNS]),
        "content_digest": st.sampled_from(["x", "y", None]),
    }
)
# An extract is in the ledger once for each report, account and day.
ledgers = st.lists(
    extracts,
    max_size=60,
    unique_by=lambda e: (e["report"].table, e["account_id"], e["date"], e["extract_run_id"]),
)
Current = dict[tuple[str, date], str]


def store(warehouse: Warehouse, ledger: list[Row]) -> None:
    """Replace the ledger."""
    columns = (
        "source, report, account_id, date, extract_run_id, extracted_at, row_count, status, effective_run_id, "
        "content_digest, contract_version"
    )
    rows = [
        (
            *(e["report"].source, e["report"].name),
            *(e["account_id"], e["date"], e["extract_run_id"], e["extracted_at"], e["row_count"]),
            "unchanged" if e["unchanged_since"] else "loaded",
            effective_run(e),
            *(e["content_digest"], 1),
        )
        for e in ledger
    ]
    with duckdb.connect(str(warehouse.path)) as connection:
        connection.execute("delete from mdp_raw.raw__extracts")
        if rows:
            marks = ", ".join("?" * len(rows[0]))
            connection.executemany(f"insert into mdp_raw.raw__extracts ({columns}) values ({marks})", rows)


def effective_run(extract: Row) -> str:
    return str(extract["unchanged_since"] or extract["extract_run_id"])


def by_the_rule(ledger: list[Row], report: DayReport) -> Current:
    """The rule in its plainest form: later extracts overwrite earlier ones."""
    of_report = [e for e in ledger if e["report"] is report and e["date"] in WINDOW]
    in_order = sorted(of_report, key=lambda e: (e["extracted_at"], e["extract_run_id"]))
    return {(e["account_id"], e["date"]): effective_run(e) for e in in_order}


def versions_by_the_rule(ledger: list[Row], report: DayReport) -> list[tuple[str, date, int, str]]:
    """An extract begins a version unless its effective run or its digest equals that of the extract before."""
    versions = []
    of_report = [e for e in ledger if e["report"] is report and e["date"] in WINDOW]
    for account in ACCOUNTS:
        for day in WINDOW.days():
            of_day = [e for e in of_report if e["account_id"] == account and e["date"] == day]
            of_day.sort(key=lambda e: (e["extracted_at"], e["extract_run_id"]))
            starts = [
                extract
                for before, extract in zip([None, *of_day], of_day, strict=False)
                if before is None
                or (
                    effective_run(before) != effective_run(extract)
                    and (extract["content_digest"] is None or before["content_digest"] != extract["content_digest"])
                )
            ]
            versions += [(account, day, n, effective_run(extract)) for n, extract in enumerate(starts, 1)]
    return versions


def compiled_macro(dbt: Dbt, macro: str, report: DayReport, **variables: str) -> str:
    call = f"{{{{ {macro}('{report.source}', '{report.name}') }}}}"
    window = (WINDOW.start.isoformat(), WINDOW.end.isoformat())
    (result,) = node_results(dbt("compile", "--inline", call, window=window, **variables))
    return str(result.node.compiled_code)


def by_dbt(warehouse: Warehouse, macro: str) -> Current:
    rows: list[dict[str, Any]] = warehouse.query(f"select account_id, date, effective_run_id from ({macro})")
    found = {(row["account_id"], row["date"]): row["effective_run_id"] for row in rows}
    assert len(found) == len(rows), "a day has two rows"
    return found


def by_ingest(warehouse: DuckDBWarehouse, report: DayReport) -> Current:
    current = current_days(warehouse, report, WINDOW)
    found = {(account, day): current.get(account, day) for account in ACCOUNTS for day in DAYS}
    return {key: day.effective_run_id for key, day in found.items() if day}


def test_dbt_and_ingest_read_the_ledger_alike(dbt: Dbt, warehouse: Warehouse) -> None:
    macros = {report: compiled_macro(dbt, "current_extracts", report) for report in REPORTS}
    ingests_warehouse = DuckDBWarehouse(warehouse.path)

    @settings(max_examples=40, deadline=None)
    @given(ledgers)
    def check(ledger: list[Row]) -> None:
        store(warehouse, ledger)
        for report, macro in macros.items():
            expected = by_the_rule(ledger, report)
            assert by_dbt(warehouse, macro) == expected
            assert by_ingest(ingests_warehouse, report) == expected

    check()


def test_the_versions_of_a_day_follow_the_rule(dbt: Dbt, warehouse: Warehouse) -> None:
    """This holds also as of an instant, for the extracts until then."""
    report = REPORTS[0]
    macro = compiled_macro(dbt, "day_versions", report)
    macro_as_of = compiled_macro(dbt, "day_versions", report, as_of=NOON.strftime("%Y-%m-%d %H:%M:%S"))

    def versions(sql: str) -> list[tuple[Any, ...]]:
        columns = "account_id, date, version, effective_run_id"
        return [tuple(row.values()) for row in warehouse.query(f"select {columns} from ({sql}) order by all")]

    @settings(max_examples=60, deadline=None)
    @given(ledgers)
    def check(ledger: list[Row]) -> None:
        store(warehouse, ledger)
        assert versions(macro) == versions_by_the_rule(ledger, report)
        known = [e for e in ledger if e["extracted_at"] <= NOON]
        assert versions(macro_as_of) == versions_by_the_rule(known, report)

    check()
