"""Invariants of ingest, over random histories."""

from __future__ import annotations

import math
import tempfile
from datetime import date, timedelta
from pathlib import Path
from uuid import uuid4

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mdp_dagster.ingest import ingestion as run_module
from mdp_dagster.ingest.digest import day_contents
from mdp_dagster.ingest.ingestion import IngestRun, ingest
from mdp_dagster.ingest.row_validation import validate
from mdp_dagster.window import DateWindow

from .conftest import make_stores
from .current import CONTENT, current_rows
from .scripted import REPORT, Rows, ScriptedConnector, row

FIRST = date.today() - timedelta(days=10)
DAYS = [FIRST + timedelta(days=n) for n in range(4)]
WINDOW = DateWindow(DAYS[0], DAYS[-1] + timedelta(days=1))

day_rows = st.dictionaries(st.sampled_from(["c1", "c2"]), st.sampled_from(["1.00", "2.00"]), max_size=2)
platform = st.fixed_dictionaries(dict.fromkeys(DAYS, day_rows))
windows = st.tuples(st.sampled_from(DAYS), st.sampled_from(DAYS)).map(
    lambda ends: DateWindow(min(ends), max(ends) + timedelta(days=1))
)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("restate"), platform),
        st.tuples(st.just("pull"), windows),
        st.tuples(st.just("die before commit"), windows),
        st.tuples(st.just("overlap"), st.tuples(windows, windows, platform)),
    ),
    min_size=1,
    max_size=8,
)


def rows_of(world: dict[date, dict[str, str]]) -> Rows:
    return [
        row(day, campaign, spend=spend) for day, campaigns in world.items() for campaign, spend in campaigns.items()
    ]


class OverlappingConnector(ScriptedConnector):
    """While it answers, something else happens: the rows are those from before."""

    meanwhile = staticmethod(lambda: None)

    def extract(self, report, account, window):  # type: ignore[no-untyped-def]
        batches = list(super().extract(report, account, window))
        happening, self.meanwhile = self.meanwhile, lambda: None  # type: ignore[method-assign]
        happening()
        yield from batches


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(steps)
def test_raw_ends_with_the_platforms_last_word(history: list[tuple[str, object]]) -> None:
    """However pulls are restated, killed and overlapped: a day shows what the pull said that began last."""
    with tempfile.TemporaryDirectory() as folder, duckdb.connect(f"{folder}/warehouse.duckdb"):  # opened once
        stores = make_stores(Path(folder), ["1"])
        connector = OverlappingConnector()
        known: dict[date, dict[str, str]] = {}
        world: dict[date, dict[str, str]] = {day: {} for day in DAYS}

        def pull(window: DateWindow) -> None:
            ingest(connector, REPORT, window, stores, IngestRun(str(uuid4())))

        def saw(window: DateWindow) -> None:
            known.update({day: dict(world[day]) for day in window.days()})

        for step, argument in history:
            connector.rows = {"1": rows_of(world)}
            if step == "restate":
                world = argument  # type: ignore[assignment]
            elif step == "pull":
                pull(argument)  # type: ignore[arg-type]
                saw(argument)  # type: ignore[arg-type]
            elif step == "die before commit":
                with pytest.MonkeyPatch.context() as patched, pytest.raises(KeyboardInterrupt):
                    patched.setattr(run_module, "_commit", _die)
                    pull(argument)  # type: ignore[arg-type]
            else:
                slow, quick, changed = argument  # type: ignore[misc]
                saw(slow)
                world = changed

                def meanwhile(quick: DateWindow = quick, world: dict[date, dict[str, str]] = world) -> None:
                    connector.rows = {"1": rows_of(world)}
                    pull(quick)

                connector.meanwhile = meanwhile  # type: ignore[method-assign]
                pull(slow)
                saw(quick)
        expected = {
            ("1", day): sorted([tuple(r.get(name) for name in CONTENT) for r in rows_of({day: campaigns})], key=str)
            for day, campaigns in known.items()
            if campaigns
        }
        if known:
            assert current_rows(stores.warehouse) == expected


def _die(*_: object) -> None:
    raise KeyboardInterrupt


text = st.text(max_size=8) | st.sampled_from(["", "\x1f", "\x1e", "\x00", "1\x1f2"])
any_row = st.fixed_dictionaries(
    {
        "day": st.none() | st.sampled_from([d.isoformat() for d in DAYS]) | text,
        "campaign_id": st.none() | text,
        "clicks": st.none() | st.integers().map(str) | text,
        "spend": st.none() | st.decimals(allow_nan=False, allow_infinity=False, places=2).map(str) | text,
        "value": st.none() | st.floats(),
        "actions": st.none() | st.just("[]") | text,
    }
)


@settings(max_examples=200, deadline=None)
@given(st.lists(any_row, max_size=20))
def test_every_row_is_taken_or_rejected_and_only_good_ones_are_taken(rows: Rows) -> None:
    table = pa.Table.from_pylist(rows, REPORT.schema)
    good, rejects = validate(REPORT, table, WINDOW)
    assert good.num_rows + len(rejects) == len(rows)
    for taken in good.to_pylist():
        assert taken["date"] in WINDOW and taken["date"].isoformat() == taken["day"]
        assert taken["campaign_id"]
        assert taken["value"] is None or math.isfinite(taken["value"])
        for number in (taken["clicks"], taken["spend"]):
            assert number is None or math.isfinite(float(number))
    assert all(reject.reason for reject in rejects)


clean_row = st.fixed_dictionaries(
    {
        "day": st.just(DAYS[0].isoformat()),
        "campaign_id": text,
        "clicks": st.none() | text,
        "value": st.none() | st.floats(allow_nan=False),
    }
)


def digest(rows: Rows) -> str:
    table = pa.Table.from_pylist(rows, REPORT.schema)
    days = pa.array([DAYS[0]] * len(rows), pa.date32())
    found = day_contents(table.add_column(0, "date", days))
    return found[DAYS[0]].digest if rows else ""


@settings(max_examples=200, deadline=None)
@given(st.lists(clean_row, max_size=6), st.lists(clean_row, max_size=6), st.randoms())
def test_digests_are_equal_exactly_for_equal_rows_in_any_order(one: Rows, other: Rows, random: object) -> None:
    shuffled = list(one)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert digest(shuffled) == digest(one)
    same = sorted(map(_as_text, one)) == sorted(map(_as_text, other))
    assert (digest(one) == digest(other)) == same


def _as_text(values: dict[str, object]) -> str:
    return repr(sorted(values.items()))
