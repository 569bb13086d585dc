"""The faults that the sandbox can play on Meta Ads."""

from __future__ import annotations

from sandbox.faults import FaultKind

FAULTS = {
    "throttle": FaultKind("code 80000, 4, 17, 32 or 613, with the usage header", {"code": 80000, "regain_minutes": 5}),
    "transient": FaultKind("HTTP 500 with code 1 or 2", {"code": 2}),
    "expired_token": FaultKind("code 190, subcode 463"),
    "disabled_account": FaultKind("code 200: the permission is withdrawn"),
    "sunset_version": FaultKind("code 2635: the version is no longer served"),
    "html_502": FaultKind("an HTML page; some proxies send it with status 200", {"status": 502}),
    "empty_page_with_next": FaultKind("a page without rows, but with a next page"),
    "malformed": FaultKind(
        "row number `row` is damaged: spend, impressions, date_start, actions are rubbish, another field is missing",
        {"row": 0, "field": "spend"},
    ),
    "slow": FaultKind("the answer waits", {"delay_s": 1}),
    "async_failed": FaultKind("the report run ends as 'Job Failed' or 'Job Skipped'", {"status": "Job Failed"}),
    "async_stuck": FaultKind("the report run stays at 'Job Running'"),
    "reduce_data": FaultKind("code 100, subcode 1487534, for more days than this", {"max_days": 0}),
    "usage_high": FaultKind("the usage headers show this percentage", {"percent": 97}),
    "duplicate_rows": FaultKind("the first rows are there twice on the page", {"rows": 1}),
    "connection_reset": FaultKind("the connection is cut without an answer"),
}
