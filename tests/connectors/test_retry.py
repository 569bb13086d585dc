"""Bounded tries, waits that a quota names, and nothing swallowed."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace

import pytest
import tenacity.nap

from mdp_dagster.connectors.errors import AccountError, ConnectorError, PlatformError, QuotaError, TransientError
from mdp_dagster.connectors.meta_ads.errors import BrokenPagingError
from mdp_dagster.connectors.retry import RetryPolicy

FAST = RetryPolicy(first_wait_seconds=0.001, longest_wait_seconds=0.002, longest_quota_wait_seconds=0.05)


class Script:
    """Raises the errors one after the other, then answers with the number of calls."""

    def __init__(self, *errors: ConnectorError) -> None:
        self.calls = 0
        self._errors: Iterator[ConnectorError] = iter(errors)

    def __call__(self) -> int:
        self.calls += 1
        for error in self._errors:
            raise error
        return self.calls


def test_a_transient_error_is_tried_again() -> None:
    assert FAST.run(Script(TransientError("1"), TransientError("2"))) == 3


def test_tries_are_bounded_and_the_last_error_comes_out() -> None:
    script = Script(*(TransientError(str(n)) for n in range(9)))
    with pytest.raises(TransientError, match="4"):
        FAST.run(script)
    assert script.calls == FAST.attempts == 5


@pytest.mark.parametrize("error", [AccountError("x"), PlatformError("x"), ValueError("x")])
def test_other_errors_come_out_at_once(error: ConnectorError) -> None:
    script = Script(error)
    with pytest.raises(type(error)):
        FAST.run(script)
    assert script.calls == 1


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The waits that a policy makes, which take no time."""
    made: list[float] = []
    monkeypatch.setattr(tenacity.nap, "time", SimpleNamespace(sleep=made.append))
    return made


def test_a_short_quota_is_slept_through(waits: list[float]) -> None:
    assert FAST.run(Script(QuotaError("q", 0.04))) == 2
    [wait] = waits
    assert 0.04 <= wait <= 0.04 + FAST.first_wait_seconds


def test_a_long_quota_is_for_the_caller() -> None:
    script = Script(QuotaError("q", 3600))
    with pytest.raises(QuotaError) as caught:
        FAST.run(script)
    assert caught.value.retry_after_seconds == 3600
    assert script.calls == 1


def test_only_the_given_kind_is_tried_again() -> None:
    assert FAST.run(Script(BrokenPagingError("x")), retry_on=BrokenPagingError) == 2
    for error in (TransientError("x"), QuotaError("x", 0.01)):
        with pytest.raises(type(error)):
            FAST.run(Script(error), retry_on=BrokenPagingError)


def test_waits_grow_to_their_limit(waits: list[float]) -> None:
    policy = RetryPolicy(attempts=7, first_wait_seconds=10, longest_wait_seconds=35)
    with pytest.raises(TransientError):
        policy.run(Script(*(TransientError("x") for _ in range(9))))
    assert len(waits) == 6
    assert 10 <= waits[0] <= 20 <= waits[1] <= 30
    assert waits[2:] == [35] * 4
