"""MDP, the Marketing Data Platform on Dagster."""
