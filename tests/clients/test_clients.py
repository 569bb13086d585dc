"""A clients file gives clients, or one error for each fault with its line and the remedy."""

from __future__ import annotations

import re
import time
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mdp_dagster.clients.file import ClientsFileError, load_clients
from mdp_dagster.clients.model import Clients, KpiTargets
from mdp_dagster.connectors.sources import all_sources
from mdp_dagster.defs.ads.platforms import AD_PLATFORMS
from mdp_dagster.settings import PROJECT_ROOT

SOURCES = {platform.name: platform.account_id for platform in AD_PLATFORMS}
EXAMPLE = PROJECT_ROOT / "config" / "clients.yaml"
DAY = date(2026, 7, 1)

GOOD = """\
clients:
  - id: acme
    name: Acme
    reporting_currency: EUR
    accounts:
      google_ads:
        - 123-456-7890
      meta_ads:
        - act_301400000000101
        - {id: act_301400000000102, conversion_action_type: lead}
    targets:
      ctr: 0.03
      cpa: 7
      platforms:
        meta_ads: {cpa: 9}
  - id: zenith
    name: Zenith Ü
    reporting_currency: usd
    accounts: {google_ads: ["2234567890"]}
exchange_rates:
  EUR: {GBP: 1.17, USD: 0.9}
"""

MAIL = """\
clients:
  - id: acme
    name: Acme
    reporting_currency: EUR
    accounts:
      google_ads:
        - 123-456-7890
    mail: """


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "clients.yaml"


def load(file: Path, text: str) -> Clients:
    file.write_text(text, encoding="utf-8")
    return load_clients(file, SOURCES)


def with_line(number: int, *lines: str) -> str:
    """The good file, with other lines in the place of one (from 1)."""
    split = GOOD.splitlines()
    split[number - 1 : number] = lines
    return "\n".join(split) + "\n"


def faults(file: Path, text: str | bytes) -> list[tuple[int, str]]:
    """Line and text of each fault; fails if the file is taken, or a fault names no file, line or remedy."""
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ClientsFileError) as caught:
        load_clients(file, SOURCES)
    found = []
    for line in str(caught.value).splitlines():
        match = re.fullmatch(rf"{re.escape(str(file))}:(\d+): (.+ → .+)", line)
        assert match, f"no file, line and remedy in {line!r}"
        found.append((int(match[1]), match[2]))
    return found


def test_a_good_file_gives_the_accounts_of_each_client(file: Path) -> None:
    clients = load(file, GOOD)
    assert clients.listed("google_ads") == ["1234567890", "2234567890"]
    assert clients.listed("meta_ads") == ["301400000000101", "301400000000102"]
    assert clients.listed("tiktok") == []
    assert [(client.id, ref.options_on(DAY)) for client, ref in clients.refs("meta_ads")] == [
        ("acme", {}),
        ("acme", {"conversion_action_type": "lead"}),
    ]
    assert [client.name for client in clients.clients] == ["Acme", "Zenith Ü"]


def test_the_example_in_the_repository_is_good() -> None:
    sources = {source.name: source.account_id for source in all_sources()}
    clients = load_clients(EXAMPLE, sources)
    assert all(clients.listed(source) for source in sources)


def test_a_file_may_be_a_bare_list_with_a_byte_order_mark_and_windows_line_ends(file: Path) -> None:
    bare = GOOD.split("exchange_rates")[0].removeprefix("clients:\n")
    file.write_bytes(b"\xef\xbb\xbf" + bare.replace("\n", "\r\n").encode())
    assert [client.id for client in load_clients(file, SOURCES).clients] == ["acme", "zenith"]
    broken = bare.replace("123-456-7890", "hello").replace("\n", "\r\n")
    assert faults(file, broken) == [
        (6, "clients.0.accounts.google_ads.0.id: 'hello' is not a valid account id → write digits, as in "
            "123-456-7890")
    ]  # fmt: skip


@pytest.mark.parametrize("written", ["0123456701", "0o17", "12_34", "0x1F", "1e5", "12:30:45", "190:20:30", "1.5"])
def test_an_id_stays_as_written_or_is_refused_and_never_becomes_another_number(file: Path, written: str) -> None:
    """YAML would read these as octal, sexagesimal, hexadecimal or floating-point numbers."""
    text = with_line(7, f"        - {written}")
    if written.isdigit():
        assert load(file, text).listed("google_ads")[0] == written
    else:
        assert [line for line, _ in faults(file, text)] == [7]


@pytest.mark.parametrize(
    "written", ["1234567890", '"123-456-7890"', "123 456 7890", "{id: 123-456-7890}", "' 1234567890 '"]
)
def test_an_account_id_may_be_written_in_several_ways(file: Path, written: str) -> None:
    assert load(file, with_line(7, f"        - {written}")).listed("google_ads")[0] == "1234567890"


@pytest.mark.parametrize("name", ["yes", "no", "on", "null", "2024-01-01", "1e3", "0x1F", "010", "1_000", "~", "3.10"])
def test_names_and_client_ids_stay_as_written(file: Path, name: str) -> None:
    assert load(file, with_line(3, f"    name: {name}")).clients[0].name == name
    if name != "~":
        assert load(file, with_line(2, f"  - id: {name}")).clients[0].id == name


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("mail: [a@example.com, B.c+d@example.co.uk]", ("a@example.com", "B.c+d@example.co.uk")),
        ("mail: a@example.com", ("a@example.com",)),
        ("mail:", ()),
        ("mail: []", ()),
    ],
)
def test_a_client_may_have_recipients_of_emails(file: Path, written: str, expected: tuple[str, ...]) -> None:
    assert load(file, with_line(3, "    name: Acme", f"    {written}")).clients[0].mail == expected


def test_lines_that_are_all_commented_out_leave_nothing_behind(file: Path) -> None:
    text = """\
clients:
  - id: acme
    name: Acme
    reporting_currency: EUR
    accounts:
      google_ads:
        # - 123-456-7890
      meta_ads: [{id: 1, conversion_action_type: }, {id: 2, conversion_action_type: null}]
    targets:
      # ctr: 0.03
      platforms:
        # meta_ads: {cpa: 9}
  - id: zenith
    name: Zenith
    currency: USD
    accounts:
      # google_ads: [1]
    targets: {platforms: {meta_ads: }}
exchange_rates:
  # EUR: {GBP: 1.17}
"""
    clients = load(file, text)
    assert clients.listed("google_ads") == [] and clients.listed("meta_ads") == ["1", "2"]
    assert [ref.options_on(DAY) for _, ref in clients.refs("meta_ads")] == [{}, {}]
    assert clients.clients[0].targets.on("meta_ads") == KpiTargets() == clients.clients[1].targets.on("meta_ads")
    assert clients.exchange_rates == {}


# Each fault, the line it is on, and a word that the message must have.
FAULTS = {
    "an unknown key of a client": (with_line(3, "    name: Acme", "    nmae: A"), 4, "clients.0.nmae is not known"),
    "an unknown key at the top": (GOOD + "rates: {}\n", 22, "rates is not known"),
    "an unknown key of a target": (with_line(12, "      crt: 0.03"), 12, "crt is not known"),
    "an unknown key of an account": (with_line(7, "        - {id: 1, kind: x}"), 7, "kind is not known"),
    "both ways to say the currency": (with_line(4, "    reporting_currency: EUR", "    currency: USD"), 5, "currency"),
    "no name": (with_line(3), 2, "clients.0.name is missing → add it"),
    "no currency": (with_line(4), 2, "clients.0.reporting_currency is missing"),
    "no id": (with_line(2, "  - title: x"), 2, "clients.0.id is missing"),
    "no accounts": ("clients:\n- {id: a, name: A, currency: EUR}\n", 2, "clients.0.accounts is missing"),
    "an empty name": (with_line(3, "    name: ''"), 3, "clients.0.name"),
    "a bad client id": (with_line(2, "  - id: acme gmbh"), 2, "use letters, digits"),
    "an empty client id": (with_line(2, "  - id:"), 2, "use letters, digits"),
    "a currency's name": (with_line(4, "    reporting_currency: Euro"), 4, "'Euro' is not a valid ISO 4217"),
    "a currency's sign": (with_line(4, "    reporting_currency: €"), 4, "is not a valid ISO 4217"),
    "a currency in two lists": (with_line(4, "    reporting_currency: [[EUR]]"), 4, "is not a valid ISO 4217"),
    "an unknown platform": (with_line(6, "      tiktok:"), 6, "'tiktok' is not a known platform → use one"),
    "targets for an unknown platform": (with_line(15, "        tiktok: {cpa: 9}"), 15, "'tiktok' is not a known"),
    "accounts as a scalar": (with_line(6, "      google_ads: 5", "      x:"), 6, "write a list"),
    "accounts without platform": ("clients:\n- {id: a, name: A, currency: EUR, accounts: [1]}\n", 2, "key: value"),
    "an account as a list": (with_line(7, "        - [1, 2]"), 7, "key: value"),
    "an account without id": (with_line(7, "        - {conversion_action_type: lead}"), 7, "id is missing"),
    "an account id with letters": (with_line(7, "        - abc"), 7, "'abc' is not a valid account id"),
    "an account id in other digits": (with_line(7, "        - ١٢٣"), 7, "is not a valid account id"),
    "an account without digits": (with_line(7, "        - '--'"), 7, "is not a valid account id"),
    "an empty account": (with_line(7, "        -"), 7, "is not a valid account id"),
    "an account twice": (with_line(7, "        - 123-456-7890", "        - 1234567890"), 8, "already listed"),
    "an account twice, with act_": (with_line(9, "        - 301400000000102"), 10, "already listed"),
    "another client's account": (GOOD.replace("2234567890", "1234567890"), 19, "already listed for client 'acme'"),
    "a client id twice": (GOOD.replace("zenith", "acme"), 16, "client id 'acme' is there twice, first on line 2"),
    "targets as text": ("clients:\n- {id: a, name: A, currency: EUR, accounts: {}, targets: 5}\n", 2, "key: value"),
    "a target in percent": (with_line(12, "      ctr: 3%"), 12, "write a number"),
    "a share of more than all": (with_line(12, "      ctr: 3"), 12, "write 0.02 for 2 %"),
    "a decimal comma": (with_line(13, "      cpa: 7,5"), 13, "write a number"),
    "a target of zero": (with_line(13, "      cpa: 0"), 13, "greater than 0"),
    "a negative target": (with_line(12, "      ctr: -0.1"), 12, "greater than or equal to 0"),
    "a target that is not a number": (with_line(13, "      cpa: .nan"), 13, "targets.cpa"),
    "a target without bound": (with_line(13, "      cpa: inf"), 13, "finite"),
    "a target as a list": (with_line(13, "      cpa: [7]"), 13, "targets.cpa"),
    "a fraction of a click": (with_line(13, "      min_clicks: 1.5"), 13, "write a whole number"),
    "a negative floor": (with_line(13, "      min_impressions: -1"), 13, "min_impressions"),
    "a platform's targets as a number": (with_line(15, "        meta_ads: 9"), 15, "key: value"),
    "a platform's targets for platforms": (with_line(15, "        meta_ads: {platforms: {}}"), 15, "not known"),
    "an exchange rate of zero": (with_line(21, "  EUR: {GBP: 0}"), 21, "greater than 0"),
    "an exchange rate without bound": (with_line(21, "  EUR: {GBP: inf}"), 21, "finite"),
    "an exchange rate for a sign": (with_line(21, "  EUR: {£: 1.1}"), 21, "not a valid ISO 4217 currency code"),
    "an exchange rate as a number": (with_line(21, "  EUR: 1.1"), 21, "key: value"),
    "a rate twice, small and in capitals": (with_line(21, "  EUR: {GBP: 1.1, gbp: 1.2}"), 21, "GBP is there twice"),
    "rates twice, small and in capitals": (GOOD + "  eur: {USD: 1.1}\n", 20, "EUR is there twice"),
    "a key twice": (with_line(3, "    name: Acme", "    name: Other"), 4, "the key 'name' is there twice"),
    "a platform twice": (with_line(8, "      google_ads:"), 8, "the key 'google_ads' is there twice"),
    "clients twice": (GOOD + "clients: []\n", 22, "the key 'clients' is there twice"),
    "a tab": (with_line(3, "\tname: Acme"), 3, "not valid YAML"),
    "an open quote": (GOOD.replace('"2234567890"', '"2234567890'), 22, "not valid YAML"),
    "an open bracket": (with_line(7, "        - [1"), 8, "not valid YAML"),
    "a wrong indent": (with_line(3, "   name: Acme"), 3, "not valid YAML"),
    "two documents": (GOOD + "---\n" + GOOD, 22, "not valid YAML"),
    "an unknown alias": (with_line(7, "        - *nobody"), 7, "not valid YAML"),
    "a list as a key": ("clients: []\n? [a]\n: b\n", 2, "not valid YAML"),
    "an alias to itself": ("clients:\n  &a [*a]\n", 2, "not valid YAML"),
    "a control character": (GOOD.replace("Acme", "Ac\x00me"), 3, "not valid YAML"),
    "an escape beyond Unicode": (with_line(3, r'    name: "\UFFFFFFFF"'), 3, "not valid YAML"),
    "half a surrogate pair": (with_line(3, r'    name: "\ud800"'), 3, "Unicode"),
    "a bottomless pit": ("[" * 5_000, 1, "not valid YAML"),
    "a YAML version out of this world": (f"%YAML {'9' * 5_000}.1\n---\n{GOOD}", 1, "not valid YAML"),
    "nothing": ("", 1, "begin with `clients:`"),
    "only comments": ("# clients:\n", 1, "begin with `clients:`"),
    "a word": ("clients\n", 1, "begin with `clients:`"),
    "a clients key with nothing below": ("clients:\n", 1, "write a list"),
    "no clients": ("clients: []\n", 1, "list at least one client"),
    "an empty list": ("[]\n", 1, "list at least one client"),
    "clients by name": ("clients:\n  acme: {name: Acme}\n", 1, "write a list"),
    "clients that are words": ("clients:\n  - acme\n", 2, "key: value"),
    "a recipient without a domain": (MAIL + "[x@y.example, me]\n", 8, "'me' is not a valid email address → write one"),
    "a recipient with a line end": (MAIL + '["a@b.example\\nBcc: x@y.example"]\n', 8, "not a valid email address"),
    "a recipient as a list": (MAIL + "[[1]]\n", 8, "a list is not a valid email address"),
    "recipients by name": (MAIL + "{a: b}\n", 8, "write a list"),
    "too many recipients": (MAIL + f"{['x@y.example'] * 51}\n", 8, "a mailing list"),
    "Latin-1": (GOOD.encode("latin-1"), 17, "save the file as UTF-8"),
    "UTF-16": (GOOD.encode("utf-16"), 1, "save the file as UTF-8"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_names_its_line_and_the_remedy(file: Path, fault: str) -> None:
    text, line, word = FAULTS[fault]
    found = faults(file, text)
    assert any(at == line and word in what for at, what in found), found


def test_one_error_names_all_faults(file: Path) -> None:
    text = GOOD.replace("name: Acme", "nmae: Acme").replace("ctr: 0.03", "ctr: much").replace("usd", "dollars")
    assert [line for line, _ in faults(file, text)] == [2, 3, 12, 18]


def test_an_error_names_the_first_fifty_faults_and_counts_the_others(file: Path) -> None:
    entries = "".join(f"      - 'x{number}'\n" for number in range(2_050))
    text = f"clients:\n  - id: acme\n    name: Acme\n    currency: EUR\n    accounts:\n      google_ads:\n{entries}"
    file.write_text(text)
    with pytest.raises(ClientsFileError) as caught:
        load_clients(file, SOURCES)
    lines = str(caught.value).splitlines()
    assert len(lines) == 51
    assert lines[0].startswith(f"{file}:7: clients.0.accounts.google_ads.0.id: 'x0' is not a valid account id → ")
    assert lines[-1] == f"{file}: and 2,000 more faults → correct these first"


def test_targets_under_their_other_name_are_found_on_their_line(file: Path) -> None:
    text = GOOD.replace("targets:", "kpi_targets:")
    assert load(file, text).clients[0].targets.cpa == 7
    assert faults(file, text.replace("        meta_ads: {cpa", "        tiktok: {cpa"))[0][0] == 15


def test_the_error_for_a_missing_file_names_the_remedy(file: Path) -> None:
    with pytest.raises(ClientsFileError, match=rf"{re.escape(str(file))}: .*no such file → copy .*MDP_CLIENTS_FILE"):
        load_clients(file, SOURCES)


@pytest.mark.parametrize("inside", ["", "below"])
def test_a_path_that_is_not_a_file_is_named(file: Path, inside: str) -> None:
    """A folder, and a path below a file: both fail for root too."""
    if inside:
        file.write_text(GOOD)
    else:
        file.mkdir()
    with pytest.raises(ClientsFileError, match=rf"{re.escape(str(file))}.*can't be read: .* → set MDP_CLIENTS_FILE"):
        load_clients(file / inside, SOURCES)


def test_an_alias_is_the_same_as_writing_it_twice(file: Path) -> None:
    text = GOOD.replace("    targets:", "    targets: &same").replace(
        '["2234567890"]}', '["2234567890"]}\n    targets: *same'
    )
    first, second = load(file, text).clients
    assert first.targets == second.targets and second.targets.cpa == 7


@pytest.mark.parametrize("where", ["clients: *x", "{google_ads: *x}", "EUR: *x", "reporting_currency: *x", "- *x"])
def test_ten_lines_of_aliases_that_stand_for_a_billion_nodes_are_refused_at_once(file: Path, where: str) -> None:
    lines = ["x0: &x0 [a, a, a, a, a, a, a, a, a, a]"]
    lines += [f"x{n}: &x{n} [{', '.join([f'*x{n - 1}'] * 10)}]" for n in range(1, 12)]
    bomb = "\n".join(lines).replace("x11", "x") + "\n"
    places = {
        "clients: *x": "clients: *x\n",
        "{google_ads: *x}": "clients: [{id: a, name: A, currency: EUR, accounts: {google_ads: *x}}]\n",
        "EUR: *x": "clients: []\nexchange_rates: {EUR: *x}\n",
        "reporting_currency: *x": "clients: [{id: *x, name: *x, reporting_currency: *x, accounts: *x, targets: *x}]\n",
        "- *x": "clients: [{id: a, name: A, currency: EUR, accounts: {google_ads: [*x, {id: *x}]}}]\n",
    }
    found = faults(file, bomb + places[where])
    [(line, what)] = found
    assert line == 5  # the sums so far: 100, 1,000, 10,000, 100,000 values
    assert "the aliases expand to more than 50000 values → write the values out" in what


def test_many_clients_that_are_aliases_of_a_large_one_are_refused_with_the_line(file: Path) -> None:
    accounts = ", ".join(str(10_000 + n) for n in range(2_000))
    large = f"- &a {{id: a, name: A, currency: EUR, accounts: {{google_ads: [{accounts}], meta_ads: [{accounts}]}}}}\n"
    [(line, what)] = faults(file, "clients:\n" + large + "- *a\n" * 299)
    assert line == 2 + 13  # twelve times 4,010 values are still fewer than 50,000
    assert "the aliases expand to more than 50000 values" in what


def test_a_file_of_twenty_megabytes_is_refused_before_it_is_parsed(file: Path) -> None:
    [(line, what)] = faults(file, "clients:\n" + "# padding\n" * 2_000_001)
    assert line > 2
    assert "the file has more than 20 MB" in what


@pytest.mark.parametrize("key", ["id", "name", "google_ads", "action_type"])
def test_a_text_of_a_hundred_thousand_characters_is_refused_with_its_line(file: Path, key: str) -> None:
    values = {"id": "a", "name": "A", "google_ads": "1", "action_type": "lead"} | {key: "1" * 100_000}
    text = (
        f"clients:\n- id: '{values['id']}'\n  name: '{values['name']}'\n  currency: EUR\n"
        f"  accounts:\n    google_ads: ['{values['google_ads']}']\n"
        f"    meta_ads: [{{id: 1, conversion_action_type: '{values['action_type']}'}}]\n"
    )
    [(line, what)] = faults(file, text)
    assert line == {"id": 2, "name": 3, "google_ads": 6, "action_type": 7}[key]
    assert " 100 characters" in what or " 200 characters" in what


def test_twenty_thousand_clients_take_seconds(file: Path) -> None:
    clients = "".join(
        f"- id: c{n}\n  name: Client {n}\n  currency: EUR\n  accounts:\n    google_ads: [{n}]\n    meta_ads: [{n}]\n"
        for n in range(20_000)
    )
    before = time.process_time()
    assert len(load(file, "clients:\n" + clients).clients) == 20_000
    assert time.process_time() - before < 30  # 90 with the parser in Python


def test_a_platforms_own_targets_override_the_clients_which_override_the_defaults(file: Path) -> None:
    targets = load(file, GOOD).clients[0].targets
    assert targets.on("meta_ads") == KpiTargets(ctr=0.03, cpa=9)
    assert targets.on("google_ads") == KpiTargets(ctr=0.03, cpa=7)
    assert load(file, GOOD).clients[1].targets.on("google_ads") == KpiTargets()


def one_of(default: float, *others: float) -> st.SearchStrategy[float]:
    return st.sampled_from([default, *others])


single_targets = st.fixed_dictionaries(
    {},
    optional={
        "ctr": one_of(0.02, 0, 0.5, 1),
        "cpa": one_of(5.0, 0.01, 1e6),
        "conversion_rate": one_of(0.05, 0, 1),
        "min_impressions": one_of(1_000, 0, 10**9),
        "min_clicks": one_of(100, 0, 10**9),
    },
)


@given(single_targets, single_targets)
def test_each_target_comes_from_the_nearest_place_that_sets_it(own: dict[str, Any], override: dict[str, Any]) -> None:
    """Also where a platform sets what is the default anyway."""
    client = {"id": "a", "name": "A", "currency": "EUR", "accounts": {}}
    targets = {**own, "platforms": {"meta_ads": override}}
    loaded = Clients.model_validate({"clients": [{**client, "targets": targets}]}).clients[0].targets
    defaults = KpiTargets().model_dump()
    assert loaded.on("meta_ads").model_dump() == {**defaults, **own, **override}
    assert loaded.on("google_ads").model_dump() == {**defaults, **own}


def test_an_exchange_rate_is_the_files_or_one_or_unknown(file: Path) -> None:
    clients = load(file, GOOD.replace("EUR: {GBP", "eur: {gbp"))
    assert clients.exchange_rate("EUR", "GBP") == 1.17
    assert clients.exchange_rate("EUR", "EUR") == clients.exchange_rate("SEK", "SEK") == 1.0
    assert clients.exchange_rate("GBP", "EUR") is None, "the inverse is not made up"
    assert clients.exchange_rate("EUR", "SEK") is None
    assert clients.exchange_rate("EUR", "") is None, "a platform that says no currency"


# ---- no fault escapes as another exception ---------------------------------------------------------------------------


def taken_or_refused(file: Path) -> None:
    """Any other exception fails the test; a message must be printable and name the file."""
    try:
        clients = load_clients(file, SOURCES)
    except ClientsFileError as error:
        assert str(file) in str(error)
        assert str(error).encode("utf-8")
    else:
        assert clients.clients
        listed = [(source, account) for source in SOURCES for account in clients.listed(source)]
        assert len(listed) == len(set(listed)), "an account counts for one client only"
        assert all(account.isdigit() for _, account in listed)
        assert len({client.id for client in clients.clients}) == len(clients.clients)


PUNCTUATION = [*"\t\n\r :-[]{}#&*!|>'\"%@`,?0\x00\x85\u2028\ufeffé", "---", "...", "<<: ", "*a ", "&a ", "!!set ", "? "]
SPLINTERS = st.sampled_from(PUNCTUATION) | st.text(max_size=3)
same_file = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@same_file
@given(st.lists(st.tuples(st.integers(0, len(GOOD)), st.integers(0, 12), SPLINTERS), min_size=1, max_size=4))
def test_a_file_with_random_edits_is_taken_or_refused(file: Path, edits: list[tuple[int, int, str]]) -> None:
    text = GOOD
    for position, removed, added in edits:
        text = text[:position] + added + text[position + removed :]
    file.write_bytes(text.encode("utf-8", "surrogatepass"))
    taken_or_refused(file)


@same_file
@given(st.lists(st.tuples(st.integers(0, len(GOOD.encode()) - 1), st.integers(0, 255)), min_size=1, max_size=4))
def test_a_file_with_damaged_bytes_is_taken_or_refused(file: Path, damages: list[tuple[int, int]]) -> None:
    content = bytearray(GOOD.encode())
    for position, byte in damages:
        content[position] = byte
    file.write_bytes(bytes(content))
    taken_or_refused(file)


words = st.sampled_from(
    ["id", "name", "accounts", "google_ads", "meta_ads", "targets", "platforms", "EUR", "act_1", "1-2", "-1", "", "~"]
)
scalars = words | st.none() | st.booleans() | st.integers() | st.floats() | st.dates() | st.text(max_size=5)
trees = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words, inner, max_size=4), max_leaves=12
)
shaped = st.fixed_dictionaries(
    {"id": scalars, "name": scalars, "currency": st.sampled_from(["EUR", "x"]) | scalars, "accounts": trees},
    optional={"targets": trees, "kpi_targets": trees},
)


@same_file
@given(
    trees
    | st.lists(shaped | trees, max_size=3)
    | st.fixed_dictionaries({"clients": st.lists(shaped | trees, max_size=3)}, optional={"exchange_rates": trees})
)
def test_any_yaml_is_taken_or_refused(file: Path, tree: Any) -> None:
    file.write_text(yaml.safe_dump(tree, allow_unicode=True), encoding="utf-8")
    taken_or_refused(file)


good_clients = st.lists(
    st.tuples(
        st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,8}", fullmatch=True),
        st.text(st.characters(exclude_categories=["C"]), min_size=1, max_size=10),
        st.lists(st.from_regex(r"[0-9]{1,12}", fullmatch=True), max_size=3),
    ),
    min_size=1,
    max_size=4,
    unique_by=lambda client: client[0],
)


@same_file
@given(good_clients)
def test_a_written_file_reads_back_the_same(file: Path, written: list[tuple[str, str, list[str]]]) -> None:
    """Ids with leading zeros, names in any script: what was written, or a complaint about accounts that stand twice."""
    tree = [
        {"id": id_, "name": name, "currency": "EUR", "accounts": {"google_ads": accounts}}
        for id_, name, accounts in written
    ]
    text = yaml.safe_dump({"clients": tree}, allow_unicode=True)
    accounts = [account for _, _, listed in written for account in listed]
    if len(set(accounts)) < len(accounts):
        assert all("already listed" in what for _, what in faults(file, text))
    else:
        read = load(file, text)
        assert [(c.id, c.name, [a.id for a in c.accounts["google_ads"]]) for c in read.clients] == written
