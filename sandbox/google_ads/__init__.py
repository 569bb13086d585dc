"""A local Google Ads API: gRPC over TLS, with the service's own messages, and its OAuth token endpoint."""
