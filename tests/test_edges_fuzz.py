"""Any input from people and other programs (cursors, instants, days) gives a result or an error with a remedy."""

from __future__ import annotations

import itertools
import json
from datetime import date, datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any
from zoneinfo import available_timezones

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mdp_dagster.cli import as_of, backfill
from mdp_dagster.cli.as_of import AsOfError, parse_instant
from mdp_dagster.cli.backfill import BackfillError
from mdp_dagster.ingest.lateness import LateDay, Reason
from mdp_dagster.orchestration.late_data.backoff import PastRequest
from mdp_dagster.orchestration.late_data.memory import Memory
from mdp_dagster.orchestration.late_data.payload import LateDays
from mdp_dagster.orchestration.late_data.plan import ProbeEvent, plan
from mdp_dagster.orchestration.late_data.reload_times import ReloadTimes
from mdp_dagster.orchestration.partitions import today
from mdp_dagster.reload_cadence import DEFAULT, parse_cadence
from mdp_dagster.settings import Settings
from mdp_dagster.transform.as_of_build import AsOf
from mdp_dagster.window import DateWindow
from tests.support import json_text
from tests.support.effort import fuzzed

NOW = datetime(2026, 11, 20, 9, 30, tzinfo=timezone.utc)
SETTINGS = Settings.model_construct()
REASONS = list(Reason)

day_texts = (
    st.dates().map(str)
    | st.sampled_from(["0001-01-01", "9999-12-31", "2024-02-29", "2023-02-29", "20240101", "2024-W01-1", "٢٠٢٤-٠١-٠١"])
    | st.text(max_size=12)
)

# --- the sensor's cursor

moments = st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(timezone.utc))
some_days = st.dates(date(2000, 1, 1), date(2100, 1, 1))
some_windows = st.builds(
    lambda day, length: DateWindow(day, day + timedelta(days=length)), some_days, st.integers(1, 90)
)
asked = st.builds(PastRequest, st.lists(some_windows, min_size=1, max_size=3).map(tuple), st.text("0a", max_size=12),
                  st.integers(1, 40), moments)  # fmt: skip
memories = st.builds(
    Memory,
    event_id=st.integers(0, 2**63),
    waiting=st.dictionaries(st.text(max_size=6), st.lists(some_windows, min_size=1, max_size=3).map(tuple), max_size=3),
    past=st.dictionaries(st.text(max_size=6), st.lists(asked, min_size=1, max_size=2), max_size=3),
)
_ranges = st.builds('"{}/{}"'.format, st.dates(), st.dates()) | st.sampled_from(
    ['"9999-12-31/9999-12-31"', '"/"', '""']
)
_times = st.sampled_from(["1", "0", "-5", "1e400", "NaN", "9" * 5_000, '"3"', "1" + "0" * 30]) | json_text.values()
_moments = st.sampled_from(
    ['"2026-11-20T09:00:00+00:00"', '"2026-11-20"', '"9999-12-31T23:59:59+00:00"', '"0001-01-01T00:00:00+23:00"']
)
_entries = st.builds(
    "[{},{},{},{}]".format, _ranges | json_text.values(), json_text.values(), _times, _moments | json_text.values()
)
cursors = (
    json_text.with_keys(
        {
            "event": json_text.numbers | json_text.values(),
            "waiting": json_text.lists(_ranges | json_text.strings | st.sampled_from(['"9999-12-31"', '"2026-11-01"']))
            | json_text.objects(["a"], _ranges | json_text.values()),
            "asked": json_text.objects(["a"], json_text.lists(_entries)) | json_text.values(),
        }
    )
    | json_text.values(["event", "waiting", "asked"])
    | st.text(max_size=20)
)


TIMES = ReloadTimes(parse_cadence(DEFAULT))


def tick(memory: Memory, event_id: int = 7) -> Memory:
    """Runs a sensor's tick with late days of the account `a`, and returns the memory afterwards."""
    changed = [None, NOW - timedelta(hours=1), NOW - timedelta(days=2)]
    late = LateDays(
        tuple(
            LateDay("a", date(2026, 11, n + 1), reason, {"spend": 1.0}, "aa", changed_at)
            for n, (reason, changed_at) in enumerate(itertools.product(REASONS, changed))
        ),
        {},
    )
    planned = plan(ProbeEvent(event_id, NOW - timedelta(minutes=1), late), [], memory, TIMES, NOW)
    assert all(isinstance(text, str) for text in planned.explanations)
    return planned.memory


@fuzzed(150)
@given(cursors)
@example('{"asked": {"a": [["9999-12-31/9999-12-31", "", 1, "2026-11-20T09:00:00+00:00"]]}}')
@example('{"asked": {"a": [["2026-11-01/2026-11-30", "", 1, "2026-11-20T09:00:00"]]}}')
@example('{"asked": {"a": [["2026-11-01/2026-11-30", "", 5, "9999-12-31T23:59:59+00:00"]]}}')
@example('{"asked": {"a": [["2026-11-01/2026-11-30", "", -9999, "0001-01-01T00:00:00+00:00"]]}}')
@example('{"event": 1e400}')
def test_no_cursor_makes_a_tick_fail(cursor: str) -> None:
    memory = Memory.load(cursor)
    assert Memory.load(memory.dump()).dump() == memory.dump()
    assert Memory.load(tick(memory).dump()) == tick(memory)
    tick(memory, memory.event_id)


@fuzzed(150)
@given(memories)
def test_a_memory_is_read_back_unchanged(memory: Memory) -> None:
    assert Memory.load(memory.dump()) == memory
    tick(memory)


@pytest.mark.parametrize("cursor", [None, "", "null", "5", "[]", '"x"', "{", "[" * 100_000, '{"waiting": 5}'])
def test_an_invalid_cursor_is_an_empty_memory(cursor: str | None) -> None:
    assert Memory.load(cursor) == Memory()


# --- instants and days from the command line

zones = st.sampled_from(sorted(available_timezones()))
strange_zones = st.sampled_from(
    ["Europe", "..", "../x", "x/../..", "a.b/c", "__init__.py", "tzdata.zi", "zone.tab", "a" * 300, "/etc/passwd",
     "\x00", "a\x00", "\ud800", "Z", "x" * 5_000, "Europe/", "/", "+VERSION"]
) | st.text(max_size=8)  # fmt: skip
instants = (
    st.builds("{} {}".format, st.datetimes(), zones | strange_zones)
    | st.datetimes().map(str)
    | st.datetimes(timezones=st.timezones()).map(lambda moment: moment.isoformat())
    | st.builds(
        "{}{}".format, day_texts, st.sampled_from(["", "Z", " 24:00", " 06:00+99:99", "T06", " 06:00 Z", " Europe"])
    )
    | st.text(max_size=20)
)


@fuzzed(150)
@given(text=instants, zone=zones)
@example("0001-01-01 00:00 Pacific/Auckland", "UTC")
@example("0001-01-01T00:00:00+23:59", "UTC")
@example("9999-12-31 23:59", "Pacific/Pago_Pago")
@example("0001-01-01", "Asia/Tokyo")
@example("\x85 x", "UTC")
def test_any_text_is_a_past_instant_or_refused(text: str, zone: str) -> None:
    try:
        instant = parse_instant(text, zone)
    except AsOfError as error:
        assert "→" in str(error)
        return
    assert instant <= datetime.now(timezone.utc)
    named = AsOf(instant)
    assert named.suffix.isidentifier() and named.suffix.isascii()
    assert datetime.fromisoformat(named.moment).tzinfo is None
    assert all(name.startswith("mdp_") for name in named.datasets)


@fuzzed(100)
@given(st.lists(day_texts, max_size=3))
@example(["9999-12-31", "9999-12-31"])
def test_any_days_for_as_of_are_a_window_or_refused(given_days: list[str]) -> None:
    try:
        window = as_of._window(given_days)
    except AsOfError as error:
        assert "→" in str(error)
    else:
        assert [date.fromisoformat(day) for day in given_days] == [window.start, window.last]


@fuzzed(100)
@given(day_texts, day_texts)
@example("9999-12-31", "9999-12-31")
@example("2024-01-01", "9999-12-31")
def test_any_days_for_a_backfill_are_a_window_or_refused(first: str, last: str) -> None:
    try:
        window = backfill._window(first, last, SETTINGS)
    except BackfillError as error:
        assert "→" in str(error)
    else:
        assert (window.start, window.last) == (date.fromisoformat(first), date.fromisoformat(last))
        assert SETTINGS.start_date <= window.start and window.last <= today(SETTINGS)


@fuzzed(100)
@given(text=instants, given_days=st.lists(day_texts, max_size=3))
def test_the_command_as_of_refuses_invalid_input_before_it_does_anything(text: str, given_days: list[str]) -> None:
    options: Any = SimpleNamespace(instant=text, days=given_days, drop=False, demo=None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(as_of, "choose_workspace", lambda demo: SimpleNamespace(settings=lambda: SETTINGS_WITHOUT_DATA))
        with pytest.raises(AsOfError, match="→"):
            as_of._run(options)


SETTINGS_WITHOUT_DATA = Settings.model_construct(duckdb_path=backfill.Path("/nowhere/at/all.duckdb"))


@fuzzed(100)
@given(st.text(max_size=30) | json_text.values())
def test_a_cursor_of_another_version_can_be_read(text: str) -> None:
    assert isinstance(Memory.load(json.dumps({"event": 1, "more": text})), Memory)
