"""Bugs that can be put into MDP by an environment variable. Chaos must notice them, in its test or by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

VARIABLE = "CHAOS_SABOTAGE"


def lose_a_row_after_a_retry() -> None:
    """After any retry, each extract of Google's campaigns lacks a row."""
    from mdp_dagster.connectors.google_ads.connector import GoogleAdsConnector
    from mdp_dagster.connectors.retry import RetryPolicy

    tries = 0
    run, gather = RetryPolicy.run, GoogleAdsConnector._gather

    def counted(self: RetryPolicy, call: Callable[[], Any], *arguments: Any, **named: Any) -> Any:
        tried = 0

        def counting() -> Any:
            nonlocal tried, tries
            tried += 1
            tries = max(tries, tried)
            return call()

        return run(self, counting, *arguments, **named)

    def short(self: GoogleAdsConnector, report: Any, *arguments: Any) -> Any:
        gathered = gather(self, report, *arguments)
        if tries > 1 and report.name == "campaign_daily" and gathered._batches:
            gathered._batches[-1] = gathered._batches[-1].slice(1)
        return gathered

    RetryPolicy.run = counted  # type: ignore
    GoogleAdsConnector._gather = short  # type: ignore


def lock_nothing() -> None:
    """MDP's lock on the warehouse does not lock. DuckDB's own lock still works."""
    from types import SimpleNamespace

    from mdp_dagster.warehouse import lock

    harmless = SimpleNamespace(flock=lambda *_: None, LOCK_EX=0, LOCK_NB=0, LOCK_UN=0)
    lock.fcntl = harmless  # type: ignore


SABOTAGES = {sabotage.__name__: sabotage for sabotage in (lose_a_row_after_a_retry, lock_nothing)}
