"""`mdp new-source` writes a platform that works, or one clear line."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mdp_dagster.__main__ import main
from mdp_dagster.cli.new_source import TEMPLATE
from mdp_dagster.settings import PROJECT_ROOT
from tests.support.clock import python_path

COPIED = (
    *("mdp_dagster", "sandbox", "dbt", "config", "templates", "docs", "tests"),
    *("pyproject.toml", "requirements.lock", ".env.example", "workspace.yaml", "dagster.yaml", "Makefile"),
    *sorted(path.name for path in PROJECT_ROOT.glob("*.md")),
)
MOST_FILES = 8

NOT_VALID = ("", "TikTok", "tiktok-ads", "9ads", "ads_", "class", "../ads", "täglich", "a" * 41)

LOADS = """
from mdp_dagster.definitions import build_definitions
from mdp_dagster.settings import Settings
graph = build_definitions(Settings()).resolve_asset_graph()
print(*sorted(key.to_user_string() for key in graph.get_all_asset_keys() if "tiktok" in key.to_user_string()))
"""


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository with a new platform, tiktok_ads."""
    copy = tmp_path_factory.mktemp("repository")
    ignored = shutil.ignore_patterns("__pycache__", "target", "logs", ".*cache")
    for name in COPIED:
        source = PROJECT_ROOT / name
        if source.is_dir():
            shutil.copytree(source, copy / name, ignore=ignored)
        else:
            shutil.copy(source, copy / name)
    done = run(copy, "-m", "mdp_dagster", "new-source", "tiktok_ads")
    assert done.returncode == 0, done.stderr
    assert "by hand" not in done.stdout
    return copy


def run(repository: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    # without pytest-xdist's variables: a pytest that is started here is not one of its workers
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_XDIST_")}
    environment = {**inherited, "PYTHONPATH": python_path(repository), "MDP_ENV_FILE": os.devnull}
    return subprocess.run(
        [sys.executable, "-W", "ignore", *arguments], cwd=repository, env=environment, capture_output=True, text=True
    )


def test_a_new_platform_touches_at_most_eight_files(repository: Path) -> None:
    touched, made = [], set()
    for path in (p for name in COPIED for p in [repository / name, *(repository / name).rglob("*")] if p.is_file()):
        name = path.relative_to(repository)
        if {"__pycache__", "target"} & set(name.parts):
            continue
        if not (PROJECT_ROOT / name).exists():
            made.add(str(name.parent))
        elif path.read_bytes() != (PROJECT_ROOT / name).read_bytes():
            touched.append(str(name))
    assert len(touched) <= MOST_FILES, touched
    folders = {f"{folder}/tiktok_ads" for folder in ("mdp_dagster/connectors", "sandbox", "tests/connectors")}
    assert made == folders | {"dbt/models/staging/tiktok_ads", "dbt/macros/ads"}


def test_the_definitions_load_and_dbt_parses_with_it(repository: Path) -> None:
    loaded = run(repository, "-c", LOADS)
    assert loaded.returncode == 0, loaded.stderr
    assert loaded.stdout.split() == [
        *("raw_tiktok_ads__account_daily", "raw_tiktok_ads__campaign_daily"),
        *("stg_tiktok_ads__account_daily", "stg_tiktok_ads__campaign_daily", "tiktok_ads__late_days"),
    ]


@pytest.mark.timeout(900)
def test_its_tests_pass_and_its_code_is_tidy(repository: Path) -> None:
    own = "tests/connectors/tiktok_ads"
    tested = run(repository, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", own)
    assert tested.returncode == 0, tested.stdout
    filled = run(repository, "-m", "tests.support.data_model")
    assert filled.returncode == 0, filled.stderr
    docs = ("test_the_data_model_has_every_table_as_it_is_declared", "test_the_docs_explain_every_asset_and_check")
    conventions = (
        *(f"tests/test_docs.py::{name}" for name in docs),
        "tests/test_conventions.py",
        "tests/connectors/test_sources.py",
        "tests/dbt/test_dbt_conventions.py",
    )
    tested = run(repository, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *conventions)
    assert tested.returncode == 0, tested.stdout
    folders = ("mdp_dagster", "sandbox", own)
    for arguments in (("check", "--no-cache"), ("format", "--check", "--no-cache")):
        tidy = run(repository, "-m", "ruff", *arguments, *folders)
        assert tidy.returncode == 0, tidy.stdout


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("meta_ads", "mdp_dagster/connectors/meta_ads exists already → choose another name, or remove it first"),
        ("retry", "mdp_dagster/connectors/retry.py exists already → "),
        ("world", "sandbox/world.py exists already → "),
        ("meta", "prefix META_ belong to meta_ads → choose another name"),
        ("example_ads", "is reserved → choose another one"),
        *((name, "is not a valid name of a source → use small letters") for name in NOT_VALID),
    ],
)
def test_a_name_that_is_taken_or_not_valid_gives_one_line(
    name: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["new-source", name]) == 1
    told = capsys.readouterr().err
    assert words in told and told.startswith("error: ") and told.count("\n") == 1


def test_the_template_names_no_other_platform() -> None:
    files = [path for path in TEMPLATE.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert len(files) > 15
    assert not [path for path in files if any(word in path.read_text() for word in ("google_ads", "meta_ads"))]
