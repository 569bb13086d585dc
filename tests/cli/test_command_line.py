"""The command `mdp`: how it is started, and what its help shows."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from mdp_dagster import __main__
from mdp_dagster.settings import PROJECT_ROOT, load_settings
from tests.support.settings_variables import forget_settings

MDP = Path(sys.executable).parent / "mdp"
COMMANDS = {"demo", "dev", "backfill", "as-of", "rebuild-raw", "check-clients", "query", "parse-dbt"}


@pytest.mark.slow
@pytest.mark.parametrize("start", [[str(MDP)], [sys.executable, "-m", "mdp_dagster"]], ids=["mdp", "python -m"])
def test_it_starts_as_a_console_command_and_as_a_module(start: list[str]) -> None:
    shown = subprocess.run([*start, "--help"], cwd=PROJECT_ROOT, capture_output=True, text=True, check=True).stdout
    assert shown.startswith("usage: mdp [-h] COMMAND ...")


def test_the_help_has_one_line_for_each_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert __main__.main([]) == 2
    listed = capsys.readouterr().out.partition("  COMMAND\n")[2].partition("\n\n")[0]
    lines = re.sub(r"\n {8,}", "  ", listed).splitlines()
    assert {line.split()[0] for line in lines} >= COMMANDS
    assert all(re.fullmatch(r"    [a-z-]+  +[a-zA-Z].{9,}", line) for line in lines), "a command without a help text"
    assert all(len(line) <= 100 for line in listed.splitlines())


@pytest.mark.parametrize(
    ("own", "named", "zone"),
    [("", "", "Europe/Berlin"), ("MDP_TIMEZONE=Asia/Tokyo", "", "Asia/Tokyo"), ("", os.devnull, "UTC")],
    ids=["the repository's", "the working directory's", "MDP_ENV_FILE"],
)
def test_which_env_file_a_command_reads(
    own: str, named: str, zone: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In any working directory the repository's `.env` counts; one in the directory, or MDP_ENV_FILE, comes first."""
    forget_settings(monkeypatch)
    repository, elsewhere = tmp_path / "repository", tmp_path / "elsewhere"
    for folder in (repository, elsewhere):
        folder.mkdir()
    (repository / ".env").write_text("MDP_TIMEZONE=Europe/Berlin\n")
    if own:
        (elsewhere / ".env").write_text(own)
    monkeypatch.setattr(__main__, "PROJECT_ROOT", repository)
    monkeypatch.chdir(elsewhere)
    monkeypatch.setenv("MDP_ENV_FILE", named)  # also restores it after the command has set it
    zones: list[str] = []

    def check_clients(_: object) -> int:
        zones.append(load_settings().timezone)
        return 0

    monkeypatch.setattr("mdp_dagster.cli.maintenance._check_clients", check_clients)
    assert __main__.main(["check-clients"]) == 0
    assert zones == [zone]
