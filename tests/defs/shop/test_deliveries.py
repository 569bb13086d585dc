"""The deliveries as Dagster runs them, on small marts: a fault of one does not stop the others, and each is shown."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta, timezone
from pathlib import Path

import dagster as dg
import pytest

from mdp_dagster.defs.shop import morning_mail, night_alerts, shop_mails
from mdp_dagster.defs.shop.looker_csv import looker_csv_asset
from mdp_dagster.defs.shop.morning_mail import morning_mail_asset
from mdp_dagster.defs.shop.night_alerts import alerts_metadata, send_alerts
from mdp_dagster.defs.shop.shop_systems import ORDERS_SYNC, SHOP_SYSTEMS
from mdp_dagster.delivery.outbox import Patience
from mdp_dagster.ingest.shop_alerts import AlertCause, ShopAlert
from mdp_dagster.orchestration.services import Services
from mdp_dagster.settings import load_settings
from tests.defs.shop.small_marts import SmallMarts
from tests.delivery.mail_servers import Server, running
from tests.support.settings_variables import forget_accounts

NOW = datetime(2026, 11, 28, 1, 10, tzinfo=timezone.utc)
DAY = date(2026, 11, 27)
PARIS, NEW_YORK = "paris.myshopify.com", "ny.myshopify.com"
CLIENTS = f"""
clients:
  - {{id: acme, name: Acme, currency: EUR, accounts: {{shopify: [{PARIS}]}}, mail: [a@example.com, b@example.com]}}
  - {{id: zenith, name: Zenith, currency: USD, accounts: {{shopify: [{NEW_YORK}]}}, mail: z@example.com}}
  - {{id: silent, name: Silent, currency: USD, accounts: {{shopify: [silent.myshopify.com]}}}}
"""
FAILED = ShopAlert(AlertCause.SYNC_FAILED, PARIS, "HTTP 403: missing scope", "add the scope read_orders")


@pytest.fixture(scope="module")
def shared_server() -> Iterator[Server]:
    with running() as server:
        yield server


class Night:
    """The deliveries of a night."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.instance = dg.DagsterInstance.ephemeral()

    @property
    def services(self) -> Services:
        return Services(load_settings(), SHOP_SYSTEMS)

    def synced(self, *alerts: ShopAlert) -> None:
        """Reports the sync of the night."""
        table = dg.MetadataValue.table([dg.TableRecord({"shop": PARIS, "rejected": 2, "orders_read": 50})])
        metadata = {"by_shop": table, **alerts_metadata(alerts)}
        self.instance.report_runless_asset_event(dg.AssetMaterialization(ORDERS_SYNC, metadata=metadata))

    def run(self, asset: dg.AssetsDefinition) -> dict[str, dg.AssetCheckEvaluation]:
        """Runs an asset, which must succeed, and returns its checks."""
        resource = dg.ResourceDefinition.hardcoded_resource(self.services)
        result = dg.materialize([asset], instance=self.instance, resources={"services": resource})
        assert result.success
        return {found.check_name: found for found in result.get_asset_check_evaluations()}

    def mail(self) -> dg.AssetCheckEvaluation:
        return self.run(morning_mail_asset())["mail_sent"]

    @property
    def subjects(self) -> list[str]:
        return [
            str(message["Subject"]).replace("\u202f", " ").replace("\u00a0", " ") for message in self.server.messages
        ]


@pytest.fixture
def night(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shared_server: Server) -> Night:
    shared_server.messages, shared_server.recipients, shared_server.answers, shared_server.refuse = [], [], [], {}
    marts = SmallMarts(tmp_path)
    extracted = datetime(2026, 11, 27, 1, 10)
    for n, (domain, zone, currency) in enumerate(
        [(PARIS, "Europe/Paris", "EUR"), (NEW_YORK, "America/New_York", "USD")]
    ):
        marts.add("stg_shop__shops", (n, domain, domain.partition(".")[0].title(), zone, currency))
        for age in range(3):
            row = (domain, DAY - timedelta(days=age), currency, 10 + age, 1, 110, 5, 100 + age, 105, extracted)
            marts.add("mart_shop__daily", row)
    (tmp_path / "clients.yaml").write_text(CLIENTS)
    forget_accounts(monkeypatch)
    for name, value in {
        "MDP_ENV_FILE": "/dev/null",
        "MDP_DUCKDB_PATH": str(tmp_path / "warehouse.duckdb"),
        "MDP_LAKE_URI": str(tmp_path / "lake"),
        "MDP_CLIENTS_FILE": str(tmp_path / "clients.yaml"),
        "MDP_SHOP_POSTGRES_URL": "postgresql://nobody@127.0.0.1:1/nothing",
        "MDP_SMTP_URL": shared_server.url,
        "MDP_MAIL_FROM": "mdp@example.com",
        "MDP_TIMEZONE": "Europe/Paris",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(morning_mail, "utc_now", lambda: NOW)
    monkeypatch.setattr(morning_mail, "StoreFigures", _Figures)
    monkeypatch.setattr(night_alerts, "HASTY", Patience((), 60))
    return Night(shared_server)


class _Figures:
    """The store's watermarks: two minutes before the night."""

    def __init__(self, _: object) -> None: ...

    def shops(self) -> dict[str, object]:
        watermark = NOW - timedelta(minutes=2)
        return {domain: type("State", (), {"watermark": watermark})() for domain in (PARIS, NEW_YORK)}


def failures(check: dg.AssetCheckEvaluation) -> list[dict[str, object]]:
    table = check.metadata.get("failures")
    return [dict(record.data) for record in table.records] if isinstance(table, dg.TableMetadataValue) else []


def test_each_client_gets_its_own_shop_and_a_second_run_nothing(night: Night) -> None:
    night.synced()
    assert night.mail().passed and night.mail().passed
    assert night.subjects == [
        "Acme : 100 € de CA net le vendredi 27/11",
        # In New York, the 27th is not over at ten past two in Paris.
        "Zenith : 101 USD de CA net le vendredi 27/11",
    ]
    assert night.server.recipients == [["a@example.com", "b@example.com"], ["z@example.com"]]
    texts = [message.get_body(("plain",)).get_content() for message in night.server.messages]  # type: ignore[union-attr]
    assert "Journée du vendredi 27" in texts[0] and "Journée du jeudi 26" in texts[1]
    assert "Attention" not in texts[0] + texts[1]
    assert "Rejets : 2 sur 50 commandes" in texts[0] and "Rejets : nombre inconnu" in texts[1]
    assert "Données au 28/11/2026 à 02:08 (Europe/Paris)" in texts[0]
    assert PARIS not in texts[1] and NEW_YORK not in texts[0]


def test_a_shop_that_failed_is_in_its_clients_mail_and_does_not_stop_the_others(night: Night) -> None:
    night.synced(FAILED)
    send_alerts(night.services, [FAILED], NOW)
    assert night.mail().passed
    assert night.subjects == [
        "[ALERTE] Acme : synchronisation échouée",
        "Acme : ventes du vendredi 27/11, données incomplètes, 1 alerte",
        "Zenith : 101 USD de CA net le vendredi 27/11",
    ]
    text = night.server.messages[1].get_body(("plain",)).get_content()  # type: ignore[union-attr]
    assert "les chiffres du vendredi 27 novembre 2026 manquent" in text
    assert "HTTP 403: missing scope → add the scope read_orders" in text
    assert "Données au 27/11/2026 à 02:10" in text


def test_an_alert_is_sent_once_in_a_night_and_again_in_the_next(night: Night) -> None:
    for hours in (0, 1, 24):
        send_alerts(night.services, [FAILED, FAILED], NOW + timedelta(hours=hours))
    assert night.subjects == ["[ALERTE] Acme : synchronisation échouée"] * 2


def test_an_alert_that_could_not_be_sent_at_once_comes_with_the_morning_mail(night: Night) -> None:
    night.server.answers = ["451 later"]
    send_alerts(night.services, [FAILED], NOW)
    assert night.subjects == []
    night.synced(FAILED)
    assert night.mail().passed
    assert len(night.subjects) == 3


def test_a_client_that_can_not_be_written_does_not_stop_the_others(
    night: Night, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = morning_mail.summary_mail

    def fails_for_acme(client, *arguments):  # type: ignore[no-untyped-def]
        if client.id == "acme":
            raise RuntimeError("a fault in a template")
        return write(client, *arguments)

    monkeypatch.setattr(morning_mail, "summary_mail", fails_for_acme)
    night.synced()
    check = night.mail()
    assert not check.passed
    [failure] = failures(check)
    assert failure["client"] == "acme" and "a fault in a template → see the log" in str(failure["failure"])
    assert night.subjects == ["Zenith : 101 USD de CA net le vendredi 27/11"]


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("MDP_SMTP_URL", "", "MDP_SMTP_URL is not set → set it, or remove `mail` from the clients file"),
        ("MDP_SMTP_URL", "smtp://user:hush-hush@", "MDP_SMTP_URL: it has no valid host → write smtp://user:password@"),
        ("MDP_MAIL_FROM", "nobody", "MDP_MAIL_FROM='nobody' is not a valid sender"),
        ("MDP_MAIL_FROM", "", "MDP_MAIL_FROM is not set"),
    ],
)
def test_nonsense_in_the_settings_fails_the_check_and_not_the_run(
    night: Night, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, words: str
) -> None:
    monkeypatch.setenv(variable, value)
    night.synced(FAILED)
    send_alerts(night.services, [FAILED], NOW)
    check = night.mail()
    assert not check.passed and len(failures(check)) == 3
    assert all(words in str(failure["failure"]) and "hush" not in str(failure) for failure in failures(check))


def test_a_server_that_is_down_fails_the_check_and_the_next_run_sends(
    night: Night, monkeypatch: pytest.MonkeyPatch
) -> None:
    night.synced()
    good = night.server.url
    monkeypatch.setenv("MDP_SMTP_URL", "smtp://127.0.0.1:1")
    monkeypatch.setattr(morning_mail.send_mails, "__defaults__", (Patience((), 60),))
    check = night.mail()
    assert not check.passed and check.metadata["failed"].value == 2
    monkeypatch.setenv("MDP_SMTP_URL", good)
    assert night.mail().passed and len(night.subjects) == 2


def test_a_postgresql_that_is_down_leaves_the_time_of_the_extract(
    night: Night, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mdp_dagster.operational.store_figures import StoreFigures

    monkeypatch.setattr(morning_mail, "StoreFigures", StoreFigures)
    night.synced()
    assert night.mail().passed
    text = night.server.messages[0].get_body(("plain",)).get_content()  # type: ignore[union-attr]
    assert "Données au 27/11/2026 à 02:10" in text


def test_the_files_are_published_with_their_size_and_paths(night: Night, tmp_path: Path) -> None:
    checks = night.run(looker_csv_asset())
    assert checks["csv_published"].passed and checks["csv_size"].passed
    assert (
        checks["csv_size"].metadata["kpis_produit_bytes"].value
        == (tmp_path / "looker" / "kpis_produit" / "kpis_produit.csv").stat().st_size
    )


def test_a_file_that_is_too_large_is_published_with_a_warning(night: Night, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mdp_dagster.defs.shop.looker_csv.MOST_BYTES", 100)
    checks = night.run(looker_csv_asset())
    assert checks["csv_published"].passed
    assert not checks["csv_size"].passed and checks["csv_size"].severity is dg.AssetCheckSeverity.WARN


def test_without_shops_nothing_is_delivered_and_no_server_is_needed(
    night: Night, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "clients.yaml").write_text(
        "clients: [{id: a, name: A, currency: EUR, accounts: {}, mail: a@b.example}]"
    )
    monkeypatch.setenv("MDP_SMTP_URL", "")
    assert night.mail().passed
    assert all(check.passed for check in night.run(looker_csv_asset()).values())
    assert not (tmp_path / "looker").exists() and night.subjects == []


def test_a_shop_that_moves_to_another_client_gets_the_mail_of_the_new_one(night: Night, tmp_path: Path) -> None:
    (tmp_path / "clients.yaml").write_text(
        CLIENTS.replace(f"shopify: [{NEW_YORK}]", f"shopify: [{NEW_YORK}, {{id: {PARIS}, from: 2026-11-01}}]")
    )
    owners = {
        client.id: shops for client, shops in shop_mails.shops_of_clients(night.services.clients, date(2026, 10, 31))
    }
    assert owners == {"acme": [PARIS], "zenith": [NEW_YORK], "silent": ["silent.myshopify.com"]}
    owners = {
        client.id: sorted(shops)
        for client, shops in shop_mails.shops_of_clients(night.services.clients, date(2026, 11, 1))
    }
    assert owners == {"zenith": [NEW_YORK, PARIS], "silent": ["silent.myshopify.com"]}
