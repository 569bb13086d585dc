"""Answers a query: checks its fields as the service does, then computes the rows from the world."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from sandbox.google_ads.conditions import compile_condition, days_of
from sandbox.google_ads.errors import not_modelled
from sandbox.google_ads.fields import FIELDS, RESOURCES, Client, Row
from sandbox.google_ads.gaql import Query, QueryError
from sandbox.model import Account
from sandbox.world import World

_SEGMENTS, _METRICS = "segments.", "metrics."


@dataclass(frozen=True, slots=True)
class Schema:
    """The content of an API version: its fields and resources, and the constants of an enum field."""

    has_field: Callable[[str], bool]
    has_resource: Callable[[str], bool]
    enum_values: Callable[[str], Container[str]]


def answer(world: World, customer: Account, query: Query, schema: Schema) -> list[Row]:
    """The rows of a query; raises QueryError, or AdsError for what the sandbox doesn't model."""
    _check(query, customer, schema)
    today = world.local_today(customer)
    tests = [compile_condition(c, schema.enum_values(c.field)) for c in query.where if c.field != "segments.date"]
    span = _span(query, today)
    kept = [row for row in _rows(world, customer, query, today, span) if all(test(row) for test in tests)]
    for order in reversed(query.order_by):
        kept.sort(key=FIELDS[order.field].get, reverse=order.descending)
    return kept[: query.limit]


def _check(query: Query, customer: Account, schema: Schema) -> None:
    if query.resource not in RESOURCES:
        if schema.has_resource(query.resource):
            raise not_modelled(f"the resource {query.resource}")
        raise QueryError(
            "BAD_RESOURCE_TYPE_IN_FROM_CLAUSE",
            f"Error in FROM clause: '{query.resource}' is not a valid resource name.",
        )
    filtered = tuple(condition.field for condition in query.where)
    ordered = tuple(order.field for order in query.order_by)
    for field in dict.fromkeys(query.select + filtered + ordered):
        if not schema.has_field(field):
            raise QueryError("UNRECOGNIZED_FIELD", f"Unrecognized field in the query: '{field}'.")
    if customer.is_manager and any(f.startswith(_METRICS) for f in query.select + filtered):
        raise QueryError(
            "REQUESTED_METRICS_FOR_MANAGER",
            "Metrics cannot be requested for a manager account. To retrieve metrics, issue separate requests against "
            "each client account under the manager account.",
        )
    for field in query.select:
        _check_place(field, query, "SELECT")
    for field in filtered:
        _check_place(field, query, "WHERE")
    for field in ordered:
        if field not in query.select:
            raise QueryError(
                "EXPECTED_REFERENCED_FIELD_IN_SELECT_CLAUSE",
                f"The following field must be present in SELECT clause: '{field}'.",
            )
    for field in query.select + filtered:
        if field not in FIELDS:
            raise not_modelled(f"the field {field}")


def _check_place(field: str, query: Query, clause: str) -> None:
    part = field.partition(".")[0]
    if part in RESOURCES[query.resource]:
        return
    if part == "metrics":
        code = "PROHIBITED_METRIC_IN_SELECT_OR_WHERE_CLAUSE"
    elif part == "segments":
        code = "PROHIBITED_SEGMENT_IN_SELECT_OR_WHERE_CLAUSE"
    else:
        code = f"PROHIBITED_RESOURCE_TYPE_IN_{clause}_CLAUSE"
    raise QueryError(code, f"Cannot select or filter on '{field}' with the resource '{query.resource}' in FROM.")


def _rows(world: World, customer: Account, query: Query, today: date, span: tuple[date, date]) -> Iterator[Row]:
    if query.resource == "customer_client":
        return (Row(customer, today, client=client) for client in clients_of(world, customer))
    metrics = [field for field in query.select if field.startswith(_METRICS)]
    dated = "segments.date" in query.select
    if not dated and not metrics and not any(c.field.startswith(_METRICS) for c in query.where):
        return _entities(world, customer, query, today)
    rows = _totals(world, customer, query, today, span, dated=dated)
    if dated and metrics:
        # With a segment, the service leaves out a row if all selected metrics are zero.
        return (row for row in rows if any(FIELDS[field].get(row) for field in metrics))
    return rows


def _entities(world: World, customer: Account, query: Query, today: date) -> Iterator[Row]:
    if query.resource == "customer":
        yield Row(customer, today)
        return
    for campaign in world.campaigns(customer):
        yield Row(customer, today, campaign)


def _totals(
    world: World, customer: Account, query: Query, today: date, span: tuple[date, date], *, dated: bool
) -> Iterator[Row]:
    by_campaign = query.resource == "campaign"
    sums: dict[tuple[int, date | None], Row] = {}
    if not dated:  # without a segment the rows are the resource's, active or not
        for row in _entities(world, customer, query, today):
            sums[row.campaign.id if row.campaign else 0, None] = row
    for served in world.campaign_days(customer, span[0], span[1] + timedelta(days=1)):
        key = (served.campaign.id if by_campaign else 0, served.day if dated else None)
        known = sums.get(key)
        if known is None:
            campaign = served.campaign if by_campaign else None
            sums[key] = Row(customer, today, campaign, day=key[1], metrics=served.metrics)
        else:
            known.metrics += served.metrics
    yield from sums.values()


def _span(query: Query, today: date) -> tuple[date, date]:
    """The first and the last day that the conditions leave: each condition on a date is an interval."""
    first, last = date(2000, 1, 1), today
    for condition in query.where:
        if condition.field == "segments.date":
            low, high = days_of(condition, today)
            first, last = max(first, date.fromisoformat(low)), min(last, date.fromisoformat(high))
    return first, last


def clients_of(world: World, manager: Account) -> list[Client]:
    """The account itself (level 0) and, for a manager, all accounts under it."""
    clients = [Client(manager, 0)]
    accounts = world.accounts("google_ads")
    for known in clients:  # grows while it is read: one level after the other
        clients += [Client(a, known.level + 1) for a in accounts if a.manager_id == known.account.id]
    return clients
