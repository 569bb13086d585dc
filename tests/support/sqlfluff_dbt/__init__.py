"""The parts of dbt's Jinja context that the project's SQL uses, so that sqlfluff can render a file without dbt.

sqlfluff loads this folder (`library_path` in `.sqlfluff`) and makes its public names available in every template. The
macros are the project's own. A macro that dbt dispatches by engine is rendered as a function of the same name.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import yaml

_PROJECT = yaml.safe_load((Path(__file__).resolve().parents[3] / "dbt" / "dbt_project.yml").read_text(encoding="utf-8"))

# Macros with an argument that is not an expression.
_FORMS = {"safe_cast_as": "try_cast({} as {})", "matches": "regexp_matches({}, '{}')"}

execute = False
modules = SimpleNamespace()
exceptions = SimpleNamespace(raise_compiler_error=lambda message: "")


def var(name: str, default: Any = "") -> Any:
    """The variable's value in `dbt_project.yml`, or the default."""
    return _PROJECT.get("vars", {}).get(name, default)


def _dispatch(macro: str, _: str = "") -> Callable[..., str]:
    def rendered(*arguments: Any) -> str:
        if macro in _FORMS:
            return _FORMS[macro].format(*arguments)
        return f"{macro}({', '.join(map(str, arguments))})" if arguments else "double"

    return rendered


class _MacrosByName:
    """Like dbt's `context`, in which a model finds a macro by a computed name."""

    def __getitem__(self, name: str) -> Callable[..., str]:
        return lambda relation, **_: f"select * from {relation}"


context = _MacrosByName()
adapter = SimpleNamespace(dispatch=_dispatch)
