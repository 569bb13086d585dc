"""Reads the English of the repository: comments, docstrings, messages and prose, each with its line number."""

from __future__ import annotations

import ast
import io
import re
import subprocess
import tokenize
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
GENERATED = re.compile(r"\.lock$|^LICENSE$|\.png$")


@dataclass(frozen=True)
class Form:
    """A form that a native speaker would not write, what to write instead, and examples on both sides of the line."""

    name: str
    pattern: str
    write: str
    refused: tuple[str, ...]
    passes: tuple[str, ...] = ()
    any_case: bool = True


@dataclass(frozen=True)
class Passage:
    """A comment, docstring, message, heading or paragraph. `line` is where it starts."""

    line: int
    text: str


# They may know, want and tell things.
PEOPLE = (
    "user|reader|developer|engineer|analyst|somebody|someone|nobody|anyone|everyone|you|who|documentation|docs|guide"
)

FORMS = [
    Form(
        "is no X",
        r"(?<!\bthere )\b(?:is|are|was|were) no (?!(?:longer|more|less|fewer|later|earlier|better|worse|newer|older|"
        r"larger|smaller|different|other|such|one|exception|accident|doubt|reason|help|evidence|guarantee|substitute)\b)",
        "`is not a valid X, use Y` in an error; otherwise `is not X` or `there is no X`",
        ("`x` is no cron expression", "these are no days"),
        ("it is no longer read", "is no reason", "there is no such day", "there are no rows", "is no more than 5 %"),
    ),
    Form(
        "stands",
        r"\b(?:stands|stood)\b(?! (?:for|in for|out|still|by)\b)",
        "`is`, `shows`, `applies`; `as of` for a past state",
        ("the marts as they stood then", "the total stands alone"),
        ("MDP stands for Marketing Data Platform", "as is understood", "a standstill"),
    ),
    Form(
        "whose", r"\bwhose\b", "a second sentence, or `with`, `of`", ("accounts whose rows are rejected",), ("those",)
    ),
    Form("whoever", r"\bwho(?:so)?ever\b", "`anyone who`, `any process that`", ("whoever commits",), ("however",)),
    Form("whatever", r"\bwhatever\b", "`any`, `every`, or the list", ("whatever it sends",), ("whenever it sends",)),
    Form("but for", r"(?<![,;])(?<!\bnot) but for\b", "`except`", ("all but for one",), ("not today, but for ever",)),
    Form(
        "by itself",
        r"\bby (?:itself|themselves)\b",
        "`automatically`, `without`, `alone`, or the name of what does it",
        ("it starts by itself",),
        ("a module itself",),
    ),
    Form("told", r"\btold\b", "`says`, `shows`, `reported`; `can't be known`", ("that can't be told",), ("untold",)),
    Form("anew", r"\banew\b", "`again`", ("parses it anew",), ("a new run", "renewal")),
    Form("beside", r"\bbeside\b", "`next to`, or `in addition to`", ("the lock beside it",), ("besides this",)),
    Form("so many", r"\bso many\b", "`that many`, or the number", ("so many rows",), ("how many rows",)),
    Form(
        "a sentence that starts with What",
        r"(?:^|(?<=[.!?] )|(?<=  ))What(?:'s)? (?!to )[^.?!]{3,}(?:[.!](?= |$)|(?<!:)$)",
        "the subject: a noun, not a clause with `What`",
        ("What a run pulls.", "Rows. What changed is kept."),
        ("What changed?", "Somewhat later. It ends.", "See what changed.", "What happens then:", "remedy: What to do."),
        any_case=False,
    ),
    Form(
        "files lie",
        r"\b(?:lies|lie|lay|lying) (?:under|in(?! the (?:past|future))|beside|next to|at|below|there|on|side)\b",
        "`is in`, `are next to`",
        ("the file lies in the lake", "they lie under refused/"),
        ("it relies on", "it lies between 0 and 1", "the day lies in the future"),
    ),
    Form("has it that", r"\bha(?:s|ve) it that\b", "`says that`", ("the ledger has it that",), ("has it, that is",)),
    Form(
        "asked for",
        r"\b(?:is|are|was|were|been|being) asked for\b",
        "`requested`",
        ("the days were asked for",),
        ("the user asked for them", "a masked form"),
    ),
    Form(
        "code that speaks or thinks",
        rf"\b(?!(?:{PEOPLE})\b)\w+ (?:knows|wants|tells)\b",
        "`has`, `needs`, `shows`, `returns`: code does not know, want or tell",
        ("the ledger knows the digest", "DuckDB wants a path"),
        ("a user who wants a mart", "somebody knows", "the documentation tells how"),
    ),
    Form(
        "files that say",
        r"\b(?:code|config|connector|constant|database|decorator|digest|event|file|folder|function|job|ledger|macro|mart|"
        r"metadata|model|module|probe|query|row|run|schedule|sensor|setting|step|table|tag|test|value|variable|"
        # The column `explanation` has the text "... rows that the ledger says were loaded". A value of a column stays.
        r"warehouse|window) says\b(?! were loaded\b)",
        "`shows`, `states`, `has`: a table does not say anything",
        ("the ledger says so", "as the file says"),
        ("the message says", "Google says", "raw has 1 of 2 rows that the ledger says were loaded"),
    ),
    Form(
        "``x``: of which",
        r"`: of which\b",
        "a list of parameters under `Args:`",
        ("``x``: of which day",),
        ("of which",),
    ),
]


def findings(path: Path, root: Path = ROOT) -> list[str]:
    """The lines of a file that a form refuses, each with the words found and what to write instead."""
    return [
        f"{path.relative_to(root)}:{line}: “{words}” → {form.write}"
        for passage in passages(path)
        for form in FORMS
        for line, words in _matches(form, passage)
    ]


def matches(form: Form, text: str) -> list[str]:
    """The words of a text that a form refuses."""
    return [words for _, words in _matches(form, Passage(1, text))]


def _matches(form: Form, passage: Passage) -> Iterator[tuple[int, str]]:
    # One character between two words, so that a form may run over the end of a line.
    text = "\n".join(" ".join(line.split()) for line in passage.text.splitlines())
    for match in re.finditer(form.pattern.replace(" ", r"\s"), text, re.IGNORECASE if form.any_case else 0):
        yield passage.line + text.count("\n", 0, match.start()), " ".join(match[0].split())


def files() -> list[Path]:
    """Every text file that git has, or would have."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    paths = [ROOT / name for name in listed.stdout.splitlines() if not GENERATED.search(name)]
    return [path for path in paths if path.is_file()]


def passages(path: Path) -> Iterator[Passage]:
    reader = READERS.get(path.suffix, _hash_comments)
    yield from reader(path.read_text())


def _python(text: str) -> Iterator[Passage]:
    yield from _joined(
        (token.start[0], token.string.lstrip("#: "))
        for token in tokenize.generate_tokens(io.StringIO(text).readline)
        if token.type == tokenize.COMMENT
    )
    inside: set[ast.AST] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.JoinedStr):
            inside |= set(node.values)
            parts = [str(value.value) if isinstance(value, ast.Constant) else "x" for value in node.values]
            yield Passage(node.lineno, "".join(parts))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in inside:
            if " " in node.value.strip():
                yield Passage(node.lineno, node.value)
        elif isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            yield Passage(node.lineno, node.name.replace("_", " "))


def _sql(text: str) -> Iterator[Passage]:
    for match in re.finditer(r"\{#-?(.*?)-?#\}|/\*(.*?)\*/", text, re.S):
        yield Passage(text.count("\n", 0, match.start()) + 1, match[1] or match[2] or "")
    lines = enumerate(text.splitlines(), 1)
    yield from _joined((number, match[1]) for number, line in lines if (match := re.search(r"--\s?(.*)$", line)))


def _yaml(text: str) -> Iterator[Passage]:
    yield from _hash_comments(text)
    try:
        nodes = list(yaml.compose_all(text))
    except yaml.YAMLError:
        return
    for node in nodes:
        yield from _scalars(node)


def _scalars(node: yaml.Node | None) -> Iterator[Passage]:
    if isinstance(node, yaml.ScalarNode):
        if " " in node.value:
            yield Passage(node.start_mark.line + 1, node.value)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _scalars(item)
    elif isinstance(node, yaml.MappingNode):
        for _, value in node.value:
            yield from _scalars(value)


def _hash_comments(text: str) -> Iterator[Passage]:
    lines = enumerate(text.splitlines(), 1)
    yield from _joined((n, match[1]) for n, line in lines if (match := re.search(r"(?:^|\s)#+\s(.*)$", line)))


def _joined(comments: Iterator[tuple[int, str]]) -> Iterator[Passage]:
    """Comments on consecutive lines, as one passage each."""
    block: list[tuple[int, str]] = []
    for number, comment in comments:
        if block and number != block[-1][0] + 1:
            yield Passage(block[0][0], "\n".join(text for _, text in block))
            block = []
        block.append((number, comment))
    if block:
        yield Passage(block[0][0], "\n".join(text for _, text in block))


def _markdown(text: str) -> Iterator[Passage]:
    """Paragraphs, headings, list items and the cells of tables, without code."""
    text = re.sub(r"^ *```.*?^ *```", lambda code: "\n" * code[0].count("\n"), text, flags=re.M | re.S)
    text = re.sub(r"`[^`\n]+`", lambda code: "`" + "x" * (len(code[0]) - 2) + "`", text)
    block: list[tuple[int, str]] = []
    for number, line in enumerate([*text.splitlines(), ""], 1):
        starts = re.match(r"\s*([-*>]|\d+\.) |#|\|", line)
        if block and (starts or not line.strip()):
            yield Passage(block[0][0], "\n".join(text for _, text in block))
            block = []
        if line.startswith("|"):
            yield from (Passage(number, f"{cell.strip()}…") for cell in line.strip("|").split("|"))
        elif line.startswith("#"):
            yield Passage(number, f"{line.lstrip('# ')}?")
        elif line.strip():
            block.append((number, re.sub(r"^\s*(?:[-*>]|\d+\.) ", "", line)))


READERS: dict[str, Callable[[str], Iterator[Passage]]] = {
    ".py": _python,
    ".sql": _sql,
    ".yml": _yaml,
    ".yaml": _yaml,
    ".md": _markdown,
}
