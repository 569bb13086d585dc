"""How fast MDP is, next to what no platform could do without: ``make bench``. docs/bench.md reads the table."""
