"""All messages of errors and warnings, and all that is printed, are plain text: no markup."""

import ast
import re
from pathlib import Path

import pytest

import spectessera

ROOT = Path(spectessera.__file__).parent
MARKUP = re.compile(
    r"``|:\w+:`|(?<!\w)\*\*|(?<![\w*])\*\w+\*(?![\w*])|\[/?(?:bold|red|dim|italic)\]"
)
CALLS = {"print", "warn", "warning", "info", "error", "ResultWarning", "make_warning"}


def texts(node):
    """Return the strings below a node, those of f-strings too."""
    return [
        each.value
        for each in ast.walk(node)
        if isinstance(each, ast.Constant) and isinstance(each.value, str)
    ]


def messages(tree):
    """Return all texts of errors that are raised, of calls that print, and of warnings."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Raise) and node.exc is not None:
            found += texts(node.exc)
        elif isinstance(node, ast.Call):
            called = node.func
            name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
            found += texts(node) if name in CALLS else []
    return found


def test_markup_is_found_where_it_is():
    tree = ast.parse("raise ValueError(f'give ``key`` to {name}')\nerrors.print('[bold]no[/bold]')")
    assert sum(bool(MARKUP.search(each)) for each in messages(tree)) == 2


@pytest.mark.parametrize("room", sorted({p.parent for p in ROOT.rglob("*.py")}), ids=str)
def test_no_message_has_markup(room):
    for path in sorted(room.glob("*.py")):
        for text in messages(ast.parse(path.read_text(encoding="utf-8"))):
            assert not MARKUP.search(text), f"{path.name}: {text}"
