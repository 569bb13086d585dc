"""MDP: the Marketing Data Platform on Dagster."""

import gc

# Modules, definitions and dbt's manifest are millions of objects that stay. At Python's own threshold, 700 new ones,
# the collector looks through them again and again: a tenth of a daily run.
gc.set_threshold(50_000, 10, 10)
