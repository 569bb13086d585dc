"""The repository is written in plain English. Each form that it avoids is in `tests/support/language.py`.

To see the findings of some files, or of all:

    .venv/bin/python -m tests.test_language docs/late_data.md mdp_dagster/ingest
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.support.language import FORMS, ROOT, Form, files, findings, matches

# These two quote the forms.
QUOTES_THE_FORMS = {"tests/support/language.py", "tests/test_language.py"}


def findings_by_file() -> dict[str, list[str]]:
    """Every finding in the repository, by the file's path from the root."""
    names = {str(path.relative_to(ROOT)): path for path in files()}
    return {name: findings(path) for name, path in names.items() if name not in QUOTES_THE_FORMS}


def test_code_sql_yaml_and_prose_are_plain_english() -> None:
    lines = [line for lines in findings_by_file().values() for line in lines]
    assert not lines, "write it plainly:\n" + "\n".join(lines)


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
def test_a_form_is_found_and_its_neighbours_pass(form: Form) -> None:
    assert [text for text in form.refused if not matches(form, text)] == []
    assert [text for text in form.passes if matches(form, text)] == []


def test_every_kind_of_text_is_read_with_its_line(tmp_path: Path) -> None:
    texts = {
        "a.py": 'x = 1\n# the rows are kept\n# whatever they hold\ny = f"whose {x}"\ndef test_that_is_told(): ...\n',
        "a.sql": "select 1 -- an account\n-- whose rows\n{# anew #}",
        "a.yml": "models:\n  - description: >\n      All rows, whatever they hold\n    # whose rows\n",
        "a.md": "# Title\n\nThe rows of days\nwhose totals moved. `whose` is code.\n\n```sh\nwhatever\n```\n",
        "Makefile": "all:  ## parse anew\n",
    }
    expected = {"a.py": [3, 4, 5], "a.sql": [2, 3], "a.yml": [2, 4], "a.md": [4], "Makefile": [1]}
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
        lines = [int(line.split(":")[1]) for line in findings(tmp_path / name, tmp_path)]
        assert sorted(lines) == expected[name], name


def main(arguments: list[str]) -> None:
    """Print the findings of the named files and folders, or of all files."""
    for name, lines in findings_by_file().items():
        if not arguments or any(name.startswith(argument.removeprefix("./")) for argument in arguments):
            print("\n".join(lines), end="\n" if lines else "")


if __name__ == "__main__":
    main(sys.argv[1:])
