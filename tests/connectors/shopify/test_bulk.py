"""Bulk operations end in a complete file in the lake, or in an error that leaves no file."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdp_dagster.connectors.errors import AccountError, ConnectorError, PlatformError, QuotaError, TransientError
from mdp_dagster.connectors.shop_documents import OrderRow, RejectedRow, ShopWindow
from mdp_dagster.connectors.shopify.answer_file import _Counts
from mdp_dagster.connectors.shopify.errors import IncompleteFileError
from mdp_dagster.connectors.shopify.sync_windows import halves, windows_until
from tests.connectors.shopify.scripted_shop import (
    FAST,
    FILE_URL,
    ORDER,
    SECRET,
    TOKEN,
    MemoryLanding,
    ScriptedShop,
    as_bytes,
    order_line,
)
from tests.connectors.shopify.test_shop_access import error_of

UTC = timezone.utc
NIGHT = ShopWindow(datetime(2026, 11, 26, 1, 43, tzinfo=UTC), datetime(2026, 11, 27, 1, 58, tzinfo=UTC))
PATH = "aurora-skincare.myshopify.com_20261126T014300Z_20261127T015800Z.jsonl.gz"


@pytest.fixture
def shop() -> ScriptedShop:
    return ScriptedShop()


@pytest.fixture
def landing() -> MemoryLanding:
    return MemoryLanding()


def user_errors(shop: ScriptedShop, code: str | None, message: str) -> httpx.Response:
    error = {"code": code, "field": None, "message": message}
    return shop.data(bulkOperationRunQuery={"bulkOperation": None, "userErrors": [error]})


def test_a_window_lands_as_shopify_sent_it_and_is_read_from_there(shop: ScriptedShop, landing: MemoryLanding) -> None:
    sync = shop.sync()
    rows = list(sync.read("orders", NIGHT, landing))
    assert landing.content(PATH) == shop.content
    assert [type(row).__name__ for row in rows] == ["OrderRow", "ItemRow", "AgreementRow", "SaleRow"]
    [query] = shop.windows
    assert "updated_at:>='2026-11-26T01:43:00Z' AND updated_at:<'2026-11-27T01:58:00Z'" in query
    [landed] = sync.land("orders", NIGHT, MemoryLanding())
    assert (landed.path, landed.window, landed.lines, landed.documents) == (PATH, NIGHT, 4, 1)


def test_the_file_is_requested_without_the_token(shop: ScriptedShop, landing: MemoryLanding) -> None:
    shop.sync().land("orders", NIGHT, landing)
    [request] = shop.sent("file")
    assert request.url == FILE_URL
    assert not [name for name in request.headers if "shopify" in name.lower() or name.lower() == "authorization"]


def test_no_log_shows_the_signature_of_a_file_or_a_token(
    shop: ScriptedShop, landing: MemoryLanding, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("DEBUG"):
        shop.sync().land("orders", NIGHT, landing)
    assert "HTTP Request: GET https://files.example.com/bulk.jsonl" in caplog.text
    assert not [secret for secret in (SECRET, TOKEN, "5167ed51") if secret in caplog.text]


_JSON = st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.just([]) | st.just({}) | st.just([{}])


@given(st.data())
def test_an_answer_of_any_form_gives_all_rows_or_an_error_and_no_file(data: st.DataObject) -> None:
    shop, landing = ScriptedShop(), MemoryLanding()
    name = data.draw(st.sampled_from(["shopfacts", "runbulkoperation", "bulkoperationstate"]))
    normal = getattr(shop, f"_{name}")

    def changed(variables: dict[str, Any]) -> httpx.Response:
        reply = json.loads(normal(variables).content)
        place, keys = reply, list(reply)
        while True:
            key = data.draw(st.sampled_from(keys))
            inner = place[key]
            keys = (
                list(inner) if isinstance(inner, dict) else list(range(len(inner))) if isinstance(inner, list) else []
            )
            if not keys or data.draw(st.booleans()):
                place[key] = data.draw(_JSON)
                return httpx.Response(200, json=reply)
            place = inner

    setattr(shop, f"_{name}", changed)
    within = replace(
        FAST, retry=replace(FAST.retry, attempts=2), bulk=replace(FAST.bulk, run_seconds=0, slot_seconds=0)
    )
    try:
        rows = list(shop.sync(within).read("orders", NIGHT, landing))
    except ConnectorError:
        assert landing.files == {}
    else:
        assert len(rows) == 4 * len(landing.files)


def test_a_window_without_changes_is_an_empty_file(shop: ScriptedShop, landing: MemoryLanding) -> None:
    shop.content = b""
    shop.states = [{"url": None, "fileSize": None}]
    assert list(shop.sync().read("orders", NIGHT, landing)) == []
    assert landing.content(PATH) == b""
    assert shop.sent("file") == []


def test_an_operation_is_polled_by_its_id_until_it_ends(shop: ScriptedShop, landing: MemoryLanding) -> None:
    shop.states = [{"status": "CREATED"}, {"status": "RUNNING"}]
    assert shop.sync().land("orders", NIGHT, landing)
    assert len(shop.sent("BulkOperationState")) == 3
    assert shop.sent("CancelBulkOperation") == []


def test_an_operation_that_hangs_is_cancelled_and_the_window_is_halved(
    shop: ScriptedShop, landing: MemoryLanding
) -> None:
    ended = 0

    def state(variables: dict[str, Any]) -> httpx.Response:
        nonlocal ended
        first = variables["id"].endswith("/1")
        if first and not shop.sent("CancelBulkOperation"):
            shop.states = [{"status": "RUNNING"}]
        elif first:
            shop.states = [{"status": "CANCELING"} if ended < 2 else {"status": "CANCELED"}]
            ended += 1
        return ScriptedShop._bulkoperationstate(shop, variables)

    shop._bulkoperationstate = state  # type: ignore[method-assign]
    landed = shop.sync().land("orders", NIGHT, landing)
    assert ended == 3, "the next operation starts only when the cancelled one has ended"
    middle = datetime(2026, 11, 26, 13, 50, 30, tzinfo=UTC)
    assert [file.window for file in landed] == [(NIGHT.start, middle), (middle, NIGHT.end)]
    assert len(landing.files) == 2


@pytest.mark.parametrize(
    "state",
    [
        {"status": "FAILED", "errorCode": "INTERNAL_SERVER_ERROR"},
        {"status": "FAILED", "errorCode": "TIMEOUT"},
        {"status": "EXPIRED"},
        {"status": "CANCELED"},
    ],
    ids=str,
)
def test_a_failed_operation_is_tried_with_smaller_windows_and_then_stops(
    shop: ScriptedShop, landing: MemoryLanding, state: dict[str, Any]
) -> None:
    shop.states = [state]
    assert len(shop.sync().land("orders", NIGHT, landing)) == 2
    shop.windows, shop.states, landing.files = [], [state] * 20, {}
    message = error_of(lambda: shop.sync().land("orders", NIGHT, landing), TransientError)
    assert f"ended as {state['status']}" in message and "→ run the sync again" in message
    assert len(shop.windows) == 5 and landing.files == {}


def test_a_denied_operation_names_the_scopes(shop: ScriptedShop, landing: MemoryLanding) -> None:
    shop.states = [{"status": "FAILED", "errorCode": "ACCESS_DENIED"}]
    message = error_of(lambda: shop.sync().land("orders", NIGHT, landing), AccountError)
    assert "(ACCESS_DENIED) → grant the app the scopes read_orders" in message
    assert len(shop.windows) == 1


@pytest.mark.parametrize("code", ["OPERATION_IN_PROGRESS", "LIMIT_REACHED"])
def test_the_operation_of_another_app_is_waited_for_and_never_cancelled(
    shop: ScriptedShop, landing: MemoryLanding, code: str
) -> None:
    busy = "A bulk query operation for this app and shop is already in progress."
    shop.before["RunBulkOperation"] = [user_errors(shop, code, busy) for _ in range(3)]
    assert shop.sync().land("orders", NIGHT, landing)
    shop.before["RunBulkOperation"] = [user_errors(shop, code, busy) for _ in range(1000)]
    message = error_of(lambda: shop.sync().land("orders", NIGHT, landing), QuotaError)
    assert busy in message and "BulkOperation/5 since 2026-11-27T01:00:00Z → wait until" in message
    assert shop.sent("CancelBulkOperation") == []


def test_a_query_that_shopify_does_not_accept_has_its_words(shop: ScriptedShop, landing: MemoryLanding) -> None:
    words = "Invalid bulk query: connections inside a list are not supported"
    shop.before["RunBulkOperation"] = [user_errors(shop, "INVALID", words)]
    message = error_of(lambda: shop.sync().land("orders", NIGHT, landing), PlatformError)
    assert f"does not accept the bulk query: {words} → " in message


def test_an_interrupted_wait_cancels_the_operation(shop: ScriptedShop, landing: MemoryLanding) -> None:
    shop.before["BulkOperationState"] = [httpx.ReadTimeout("timed out")] * 5
    error_of(lambda: shop.sync().land("orders", NIGHT, landing), TransientError)
    assert len(shop.sent("CancelBulkOperation")) == 1


# ---- the file --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"objectCount": "5"}, "4 lines instead of 5"),
        ({"rootObjectCount": "2"}, "1 lines without a parent instead of 2"),
        ({"fileSize": "9000"}, "bytes instead of 9,000"),
        ({"url": None}, "0 lines instead of 4"),
    ],
)
def test_a_file_with_other_counts_than_shopifys_never_appears(
    shop: ScriptedShop, landing: MemoryLanding, change: dict[str, Any], words: str
) -> None:
    shop.states = [change]
    message = error_of(lambda: shop.sync().land("orders", NIGHT, landing), IncompleteFileError)
    assert words in message and "→ nothing of it was committed" in message
    assert landing.files == {} and landing.discarded == 3


@pytest.mark.parametrize(
    "reply",
    [
        httpx.Response(200, content=as_bytes(*ORDER)[:-40]),
        httpx.Response(200, content=as_bytes(*ORDER[:3])),
        httpx.Response(503),
        httpx.RemoteProtocolError("peer closed connection"),
    ],
    ids=str,
)
def test_a_broken_download_begins_again_and_keeps_nothing_of_the_first_one(
    shop: ScriptedShop, landing: MemoryLanding, reply: Any
) -> None:
    shop.before["file"] = [reply]
    shop.sync().land("orders", NIGHT, landing)
    assert landing.content(PATH) == shop.content
    assert landing.discarded == 1


def test_a_file_that_is_refused_shows_no_signature(shop: ScriptedShop, landing: MemoryLanding) -> None:
    shop.before["file"] = [httpx.Response(403, text="SignatureDoesNotMatch")]
    message = error_of(lambda: shop.sync().land("orders", NIGHT, landing), AccountError)
    assert "HTTP 403 for the file of the bulk operation → run the sync again" in message
    shop.before["file"] = [httpx.ReadError(f"failed at {FILE_URL}")] * 3
    error_of(lambda: shop.sync().land("orders", NIGHT, landing), TransientError)
    assert landing.files == {}


def test_a_full_disk_is_passed_on_and_leaves_no_file(shop: ScriptedShop, landing: MemoryLanding) -> None:
    class FullDisk(MemoryLanding):
        def new_file(self, path: str) -> Any:
            file = super().new_file(path)
            file.content.write = lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device"))
            return file

    full = FullDisk()
    with pytest.raises(OSError, match="No space left"):
        shop.sync().land("orders", NIGHT, full)
    assert (full.files, full.discarded) == ({}, 1)


@given(st.lists(st.binary(max_size=40), max_size=20), st.booleans())
def test_lines_are_counted_the_same_in_chunks_of_any_size(parts: list[bytes], ends: bool) -> None:
    content = b"".join(part.replace(b"\n", b'{"__parentId":"x"}\n') for part in parts) + (b"\n" if ends else b"")
    counts = _Counts()
    for part in [content[at : at + 3] for at in range(0, len(content), 3)]:
        counts.add(part)
    counts.end()
    lines = content.split(b"\n")[: -1 if content.endswith(b"\n") or not content else None]
    assert (counts.lines, counts.size) == (len(lines), len(content))


def test_a_title_that_looks_like_a_parent_is_not_one(shop: ScriptedShop, landing: MemoryLanding) -> None:
    shop.content = as_bytes(order_line(name='"__parentId":"gid://shopify/Order/1"'))
    [row] = shop.sync().read("orders", NIGHT, landing)
    assert isinstance(row, OrderRow)


def test_a_bad_row_does_not_stop_the_others(shop: ScriptedShop, landing: MemoryLanding) -> None:
    shop.content = as_bytes(order_line(1, updatedAt=None), order_line(2))
    rows = list(shop.sync().read("orders", NIGHT, landing))
    assert [type(row) for row in rows] == [RejectedRow, OrderRow]


# ---- windows ---------------------------------------------------------------------------------------------------------


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_a_night_reads_from_before_the_watermark_to_shortly_before_now() -> None:
    windows = windows_until(at("2026-11-27T02:00:00.5"), at("2026-11-26T01:58:00"), at("2026-10-15"))
    assert windows == [NIGHT]


def test_the_first_load_goes_month_by_month() -> None:
    edges = ["2026-09-15", "2026-10-01", "2026-11-01", "2026-11-27T01:58:00"]
    assert windows_until(at("2026-11-27T02:00"), None, at("2026-09-15")) == [
        (at(first), at(last)) for first, last in itertools.pairwise(edges)
    ]


def test_a_missed_month_is_caught_up() -> None:
    windows = windows_until(at("2026-11-27T02:00"), at("2026-10-20T01:58"), at("2026-09-15"))
    assert windows[0].start == at("2026-10-20T01:43") and windows[-1].end == at("2026-11-27T01:58")
    assert len(windows) == 2


@pytest.mark.parametrize("watermark", ["2026-11-27T01:58:00", "2026-11-27T03:00:00"])
def test_nothing_is_read_while_the_watermark_is_not_behind(watermark: str) -> None:
    assert windows_until(at("2026-11-27T02:00"), at(watermark), at("2026-09-15")) == []


@given(
    st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)),
    st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)) | st.none(),
)
def test_windows_leave_no_gap_and_end_at_the_next_watermark(now: datetime, watermark: datetime | None) -> None:
    now, mark = now.replace(tzinfo=UTC), watermark.replace(tzinfo=UTC) if watermark else None
    first = at("2021-01-01")
    windows = windows_until(now, mark, first)
    assert all(window.start < window.end for window in windows)
    assert all(one.end == other.start for one, other in itertools.pairwise(windows))
    if windows:
        assert windows[0].start == (mark - timedelta(minutes=15) if mark else first)
        assert timedelta(minutes=2) <= now - windows[-1].end < timedelta(minutes=2, seconds=1)
        assert windows_until(now, windows[-1].end, first) == []


def test_halves_cover_the_window_and_end_at_a_minute() -> None:
    first, second = halves(NIGHT) or (NIGHT, NIGHT)
    assert (first.start, second.end) == NIGHT and first.end == second.start
    assert halves(ShopWindow(NIGHT.start, NIGHT.start + timedelta(seconds=119))) is None


def test_products_and_customers_are_first_read_whole_and_then_by_change(shop: ScriptedShop) -> None:
    sync, now = shop.sync(), at("2026-11-27T02:00")
    for report in ("products", "customers"):
        assert sync.windows(report, None, now) == [(at("2006-01-01"), at("2026-11-27T01:58"))]  # type: ignore[arg-type]
        assert sync.windows(report, at("2026-11-26T01:58"), now) == [NIGHT]  # type: ignore[arg-type]
    assert len(sync.windows("orders", None, now)) == 2, "from the start date, by month"


def test_a_shop_with_a_slow_clock_is_read_up_to_its_own_time(shop: ScriptedShop) -> None:
    behind = datetime.now(UTC) - timedelta(minutes=10)
    shop.headers = {"Date": behind.strftime("%a, %d %b %Y %H:%M:%S GMT")}
    [window] = shop.sync().windows("orders", at("2026-11-26T01:58"), at("2026-11-27T02:00"))
    assert timedelta(minutes=9, seconds=59) < NIGHT.end - window.end < timedelta(minutes=10, seconds=3)
    ahead = datetime.now(UTC) + timedelta(minutes=10)
    shop.headers = {"Date": ahead.strftime("%a, %d %b %Y %H:%M:%S GMT")}
    assert shop.sync().windows("orders", at("2026-11-26T01:58"), at("2026-11-27T02:00")) == [NIGHT]
