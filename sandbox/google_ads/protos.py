"""The vendor's own messages, version by version, imported when a version is first called: an import takes a second."""

from __future__ import annotations

import importlib
import importlib.util
import re
import threading
from collections.abc import Callable, Container, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from sandbox.google_ads.errors import AdsError
from sandbox.google_ads.fields import FIELDS, Row
from sandbox.google_ads.query import Schema

_PACKAGE = "google.ads.googleads"
_import_lock = threading.Lock()


@lru_cache(maxsize=1)
def installed_versions() -> tuple[str, ...]:
    """The API versions that the installed google-ads ships, found without importing it."""
    spec = importlib.util.find_spec(_PACKAGE)
    folders = spec.submodule_search_locations if spec is not None else None
    names = (path.name for folder in folders or () for path in Path(folder).iterdir())
    return tuple(sorted(name for name in names if re.fullmatch(r"v\d+", name)))


class Protos:
    """One API version: its messages, its schema, and how a row or an error is written in it."""

    def __init__(self, version: str) -> None:
        service = importlib.import_module(f"{_PACKAGE}.{version}.services.types.google_ads_service")
        customers = importlib.import_module(f"{_PACKAGE}.{version}.services.types.customer_service")
        errors = importlib.import_module(f"{_PACKAGE}.{version}.errors.types.errors")
        self.failure_key = f"{_PACKAGE}.{version}.errors.googleadsfailure-bin"
        self.search_request: Callable[..., Any] = service.SearchGoogleAdsRequest.pb()
        self.search_response: Callable[..., Any] = service.SearchGoogleAdsResponse.pb()
        self.stream_request: Callable[..., Any] = service.SearchGoogleAdsStreamRequest.pb()
        self.stream_response: Callable[..., Any] = service.SearchGoogleAdsStreamResponse.pb()
        self.list_response: Callable[..., Any] = customers.ListAccessibleCustomersResponse.pb()
        self._failure: Callable[..., Any] = errors.GoogleAdsFailure.pb()
        self._row = service.GoogleAdsRow.pb().DESCRIPTOR
        self.schema = Schema(self._has_field, self._has_resource, self._enum_values)

    def _descriptor(self, path: str) -> Any | None:
        message, field = self._row, None
        for name in path.split("."):
            if message is None or name not in message.fields_by_name:
                return None
            field = message.fields_by_name[name]
            message = field.message_type
        return field

    def _has_field(self, path: str) -> bool:
        field = self._descriptor(path)
        return field is not None and "." in path and field.message_type is None

    def _has_resource(self, name: str) -> bool:
        return name in self._row.fields_by_name and name not in ("metrics", "segments")

    def _enum_values(self, path: str) -> Container[str]:
        field = self._descriptor(path)
        return () if field is None or field.enum_type is None else field.enum_type.values_by_name

    def writer(self, select: Sequence[str], resource: str) -> Callable[[Any, Row], None]:
        """A function that fills a GoogleAdsRow: the selected fields, and the resource names of what they belong to."""
        parts = {path.partition(".")[0] for path in select} - {"segments", "metrics"} | {resource}
        paths = dict.fromkeys([f"{part}.resource_name" for part in sorted(parts)] + list(select))
        plan: dict[str, list[tuple[str, Callable[[Row], Any]]]] = {}
        for path in paths:
            part, _, name = path.partition(".")
            plan.setdefault(part, []).append((name, self._getter(path)))

        def write(message: Any, row: Row) -> None:
            for part, fields in plan.items():
                target = getattr(message, part)
                for name, get in fields:
                    setattr(target, name, get(row))

        return write

    def _getter(self, path: str) -> Callable[[Row], Any]:
        get = FIELDS[path].get
        if FIELDS[path].type != "enum":
            return get
        field = self._descriptor(path)
        assert field is not None
        numbers = {name: value.number for name, value in field.enum_type.values_by_name.items()}
        return lambda row: numbers[get(row)]

    def failure(self, error: AdsError, request_id: str) -> Any | None:
        """The GoogleAdsFailure of an error; None for an error that has none."""
        if not error.category:
            return None
        failure: Any = self._failure(request_id=request_id)
        one = failure.errors.add(message=error.message)
        field = one.error_code.DESCRIPTOR.fields_by_name[error.category]
        setattr(one.error_code, error.category, field.enum_type.values_by_name[error.code].number)
        if error.retry_delay_s is not None:
            details = one.details.quota_error_details
            scopes = details.DESCRIPTOR.fields_by_name["rate_scope"].enum_type.values_by_name
            details.rate_scope = scopes["ACCOUNT"].number
            details.rate_name = error.rate_name
            details.retry_delay.FromNanoseconds(round(error.retry_delay_s * 1e9))
        return failure


@lru_cache(maxsize=16)
def _load(version: str) -> Protos:
    return Protos(version)


def protos(version: str) -> Protos:
    """The messages of a version. One thread at a time: two imports of these packages can wait for each other."""
    with _import_lock:
        return _load(version)
