"""The job of the night, in real runs: the sandbox's shops, PostgreSQL, the lake, the warehouse and dbt."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from mdp_dagster.operational.embedded_server import RunningServer
from sandbox import Sandbox
from sandbox.mailbox import Mailbox
from tests.defs.shop.nights import HARBORLINE, NORDLICHT, Nights, new_database, settings_for
from tests.end_to_end.conftest import enter, servers  # noqa: F401
from tests.support.clock import NOW

pytestmark = pytest.mark.slow

START = NOW.date() - timedelta(days=9)


@pytest.fixture(scope="module")
def nights(
    servers: Sandbox,  # noqa: F811
    postgres_server: RunningServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Nights]:
    """One MDP for all tests of this module: each test is the next night."""
    folder = tmp_path_factory.mktemp("nights")
    with pytest.MonkeyPatch.context() as patch, Mailbox(folder / "mail") as mailbox:
        enter(folder, servers, patch)
        for name, value in mailbox.environment.items():
            patch.setenv(name, value)
        url = new_database(postgres_server.url, "nights")
        settings_for(patch, url, START)
        yield Nights(servers, folder, START, url)


def test_a_night_ends_with_the_shops_own_figures(nights: Nights) -> None:
    checks = nights.run()
    assert nights.is_true(NORDLICHT, HARBORLINE)
    assert [name for name, check in checks.items() if not check.passed] == []


def test_the_files_and_one_email_for_each_client_are_delivered(nights: Nights) -> None:
    assert nights.published_sums("ca_net") == nights.mart_sums("ca_net")
    subjects = [str(mail["Subject"]) for mail in nights.mails()]
    assert [subject.partition(" : ")[0] for subject in subjects] == ["Nordlicht Outdoor", "Harborline Home"]
    nights.run(select='key:"looker_csv" or key:"morning_mail"')
    assert len(nights.mails()) == 2, "a second run sends nothing twice"
