"""JSON as text that no encoder would write: duplicate keys, numbers of any length, half surrogate pairs, depth."""

from __future__ import annotations

import json
from collections.abc import Sequence

from hypothesis import strategies as st

letters = st.text(max_size=12) | st.text(st.characters(categories=("Cs", "Cc", "So", "Lu")), max_size=4)
numbers = (
    st.integers().map(str)
    | st.floats().map(json.dumps)
    | st.sampled_from(
        ["-0", "0.10", "1e3", "1E+400", "-1e-400", "NaN", "-Infinity", "9" * 5_000, "12345678901234567890"]
    )
)
strings = st.builds(json.dumps, letters, ensure_ascii=st.booleans())
scalars = st.sampled_from(["null", "true", "false", '""', "0"]) | numbers | strings


def lists(inner: st.SearchStrategy[str], max_size: int = 4) -> st.SearchStrategy[str]:
    return st.lists(inner, max_size=max_size).map(lambda parts: f"[{','.join(parts)}]")


def objects(keys: Sequence[str], inner: st.SearchStrategy[str], max_size: int = 5) -> st.SearchStrategy[str]:
    """Objects with these keys and others. A key may occur twice."""
    names = st.sampled_from([json.dumps(key) for key in keys]) | strings if keys else strings
    pairs = st.builds("{}:{}".format, names, inner)
    return st.lists(pairs, max_size=max_size).map(lambda parts: f"{{{','.join(parts)}}}")


def values(keys: Sequence[str] = (), max_leaves: int = 10) -> st.SearchStrategy[str]:
    """Any JSON text."""
    return st.recursive(scalars, lambda inner: lists(inner) | objects(keys, inner), max_leaves=max_leaves) | deep


def nested(depth: int, opening: str, inside: str) -> str:
    closing = {"[": "]", "{": "}"}[opening[0]]
    return opening * depth + inside + closing * depth


# Up to the limits of Python's own parser and printer, and far beyond.
deep = st.builds(
    nested,
    st.integers(60, 130) | st.integers(700, 1_000) | st.just(50_000),
    st.sampled_from(["[", '{"a":', '{"error":', '{"message":']),
    st.sampled_from(["null", '"x"', "1"]),
)


def with_keys(known: dict[str, st.SearchStrategy[str]]) -> st.SearchStrategy[str]:
    """An object that has some of these keys, each with a matching value, and perhaps others."""
    pairs = st.fixed_dictionaries({}, optional=known).map(
        lambda chosen: [f"{json.dumps(key)}:{value}" for key, value in chosen.items()]
    )
    others = st.lists(st.builds("{}:{}".format, strings, scalars), max_size=2)
    return st.builds(lambda one, more: f"{{{','.join(one + more)}}}", pairs, others)
