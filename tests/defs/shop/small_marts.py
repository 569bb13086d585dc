"""Small marts of shops with the models' columns and types, for tests of what is read from them. No dbt is needed."""

from __future__ import annotations

from pathlib import Path

import duckdb

from mdp_dagster.warehouse.duckdb import DuckDBWarehouse

MONEY = "decimal(38, 9)"
TABLES = {
    "mdp_staging.stg_shop__shops": "shop_id bigint, domain varchar, name varchar, time_zone varchar, currency varchar",
    "mdp_marts.mart_shop__daily": (
        "boutique varchar, jour date, devise varchar, commandes bigint, commandes_invites bigint, "
        f"ca_brut {MONEY}, retours {MONEY}, ca_net {MONEY}, ca_des_commandes {MONEY}, extracted_at timestamp"
    ),
    "mdp_marts.kpis_produit": (
        "jour date, boutique varchar, produit_id bigint, produit varchar, fournisseur varchar, devise varchar, "
        f"commandes bigint, unites_vendues bigint, unites_retournees bigint, ca_brut {MONEY}, remises {MONEY}, "
        f"retours {MONEY}, ca_net {MONEY}, taxes {MONEY}, prix_moyen double, taux_retour double, part_ca double"
    ),
    "mdp_marts.ventes_geographiques": (
        "jour date, boutique varchar, pays_code varchar, pays varchar, region_code varchar, devise varchar, "
        f"commandes bigint, clients bigint, nouveaux_clients bigint, unites bigint, ca_brut {MONEY}, remises {MONEY}, "
        f"retours {MONEY}, ca_net {MONEY}, livraison {MONEY}, taxes {MONEY}, ca_total {MONEY}, panier_moyen double"
    ),
    "mdp_marts.ltv_cohorts": (
        "boutique varchar, devise varchar, cohorte date, mois bigint, clients_cohorte bigint, clients_actifs bigint, "
        f"commandes bigint, ca_net {MONEY}, ca_net_cumule {MONEY}, ltv double, retention double, mois_complet boolean"
    ),
    "mdp_marts.produits_premium": (
        "boutique varchar, produit_id bigint, produit varchar, devise varchar, prix_moyen double, seuil_prix double, "
        f"unites_90j bigint, ca_net_90j {MONEY}, part_ca_90j double, taux_retour_90j double, rang bigint"
    ),
}

_BIGQUERY_TYPES = {
    "varchar": "string", "bigint": "int64", "decimal(38, 9)": "numeric", "double": "float64", "boolean": "bool",
}  # fmt: skip


def bigquery_types(columns: str) -> str:
    """The columns of a table with BigQuery's types."""
    for duckdb_type, bigquery_type in _BIGQUERY_TYPES.items():
        columns = columns.replace(f" {duckdb_type}", f" {bigquery_type}")
    return columns


class SmallMarts:
    """A warehouse with the tables, and rows that a test adds."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "warehouse.duckdb"
        self.warehouse = DuckDBWarehouse(self._path)
        with duckdb.connect(str(self._path)) as connection:
            for name, columns in TABLES.items():
                connection.execute(f"create schema if not exists {name.split('.')[0]}")
                connection.execute(f"create table {name} ({columns})")

    def add(self, table: str, *rows: tuple[object, ...]) -> None:
        """Appends rows. ``table`` is the name without the dataset."""
        [name] = [name for name in TABLES if name.endswith(f".{table}")]
        with duckdb.connect(str(self._path)) as connection:
            for row in rows:
                connection.execute(f"insert into {name} values ({', '.join('?' * len(row))})", list(row))

    def run(self, sql: str) -> None:
        """Runs a statement."""
        with duckdb.connect(str(self._path)) as connection:
            connection.execute(sql)
