"""A path in a setting that can't be used: one line with the path, the setting and the remedy."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from mdp_dagster.__main__ import main
from mdp_dagster.cli.dagster_home import prepare_dagster_home
from mdp_dagster.settings import PROJECT_ROOT, SettingsError
from tests.support.clock import NOW

_DAY = str(NOW.date() - timedelta(days=10))
BACKFILL = ["backfill", _DAY, _DAY]


Lines = Callable[..., list[str]]


@pytest.fixture
def lines_of(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Lines:
    """Runs a command that fails, and returns its output."""

    def run(arguments: list[str], **variables: str) -> list[str]:
        monkeypatch.chdir(PROJECT_ROOT)
        for name, value in {"MDP_ENV_FILE": os.devnull, **variables}.items():
            monkeypatch.setenv(name, value)
        assert main(arguments) == 1
        output = capfd.readouterr()
        return (output.out + output.err).splitlines()

    return run


@pytest.fixture(params=["a file", "below a file", "below /proc"])
def unusable(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    file = tmp_path / "file"
    file.write_text("")
    return {"a file": file, "below a file": file / "home", "below /proc": Path("/proc/home")}[request.param]


def test_a_home_that_cannot_be_written_is_an_error_with_the_setting(unusable: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        prepare_dagster_home(unusable)
    assert str(caught.value).startswith(f"{unusable} can't be written: ")
    assert str(caught.value).endswith(" → set DAGSTER_HOME to a folder that you can create and write")


@pytest.mark.parametrize(
    ("name", "content", "fault"),
    [
        ("history/runs.db", b"damaged" * 1_000, "can't be read: file is not a database → set DAGSTER_HOME to another"),
        ("dagster.yaml", b"a: [b", "/dagster.yaml is not valid: while parsing a flow sequence"),
        ("dagster.yaml", b"\xff", "/dagster.yaml is not valid: 'utf-8' codec can't decode"),
        ("dagster.yaml", b"nonsense: 1", "/dagster.yaml is not valid: Errors whilst loading dagster instance config"),
        (
            "dagster.yaml",
            b"run_storage: {module: nope, class: Nope}",
            "/dagster.yaml is not valid: Failure condition: ",
        ),
    ],
)
def test_a_home_with_a_damaged_file_is_an_error_in_one_line(
    tmp_path: Path, name: str, content: bytes, fault: str
) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SettingsError) as caught:
        prepare_dagster_home(tmp_path)
    assert str(caught.value).startswith(str(tmp_path)) and fault in str(caught.value)
    assert "\n" not in str(caught.value) and " → " in str(caught.value)


def test_a_postgres_of_the_users_own_that_does_not_answer_is_an_error_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dagster_postgres.utils.time.sleep", lambda _: None)  # Dagster tries again for 20 s
    database = "{hostname: 127.0.0.1, port: 1, username: mdp, password: the-password, db_name: dagster}"
    (tmp_path / "dagster.yaml").write_text(f"storage: {{postgres: {{postgres_db: {database}}}}}")
    with pytest.raises(SettingsError) as caught:
        prepare_dagster_home(tmp_path)
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / 'dagster.yaml'}: its PostgreSQL can't be used: ")
    assert "Connection refused" in message
    assert message.endswith(" → start that server, or correct `storage` in the file")
    assert "\n" not in message and "the-password" not in message


@pytest.mark.parametrize("arguments", [["dev"], BACKFILL])
def test_commands_report_their_home_in_one_line(lines_of: Lines, tmp_path: Path, arguments: list[str]) -> None:
    home = tmp_path / "file"
    home.write_text("")
    lines = lines_of(arguments, DAGSTER_HOME=str(home), MDP_DUCKDB_PATH=str(tmp_path / "warehouse.duckdb"))
    [error] = [line for line in lines if "error" in line]
    assert error.startswith(f"error: {home} can't be written: ")
    assert "set DAGSTER_HOME" in error
    assert not any("Traceback" in line for line in lines)


@pytest.mark.parametrize(("arguments", "option"), [(["demo", "--folder"], "--folder"), (["dev", "--demo"], "--demo")])
def test_a_demo_reports_its_folder_in_one_line(
    lines_of: Lines, tmp_path: Path, arguments: list[str], option: str
) -> None:
    folder = tmp_path / "file"
    folder.write_text("")
    lines = lines_of([*arguments, str(folder)])
    [error] = [line for line in lines if "error" in line]
    assert str(folder) in error
    assert f"set {option}" in error
    assert not any("Traceback" in line for line in lines)


@pytest.mark.parametrize("setting", ["MDP_DUCKDB_PATH", "MDP_LAKE_URI", "MDP_CLIENTS_FILE"])
def test_other_paths_are_reported_in_one_line(lines_of: Lines, tmp_path: Path, setting: str) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    wrong = {
        "MDP_DUCKDB_PATH": tmp_path / "file" / "warehouse.duckdb",
        "MDP_LAKE_URI": tmp_path / "file",
        "MDP_CLIENTS_FILE": tmp_path / "folder",
    }[setting]
    variables = {"MDP_DUCKDB_PATH": str(tmp_path / "warehouse.duckdb"), "MDP_LAKE_URI": str(tmp_path / "lake")}
    command = "check-clients" if setting == "MDP_CLIENTS_FILE" else "rebuild-raw"
    lines = lines_of([command], **(variables | {setting: str(wrong)}))
    [error] = [line for line in lines if line.startswith("error: ")]
    assert str(wrong) in error
    assert setting in error
    assert not any("Traceback" in line for line in lines)
