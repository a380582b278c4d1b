"""A file over 400 lines and a function over 40 lines of code say why, in a comment."""

import ast
from pathlib import Path

import pytest

import spectessera
from structure import LONG_FILE, LONG_FUNCTION, code_lines, length

ROOT = Path(spectessera.__file__).parent
PATHS = sorted(ROOT.rglob("*.py"))


def test_the_counter_leaves_out_docstrings_comments_and_blank_lines(tmp_path):
    path = tmp_path / "one.py"
    path.write_text('def f(\n    a,\n):\n    """Say\n    it."""\n    # why\n\n    return a  # so\n')
    (function,) = ast.parse(path.read_text()).body
    assert length(function, code_lines(path)) == 4  # three of the signature and the return


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_what_is_long_says_why(path):
    text = path.read_text(encoding="utf-8")
    rows = text.splitlines()
    assert len(rows) <= LONG_FILE or f"\n# Over {LONG_FILE} lines: " in text
    lines = code_lines(path)
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            above = rows[
                min(node.lineno, *(d.lineno for d in node.decorator_list), node.lineno) - 2
            ]
            argued = above.strip().startswith(f"# Over {LONG_FUNCTION} lines: ")
            count = length(node, lines)
            assert count <= LONG_FUNCTION or argued, f"{node.name} has {count} lines of code"
            assert count > LONG_FUNCTION or not argued, f"{node.name} is short: no argument needed"
