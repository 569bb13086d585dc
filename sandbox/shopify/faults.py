"""The faults that the sandbox can play on Shopify."""

from __future__ import annotations

from sandbox.faults import FaultKind

FAULTS = {
    "throttled": FaultKind("HTTP 200 with THROTTLED; the bucket then has `available` points", {"available": 0}),
    "too_many_requests": FaultKind("HTTP 429 with Retry-After", {"retry_after_s": 1}),
    "server_error": FaultKind("HTTP 5xx with an HTML page", {"status": 503}),
    "internal_error": FaultKind("HTTP 200 with INTERNAL_SERVER_ERROR"),
    "expired_token": FaultKind("HTTP 401; tokens that were given out are no longer valid"),
    "wrong_credentials": FaultKind("the token endpoint refuses the client"),
    "locked_shop": FaultKind("HTTP 402, 403 or 423", {"status": 402}),
    "missing_scope": FaultKind("the app lacks a scope", {"scope": "read_orders"}),
    "other_version": FaultKind("the header names another served version", {"version": "2026-01"}),
    "redirected_shop": FaultKind("another shop answers", {"domain": "harborline-home.myshopify.com"}),
    "moved_shop": FaultKind("the answer only names another shop's address",
                            {"domain": "harborline-home.myshopify.com", "status": 301}),
    "slow": FaultKind("the answer waits", {"delay_s": 1}),
    "connection_reset": FaultKind("the connection is cut without an answer"),
    "index_lag": FaultKind("filters and counts see the shop as it was some seconds ago", {"seconds": 300}),
    "wrong_order_count": FaultKind("ordersCount is off", {"difference": 1}),
    "operation_in_progress": FaultKind("other operations already run, so a new one is refused",
                                       {"code": "OPERATION_IN_PROGRESS"}),
    "bulk_failed": FaultKind("the operation ends as FAILED", {"error_code": "INTERNAL_SERVER_ERROR"}),
    "bulk_canceled": FaultKind("the operation ends as CANCELED"),
    "bulk_stuck": FaultKind("the operation stays RUNNING"),
    "bulk_slow_to_cancel": FaultKind("a canceled operation stays CANCELING for some polls", {"polls": 3}),
    "bulk_without_url": FaultKind("the operation is COMPLETED, but has no url"),
    "wrong_counts": FaultKind("the operation's counts are off", {"objects": 1, "roots": 0, "bytes": 0}),
    "truncated_file": FaultKind("the file ends early, in the middle of a line", {"share": 0.5}),
    "broken_download": FaultKind("the connection is cut in the middle of the file", {"share": 0.5}),
    "expired_url": FaultKind("the file's address is no longer valid"),
    "children_first": FaultKind("all lines of children come before all parents"),
    "malformed": FaultKind(
        "every n-th order of the file is damaged, up to a number of orders: id, processedAt, updatedAt, happenedAt, "
        "currencyCode, amount, quantity, parent, moved (an item of another order), total, duplicate, large_id, nul, "
        "surrogate or json",
        {"field": "processedAt", "every": 1, "orders": 1},
    ),
}  # fmt: skip
