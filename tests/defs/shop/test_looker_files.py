"""The files for Looker Studio: headers, months of products, and cohorts without a gap."""

from __future__ import annotations

import csv
import io
from datetime import date, datetime, timezone
from pathlib import Path

import pytest

from mdp_dagster.defs.shop.looker_files import first_daily, looker_files
from mdp_dagster.delivery.csv_files import write_csv
from mdp_dagster.delivery.places import place_of
from mdp_dagster.delivery.publication import publish, read_manifest
from tests.defs.shop.small_marts import TABLES, SmallMarts, bigquery_types
from tests.support.emulators.google_cloud import GoogleCloud
from tests.warehouse.bigquery_support import bigquery_warehouse

TODAY = date(2026, 11, 28)
PARIS, NEW_YORK = "paris.example.com", "ny.example.com"
MONTHS = {PARIS: date(2026, 11, 1), NEW_YORK: date(2026, 11, 1)}
NOW = datetime(2026, 11, 28, 2, 10, tzinfo=timezone.utc)

# The contract: Looker Studio binds to these names and to their order. A change breaks the reports of users.
HEADERS = {
    "kpis_produit": (
        "jour,boutique,produit_id,produit,fournisseur,devise,commandes,unites_vendues,unites_retournees,ca_brut,"
        "remises,retours,ca_net,taxes,prix_moyen,taux_retour,part_ca"
    ),
    "ventes_geographiques": (
        "jour,boutique,pays_code,pays,region_code,devise,commandes,clients,nouveaux_clients,unites,ca_brut,remises,"
        "retours,ca_net,livraison,taxes,ca_total,panier_moyen"
    ),
    "ltv_cohorts": (
        "boutique,devise,cohorte,mois,clients_cohorte,clients_actifs,commandes,ca_net,ca_net_cumule,ltv,retention,"
        "mois_complet"
    ),
    "produits_premium": (
        "boutique,produit_id,produit,devise,prix_moyen,seuil_prix,unites_90j,ca_net_90j,part_ca_90j,taux_retour_90j,"
        "rang"
    ),
}


@pytest.fixture
def marts(tmp_path: Path) -> SmallMarts:
    return SmallMarts(tmp_path)


def published(marts: SmallMarts, folder: Path) -> dict[str, str]:
    """The text of each file, by name."""
    place = place_of(str(folder / "looker"), "MDP_LOOKER_URI", None, 10)
    publish(looker_files(TODAY, MONTHS), marts.warehouse, place, "run", NOW)
    return {name: (folder / "looker" / name / f"{name}.csv").read_text(encoding="utf-8") for name in HEADERS}


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def product(
    day: str, product_id: int | None, title: str | None, sold: int, returned: int, gross: str, back: str
) -> tuple[object, ...]:
    """A row of kpis_produit in EUR without discounts."""
    net = f"{float(gross) - float(back):.2f}"
    return (day, PARIS, product_id, title, "V", "EUR", sold, sold, returned, gross, "0", back, net, "0", 1.0, 0.0, 1.0)


def test_the_headers_are_the_contract_also_without_rows(marts: SmallMarts, tmp_path: Path) -> None:
    assert published(marts, tmp_path) == {name: f"{header}\n" for name, header in HEADERS.items()}


def test_the_months_before_ninety_days_are_one_row_for_each_product(marts: SmallMarts, tmp_path: Path) -> None:
    marts.add(
        "kpis_produit",
        product("2026-07-03", 1, "Coat", 2, 0, "20", "0"),
        product("2026-07-31", 1, "Coat", 1, 1, "10", "10"),
        product("2026-07-31", None, None, 3, 0, "60", "0"),
        product("2026-08-01", 1, "Coat", 4, 0, "40", "0"),
        product("2026-08-02", 1, "Coat", 5, 0, "50", "0"),
    )
    assert first_daily(TODAY) == date(2026, 8, 1)
    found = rows(published(marts, tmp_path)["kpis_produit"])
    assert [(row["jour"], row["produit_id"], row["unites_vendues"], row["ca_net"]) for row in found] == [
        ("2026-07-01", "", "3", "60"),
        ("2026-07-01", "1", "3", "20"),
        ("2026-08-01", "1", "4", "40"),
        ("2026-08-02", "1", "5", "50"),
    ]
    month = found[1]
    assert (month["prix_moyen"], month["taux_retour"], month["part_ca"]) == ("10", "0.3333333333333333", "0.25")
    assert (found[0]["produit"], found[0]["prix_moyen"]) == ("", "20")
    manifest = read_manifest(place_of(str(tmp_path / "looker"), "MDP_LOOKER_URI", None, 10))
    assert manifest is not None
    assert manifest["files"]["kpis_produit"]["daily_from"] == "2026-08-01"
    assert manifest["files"]["kpis_produit"]["sums"]["ca_net"] == {"EUR": "170"}


@pytest.mark.parametrize(
    ("today", "expected"),
    [("2026-11-28", "2026-08-01"), ("2026-03-01", "2025-12-01"), ("2024-05-31", "2024-03-01")],
)
def test_no_month_is_split_and_ninety_days_are_always_daily(today: str, expected: str) -> None:
    assert first_daily(date.fromisoformat(today)) == date.fromisoformat(expected)


def test_a_cohort_has_every_month_up_to_the_current_one(marts: SmallMarts, tmp_path: Path) -> None:
    marts.add(
        "ltv_cohorts",
        (PARIS, "EUR", "2026-07-01", 0, 10, 10, 12, "1000", "1000", 100.0, 1.0, True),
        (PARIS, "EUR", "2026-07-01", 2, 10, 5, 5, "500.5", "1500.5", 150.05, 0.5, True),
        (PARIS, "USD", "2026-07-01", 3, 10, 1, 1, "7", "7", 0.7, 0.1, True),
        (NEW_YORK, "USD", "2026-11-01", -2, 3, 1, 1, "6", "6", 2.0, 0.1, True),
        (NEW_YORK, "USD", "2026-11-01", 0, 3, 3, 3, "84", "90", 30.0, 1.0, False),
    )
    found = rows(published(marts, tmp_path)["ltv_cohorts"])
    euros = [row for row in found if (row["boutique"], row["devise"]) == (PARIS, "EUR")]
    assert [
        (r["mois"], r["clients_actifs"], r["ca_net"], r["ca_net_cumule"], r["ltv"], r["mois_complet"]) for r in euros
    ] == [
        ("0", "10", "1000", "1000", "100", "true"),
        ("1", "0", "0", "1000", "100", "true"),
        ("2", "5", "500.5", "1500.5", "150.05", "true"),
        ("3", "0", "0", "1500.5", "150.05", "true"),
        ("4", "0", "0", "1500.5", "150.05", "false"),
    ]
    assert {row["clients_cohorte"] for row in euros} == {"10"}
    dollars = [row for row in found if row["devise"] == "USD"]
    assert [(row["boutique"], row["mois"], row["ca_net_cumule"], row["ltv"]) for row in dollars] == [
        (NEW_YORK, "-2", "6", "2"),
        (NEW_YORK, "-1", "6", "2"),
        (NEW_YORK, "0", "90", "30"),
        (PARIS, "0", "0", "0"),
        (PARIS, "1", "0", "0"),
        (PARIS, "2", "0", "0"),
        (PARIS, "3", "7", "0.7"),
        (PARIS, "4", "7", "0.7"),
    ]


def test_titles_of_any_kind_come_back_as_they_are(marts: SmallMarts, tmp_path: Path) -> None:
    titles = ['Coat "XL", blue', "two\nlines", "سترة", "🧥", '=HYPERLINK("http://x","y")', " edge ", "x" * 500]
    marts.add("kpis_produit", *(product("2026-11-27", n, title, 1, 0, "1", "0") for n, title in enumerate(titles)))
    marts.add("kpis_produit", product("2026-11-27", 99, "nul\0", 1, 0, "1", "0"))
    found = rows(published(marts, tmp_path)["kpis_produit"])
    assert [row["produit"] for row in found] == [*titles, "nul\ufffd"]


def test_an_id_beyond_the_precision_of_floats_and_a_small_amount_stay_exact(marts: SmallMarts, tmp_path: Path) -> None:
    marts.add("produits_premium", (PARIS, 2**63 - 1, "P", "EUR", 0.1, 1e-7, 10, "12345678901234.5678", 0.25, None, 1))
    [row] = rows(published(marts, tmp_path)["produits_premium"])
    assert row["produit_id"] == "9223372036854775807"
    assert row["ca_net_90j"] == "12345678901234.5678"
    assert (row["prix_moyen"], row["seuil_prix"], row["taux_retour_90j"]) == ("0.1", "0.0000001", "")


SAME_ROWS = {
    "kpis_produit": [
        "date '2026-07-03', 'p', 1, 'Coat \"L\"', 'V', 'EUR', 1, 3, 1, 30, 0, 10.0001, 19.9999, 0, 1.0, 0.0, 1.0",
        "date '2026-07-31', 'p', 1, 'Coat \"L\"', 'V', 'EUR', 1, 4, 0, 40.5, 0, 0, 40.5, 1.25, 1.0, 0.0, 1.0",
        "date '2026-07-31', 'p', null, null, null, 'EUR', 1, 0, 0, 0, 0, 0, 0.1, 0, null, null, 1.0",
        "date '2026-11-27', 'p', 1, 'Coat \"L\"', 'V', 'EUR', 1, 3, 1, 30, 0, 10, 20, 0, 10.5, 0.1, 0.000001",
    ],
    "ventes_geographiques": [
        "date '2026-11-27', 'p', 'FR', 'France', null, 'EUR', 1, 1, 0, 3, 30, 0, 0, 30, 0, 0, 30, 30.0",
    ],
    "ltv_cohorts": [
        "'p', 'EUR', date '2026-09-01', 0, 3, 3, 3, 10, 10, 3.3333333333333335, 1.0, true",
    ],
    "produits_premium": ["'p', 1, 'Coat', 'EUR', 0.1, 0.05, 10, 1e2, 0.25, null, 1"],
}


def test_the_files_are_the_same_on_both_engines(marts: SmallMarts, tmp_path: Path, google_cloud: GoogleCloud) -> None:
    project = google_cloud.new_project()
    client = google_cloud.bigquery_client(project)
    for dataset in {name.split(".")[0] for name in TABLES}:
        client.create_dataset(dataset)
    for name, columns in TABLES.items():
        client.query(f"create table {name} ({bigquery_types(columns)})").result()
    for name, rows_of_mart in SAME_ROWS.items():
        for row in rows_of_mart:
            client.query(f"insert into mdp_marts.{name} select {row}").result()
            marts.run(f"insert into mdp_marts.{name} select {row}")
    both = []
    for warehouse in (marts.warehouse, bigquery_warehouse(google_cloud, project)):
        texts = {}
        for file in looker_files(TODAY, {"p": date(2026, 11, 1)}):
            out = io.BytesIO()
            write_csv(file, warehouse, out)
            texts[file.name] = out.getvalue().decode()
        both.append(texts)
    assert both[0] == both[1]
    assert [len(rows(text)) for text in both[0].values()] == [3, 1, 3, 1]
