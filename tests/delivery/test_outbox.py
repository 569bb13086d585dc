"""Each email is sent once, also over bad servers, repeated runs and kills."""

from __future__ import annotations

import errno
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import AuthResult

from mdp_dagster.delivery import outbox, smtp_server
from mdp_dagster.delivery.errors import DeliveryError
from mdp_dagster.delivery.mail import Mail, Sender, one_line, read_sender
from mdp_dagster.delivery.outbox import PATIENT, Outbox, Outcome, Patience, SentMails, Status
from mdp_dagster.delivery.places import Place, place_of
from mdp_dagster.delivery.smtp_server import SmtpError, read_smtp_url
from sandbox.certificates import server_certificate
from tests.delivery.mail_servers import Server, raw, running
from tests.support.emulators.google_cloud import GoogleCloud
from tests.support.limits import HANG_SECONDS

NOW = datetime(2026, 11, 28, 2, 10, tzinfo=timezone.utc)
MDP = Sender("MDP", "mdp@example.com")
A, B = "a@example.com", "b@example.com"
MAIL = Mail("acme", date(2026, 11, 27), "summary", (A, B), "Ventes du 27", "Bonjour à tous", "<p>Bonjour à tous</p>")


@pytest.fixture(scope="module")
def shared() -> Iterator[Server]:
    with running() as server:
        yield server


@pytest.fixture
def server(shared: Server) -> Server:
    shared.messages, shared.recipients, shared.answers, shared.refuse = [], [], [], {}
    return shared


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return place_of(str(tmp_path / "sent_mails"), "MDP_LAKE_URI", None, HANG_SECONDS)


class Run:
    """A run's outbox. ``waited`` has its pauses."""

    def __init__(self, place: Place, url: str, patience: Patience = PATIENT) -> None:
        self.waited: list[float] = []
        self._outbox = Outbox(read_smtp_url(url), MDP, place, patience, self.waited.append)

    def send(self, *mails: Mail) -> list[Outcome]:
        return self._outbox.send(mails or (MAIL,), NOW)


def statuses(outcomes: list[Outcome]) -> list[Status]:
    return [outcome.status for outcome in outcomes]


def test_an_email_arrives_with_its_parts_and_headers(server: Server, place: Place) -> None:
    assert statuses(Run(place, server.url).send()) == [Status.SENT]
    [message] = server.messages
    assert message["From"] == "MDP <mdp@example.com>"
    assert message["To"] == f"{A}, {B}"
    assert message["Subject"] == "Ventes du 27"
    assert message["Auto-Submitted"] == "auto-generated" and message["Content-Language"] == "fr"
    assert message["Message-ID"] == f"<mdp.20261127.{MAIL.identity}@example.com>"
    text, html = message.get_body(("plain",)), message.get_body(("html",))
    assert text is not None and text.get_content().strip() == "Bonjour à tous"
    assert html is not None and html.get_content().strip() == "<p>Bonjour à tous</p>"


def test_a_second_run_sends_nothing(server: Server, place: Place) -> None:
    assert statuses(Run(place, server.url).send()) == [Status.SENT]
    changed = replace(MAIL, subject="Ventes du 27, corrigées")
    assert statuses(Run(place, server.url).send(changed)) == [Status.SENT_BEFORE]
    assert len(server.messages) == 1


def test_each_client_day_and_kind_is_an_email_of_its_own(server: Server, place: Place) -> None:
    others = [replace(MAIL, client="other"), replace(MAIL, day=date(2026, 11, 28)), replace(MAIL, kind="alert/x")]
    assert statuses(Run(place, server.url).send(MAIL, *others)) == [Status.SENT] * 4
    assert len({message["Message-ID"] for message in server.messages}) == 4


def test_two_runs_at_the_same_time_send_it_once(server: Server, place: Place) -> None:
    runs = [Run(place, server.url) for _ in range(4)]
    threads = [threading.Thread(target=run.send) for run in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(HANG_SECONDS)
    assert len(server.messages) == 1


def test_a_kill_after_the_acceptance_repeats_it_with_the_same_id(
    server: Server, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def die(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(SentMails, "add", die)
        Run(place, server.url).send()
    assert statuses(Run(place, server.url).send()) == [Status.SENT]
    assert [message["Message-ID"] for message in server.messages] == [server.messages[0]["Message-ID"]] * 2


def test_a_recipient_who_is_refused_does_not_keep_it_from_the_others(server: Server, place: Place) -> None:
    server.refuse = {B: "550 no such user b@example.com"}
    run = Run(place, server.url)
    [outcome] = run.send()
    assert outcome.status is Status.PARTLY_SENT and run.waited == []
    assert outcome.failure == "1 of 2 recipients: 550 no such user …@example.com → correct the address"
    server.refuse = {}
    assert statuses(Run(place, server.url).send()) == [Status.SENT]
    assert server.recipients == [[A], [B]]
    assert statuses(Run(place, server.url).send()) == [Status.SENT_BEFORE]


def test_a_recipient_who_is_refused_for_now_is_tried_again(server: Server, place: Place) -> None:
    server.refuse = {B: "451 greylisted"}
    run = Run(place, server.url)

    def wait(_: float) -> None:
        server.refuse = {}

    run._outbox._wait = wait
    assert statuses(run.send()) == [Status.SENT]
    assert server.recipients == [[A], [B]]


@pytest.mark.parametrize(
    ("answer", "pauses", "status"),
    [
        ("451 try again", [PATIENT.pauses[0]], Status.SENT),
        ("554 spam", [], Status.FAILED),
    ],
)
def test_a_refused_content_is_sent_again_only_if_that_may_help(
    server: Server, place: Place, answer: str, pauses: list[float], status: Status
) -> None:
    server.answers = [answer]
    run = Run(place, server.url)
    assert statuses(run.send()) == [status]
    assert run.waited == pauses


def test_a_server_that_is_down_all_night_costs_minutes_and_the_next_run_sends(server: Server, place: Place) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    run = Run(place, f"smtp://127.0.0.1:{port}")
    outcomes = run.send(MAIL, replace(MAIL, client="other"))
    assert statuses(outcomes) == [Status.FAILED] * 2
    assert run.waited == list(PATIENT.pauses), "the emails of a run share the pauses"
    assert f"smtp://127.0.0.1:{port}: " in outcomes[0].failure and "→ check MDP_SMTP_URL" in outcomes[0].failure
    assert statuses(Run(place, server.url).send()) == [Status.SENT]


GREETING = b"220 ready\r\n"


def answers(connection: socket.socket, after_data: bytes | None) -> None:
    """A minimal SMTP server that closes the connection after the content, without an answer if there is none."""
    connection.sendall(GREETING)
    lines, in_content = connection.makefile("rb"), False
    for line in lines:
        if in_content:
            if line == b".\r\n":
                if after_data:
                    connection.sendall(after_data)
                return
        elif line[:4].upper() == b"DATA":
            in_content = True
            connection.sendall(b"354 go on\r\n")
        else:
            connection.sendall(b"250 OK\r\n")


def drip(connection: socket.socket) -> None:
    """Sends a byte now and then, so that no read takes long."""
    for byte in b"220 " + b"x" * 10_000:
        connection.sendall(bytes([byte]))
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("talk", "words"),
    [
        (drip, "did not arrive within 1 s"),
        (lambda connection: answers(connection, None), "Connection unexpectedly closed"),
        (lambda connection: answers(connection, b"421 going down\r\n"), "421 going down"),
        (lambda connection: connection.sendall(b"554 go away\r\n"), "554 go away"),
        (lambda connection: connection.sendall(b"\xff\xfe nonsense\r\n"), ""),
        (lambda connection: None, ""),
    ],
    ids=["drips", "drops after the content", "goes down", "refuses", "talks nonsense", "hangs up"],
)
def test_a_bad_server_is_a_failure_with_a_remedy(
    place: Place, monkeypatch: pytest.MonkeyPatch, talk: Callable[[socket.socket], None], words: str
) -> None:
    monkeypatch.setattr(outbox, "MAIL_SECONDS", 1.0)
    with raw(talk) as url:
        [outcome] = Run(place, url, Patience((1.0,), HANG_SECONDS)).send()
    assert outcome.status is Status.FAILED
    assert words in outcome.failure and " → " in outcome.failure
    assert list(place.paths("")) in ([], [".lock"])


def test_a_server_that_drips_has_one_time_limit_for_all_emails(place: Place) -> None:
    mails = [replace(MAIL, client=f"client-{n}") for n in range(20)]
    started = time.monotonic()
    with raw(drip) as url:
        outcomes = Run(place, url, Patience(PATIENT.pauses, 1.0)).send(*mails)
    assert time.monotonic() - started < 20
    assert statuses(outcomes) == [Status.FAILED] * 20
    assert "the mail server took more than 1 s for the emails of this run → check it" in outcomes[-1].failure


def test_another_server_needs_encryption(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server of the test counts as a remote one."""
    monkeypatch.setattr(smtp_server.SmtpServer, "is_this_machine", False)
    with raw(lambda connection: answers(connection, b"250 OK\r\n")) as url:
        [outcome] = Run(place, url).send()
    assert "STARTTLS extension not supported" in outcome.failure and "use a server with STARTTLS" in outcome.failure


def test_a_server_without_tls_is_not_reached_by_smtps(server: Server) -> None:
    smtps = read_smtp_url(server.url.replace("smtp://", "smtps://"))
    with pytest.raises(SmtpError, match="→ use smtp:// for STARTTLS"):
        smtps.send(MAIL.message(MDP, NOW), MDP.address, [A])


@pytest.fixture
def tls(tmp_path: Path) -> tuple[ssl.SSLContext, Path]:
    """The TLS of a server on 127.0.0.1, and the authority that its clients must trust."""
    certificate, context = server_certificate(tmp_path), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    (tmp_path / "chain.pem").write_bytes(certificate.chain)
    (tmp_path / "key.pem").write_bytes(certificate.key)
    context.load_cert_chain(tmp_path / "chain.pem", tmp_path / "key.pem")
    return context, certificate.ca_path


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
def test_a_server_with_a_trusted_certificate_gets_it_encrypted_and_with_a_login(
    tls: tuple[ssl.SSLContext, Path], place: Place, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    context, authority = tls
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))
    options: dict[str, Any] = (
        {"ssl_context": context} if scheme == "smtps" else {"tls_context": context, "require_starttls": True}
    )
    logins = []

    def authenticate(server: Any, session: Any, envelope: Any, mechanism: str, login: Any) -> AuthResult:
        logins.append((login.login, login.password))
        return AuthResult(success=True)

    with running(
        authenticator=authenticate, auth_require_tls=scheme == "smtp", auth_required=True, **options
    ) as server:
        [outcome] = Run(place, server.url.replace("smtp://", f"{scheme}://us%40er:p%3A%2F%25@")).send()
    assert (outcome.status, outcome.failure) == (Status.SENT, "")
    assert logins == [(b"us@er", b"p:/%")] and len(server.messages) == 1


def test_a_certificate_of_an_unknown_authority_is_refused(tls: tuple[ssl.SSLContext, Path], place: Place) -> None:
    with running(tls_context=tls[0]) as server:
        [outcome] = Run(place, server.url).send()
    assert outcome.status is Status.FAILED and "certificate verify failed" in outcome.failure
    assert "→ use the host name of the server's certificate" in outcome.failure
    assert server.messages == []


def test_a_wrong_password_is_named_without_the_password(place: Place) -> None:
    with running(authenticator=lambda *_: False, auth_require_tls=False) as server:
        url = server.url.replace("smtp://", "smtp://user:p%40ss%2Fword@")
        server.url = url
        run = Run(place, url)
        [outcome] = run.send()
    assert outcome.status is Status.FAILED and run.waited == []
    assert "→ correct the user and the password in MDP_SMTP_URL" in outcome.failure
    assert "p@ss/word" not in outcome.failure


@pytest.mark.parametrize(
    "url",
    [
        "hush", "http://hush@mail", "smtp://", "smtp://:hush@mail", "smtp://user@mail", "smtp://user:hush@mail:port",
        "smtp://user:hush@mail:0", "smtp://user:hush@mail/path", "smtp://user:hush@mail?x=1", "smtp://user:hush@[::1",
        "smtp://user:hush%0d%0aDATA@mail", "smtp://user:hush@mail:99999", "smtp://user:hush@ma il",
    ],
)  # fmt: skip
def test_nonsense_as_a_server_is_refused_without_showing_it(url: str) -> None:
    with pytest.raises(
        DeliveryError, match="^MDP_SMTP_URL: .* → write smtp://user:password@mail.example.com"
    ) as caught:
        read_smtp_url(url)
    assert "hush" not in str(caught.value) and caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("url", "shown", "password"),
    [
        ("smtp://mail.example.com", "smtp://mail.example.com:587", ""),
        ("smtps://u:p%40%3A%2F%25@mail.example.com", "smtps://mail.example.com:465", "p@:/%"),
        ("smtp://u:p@[::1]:2525/", "smtp://[::1]:2525", "p"),
    ],
)
def test_a_server_has_its_usual_port_and_an_unescaped_password(url: str, shown: str, password: str) -> None:
    server = read_smtp_url(url)
    assert (server.display_name, server.password) == (shown, password)
    assert "p@" not in repr(server)


@pytest.mark.parametrize("text", ["", "mdp", "MDP <mdp@>", "MDP <a@b.example>\nBcc: x@y.example", "Ü@example.com"])
def test_a_sender_without_an_address_is_refused(text: str) -> None:
    with pytest.raises(DeliveryError, match="(?s)MDP_MAIL_FROM=.* is not a valid sender → write mdp@example.com"):
        read_sender(text)


INJECTION = "Boutique\r\nBcc: spy@example.com\r\n\r\n<script>\x00\u2028\u202etxt" + "é" * 500


def test_a_name_from_the_data_can_not_add_a_header(server: Server, place: Place) -> None:
    mail = replace(MAIL, subject=INJECTION)
    sending = Outbox(read_smtp_url(server.url), Sender(INJECTION, "mdp@example.com"), place)
    assert statuses(sending.send([mail], NOW)) == [Status.SENT]
    [message] = server.messages
    assert message["Bcc"] is None and server.recipients == [[A, B]]
    assert message["Subject"] == one_line(INJECTION)
    assert (
        message["Subject"].startswith("Boutique Bcc: spy@example.com <script> txtéé") and len(message["Subject"]) == 150
    )


def test_a_record_that_can_not_be_written_or_read_is_a_failure(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    place = place_of(str(tmp_path / "file" / "sent"), "MDP_LAKE_URI", None, 1)
    [outcome] = Run(place, server.url).send()
    assert outcome.status is Status.FAILED and "file/sent" in outcome.failure
    assert server.messages == []


def test_a_full_disk_does_not_keep_the_alert_about_it_back(
    server: Server, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "mkdir", full)
    assert statuses(Run(place, server.url).send()) == [Status.SENT]
    assert len(server.messages) == 1


def test_the_record_has_no_address(server: Server, place: Place, tmp_path: Path) -> None:
    Run(place, server.url).send()
    [record] = (tmp_path / "sent_mails" / "2026-11-27").iterdir()
    assert record.name == f"{MAIL.identity}.1.json"
    assert '"kind": "summary"' in record.read_text() and "@" not in record.read_text()


def test_the_record_may_be_in_a_bucket(server: Server, google_cloud: GoogleCloud) -> None:
    uri = f"gs://{google_cloud.new_bucket()}/lake/sent_mails"
    runs = [Run(place_of(uri, "MDP_LAKE_URI", google_cloud.storage_client, HANG_SECONDS), server.url) for _ in range(2)]
    assert [statuses(run.send()) for run in runs] == [[Status.SENT], [Status.SENT_BEFORE]]
    assert len(server.messages) == 1
