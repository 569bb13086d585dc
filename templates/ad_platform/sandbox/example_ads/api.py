"""The Example Ads API on HTTP: accounts, and their reports by day."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from sandbox.behaviour import Metrics
from sandbox.model import Account, Campaign
from sandbox.platforms import PlatformServer, ServerContext
from sandbox.rows import hundredths

_NAME = "example_ads"
_TOKEN = "sandbox-example_ads-token"  # not a secret: it opens only the sandbox
_PAGE_ROWS = 100


class _Refused(Exception):
    def __init__(self, status: int, code: str, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.answer = JSONResponse({"error": {"code": code, "message": message}}, status, headers)


class ExampleAdsServer(PlatformServer):
    """The API below ``/example_ads``. Option: ``page_rows``."""

    def __init__(self, context: ServerContext) -> None:
        self._context = context
        self._page_rows = int(context.options.get("page_rows", _PAGE_ROWS))

    @property
    def address(self) -> str:
        """The address for a user to read."""
        return f"{self._context.url}/{_NAME}"

    @property
    def environment(self) -> dict[str, str]:
        """The variables that lead MDP to this server."""
        return {"EXAMPLE_ADS_API_URL": self.address, "EXAMPLE_ADS_ACCESS_TOKEN": _TOKEN}

    def routes(self) -> list[BaseRoute]:
        """Returns the routes of the API."""
        account = f"/{_NAME}/v1/accounts/{{account_id}}"
        return [
            Route(account, self._endpoint("account", self._account)),
            Route(account + "/reports/{report}", self._endpoint("report", self._report)),
        ]

    def _endpoint(self, method: str, answer: Callable[[Request, Account], Any]) -> Callable[[Request], Any]:
        def handle(request: Request) -> Response:
            try:
                return JSONResponse(answer(request, self._admit(request, method)))
            except _Refused as refused:
                return refused.answer

        async def endpoint(request: Request) -> Response:
            return await run_in_threadpool(handle, request)

        return endpoint

    def _admit(self, request: Request, method: str) -> Account:
        """The account of a request that is allowed; raises what a fault or a wrong token leads to."""
        account_id = request.path_params["account_id"]
        self._context.requests.add(_NAME, method, account_id, params=dict(request.query_params))
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        expired = self._take("expired_token", method, account_id)
        if expired or not hmac.compare_digest(token.encode(), _TOKEN.encode()):
            raise _Refused(401, "unauthorized", "The access token is invalid or has expired.")
        if fault := self._take("quota", method, account_id):
            headers = {"Retry-After": str(fault.number("delay_s"))}
            raise _Refused(429, "rate_limited", "Too many requests.", headers)
        if self._take("internal", method, account_id):
            raise _Refused(500, "internal", "Something went wrong.")
        if self._take("disabled_account", method, account_id):
            raise _Refused(403, "account_disabled", "The account is disabled.")
        account = self._context.world.account(_NAME, account_id)
        if account is None:
            raise _Refused(404, "not_found", f"There is no account {account_id}.")
        return account

    def _take(self, kind: str, method: str, account_id: str) -> Any:
        return self._context.faults.take(_NAME, (kind,), account_id=account_id, method=method)

    def _account(self, request: Request, account: Account) -> dict[str, Any]:
        return {"id": account.id, "name": account.name, "currency": account.currency, "time_zone": account.time_zone}

    def _report(self, request: Request, account: Account) -> dict[str, Any]:
        params = request.query_params
        since, until = date.fromisoformat(params["since"]), date.fromisoformat(params["until"])
        if since < self._context.world.history_start(account):
            raise _Refused(400, "date_out_of_range", "The start date is too early.")
        rows = self._rows(request.path_params["report"], account, since, until + timedelta(days=1))
        page = int(params.get("page", 1))
        start, stop = (page - 1) * self._page_rows, page * self._page_rows
        return {"data": rows[start:stop], "next_page": page + 1 if stop < len(rows) else None}

    def _rows(self, report: str, account: Account, start: date, end: date) -> list[dict[str, Any]]:
        days = self._context.world.campaign_days(account, start, end)
        if report == "campaign_daily":
            today = self._context.world.local_today(account)
            return [_campaign(row.campaign, today) | _metrics(row.day, row.metrics) for row in days]
        if report != "account_daily":
            raise _Refused(404, "not_found", f"There is no report {report}.")
        totals: dict[date, Metrics] = {}
        for row in days:
            totals[row.day] = totals.get(row.day, Metrics()) + row.metrics
        return [_metrics(day, metrics) for day, metrics in totals.items()]


def _campaign(campaign: Campaign, today: date) -> dict[str, Any]:
    return {
        "campaign_id": str(campaign.id),
        "campaign_name": campaign.name,
        "campaign_status": campaign.status_on(today),
        "objective": campaign.kind,
    }


def _metrics(day: date, metrics: Metrics) -> dict[str, Any]:
    return {
        "day": str(day),
        "impressions": metrics.impressions,
        "clicks": metrics.clicks,
        "spend": str(hundredths(metrics.spend)),
        "conversions": str(hundredths(metrics.conversions)),
        "conversion_value": str(hundredths(metrics.conversion_value)),
    }
