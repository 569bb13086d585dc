"""Reads the clients file (`config/clients.yaml`). An error names the faults with their lines and remedies."""

from __future__ import annotations

import reprlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from mdp_dagster.clients.accepted import KEY as ACCEPTED
from mdp_dagster.clients.accepted import accepted_faults
from mdp_dagster.clients.account_id_pattern import AccountIdPattern
from mdp_dagster.clients.model import AccountRef, Clients
from mdp_dagster.clients.versions import TODAY, first_day
from mdp_dagster.clients.yaml_nodes import YamlLimitError, read_yaml

_KEYS = "write `key: value` lines below it"
_LIST = "write a list below it, each entry after `- `"
_NUMBER = "write a number, as in 0.02"
_ABOVE_ZERO = "write a number above 0, as in 0.02"
_REMEDIES = {
    "list_type": _LIST,
    "tuple_type": _LIST,
    "dict_type": _KEYS,
    "model_type": _KEYS,
    "too_short": "list at least one client",
    "float_parsing": _NUMBER,
    "float_type": _NUMBER,
    "finite_number": _ABOVE_ZERO,
    "greater_than": _ABOVE_ZERO,
    "int_parsing": "write a whole number",
    "less_than_equal": "it is a share: write 0.02 for 2 %",
    "string_pattern_mismatch": "use letters, digits, '.', '_' and '-'",
    "string_too_short": "write something",
    "string_too_long": "shorten it",
    "string_type": "write a text",
}
_MOST_BYTES = 20_000_000
_MOST_LISTED_FAULTS = 50
# Other names that the file may use for a key.
_ALIASES = {"targets": "kpi_targets"}


class ClientsFileError(Exception):
    """The clients file can't be used. Names the file, the line and the remedy."""


def load_clients(path: Path, sources: Mapping[str, AccountIdPattern], today: date | None = None) -> Clients:
    """The clients of the file.

    Args:
        path: The file.
        sources: The sources that the file may name, with the form of their account ids.
        today: The last day that a `from:` may have. None: any day.

    Raises:
        ClientsFileError: One line for each of the first 50 faults: file, line, the fault, the remedy.
    """
    text = _text(path)
    try:
        document = read_yaml(text)
    except YamlLimitError as error:
        raise ClientsFileError(f"{path}:{error.line}: not valid YAML: {error.problem} → {error.remedy}") from error
    except (yaml.YAMLError, ValueError, OverflowError, RecursionError) as error:
        # PyYAML raises other errors too, for "\UFFFFFFFF" and for a thousand brackets.
        where = f"{path}:{_yaml_error_line(error, text)}"
        problem = getattr(error, "problem", None) or getattr(error, "reason", None) or error
        raise ClientsFileError(f"{where}: not valid YAML: {problem} → check indentation and quotes") from error
    root, data = document.node, document.value
    if isinstance(data, list):
        root, data = None if root is None else _wrapped(root), {"clients": data}
    if not isinstance(data, dict):
        raise ClientsFileError(f"{path}:1: the file has no clients → begin with `clients:` and a list below it")
    faults = [*_duplicate_keys(root, set()), *_read_account_ids(data, root, sources)]
    try:
        clients = Clients.model_validate(data, context={TODAY: today})
    except ValidationError as error:
        faults += [(_line(root, e["loc"]), _fault(e, root)) for e in error.errors()]
    else:
        faults += _cross_faults(clients, root, sources)
    if faults:
        raise ClientsFileError(_listed(path, sorted(set(faults))))
    return clients


def _listed(path: Path, faults: Sequence[tuple[int, str]]) -> str:
    lines = [f"{path}:{line}: {what}" for line, what in faults[:_MOST_LISTED_FAULTS]]
    more = len(faults) - len(lines)
    return "\n".join([*lines, *([f"{path}: and {more:,} more faults → correct these first"] if more else [])])


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
    except FileNotFoundError:
        raise ClientsFileError(
            f"{path}: there is no such file → copy config/clients.yaml and set MDP_CLIENTS_FILE to the copy"
        ) from None
    except (OSError, ValueError) as error:  # ValueError: a path with a NUL in it
        raise ClientsFileError(f"{path}: can't be read: {error} → set MDP_CLIENTS_FILE to a file that can") from error
    if len(content) > _MOST_BYTES:
        line = content.count(b"\n") + 1
        raise ClientsFileError(
            f"{path}:{line}: the file has more than {_MOST_BYTES // 1_000_000} MB → list manager accounts instead of "
            "each of their accounts"
        )
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


def _read_account_ids(
    data: dict[Any, Any], root: Any, sources: Mapping[str, AccountIdPattern]
) -> Iterator[tuple[int, str]]:
    """Replaces each account id by the form that its source's API takes. Yields a fault for each id that has none."""
    for source, place, entry, key in _written_ids(data):
        pattern, written = sources.get(source), entry[key]
        if pattern is None or not isinstance(written, str):
            continue
        account_id = pattern.read(written)
        if account_id is None:
            shown = reprlib.repr(written)
            loc = ".".join(map(str, place))
            yield _line(root, place), f"{loc}: {shown} is not a valid account id → {pattern.remedy}"
        else:
            entry[key] = account_id


def _written_ids(data: dict[Any, Any]) -> Iterator[tuple[Any, tuple[Any, ...], Any, Any]]:
    """The source and the place of each account id in the file, and the list or mapping that holds it, with its key."""
    for i, client in enumerate(_items(data.get("clients"))):
        accounts = client.get("accounts") if isinstance(client, dict) else None
        for source, refs in accounts.items() if isinstance(accounts, dict) else ():
            for j, ref in enumerate(_items(refs)):
                place = ("clients", i, "accounts", source, j, "id")
                if isinstance(ref, str):
                    yield source, place, refs, j
                elif isinstance(ref, dict) and "id" in ref:
                    yield source, place, ref, "id"
    for n, entry in enumerate(_items(data.get(ACCEPTED))):
        if isinstance(entry, dict) and isinstance(entry.get("platform"), str):
            for key in [key for key in ("account", "manager") if key in entry]:
                yield entry["platform"], (ACCEPTED, n, key), entry, key


def _items(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _cross_faults(clients: Clients, root: Any, sources: Mapping[str, AccountIdPattern]) -> Iterator[tuple[int, str]]:
    seen_clients: dict[str, int] = {}
    seen: dict[tuple[str, str], list[_Entry]] = {}
    for i, client in enumerate(clients.clients):
        if client.id in seen_clients:
            first = _line(root, ("clients", seen_clients[client.id], "id"))
            line = _line(root, ("clients", i, "id"))
            yield line, f"client id {client.id!r} is there twice, first on line {first} → rename one"
        seen_clients[client.id] = i
        for source, refs in client.accounts.items():
            if source not in sources:
                yield (
                    _line(root, ("clients", i, "accounts", source)),
                    f"{reprlib.repr(source)} is not a known platform → use one of {', '.join(sources)}",
                )
            for j, ref in enumerate(refs):
                where = _line(root, ("clients", i, "accounts", source, j))
                seen.setdefault((source, ref.id), []).append(_Entry(ref, client.id, where))
        named: list[tuple[str, ...]] = [("targets", "platforms", source) for source in client.targets.platforms]
        named += [("lookback_days", source) for source in client.lookback_days]
        for loc in named:
            if loc[-1] not in sources:
                where = _line(root, ("clients", i, *loc))
                yield where, f"{reprlib.repr(loc[-1])} is not a known platform → use one of {', '.join(sources)}"
    for place, fault in accepted_faults(clients, sources):
        yield _line(root, place), fault
    for (source, account_id), entries in seen.items():
        yield from _entry_faults(f"account {account_id} of {source}", entries)


@dataclass(frozen=True)
class _Entry:
    """An account's entry in the file, the client that lists it, and its line."""

    ref: AccountRef
    client_id: str
    line: int


def _entry_faults(account: str, entries: Sequence[_Entry]) -> Iterator[tuple[int, str]]:
    """Yields the faults in the entries for one account: one has no `from:`, the others have different days."""
    by_day: dict[date | None, _Entry] = {}
    for entry in entries:
        day = entry.ref.valid_from
        other = by_day.setdefault(day, entry)
        if other is entry:
            continue
        if day is None:
            remedy = "keep one, or add `from: YYYY-MM-DD` to the later one"
            yield entry.line, f"{account} is already listed for client {other.client_id!r} → {remedy}"
        else:
            yield entry.line, f"{account} is already listed for client {other.client_id!r} from {day} → keep one"
    if None not in by_day:
        first = min(by_day.values(), key=lambda entry: first_day(entry.ref.valid_from))
        yield (
            first.line,
            f"{account} has no client before {first.ref.valid_from} → list it without `from:` for its earlier client, "
            "or remove this `from:`",
        )


def _fault(error: Any, root: Any) -> str:
    where = ".".join(str(part) for part in _as_written(error["loc"], root)) or "a key"
    kind = error["type"]
    if kind == "missing":
        return f"{where} is missing → add it"
    if kind == "extra_forbidden":
        return f"{where} is not known here → remove it or correct its spelling"
    if kind == "value_error":
        return f"{where}: {error['msg'].removeprefix('Value error, ')}"
    problem = error["msg"].split(" or instance of ")[0].replace("valid tuple", "valid list")
    return f"{where}: {problem} → {_REMEDIES.get(kind, 'correct it')}"


def _as_written(loc: Sequence[Any], root: Any) -> Sequence[Any]:
    """Returns the path of a fault without the steps to a version that the file writes as a plain value."""
    node = root
    for n, part in enumerate(loc):
        rest = tuple(loc[n:])
        if isinstance(node, yaml.ScalarNode) and rest in ((0, "value"), ("value",)):
            return loc[:n]
        node = _child(node, part)
    return loc


def _child(node: Any, part: Any) -> Any:
    found = _entry_of(node, part)
    return None if found is None else found[1]


def _entry_of(node: Any, part: Any) -> tuple[Any, Any] | None:
    """Returns the nodes of a key and its value, or of an item of a list twice; None if there is no such part."""
    if isinstance(node, yaml.MappingNode):
        names = (str(part), _ALIASES.get(part))
        return next(((key, value) for key, value in node.value if key.value in names), None)
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part], node.value[part]
    return None


def _line(node: Any, loc: Sequence[Any]) -> int:
    """The line (from 1) of the deepest node of the path ``loc`` that the file has."""
    line = node.start_mark.line + 1 if node is not None else 1
    for part in loc:
        found = _entry_of(node, part)
        if found is None:
            return line
        line, node = found[0].start_mark.line + 1, found[1]
    return line


def _duplicate_keys(node: Any, visited: set[int]) -> Iterator[tuple[int, str]]:
    # Visits each node once: ten lines of aliases can mean a billion nodes.
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
                    f"the key {name!r} is there twice → join the two, YAML would drop one",
                )
            seen.add(name)
            yield from _duplicate_keys(value, visited)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _duplicate_keys(item, visited)


def _wrapped(root: yaml.Node) -> yaml.Node:
    """The node of a file that is a bare list, as if it were ``clients: [...]``."""
    key = yaml.ScalarNode("tag:yaml.org,2002:str", "clients", root.start_mark, root.start_mark)
    return yaml.MappingNode("tag:yaml.org,2002:map", [(key, root)], root.start_mark, root.end_mark)
