"""A mail server that keeps every email in a folder: `<number>_<subject>.eml`, and its HTML part next to it."""

from __future__ import annotations

import re
from asyncio.base_events import Server
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from aiosmtpd.controller import Controller

if TYPE_CHECKING:
    from typing_extensions import Self

_MOST_NAME = 60


class FreePortController(Controller):
    """Runs a server on a free port of 127.0.0.1; `port` is the one that it has."""

    def __init__(self, handler: Any, **options: Any) -> None:
        super().__init__(handler, hostname="127.0.0.1", port=0, **options)

    def _trigger_server(self) -> None:
        assert isinstance(self.server, Server)  # it is started before
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()  # type: ignore[no-untyped-call]


class Mailbox:
    """Accepts emails on 127.0.0.1 for any recipient until it is stopped; a context manager.

    Args:
        folder: The folder for the emails.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._controller = FreePortController(self)

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables that direct MDP to this server."""
        return {"MDP_SMTP_URL": f"smtp://127.0.0.1:{self._controller.port}", "MDP_MAIL_FROM": "MDP <mdp@example.com>"}

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 (aiosmtpd's name)
        """Stores an email. aiosmtpd calls it."""
        message = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(message, EmailMessage)
        number = len(list(self.folder.glob("*.eml"))) + 1
        name = re.sub(r"[^\w-]+", "-", str(message["Subject"]))[:_MOST_NAME].strip("-").lower()
        path = self.folder / f"{number:03d}_{name}"
        html = message.get_body(("html",))
        if html is not None:
            path.with_suffix(".html").write_text(html.get_content(), encoding="utf-8")
        path.with_suffix(".eml").write_bytes(envelope.content)
        return "250 OK"

    def __enter__(self) -> Self:
        self._controller.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._controller.stop()
