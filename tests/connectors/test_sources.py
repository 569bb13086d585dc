"""Each source's folder declares the source, and a folder that lacks something gives one line."""

from __future__ import annotations

import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from mdp_dagster.clients.account_id_pattern import AccountIdPattern
from mdp_dagster.clients.file import ClientsFileError, load_clients
from mdp_dagster.connectors.sources import Source, SourceError, all_sources, sources, without_source_variables

CONNECTORS = Path(__file__).parents[2] / "mdp_dagster" / "connectors"


@pytest.mark.parametrize("source", all_sources(), ids=lambda source: source.name)
def test_a_source_declares_its_own_facts(source: Source) -> None:
    assert source.environment_prefix.endswith("_")
    assert source.secrets and all(name.startswith(source.environment_prefix) for name in source.secrets)
    assert source.account_id.read(source.account_id.example), "the example of an account id must be a valid one"


@pytest.mark.parametrize("source", [s for s in all_sources() if s.reports], ids=lambda source: source.name)
def test_a_source_with_reports_by_day_has_a_connector_for_them(source: Source) -> None:
    assert source.history_months > 0
    connector = source.new_connector()
    assert (connector.source, connector.reports) == (source.name, source.reports)


@pytest.mark.parametrize("source", [s for s in all_sources() if not s.reports], ids=lambda source: source.name)
def test_a_source_without_reports_by_day_gives_access_to_shops(source: Source) -> None:
    assert source.shop is not None
    with pytest.raises(SourceError, match="has no connector → use the access to its shops"):
        source.new_connector()


def test_the_sources_are_the_folders() -> None:
    folders = sorted(path.parent.name for path in CONNECTORS.glob("*/__init__.py"))
    assert [source.name for source in all_sources()] == folders


def test_a_source_without_a_folder_names_the_remedy() -> None:
    with pytest.raises(SourceError, match="no folder mdp_dagster/connectors/no_such_ads → .*make new-source NAME=no_"):
        sources("google_ads", "no_such_ads")


@pytest.fixture
def folder_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[Path], object]], str]:
    """The error for a copy of meta_ads, named new_ads, after a change to its folder."""

    def error(change: Callable[[Path], object]) -> str:
        package = tmp_path / "some_connectors"
        package.mkdir()
        (package / "__init__.py").touch()
        folder = package / "new_ads"
        folder.mkdir()
        (folder / "__init__.py").touch()
        for part in ("settings", "reports", "connector", "source"):
            text = (CONNECTORS / "meta_ads" / f"{part}.py").read_text()
            text = text.replace("mdp_dagster.connectors.meta_ads", "some_connectors.new_ads")
            (folder / f"{part}.py").write_text(text.replace('"meta_ads"', '"new_ads"'))
        change(folder)
        monkeypatch.syspath_prepend(str(tmp_path))
        try:
            with pytest.raises(SourceError) as caught:
                all_sources("some_connectors")
        finally:
            for name in [name for name in sys.modules if name.startswith("some_connectors")]:
                del sys.modules[name]
            shutil.rmtree(package)
            all_sources.cache_clear()
        return str(caught.value)

    return error


def _edit(part: str, old: str, new: str) -> Callable[[Path], object]:
    def edit(folder: Path) -> None:
        path = folder / f"{part}.py"
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new))

    return edit


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda folder: (folder / "settings.py").unlink(),
            "has no settings.py → add it, as in mdp_dagster/connectors/",
        ),
        (lambda folder: (folder / "reports.py").unlink(), "has no reports.py → add it"),
        (lambda folder: (folder / "source.py").unlink(), "has no source.py → add it"),
        (_edit("settings", "class MetaAdsSettings", "class Other"), "MetaAdsSettings"),
        (_edit("source", "    settings=MetaAdsSettings,\n", ""), "'settings'"),
        (_edit("source", "    reports=REPORTS,\n", ""), "reports and new_connector belong together"),
        (_edit("source", "    new_connector=_new_connector,\n", ""), "reports and new_connector belong together"),
        (_edit("source", "SOURCE = Source", "OTHER = Source"), "SOURCE"),
        (_edit("source", 'name="new_ads"', 'name="newads"'), "name 'new_ads'"),
        (_edit("settings", '"META_"', '""'), "no prefix → use settings_config('NEW_ADS_')"),
        (_edit("reports", 'SOURCE = "new_ads"', 'SOURCE = "other"'), "each report must have source='new_ads'"),
    ],
)
def test_an_incomplete_folder_gives_one_line_that_names_it_and_the_remedy(
    folder_error: Callable[[Callable[[Path], object]], str], change: Callable[[Path], object], words: str
) -> None:
    message = folder_error(change)
    assert message.startswith("some_connectors/new_ads") and words in message and " → " in message
    assert "\n" not in message


def test_no_variable_of_any_account_remains() -> None:
    own = {secret: "x" for source in all_sources() for secret in source.secrets}
    assert without_source_variables({**own, "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH": "x", "PATH": "/bin"}) == {
        "PATH": "/bin"
    }


@pytest.mark.slow
def test_reading_the_declarations_imports_no_sdk() -> None:
    code = (
        "import sys\nfrom mdp_dagster.connectors.sources import all_sources\nall_sources()\n"
        "sdks = {'google.ads', 'grpc', 'facebook_business', 'requests', 'shopify_app', 'httpx', 'dagster'}\n"
        "print(sorted(sdks & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


SHOPS = AccountIdPattern(
    r"[a-z0-9][a-z0-9-]*\.myshopify\.com", form="the shop's domain", example="a-shop.myshopify.com"
)


def _clients_file(folder: Path, account_id: str) -> Path:
    path = folder / "clients.yaml"
    text = f"""\
        clients:
          - id: acme
            name: Acme
            reporting_currency: EUR
            accounts:
              shopify: ['{account_id}']
        """
    path.write_text(textwrap.dedent(text))
    return path


def test_a_source_may_have_account_ids_that_are_not_numbers(tmp_path: Path) -> None:
    clients = load_clients(_clients_file(tmp_path, "acme-1.myshopify.com"), {"shopify": SHOPS})
    assert clients.listed("shopify") == ["acme-1.myshopify.com"]


@pytest.mark.parametrize("written", ["acme.com/x.myshopify.com", "12345", "Ünder.myshopify.com", "a.myshopify.com?x"])
def test_an_account_id_of_another_form_names_the_right_one(tmp_path: Path, written: str) -> None:
    with pytest.raises(ClientsFileError) as caught:
        load_clients(_clients_file(tmp_path, written), {"shopify": SHOPS})
    remedy = "is not a valid account id → write the shop's domain, as in a-shop.myshopify.com"
    assert str(caught.value).endswith(remedy) and ":6: " in str(caught.value)
