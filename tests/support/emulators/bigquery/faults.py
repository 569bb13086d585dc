"""The faults that tests inject, and the routes to inject them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel

UNAVAILABLE, FAIL, LOSE_ANSWER, DELAY, BYTES = "unavailable", "fail", "lose_answer", "delay", "bytes"

router = APIRouter(prefix="/_emulator")


class Fault(BaseModel):
    """The jobs that a fault matches, and its effect. An attribute without a value matches all jobs."""

    project: str | None = None
    kind: Literal["query", "load", "copy"] | None = None
    table: str | None = None
    """``dataset.table``: a load's or copy's destination, or named in a statement."""
    contains: str | None = None
    """In the statement, in whichever case."""
    effect: Literal["unavailable", "fail", "lose_answer", "delay", "bytes"]
    times: int = 1
    status: int = 503
    reason: str = "backendError"
    message: str = "injected by the test"
    seconds: float = 0
    bytes: int = 0

    def fits(self, project: str, kind: str, configuration: dict[str, Any]) -> bool:
        if self.project not in (None, project) or self.kind not in (None, kind):
            return False
        sql = str(configuration.get("query", {}).get("query", ""))
        if self.contains is not None and self.contains.lower() not in sql.lower():
            return False
        if self.table is None:
            return True
        target = configuration.get(kind, {}).get("destinationTable", {})
        named = f"{target.get('datasetId')}.{target.get('tableId')}"
        return self.table == named or self.table in sql.replace("`", "")


class Faults:
    """Faults that wait for a matching job. The oldest comes first."""

    def __init__(self) -> None:
        self._waiting: list[Fault] = []

    def add(self, fault: Fault) -> None:
        self._waiting.append(fault)

    def clear(self) -> None:
        self._waiting.clear()

    def take(self, effects: set[str], project: str, kind: str, configuration: dict[str, Any]) -> Fault | None:
        for fault in self._waiting:
            if fault.effect in effects and fault.fits(project, kind, configuration):
                fault.times -= 1
                if fault.times <= 0:
                    self._waiting.remove(fault)
                return fault
        return None


@dataclass
class Answer:
    """The fate of the answer to a request."""

    lost: bool = False


class LosesAnswers:
    """Wraps the whole application, and closes the connection instead of answering where a route demands it."""

    KEY = "tests.support.emulators.answer"

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        answer = Answer()
        scope[self.KEY] = answer
        cycle = getattr(receive, "__self__", None)  # uvicorn's object with the connection

        async def send_unless_lost(message: dict[str, Any]) -> None:
            if not answer.lost:
                await send(message)
            elif cycle is not None and not cycle.disconnected:
                cycle.transport.close()
                cycle.disconnected = True
                await asyncio.sleep(0)

        await self._app(scope, receive, send_unless_lost)


def lose_answer(request: Request) -> None:
    request.scope[LosesAnswers.KEY].lost = True


@router.post("/faults")
async def add_fault(request: Request, fault: Fault) -> dict[str, Any]:
    request.app.state.service.faults.add(fault)
    return {}


@router.delete("/faults")
async def clear_faults(request: Request) -> dict[str, Any]:
    request.app.state.service.faults.clear()
    return {}


@router.get("/jobs")
async def list_jobs(request: Request, project: str) -> list[dict[str, Any]]:
    return request.app.state.service.arrivals_of(project)
