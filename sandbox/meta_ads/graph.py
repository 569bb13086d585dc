"""The Graph API: finds what a path asks for, checks the token, lets faults strike, answers."""

from __future__ import annotations

import re
import secrets
import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from sandbox.faults import Fault, Faults
from sandbox.meta_ads import errors, nodes, spoil
from sandbox.meta_ads.errors import GraphError
from sandbox.meta_ads.insights import insights
from sandbox.meta_ads.params import InsightsRequest, filters, insights_request, names
from sandbox.meta_ads.runs import Run, Runs, not_ready
from sandbox.meta_ads.usage import usage_headers
from sandbox.meta_ads.wire import Request, Response, check_token, listing, listing_of_texts, paged
from sandbox.model import Account
from sandbox.requestlog import RequestLog
from sandbox.world import World

LATEST_VERSION, OLDEST_VERSION = 26, 23
_KEEP_ROWS = 200_000
_REFUSALS = ("expired_token", "sunset_version", "disabled_account", "throttle", "transient")


@dataclass(slots=True)
class _Target:
    """The object of a request; `method` is its name in the request log."""

    method: str
    version: int
    account: Account | None = None
    run: Run | None = None

    @property
    def account_id(self) -> str | None:
        return self.account.id if self.account else None


class Graph:
    """Answers requests from a world. `reduce_data_rows` is the largest insights result given without a report run."""

    def __init__(self, world: World, faults: Faults, log: RequestLog, *, reduce_data_rows: int = 1_000_000) -> None:
        self.world = world
        self.reduce_data_rows = reduce_data_rows
        self.runs = Runs()
        self._faults = faults
        self._log = log
        self._stopping = threading.Event()
        self._results: OrderedDict[object, list[str]] = OrderedDict()
        self._lock = threading.Lock()

    def stop(self) -> None:
        """Wake the requests that wait."""
        self._stopping.set()

    def handle(self, request: Request) -> Response:
        """The answer to a request, an error's body included."""
        target = _Target("unknown", LATEST_VERSION)
        trace_id = secrets.token_urlsafe(8)
        try:
            response = self._answer(request, target)
        except GraphError as error:
            response = Response(error.status, error.body(trace_id), dict(error.headers))
        usage = self._take("usage_high", target)
        percent = int(usage.number("percent")) if usage else 8
        headers = usage_headers(target.account_id, percent) | {
            "x-fb-trace-id": trace_id,
            "x-fb-request-id": secrets.token_urlsafe(12),
            "facebook-api-version": f"v{target.version}.0",
            # With a charset, as Graph has it: without one clients guess it, which takes long.
            "content-type": "application/json; charset=UTF-8",
        }
        response.headers = headers | response.headers
        return response

    def _answer(self, request: Request, target: _Target) -> Response:
        try:
            self._aim(request, target)
        finally:
            self._log.add("meta_ads", target.method, target.account_id, params=_loggable(request))
        if slow := self._take("slow", target):
            self._faults.delay(slow, self._stopping)
        if self._take("connection_reset", target):
            return Response(cut=True)
        if page := self._take("html_502", target):
            return Response(int(page.number("status")), _BAD_GATEWAY, {"content-type": "text/html"})
        check_token(request)
        if not OLDEST_VERSION <= target.version <= LATEST_VERSION:
            raise errors.version_sunset(f"v{LATEST_VERSION}.0")
        if fault := self._faults.take("meta_ads", _REFUSALS, account_id=target.account_id, method=target.method):
            raise _refusal(fault, target)
        return Response(body=self._body(request, target))

    def _aim(self, request: Request, target: _Target) -> None:
        """Fill in what the path names; raises GraphError for what doesn't exist."""
        match = re.fullmatch(r"/v(\d+)\.0/([^/]+)(?:/([^/]+))?/?", request.path)
        if match is None:
            raise errors.unknown_path(request.path)
        target.version = int(match[1])
        name, edge = match[2], match[3]
        if name == "me" and edge in (None, "adaccounts"):
            target.method = edge or "me"
            return
        target.run = self.runs.find(name)
        if target.run is not None and edge in (None, "insights"):
            target.account = target.run.account
            target.method = "run_insights" if edge else "run"
            return
        target.account = self.world.account("meta_ads", name) if name.startswith("act_") else None
        known = {None: "account", "campaigns": "campaigns", "insights": "insights"}
        target.method = known.get(edge, "unknown")
        if edge == "insights" and request.method == "POST":
            target.method = "start_run"
        if target.account is None and target.method != "unknown":
            check_token(request)
            raise errors.unsupported_get(name)
        if edge not in known:
            raise errors.unknown_path(f"/{edge}")

    def _body(self, request: Request, target: _Target) -> dict[str, Any] | str:
        fields = names(request.params, "fields")
        if target.method == "me":
            return {"id": "122100000000000001", "name": "MDP Sandbox"}
        if target.method == "adaccounts":
            accounts = [a for a in self.world.accounts("meta_ads") if a.direct]
            wanted = fields or ("account_id",)
            return listing(*paged(request, [nodes.account_node(self.world, account, wanted) for account in accounts]))
        account = target.account
        assert account is not None
        if target.method == "account":
            return nodes.account_node(self.world, account, fields)
        if target.method == "campaigns":
            statuses = names(request.params, "effective_status")
            listed = nodes.campaigns(self.world, account, fields, statuses, filters(request.params))
            return listing(*paged(request, listed))
        if target.run is not None:
            return self._run_body(request, target, target.run)
        wanted_insights = self._insights_request(request, account)
        if target.method == "start_run":
            return {"report_run_id": self._start_run(account, wanted_insights, target).id}
        rows = self._insights(account, wanted_insights)
        if fault := self._take("reduce_data", target):
            days = (wanted_insights.until - wanted_insights.since).days + 1
            if days > fault.number("max_days"):
                raise errors.reduce_data()
        if len(rows) > self.reduce_data_rows:
            raise errors.reduce_data()
        return self._page(request, target, account, rows)

    def _page(self, request: Request, target: _Target, account: Account, rows: list[str]) -> str:
        data, paging = paged(request, rows)
        return listing_of_texts(*spoil.spoilt(request, data, paging, self._faults, account.id, target.method))

    def _insights_request(self, request: Request, account: Account) -> InsightsRequest:
        today = self.world.local_today(account)
        return insights_request(request.params, today, self.world.history_start(account))

    def _insights(self, account: Account, request: InsightsRequest) -> list[str]:
        """The rows of a request, kept while its pages are fetched and the world stands still."""
        key = (account.id, repr(request), self.world.state)
        with self._lock:
            if key in self._results:
                self._results.move_to_end(key)
                return self._results[key]
        rows = insights(self.world, account, request)
        with self._lock:
            self._results[key] = rows
            while len(self._results) > 1 and sum(map(len, self._results.values())) > _KEEP_ROWS:
                self._results.popitem(last=False)
        return rows

    def _start_run(self, account: Account, request: InsightsRequest, target: _Target) -> Run:
        rows = insights(self.world, account, request)
        failed = self._take("async_failed", target)
        stuck = None if failed else self._take("async_stuck", target)
        outcome = None if stuck else "Job Completed"
        if failed:
            outcome = str(failed.params["status"])
        return self.runs.start(account, request, outcome, rows)

    def _run_body(self, request: Request, target: _Target, run: Run) -> dict[str, Any] | str:
        if target.method == "run":
            return self.runs.look(run)
        if not run.done:
            raise not_ready(run)
        return self._page(request, target, run.account, run.rows)

    def _take(self, kind: str, target: _Target) -> Fault | None:
        return self._faults.take("meta_ads", (kind,), account_id=target.account_id, method=target.method)


def _refusal(fault: Fault, target: _Target) -> GraphError:
    match fault.kind:
        case "expired_token":
            return errors.token_expired()
        case "disabled_account":
            return errors.permission_withdrawn()
        case "sunset_version":
            return errors.version_sunset(f"v{LATEST_VERSION}.0")
        case "transient":
            return errors.transient(int(fault.number("code")))
        case _:
            error = errors.throttled(int(fault.number("code")))
            error.headers = usage_headers(target.account_id, 100, int(fault.number("regain_minutes")))
            return error


def _loggable(request: Request) -> dict[str, str]:
    secret = ("access_token", "appsecret_proof")
    return {key: value for key, value in request.params.items() if key not in secret}


_BAD_GATEWAY = """<!DOCTYPE html>
<html lang="en" id="facebook"><head><title>Facebook | Error</title></head>
<body><h1>Sorry, something went wrong.</h1><p>We're working on it and we'll get it fixed as soon as we can.</p></body>
</html>
"""
