"""The marts as of an instant: the rows extracted by then, in separate schemas next to the current ones."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from mdp_dagster.__main__ import main
from mdp_dagster.cli.as_of import AsOfError, parse_instant
from mdp_dagster.transform.as_of_build import AsOf
from mdp_dagster.warehouse.base import WarehouseError
from tests.end_to_end.conftest import TEN_DAYS, Platform, days_ago

GOOGLE, META = "4123087751", "301400000000101"


def tables(platform: Platform, dataset: str) -> dict[str, list[dict[str, Any]]]:
    """Every row of every table of a dataset, in an order of its own."""
    names = sorted(name for there, name in platform.warehouse.tables() if there == dataset)
    return {
        name: sorted(platform.warehouse.query(f"from {dataset}.{name}").to_pylist(), key=lambda row: str(row))
        for name in names
    }


def test_a_build_as_of_an_instant_has_the_rows_of_that_time_and_keeps_the_current_tables(
    loaded: Platform, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    platform = loaded
    then = datetime.now(timezone.utc)
    past = {dataset: tables(platform, dataset) for dataset in ("mdp_staging", "mdp_marts")}
    assert past["mdp_marts"]["mart_campaign__daily"] and past["mdp_marts"]["mart_client__daily"]

    platform.world.restate("google_ads", GOOGLE, platform.a_day_with_rows(GOOGLE), factor=2)
    platform.world.empty_day("meta_ads", META, platform.a_day_with_rows(META))
    platform.run(days_ago(11))
    present = {dataset: tables(platform, dataset) for dataset in ("mdp_raw", "mdp_staging", "mdp_marts")}
    assert present["mdp_marts"] != past["mdp_marts"]

    as_of = AsOf(then)
    monkeypatch.setenv("MDP_START_DATE", str(TEN_DAYS.last))  # days before the first partition count too
    for _ in range(2):
        assert main(["as-of", then.isoformat()]) == 0
        for dataset, tables_then in past.items():
            assert tables(platform, f"{dataset}_{as_of.suffix}") == tables_then
        assert {dataset: tables(platform, dataset) for dataset in present} == present
    said = capsys.readouterr().out
    assert f"As of {as_of.moment} UTC: {TEN_DAYS} (10 days)" in said
    assert f"mdp_marts_{as_of.suffix}" in said and "mart_campaign__daily" in said and "DROP=1" in said

    assert main(["as-of", then.isoformat(), "--drop"]) == 0
    assert main(["as-of", then.isoformat(), "--drop"]) == 0
    said = capsys.readouterr().out
    assert f"Removed: mdp_staging_{as_of.suffix}, mdp_marts_{as_of.suffix}" in said and "Nothing to remove" in said
    assert {dataset: tables(platform, dataset) for dataset in present} == present
    assert {dataset for dataset, _ in platform.warehouse.tables()} == set(present)


def test_the_errors_for_impossible_instants_have_a_remedy(
    platform: Platform, capsys: pytest.CaptureFixture[str]
) -> None:
    def error(*arguments: str) -> str:
        assert main(["as-of", *arguments]) == 1
        said = capsys.readouterr().err
        assert "→" in said
        return said

    assert "does not exist yet" in error("2026-01-01")
    platform.run(days_ago(2, 2), select="raw_google_ads__account_daily")
    assert "before the first extract" in error("2020-01-01 06:00")
    assert "in the future" in error("2999-01-01")
    assert "is not a valid instant" in error("yesterday")
    assert "a first and a last day" in error((datetime.now(timezone.utc)).isoformat(), "2026-10-31")
    for suffix in ("", "marts", "as_of_20261101t060000z; drop schema mdp_raw", "raw"):
        with pytest.raises(WarehouseError, match="→"):
            platform.warehouse.drop_as_of(suffix)
    assert platform.count("mdp_raw.raw__extracts") > 0


@pytest.mark.parametrize(
    ("text", "hours_utc"),
    [
        ("2026-11-01 06:00", 5),
        ("2026-11-01T06:00:00Z", 6),
        ("2026-11-01 06:00:00+03:00", 3),
        ("2026-11-01 06:00 America/New_York", 11),
        ("2026-11-01", -1),
    ],
)
def test_an_instant_is_in_its_own_time_zone_or_in_that_of_the_settings(text: str, hours_utc: int) -> None:
    expected = datetime(2026, 11, 1, tzinfo=timezone.utc) + timedelta(hours=hours_utc)
    assert parse_instant(text, "Europe/Berlin") == expected


def test_an_unknown_time_zone_is_an_error() -> None:
    with pytest.raises(AsOfError, match="Nowhere.*→"):
        parse_instant("2026-11-01 06:00 Europe/Nowhere", "UTC")


def test_names_of_schemas_have_seconds_or_microseconds() -> None:
    whole = AsOf(datetime(2026, 11, 1, 7, tzinfo=timezone(timedelta(hours=1))))
    assert (whole.suffix, whole.moment) == ("as_of_20261101t060000z", "2026-11-01 06:00:00")
    part = AsOf(datetime(2026, 11, 1, 6, 0, 0, 120, tzinfo=timezone.utc))
    assert (part.suffix, part.moment) == ("as_of_20261101t060000000120z", "2026-11-01 06:00:00.000120")
