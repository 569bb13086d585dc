"""The processes that a command starts: they end with it, also after Ctrl-C, SIGTERM and a closed terminal."""

from __future__ import annotations

import gc
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_AFTER_COLLECTION_SECONDS = 0.05
STOP_SECONDS = 60.0
"""How long a process may take to stop. It only catches a hang."""


@dataclass
class _Interruption:
    """The state of the signals: whether one has arrived, and whether it has to wait for a block or the collection."""

    arrived: bool = False
    deferred: bool = False
    collecting: bool = False


_interruption = _Interruption()


@contextmanager
def interruptible() -> Iterator[None]:
    """Raises ``KeyboardInterrupt`` in the block on the first Ctrl-C, SIGTERM or SIGHUP. Ignores the next ones.

    So the block's own cleanup ends the started processes, and a second signal does not break it off. A shell may have
    started this process with SIGINT ignored; the block changes that too.

    The signal can arrive in a library that turns the interruption into an error of its own, as SQLAlchemy does with a
    connection that it is opening. After a signal, such an error counts as the interruption. Python prints and drops an
    exception that is raised during garbage collection, so a signal waits for the collection's end.
    """
    _interruption.arrived = _interruption.deferred = False
    before = {number: signal.signal(number, _interrupt) for number in (*_SIGNALS, signal.SIGALRM)}
    gc.callbacks.append(_note_collection)
    try:
        yield
        if _interruption.arrived:
            raise KeyboardInterrupt
    except Exception:
        if _interruption.arrived:
            raise KeyboardInterrupt from None
        raise
    finally:
        gc.callbacks.remove(_note_collection)
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)


@contextmanager
def running_process(
    command: Sequence[str], *, stop_signal: int = signal.SIGTERM, stop_seconds: float = STOP_SECONDS, **options: Any
) -> Iterator[subprocess.Popen[bytes]]:
    """Starts a process, and ends it after the block.

    Args:
        command: The command.
        stop_signal: The signal that asks the process to end.
        stop_seconds: After this time, the process is killed.
        **options: Further options of ``subprocess.Popen``.
    """
    process: subprocess.Popen[bytes] | None = None
    try:
        with deferred_interruption():  # an interrupted Popen would leave a process without a name
            process = subprocess.Popen(command, **options)
        yield process
    finally:
        if process is not None:
            with deferred_interruption():
                _end(process, stop_signal, stop_seconds)


def _end(process: subprocess.Popen[bytes], stop_signal: int, stop_seconds: float) -> None:
    with suppress(subprocess.TimeoutExpired):
        if process.poll() is None:
            process.send_signal(stop_signal)
            process.wait(stop_seconds)
    if process.poll() is None:
        process.kill()
        process.wait()


@contextmanager
def deferred_interruption() -> Iterator[None]:
    """Raises an interruption of the block at its end."""
    arrived_before = _interruption.arrived
    _interruption.deferred = True
    try:
        yield
    finally:
        _interruption.deferred = False
    if _interruption.arrived and not arrived_before:
        raise KeyboardInterrupt


def _note_collection(phase: str, info: dict[str, int]) -> None:
    _interruption.collecting = phase == "start"


def _interrupt(number: int, frame: Any) -> None:
    if _interruption.collecting:
        signal.setitimer(signal.ITIMER_REAL, _AFTER_COLLECTION_SECONDS)
        return
    arrived, _interruption.arrived = _interruption.arrived, True
    if not arrived and not _interruption.deferred:
        raise KeyboardInterrupt
