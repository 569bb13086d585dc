"""Assets: every table of MDP, partitioned by day."""
