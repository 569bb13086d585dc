"""An email about a client and a day, as text and as HTML."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import date, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr

from mdp_dagster.delivery.errors import DeliveryError

ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.)*[A-Za-z0-9-]{1,63}", re.ASCII)
"""An email address in ASCII. Domains with other letters are written in their ASCII form (xn--)."""

_MOST_SUBJECT = 150
# Line ends would begin a new header. The characters for text direction would turn round the rest of a line.
_NOT_IN_A_LINE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]+")


def one_line(text: str, most: int = _MOST_SUBJECT) -> str:
    """Returns a text from the data as one line without control characters, of limited length."""
    line = " ".join(_NOT_IN_A_LINE.sub(" ", text).split(" ")).strip()
    line = re.sub(" {2,}", " ", line)
    return line if len(line) <= most else f"{line[: most - 1].rstrip()}…"


@dataclass(frozen=True)
class Sender:
    """The sender of all emails: a name, which may be empty, and an address."""

    name: str
    address: str

    @property
    def domain(self) -> str:
        """The part after the @."""
        return self.address.rpartition("@")[2]


def read_sender(text: str) -> Sender:
    """Returns the sender in ``MDP <mdp@example.com>`` or ``mdp@example.com``.

    Raises:
        DeliveryError: The text has no valid address.
    """
    name, address = parseaddr(text)
    if not ADDRESS.fullmatch(address) or _NOT_IN_A_LINE.search(text):
        raise DeliveryError(
            f"MDP_MAIL_FROM={text!r} is not a valid sender → write mdp@example.com, or MDP <mdp@example.com>"
        )
    return Sender(name, address)


@dataclass(frozen=True)
class Mail:
    """An email that is sent once.

    Args:
        client: The client's id.
        day: The day that it is about.
        kind: The kind of email, for example ``summary``. A client gets at most one of each kind for a day.
        recipients: The addresses.
        subject: The subject, without line ends.
        text: The content as text.
        html: The same content as HTML.
    """

    client: str
    day: date
    kind: str
    recipients: tuple[str, ...]
    subject: str
    text: str
    html: str

    @property
    def identity(self) -> str:
        """A digest of client, day and kind: the same for each attempt to send it."""
        return hashlib.sha256("\0".join((self.client, self.day.isoformat(), self.kind)).encode()).hexdigest()[:32]

    def message(self, sender: Sender, now: datetime) -> EmailMessage:
        """Returns the message to send. Its Message-ID is the same each time, so that a repeated one is recognised."""
        message = EmailMessage()
        message["From"] = Address(one_line(sender.name), addr_spec=sender.address)
        message["To"] = [Address(addr_spec=address) for address in self.recipients]
        message["Subject"] = one_line(self.subject)
        message["Date"] = format_datetime(now)
        message["Message-ID"] = f"<mdp.{self.day:%Y%m%d}.{self.identity}@{sender.domain}>"
        message["Auto-Submitted"] = "auto-generated"
        # Quoted-printable passes every server, and its lines are short enough for all of them.
        message.set_content(self.text, cte="quoted-printable")
        message.add_alternative(self.html, subtype="html", cte="quoted-printable")
        message["Content-Language"] = "fr"  # the content's methods remove earlier headers of this kind
        return message
