"""The rooms of the house: one ordered list of who may import whom, and how long is long."""

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import spectessera

ROOT = Path(spectessera.__file__).parent
# A room imports only rooms that stand before it.
ORDER = (
    "_version", "_util", "axis", "settings", "colours", "channels", "conventions", "scale",
    "countnoise", "variance", "foreign", "cube", "evaluate", "warning", "optical", "preprocess",
    "scans", "evidence", "result", "kmeans", "plots", "io", "synth", "network", "segmenter",
    "pretraining", "inference", "baselines", "naming", "maps", "diagnostics", "htmlreport",
    "notebook", "resultfolder", "export", "edits", "studies", "viewer", "cli",
)  # fmt: skip
WITHOUT_TORCH = (
    "axis", "settings", "colours", "channels", "conventions", "scale", "countnoise", "variance",
    "foreign", "cube", "evaluate", "optical", "preprocess", "scans", "result", "evidence",
    "warning", "plots", "io", "naming", "maps", "diagnostics", "htmlreport", "notebook",
    "resultfolder", "export", "edits", "viewer",
)  # fmt: skip
AFTER_HELP = {"torch", "sklearn", "xarray", "matplotlib", "scipy", "numpy", "pandas", "dask"}
OPEN_TO_ALL = {"_util", "_version"}
DEVICES = {"segmenter.estimator", "kmeans.points", "network.checkpoint", "network.training"}


def modules() -> dict[str, Path]:
    """Return every module of the package by its dotted name below it."""
    names = {path: path.relative_to(ROOT).with_suffix("").parts for path in ROOT.rglob("*.py")}
    return {
        ".".join(parts[:-1] if parts[-1] == "__init__" else parts): path
        for path, parts in sorted(names.items())
        if len(parts) > 1 or parts[0] != "__init__"
    }


MODULES = modules()


def imports(name: str) -> set[str]:
    """Return the modules of the package that a module imports, anywhere in its text."""
    package = name.split(".") if MODULES[name].name == "__init__.py" else name.split(".")[:-1]
    found = set()
    for node in ast.walk(ast.parse(MODULES[name].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            targets = [alias.name.split(".") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = ["spectessera", *package[: len(package) - node.level + 1]] if node.level else []
            base = [*above, *(node.module.split(".") if node.module else [])]
            targets = [[*base, alias.name] for alias in node.names]
        else:
            continue
        for target in targets:
            inner = target[1:] if target[0] == "spectessera" else []
            while inner and ".".join(inner) not in MODULES:  # a name inside a module
                inner = inner[:-1]
            found |= {".".join(inner)} - {"", name}
    return found


def room(name: str) -> str:
    """Return the room of a module."""
    return name.partition(".")[0]


def test_the_reader_of_imports_finds_those_that_are_known():
    """A test that finds no imports at all would pass for ever."""
    assert imports("inference.pipeline") >= {"cube", "_util.check", "inference.passes"}
    assert imports("cli.info") >= {"io.describe"}  # inside a function
    assert imports("kmeans") >= {"kmeans._choose", "_util.doors"}  # of a door


@pytest.mark.parametrize("name", MODULES)
def test_a_room_imports_only_rooms_before_it_and_their_open_modules(name):
    assert room(name) in ORDER, f"{room(name)} is no room: give it a place in ORDER"
    for other in imports(name):
        if room(other) == room(name):
            continue
        assert ORDER.index(room(other)) < ORDER.index(room(name)), f"{name} imports {other}"
        closed = any(part.startswith("_") for part in other.split(".")[1:])
        assert not closed or room(other) in OPEN_TO_ALL, f"{name} imports {other}, private there"


def test_no_circle_of_imports():
    """Doors are left out: what they load when it is asked for is no import of theirs."""
    doors = {name for name, path in MODULES.items() if path.name == "__init__.py"}
    TopologicalSorter(
        {name: imports(name) - doors for name in MODULES if name not in doors}
    ).prepare()


@pytest.mark.parametrize("name", WITHOUT_TORCH)
def test_a_room_without_torch_loads_none(name):
    """Neither by its own imports, nor by those of what it imports."""
    mine = [each for each in MODULES if room(each) == name]
    code = f"import sys, {', '.join(f'spectessera.{each}' for each in mine)}; print(*sys.modules)"
    assert "torch" not in printed(code)


def test_help_loads_nothing_heavy():
    code = (
        "import sys, atexit; sys.argv = ['spectessera', '--help']\n"
        "atexit.register(lambda: print('\\n', *sys.modules))\n"
        "from spectessera.cli import main; main()"
    )
    assert not AFTER_HELP & printed(code)


def printed(code: str) -> set[str]:
    """Return the words of the last line that a fresh interpreter prints."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize("name", sorted(set(MODULES) - DEVICES))
def test_only_a_few_name_a_device(name):
    """The estimator chooses it, k-means takes it from there, two keep its generator."""
    tree = ast.parse(MODULES[name].read_text(encoding="utf-8"))
    constants = [n.value for n in ast.walk(tree) if isinstance(n, ast.Constant)]
    named = {each.partition(":")[0] for each in constants if isinstance(each, str)}
    assert not named & {"cuda", "mps", "cpu"}
    called = {n.func.attr for n in ast.walk(tree) if isinstance(n, ast.Call) and
              isinstance(n.func, ast.Attribute)}  # fmt: skip
    assert not called & {"cuda", "cpu", "mps"}
