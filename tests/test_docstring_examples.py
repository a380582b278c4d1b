"""The examples in docstrings run, and every function and class that users import has one."""

import doctest
import importlib
import inspect
from pathlib import Path

import pytest

import spectessera

ROOT = Path(spectessera.__file__).parent
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
WITH_EXAMPLES = sorted(
    ".".join(("spectessera", *path.relative_to(ROOT).with_suffix("").parts))
    for path in ROOT.rglob("*.py")
    if ">>> " in path.read_text(encoding="utf-8")
)
CALLABLE = [name for name in spectessera.__all__ if callable(getattr(spectessera, name))]


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_examples_give_what_they_show(name):
    module = importlib.import_module(name)
    done = doctest.testmod(module, optionflags=FLAGS)
    assert done.attempted > 0
    assert done.failed == 0, "the report above shows what was expected and what came"


@pytest.mark.parametrize("name", CALLABLE)
def test_what_users_import_has_an_example(name):
    assert ">>> " in (inspect.getdoc(getattr(spectessera, name)) or "")
