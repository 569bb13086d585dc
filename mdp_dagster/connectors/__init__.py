"""Connectors: one module per platform. They know neither Dagster nor a warehouse."""
