"""Meta Ads in the sandbox: the Graph API on HTTP."""

from __future__ import annotations

import json
from datetime import date

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from sandbox.http_app import ALL_PATHS, cut_connection, form
from sandbox.meta_ads import wire
from sandbox.meta_ads.accounts import ACCOUNTS
from sandbox.meta_ads.actions import SHOWN_BY_AGE, link_clicks
from sandbox.meta_ads.faults import FAULTS
from sandbox.meta_ads.graph import Graph
from sandbox.meta_ads.profiles import PROFILES
from sandbox.platforms import Platform, PlatformServer, ServerContext


class MetaAds(PlatformServer):
    """The Graph API. Option: ``reduce_data_rows``, see ``Graph``."""

    def __init__(self, context: ServerContext) -> None:
        self._url = context.url
        self.graph = Graph(context.world, context.faults, context.requests, **context.options)

    @property
    def address(self) -> str:
        """The address for a user to read."""
        return f"{self._url} (Graph API)"

    @property
    def environment(self) -> dict[str, str]:
        """The variables that lead MDP to this server."""
        return {
            "META_GRAPH_URL": self._url,
            "META_ACCESS_TOKEN": wire.ACCESS_TOKEN,
            "META_APP_ID": wire.APP_ID,
            "META_APP_SECRET": wire.APP_SECRET,
        }

    def routes(self) -> list[BaseRoute]:
        """Returns one route for all paths: the Graph API decides what a path means."""
        return [Route(ALL_PATHS, self._answer, methods=["GET", "POST"])]

    def stop(self) -> None:
        """Ends the answers that are still being sent."""
        self.graph.stop()

    async def _answer(self, request: Request) -> Response:
        answer = await run_in_threadpool(self.graph.handle, await _graph_request(request))
        if answer.cut:
            return cut_connection(request)
        body = answer.body if isinstance(answer.body, str) else json.dumps(answer.body, ensure_ascii=False)
        return Response(body, answer.status, answer.headers)


async def _graph_request(request: Request) -> wire.Request:
    params = dict(request.query_params)
    if request.method == "POST":
        params |= await form(request)
    scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
    return wire.Request(
        method=request.method,
        path=request.url.path,
        url=str(request.url.replace(query="")),
        params=params,
        bearer=bearer if scheme.lower() == "bearer" else None,
    )


PLATFORM = Platform(
    name="meta_ads",
    label="Meta Ads",
    accounts=ACCOUNTS,
    profiles=PROFILES,
    settling_days=(7,),  # the default window: seven days after a click
    dating="conversion",
    dating_since=date(2025, 6, 10),
    shown_by_age=SHOWN_BY_AGE,
    first_campaign_id=120_200_000_000_000_000,  # 18 digits, as Meta's: more than a double holds exactly
    first_numbered_account=900_000_000_000_000,
    numbered_kinds=("OUTCOME_SALES", "OUTCOME_TRAFFIC"),
    faults=FAULTS,
    new_server=MetaAds,
    normal_id=lambda written: written.removeprefix("act_").replace("-", ""),
    whole_conversions=True,
    link_clicks=link_clicks,
)
