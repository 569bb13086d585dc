"""The connectors: one folder for each outside system. They use neither Dagster nor a warehouse."""
