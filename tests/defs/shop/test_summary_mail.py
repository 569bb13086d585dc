"""The morning email, as its reader sees it."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from html.parser import HTMLParser

import pytest

from mdp_dagster.clients.model import Client
from mdp_dagster.defs.shop.shop_calendar import Shop
from mdp_dagster.defs.shop.summary_figures import ShopDay, shop_days
from mdp_dagster.defs.shop.summary_mail import ShopReport, alert_mail, summary_mail
from mdp_dagster.delivery.mail import Mail
from mdp_dagster.ingest.shop_alerts import AlertCause, ShopAlert
from tests.defs.shop.small_marts import SmallMarts

DAY = date(2026, 11, 27)
UNTIL = datetime(2026, 11, 28, 1, 8, tzinfo=timezone.utc)
PARIS = Shop("paris.example.com", "Maison <Paris>", "Europe/Paris")
CLIENT = Client.model_validate(
    {"id": "acme", "name": "Acme", "currency": "EUR", "accounts": {}, "mail": ["a@example.com", "a@example.com"]}
)
HOSTILE = '<script>alert(1)</script>"\r\nBcc: x@y.example\u202e' + "🧥" * 100


@pytest.fixture(scope="module")
def marts(tmp_path_factory: pytest.TempPathFactory) -> SmallMarts:
    """Shared by all tests here: they only read."""
    marts = SmallMarts(tmp_path_factory.mktemp("marts"))
    daily: list[tuple[object, ...]] = []
    for n in range(40):
        day, orders = DAY - timedelta(days=n), 10 + n % 7
        net = Decimal(orders) * 100 - (Decimal("2000.5") if n == 3 else 0)
        daily.append(
            (PARIS.domain, day, "EUR", orders, 1, orders * 110, 50, net + (Decimal("1234.56") if n == 0 else 0),
             orders * 110, UNTIL.replace(tzinfo=None)),
        )  # fmt: skip
    marts.add(
        "mart_shop__daily", *daily, (PARIS.domain, DAY, "USD", 1, 1, "9.5", 0, "9.5", "9.5", UNTIL.replace(tzinfo=None))
    )
    titles = ["Manteau d’hiver", HOSTILE, None, "Écharpe", "Bonnet", "Gants"]
    for n, title in enumerate(titles):
        row = (DAY, PARIS.domain, n, title, "V", "EUR", 1, 7 - n, 0, 100, 0, 0, 700 - n, 0, 1.0, 0.0, 0.1)
        marts.add("kpis_produit", row)
    for code, name, region, net in [
        ("FR", "France", "IDF", 800),
        ("FR", "France", None, 300),
        ("DE", "Allemagne", "BE", 900),
    ]:
        marts.add(
            "ventes_geographiques",
            (DAY, PARIS.domain, code, name, region, "EUR", 4, 4, 1, 5, net, 0, 0, net, 0, 0, net, 1.0),
        )
    return marts


def days(marts: SmallMarts, day: date = DAY) -> list[ShopDay]:
    return shop_days(marts.warehouse, {PARIS.domain: day})[PARIS.domain]


def report(found: list[ShopDay], day: date = DAY) -> ShopReport:
    return ShopReport(PARIS, day, DAY, found, UNTIL, rejected=3, read=1200)


def text_of(mail: Mail) -> str:
    """The text with plain spaces."""
    return mail.text.replace("\u202f", " ").replace("\u00a0", " ")


class Seen(HTMLParser):
    """The text that a browser shows, and the tags."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""
        self._hidden = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self._hidden = tag in ("style", "title")

    def handle_endtag(self, tag: str) -> None:
        self._hidden = False

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.text += data


def test_the_figures_are_compared_with_the_last_week_and_the_mean_of_four(marts: SmallMarts) -> None:
    euros, dollars = days(marts)
    assert (euros.currency, dollars.currency) == ("EUR", "USD")
    assert euros.revenue == (Decimal("2234.56"), Decimal(1000), Decimal(1000))
    assert euros.orders == (Decimal(10), Decimal(10), Decimal(10))
    assert euros.basket == (Decimal(110), Decimal(110), Decimal(110))
    assert euros.returns == (Decimal(50), Decimal(50), Decimal(50))
    assert (euros.guest_share, euros.compared_weeks) == (Decimal("0.1"), 4)
    assert [ranked.name for ranked in euros.products] == ["Manteau d’hiver", HOSTILE, None, "Écharpe", "Bonnet"]
    assert [(ranked.name, ranked.revenue, ranked.quantity) for ranked in euros.countries] == [
        ("France", 1100, 8), ("Allemagne", 900, 4),
    ]  # fmt: skip
    assert len(euros.bars) == 14 and euros.bars[-1] == (DAY, Decimal("2234.56"))
    assert dollars.revenue == (Decimal("9.5"), None, None)
    assert dollars.bars[0] == (DAY - timedelta(days=13), None)


def test_a_day_without_sales_has_zeros_and_a_shop_without_any_has_none(marts: SmallMarts) -> None:
    [euros, dollars] = days(marts, DAY + timedelta(days=1))
    assert (euros.revenue.value, euros.orders.value, euros.basket.value) == (0, 0, None)
    assert euros.products == euros.countries == []
    assert dollars.revenue == (0, None, None)
    assert shop_days(marts.warehouse, {"new.example.com": DAY}) == {"new.example.com": []}
    assert shop_days(marts.warehouse, {}) == {}


def test_the_text_says_everything_in_order(marts: SmallMarts) -> None:
    mail = summary_mail(CLIENT, DAY, [report(days(marts))], [], "https://dashboard.example.com/a?b=1&c=2")
    text = text_of(mail)
    order = [
        "Acme : ventes du vendredi 27 novembre 2026",
        "Maison <Paris> (paris.example.com)",
        "CA net : 2 234,56 €\n  vendredi 20/11 : 1 000,00 € (+123,5 %)\n",
        "  moyenne des 4 derniers vendredis : 1 000,00 € (+123,5 %)\nCommandes",
        "Commandes : 10",
        "Panier moyen : 110,00 €",
        "CA net des 14 derniers jours",
        "ven. 27/11  2 235 €  ████████████████████████",
        "Meilleurs produits\n  1. Manteau d’hiver : 700,00 €, 7 unités",
        "3. (sans nom) : 698,00 €, 5 unités",
        "Meilleurs pays\n  1. France : 1 100,00 €, 8 commandes",
        "Retours : 50,00 €, soit 4,5 % du CA brut",
        "Commandes sans compte client : 10,0 %\n",
        "En USD",
        "CA net : 9,50 USD\n  vendredi 20/11 : – (–)",
        "Commandes sans compte client : 100,0 %. Au-dessus de 10 % : ces clients manquent",
        "Alertes\n  Aucune alerte.",
        "Données au 28/11/2026 à 02:08 (Europe/Paris)",
        "Rejets : 3 sur 1 200 commandes lues (0,3 %)",
        "Définitif dans 7 jours",
        "Tableau de bord : https://dashboard.example.com/a?b=1&c=2",
    ]
    positions = [text.find(part) for part in order]
    assert -1 not in positions, [part for part, at in zip(order, positions, strict=True) if at < 0]
    assert positions == sorted(positions)
    assert mail.recipients == ("a@example.com",)
    assert "-1" not in text and "\n\n\n\n" not in text


def test_the_html_has_the_same_content_and_nothing_from_the_data_is_markup(marts: SmallMarts) -> None:
    mail = summary_mail(CLIENT, DAY, [report(days(marts))], [], 'https://x.example/"><script>')
    assert re.findall("<script|<img|javascript:", mail.html) == []
    seen = Seen(mail.html)
    assert set(seen.tags) <= {
        "html", "head", "meta", "title", "style", "body", "div", "table", "tr", "td", "h1", "h2", "h3", "b", "bdi",
        "span", "p", "a", "br",
    }  # fmt: skip
    words = seen.text.replace("\u202f", " ").replace("\u00a0", " ")
    for part in ["Maison <Paris>", "2 234,56 €", "+123,5 %", '<script>alert(1)</script>"', "Aucune alerte.", "France"]:
        assert part in words
    assert "\u202e" not in mail.html + mail.text + mail.subject and "\nBcc" not in mail.text


def test_a_day_with_more_returns_than_sales_has_no_bar(marts: SmallMarts) -> None:
    text = text_of(summary_mail(CLIENT, DAY, [report(days(marts))], [], None))
    line = next(line for line in text.splitlines() if "mar. 24/11" in line)
    assert line.rstrip() == "  mar. 24/11   −701 €"


@pytest.mark.parametrize("cause", AlertCause)
def test_an_alert_has_words_an_action_and_an_email_of_its_own(marts: SmallMarts, cause: AlertCause) -> None:
    alert = ShopAlert(cause, PARIS.domain, "HTTP 403: <scope>\r\nX: y", "add the scope read_orders")
    mail = alert_mail(CLIENT, DAY, alert, None)
    assert mail.subject.startswith("[ALERTE] Acme : ") and mail.kind == f"alert/{cause.value}/paris.example.com"
    for part in ["À faire : ", "HTTP 403: <scope> X: y → add the scope read_orders", "paris.example.com"]:
        assert part in mail.text
    assert "&lt;scope&gt;" in mail.html
    morning = summary_mail(CLIENT, DAY, [report(days(marts))], [alert], None)
    assert "À faire : " in morning.text and "Aucune alerte" not in morning.text
    assert morning.subject.endswith(", 1 alerte")


def test_a_shop_with_old_figures_says_so_in_subject_and_text(marts: SmallMarts) -> None:
    old = DAY - timedelta(days=2)
    alert = ShopAlert(AlertCause.SYNC_FAILED, PARIS.domain, "no answer", "wait")
    mail = summary_mail(CLIENT, DAY, [report(days(marts, old), old)], [alert], None)
    assert mail.subject == "Acme : ventes du vendredi 27/11, données incomplètes, 1 alerte"
    assert (
        "Journée du mercredi 25 novembre 2026\n\nAttention : les chiffres du vendredi 27 novembre 2026 manquent."
        in mail.text
    )
    assert "Définitif dans 5\u00a0jours" in mail.text


def test_a_client_with_one_currency_has_the_sales_in_the_subject(marts: SmallMarts) -> None:
    mail = summary_mail(CLIENT, DAY, [report(days(marts)[:1])], [], None)
    assert mail.subject.replace("\u202f", " ").replace("\u00a0", " ") == "Acme : 2 235 € de CA net le vendredi 27/11"


def test_a_name_of_any_length_stays_in_one_line(marts: SmallMarts) -> None:
    client = CLIENT.model_copy(update={"name": HOSTILE})
    mail = summary_mail(client, DAY, [report(days(marts))], [], "javascript:alert(1)")
    assert len(mail.subject) <= 150 and "\n" not in mail.subject
    assert "javascript" not in mail.text + mail.html
