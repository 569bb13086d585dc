"""The objects that assets and checks work with. Each is made on its first use and kept for one run."""

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import dagster as dg

from mdp_dagster.clients.file import load_clients
from mdp_dagster.clients.model import Clients
from mdp_dagster.connectors.base import DataSourceConnector, DayReport, FeedReport
from mdp_dagster.connectors.sources import Source, SourceError
from mdp_dagster.google_cloud.settings import GoogleCloudSettings, load_google_cloud_settings
from mdp_dagster.ingest.feed_tables import feed_tables
from mdp_dagster.ingest.rebuild import Rebuilt, rebuild_raw
from mdp_dagster.ingest.result import IngestResult
from mdp_dagster.ingest.stores import Stores
from mdp_dagster.ingest.tables import SHARED_TABLES, report_table
from mdp_dagster.lake import Lake
from mdp_dagster.operational.shop_reports import FEEDS
from mdp_dagster.orchestration.partitions import today
from mdp_dagster.settings import Settings, load_settings
from mdp_dagster.warehouse.base import Warehouse
from mdp_dagster.warehouse.duckdb import DuckDBWarehouse

if TYPE_CHECKING:
    from google.cloud import storage

    from mdp_dagster.delivery.places import Place
    from mdp_dagster.ingest.shop_sync import ShopStores
    from mdp_dagster.lake.lease.lease import BucketLease
    from mdp_dagster.operational.shop_store import ShopStore


class Services:
    """Settings, clients, warehouse, lake and connectors of one run.

    Args:
        settings: MDP's settings.
        sources: The sources of all domains.
    """

    def __init__(self, settings: Settings, sources: Sequence[Source]) -> None:
        self.settings = settings
        self._sources = {source.name: source for source in sources}
        self._connectors: dict[str, DataSourceConnector] = {}
        self.unfinished: dict[str, IngestResult] = {}
        """By raw table: the result of a step so far, while the step waits for a quota."""

    @cached_property
    def clients(self) -> Clients:
        """The clients file."""
        account_ids = {name: source.account_id for name, source in self._sources.items()}
        return load_clients(self.settings.clients_file, account_ids, today(self.settings))

    @cached_property
    def warehouse(self) -> Warehouse:
        """The warehouse of the settings' target."""
        if self.settings.target == "duckdb":
            return DuckDBWarehouse(
                self.settings.duckdb_path, self.settings.lock_timeout_seconds, self.settings.duckdb_memory_limit
            )
        # Imported lazily: Google's client libraries take about a second.
        from mdp_dagster.google_cloud.clients import bigquery_client
        from mdp_dagster.warehouse.bigquery.catalog import DatasetOptions
        from mdp_dagster.warehouse.bigquery.warehouse import BigQueryWarehouse

        cloud = self._google_cloud
        return BigQueryWarehouse(
            lambda: bigquery_client(cloud),
            self._lease,
            DatasetOptions(
                cloud.location, self.settings.bigquery_labels, self.settings.bigquery_partition_expiration_days
            ),
            self.settings.bigquery_max_bytes_per_query,
            emulated=cloud.bigquery_emulator_host is not None,
        )

    @cached_property
    def lake(self) -> Lake:
        """The lake."""
        return Lake(self.settings.lake_uri, self._storage_client)

    def place(self, uri: str, setting: str) -> "Place":
        """Returns the place where files are published.

        Args:
            uri: The folder or bucket.
            setting: The variable that holds the address, for messages.

        Raises:
            DeliveryError: The address can't be used.
        """
        from mdp_dagster.delivery.places import place_of

        return place_of(uri, setting, self._storage_client, self.settings.lock_timeout_seconds)

    @cached_property
    def _google_cloud(self) -> GoogleCloudSettings:
        return load_google_cloud_settings()

    def _storage_client(self) -> "storage.Client":
        from mdp_dagster.google_cloud.clients import storage_client

        return storage_client(self._google_cloud)

    @cached_property
    def _lease(self) -> "BucketLease":
        """The lock of a warehouse that several machines write to. A lock file works on one machine only."""
        from mdp_dagster.lake.lease.lease import BucketLease

        timeout = self.settings.lock_timeout_seconds
        return BucketLease(self.settings.lake_uri, self._storage_client, "warehouse", timeout)

    def stores(self) -> Stores:
        """The stores that ingest needs."""
        return Stores(self.clients, self.warehouse, self.lake)

    def connector(self, source: str) -> DataSourceConnector:
        """Returns the source's connector. A run has one per source, because it keeps its channel and its accounts."""
        if source not in self._connectors:
            connector = self._sources[source].new_connector()
            connector.max_parallel_accounts = self.settings.parallel_accounts
            self._connectors[source] = connector
        return self._connectors[source]

    @cached_property
    def shop_store(self) -> "ShopStore":
        """The shops' store in PostgreSQL. Without an address in the settings, the embedded server is started."""
        # Imported lazily: only the shops need the driver.
        from mdp_dagster.operational.postgres import store_address
        from mdp_dagster.operational.shop_store import ShopStore

        return ShopStore(store_address(self.settings))

    def shop_stores(self, source: Source) -> "ShopStores":
        """Returns the places of the shops of a shop system.

        Raises:
            SourceError: The source is not a shop system.
        """
        from mdp_dagster.ingest.shop_sync import ShopStores

        if source.shop is None:
            raise SourceError(f"{source.name} has no access to shops → use a shop system")
        return ShopStores(source.name, source.shop, self.shop_store, self.lake)

    def prepare_raw(self) -> None:
        """Creates every raw table that is missing, also of sources without accounts: the models read all of them."""
        self.warehouse.prepare([*SHARED_TABLES, *map(report_table, self._reports), *feed_tables(self.feeds)])

    def rebuild_raw(self) -> Rebuilt:
        """Empties the raw tables and fills them from the lake."""
        return rebuild_raw(self.lake, self.warehouse, self._reports, self.feeds)

    @property
    def feeds(self) -> tuple[FeedReport, ...]:
        """The reports that are extracted by change: those of the shops' store, if a source is a shop system."""
        return FEEDS if any(source.shop for source in self._sources.values()) else ()

    @property
    def _reports(self) -> tuple[DayReport, ...]:
        return tuple(report for source in self._sources.values() for report in source.reports)


def services_resource(sources: Sequence[Source]) -> dg.ResourceDefinition:
    """Returns the resource that gives each run its ``Services``."""

    @dg.resource(description="Settings, clients, warehouse, lake and connectors of one run.")
    def services(_: dg.InitResourceContext) -> Services:
        return Services(load_settings(), sources)

    return services
