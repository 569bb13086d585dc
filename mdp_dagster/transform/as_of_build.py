"""Builds the models as of a past instant, in their own datasets. The current models stay as they are."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from mdp_dagster.settings import Settings
from mdp_dagster.transform.bigquery_conflicts import find_jobs_of_lost_answers
from mdp_dagster.transform.dbt_connections import close_connections
from mdp_dagster.transform.dbt_messages import drop_debug_messages
from mdp_dagster.transform.project import DbtError, common_flags, use_environment, window_variables
from mdp_dagster.warehouse.base import MARTS, STAGING
from mdp_dagster.window import DateWindow


@dataclass(frozen=True)
class AsOf:
    """An instant in the past. A build as of it reads the extracts that had begun by then."""

    instant: datetime

    @property
    def suffix(self) -> str:
        """The end of the datasets' names, for example ``as_of_20261101t060000z``."""
        return f"as_of_{self._utc:%Y%m%dt%H%M%S}{f'{self._utc:%f}' if self._utc.microsecond else ''}z"

    @property
    def datasets(self) -> tuple[str, str]:
        """The datasets of this instant."""
        return f"{STAGING}_{self.suffix}", f"{MARTS}_{self.suffix}"

    @property
    def moment(self) -> str:
        """The instant in UTC, in the form of the models' variable ``as_of``."""
        return self._utc.replace(tzinfo=None).isoformat(" ")

    @property
    def _utc(self) -> datetime:
        return self.instant.astimezone(timezone.utc)


def build_as_of(settings: Settings, as_of: AsOf, window: DateWindow, domains: Sequence[str]) -> None:
    """Builds the models of these domains; models by day in the window. Call it while no other process builds.

    dbt fixes the datasets' names when it parses, so this parses the project again, in a temporary folder.

    Raises:
        DbtError: dbt failed.
    """
    from dbt.cli.main import dbtRunner

    messages: list[str] = []

    def listen(message: Any) -> None:
        if message.info.level == "error":
            messages.append(message.info.msg)

    variables = {"as_of": as_of.moment, "as_of_schema": as_of.suffix, **window_variables(window)}
    use_environment(settings)
    if settings.target == "bigquery":
        find_jobs_of_lost_answers()
    drop_debug_messages()
    with tempfile.TemporaryDirectory(prefix="mdp-dbt-as-of-") as target:
        selection = ["--select", *(f"tag:{domain}" for domain in domains)]
        flags = [*common_flags(Path(target)), "--no-write-json", "--log-level-file", "none", "--log-level", "none"]
        command = ["--quiet", "run", *selection, *flags, "--vars", json.dumps(variables)]
        try:
            result = dbtRunner(callbacks=[listen]).invoke(command)
        finally:
            close_connections()
    if not result.success:
        raise DbtError("\n".join(messages) or f"dbt could not build as of {as_of.moment}: {result.exception}")
