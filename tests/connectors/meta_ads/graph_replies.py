"""Replies that a Graph server, or a proxy in front of it, could send: often nearly valid, often rubbish."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

from mdp_dagster.connectors.meta_ads import REPORTS
from tests.connectors.meta_ads.scripted_graph import Reply
from tests.support import json_text

TOKEN, APP_SECRET = "EAAtoken/of+the=tests|7", "app secret/of the tests"

COLUMNS = sorted({column.name for report in REPORTS for column in report.columns})
_WORDS = [*COLUMNS, "id", "status", "action_type", "value", "data", "error", "paging"]

texts = json_text.strings
anything = json_text.values(_WORDS)

# The secrets in the forms that a server may repeat: plain, in an address, and escaped in JSON as PHP does it.
secrets = st.sampled_from(
    [json.dumps(text) for text in (TOKEN, APP_SECRET, f"access_token={TOKEN}&x", f"{APP_SECRET}!", "x" * 285 + TOKEN)]
    + [json.dumps(TOKEN).replace("/", r"\/"), '"' + "".join(f"\\u{ord(letter):04x}" for letter in TOKEN) + '"']
    + ['{"access_token": ["unknown"]}', '"appsecret_proof=%s"' % ("0" * 64)]
)
codes = st.sampled_from([1, 2, 4, 10, 17, 100, 102, 190, 200, 294, 613, 2500, 2635, 3018, 80004]).map(str)
errors = (
    json_text.with_keys(
        {
            "code": codes | codes.map(json.dumps) | json_text.scalars | anything,
            "error_subcode": st.sampled_from(["33", "1487534", '"33"']) | anything,
            "message": texts | secrets | st.just('"Please reduce the amount of data"') | anything,
            "error_user_title": texts | anything,
            "error_user_msg": texts | secrets | anything,
            "type": texts | secrets | anything,
            "fbtrace_id": texts | secrets | anything,
            "is_transient": st.sampled_from(["true", "false", '"true"', "1"]) | anything,
            "error_data": anything,
            "access_token": anything,
        }
    )
    | secrets
    | anything
)
nexts = (
    st.sampled_from(
        [
            '"https://graph.facebook.com/v1/act_1/insights?after=2&access_token=EVIL"',
            '"https://elsewhere.example/?offset=1&method=delete&fields=x"',
            '"http://["',
            '"http://[::1"',
            '"http://a\\u2100b/?x=1"',
            '"//"',
            '"?after=%ff%fe"',
            '"?after=%"',
            "true",
            "5",
            '""',
            "null",
        ]
    )
    | texts
    | anything
)
paging = (
    json_text.with_keys({"next": nexts, "cursors": json_text.with_keys({"after": texts | anything}) | anything})
    | anything
)
rows = json_text.objects(_WORDS, anything) | anything
pages = json_text.with_keys({"data": json_text.lists(rows) | anything, "paging": paging, "summary": anything})
nodes = json_text.with_keys(
    {
        "id": texts | anything,
        "report_run_id": st.sampled_from(['"601"', "601", '"../me"', '"x?method=delete"', '""']) | anything,
        "async_status": st.sampled_from(
            ['"Job Completed"', '"Job Failed"', '"Job Skipped"', '"Job Running"', '"Job Not Started"']
        )
        | anything,
        "async_percent_completion": st.sampled_from(["100", '"100"', "99", "null"]) | anything,
        "name": texts | anything,
        "currency": texts | anything,
        "timezone_name": texts | anything,
        "account_status": st.sampled_from(["1", "2", '"1"']) | anything,
    }
)
refusals = json_text.with_keys({"error": errors}) | json_text.with_keys({"error": errors, "data": anything})
bodies = pages | nodes | refusals | anything

encoded = (
    bodies.map(lambda text: text.encode("utf-8", "surrogatepass"))
    | bodies.map(lambda text: text.encode("utf-8", "surrogatepass")[:-1])  # cut off
    | st.builds(
        lambda text, encoding: text.encode(encoding, "replace"),
        bodies,
        st.sampled_from(["utf-16", "utf-8-sig", "latin-1", "utf-32"]),
    )
    | st.binary(max_size=40)
    | st.sampled_from([b"", b"<html><body>502 Bad Gateway</body></html>", b"{}", b'{"data":[]}', b"null"])
)
statuses = st.just(200) | st.integers(200, 599) | st.sampled_from([204, 301, 304, 400, 401, 403, 404, 429, 500, 503])

_latin = st.text(st.characters(codec="latin-1", exclude_categories=["Cc"]), max_size=20)
_usage = json_text.with_keys(
    {
        "call_count": json_text.scalars,
        "total_time": anything,
        "estimated_time_to_regain_access": st.sampled_from(["0", "5", "1e307", "1e308", '"60"']) | json_text.numbers,
        "1": json_text.lists(json_text.objects(["call_count", "estimated_time_to_regain_access"], json_text.numbers)),
    }
).map(lambda text: text.encode("ascii", "replace").decode()[:60_000])
headers: st.SearchStrategy[dict[str, str]] = st.fixed_dictionaries(
    {},
    optional={
        "x-app-usage": _usage | _latin,
        "x-business-use-case-usage": _usage | _latin,
        "x-ad-account-usage": _usage | _latin,
        "x-fb-ads-insights-throttle": _usage | _latin,
        "retry-after": _latin | st.integers().map(str) | st.just("Wed, 21 Oct 2015 07:28:00 GMT"),
        "content-type": st.sampled_from(["text/html", "application/json; charset=utf-16", "image/png"]) | _latin,
        "content-encoding": st.sampled_from(["gzip", "deflate", "br", "zstd", "x"]),
        "location": st.sampled_from(["http://[", "/v26.0/act_1", "ftp://x", "http://127.0.0.1:1/"]),
    },
)


def _reply(body: Any, status: int, more: dict[str, str]) -> Reply:
    return Reply(body, status, {"content-type": "application/json"} | more)


replies = st.builds(_reply, encoded, statuses, headers) | st.builds(
    _reply, bodies, st.just(200), st.fixed_dictionaries({})
)
answers = st.lists(replies, min_size=1, max_size=4)
