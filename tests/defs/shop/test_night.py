"""The job of the night, in real runs: the sandbox's shops, PostgreSQL, the lake, the warehouse and dbt."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import count
from pathlib import Path

import dagster as dg
import pytest

from mdp_dagster.__main__ import main
from mdp_dagster.definitions import build_definitions, services
from mdp_dagster.defs.shop import night_alerts, raw_tables
from mdp_dagster.defs.shop.jobs import FRESHNESS_JOB, SHOP_JOB
from mdp_dagster.defs.shop.night_alerts import alerts_of_last_sync
from mdp_dagster.ingest.shop_alerts import AlertCause, ShopAlert
from mdp_dagster.lake import LakeError
from mdp_dagster.operational import postgres
from mdp_dagster.operational.embedded_server import RunningServer
from mdp_dagster.settings import load_settings
from sandbox import Sandbox
from sandbox.mailbox import Mailbox
from tests.defs.shop.nights import HARBORLINE, NORDLICHT, Nights, failures, fault, new_database, settings_for
from tests.end_to_end.conftest import enter, servers  # noqa: F401
from tests.support.clock import NOW

pytestmark = pytest.mark.slow

START = NOW.date() - timedelta(days=9)
BEFORE_THE_SYNC = NOW - timedelta(minutes=5)
SYNC = "key:shop/orders_sync"
_calls = count()


@pytest.fixture(scope="module")
def nights(
    servers: Sandbox,  # noqa: F811
    postgres_server: RunningServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Nights]:
    """One MDP for all tests of this module, after its first night. Each test is the next night."""
    folder = tmp_path_factory.mktemp("nights")
    with pytest.MonkeyPatch.context() as patch, Mailbox(folder / "mail") as mailbox:
        enter(folder, servers, patch)
        for name, value in mailbox.environment.items():
            patch.setenv(name, value)
        url = new_database(postgres_server.url, "nights")
        settings_for(patch, url, START)
        nights = Nights(servers, folder, START, url)
        checks = nights.run()
        assert [name for name, check in checks.items() if not check.passed] == []
        yield nights


def an_order(nights: Nights, shop: str) -> int:
    """An order of yesterday that is not a test and has no returns. Each call gives another one."""
    [(order_id,)] = nights.store(
        f"""
        select o.order_id from shop.orders as o
        join shop.shops as s using (shop_id)
        where s.domain = '{shop}' and not o.test and o.deleted_at is null and o.cancelled_at is null
            and o.created_at < '{NOW.date()}' and not exists (
                select from shop.order_sales as r where r.order_id = o.order_id and r.action_type = 'RETURN'
            )
        order by o.order_id desc
        offset {next(_calls)} limit 1
        """
    )
    return int(order_id)


def test_the_files_and_one_email_for_each_client_are_delivered(nights: Nights) -> None:
    assert nights.published_sums("ca_net") == nights.mart_sums("ca_net")
    subjects = [str(mail["Subject"]) for mail in nights.mails()]
    assert [subject.partition(" : ")[0] for subject in subjects] == ["Nordlicht Outdoor", "Harborline Home"]
    nights.run(select='key:"looker_csv" or key:"morning_mail"')
    assert len(nights.mails()) == 2, "a second run sends nothing twice"


def test_a_night_ends_with_the_shops_own_figures_and_so_does_the_next_one(nights: Nights) -> None:
    assert nights.is_true(NORDLICHT, HARBORLINE)
    nights.edits(NORDLICHT).refund(an_order(nights, NORDLICHT), at=BEFORE_THE_SYNC)
    nights.edits(HARBORLINE).cancel(an_order(nights, HARBORLINE), at=BEFORE_THE_SYNC)
    nights.edits(HARBORLINE).delete(an_order(nights, HARBORLINE), at=BEFORE_THE_SYNC)
    checks = nights.run()
    assert nights.is_true(NORDLICHT, HARBORLINE)
    assert [name for name, check in checks.items() if not check.passed] == []
    assert nights.run(FRESHNESS_JOB)["fresh_by_08"].passed


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("wrong_credentials", "SHOPIFY_CLIENT_ID"),
        ("missing_scope", "the app lacks the scopes read_orders → add them to the app"),
        ("redirected_shop", "leads to another shop: harborline-home.myshopify.com → write"),
    ],
)
def test_a_shop_that_fails_is_named_with_its_remedy_and_the_other_one_is_synced(
    nights: Nights, kind: str, words: str
) -> None:
    order = an_order(nights, HARBORLINE)
    nights.edits(HARBORLINE).refund(order, at=BEFORE_THE_SYNC)
    with fault(nights.servers, kind):
        checks = nights.run(select=SYNC)
    assert words in failures(checks["all_shops_synced"])[NORDLICHT]
    assert {name for name, check in checks.items() if not check.passed} == {"all_shops_synced", "missing_data"}
    assert [(alert.shop, alert.cause) for alert in alerts_of_last_sync(nights.instance)] == [
        (NORDLICHT, AlertCause.SYNC_FAILED)
    ]
    returns = f"select count(*) > 0 from shop.order_sales where order_id = {order} and action_type = 'RETURN'"
    assert nights.store(returns) == [(True,)]


def test_more_than_five_percent_rejects_hold_a_shop_back_and_no_other_until_they_are_corrected(nights: Nights) -> None:
    before = nights.mart(NORDLICHT)
    for shop in (NORDLICHT, HARBORLINE):
        nights.edits(shop).refund(an_order(nights, shop), at=BEFORE_THE_SYNC)
    with fault(nights.servers, "malformed", field="processedAt", every=1, orders=1_000):
        checks = nights.run()
    assert "processedAt" in failures(checks["reject_rate"])[NORDLICHT]
    rejects = checks["reject_rate"].metadata["rejects"]
    assert isinstance(rejects, dg.TableMetadataValue)
    assert {record.data["shop"] for record in rejects.records} == {NORDLICHT}
    assert nights.is_true(HARBORLINE)
    assert nights.mart(NORDLICHT) == before
    assert nights.run()["reject_rate"].passed
    assert nights.is_true(NORDLICHT, HARBORLINE)


def test_a_number_of_orders_that_differs_holds_the_shop_back(nights: Nights) -> None:
    before = nights.mart(NORDLICHT)
    nights.edits(NORDLICHT).refund(an_order(nights, NORDLICHT), at=BEFORE_THE_SYNC)
    with fault(nights.servers, "wrong_order_count"):
        checks = nights.run()
    assert "another number of orders" in failures(checks["counts_match_shopify"])[NORDLICHT]
    assert {"counts_match_shopify", "missing_data", "fresh_by_08"} == {
        name for name, check in checks.items() if not check.passed
    }
    assert nights.mart(NORDLICHT) == before
    nights.run()
    assert nights.is_true(NORDLICHT)


def test_a_run_that_died_after_the_sync_is_continued_and_two_runs_at_once_lose_and_double_nothing(
    nights: Nights,
) -> None:
    nights.edits(NORDLICHT).refund(an_order(nights, NORDLICHT), at=BEFORE_THE_SYNC)
    nights.run(select=SYNC)
    nights.edits(HARBORLINE).refund(an_order(nights, HARBORLINE), at=BEFORE_THE_SYNC)

    def run_next_to_another(_: int) -> None:
        with dg.DagsterInstance.ephemeral() as instance:
            nights.run(select=f"{SYNC} or key:raw_shop__*", instance=instance)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(run_next_to_another, range(2)))
    nights.run()
    assert nights.is_true(NORDLICHT, HARBORLINE)
    doubled = "select count(*) as n from mdp_raw.raw_shop__orders group by shop_id, order_id, change_seq having n > 1"
    assert nights.warehouse.query(doubled).num_rows == 0


def test_a_database_that_only_reads_or_is_down_fails_the_step_with_a_remedy(
    nights: Nights, monkeypatch: pytest.MonkeyPatch
) -> None:
    def error() -> str:
        definition = nights.definitions.resolve_job_def(SHOP_JOB)
        keys = [dg.AssetKey(["shop", "orders_sync"])]
        result = definition.execute_in_process(
            instance=nights.instance, raise_on_error=False, asset_selection=keys, resources=None
        )
        [failed] = [event for event in result.all_events if event.is_step_failure]
        return str(failed.step_failure_data.error)

    read_only = f"{nights.postgres_url}?options=-c%20default_transaction_read_only%3Don"
    monkeypatch.setenv("MDP_SHOP_POSTGRES_URL", read_only)
    assert "set MDP_SHOP_POSTGRES_URL to the primary server" in error()
    monkeypatch.setenv("MDP_SHOP_POSTGRES_URL", "postgresql://mdp:secret@127.0.0.1:1/mdp")
    message = error()
    assert "start PostgreSQL, or correct host and port in MDP_SHOP_POSTGRES_URL" in message
    assert "secret" not in message


def test_a_later_step_that_fails_is_an_alert_by_email_and_publishes_nothing(
    nights: Nights, monkeypatch: pytest.MonkeyPatch
) -> None:
    nights.run(select=SYNC)
    sent: list[ShopAlert] = []
    monkeypatch.setattr(night_alerts, "send_alerts", lambda services, alerts, now: sent.extend(alerts))
    monkeypatch.setattr(raw_tables, "ingest_changes", full_disk)
    nights.run(select="key:raw_shop__orders", succeeds=False)
    assert [(alert.shop, alert.cause) for alert in sent] == [
        (shop, AlertCause.NOT_PUBLISHED) for shop in (NORDLICHT, HARBORLINE)
    ]
    assert "the step raw_shop failed: the lake is full → free space" in sent[0].text


def full_disk(*_: object) -> None:
    raise LakeError("the lake is full → free space")


def test_without_shops_every_asset_is_empty_no_server_starts_and_the_schedules_skip(
    nights: Nights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clients = tmp_path / "clients.yaml"
    clients.write_text("clients: [{id: a, name: A, reporting_currency: EUR, accounts: {meta_ads: [act_1]}}]\n")
    monkeypatch.setenv("MDP_CLIENTS_FILE", str(clients))
    monkeypatch.setenv("MDP_DUCKDB_PATH", str(tmp_path / "warehouse.duckdb"))
    monkeypatch.delenv("MDP_SHOP_POSTGRES_URL")
    monkeypatch.setattr(postgres, "ensure_server", lambda folder: pytest.fail("a server was started"))
    definitions = build_definitions(load_settings())
    with dg.DagsterInstance.ephemeral() as instance:
        result = definitions.resolve_job_def(SHOP_JOB).execute_in_process(instance=instance)
        assert all(evaluation.passed for evaluation in result.get_asset_check_evaluations())
        for job in (SHOP_JOB, FRESHNESS_JOB):
            schedule = definitions.resolve_schedule_def(f"{job}_schedule")
            context = dg.build_schedule_context(
                instance, scheduled_execution_time=NOW, resources={"services": services(load_settings())}
            )
            assert schedule.evaluate_tick(context).skip_message == "the clients file has no shops"
    warehouse = services(load_settings()).warehouse
    assert warehouse.query("select count(*) as n from mdp_marts.mart_shop__daily").to_pylist() == [{"n": 0}]
    assert main(["replay-shops"]) == 0
    assert "lists no shops: there is nothing to replay" in capsys.readouterr().out


def test_the_night_is_at_two_and_its_check_at_eight_in_the_shops_zone(
    nights: Nights, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MDP_SHOP_TIMEZONE", "Europe/Paris")
    definitions = build_definitions(load_settings())
    for job, cron in ((SHOP_JOB, "0 2 * * *"), (FRESHNESS_JOB, "0 8 * * *")):
        schedule = definitions.resolve_schedule_def(f"{job}_schedule")
        assert (schedule.cron_schedule, schedule.execution_timezone) == (cron, "Europe/Paris")
        context = dg.build_schedule_context(
            nights.instance, scheduled_execution_time=NOW, resources={"services": services(load_settings())}
        )
        assert len(schedule.evaluate_tick(context).run_requests or []) == 1
