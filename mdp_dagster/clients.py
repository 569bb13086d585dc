"""The clients file (`config/clients.yaml`): whose money it is, on which accounts, against which targets."""

from __future__ import annotations

import reprlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

# Enough to be judged: below it, a rate says more about chance than about the campaign.
MIN_IMPRESSIONS = 1_000
MIN_CLICKS = 100

_KEYS = "write `key: value` lines below it"
_REMEDIES = {
    "list_type": "write a list below it, each entry after `- `",
    "dict_type": _KEYS,
    "model_type": _KEYS,
    "too_short": "list at least one client",
    "float_parsing": "write a number, as in 0.02",
    "int_parsing": "write a whole number",
    "less_than_equal": "it is a share: write 0.02 for 2 %",
    "string_pattern_mismatch": "use letters, digits, '.', '_' and '-'",
    "string_too_short": "write something",
}
# Keys that may be written in another way.
_ALIASES = {"targets": "kpi_targets"}


class ClientsFileError(Exception):
    """A clients file that can't be used. Names the file, the line and the remedy."""


def _digits(value: Any) -> str:
    """An account id as digits alone: '123-456-7890' and 'act_42' are ways to write one."""
    text = str(value).strip().removeprefix("act_").replace("-", "").replace(" ", "") if _is_scalar(value) else ""
    if not (text.isascii() and text.isdigit()):
        raise ValueError(f"{_shown(value)} is no account id → write digits, as in 123-456-7890 or act_1234567890")
    return text


def _account(value: Any) -> Any:
    return {"id": value} if _is_scalar(value) else value


def _is_scalar(value: Any) -> bool:
    return isinstance(value, (str, int))


def _shown(value: Any) -> str:
    return reprlib.repr(value) if _is_scalar(value) else f"a {type(value).__name__}"


def _is_empty(value: Any) -> bool:
    """A key with nothing behind it, e.g. because all lines below it are commented out."""
    return value is None or (isinstance(value, str) and value in ("", "null", "~"))


def _currency(value: Any) -> str:
    text = str(value).strip().upper() if _is_scalar(value) else ""
    if len(text) != 3 or not (text.isascii() and text.isalpha()):
        raise ValueError(f"{_shown(value)} is no ISO 4217 currency code → write three letters, as in EUR")
    return text


def _each_currency_once(value: Any) -> Any:
    codes = [str(code).strip().upper() for code in value] if isinstance(value, dict) else []
    if len(set(codes)) < len(codes):
        twice = next(code for code in codes if codes.count(code) > 1)
        raise ValueError(f"{twice} stands twice, in capitals and not → keep one")
    return value


AccountId = Annotated[str, BeforeValidator(_digits)]
Currency = Annotated[str, BeforeValidator(_currency)]
Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
OnceEach = BeforeValidator(_each_currency_once)
OrNone = BeforeValidator(lambda value: None if _is_empty(value) else value)
OrNoList = BeforeValidator(lambda value: [] if _is_empty(value) else value)
OrNoMapping = BeforeValidator(lambda value: {} if _is_empty(value) else value)


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class AccountRef(_Strict):
    """An account as the file lists it. A Google Ads manager account stands for all accounts under it."""

    id: AccountId
    conversion_action_type: Annotated[str | None, OrNone] = None
    """Meta: the one `action_type` that counts as a conversion; none: the first there is of the project's list."""


class KpiTargets(_Strict):
    """Targets for KPIs, as fractions (0.02 is 2 %) and, for CPA, in the client's reporting currency."""

    ctr: Share = 0.02
    cpa: Positive = 5.0
    conversion_rate: Share = 0.05
    min_impressions: int = Field(default=MIN_IMPRESSIONS, ge=0)
    min_clicks: int = Field(default=MIN_CLICKS, ge=0)


class ClientTargets(KpiTargets):
    """A client's targets, and what differs on a platform."""

    platforms: Annotated[dict[str, Annotated[KpiTargets, OrNoMapping]], OrNoMapping] = Field(default_factory=dict)

    def on(self, source: str) -> KpiTargets:
        own = self.model_dump(exclude={"platforms"}, exclude_unset=True)
        override = self.platforms[source].model_dump(exclude_unset=True) if source in self.platforms else {}
        return KpiTargets(**{**own, **override})


class Client(_Strict):
    """Whose money it is."""

    id: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")
    name: str = Field(min_length=1)
    reporting_currency: Currency = Field(validation_alias=AliasChoices("reporting_currency", "currency"))
    accounts: Annotated[
        dict[str, Annotated[list[Annotated[AccountRef, BeforeValidator(_account)]], OrNoList]], OrNoMapping
    ]
    targets: Annotated[ClientTargets, OrNoMapping] = Field(
        default_factory=ClientTargets, validation_alias=AliasChoices("targets", "kpi_targets")
    )


class Clients(_Strict):
    """The whole file. ``exchange_rates[reporting][account]``: units of the reporting currency for one unit of the
    account's currency; budget rates, the same for every day."""

    clients: list[Client] = Field(min_length=1)
    exchange_rates: Annotated[
        dict[Currency, Annotated[dict[Currency, Positive], OnceEach, OrNoMapping]], OnceEach, OrNoMapping
    ] = Field(default_factory=dict)

    def refs(self, source: str) -> Iterator[tuple[Client, AccountRef]]:
        """The accounts listed for a platform, with their clients, in the file's order."""
        for client in self.clients:
            for ref in client.accounts.get(source, []):
                yield client, ref

    def listed(self, source: str) -> list[str]:
        """The account ids listed for a platform."""
        return [ref.id for _, ref in self.refs(source)]

    def exchange_rate(self, reporting: str, account: str) -> float | None:
        """Units of ``reporting`` for one unit of ``account``; None if the file has no such rate."""
        if reporting == account:
            return 1.0
        return self.exchange_rates.get(reporting, {}).get(account)


def load_clients(path: Path, sources: Sequence[str]) -> Clients:
    """Read the file. ``sources``: the platforms that MDP knows.

    Raises ``ClientsFileError`` with one line per fault: file, line, what is wrong, what to write instead.
    """
    text = _text(path)
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        # Every scalar as the text it is: an id that YAML would read as an octal number stays as written.
        data = yaml.load(text, Loader=yaml.BaseLoader)
    except (yaml.YAMLError, ValueError, OverflowError, RecursionError) as error:
        # Not only YAMLError: PyYAML lets through what comes of "\UFFFFFFFF" and of a thousand brackets.
        where = f"{path}:{_yaml_error_line(error, text)}"
        problem = getattr(error, "problem", None) or getattr(error, "reason", None) or error
        raise ClientsFileError(f"{where}: not valid YAML: {problem} → check indentation and quotes") from error
    if isinstance(data, list):
        root, data = None if root is None else _wrapped(root), {"clients": data}
    if not isinstance(data, dict):
        raise ClientsFileError(f"{path}:1: no clients in it → begin with `clients:` and a list below")
    faults = list(_duplicate_keys(root, set()))
    try:
        clients = Clients.model_validate(data)
    except ValidationError as error:
        faults += [(_line(root, e["loc"]), _say(e)) for e in error.errors()]
    else:
        faults += _cross_faults(clients, root, sources)
    if faults:
        raise ClientsFileError("\n".join(f"{path}:{line}: {what}" for line, what in sorted(set(faults))))
    return clients


def _text(path: Path) -> str:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise ClientsFileError(
            f"{path}: there is no such file → copy config/clients.yaml and set MDP_CLIENTS_FILE to the copy"
        ) from None
    except OSError as error:
        raise ClientsFileError(f"{path}: can't be read: {error} → set MDP_CLIENTS_FILE to a file that can") from error
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ClientsFileError(f"{path}:{line}: not UTF-8 text: {error.reason} → save the file as UTF-8") from error


def _yaml_error_line(error: Exception, text: str) -> int:
    if isinstance(error, yaml.reader.ReaderError):
        return text.count("\n", 0, error.position) + 1
    mark = getattr(error, "problem_mark", None)
    return mark.line + 1 if mark else 1


def _cross_faults(clients: Clients, root: Any, sources: Sequence[str]) -> Iterator[tuple[int, str]]:
    seen_clients: dict[str, int] = {}
    seen_accounts: dict[tuple[str, str], str] = {}
    for i, client in enumerate(clients.clients):
        line = _line(root, ("clients", i, "id"))
        if client.id in seen_clients:
            yield (
                line,
                f"client id {client.id!r} stands twice, first on line {seen_clients[client.id]} → rename one",
            )
        seen_clients[client.id] = line
        for source, refs in client.accounts.items():
            if source not in sources:
                yield (
                    _line(root, ("clients", i, "accounts", source)),
                    f"{source!r} is no platform → use one of {', '.join(sources)}",
                )
            for j, ref in enumerate(refs):
                where = _line(root, ("clients", i, "accounts", source, j))
                other = seen_accounts.setdefault((source, ref.id), client.id)
                if other != client.id or any(r.id == ref.id for r in refs[:j]):
                    yield (
                        where,
                        f"account {ref.id} of {source} is already listed for client {other!r} → keep one",
                    )
        for source in set(client.targets.platforms) - set(sources):
            where = _line(root, ("clients", i, "targets", "platforms", source))
            yield where, f"{source!r} is no platform → use one of {', '.join(sources)}"


def _say(error: Any) -> str:
    where = ".".join(str(part) for part in error["loc"]) or "a key"
    kind = error["type"]
    if kind == "missing":
        return f"{where} is missing → add it"
    if kind == "extra_forbidden":
        return f"{where} is not known here → remove it or correct its spelling"
    if kind == "value_error":
        return f"{where}: {error['msg'].removeprefix('Value error, ')}"
    return f"{where}: {error['msg'].split(' or instance of ')[0]} → {_REMEDIES.get(kind, 'correct it')}"


def _line(node: Any, loc: Sequence[Any]) -> int:
    """The line (from 1) of the deepest node on the way that the file has."""
    line = node.start_mark.line + 1 if node is not None else 1
    for part in loc:
        found = None
        if isinstance(node, yaml.MappingNode):
            names = (str(part), _ALIASES.get(part))
            found = next(((k, v) for k, v in node.value if k.value in names), None)
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            found = (node.value[part], node.value[part])
        if found is None:
            return line
        line, node = found[0].start_mark.line + 1, found[1]
    return line


def _duplicate_keys(node: Any, visited: set[int]) -> Iterator[tuple[int, str]]:
    # Each node once, however many aliases lead to it: ten lines of aliases can stand for a billion nodes.
    if id(node) in visited:
        return
    visited.add(id(node))
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            name = str(key.value)
            if name in seen:
                yield (
                    key.start_mark.line + 1,
                    f"the key {name!r} stands twice → join the two, YAML would drop one",
                )
            seen.add(name)
            yield from _duplicate_keys(value, visited)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _duplicate_keys(item, visited)


def _wrapped(root: yaml.Node) -> yaml.Node:
    """A file that is a bare list, seen as ``clients: [...]``."""
    key = yaml.ScalarNode("tag:yaml.org,2002:str", "clients", root.start_mark, root.start_mark)
    return yaml.MappingNode("tag:yaml.org,2002:map", [(key, root)], root.start_mark, root.end_mark)
