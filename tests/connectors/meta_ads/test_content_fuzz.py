"""Rows from Meta arrive unchanged: each row, each digit, and equal content as equal text."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from mdp_dagster.connectors.base import ColumnType, PlatformAccount
from mdp_dagster.connectors.errors import ConnectorError, QuotaError
from mdp_dagster.connectors.meta_ads import REPORTS
from mdp_dagster.connectors.meta_ads.client import next_step
from mdp_dagster.connectors.meta_ads.errors import parse_object, refusal
from mdp_dagster.connectors.meta_ads.reports import CAMPAIGN_STATUS, TIME_ZONE
from mdp_dagster.connectors.meta_ads.rows import RowGatherer, canonical_json
from mdp_dagster.connectors.meta_ads.usage import Usage, usage_of
from mdp_dagster.connectors.redaction import redact
from tests.connectors.meta_ads.graph_replies import APP_SECRET, TOKEN, refusals, secrets
from tests.support import json_text
from tests.support.effort import fuzzed
from tests.support.table import table_of

ACCOUNT = PlatformAccount("meta_ads", "1", "1", time_zone="Europe/Rome")
REPORT = REPORTS[1]
OWN = [c for c in REPORT.columns if c.name != TIME_ZONE and c.name not in CAMPAIGN_STATUS]
PLAIN = [c.name for c in OWN if c.type is not ColumnType.JSON_TEXT]

readable = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
row_texts = st.dictionaries(st.sampled_from(PLAIN), json_text.numbers | readable.map(json.dumps), max_size=6)


def as_sent(text: str) -> str:
    """The text of the value, or the digits of the number, exactly as sent."""
    return str(json.loads(text)) if text.startswith('"') else text


@fuzzed(150)
@given(pages=st.lists(st.lists(row_texts, max_size=4), max_size=3), batch_rows=st.integers(1, 4))
def test_every_row_arrives_with_every_digit(pages: list[list[dict[str, str]]], batch_rows: int) -> None:
    gathered = RowGatherer(REPORT, ACCOUNT, {}, batch_rows)
    for page in pages:
        rows = ["{" + ",".join(f"{json.dumps(name)}:{text}" for name, text in row.items()) + "}" for row in page]
        received = parse_object(f'{{"data":[{",".join(rows)}]}}')
        assert received is not None
        gathered.add(received["data"])
    found = table_of(REPORT, gathered.batches()).to_pylist()
    sent = [row for page in pages for row in page]
    assert len(found) == len(sent)
    for row, texts in zip(found, sent, strict=True):
        assert {name: row[name] for name in texts} == {name: as_sent(text) for name, text in texts.items()}
        assert all(row[name] is None for name in PLAIN if name not in texts)


def shuffled(value: Any, random: Any) -> Any:
    """The same content with all keys, and the entries of the outer list, in another order."""
    if isinstance(value, dict):
        return {key: shuffled(value[key], random) for key in random.sample(list(value), len(value))}
    return [shuffled(entry, random) for entry in value] if isinstance(value, list) else value


contents = st.recursive(
    st.none() | st.booleans() | readable | st.sampled_from(["1", "purchase"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["action_type", "value", "1d_click"]) | readable, inner, max_size=3)
    ),
    max_leaves=8,
)
entries = st.lists(
    contents
    | st.fixed_dictionaries({"action_type": st.sampled_from(["purchase", "lead"]) | contents, "value": contents}),
    max_size=4,
)


@fuzzed(100)
@given(value=entries | contents, random=st.randoms(use_true_random=False))
@example([{"action_type": kind, "value": "1"} for kind in "dbcaefgh"], Random(1))
@example([{"value": kind, "1d_click": "1"} for kind in "dbcaefgh"], Random(1))
def test_the_same_content_is_the_same_text(value: Any, random: Any) -> None:
    again = shuffled(value, random)
    if isinstance(again, list):
        random.shuffle(again)
    assert canonical_json(again) == canonical_json(value)


@fuzzed(100)
@given(one=entries | contents, other=entries | contents)
def test_different_content_is_different_text(one: Any, other: Any) -> None:
    def same(a: Any, b: Any) -> bool:
        if isinstance(a, list) and isinstance(b, list):  # in any order
            texts = [sorted(json.dumps(entry, sort_keys=True) for entry in entries) for entries in (a, b)]
            return texts[0] == texts[1]
        return json.dumps(a, sort_keys=True) == json.dumps(b, sort_keys=True)

    assert (canonical_json(one) == canonical_json(other)) == same(one, other)


@fuzzed(100)
@given(value=entries, changed=st.data())
def test_one_entry_more_or_less_changes_the_text(value: list[Any], changed: st.DataObject) -> None:
    assume(value)
    less = list(value)
    less.pop(changed.draw(st.integers(0, len(value) - 1)))
    assert canonical_json(less) != canonical_json(value)
    assert canonical_json([*value, value[0]]) != canonical_json(value)


@fuzzed(100)
@given(body=json_text.values(["data", "error"]))
@example('{"data": [{"campaign_name": "\\ud83d"}, {"\\udc00": 1}]}')
def test_any_answer_that_is_read_can_be_written(body: str) -> None:
    """Deep nesting and half surrogate pairs fail when the answer is read, or never."""
    received = parse_object(body.encode("utf-8", "replace").decode())  # as an answer is read
    if received is not None:
        repr(received)
        json.dumps(received, ensure_ascii=False).encode("utf-8")


@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_an_answer_of_many_levels_is_refused_and_one_of_several_is_not(opening: str) -> None:
    def body(levels: int) -> str:
        return f'{{"data":{json_text.nested(levels, opening, "1")}}}'

    assert parse_object(body(20)) is not None
    for levels in (60, 300, 900, 990, 1_000, 100_000):
        assert parse_object(body(levels)) is None


@fuzzed(50)
@given(body=refusals | secrets.map("[{}]".format), status=st.integers(200, 599))
def test_no_spelling_of_a_secret_is_in_an_error_message(body: str, status: int) -> None:
    read = body.encode("utf-8", "replace").decode()
    error = refusal(status, read, Usage(), "x", lambda text: redact(text, [TOKEN, APP_SECRET]))
    assert TOKEN not in str(error) and APP_SECRET not in str(error) and TOKEN[:20] not in str(error)
    str(error).encode("utf-8")


def test_redaction_keeps_the_platforms_error_code() -> None:
    """A key with the name of a secret and a harmless value does not hide the rest of the answer."""
    body = '{"error": {"access_token": ["x"], "code": 190, "message": "expired"}}'
    error = refusal(400, body, Usage(), "x", redact)
    assert "expired" in error.message and "META_ACCESS_TOKEN" in error.remedy


@fuzzed(150)
@given(
    address=st.sampled_from(['"https://x/?after=1&method=delete&limit=9&access_token=E"', '"http://[?after=1"'])
    | json_text.values(["next", "after"])
    | readable.map(json.dumps),
    cursors=json_text.values(["after"]),
)
def test_any_next_is_followed_or_an_error(address: str, cursors: str) -> None:
    received = parse_object(f'{{"next":{address},"cursors":{cursors}}}')
    try:
        step = next_step(received, {"limit": 1}, "x")
    except ConnectorError as error:
        str(error).encode("utf-8")
    else:
        for name, value in (step or {}).items():
            assert isinstance(value, str)
            assert name not in ("limit", "access_token", "appsecret_proof", "method")


@fuzzed(100)
@example('{"estimated_time_to_regain_access": 1e308}')
@given(header=json_text.objects(["call_count", "estimated_time_to_regain_access"], json_text.numbers))
def test_any_usage_is_a_share_and_a_time(header: str) -> None:
    usage = usage_of({"X-App-Usage": header})
    assert 0 <= usage.percent < float("inf")
    assert 0 <= usage.regain_seconds < float("inf")
    throttled = refusal(400, '{"error": {"code": 17}}', usage, "x")
    assert isinstance(throttled, QuotaError) == (usage.regain_seconds > 0)
    if isinstance(throttled, QuotaError):
        assert throttled.retry_after_seconds <= 86_400
