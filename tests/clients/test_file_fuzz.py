"""Any content of a clients file gives its clients, or one error that names file, line and remedy."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from mdp_dagster.clients.file import ClientsFileError, load_clients
from mdp_dagster.clients.model import Clients
from mdp_dagster.defs.ads.platforms import AD_PLATFORMS
from mdp_dagster.settings import PROJECT_ROOT
from tests.support.effort import fuzzed

SOURCES = {platform.name: platform.account_id for platform in AD_PLATFORMS}
EXAMPLE = (PROJECT_ROOT / "config" / "clients.yaml").read_bytes()
SMALL = "clients:\n  - {id: a, name: A, currency: EUR, accounts: {google_ads: [%s]}}\n"

_KEYS = ["clients", "exchange_rates", "id", "name", "currency", "reporting_currency", "accounts", "google_ads",
         "meta_ads", "targets", "kpi_targets", "platforms", "ctr", "cpa", "min_clicks", "lookback_days",
         "conversion_action_type", "EUR", "<<", "accepted_differences", "platform", "account", "manager", "day",
         "from", "to", "up_to", "reason", "accepted_by", "spend"]  # fmt: skip
_scalars = (
    st.sampled_from(
        ["", "~", "null", "yes", "1", "0x1F", "0o17", "017", "1:30", "1_000", "1e999", ".nan", "-.inf", "9" * 400,
         "2024-01-01", "2024-02-30", "2001-12-14t21:59:43.10-05:00", "123-456-7890", "act_1", "EUR", "0.02", "*a",
         "*b", "&a x", "!!int x", "!!binary x", "!!python/object:os.system x", "!!timestamp 5", "! x", "!x!y z",
         '"\\uD800"', '"\\UFFFFFFFF"', '"\\x00"', '"\\0"', '"\\e[2J"', "|\n", ">-\n", "'", '"', "@", "`", "%", "- -"]
    )
    | st.text(max_size=6)
)  # fmt: skip
_keys = st.sampled_from(_KEYS) | st.sampled_from(["? [a]", "? {a: b}", "2024-01-01", "&a id", "*a", '"\\uD800"', "~"])


def _flow(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    anchor = st.sampled_from(["", "", "", "&a ", "&b ", "!!set ", "!!omap ", "!!map ", "!!seq "])
    lists = st.builds(lambda mark, items: f"{mark}[{', '.join(items)}]", anchor, st.lists(inner, max_size=3))
    pairs = st.builds("{}: {}".format, _keys, inner)
    return lists | st.builds(lambda mark, items: f"{mark}{{{', '.join(items)}}}", anchor, st.lists(pairs, max_size=4))


trees = st.recursive(_scalars, _flow, max_leaves=12)
blocks = st.lists(
    st.builds("{}{}: {}\n".format, st.sampled_from(["", "  ", "  - ", "    ", "\t", "- "]), _keys, trees), max_size=6
).map("".join)
prefixes = st.sampled_from(["", "\ufeff", "%YAML 1.1\n---\n", "%TAG ! x\n---\n", "---\n", "...\n", "# x\n", "--- - \n"])
shaped = trees.map(lambda tree: SMALL.replace("[%s]", tree)) | trees.map(lambda tree: SMALL % tree)
texts = st.builds("{}{}{}".format, prefixes, blocks | shaped, st.sampled_from(["", "---\nx", "\n...", "\x00", "\x85"]))
files = (
    st.binary(max_size=60)
    | st.builds(
        lambda text, encoding: text.encode(encoding, "replace"),
        texts,
        st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32", "latin-1", "utf-7"]),
    )
    | st.builds(
        lambda at, removed, added: EXAMPLE[:at] + added + EXAMPLE[at + removed :],
        st.integers(0, len(EXAMPLE)),
        st.integers(0, 20),
        st.binary(max_size=3) | trees.map(lambda tree: tree.encode("utf-8", "surrogatepass")),
    )
)


@pytest.fixture(scope="module")
def load(tmp_path_factory: pytest.TempPathFactory) -> Callable[[bytes], Clients | None]:
    """The clients of a file with this content; None if it is refused, and well."""
    path = tmp_path_factory.mktemp("clients") / "clients.yaml"

    def read(content: bytes) -> Clients | None:
        path.write_bytes(content)
        try:
            return load_clients(path, SOURCES)
        except ClientsFileError as error:
            lines = str(error).splitlines()
            assert lines and len(str(error)) < 50_000 + 2 * len(content)
            last_line = content.count(b"\n") + content.count(b"\r") + 2
            for line in lines:
                named = re.match(rf"{re.escape(str(path))}:(\d+): .+ → .+", line)
                assert named, f"names neither place nor remedy: {line!r}"
                assert 1 <= int(named.group(1)) <= max(last_line, len(content))
            str(error).encode("utf-8")
            return None

    return read


@fuzzed(250)
@given(files)
@example(b"clients: &a [*a]")
@example(b"clients: &a {id: *a}\n<<: *a")
@example(b"&a {clients: [*a], <<: *a}")
@example(b'clients: [{"\\uD800": 1, id: "\\uD800", name: "\\uD800"}]')
@example(b'"\\uD800": 1')
@example(b'"\\uD800": 1\n"\\uD800": 2')
@example(b"a: !!python/object/apply:os.getcwd []")
def test_any_bytes_are_clients_or_an_error_with_line_and_remedy(
    load: Callable[[bytes], Clients | None], content: bytes
) -> None:
    clients = load(content)
    if clients is not None:
        assert clients.clients
        assert clients.model_dump_json()
        for source in SOURCES:
            assert all(account.isascii() and account.isdigit() for account in clients.listed(source))


@pytest.mark.parametrize("depth", [50, 250, 330, 480, 900])
@pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "? "])
def test_depth_is_refused_wherever_it_hurts(load: Callable[[bytes], Clients | None], depth: int, opening: str) -> None:
    for before in ("", "clients: ", "clients:\n- ", "clients:\n- accounts: "):
        assert load((before + opening * depth).encode()) is None
        closing = {"[": "]", "{a: ": "}"}.get(opening, "")
        assert load((before + opening * depth + "x" + closing * depth).encode()) is None


def test_ten_lines_that_stand_for_a_billion_are_refused_at_once(load: Callable[[bytes], Clients | None]) -> None:
    for one, many in (
        ("[{0}]", "[*{0}, *{0}, *{0}, *{0}, *{0}, *{0}, *{0}, *{0}, *{0}]"),
        ("{{k: {0}}}", "{{p: *{0}, q: *{0}, r: *{0}}}"),
    ):
        lines = ["a0: &a0 " + one.format("x")]
        lines += [f"a{n}: &a{n} " + many.format(f"a{n - 1}") for n in range(1, 25)]
        for use in (
            "clients: *a24",
            "clients: [*a24]",
            "clients: [{accounts: *a24}]",
            "exchange_rates: *a24",
            "? *a24\n: x",
        ):
            assert load("\n".join([*lines, use]).encode()) is None


@fuzzed(60)
@given(number=st.integers(min_value=0), dashes=st.booleans())
def test_an_account_id_of_any_length_stays_as_it_is_written(
    load: Callable[[bytes], Clients | None], number: int, dashes: bool
) -> None:
    digits = f"00{number}"
    clients = load((SMALL % (f"{digits[:2]}-{digits[2:]}" if dashes else digits)).encode())
    assert clients is not None and clients.listed("google_ads") == [digits]


@fuzzed(60)
@given(
    names=st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=9), max_size=4),
    rate=st.floats(min_value=1e-9, max_value=1e9),
)
def test_what_is_written_well_is_read_as_written(
    load: Callable[[bytes], Clients | None], names: list[str], rate: float
) -> None:
    tree: Any = {
        "clients": [{"id": f"c{n}", "name": name, "currency": "EUR", "accounts": {}} for n, name in enumerate(names)],
        "exchange_rates": {"EUR": {"USD": rate}},
    }
    clients = load(yaml.safe_dump(tree, allow_unicode=True).encode())
    if not names:
        assert clients is None
        return
    assert clients is not None
    assert [client.name for client in clients.clients] == names
    assert clients.exchange_rate("EUR", "USD") == rate


@pytest.mark.parametrize("place", ["\x00", "", ".", "a" * 300, "/dev/null/x"])
def test_any_path_is_a_file_or_an_error(place: str) -> None:
    with pytest.raises(ClientsFileError, match="→"):
        load_clients(Path(place), SOURCES)
