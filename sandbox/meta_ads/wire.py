"""Requests and answers of the Graph API, apart from HTTP: tokens, cursors, paging."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import urllib.parse
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sandbox.meta_ads import errors
from sandbox.meta_ads.params import Params, page

T = TypeVar("T")

# Not secrets: they open nothing but the sandbox.
APP_ID = "1600000000000001"
APP_SECRET = "5a4db0c5a4db0c5a4db0c5a4db0c5a4d"
ACCESS_TOKEN = "EAAWsandboxZBtoken0123456789ZCZD"


@dataclass(slots=True)
class Request:
    """An HTTP request: `url` is the address without its query; a token may stand among the parameters."""

    method: str
    path: str
    url: str
    params: Params
    bearer: str | None = None


@dataclass(slots=True)
class Response:
    """An answer: an object, or the text of one or of an HTML page. `cut`: the connection breaks instead."""

    status: int = 200
    body: dict[str, Any] | str = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False


def check_token(request: Request) -> None:
    """The access token, in the parameters or as a bearer, and the proof of the app's secret if one is sent."""
    token = request.params.get("access_token") or request.bearer
    if not token:
        raise errors.token_required()
    if not hmac.compare_digest(token.encode(), ACCESS_TOKEN.encode()):
        raise errors.token_malformed()
    proof = request.params.get("appsecret_proof")
    expected = hmac.new(APP_SECRET.encode(), token.encode(), hashlib.sha256).hexdigest()
    if proof and not hmac.compare_digest(proof.encode(), expected.encode()):
        raise errors.bad_proof()


def paged(request: Request, rows: Sequence[T]) -> tuple[list[T], dict[str, Any]]:
    """One page of rows, and its `paging`: cursors, and `next` only when more rows follow."""
    start = start_of(request)
    stop = start + page(request.params)[0]
    data = list(rows[start:stop])
    if not data:
        return data, {}
    paging: dict[str, Any] = {"cursors": {"before": _cursor(start), "after": _cursor(start + len(data))}}
    if stop < len(rows):
        paging["next"] = next_url(request, stop)
    return data, paging


def listing(data: Sequence[dict[str, Any]], paging: dict[str, Any]) -> dict[str, Any]:
    """The body of a page; without rows there is no paging."""
    return {"data": list(data)} | ({"paging": paging} if paging else {})


def listing_of_texts(data: Sequence[str], paging: dict[str, Any]) -> str:
    """The same for rows that are JSON texts."""
    more = f',"paging":{json.dumps(paging)}' if paging else ""
    return f'{{"data":[{",".join(data)}]{more}}}'


def start_of(request: Request) -> int:
    """The position of the first row that a request asks for."""
    after = page(request.params)[1]
    return 0 if after is None else _position(after)


def next_url(request: Request, position: int) -> str:
    """The address of the page that starts at a position. It carries the token, as Graph's does."""
    kept = {key: value for key, value in request.params.items() if key not in ("after", "appsecret_proof")}
    kept |= {"access_token": request.bearer} if request.bearer else {}
    return f"{request.url}?{urllib.parse.urlencode(kept | {'after': _cursor(position)})}"


def _cursor(position: int) -> str:
    return base64.urlsafe_b64encode(f"sandbox:{position}".encode()).decode()


def _position(cursor: str) -> int:
    try:
        name, _, number = base64.urlsafe_b64decode(cursor.encode()).decode().partition(":")
        if name == "sandbox":
            return int(number)
    except (ValueError, binascii.Error):
        pass
    raise errors.invalid_parameter("Invalid cursors values for the after param")
