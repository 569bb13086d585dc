"""MDP's speed compared with the minimum that any solution needs: ``make bench``. docs/bench.md explains the table."""
