"""Google Ads sends messages for ever: the extract ends at a deadline."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from mdp_dagster.connectors.base import PlatformAccount
from mdp_dagster.connectors.errors import DeadlineError
from tests.connectors.conftest import rows_of
from tests.connectors.google_ads.scripted_server import Script, ScriptedAds


class EndlessMessages:
    """Answers without rows."""

    def __iter__(self) -> Iterator[bytes]:
        while True:
            yield b""
            time.sleep(0.02)


def test_a_stream_that_never_ends_is_an_error_at_the_deadline(ads: ScriptedAds, ads_script: Script) -> None:
    ads_script.begin(EndlessMessages())
    with pytest.raises(DeadlineError, match="DEADLINE_EXCEEDED"):
        rows_of(ads.connector(timeout_seconds=0.5), "account_daily", PlatformAccount("google_ads", "1", "1"))
    assert len(ads_script.asked) == 2
