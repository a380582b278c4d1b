"""What `import spectessera` gives, and what it must not do."""

import ast
import importlib
import inspect
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import spectessera

ROOT = Path(spectessera.__file__).parent
DOORS = [
    path
    for path in sorted(ROOT.rglob("__init__.py"))
    if "door(" in path.read_text(encoding="utf-8")
]

# The whole public surface. To add a name is a decision; to lose one breaks someone's script.
PUBLIC = [
    "Clusters",
    "Network",
    "Preprocess",
    "Schedule",
    "SpectralSegmenter",
    "Training",
    "__version__",
    "baselines",
    "compare",
    "degrade",
    "edits",
    "export",
    "io",
    "join_scans",
    "kmeans",
    "load",
    "make_cube",
    "maps",
    "plots",
    "read",
    "read_library",
    "read_result",
    "report",
    "segment",
    "show",
    "split_scans",
    "stability",
    "synth",
    "view",
    "write",
]
HEAVY = {
    "astropy", "dask", "h5netcdf", "h5py", "matplotlib", "numpy", "pandas", "PIL", "rich",
    "safetensors", "scipy", "sklearn", "torch", "typer", "xarray", "zarr",
}  # fmt: skip

LOADED = """
import json, sys
import {name}
print(json.dumps(sorted({{each.partition(".")[0] for each in sys.modules}})))
"""
# Everything of others first, so that what has changed afterwards was changed by this package.
EFFECTS = """
import json, logging, os, random, warnings
import astropy.io.fits, dask.array, h5netcdf, h5py, matplotlib.figure, numpy, rich.progress
import safetensors.numpy, scipy.ndimage, sklearn.base, sklearn.utils.validation, tomli_w, torch
import typer, xarray

def state():
    return {
        "environment": dict(os.environ),
        "folder": os.getcwd(),
        "warning filters": [str(each) for each in warnings.filters],
        "matplotlib": {name: str(value) for name, value in matplotlib.rcParams.items()},
        "xarray": {name: str(value) for name, value in xarray.get_options().items()},
        "numpy": [str(numpy.geterr()), str(numpy.get_printoptions())],
        "numpy generator": str(numpy.random.get_state()),
        "python generator": str(random.getstate()),
        "torch": [str(torch.get_default_dtype()), torch.get_num_threads(),
                  torch.are_deterministic_algorithms_enabled(), torch.initial_seed()],
        "log handlers": [str(each) for each in logging.getLogger().handlers],
        "log level": logging.getLogger().level,
    }

before = state()
import spectessera
for name in spectessera.__all__:
    getattr(spectessera, name)
import spectessera.cli.app, spectessera.resultfolder, spectessera.io.describe
after = state()
print(json.dumps([name for name in before if before[name] != after[name]]))
"""


def run(script: str) -> object:
    """Run a script in a fresh interpreter and return what it printed, from JSON."""
    # Few variables, not those of this process: an import here may have changed them already.
    kept = ("PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH", "VIRTUAL_ENV", "SYSTEMROOT")
    environment = {name: os.environ[name] for name in kept if name in os.environ}
    environment["PYTHONPATH"] = str(ROOT.parent)
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_public_names_are_exactly_these():
    assert sorted(spectessera.__all__) == sorted(PUBLIC)
    assert dir(spectessera) == sorted(spectessera.__all__)


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_can_be_had(name):
    assert getattr(spectessera, name) is not None


@pytest.mark.parametrize("path", DOORS, ids=lambda path: path.parent.name)
def test_a_door_gives_what_it_lists(path):
    """The lazy table, ``__all__`` and the imports that the type checker sees name the same."""
    name = ".".join(("spectessera", *path.parent.relative_to(ROOT).parts))
    room = importlib.import_module(name)
    tree = ast.parse(path.read_text(encoding="utf-8"))
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    seen = {alias.name for node in block.body for alias in node.names}
    assert seen | ({"__version__"} & set(room.__all__)) == set(room.__all__)
    assert dir(room) == sorted(room.__all__)
    for each in room.__all__:
        assert getattr(room, each) is not None


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'segmnt'"):
        _ = spectessera.segmnt


def test_importing_the_package_loads_nothing_heavy():
    loaded = run(LOADED.format(name="spectessera"))
    assert not HEAVY & set(loaded)


def test_reading_a_file_needs_neither_torch_nor_sklearn_nor_matplotlib():
    loaded = run(LOADED.format(name="spectessera.io"))
    assert not {"torch", "sklearn", "matplotlib"} & set(loaded)


def test_importing_all_of_it_changes_nothing_outside():
    """No warning filter, no backend, no environment variable, no seed, no number of threads."""
    assert run(EFFECTS) == []


def test_importing_makes_no_warning():
    script = "import warnings; warnings.simplefilter('error'); import spectessera; print('[]')"
    assert run(script) == []


@pytest.mark.parametrize("path", DOORS, ids=lambda path: path.parent.name)
def test_a_module_never_shares_its_name_with_a_name_at_the_door(path):
    """Else `from spectessera.studies import search` gives one or the other, as luck has it."""
    room = importlib.import_module(".".join(("spectessera", *path.parent.relative_to(ROOT).parts)))
    modules = {each.stem for each in path.parent.glob("*.py")}
    rooms = {each.name for each in path.parent.iterdir() if each.is_dir()}
    shared = set(room.__all__) & (modules | rooms)
    assert all(inspect.ismodule(getattr(room, each)) for each in shared)


def test_the_version_is_in_one_place():
    assert isinstance(spectessera.__version__, str)
    for path in ROOT.rglob("*.py"):
        if path != ROOT / "_version.py":
            assert "__version__ =" not in path.read_text(encoding="utf-8"), path.name
