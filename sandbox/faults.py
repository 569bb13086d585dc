"""Faults that tests and the demo switch on: what goes wrong, on which platform, for whom and how often."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from sandbox.model import PLATFORMS, Platform
from sandbox.world import normal_id


@dataclass(frozen=True, slots=True)
class Kind:
    """What a fault does, and its parameters with their defaults."""

    what: str
    defaults: Mapping[str, Any] = field(default_factory=dict)


KINDS: dict[Platform, dict[str, Kind]] = {
    "google_ads": {
        "quota": Kind("RESOURCE_EXHAUSTED with a long retry delay", {"delay_s": 3600}),
        "rate_limited_short": Kind("RESOURCE_TEMPORARILY_EXHAUSTED with a short retry delay", {"delay_s": 1}),
        "internal": Kind("INTERNAL: an error of the service that passes"),
        "unavailable": Kind("UNAVAILABLE, without a GoogleAdsFailure"),
        "broken_stream": Kind("the stream breaks off after some rows", {"after_rows": 1}),
        "expired_token": Kind("UNAUTHENTICATED: OAUTH_TOKEN_EXPIRED"),
        "disabled_account": Kind("PERMISSION_DENIED: CUSTOMER_NOT_ENABLED"),
        "bad_developer_token": Kind("UNAUTHENTICATED: DEVELOPER_TOKEN_INVALID"),
        "sunset_version": Kind("INVALID_ARGUMENT: UNSUPPORTED_VERSION"),
        "slow": Kind("the answer waits", {"delay_s": 1}),
        "malformed": Kind("row number `row` is spoilt: date, conversions or campaign_id", {"row": 0, "field": "date"}),
        "duplicate_rows": Kind("the first rows stand twice in the answer", {"rows": 1}),
    },
    "meta_ads": {
        "throttle": Kind("code 80000, 4, 17, 32 or 613, with the usage header", {"code": 80000, "regain_minutes": 5}),
        "transient": Kind("HTTP 500 with code 1 or 2", {"code": 2}),
        "expired_token": Kind("code 190, subcode 463"),
        "disabled_account": Kind("code 200: the permission is withdrawn"),
        "sunset_version": Kind("code 2635: the version is no longer served"),
        "html_502": Kind("an HTML page; some proxies send it with status 200", {"status": 502}),
        "empty_page_with_next": Kind("a page without rows whose paging has a next"),
        "malformed": Kind(
            "row number `row` is spoilt: spend, impressions, date_start, actions are rubbish, another field is missing",
            {"row": 0, "field": "spend"},
        ),
        "slow": Kind("the answer waits", {"delay_s": 1}),
        "async_failed": Kind("the report run ends as 'Job Failed' or 'Job Skipped'", {"status": "Job Failed"}),
        "async_stuck": Kind("the report run stays at 'Job Running'"),
        "reduce_data": Kind("code 100, subcode 1487534, for more days than this", {"max_days": 0}),
        "usage_high": Kind("the usage headers stand at this percentage", {"percent": 97}),
        "duplicate_rows": Kind("the first rows stand twice on the page", {"rows": 1}),
        "connection_reset": Kind("the connection is cut without an answer"),
    },
}


@dataclass(slots=True)
class Fault:
    """One fault. It lets the first `after` requests pass, then hits `times` of them (None: until it is cleared)."""

    id: int
    platform: Platform
    kind: str
    account_id: str | None = None
    method: str | None = None
    times: int | None = None
    after: int = 0
    params: dict[str, Any] = field(default_factory=dict)
    hits: int = 0

    def number(self, name: str) -> float:
        return float(self.params[name])


class Faults:
    """The faults in force, shared by both servers. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ids = itertools.count(1)
        self._faults: list[Fault] = []

    def add(
        self,
        platform: Platform,
        kind: str,
        *,
        account_id: str | None = None,
        method: str | None = None,
        times: int | None = None,
        after: int = 0,
        **params: Any,
    ) -> Fault:
        """Switch a fault on. `method` narrows it to one kind of request, as the request log names it."""
        kinds = KINDS.get(platform, {})
        if kind not in kinds:
            raise ValueError(f"no fault {kind!r} for {platform!r}: {', '.join(kinds or PLATFORMS)}")
        defaults = kinds[kind].defaults
        if unknown := params.keys() - defaults.keys():
            raise ValueError(f"{kind} has no {', '.join(sorted(unknown))}: {', '.join(defaults) or 'no parameters'}")
        account = None if account_id is None else normal_id(account_id)
        with self._lock:
            fault = Fault(next(self._ids), platform, kind, account, method, times, after, {**defaults, **params})
            self._faults.append(fault)
            return fault

    def clear(self, fault_id: int | None = None) -> None:
        """Switch one fault off, or all of them."""
        with self._lock:
            self._faults = [] if fault_id is None else [f for f in self._faults if f.id != fault_id]

    def active(self) -> list[dict[str, Any]]:
        """The faults that can still hit, with how often they did."""
        with self._lock:
            return [asdict(fault) for fault in self._faults if fault.times != 0]

    def take(self, platform: Platform, kinds: Iterable[str], *, account_id: str | None, method: str) -> Fault | None:
        """The first fault of these kinds that hits this request. Taking it counts as a hit."""
        wanted = set(kinds)
        with self._lock:
            for fault in self._faults:
                if fault.platform != platform or fault.kind not in wanted or fault.times == 0:
                    continue
                if fault.account_id not in (None, account_id) or fault.method not in (None, method):
                    continue
                if fault.after > 0:
                    fault.after -= 1
                    continue
                if fault.times is not None:
                    fault.times -= 1
                fault.hits += 1
                return fault
        return None
