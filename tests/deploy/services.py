"""The services of deploy/docker-compose.yaml as processes on this machine.

Commands, health checks and environment come from the file. Only hosts, ports and folders are this machine's.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import yaml

from tests.support.clock import machine_environment
from tests.support.limits import HANG_SECONDS

from .postgres import free_port

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
_LIBPQ = {"host": "host", "port": "port", "dbname": "db", "user": "user", "password": "password"}


def compose(variables: dict[str, str]) -> dict[str, Any]:
    """The compose file with its variables filled in. Raises ``KeyError`` for a required variable that is missing."""

    def filled(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: filled(part) for name, part in value.items()}
        if isinstance(value, list):
            return [filled(part) for part in value]
        return re.sub(r"\$\{(\w+)(?::([-?])([^}]*))?\}", variable, value) if isinstance(value, str) else value

    def variable(found: re.Match[str]) -> str:
        name, kind, otherwise = found.groups()
        return variables[name] if kind != "-" or variables.get(name) else otherwise

    filled_in: dict[str, Any] = filled(yaml.safe_load((DEPLOY / "docker-compose.yaml").read_text()))
    return filled_in


class Services:
    """Starts services one by one, and ends all of them."""

    def __init__(self, folder: Path, storage: dict[str, str]) -> None:
        self.folder = folder
        self._services = compose({"DAGSTER_POSTGRES_PASSWORD": storage["DAGSTER_POSTGRES_PASSWORD"]})["services"]
        self._code_port, self._web_port = free_port(), free_port()
        self.home = folder / "dagster"
        self.home.mkdir()
        (self.home / "dagster.yaml").symlink_to(DEPLOY / "dagster.yaml")
        self.home.chmod(0o555)
        self._here = {**storage, "CODE_HOST": "127.0.0.1", "CODE_PORT": str(self._code_port)}
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def storage_address(self) -> str:
        """The address for psycopg2."""
        at = {name.removeprefix("DAGSTER_POSTGRES_").lower(): value for name, value in self._here.items()}
        return " ".join(f"{name}='{at[part]}'" for name, part in _LIBPQ.items())

    @property
    def web(self) -> str:
        return f"http://127.0.0.1:{self._web_port}"

    def environment(self, service: str) -> dict[str, str]:
        said = {
            name: value.replace("/run/mdp-secrets", str(self.folder))
            for name, value in self._services[service]["environment"].items()
        }
        assert set(self._here) <= set(said), "a variable that dagster.yaml and workspace.yaml read is missing"
        here = {"DAGSTER_HOME": str(self.home), "PYTHONPATH": str(ROOT), "PYTHONFAULTHANDLER": "1"}
        return {**machine_environment(), **said, **self._here, **here}

    def start(self, service: str) -> subprocess.Popen[bytes]:
        with self._log(service).open("wb") as log:
            self._running[service] = subprocess.Popen(
                self._here_for(self._services[service]["command"]),
                cwd=self.folder,
                env=self.environment(service),
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return self._running[service]

    def wait_until_ended(self, service: str) -> None:
        code = self._running[service].wait(HANG_SECONDS)
        assert code == 0, self.said(service)

    def wait_until_healthy(self, service: str) -> None:
        deadline = time.monotonic() + HANG_SECONDS
        while not self._listens(service) or self._check(service) != 0:
            assert self._running[service].poll() is None and time.monotonic() < deadline, self.said(service)
            time.sleep(0.1)

    def stop(self, service: str) -> int:
        """Stop a service like `docker compose stop`, and return its exit code."""
        process = self._running[service]
        process.terminate()
        try:
            return process.wait(HANG_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGABRT)  # each of its processes prints the stacks of its threads
            time.sleep(1)
            raise AssertionError(self.said(service, 40_000)) from None

    def said(self, service: str, characters: int = 4000) -> str:
        return f"{service}:\n{self._log(service).read_text()[-characters:]}\n"

    def _listens(self, service: str) -> bool:
        """Whether the port is open. This avoids the health check, a process of two seconds, while it can't succeed."""
        port = {"code": self._code_port, "webserver": self._web_port}.get(service)
        with socket.socket() as caller:
            return port is None or caller.connect_ex(("127.0.0.1", port)) == 0

    def _check(self, service: str) -> int:
        kind, *command = self._services[service]["healthcheck"]["test"]
        assert kind == "CMD"
        with self._log(service).open("ab") as log:
            return subprocess.run(
                self._here_for(command), env=self.environment(service), cwd=self.folder, stdout=log, stderr=log
            ).returncode

    def _here_for(self, command: list[str]) -> list[str]:
        """The command with this machine's hosts, ports and folders."""
        instead = {
            "0.0.0.0": "127.0.0.1",
            "4000": str(self._code_port),
            "3000": str(self._web_port),
            "/opt/mdp/workspace.yaml": str(DEPLOY / "workspace.yaml"),
        }
        program = Path(sys.executable).with_name(command[0])
        return [str(program), *(instead.get(word, word.replace(":3000", f":{self._web_port}")) for word in command[1:])]

    def _log(self, service: str) -> Path:
        return self.folder / f"{service}.log"

    def __enter__(self) -> Services:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for process in self._running.values():  # its unfinished work is in a database that is deleted with it
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
