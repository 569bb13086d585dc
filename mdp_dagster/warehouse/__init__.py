"""Warehouses: they store raw and the marts. They depend neither on Dagster nor on a source."""
