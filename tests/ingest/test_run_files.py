"""A run and report lands one file with the answers of all accounts, and files in the earlier form are still read."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from mdp_dagster.connectors.errors import AccountError, PlatformError
from mdp_dagster.ingest import ingestion as run_module
from mdp_dagster.ingest.ingestion import IngestRun, ingest
from mdp_dagster.ingest.landing import dump, landed, landed_paths, rejected_rows
from mdp_dagster.ingest.rebuild import rebuild_raw
from mdp_dagster.ingest.result import IngestError
from mdp_dagster.ingest.stores import Stores
from mdp_dagster.lake import Lake, LakeError
from mdp_dagster.window import DateWindow

from .conftest import make_stores
from .current import counts, current_rows
from .scripted import REPORT, ScriptedConnector, row

FIRST = date(2026, 10, 1)
WINDOW = DateWindow(FIRST, FIRST + timedelta(days=4))
D1, D2, D3, D4 = WINDOW.days()
TABLES = (REPORT.table, "raw__extracts", "raw__rejects")


@pytest.fixture
def stores(tmp_path: Path) -> Stores:
    return make_stores(tmp_path, [str(number) for number in range(12)])


def raw(stores: Stores, *leave_out: str) -> dict[str, list[str]]:
    return {
        table: sorted(map(str, stores.warehouse.query(f"from mdp_raw.{table}").drop_columns(leave_out).to_pylist()))
        if table == "raw__extracts"
        else sorted(map(str, stores.warehouse.query(f"from mdp_raw.{table}").to_pylist()))
        for table in TABLES
    }


def files(stores: Stores) -> list[str]:
    return list(stores.lake.files())


def all_days(connector: ScriptedConnector, **values: object) -> None:
    connector.rows = {str(n): [row(day, f"c{c}", **values) for day in WINDOW.days() for c in "12"] for n in range(12)}


def test_a_run_lands_one_file_with_all_accounts(connector: ScriptedConnector, stores: Stores) -> None:
    all_days(connector)
    result = ingest(connector, REPORT, WINDOW, stores, IngestRun("a"))
    [path] = files(stores)
    assert path.startswith(f"scripted/campaign_daily/{result.extract_run_id}/2026-10-01_2026-10-04_")
    file = landed(stores.lake, path)
    assert sorted(extract.account_id for extract in file.extracts) == sorted(connector.rows)
    rows = stores.lake.read(file.address)
    assert rows.num_rows == 12 * 4 * 2 and set(rows.column("account_id").to_pylist()) == set(connector.rows)
    uris = stores.warehouse.query("select distinct landing_uri from mdp_raw.raw__extracts").to_pylist()
    assert uris == [{"landing_uri": file.address}]

    ingest(connector, REPORT, WINDOW, stores, IngestRun("b"))  # nothing changed
    assert len(files(stores)) == 2
    assert counts(stores.warehouse)["raw__extracts"] == 2 * 12 * 4


def test_a_long_window_lands_one_file_for_each_chunk(connector: ScriptedConnector, stores: Stores) -> None:
    long = DateWindow(FIRST, FIRST + timedelta(days=25))
    connector.rows = {str(n): [row(day) for day in long.days()] for n in range(12)}
    ingest(connector, REPORT, long, stores, IngestRun("a"))
    assert len(files(stores)) == 3 and REPORT.max_days_per_extract == 10


def test_an_account_that_fails_does_not_affect_the_file_of_the_others(
    connector: ScriptedConnector, stores: Stores
) -> None:
    all_days(connector)
    connector.errors = {"3": AccountError("no access", "ask for access"), "7": AccountError("gone", "remove it")}
    ingest(connector, REPORT, WINDOW, stores, IngestRun("a"))
    [path] = files(stores)
    assert len(landed(stores.lake, path).extracts) == 10
    assert {account for account, _ in current_rows(stores.warehouse)} == set(connector.rows) - {"3", "7"}


def test_a_platform_that_fails_leaves_no_file(connector: ScriptedConnector, stores: Stores) -> None:
    all_days(connector)
    connector.errors = {"11": PlatformError("the token is revoked", "make a new one")}
    with pytest.raises(PlatformError):
        ingest(connector, REPORT, WINDOW, stores, IngestRun("a"))
    assert not [path for path in Path(stores.lake.uri).rglob("*") if path.is_file()]


def test_a_refused_account_has_its_rows_in_another_file(connector: ScriptedConnector, stores: Stores) -> None:
    all_days(connector)
    connector.rows["4"] = [row(D1), row(D2, None), row(D3, None)]  # 2 of 3 rows are rejected
    connector.rows["5"].append(row(D2, None))
    result = ingest(connector, REPORT, WINDOW, stores, IngestRun("a"))
    assert [account.account_id for account in result.failed] == ["4"]
    [accepted] = [path for path in landed_paths(stores.lake) if not path.startswith("refused/")]
    [refused] = [path for path in landed_paths(stores.lake) if path.startswith("refused/")]
    assert {extract.account_id: len(extract.rejects) for extract in landed(stores.lake, refused).extracts} == {"4": 2}
    assert "4" not in {extract.account_id for extract in landed(stores.lake, accepted).extracts}
    before = raw(stores)
    rebuilt = rebuild_raw(stores.lake, stores.warehouse, [REPORT])
    assert (rebuilt.extracts, rebuilt.refused) == (11, 1)
    assert raw(stores) == before and counts(stores.warehouse)["raw__rejects"] == 3


def test_with_too_many_rejects_everything_is_in_the_folder_of_refused_files(
    connector: ScriptedConnector, stores: Stores
) -> None:
    all_days(connector)
    connector.rows["4"] = [row(D1), *(row(D2, None) for _ in range(9))]
    with pytest.raises(IngestError, match="9 of 98 rows rejected"):
        ingest(connector, REPORT, WINDOW, stores, IngestRun("a"))
    assert all(path.startswith("refused/") for path in files(stores))
    assert sum(len(landed(stores.lake, path).extracts) for path in landed_paths(stores.lake)) == 12
    rebuilt = rebuild_raw(stores.lake, stores.warehouse, [REPORT])
    assert (rebuilt.extracts, rebuilt.refused) == (0, 12)
    assert counts(stores.warehouse) == {REPORT.table: 0, "raw__extracts": 0, "raw__rejects": 9, "raw__accounts": 0}


@pytest.mark.parametrize("killed", ["before the file", "between file and commit", "after the commit"])
def test_a_run_that_is_killed_loses_and_doubles_nothing(
    connector: ScriptedConnector, stores: Stores, monkeypatch: pytest.MonkeyPatch, killed: str
) -> None:
    all_days(connector)
    step = {"before the file": "extract_in_parallel", "between file and commit": "_commit"}.get(killed, "_commit")
    original = getattr(run_module, step)

    def dies(*arguments: Any) -> None:
        if killed == "after the commit":
            original(*arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(run_module, step, dies)
        ingest(connector, REPORT, WINDOW, stores, IngestRun("killed"))
    visible = set(current_rows(stores.warehouse))
    assert visible == (
        set() if killed != "after the commit" else {(a, d) for a in connector.rows for d in WINDOW.days()}
    )

    ingest(connector, REPORT, WINDOW, stores, IngestRun("again", continues=["killed"]))
    expected = current_rows(stores.warehouse)
    assert all(len(rows) == 2 for rows in expected.values()) and len(expected) == 12 * 4
    rebuild_raw(stores.lake, stores.warehouse, [REPORT])
    assert current_rows(stores.warehouse) == expected


def test_a_full_disk_in_the_middle_leaves_no_part_of_the_file(
    connector: ScriptedConnector, stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    all_days(connector, actions='["' + "x" * 20_000 + '"]')
    monkeypatch.setattr("mdp_dagster.lake.writer._ROW_GROUP_BYTES", 500_000)
    written = []

    def fills_up(*_: object, **__: object) -> None:
        written.append(1)
        if len(written) > 1:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr("pyarrow.parquet.ParquetWriter.write_table", fills_up)
    with pytest.raises(LakeError, match="No space left.*free space"):
        ingest(connector, REPORT, WINDOW, stores, IngestRun("a"))
    assert len(written) == 2
    assert not [path for path in Path(stores.lake.uri).rglob("*") if path.is_file()]
    assert counts(stores.warehouse)[REPORT.table] == 0


def test_rejects_of_two_windows_of_an_account_come_back_with_their_own_window(
    connector: ScriptedConnector, stores: Stores
) -> None:
    all_days(connector)
    long = DateWindow(FIRST, FIRST + timedelta(days=10))
    ingest(connector, REPORT, long, stores, IngestRun("first"))
    for day, times in ((D1, 1), (long.last, 2)):
        connector.rows["0"] += [row(day, f"new{n}") for n in range(50)] + [row(day, None) for _ in range(times)]
    needed = {account: {D1, long.last} for account in connector.rows}
    result = ingest(connector, REPORT, long, stores, IngestRun("second", days=needed))
    [path] = [path for path in landed_paths(stores.lake) if result.extract_run_id in path]
    by_window = [
        (str(extract.window.start), [str(reject.date) for reject in extract.rejects])
        for extract in landed(stores.lake, path).extracts
        if extract.account_id == "0" and extract.rejects
    ]
    rejected = sorted((day for _, days in by_window for day in days))
    assert rejected == [str(D1), str(long.last), str(long.last)]
    assert by_window == [(str(D1), [str(D1)]), (str(long.last), [str(long.last)] * 2)]
    before = raw(stores)
    rebuild_raw(stores.lake, stores.warehouse, [REPORT])
    assert raw(stores) == before


def in_the_earlier_form(stores: Stores, lake: Lake) -> None:
    """Writes the lake's files as earlier versions wrote them: one for each extract."""
    for path in landed_paths(stores.lake):
        file = landed(stores.lake, path)
        rows = stores.lake.read(file.address)
        for extract in file.extracts:
            window = f"{extract.window.start}_{extract.window.last}"
            old = f"{path.rsplit('/', 1)[0]}/{extract.account_id}_{window}"
            own = rows.filter(pc.field("account_id") == extract.account_id)
            if extract.rejects:
                lake.write(f"{old}.rejects.parquet", rejected_rows(extract), {"kind": "rejects"})
            lake.write(f"{old}.parquet", own, {"kind": "extract", **dump(extract)})


def test_files_in_the_earlier_form_are_rebuilt(connector: ScriptedConnector, stores: Stores, tmp_path: Path) -> None:
    all_days(connector)
    connector.rows["3"] += [row(D2, None)]
    ingest(connector, REPORT, WINDOW, stores, IngestRun("a"))
    connector.rows["5"] = [row(D1, "other")]
    ingest(connector, REPORT, WINDOW, stores, IngestRun("b"))
    before, shown = raw(stores, "landing_uri"), current_rows(stores.warehouse)

    earlier = Lake(str(tmp_path / "earlier"))
    in_the_earlier_form(stores, earlier)
    assert len(list(landed_paths(earlier))) == 24
    rebuilt = rebuild_raw(earlier, stores.warehouse, [REPORT])
    assert (rebuilt.extracts, rebuilt.forgotten_days) == (24, 0)
    assert raw(stores, "landing_uri") == before and current_rows(stores.warehouse) == shown

    with_old_files = Stores(stores.clients, stores.warehouse, earlier)
    connector.rows["6"] = [row(D3, "other")]
    ingest(connector, REPORT, WINDOW, with_old_files, IngestRun("c"))
    shown = current_rows(stores.warehouse)
    rebuild_raw(earlier, stores.warehouse, [REPORT])
    assert current_rows(stores.warehouse) == shown


def test_a_large_file_is_loaded_part_by_part_in_one_transaction(
    connector: ScriptedConnector, stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mdp_dagster.lake.writer._ROW_GROUP_BYTES", 100_000)
    monkeypatch.setattr("mdp_dagster.warehouse.duckdb._MAX_ROWS_PER_TRANSACTION", 1_000)
    connector.rows = {str(n): [row(day, f"c{c}") for day in WINDOW.days() for c in range(200)] for n in range(12)}
    parts: list[int] = []
    row_groups = Lake.row_groups

    def counted(lake: Lake, address: str) -> Any:
        for rows in row_groups(lake, address):
            parts.append(rows.num_rows)
            yield rows

    monkeypatch.setattr(Lake, "row_groups", counted)
    ingest(connector, REPORT, WINDOW, stores, IngestRun("a"))
    assert sum(parts) == 12 * 4 * 200 and max(parts) < 2_000
    assert counts(stores.warehouse)[REPORT.table] == 12 * 4 * 200


def test_the_order_of_the_accounts_does_not_matter(connector: ScriptedConnector, stores: Stores) -> None:
    connector.max_parallel_accounts = 8
    connector.rows = {str(n): [row(D1, f"c{n}", spend=f"{n}.25")] for n in range(12)}
    ingest(connector, REPORT, WINDOW, stores, IngestRun("a"))
    [path] = files(stores)
    rows = stores.lake.read(stores.lake.address(path))
    assert pa.types.is_string(rows.schema.field("spend").type)
    found = dict(zip(rows.column("account_id").to_pylist(), rows.column("spend").to_pylist(), strict=True))
    assert found == {str(n): f"{n}.25" for n in range(12)}
