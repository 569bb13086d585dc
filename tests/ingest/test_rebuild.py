"""Raw from the lake alone, after damage to the lake and during active runs."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from mdp_dagster.connectors.base import Column, ColumnType
from mdp_dagster.ingest import ingestion as run_module
from mdp_dagster.ingest.ingestion import IngestRun, ingest
from mdp_dagster.ingest.rebuild import rebuild_raw
from mdp_dagster.ingest.stores import Stores
from mdp_dagster.lake import Lake, LakeError
from mdp_dagster.window import DateWindow

from .current import counts, current_rows
from .scripted import REPORT, ScriptedConnector, row

LAST = date.today() - timedelta(days=3)
WINDOW = DateWindow(LAST - timedelta(days=1), LAST + timedelta(days=1))
D1, D2 = WINDOW.days()


def test_a_file_that_is_lost_is_forgotten_and_its_days_are_pulled_again(
    connector: ScriptedConnector, stores: Stores
) -> None:
    connector.rows = {"1": [row(D1), row(D2)]}
    first = ingest(connector, REPORT, WINDOW, stores, IngestRun("a"))
    ingest(connector, REPORT, WINDOW, stores, IngestRun("b"))  # all unchanged: points to the first
    lake = Path(stores.lake.uri)
    [lost] = lake.glob(f"{REPORT.source}/{REPORT.name}/{first.extract_run_id}/*.parquet")
    lost.unlink()

    rebuilt = rebuild_raw(stores.lake, stores.warehouse, [REPORT])
    assert rebuilt.forgotten_days == 4  # two of each account: the run's file has both
    assert current_rows(stores.warehouse) == {}
    again = ingest(connector, REPORT, WINDOW, stores, IngestRun("c"))
    assert again.accounts["1"].days_loaded == 2
    assert set(current_rows(stores.warehouse)) == {("1", D1), ("1", D2)}


def test_a_rebuild_in_the_middle_of_a_run_doubles_nothing(
    connector: ScriptedConnector, stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    connector.rows = {"1": [row(D1)], "2": [row(D2), row(D2, None)] + [row(D2, f"c{n}") for n in range(30)]}
    commit = run_module._commit

    def rebuild_first(*arguments: object) -> None:
        rebuild_raw(stores.lake, stores.warehouse, [REPORT])
        commit(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(run_module, "_commit", rebuild_first)
    ingest(connector, REPORT, WINDOW, stores, IngestRun("a"))
    assert len(current_rows(stores.warehouse)["1", D1]) == 1
    found = counts(stores.warehouse)
    assert (found[REPORT.table], found["raw__extracts"], found["raw__rejects"]) == (32, 4, 1)


@pytest.mark.parametrize("lake", ["another", "missing"])
def test_a_lake_without_extracts_leaves_raw_alone(
    connector: ScriptedConnector, stores: Stores, tmp_path: Path, lake: str
) -> None:
    connector.rows = {"1": [row(D1)]}
    ingest(connector, REPORT, WINDOW, stores, IngestRun("a"))
    if lake == "another":
        (tmp_path / lake).mkdir()
    with pytest.raises(LakeError, match=r"holds no extract → check MDP_LAKE_URI"):
        rebuild_raw(Lake(str(tmp_path / lake)), stores.warehouse, [REPORT])
    assert set(current_rows(stores.warehouse)) == {("1", D1)}


def test_extracts_from_before_a_column_was_added_have_it_empty(connector: ScriptedConnector, stores: Stores) -> None:
    connector.rows = {"1": [row(D1)]}
    ingest(connector, REPORT, WINDOW, stores, IngestRun("a"))
    wider = replace(REPORT, columns=(*REPORT.columns, Column("reach", ColumnType.INTEGER_TEXT, "Reach.")))
    rebuild_raw(stores.lake, stores.warehouse, [wider])
    rows = stores.warehouse.query(f"select campaign_id, reach from mdp_raw.{REPORT.table}").to_pylist()
    assert rows == [{"campaign_id": "c1", "reach": None}]


def test_extracts_of_a_report_that_is_gone_are_counted_and_left_out(
    connector: ScriptedConnector, stores: Stores
) -> None:
    connector.rows = {"1": [row(D1)]}
    ingest(connector, REPORT, WINDOW, stores, IngestRun("a"))
    rebuilt = rebuild_raw(stores.lake, stores.warehouse, [replace(REPORT, name="another")])
    assert (rebuilt.extracts, rebuilt.foreign) == (0, 2)


def test_any_number_of_rejects_comes_back(connector: ScriptedConnector, stores: Stores) -> None:
    connector.rows = {"1": [row(D1)], "2": [row(D2, None, actions="x" * 200) for _ in range(500)]}
    with pytest.raises(run_module.IngestError, match="500 of 501 rows rejected"):
        ingest(connector, REPORT, WINDOW, stores, IngestRun("a"))
    before = counts(stores.warehouse)["raw__rejects"]
    assert before == 500
    rebuild_raw(stores.lake, stores.warehouse, [REPORT])
    assert counts(stores.warehouse)["raw__rejects"] == before
