"""Speeds up the emulator, which spends most of its time reading each statement with sqlglot eighteen times.

Here it parses a statement once, and skips rewrites that can't apply.
"""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Callable
from copy import deepcopy
from functools import lru_cache, wraps
from typing import Any

from bqemulator.catalog import ddl_sync
from bqemulator.domain.result import Ok
from bqemulator.jobs import executor
from bqemulator.sql import inner_query, translator
from sqlglot.dialects.bigquery import BigQuery
from sqlglot.dialects.dialect import Dialect
from sqlglot.expressions import core

from tests.support.emulators.bigquery.days import Days

_KEPT = 400
_ONLY_WITH = (
    (ddl_sync, "_detect_catalog_drop", r"\bdrop\b", None),
    (ddl_sync, "_detect_create_schema", r"\bcreate\b", None),
    (ddl_sync, "_detect_plain_create_table", r"\bcreate\b", None),
    (ddl_sync, "_detect_plain_create_view", r"\bcreate\b", (None, None)),
    (executor, "detect_drop_routine", r"\bdrop\b", None),
    (translator, "rewrite_create_table_schema_ctas", r"\bcreate\b", ...),
    (translator, "rewrite_division_by_zero", r"(?<![/*])/(?![/*])", ...),
    (translator, "rewrite_specialized_types", r"\binterval\s+'[^']*'\s+\w+\s+to\b|\brange\s*[(<]", ...),
    (translator, "rewrite_unnest_struct", r"\bunnest\s*\(\s*\[", ...),
)
"""Functions of a statement, a pattern in it, and their result without the pattern; ``...``: the same statement."""

_READERS = (
    (inner_query, "build_catalog_schema"),
    (ddl_sync, "_detect_create_schema"),
    (ddl_sync, "_detect_plain_create_table"),
    (ddl_sync, "_extract_ddl_metadata"),
    (executor, "_parse_for_classification"),
)
"""Functions that only read the tree of a statement."""

_LAST_OWNERS = (
    (executor, "rewrite_table_refs"),
    (translator, "rewrite_division_by_zero"),
    (translator.SQLTranslator, "_apply_rules"),
)
"""Functions that parse a statement, change the tree, write it as text, and drop it."""

_thread = threading.local()


def mend() -> None:
    _parse_once()
    _copy_quickly()
    _generate_without_copies()
    for place, name in _READERS:
        setattr(place, name, _with_attribute("shares", getattr(place, name)))
    for place, name in _LAST_OWNERS:
        setattr(place, name, _with_attribute("owns", getattr(place, name)))
    _translate_once()
    for module, name, pattern, otherwise in _ONLY_WITH:
        setattr(module, name, _only_with(re.compile(pattern, re.IGNORECASE), getattr(module, name), otherwise))
    executor._parse_for_classification = _without_days(lru_cache(_KEPT)(executor._parse_for_classification))
    inner_query.build_catalog_schema = _without_days(inner_query.build_catalog_schema)
    _only_with_views()
    executor._reject_dml_on_immutable = lambda *_: None  # snapshots, which no test makes
    executor._capture_dml_snapshots = _nothing


async def _nothing(*_: Any) -> None: ...


def _parse_once() -> None:
    parsed: OrderedDict[tuple[Any, ...], list[Any]] = OrderedDict()
    parse = Dialect.parse

    def parse_once(self: Dialect, sql: str, **options: Any) -> list[Any]:
        is_template = (
            type(self) is Dialect and ":" in sql
        )  # compiled sqlglot reads its own template again for each .sql()
        if not is_template and not isinstance(self, BigQuery):  # DuckDB reads each statement once
            return _owned(parse(self, sql, **options))
        key = type(self), str(self.settings), sql, *sorted(options.items())
        if key not in parsed:
            parsed[key] = parse(self, sql, **options)
            if len(parsed) > _KEPT:
                parsed.popitem(last=False)
        if is_template or getattr(_thread, "shares", False):  # a template's placeholders are replaced in a copy anyway
            return parsed[key]
        return _owned([tree if tree is None else tree.copy() for tree in parsed[key]])  # callers change it

    Dialect.parse = parse_once


def _owned(trees: list[Any]) -> list[Any]:
    """Remembers the first tree that a function of ``_LAST_OWNERS`` parses."""
    if getattr(_thread, "owns", False) and len(trees) == 1:
        _thread.owns, _thread.owned = False, trees[0]
    return trees


def _generate_without_copies() -> None:
    """Writes a tree that nobody reads afterwards without copying it."""
    generate = Dialect.generate

    def generate_once(self: Dialect, expression: Any, copy: bool = True, **options: Any) -> str:
        return generate(self, expression, copy=copy and expression is not getattr(_thread, "owned", None), **options)

    Dialect.generate = generate_once


def _with_attribute(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, with an attribute of the thread that is true while it runs."""

    @wraps(function)
    def call(*arguments: Any, **named: Any) -> Any:
        setattr(_thread, name, True)
        try:
            return function(*arguments, **named)
        finally:
            setattr(_thread, name, False)
            _thread.owned = None

    return call


def _translate_once() -> None:
    """Keep the translations of statements that are sent again: dry runs before a query, and each further dbt build."""
    translate = translator.SQLTranslator.translate
    translations: OrderedDict[tuple[Any, ...], Any] = OrderedDict()

    def translate_once(self: translator.SQLTranslator, bq_sql: str, **context: Any) -> Any:
        around = id(self), *(repr(part) for part in sorted(context.items()))

        def translated(sql: str) -> Any:
            key = sql, *around
            if key not in translations:
                translations[key] = translate(self, sql, **context)
                if len(translations) > _KEPT:
                    translations.popitem(last=False)
            return translations[key]

        days = Days(bq_sql)
        if days.can_be_put_back:
            found = translated(days.template)
            if isinstance(found, Ok) and days.are_in(found.value):
                return Ok(days.put_back(found.value))
        return translated(bq_sql)

    translator.SQLTranslator.translate = translate_once
    rewrite = lru_cache(_KEPT)(executor.rewrite_table_refs)

    def rewrite_once(sql: str, *arguments: Any, **named: Any) -> str:
        days = Days(sql)
        if days.can_be_put_back:
            found = rewrite(days.template, *arguments, **named)
            if days.are_in(found):
                return days.put_back(found)
        return rewrite(sql, *arguments, **named)

    executor.rewrite_table_refs = rewrite_once


def _without_days(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function of a statement that does not depend on its days."""
    return lambda sql, *arguments, **named: function(Days(sql).template, *arguments, **named)


def _copy_quickly() -> None:
    """Copy a tree. Most of a copy consists of positions, comments and types, which are plain values."""

    def copy(value: Any, *memo: Any) -> Any:
        if isinstance(value, core.Expr):
            return value.__deepcopy__({})
        if isinstance(value, dict):
            return dict(value)
        if isinstance(value, list):
            return [one if isinstance(one, str) else copy(one) for one in value]
        return deepcopy(value, *memo)

    vars(core)["deepcopy"] = copy


def _only_with(pattern: re.Pattern[str], look: Callable[..., Any], otherwise: Any) -> Callable[..., Any]:
    def look_if_there(sql: str, *arguments: Any) -> Any:
        if pattern.search(sql):
            return look(sql, *arguments)
        return sql if otherwise is ... else otherwise

    return look_if_there


def _only_with_views() -> None:
    """Skip row policies, which no test uses, unless there are views."""
    rewrite = inner_query.rewrite_for_row_access

    def rewrite_if_views(sql: str, **named: Any) -> str:
        has_views = any(table.view_query for table in list(named["catalog"]._tables.values()))
        return rewrite(sql, **named) if has_views else sql

    inner_query.rewrite_for_row_access = rewrite_if_views
