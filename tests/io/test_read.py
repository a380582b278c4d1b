"""What is common to all formats: a reader is imported when a file of its format is read."""

import subprocess
import sys

import numpy as np
import pytest

from spectessera import make_cube, write

SHAPE = (4, 5, 7)


@pytest.fixture
def cube():
    values = np.random.default_rng(0).poisson(3.0, SHAPE).astype(np.float32)
    return make_cube(values, energy=(1.0, 2.0))


@pytest.mark.parametrize(
    ("name", "others"),
    [
        ("cube.h5", {"astropy", "zarr", "spectral"}),
        ("cube.fits", {"h5py", "zarr", "spectral"}),
        ("cube.npy", {"h5py", "astropy", "zarr", "spectral"}),
    ],
)
def test_reading_a_format_loads_no_library_of_another(cube, tmp_path, name, others):
    if name.endswith(".npy"):
        np.save(tmp_path / name, cube.values)
    else:
        write(cube, tmp_path / name)
    code = (
        "import sys; from spectessera.io import read\n"
        f"read({str(tmp_path / name)!r}, chunks='auto')\n"
        "print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not (others | {"torch", "sklearn", "matplotlib", "scipy.ndimage"}) & set(
        done.stdout.split()
    )
