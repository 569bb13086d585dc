"""The time limit of requests: one thread cuts each of them at its own deadline."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from mdp_dagster.deadlines.socket_deadline import SocketDeadline
from tests.support.limits import HANG_SECONDS


class OneSocket(SocketDeadline):
    """The limit of a request that waits for this socket."""

    def __init__(self, seconds: float, waiting: socket.socket) -> None:
        super().__init__(seconds)
        self.waiting = waiting

    def open_sockets(self) -> Iterable[Any]:
        return [None, self.waiting]


@pytest.fixture
def silent() -> Iterator[socket.socket]:
    """A socket to which nobody sends anything."""
    ours, theirs = socket.socketpair()
    ours.settimeout(HANG_SECONDS)
    with ours, theirs:
        yield ours


def test_a_shorter_limit_cuts_first_and_a_longer_one_goes_on(silent: socket.socket) -> None:
    other, sender = socket.socketpair()
    with other, sender, OneSocket(HANG_SECONDS, other) as long, OneSocket(0.05, silent) as short:
        assert silent.recv(1) == b"", "the wait ended"
        sender.send(b"x")
        assert other.recv(1) == b"x"
    assert short.expired and not long.expired


def test_a_request_that_ended_in_time_is_never_cut() -> None:
    ours, sender = socket.socketpair()
    with ours, sender:
        with OneSocket(0.05, ours) as deadline:
            pass
        time.sleep(0.2)  # past its deadline
        sender.send(b"x")
        assert ours.recv(1) == b"x" and not deadline.expired


def test_a_socket_that_opens_after_the_deadline_is_cut_too(silent: socket.socket) -> None:
    """A connection shows its socket only after the TLS handshake."""
    deadline = OneSocket(0.0, silent)
    cuts: list[float] = []

    def sockets() -> Iterable[Any]:
        cuts.append(time.monotonic())
        return [silent] if len(cuts) > 1 else [None]

    deadline.open_sockets = sockets  # type: ignore[method-assign]
    with deadline:
        assert silent.recv(1) == b""
    assert len(cuts) == 2 and deadline.expired


def test_many_requests_have_one_thread(silent: socket.socket) -> None:
    with OneSocket(HANG_SECONDS, silent):
        before = threading.active_count()
        for _ in range(50):
            with OneSocket(HANG_SECONDS, silent), OneSocket(HANG_SECONDS, silent):
                assert threading.active_count() == before
