"""The check that lists missed KPI targets, in real Dagster runs over a small mart."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import time_machine

from mdp_dagster.clients.model import Clients
from mdp_dagster.defs.ads.campaign_checks import MART, campaign_checks
from mdp_dagster.defs.ads.kpi_check import DAYS, NO_NEW_MISSES
from mdp_dagster.orchestration.partitions import range_tags
from mdp_dagster.settings import Settings
from mdp_dagster.warehouse.base import Warehouse
from mdp_dagster.window import DateWindow
from tests.defs.ads.mornings import Mart, count, mornings
from tests.support.clock import NOW, TODAY

CLIENTS = Clients.model_validate(
    {"clients": [{"id": "acme", "name": "Acme", "currency": "EUR", "accounts": {}, "targets": {"cpa": 5}}]}
)


@dataclass
class Services:
    """The services of a run that the checks use."""

    settings: Settings
    clients: Clients
    warehouse: Warehouse


class Checks:
    """The checks of a mart, in one Dagster."""

    def __init__(self, mart: Mart, instance: dg.DagsterInstance) -> None:
        self.mart = mart
        self.instance = instance

    @cached_property
    def _job(self) -> dg.JobDefinition:
        services = Services(Settings(_env_file=None), CLIENTS, self.mart.warehouse)  # type: ignore[call-arg]
        job = dg.define_asset_job("checks", selection=dg.AssetSelection.all_asset_checks())
        definitions = dg.Definitions(
            assets=[dg.AssetSpec(MART)],
            asset_checks=[campaign_checks()],
            resources={"services": dg.ResourceDefinition.hardcoded_resource(services)},
            jobs=[job],
        )
        return definitions.resolve_job_def("checks")

    def run(self, tags: dict[str, str] | None = None) -> dg.AssetCheckEvaluation:
        result = self._job.execute_in_process(instance=self.instance, tags=tags)
        [found] = [each for each in result.get_asset_check_evaluations() if each.check_name == NO_NEW_MISSES]
        assert found.severity == dg.AssetCheckSeverity.WARN
        return found


@pytest.fixture
def checks(tmp_path: Path) -> Iterator[Checks]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield Checks(Mart(tmp_path / "warehouse.duckdb"), instance)


def days(campaign: str, first: int = DAYS, last: int = 1, **values: Any) -> list[dict[str, Any]]:
    """A campaign's final days, from ``first`` to ``last`` days ago. It meets every target: its CPA is 2."""
    return [
        {
            "date": TODAY - timedelta(days=number),
            "platform": "google_ads",
            "campaign_id": campaign,
            "client_id": "acme",
            "account_id": "1",
            "campaign_name": campaign,
            "reporting_currency": "EUR",
            "impressions": 1_000,
            "link_clicks": 100,
            "conversions": 10,
            "spend_reporting": 20,
            "age_days": number,
            "is_final": True,
            "expected_completeness": 1.0,
            "completeness_source": "final",
            **values,
        }
        for number in range(first, last - 1, -1)
    ]


def misses(check: dg.AssetCheckEvaluation) -> list[tuple[str, str]]:
    """The campaign and KPI of each listed miss."""
    return [(record["campaign"], record["kpi"]) for record in records(check, "worst_misses")]


def records(check: dg.AssetCheckEvaluation, name: str) -> list[dict[str, Any]]:
    return [dict(record.data) for record in check.metadata[name].value.records] if name in check.metadata else []


def details(check: dg.AssetCheckEvaluation) -> list[dict[str, str]]:
    """The records of the Markdown table with everything about the misses."""
    lines = check.metadata["worst_misses_in_detail"].value.splitlines()
    names, _, *rows = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]
    return [dict(zip(names, row, strict=True)) for row in rows]


def test_misses_are_one_table_with_the_worst_first(checks: Checks) -> None:
    checks.mart.replace(
        [
            *days("good"),
            *days("twice the cost", spend_reporting=100),
            *days("no conversion", conversions=0),
            *days("few clicks", link_clicks=4, conversions=1),
            *days("too small", impressions=10, link_clicks=1, conversions=0),
        ]
    )
    check = checks.run()
    assert not check.passed
    assert misses(check) == [
        ("no conversion", "cpa"),
        ("no conversion", "conversion_rate"),
        ("few clicks", "ctr"),
        ("few clicks", "cpa"),
        ("twice the cost", "cpa"),
    ]
    worst = records(check, "worst_misses")[-1]
    assert worst == {
        "new": True,
        "client": "acme",
        "campaign": "twice the cost",
        "kpi": "cpa",
        "value": 10,
        "target": 5,
    }
    assert details(check)[-1] == {
        "client": "acme",
        "platform": "google_ads",
        "campaign": "twice the cost",
        "campaign_id": "twice the cost",
        "kpi": "cpa",
        "value": "10.0",
        "at_best": "10.0",
        "target": "5.0",
        "days_judged": "28",
        "impressions": "28000",
        "clicks": "2800",
        "conversions": "280.0",
        "completeness": "1.0",
        "measured_on": "final",
    }
    assert records(check, "worst_misses")[0]["value"] is None
    assert {
        record["kpi"]: (record["miss"], record["meet"], record["not_judged"]) for record in records(check, "kpis")
    } == {
        "ctr": (1, 3, 1),
        "cpa": (3, 1, 1),
        "conversion_rate": (1, 3, 1),
    }
    assert "final days" in check.metadata["judged_by"].value


def test_without_a_miss_the_check_passes_and_has_no_table(checks: Checks) -> None:
    for rows in ([], days("good")):
        checks.mart.replace(rows)
        check = checks.run()
        assert check.passed
        assert check.metadata["misses"].value == 0
        assert misses(check) == []


def test_a_long_list_ends_with_a_count_of_the_rest(checks: Checks) -> None:
    checks.mart.replace([row for number in range(30) for row in days(str(number), spend_reporting=100 + number)])
    check = checks.run()
    assert [campaign for campaign, _ in misses(check)] == [str(number) for number in range(29, 4, -1)]
    assert (check.metadata["misses"].value, check.metadata["misses_not_listed"].value) == (30, 5)


def test_the_check_warns_once_of_a_miss_and_lists_it_as_long_as_it_lasts(checks: Checks) -> None:
    """A second run on the same day warns again: somebody who reads the last result must see the day's news."""
    bad, worse = days("bad", spend_reporting=100), days("worse", spend_reporting=200)
    checks.mart.replace(bad)
    assert not checks.run().passed
    assert not checks.run().passed

    with time_machine.travel(NOW + timedelta(days=1), tick=True):
        again = checks.run()
        assert again.passed
        assert misses(again) == [("bad", "cpa")]
        assert records(again, "worst_misses")[0]["new"] is False
        checks.mart.replace(bad + worse)
        more = checks.run()
        assert not more.passed
        assert [(record["campaign"], record["new"]) for record in records(more, "worst_misses")] == [
            ("worse", True),
            ("bad", False),
        ]
    with time_machine.travel(NOW + timedelta(days=2), tick=True):
        checks.mart.replace(worse)
        less = checks.run()
        assert less.passed
        assert (less.metadata["misses"].value, less.metadata["ended_misses"].value) == (1, 1)
    with time_machine.travel(NOW + timedelta(days=3), tick=True):
        checks.mart.replace(bad + worse)
        assert not checks.run().passed, "a miss that ended and came back is new"


def test_a_day_counts_when_it_is_over_where_the_account_is(checks: Checks) -> None:
    """The mart's age is in the account's zone: 0 means that the newest extract saw the day running."""
    running = days("campaign", 1, 1, spend_reporting=1e6, age_days=0, is_final=False, expected_completeness=None)
    checks.mart.replace(days("campaign", DAYS, 2) + running)
    check = checks.run()
    assert check.passed
    checks.mart.replace([*days("campaign", DAYS, 2), running[0] | {"age_days": 1}])
    [miss] = details(checks.run())
    assert (miss["kpi"], miss["days_judged"]) == ("cpa", "28")


def test_days_that_were_built_before_there_were_link_clicks_are_not_judged(checks: Checks) -> None:
    old = days("campaign", DAYS, 15, link_clicks=None, spend_reporting=1e6)
    checks.mart.replace(old + days("campaign", 14))
    assert checks.run().passed


def test_days_outside_the_last_four_weeks_are_not_judged(checks: Checks) -> None:
    checks.mart.replace(days("campaign", DAYS + 5, DAYS + 1, spend_reporting=1e6) + days("campaign"))
    assert checks.run().passed


def test_a_run_over_old_days_judges_the_same_days(checks: Checks) -> None:
    checks.mart.replace(days("bad", spend_reporting=100))
    old = range_tags(DateWindow(date(2026, 1, 1), date(2026, 1, 3)))
    assert misses(checks.run(old)) == [("bad", "cpa")]


@pytest.mark.parametrize(
    ("completeness", "source", "listed", "measured_on"),
    [
        (1.0, "account", True, "account"),
        (0.9, "account", True, "account"),
        (0.6, "account", False, None),
        (0.9, "platform", True, "platform"),
        (0.9, None, True, "platform"),  # the mart was built before it had the source
        (None, "account", False, None),  # measured: nothing has ever arrived at this age
        (None, None, False, None),  # assumed: half
    ],
)
def test_young_days_are_judged_with_the_conversions_that_are_still_to_come(
    checks: Checks, completeness: float | None, source: str | None, listed: bool, measured_on: str | None
) -> None:
    """A CPA of 6.67 against 5: it misses the target unless a third of the conversions is still to come."""
    young = {"is_final": False, "age_days": 1, "expected_completeness": completeness, "completeness_source": source}
    checks.mart.replace(days("young", spend_reporting=200 / 3, **young))
    check = checks.run()
    assert misses(check) == ([("young", "cpa")] if listed else [])
    kpis = {record["kpi"]: record for record in records(check, "kpis")}
    assert kpis["cpa"]["undecided"] == (0 if listed else 1)
    if listed:
        assert details(check)[0]["measured_on"] == measured_on


def test_while_nothing_is_measured_a_clear_miss_is_found(checks: Checks) -> None:
    young = {"is_final": False, "expected_completeness": None, "completeness_source": None}
    checks.mart.replace(days("clear", spend_reporting=150, **young))
    [miss] = details(checks.run())
    assert (float(miss["value"]), miss["measured_on"]) == (15, "assumed")
    assert 5 < float(miss["at_best"]) < 15


def test_a_table_of_misses_fits_on_the_page_and_names_can_be_anything(checks: Checks) -> None:
    """Dagster's page has room for about 70 characters in a table of a check, on a screen of 1,400 pixels."""
    name = "A | B \\ C\n" + "x" * 100
    checks.mart.replace(days(name, spend_reporting=100))
    check = checks.run()
    [miss], [detail] = records(check, "worst_misses"), details(check)
    assert sum(max(len(column), len(str(value))) for column, value in miss.items()) < 70
    assert miss["campaign"].startswith("A | B") and miss["campaign"].endswith("…")
    assert detail["campaign"] == "A \\| B \\\\ C " + "x" * 100


def test_money_in_two_currencies_is_not_added(checks: Checks) -> None:
    """The account's client changed its reporting currency within the four weeks."""
    checks.mart.replace(days("moved", DAYS, 11, spend_reporting=1e6) + days("moved", 10, reporting_currency="USD"))
    check = checks.run()
    assert check.passed
    assert {record["kpi"]: record["not_judged"] for record in records(check, "kpis")}["cpa"] == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("measured", "reloaded", "least_found"),
    [(True, True, 0.75), (False, False, 0.5)],
    ids=["with measured curves", "in a new warehouse"],
)
def test_false_alarms_are_rare_in_a_world_with_a_known_truth(
    tmp_path: Path, measured: bool, reloaded: bool, least_found: float
) -> None:
    """At most 2 in 100 campaign-mornings, all KPIs together. Real misses are found.

    `python -m tests.defs.ads.mornings` counts more mornings.
    """
    found = count(tmp_path, 7, mornings(date(2026, 9, 1), 3, step=26), measured=measured, reloaded=reloaded)
    assert found.campaign_mornings > 150 and found.misses > 100
    assert found.false_alarms_in_100 <= 2
    assert found.found_share >= least_found
