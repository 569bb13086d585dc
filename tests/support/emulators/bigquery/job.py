"""One job, and its result."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from bqemulator.api.dependencies import AppContext
from bqemulator.catalog.models import JobMeta


class JobError(Exception):
    """Fails the job. Reason and message become its errorResult."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass
class Job:
    project: str
    location: str
    id: str
    kind: str
    configuration: dict[str, Any]
    media: bytes | None = None
    """The uploaded file."""
    meta: JobMeta | None = None
    finished: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def config(self) -> dict[str, Any]:
        return self.configuration[self.kind]

    @property
    def is_dry(self) -> bool:
        return bool(self.configuration.get("dryRun"))

    @property
    def error(self) -> dict[str, Any] | None:
        return self.meta.error_result if self.meta and self.meta.state == "DONE" else None

    def became(self, state: str, ctx: AppContext, statistics: dict[str, Any] | None = None) -> JobMeta:
        now = ctx.clock.now()
        return JobMeta(
            project_id=self.project,
            job_id=self.id,
            job_type=self.kind.upper(),
            state=state,
            configuration=self.configuration,
            statistics=statistics or {},
            creation_time=now,
            start_time=now,
            end_time=now if state == "DONE" else None,
            etag=uuid4().hex,
        )

    def failed(self, reason: str, message: str, ctx: AppContext) -> JobMeta:
        error = {"reason": reason, "message": message}
        return self.became("DONE", ctx).model_copy(update={"error_result": error})
