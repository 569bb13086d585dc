"""The sandbox, and the vendors' clients against it."""

from __future__ import annotations

from tests.support.sandbox_clients import (  # noqa: F401
    _as_new,
    ads,
    all_pages,
    google_client,
    graph,
    meta_api,
    sandbox,
)
