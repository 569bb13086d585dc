"""A command ends its processes after every signal, at every moment."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import time

import pytest

from mdp_dagster.cli.processes import interruptible, running_process

_SLEEP = [sys.executable, "-c", "import time; time.sleep(1000)"]
_DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(1000)"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_first_signal_ends_the_block_and_its_process(number: int) -> None:
    with pytest.raises(KeyboardInterrupt), interruptible(), running_process(_SLEEP) as process:
        os.kill(os.getpid(), number)
    assert process.poll() is not None


def test_later_signals_do_not_break_off_the_cleanup() -> None:
    cleaned = False
    with pytest.raises(KeyboardInterrupt), interruptible(), running_process(_SLEEP) as process:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)
            os.kill(os.getpid(), signal.SIGINT)
            cleaned = True
    assert cleaned
    assert process.poll() is not None


def test_a_library_that_turns_the_signal_into_an_error_does_not_hide_it() -> None:
    with pytest.raises(KeyboardInterrupt), interruptible():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        except KeyboardInterrupt:
            raise ValueError("cannot operate on a closed database") from None


class _Cycle:
    """Garbage that only the collector finds."""

    def __init__(self) -> None:
        self.itself = self

    def __del__(self) -> None:
        os.kill(os.getpid(), signal.SIGTERM)


def test_a_signal_during_garbage_collection_is_not_lost(capfd: pytest.CaptureFixture[str]) -> None:
    _Cycle()
    with pytest.raises(KeyboardInterrupt), interruptible():
        gc.collect()
        time.sleep(60)
    assert "Traceback" not in capfd.readouterr().err


def test_an_error_without_a_signal_stays_as_it_is() -> None:
    with pytest.raises(ValueError, match="a fault"), interruptible():
        raise ValueError("a fault")


def test_a_signal_while_the_process_starts_leaves_none_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[subprocess.Popen[bytes]] = []
    real = subprocess.Popen

    def start(*arguments: object, **options: object) -> subprocess.Popen[bytes]:
        process = real(*arguments, **options)  # type: ignore[call-overload]
        started.append(process)
        os.kill(os.getpid(), signal.SIGTERM)
        return process  # type: ignore[no-any-return]

    monkeypatch.setattr(subprocess, "Popen", start)
    with pytest.raises(KeyboardInterrupt), interruptible(), running_process(_SLEEP):
        pytest.fail("the block has begun")
    assert started[0].poll() is not None


def test_a_process_that_does_not_stop_is_killed() -> None:
    with running_process([sys.executable, "-c", _DEAF], stop_seconds=0.2, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
    assert process.returncode == -signal.SIGKILL


def test_the_handlers_of_before_are_restored() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    with interruptible():
        pass
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)] == before
