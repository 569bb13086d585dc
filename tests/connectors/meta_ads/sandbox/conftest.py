"""The sandbox, and the vendor's client against it."""

from __future__ import annotations

from tests.support.sandbox_clients import _as_new, all_pages, graph, meta_api, sandbox  # noqa: F401
