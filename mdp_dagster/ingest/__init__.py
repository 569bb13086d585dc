"""Ingest: extract → check → land → load → commit. Independent of sources, warehouses and Dagster."""
