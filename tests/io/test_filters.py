"""Compression of HDF5 datasets that needs the package hdf5plugin."""

import re
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

import spectessera
from spectessera.io.filters import require

ROOT = Path(spectessera.__file__).parents[1]
VALUES = np.arange(4 * 5 * 70, dtype=np.uint16).reshape(4, 5, 70)


@pytest.fixture
def path(tmp_path):
    """A file whose dataset is compressed by bitshuffle; written elsewhere, so that no filter of
    hdf5plugin is known to this process because of it."""
    hdf5plugin = pytest.importorskip("hdf5plugin")
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("cube", data=VALUES, **hdf5plugin.Bitshuffle())
        file.create_dataset("plain", data=VALUES, compression="gzip")
    return path


def in_a_new_process(path, name, before=""):
    """Return the last line that a fresh interpreter prints or ends with."""
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{before}\n"
        "import h5py\nfrom spectessera.io.filters import require\n"
        f"file = h5py.File({str(path)!r})\nrequire(file[{name!r}])\n"
        f"print(file[{name!r}][3, 4, 69], 'hdf5plugin' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    return (done.stdout + done.stderr).strip().splitlines()[-1]


def test_the_package_is_imported_only_for_a_filter_that_is_missing(path):
    assert in_a_new_process(path, "cube") == f"{VALUES[3, 4, 69]} True"
    assert in_a_new_process(path, "plain") == f"{VALUES[3, 4, 69]} False"


def test_without_the_package_the_error_names_the_filter_and_the_extra(path):
    line = in_a_new_process(path, "cube", "sys.modules['hdf5plugin'] = None")
    assert "'/cube' is compressed with bitshuffle (32008)" in line
    assert line.startswith("ImportError")
    assert 'pip install "spectessera[hdf5plugin]"' in line


def test_the_source_of_a_virtual_dataset_is_looked_at(path):
    layout = h5py.VirtualLayout(VALUES.shape, VALUES.dtype)
    layout[:] = h5py.VirtualSource(path.name, "cube", VALUES.shape)
    with h5py.File(path.parent / "v.h5", "w") as file:
        file.create_virtual_dataset("cube", layout)
    assert in_a_new_process(path.parent / "v.h5", "cube") == f"{VALUES[3, 4, 69]} True"


@pytest.mark.parametrize("chunks", [None, 2])
def test_read_makes_the_filter_available(path, chunks):
    total = f"read({str(path)!r}, key='cube', chunks={chunks}).values.sum()"
    before = f"from spectessera.io import read\nassert {total} == {int(VALUES.sum())}"
    assert in_a_new_process(path, "cube", before).endswith("True")


def test_a_filter_that_nobody_knows_is_refused_in_words(path, monkeypatch):
    monkeypatch.setattr(h5py.h5z, "filter_avail", lambda code: code != 32008)
    with h5py.File(path) as file, pytest.raises(ValueError, match=re.escape("h5repack -f GZIP=4")):
        require(file["cube"])
