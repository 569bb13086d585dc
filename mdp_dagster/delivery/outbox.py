"""Sends each email once, with retries, and records the accepted ones.

The record is written after the server accepted the email. A process that is killed in between sends it again: with the
same Message-ID, by which mail systems recognise a repetition. The other order would lose the email instead. For the
same reason, a full or read-only disk does not keep an email back.
"""

from __future__ import annotations

import errno
import hashlib
import json
import logging
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from mdp_dagster.delivery.errors import DeliveryError
from mdp_dagster.delivery.mail import Mail, Sender
from mdp_dagster.delivery.places import Place
from mdp_dagster.delivery.smtp_server import MAIL_SECONDS, SmtpError, SmtpServer

log = logging.getLogger(__name__)

_NO_NEW_FILES = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)  # the email may be the alert about it


@dataclass(frozen=True)
class Patience:
    """How long to try, over all emails of a run together.

    Args:
        pauses: The seconds between two attempts.
        seconds: The time limit. No attempt begins or continues after it.
    """

    pauses: tuple[float, ...]
    seconds: float


PATIENT = Patience((5.0, 20.0, 60.0, 120.0), 600.0)
"""A server that is down delays a run by four minutes."""


class Status(str, Enum):
    """The state of an email after an attempt."""

    SENT = "sent"
    SENT_BEFORE = "sent before"
    PARTLY_SENT = "sent to some"
    FAILED = "failed"


@dataclass(frozen=True)
class Outcome:
    """The result for an email. ``failure`` has the last fault, and is empty if there was none."""

    mail: Mail
    status: Status
    failure: str = ""


class SentMails:
    """The record of accepted emails: files that are only added, one for each email and attempt that succeeded."""

    def __init__(self, place: Place) -> None:
        self._place = place

    def recipients(self, mail: Mail) -> set[str]:
        """Returns those recipients of the email for whom it was accepted before. Raises ``DeliveryError``."""
        try:
            accepted: set[str] = set()
            for path in self._paths(mail):
                with self._place.stream(path) as file:
                    accepted |= set(json.load(file)["accepted_for"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise self._unusable(error) from error
        return {address for address in mail.recipients if _digest(address) in accepted}

    def add(self, mail: Mail, recipients: Sequence[str], now: datetime) -> None:
        """Records that the email was accepted for these recipients. Raises ``DeliveryError``."""
        record = {
            "client": mail.client,
            "day": mail.day.isoformat(),
            "kind": mail.kind,
            "subject": mail.subject,
            "accepted_at": now.isoformat(timespec="seconds"),
            # Digests: the record must not be a list of addresses.
            "accepted_for": sorted(map(_digest, recipients)),
        }
        try:
            path = f"{self._folder(mail)}/{mail.identity}.{len(self._paths(mail)) + 1}.json"
            file = self._place.new_file(path)
            try:
                file.content.write(json.dumps(record, indent=1, ensure_ascii=False).encode())
                file.finish(path)
            finally:
                file.discard()
        except OSError as error:
            raise self._unusable(error) from error

    def _paths(self, mail: Mail) -> list[str]:
        paths = self._place.paths(self._folder(mail))
        return sorted(path for path in paths if path.rpartition("/")[2].startswith(f"{mail.identity}."))

    @staticmethod
    def _folder(mail: Mail) -> str:
        return f"{mail.day:%Y-%m-%d}"

    def _unusable(self, error: Exception) -> DeliveryError:
        remedy = getattr(error, "remedy", "") or "check the folder and MDP_LAKE_URI"
        return DeliveryError(f"the record of sent emails {self._place.uri} can't be used: {error} → {remedy}")


class Outbox:
    """Sends emails.

    Args:
        server: The mail server.
        sender: The sender of all emails.
        place: The folder of the record.
        patience: How long to try.
        wait: Waits between two attempts.
    """

    def __init__(
        self,
        server: SmtpServer,
        sender: Sender,
        place: Place,
        patience: Patience = PATIENT,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        self._server = server
        self._sender = sender
        self._place = place
        self._sent = SentMails(place)
        self._wait = wait
        self._pauses = list(patience.pauses)
        self._seconds = patience.seconds

    def send(self, mails: Sequence[Mail], now: datetime) -> list[Outcome]:
        """Sends the emails that were not sent before. A fault of one does not stop the others, and raises nothing.

        Args:
            mails: The emails.
            now: The time, for their headers and the record.
        """
        outcomes = []
        deadline = time.monotonic() + self._seconds
        for mail in mails:
            try:
                outcomes.append(self._send_alone(mail, now, deadline))
            except (DeliveryError, OSError) as error:
                outcomes.append(Outcome(mail, Status.FAILED, str(error)))
        for outcome in outcomes:
            if outcome.failure:
                log.error("%s of %s, %s: %s", outcome.mail.kind, outcome.mail.client, outcome.mail.day, outcome.failure)
        return outcomes

    def _send_alone(self, mail: Mail, now: datetime, deadline: float) -> Outcome:
        with ExitStack() as stack:
            try:
                stack.enter_context(self._place.exclusive())  # two runs at the same time send it once
            except OSError as error:
                if error.errno not in _NO_NEW_FILES:
                    raise
                log.warning("%s of %s is sent without a record: %s", mail.kind, mail.client, error)
                return self._send(mail, now, deadline, recorded=False)
            return self._send(mail, now, deadline)

    def _send(self, mail: Mail, now: datetime, deadline: float, *, recorded: bool = True) -> Outcome:
        accepted = self._sent.recipients(mail) if recorded else set()
        waiting = [address for address in mail.recipients if address not in accepted]
        if not waiting:
            return Outcome(mail, Status.SENT_BEFORE)
        message = mail.message(self._sender, now)
        while True:
            try:
                seconds = min(MAIL_SECONDS, deadline - time.monotonic())
                if seconds <= 0:
                    raise SmtpError(
                        f"the mail server took more than {self._seconds:g} s for the emails of this run → check it, "
                        "then run again",
                        temporary=False,
                    )
                refusals = self._server.send(message, self._sender.address, waiting, seconds)
                new = [address for address in waiting if address not in refusals]
                accepted |= set(new)
                if recorded:
                    self._sent.add(mail, new, now)
                waiting = [address for address, error in refusals.items() if error.temporary]
                failure: SmtpError | None = next(iter(refusals.values()), None)
                again = bool(waiting)
            except SmtpError as error:
                failure, again = error, error.temporary
            if not again or not self._pauses:
                break
            pause = self._pauses.pop(0)
            log.warning("%s of %s: %s; another attempt in %g s", mail.kind, mail.client, failure, pause)
            self._wait(pause)
        if len(accepted) == len(mail.recipients):
            return Outcome(mail, Status.SENT)
        if not accepted:
            return Outcome(mail, Status.FAILED, str(failure))
        missing = len(mail.recipients) - len(accepted)
        return Outcome(mail, Status.PARTLY_SENT, f"{missing} of {len(mail.recipients)} recipients: {failure}")


def _digest(address: str) -> str:
    return hashlib.sha256(address.lower().encode()).hexdigest()[:32]
