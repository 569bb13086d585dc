"""Sends an email by SMTP, encrypted, with a time limit for all of it."""

from __future__ import annotations

import re
import smtplib
import socket
import ssl
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from email.message import EmailMessage
from ipaddress import ip_address
from urllib.parse import unquote, urlsplit

from mdp_dagster.connectors.call_deadline import within_deadline
from mdp_dagster.connectors.errors import DeadlineError
from mdp_dagster.connectors.redaction import redact
from mdp_dagster.delivery.errors import DeliveryError

_SETTING = "MDP_SMTP_URL"
_PORTS = {"smtp": 587, "smtps": 465}
_EXAMPLE = "smtp://user:password@mail.example.com:587 or smtps://user:password@mail.example.com"
_MOST_TEXT = 300
_READY = 220
_TEMPORARY = range(400, 500)
WAIT_SECONDS = 20.0
"""How long one answer of the server may take."""
MAIL_SECONDS = 90.0
"""How long it may take to send one email, in total."""


class SmtpError(DeliveryError):
    """The server did not accept an email. ``temporary``: the same may succeed later."""

    def __init__(self, message: str, temporary: bool) -> None:
        super().__init__(message)
        self.temporary = temporary


@dataclass(frozen=True)
class SmtpServer:
    """A mail server.

    Args:
        host: The name or the address.
        port: The port.
        encrypted: Whether the connection begins with TLS (``smtps``). Otherwise STARTTLS follows.
        user: The user; empty to send without a login.
        password: The password.
    """

    host: str
    port: int
    encrypted: bool
    user: str = ""
    password: str = field(default="", repr=False)

    @property
    def display_name(self) -> str:
        """The address without user and password."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'smtps' if self.encrypted else 'smtp'}://{host}:{self.port}"

    @property
    def is_this_machine(self) -> bool:
        """Whether the server is on this machine, which is reached without a network."""
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    def send(
        self, message: EmailMessage, sender: str, recipients: Sequence[str], seconds: float = MAIL_SECONDS
    ) -> dict[str, SmtpError]:
        """Sends a message, and returns the error of each recipient that the server refused.

        Raises:
            SmtpError: The server accepted no recipient, or can't be used.
        """
        session = _Session(self)
        remedy = f"check {_SETTING} and the mail server"
        try:
            return within_deadline(
                lambda: session.send(message, sender, recipients), seconds, f"the answer of {self.display_name}", remedy
            )
        except DeadlineError as error:
            session.abort()
            raise SmtpError(str(error), temporary=True) from None


def read_smtp_url(url: str) -> SmtpServer:
    """Returns the server at an address. User and password are percent-encoded in it.

    Raises:
        DeliveryError: The address can't be used. The message does not contain it, because it has a password.
    """

    def fault(text: str) -> DeliveryError:
        return DeliveryError(f"{_SETTING}: {text} → write {_EXAMPLE}; escape special characters, as in %40 for @")

    try:
        parts = urlsplit(url.strip())
        port = parts.port
    except ValueError:
        raise fault("the host or the port is not valid") from None
    if parts.scheme not in _PORTS:
        raise fault("it does not begin with smtp:// or smtps://")
    if not parts.hostname or not re.fullmatch(r"[A-Za-z0-9._:-]+", parts.hostname, re.ASCII):
        raise fault("it has no valid host")
    if port == 0 or parts.path.strip("/") or parts.query or parts.fragment:
        raise fault("it has more than user, password, host and port, or its port is 0")
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    if bool(user) != bool(password):
        raise fault("it has a user or a password, but not both")
    if re.search(r"[\x00-\x1f\x7f]", user + password):
        raise fault("the user or the password has a control character")
    return SmtpServer(parts.hostname, port or _PORTS[parts.scheme], parts.scheme == "smtps", user, password)


class _Session:
    """One connection for one message."""

    def __init__(self, server: SmtpServer) -> None:
        self._server = server
        self._client: smtplib.SMTP | None = None
        self._aborted = False

    def abort(self) -> None:
        """Ends the connection at once."""
        self._aborted = True
        if self._client is not None and self._client.sock is not None:
            with suppress(OSError):
                socket.socket.shutdown(self._client.sock, socket.SHUT_RDWR)

    def send(self, message: EmailMessage, sender: str, recipients: Sequence[str]) -> dict[str, SmtpError]:
        """Sends the message. Raises ``SmtpError``."""
        try:
            self._client = client = self._new_client()
            try:
                code, text = client.connect(self._server.host, self._server.port)
                if code != _READY:
                    raise smtplib.SMTPConnectError(code, text)
                self._greet(client)
                if self._aborted:
                    raise ConnectionAbortedError("the time limit has passed")
                refused = client.send_message(message, sender, list(recipients))
            except BaseException:
                client.close()
                raise
            with suppress(smtplib.SMTPException, OSError):  # the message is accepted
                client.quit()
            return {address: self._refusal(code, text) for address, (code, text) in refused.items()}
        except smtplib.SMTPRecipientsRefused as error:
            code, text = next(iter(error.recipients.values()))
            temporary = any(found in _TEMPORARY for found, _ in error.recipients.values())
            raise SmtpError(str(self._refusal(code, text)), temporary) from None
        except (smtplib.SMTPException, OSError) as error:
            raise self._error(error) from None

    def _new_client(self) -> smtplib.SMTP:
        if self._server.encrypted:
            client: smtplib.SMTP = smtplib.SMTP_SSL(timeout=WAIT_SECONDS, context=ssl.create_default_context())
        else:
            client = smtplib.SMTP(timeout=WAIT_SECONDS)
        # The name that certificates are checked against. smtplib takes it from its constructor only.
        client._host = self._server.host  # type: ignore[attr-defined]
        return client

    def _greet(self, client: smtplib.SMTP) -> None:
        """Encrypts the connection and logs in. Only this machine's server may do without encryption."""
        client.ehlo_or_helo_if_needed()
        if not self._server.encrypted and (client.has_extn("starttls") or not self._server.is_this_machine):
            client.starttls(context=ssl.create_default_context())
            client.ehlo_or_helo_if_needed()
        if self._server.user:
            client.login(self._server.user, self._server.password)

    def _refusal(self, code: int, text: bytes | str) -> SmtpError:
        return SmtpError(f"{self._shown(f'{code} {_decoded(text)}')} → correct the address", code in _TEMPORARY)

    def _error(self, error: Exception) -> SmtpError:
        code = error.smtp_code if isinstance(error, smtplib.SMTPResponseException) else None
        if isinstance(error, smtplib.SMTPResponseException):
            text = f"{code} {_decoded(error.smtp_error)}"
        else:
            text = str(error) or type(error).__name__
        temporary, remedy = _judge(error, code)
        return SmtpError(f"{self._server.display_name}: {self._shown(text)} → {remedy}", temporary)

    def _shown(self, text: str) -> str:
        """The server's words in one line, without secrets and without the names in addresses."""
        line = redact(" ".join(text.split()), [self._server.password, self._server.user])
        return re.sub(r"[^\s<>@]+@", "…@", line)[:_MOST_TEXT]


def _judge(error: Exception, code: int | None) -> tuple[bool, str]:
    """Returns whether the same may succeed later, and the remedy."""
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return code in _TEMPORARY, f"correct the user and the password in {_SETTING}"
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return False, f"use a server with STARTTLS and a login, or smtps:// in {_SETTING}"
    if isinstance(error, ssl.SSLCertVerificationError):
        return False, f"use the host name of the server's certificate in {_SETTING}, or install its authority"
    if isinstance(error, ssl.SSLError):
        return False, f"use smtp:// for STARTTLS (port 587), or smtps:// for TLS (port 465) in {_SETTING}"
    if isinstance(error, smtplib.SMTPSenderRefused):
        return code in _TEMPORARY, "set MDP_MAIL_FROM to an address that the server accepts"
    if code is not None:
        return code in _TEMPORARY, "see the server's answer"
    return True, f"check {_SETTING} and the mail server"


def _decoded(text: bytes | str) -> str:
    return text.decode("utf-8", "replace") if isinstance(text, bytes) else text
