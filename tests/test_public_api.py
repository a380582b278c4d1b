"""What `import spectessera` gives, and what it must not do."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import spectessera

ROOT = Path(spectessera.__file__).parent

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
    "io",
    "kmeans",
    "load",
    "make_cube",
    "plots",
    "read",
    "read_result",
    "report",
    "segment",
    "stability",
    "synth",
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
import spectessera.cli, spectessera.outputs, spectessera.overview
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


def test_what_the_type_checker_sees_is_what_there_is():
    """The imports under TYPE_CHECKING name the public names, each from its own module."""
    tree = ast.parse((ROOT / "__init__.py").read_text(encoding="utf-8"))
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    seen = {}
    for node in block.body:
        assert isinstance(node, ast.ImportFrom)
        seen |= {alias.name: node.module for alias in node.names}
    assert seen == dict(spectessera._HOME) | dict.fromkeys(spectessera._MODULES)
    assert set(seen) | {"__version__"} == set(PUBLIC)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'segmnt'"):
        _ = spectessera.segmnt


def test_importing_the_package_loads_nothing_heavy():
    loaded = run(LOADED.format(name="spectessera"))
    assert not HEAVY & set(loaded)


@pytest.mark.parametrize(
    "name",
    ["axis", "confidence", "cube", "io", "modelfile", "overview", "palette", "plots", "preprocess",
     "settings"],
)  # fmt: skip
def test_a_room_without_torch_loads_none_either(name):
    """Not by its own imports, nor by those of what it imports."""
    assert "torch" not in run(LOADED.format(name=f"spectessera.{name}"))


def test_reading_a_file_needs_neither_torch_nor_sklearn_nor_matplotlib():
    loaded = run(LOADED.format(name="spectessera.io"))
    assert not {"torch", "sklearn", "matplotlib"} & set(loaded)


def test_importing_all_of_it_changes_nothing_outside():
    """No warning filter, no backend, no environment variable, no seed, no number of threads."""
    assert run(EFFECTS) == []


def test_importing_makes_no_warning():
    script = "import warnings; warnings.simplefilter('error'); import spectessera; print('[]')"
    assert run(script) == []


def test_a_module_never_shares_its_name_with_a_public_function():
    """Else `from spectessera.io import write` gives one or the other, as luck has it."""
    paths = [path for path in ROOT.rglob("*.py") if not path.stem.startswith("_")]
    modules = {path.stem for path in paths} | {"io"}
    named = {
        f"{path.relative_to(ROOT).as_posix()}: {node.name}"
        for path in paths
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef) and node.name in modules
    }
    assert not named


def test_the_version_is_told_once():
    assert isinstance(spectessera.__version__, str)
    for path in ROOT.rglob("*.py"):
        if path != ROOT / "__init__.py":
            assert "__version__ =" not in path.read_text(encoding="utf-8"), path.name
