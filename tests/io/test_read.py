"""What is common to all formats: a reader is imported when a file of its format is read."""

import subprocess
import sys

import h5py
import numpy as np
import pytest

from spectessera import make_cube, read, write

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


@pytest.mark.parametrize("size", [1e-24, 1.0])
@pytest.mark.parametrize("packed", [False, True])
def test_chunks_do_not_change_the_scale_or_what_is_marked_as_bad(tmp_path, size, packed):
    """Also of packed values, of channels that are sorted, and of noise that marks bad values."""
    values = np.arange(1, 4 * 5 * 8 + 1, dtype=np.float32).reshape(4, 5, 8)
    error = np.full(values.shape, 0.5)
    error[1, 2, 3] = 1e12
    with h5py.File(tmp_path / "scan.h5", "w") as file:
        file["cube"] = values if packed else values * np.float64(size)
        file["cube_error"] = error if packed else error * size
        file["wavelength"] = [400, 410, 420, 430, 425, 435, 445, 455]  # two detectors
        for name in ("cube", "cube_error"):
            file[name].attrs.update({"scale_factor": size} if packed else {})
    whole = read(tmp_path / "scan.h5")
    lazy = read(tmp_path / "scan.h5", chunks=2)
    assert ("value_scale" in whole.attrs) == (size < 1)
    assert lazy.attrs == whole.attrs
    np.testing.assert_array_equal(lazy, whole)
    np.testing.assert_array_equal(lazy.coords["variance"], whole.coords["variance"])
    assert np.isnan(whole).sum() == 1
