"""The laws of the house, as far as a test can hold them.

import-linter holds the laws about imports: `make check`.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from mdp_dagster.connectors.base import ColumnType
from mdp_dagster.connectors.sources import Source, all_sources
from mdp_dagster.defs.ads.platforms import AD_PLATFORMS, REPORTS

ROOT = Path(__file__).parents[1]
MODULES = sorted((ROOT / "mdp_dagster").rglob("*.py"))


@pytest.mark.parametrize("platform", AD_PLATFORMS, ids=lambda platform: platform.name)
def test_a_platform_is_a_connector_a_staging_folder_and_a_sandbox_server(platform: Source) -> None:
    source = platform.name
    assert (ROOT / "mdp_dagster" / "connectors" / source).is_dir()
    assert (ROOT / "sandbox" / source).is_dir()
    for report in platform.reports:
        assert (ROOT / "dbt" / "models" / "staging" / source / f"stg_{source}__{report.name}.sql").is_file()


@pytest.mark.parametrize("report", REPORTS, ids=lambda report: report.table)
def test_a_report_declares_everything_once(report) -> None:  # type: ignore[no-untyped-def]
    columns = {column.name: column for column in report.columns}
    assert len(columns) == len(report.columns)
    assert {*report.key, report.day_column} <= set(columns)
    assert report.day_column in report.key, "a row belongs to one day"
    assert report.description
    assert report.grain
    assert all(column.description for column in report.columns)
    money = {name: columns[amount.column] for name, amount in report.amounts.items() if amount.is_money}
    assert all(column.unit for column in money.values())
    assert money["spend"].type in {ColumnType.INTEGER, ColumnType.DECIMAL_TEXT}, "spend must be exact"


def test_a_module_fits_in_a_reading() -> None:
    long = {str(path.relative_to(ROOT)): n for path in MODULES if (n := len(path.read_text().splitlines())) > 300}
    assert long == {}


def test_a_platform_is_named_only_in_its_own_places() -> None:
    """Everything else about a platform is generic."""
    names = "|".join(source.name for source in all_sources())
    allowed = (*(f"connectors/{source.name}/" for source in all_sources()), "platforms.py", "shop_systems.py")
    named = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in MODULES
        if not any(place in str(path) for place in allowed)
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if re.search(rf"['\"]({names})['\"]", line)
    ]
    assert named == []


def test_there_is_no_second_list_of_the_sources_prefixes() -> None:
    """Everything reads them from the declarations. Two prefixes in one line are a list."""
    prefixes = [source.environment_prefix for source in all_sources()]
    lists = [
        f"{path.relative_to(ROOT)}:{number}"
        for folder in ("mdp_dagster", "sandbox", "chaos", "bench", "tests")
        for path in sorted((ROOT / folder).rglob("*.py"))
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if sum(f'"{prefix}"' in line for prefix in prefixes) > 1
    ]
    assert lists == [], "→ use mdp_dagster.connectors.sources"


@pytest.mark.slow
def test_loading_the_code_location_imports_no_vendor_sdk_and_no_pandas() -> None:
    code = (
        "import sys, mdp_dagster.definitions\n"
        "print([name for name in ('google.ads.googleads.client', 'facebook_business.api', 'pandas', 'rich.table') "
        "if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_lock_file_pins_everything_with_hashes_and_names_no_address() -> None:
    text = (ROOT / "requirements.lock").read_text()
    pins = re.findall(r"^[\w.\[\], -]+==\S+", text, re.M)
    assert len(pins) > 100
    assert "://" not in text
    assert len(re.findall(r"^[^\s#]", text, re.M)) == len(pins), "something is not pinned"
    unhashed = [pin for pin in pins if not re.search(re.escape(pin) + r"[^\n]*\\\n\s+--hash=sha256:", text)]
    assert unhashed == []
