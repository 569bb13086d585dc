"""Warehouses: where raw and the marts lie. They know neither Dagster nor a platform."""
