"""Any value of a variable gives settings, or one readable error that names the variable and does not show a secret."""

from __future__ import annotations

import os
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from mdp_dagster.settings import SettingsError, load_settings
from tests.support.effort import fuzzed
from tests.support.settings_variables import LOADERS, forget_settings

SECRET = [name for name in LOADERS if name.endswith(("TOKEN", "SECRET"))]

# Text that an environment can have: without NUL. Bytes that are not valid UTF-8 are half surrogate pairs.
held = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=20)
undecodable = st.binary(min_size=1, max_size=12).map(lambda raw: os.fsdecode(raw.replace(b"\x00", b"x")))
typical = st.sampled_from(
    ["", " ", "0", "-1", "1e999", "nan", "inf", "-inf", "9" * 400, "9" * 5_000, "true", "2024-02-30", "9999-12-31",
     "0001-01-01", "20240101", "1e308", "Europe", "../..", "~", "~nobody-here/x", "$HOME", "${", "[", "{}", '{"a":1}',
     "a=b,c", "a=b=c", "a=", "=", ",", "gs://", "gs://b", "* * * * *", "postgres", "bigquery", "http://[", "x" * 5_000]
)  # fmt: skip
texts = held | undecodable | typical


@pytest.fixture(scope="module", autouse=True)
def _without_settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        forget_settings(patch)
        patch.chdir(tmp_path_factory.mktemp("settings"))
        yield


def refused_well(error: SettingsError, secret: str = "") -> str:
    """Asserts that the error can be shown, and returns its message."""
    told = "".join(traceback.format_exception(error))
    assert "→" in str(error)
    assert not secret or secret not in told
    str(error).encode("utf-8")
    return str(error)


@fuzzed(400)
@given(variable=st.sampled_from(sorted(LOADERS)), text=texts)
@example("META_ACCESS_TOKEN", "hush-hush\udcff")
@example("MDP_TIMEZONE", "Europe")
@example("MDP_LOCK_TIMEOUT_SECONDS", "inf")
@example("MDP_TIMEZONE", "a.b/c")
def test_any_text_in_any_variable_gives_settings_or_an_error_that_names_it(variable: str, text: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GOOGLE_CLOUD_PROJECT", "a-project")
        patch.setenv("BIGQUERY_LOCATION", "EU")
        patch.setenv(variable, text)
        try:
            settings = LOADERS[variable]()
        except SettingsError as error:
            assert variable in refused_well(error, text if variable in SECRET and len(text) > 3 else "")
        else:
            assert repr(settings)


@fuzzed(100)
@given(variable=st.sampled_from(SECRET), before=st.text("abc", min_size=4, max_size=9), text=undecodable)
def test_an_invalid_secret_is_not_shown(variable: str, before: str, text: str) -> None:
    secret = f"hush{before}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(variable, secret + text)
        try:
            settings = LOADERS[variable]()
        except SettingsError as error:
            assert variable in refused_well(error, secret)
        else:
            assert secret not in repr(settings)


@fuzzed(150)
@given(
    lines=st.lists(
        st.builds(
            "{}{}{}{}".format,
            st.sampled_from(["", "export ", "  ", "#"]),
            st.sampled_from(sorted(LOADERS)) | st.text(max_size=5),
            st.sampled_from(["=", "", " = ", "='", '="', "=${MDP_TARGET}", "=${", ":"]),
            texts,
        ),
        max_size=3,
    ),
    raw=st.binary(max_size=6),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "latin-1"]),
)
@example(["MDP_TIMEZONE"], b"", "utf-8")
@example(["META_ACCESS_TOKEN"], b"", "utf-8")
@example(["MDP_CLIENTS_FILE=a\x00b"], b"", "utf-8")
@example(["MDP_DUCKDB_PATH=a\x00b"], b"", "utf-8")
@example(["MDP_TIMEZONE=a\x00b"], b"", "utf-8")
def test_any_env_file_gives_settings_or_an_error(lines: list[str], raw: bytes, encoding: str) -> None:
    path = Path("fuzzed.env")
    path.write_bytes("\n".join(lines).encode(encoding, "replace") + b"\n" + raw)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MDP_ENV_FILE", str(path))
        for load in dict.fromkeys(LOADERS.values()):
            try:
                assert repr(load())
            except SettingsError as error:
                refused_well(error)


@fuzzed(60)
@given(text=texts)
def test_any_env_file_name_is_read_or_refused(text: str) -> None:
    assume(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MDP_ENV_FILE", text)
        with pytest.raises(SettingsError, match="MDP_ENV_FILE"):
            load_settings()


@pytest.mark.parametrize("text", ["inf", "nan", "-1", "1e999"])
def test_an_infinite_wait_is_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("MDP_LOCK_TIMEOUT_SECONDS", text)
    with pytest.raises(SettingsError, match="MDP_LOCK_TIMEOUT_SECONDS"):
        load_settings()
