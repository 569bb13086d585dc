"""``mdp new-source NAME``: writes the skeleton of an ad platform, and adds it to the lists that name platforms.

The skeleton is a platform that works: its sandbox serves JSON over HTTP, and its connector, models and tests read that.
Its files are in `templates/ad_platform/`, under the name `example_ads`.
"""

from __future__ import annotations

import argparse
import keyword
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mdp_dagster.connectors.sources import all_sources
from mdp_dagster.settings import PROJECT_ROOT

TEMPLATE = PROJECT_ROOT / "templates" / "ad_platform"
_EXAMPLE = "example_ads"
_FOLDERS = ("mdp_dagster/connectors", "sandbox", "dbt/models/staging", "tests/connectors")
_RESERVED = ("mdp", "dagster", "dbt", "google_cloud", _EXAMPLE)
_LONGEST = 40  # BigQuery and Dagster accept longer names, people don't


class NewSourceError(Exception):
    """The skeleton can't be written. Names the reason and the remedy."""


@dataclass(frozen=True)
class Edit:
    """An addition to a file that exists. ``apply`` returns the new text, or None if the place is not found."""

    file: str
    what: str
    apply: Callable[[str], str | None]


def add_commands(commands: Any) -> None:
    """Adds the command `new-source`."""
    parser = commands.add_parser("new-source", help="write the skeleton of a new ad platform")
    parser.add_argument("name", help="the platform's name in tables and in the clients file, e.g. tiktok_ads")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    name = options.name
    check_name(name)
    written = write_skeleton(name)
    print(f"Wrote {len(written)} files:")
    for place in (*(f"{folder}/{name}/" for folder in _FOLDERS), f"dbt/macros/ads/{name}_measured.sql"):
        print(f"  {place}")
    print("Added the platform to:")
    left = []
    for edit in edits(name):
        if _apply(edit):
            print(f"  {edit.file}: {edit.what}")
        else:
            left.append(f"  {edit.file}: {edit.what}")
    if left:
        print("Add it by hand to:", *left, sep="\n")
    print(
        f"""Next:
  the vendor's SDK, if there is one: pyproject.toml (dependencies), then make lock
  .venv/bin/pytest tests/connectors/{name}
  make docs-tables
  .venv/bin/pytest tests/test_definitions.py --update-snapshots
  CONTRIBUTING.md, "Add an ad platform": what to replace in the skeleton"""
    )
    return 0


def check_name(name: str) -> None:
    """Raises ``NewSourceError`` for a name that is not valid or not free."""
    if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name) or keyword.iskeyword(name) or len(name) > _LONGEST:
        remedy = f"use small letters, digits and _, at most {_LONGEST}, as in tiktok_ads"
        raise NewSourceError(f"{name!r} is not a valid name of a source → {remedy}")
    if name in _RESERVED:
        raise NewSourceError(f"the name {name} is reserved → choose another one, as in tiktok_ads")
    for folder in _FOLDERS:
        for path in (PROJECT_ROOT / folder / name, PROJECT_ROOT / folder / f"{name}.py"):
            if path.exists():
                raise NewSourceError(
                    f"{path.relative_to(PROJECT_ROOT)} exists already → choose another name, or remove it first"
                )
    for source in all_sources():
        prefixes = sorted((source.environment_prefix, f"{name.upper()}_"), key=len)
        if prefixes[1].startswith(prefixes[0]):
            raise NewSourceError(
                f"variables with the prefix {prefixes[0]} belong to {source.name} → choose another name"
            )
    if not TEMPLATE.is_dir():
        raise NewSourceError(f"{TEMPLATE} is not there → run the command in a checkout of the repository")


def write_skeleton(name: str) -> list[Path]:
    """Writes the files of the four folders and the dbt macro, and returns them."""
    written = []
    for template in sorted(path for path in TEMPLATE.rglob("*") if path.is_file() and "__pycache__" not in path.parts):
        target = PROJECT_ROOT / str(template.relative_to(TEMPLATE)).replace(_EXAMPLE, name)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(renamed(template.read_text(encoding="utf-8"), name), encoding="utf-8")
        written.append(target)
    _tidy([path for path in written if path.suffix == ".py"])
    return written


def renamed(text: str, name: str) -> str:
    """The template's text for another name, in each of the four ways to write it."""
    label = " ".join(part.capitalize() for part in name.split("_"))
    for example, own in (
        (_EXAMPLE, name),
        (_EXAMPLE.upper(), name.upper()),
        ("ExampleAds", label.replace(" ", "")),
        ("Example Ads", label),
    ):
        text = text.replace(example, own)
    return text


def edits(name: str) -> list[Edit]:
    """The additions to files that exist."""
    label = renamed("Example Ads", name)
    account_ids = re.findall(r'"(5014\d+)"', (TEMPLATE / "sandbox" / _EXAMPLE / "accounts.py").read_text())
    accounts = "".join(f'        - "{account_id}"\n' for account_id in account_ids)
    return [
        Edit(
            "mdp_dagster/defs/ads/platforms.py",
            "the name, in AD_PLATFORMS",
            lambda text: _before(text, "sources(", "\n)\n", f'\n    "{name}",'),
        ),
        Edit("dbt/dbt_project.yml", "the variables and the folder's configuration", lambda text: _dbt(text, name)),
        Edit(
            "config/clients.yaml",
            "the sandbox's accounts, for the first client",
            lambda text: _after(text, "\n    accounts:\n", f"      {name}:\n{accounts}"),
        ),
        Edit(
            ".env.example",
            "a section with the variables",
            lambda text: text.rstrip("\n") + "\n" + _env_section(name, label),
        ),
        Edit("docs/data_model.md", "the tables of columns", lambda text: _data_model(text, name, label)),
        Edit(
            "CHANGELOG.md",
            "a line",
            lambda text: _after(
                text, "### Added\n\n", f"- Connector for {label}: account and campaign totals by day.\n"
            ),
        ),
    ]


def _apply(edit: Edit) -> bool:
    path = PROJECT_ROOT / edit.file
    text = edit.apply(path.read_text(encoding="utf-8")) if path.exists() else None
    if text is None:
        return False
    path.write_text(text, encoding="utf-8")
    return True


def _after(text: str, anchor: str, added: str) -> str | None:
    head, found, tail = text.partition(anchor)
    return head + found + added + tail if found else None


def _before(text: str, start: str, anchor: str, added: str) -> str | None:
    """The text with an addition before the first ``anchor`` after ``start``."""
    head, found, tail = text.partition(start)
    inside, end, rest = tail.partition(anchor)
    return head + found + inside + added + end + rest if found and end else None


def _dbt(text: str, name: str) -> str | None:
    for start, anchor, added in (
        ("ad_platforms: [", "]", f", {name}"),
        ("lookback_days: {", " }", f", {name}: 28"),
        ("processing_hours: {", " }", f", {name}: 0"),
        ("&ads_staging", "\n    intermediate:", f"\n      {name}: *ads_staging"),
        ("&ads_tests", "\n    intermediate:", f"\n      {name}: *ads_tests"),
    ):
        changed = _before(text, start, anchor, added)
        if changed is None:
            return None
        text = changed
    return text


def _data_model(text: str, name: str, label: str) -> str | None:
    """Empty blocks for the tables, after those of the last platform. `make docs-tables` fills them."""
    for prefix, keys in (
        ("stg", "Keys: `date`, `account_id`, `campaign_id`; and `date`, `account_id`."),
        ("raw", "Keys within an extract: `account_id`, `campaign_id`, `day`; and `account_id`, `day`."),
    ):
        blocks = re.findall(rf"<!-- generated: {prefix}_\w+__campaign_daily .*?<!-- end -->\n", text, re.DOTALL)
        if not blocks:
            return None
        tables = [f"{prefix}_{name}__{report}" for report in ("campaign_daily", "account_daily")]
        block = (
            f"\n### `{tables[0]}` and `{tables[1]}`\n\n{keys} The account totals are {label}'s own.\n\n"
            f"<!-- generated: {' '.join(tables)} -->\n<!-- end -->\n"
        )
        text = text.replace(blocks[-1], blocks[-1] + block)
    late_days = r"(`\w+__late_days`) and (`\w+__late_days`) have no table"
    return re.sub(late_days, rf"\1, \2 and `{name}__late_days` have no table", text)


def _env_section(name: str, label: str) -> str:
    upper = name.upper()
    title = f"# ---- {label} "
    address = "# Only to use another server than the real service."
    return f"\n{title:-<120}\n{upper}_ACCESS_TOKEN=\n{address}\n{upper}_API_URL=\n"


def _tidy(paths: list[Path]) -> None:
    """Sorts the imports and formats the files, if ruff is installed: another name is sorted to another place."""
    ruff = shutil.which("ruff") or str(Path(sys.executable).parent / "ruff")
    for arguments in (["check", "--quiet", "--select", "I", "--fix"], ["format", "--quiet"]):
        try:
            subprocess.run([ruff, *arguments, *map(str, paths)], cwd=PROJECT_ROOT, check=False, capture_output=True)
        except OSError:
            return
