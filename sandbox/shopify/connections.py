"""Pages of connections: cursors, `first`, `after`, `last`, `before`, `reverse`."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Any

from graphql import GraphQLError

LARGEST_PAGE = 250


def page(nodes: Sequence[Any], arguments: dict[str, Any]) -> dict[str, Any]:
    """Returns a page of nodes as a connection. Raises ``GraphQLError`` for arguments that the API refuses."""
    first, last = arguments.get("first"), arguments.get("last")
    if first is None and last is None:
        raise _bad_request("you must provide one of first or last")
    if first is not None and last is not None:
        raise _bad_request("providing both first and last is not supported")
    size = first if first is not None else last
    assert size is not None
    if not 0 < size <= LARGEST_PAGE:
        raise _bad_request(f"{'first' if first is not None else 'last'} must be between 1 and {LARGEST_PAGE}")
    start = 0 if arguments.get("after") is None else _position(arguments["after"]) + 1
    end = len(nodes) if arguments.get("before") is None else _position(arguments["before"])
    if first is not None:
        end = min(end, start + size)
    else:
        start = max(start, end - size)
    shown = list(nodes[start:end])
    return {
        "nodes": shown,
        "edges": [{"node": node, "cursor": _cursor(start + n)} for n, node in enumerate(shown)],
        "pageInfo": {
            "hasNextPage": end < len(nodes),
            "hasPreviousPage": start > 0,
            "startCursor": _cursor(start) if shown else None,
            "endCursor": _cursor(end - 1) if shown else None,
        },
    }


def _cursor(position: int) -> str:
    return base64.b64encode(f"position:{position}".encode()).decode()


def _position(cursor: str) -> int:
    try:
        return int(base64.b64decode(cursor, validate=True).decode().removeprefix("position:"))
    except (ValueError, binascii.Error):
        raise GraphQLError("Invalid cursor for current pagination sort.", extensions={"code": "BAD_REQUEST"}) from None


def _bad_request(message: str) -> GraphQLError:
    return GraphQLError(message, extensions={"code": "BAD_REQUEST"})
