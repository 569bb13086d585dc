"""The sandbox's own address, `/_sandbox/…`: for another process to switch faults on, change days, read the log."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.behaviour import Metrics
from sandbox.faults import Faults
from sandbox.requestlog import RequestLog
from sandbox.world import World, instant

Handler = Callable[[dict[str, Any]], Any]


class Control:
    """The routes, each a plain function from parameters (query and JSON body together) to an answer."""

    def __init__(
        self, world: World, faults: Faults, log: RequestLog, forget_edits: Callable[[], None] | None = None
    ) -> None:
        self._world = world
        self._forget_edits = forget_edits or world.forget_edits
        self._faults = faults
        self._log = log

    def routes(self) -> list[Route]:
        """Returns the routes under `/_sandbox`, by which tests and users control the sandbox."""
        handlers: dict[tuple[str, str], Handler] = {
            ("GET", "/_sandbox/faults"): lambda params: self._faults.active(),
            ("POST", "/_sandbox/faults"): self._add_fault,
            ("DELETE", "/_sandbox/faults"): self._clear_faults,
            ("POST", "/_sandbox/restate"): self._restate,
            ("POST", "/_sandbox/empty_day"): self._empty_day,
            ("POST", "/_sandbox/add_rows"): self._add_rows,
            ("DELETE", "/_sandbox/edits"): lambda params: self._forget_edits(),
            ("GET", "/_sandbox/now"): lambda params: self._world.now.isoformat(),
            ("POST", "/_sandbox/now"): self._set_now,
            ("GET", "/_sandbox/truth"): self._truth,
            ("GET", "/_sandbox/requests"): self._requests,
            ("DELETE", "/_sandbox/requests"): lambda params: self._log.clear(),
        }
        return [Route(path, endpoint(handler), methods=[method]) for (method, path), handler in handlers.items()]

    def _add_fault(self, params: dict[str, Any]) -> Any:
        return {"id": self._faults.add(params.pop("platform", None), params.pop("kind", None), **params).id}

    def _clear_faults(self, params: dict[str, Any]) -> None:
        self._faults.clear(int(params["id"]) if "id" in params else None)

    def _restate(self, params: dict[str, Any]) -> None:
        more = {"metrics": params["metrics"]} if "metrics" in params else {}
        self._world.restate(
            *_day_of(params), factor=float(params["factor"]), campaign_id=params.get("campaign_id"), **more
        )

    def _empty_day(self, params: dict[str, Any]) -> None:
        self._world.empty_day(*_day_of(params))

    def _add_rows(self, params: dict[str, Any]) -> None:
        rows = params.get("rows")
        by_campaign = None if rows is None else {int(row.pop("campaign_id")): Metrics(**row) for row in rows}
        self._world.add_rows(*_day_of(params), by_campaign)

    def _set_now(self, params: dict[str, Any]) -> str:
        if "advance_days" in params:
            self._world.now += timedelta(days=float(params["advance_days"]))
        else:
            self._world.now = instant(params["now"])
        return self._world.now.isoformat()

    def _truth(self, params: dict[str, Any]) -> Any:
        start, end = date.fromisoformat(params["start"]), date.fromisoformat(params["end"])
        rows = self._world.truth(params.get("platform") or None, start, end)
        return [{key: _plain(value) for key, value in row.items()} for row in rows]

    def _requests(self, params: dict[str, Any]) -> Any:
        return {"total": self._log.count(), "counts": self._log.counts(), "last": self._log.requests()}


def _day_of(params: dict[str, Any]) -> tuple[Any, str, date]:
    return params["platform"], str(params["account_id"]), date.fromisoformat(params["day"])


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, date | Decimal) else value


def endpoint(handler: Handler) -> Callable[[Request], Any]:
    """Returns an HTTP endpoint for a function from parameters to an answer. A mistake in them is answered with 400."""

    async def answer(request: Request) -> Response:
        try:
            params = dict(request.query_params) | (await request.json() if await request.body() else {})
            found = await run_in_threadpool(handler, params)
        except KeyError as error:
            return JSONResponse({"error": f"missing: {error.args[0]}"}, status_code=400)
        except (ValueError, TypeError, AttributeError) as error:
            return JSONResponse({"error": str(error)}, status_code=400)
        return JSONResponse({"ok": True} if found is None else found)

    return answer
