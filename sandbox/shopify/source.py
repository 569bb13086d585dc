"""Shopify in the sandbox: the Admin API on HTTP, and the files of bulk operations on a port of their own.

All shops have the same address. The header ``Host`` names the shop.
"""

from __future__ import annotations

import json
import threading
from datetime import date, timezone
from functools import partial
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from sandbox.control import endpoint
from sandbox.faults import Fault
from sandbox.http_app import cut_connection, form
from sandbox.platforms import PlatformServer, ServerContext, Source
from sandbox.shopify import access
from sandbox.shopify.admin_api import AdminApi, Call
from sandbox.shopify.bulk import BulkOperations
from sandbox.shopify.control import ShopControl
from sandbox.shopify.faults import FAULTS
from sandbox.shopify.file_host import FileHost
from sandbox.shopify.query_cost import Bucket
from sandbox.shopify.root_fields import root_fields
from sandbox.shopify.shop_world import ShopWorld
from sandbox.shopify.shops import SHOPS

_NOT_FOUND = {"errors": "Not Found"}
_BAD_TOKEN = {"errors": "[API] Invalid API key or access token (unrecognized login or wrong password)"}
_LOCKED = {402: "Payment Required", 403: "Forbidden", 423: "Unavailable Shop"}
_TOO_MANY = "Exceeded 40 calls per second for api client. Reduce request rates to resume uninterrupted."
_UNAVAILABLE = "<!DOCTYPE html>\n<html><body><h1>Something went wrong</h1><p>Try again later.</p></body></html>\n"


class Shopify(PlatformServer):
    """The Admin API of all shops.

    Options: ``orders_per_day`` and ``opened`` (a date) change the size of every shop; ``bucket`` is a pair of the
    largest number of points and the points per second.

    Args:
        context: All that the server is made from.
    """

    def __init__(self, context: ServerContext) -> None:
        options = dict(context.options)
        size, opened = float(options.pop("orders_per_day", 0)) or None, options.pop("opened", None)
        points, per_second = options.pop("bucket", (2000, 100))
        if options:
            raise ValueError(f"Shopify's server has no options {sorted(options)}")
        self._context = context
        self._url = context.url
        self._stopping = threading.Event()
        self.tokens = access.Tokens()
        self.files = FileHost(context.faults, context.requests)
        self.operations = BulkOperations(context.state_dir, self.files.file_url)
        world = context.world
        opened = date.fromisoformat(opened) if isinstance(opened, str) else opened
        self.shops = {
            shop.domain: ShopWorld(shop.resized(size, opened), world.seed, lambda: world.now) for shop in SHOPS
        }
        self._apis = {
            domain: AdminApi(partial(root_fields, operations=self.operations), Bucket(points, per_second))
            for domain in self.shops
        }
        self.control = ShopControl(self.shops)

    @property
    def address(self) -> str:
        """The address for a user to read."""
        return f"{self._url} (Admin API; files on {self.files.url})"

    @property
    def environment(self) -> dict[str, str]:
        """The variables that lead MDP to this server."""
        return {
            "SHOPIFY_API_URL": self._url,
            "SHOPIFY_CLIENT_ID": access.CLIENT_ID,
            "SHOPIFY_CLIENT_SECRET": access.CLIENT_SECRET,
        }

    def routes(self) -> list[BaseRoute]:
        """Returns the routes of the API, and those by which tests change the shops."""
        control = self.control.handlers()
        return [
            Route("/admin/oauth/access_token", self._token, methods=["POST"]),
            Route("/admin/api/{version}/graphql.json", self._graphql, methods=["POST"]),
            *(Route(path, endpoint(handler), methods=[method]) for (method, path), handler in control.items()),
        ]

    def start(self) -> None:
        """Starts the host of the files."""
        self.files.start(self.operations)

    def stop(self) -> None:
        """Stops the host of the files, and deletes them."""
        self._stopping.set()
        self.files.stop()
        self.operations.stop()

    def forget_edits(self) -> None:
        """Undoes every change by hand, and forgets the bulk operations."""
        for shop in self.shops.values():
            shop.forget_edits()
        self.operations.forget()
        for api in self._apis.values():
            api.bucket.fill()

    async def _token(self, request: Request) -> Response:
        domain = _domain(request)
        self._log("token", domain)
        sent = await request.body()
        fields = json.loads(sent) if request.headers.get("content-type", "").startswith("application/json") else None
        if domain not in self.shops:
            return JSONResponse(_NOT_FOUND, 404)
        if fault := await self._fault_answer(request, domain, "token"):
            return fault
        try:
            if self._take("wrong_credentials", domain, "token"):
                raise access.TokenRefused("invalid_client", "The client credentials are invalid")
            answer = self.tokens.exchange(domain, fields if isinstance(fields, dict) else await form(request))
        except access.TokenRefused as refused:
            status = 401 if refused.error == "invalid_client" else 400
            return JSONResponse({"error": refused.error, "error_description": str(refused)}, status)
        return JSONResponse(answer)

    async def _graphql(self, request: Request) -> Response:
        domain = _domain(request)
        try:
            sent = json.loads(await request.body())
        except ValueError:
            sent = {}
        sent = sent if isinstance(sent, dict) else {}
        method = _method(str(sent.get("query", "")))
        self._log(method, domain, query=sent.get("query"))
        if domain not in self.shops:
            return JSONResponse(_NOT_FOUND, 404)
        if fault := await self._fault_answer(request, domain, method):
            return fault
        if self._take("expired_token", domain, method):
            self.tokens.revoke(domain)
        if not self.tokens.valid(request.headers.get("x-shopify-access-token"), domain):
            return JSONResponse(_BAD_TOKEN, 401)
        version = access.served_version(request.path_params["version"], self._today())
        if version is None:
            return JSONResponse(_NOT_FOUND, 404)
        if self._take("internal_error", domain, method):
            extensions = {"code": "INTERNAL_SERVER_ERROR", "requestId": "00000000-sandbox"}
            message = "Internal error. Looks like something went wrong on our end."
            return JSONResponse({"errors": [{"message": message, "extensions": extensions}]})
        if other := self._take("other_version", domain, method):
            version = str(other.params["version"])
        body = await run_in_threadpool(self._answer, domain, method, version, sent)
        return JSONResponse(body, headers={"X-Shopify-API-Version": version})

    def _answer(self, domain: str, method: str, version: str, sent: dict[str, Any]) -> dict[str, Any]:
        shop = domain
        if other := self._take("redirected_shop", domain, method):
            shop = str(other.params["domain"])
        missing = self._take("missing_scope", domain, method)
        scopes = frozenset({str(missing.params["scope"])} if missing else ())
        call = Call(self.shops[shop], lambda kind: self._take(kind, domain, method), version, scopes)
        return self._apis[domain].answer(call, sent.get("query"), sent.get("variables"))

    async def _fault_answer(self, request: Request, domain: str, method: str) -> Response | None:
        """The answer that a fault gives before the API is reached."""
        if slow := self._take("slow", domain, method):
            await run_in_threadpool(self._context.faults.delay, slow, self._stopping)
        if self._take("connection_reset", domain, method):
            return cut_connection(request)
        if fault := self._take("too_many_requests", domain, method):
            return JSONResponse({"errors": _TOO_MANY}, 429, headers={"Retry-After": str(fault.params["retry_after_s"])})
        if fault := self._take("server_error", domain, method):
            return Response(_UNAVAILABLE, int(fault.number("status")), media_type="text/html")
        if fault := self._take("locked_shop", domain, method):
            status = int(fault.number("status"))
            return JSONResponse({"errors": _LOCKED.get(status, "Unavailable Shop")}, status)
        if moved := self._take("moved_shop", domain, method):
            place = f"https://{moved.params['domain']}{request.url.path}"
            return Response(status_code=int(moved.number("status")), headers={"Location": place})
        return None

    def _take(self, kind: str, domain: str, method: str) -> Fault | None:
        return self._context.faults.take("shopify", (kind,), account_id=domain, method=method)

    def _log(self, method: str, domain: str, **details: Any) -> None:
        self._context.requests.add("shopify", method, domain, **details)

    def _today(self) -> date:
        return self._context.world.now.astimezone(timezone.utc).date()


def _domain(request: Request) -> str:
    """The shop that a request means."""
    return request.headers.get("host", "").partition(":")[0].lower()


def _method(query: str) -> str:
    """The name of a request in the log: the operation's own name, or its first field."""
    words = query.replace("{", " { ").replace("(", " ( ").split()
    if words[:1] and words[0] in ("query", "mutation") and words[1:2] not in (["{"], ["("]):
        return words[1] if len(words) > 1 else "unknown"
    return next((word for word in words if word not in ("query", "mutation", "{", "(")), "unknown")


SOURCE = Source(name="shopify", label="Shopify", faults=FAULTS, new_server=Shopify, normal_id=str.lower)
