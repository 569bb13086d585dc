"""Ingest: extract → land → load → commit. Generic over reports and warehouses; knows no platform and no Dagster."""
