"""The operational store: the current state of the shops, in PostgreSQL."""
