"""The query language: what parses into what, and what LIKE and the date ranges mean."""

from __future__ import annotations

import re
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.google_ads.conditions import _like, days_of
from sandbox.google_ads.gaql import Condition, Order, QueryError, Value, parse

FRIDAY = date(2026, 11, 20)


def test_all_clauses() -> None:
    query = parse(
        """SELECT campaign.id, metrics.clicks, campaign.id
        FROM campaign
        WHERE segments.date BETWEEN "2026-01-01" AND '2026-01-31' AND campaign.status NOT IN ('REMOVED', PAUSED)
          AND campaign.name NOT LIKE '%O\\'Neill%' AND metrics.clicks >= 10 AND campaign.end_date_time IS NOT NULL
        ORDER BY metrics.clicks DESC, campaign.id LIMIT 50 PARAMETERS include_drafts=true;"""
    )
    assert query.select == ("campaign.id", "metrics.clicks")
    assert query.resource == "campaign" and query.limit == 50
    assert query.order_by == (Order("metrics.clicks", descending=True), Order("campaign.id"))
    assert query.parameters == (("include_drafts", "true"),)
    assert query.where == (
        Condition("segments.date", "BETWEEN", (Value("2026-01-01", True), Value("2026-01-31", True))),
        Condition("campaign.status", "NOT IN", (Value("REMOVED", True), Value("PAUSED", False))),
        Condition("campaign.name", "NOT LIKE", (Value("%O'Neill%", True),)),
        Condition("metrics.clicks", ">=", (Value("10", False),)),
        Condition("campaign.end_date_time", "IS NOT NULL"),
    )


def test_keywords_in_any_case() -> None:
    assert parse("select customer.id from customer where segments.date during last_7_days limit 1") == parse(
        "SELECT customer.id FROM customer WHERE segments.date DURING LAST_7_DAYS LIMIT 1"
    )


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "EXPECTED_SELECT"),
        ("SELECT", "UNEXPECTED_END_OF_QUERY"),
        ("SELECT FROM campaign", "UNEXPECTED_INPUT"),
        ("SELECT a.b FROM c WHERE", "UNEXPECTED_END_OF_QUERY"),
        ("SELECT a.b FROM c WHERE a.b", "UNEXPECTED_END_OF_QUERY"),
        ("SELECT a.b FROM c WHERE a.b ~ 1", "UNEXPECTED_INPUT"),
        ("SELECT a.b FROM c WHERE a.b = 'x", "STRING_NOT_TERMINATED"),
        ("SELECT a.b FROM c WHERE a.b IN 1", "EXPECTED_LIST"),
        ("SELECT a.b FROM c WHERE a.b IN ()", "PROHIBITED_EMPTY_LIST_IN_CONDITION"),
        ("SELECT a.b FROM c WHERE a.b BETWEEN 1 OR 2", "EXPECTED_AND"),
        ("SELECT a.b FROM c WHERE a.b SIMILAR 1", "BAD_OPERATOR"),
        ("SELECT a.b FROM c WHERE a.b = 1 OR a.b = 2", "UNEXPECTED_INPUT"),
        ("SELECT a.b FROM c ORDER a.b", "EXPECTED_BY"),
        ("SELECT a.b FROM c LIMIT many", "BAD_LIMIT_VALUE"),
        ("SELECT a.b FROM c LIMIT 0", "LIMIT_VALUE_TOO_LOW"),
    ],
)
def test_what_is_refused(text: str, code: str) -> None:
    with pytest.raises(QueryError) as raised:
        parse(text)
    assert raised.value.code == code


@given(st.text(max_size=60))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    try:
        parse("SELECT a.b FROM c WHERE " + text)
    except QueryError as error:
        assert error.code and str(error)


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        ("%sale%", "Flash Sale 2026", True),
        ("Sale", "Flash Sale", False),
        ("S_le", "Sale", True),
        ("50[%] off", "50% off", True),
        ("50[%] off", "50x off", False),
        ("[[]MCC] %", "[MCC] East", True),
        ("a.c", "abc", False),
    ],
)
def test_like(pattern: str, text: str, matches: bool) -> None:
    assert bool(re.fullmatch(_like(pattern), text, re.IGNORECASE)) is matches


@pytest.mark.parametrize(
    ("name", "first", "last"),
    [
        ("TODAY", "2026-11-20", "2026-11-20"),
        ("LAST_7_DAYS", "2026-11-13", "2026-11-19"),
        ("LAST_30_DAYS", "2026-10-21", "2026-11-19"),
        ("LAST_MONTH", "2026-10-01", "2026-10-31"),
        ("THIS_MONTH", "2026-11-01", "2026-11-20"),
        ("LAST_WEEK_MON_SUN", "2026-11-09", "2026-11-15"),
    ],
)
def test_date_ranges(name: str, first: str, last: str) -> None:
    assert days_of(Condition("segments.date", "DURING", (Value(name, False),)), FRIDAY) == (first, last)


def test_open_ranges_are_exclusive_or_not() -> None:
    def days(operator: str) -> tuple[str, str]:
        return days_of(Condition("segments.date", operator, (Value("2026-01-10", True),)), FRIDAY)

    assert days(">")[0] == "2026-01-11" and days(">=")[0] == "2026-01-10"
    assert days("<")[1] == "2026-01-09" and days("<=")[1] == "2026-01-10"
