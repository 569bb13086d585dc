"""Time limits for whole requests, which the HTTP libraries do not have."""
