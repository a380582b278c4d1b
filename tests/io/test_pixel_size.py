"""The size of a pixel that a user gives."""

import numpy as np
import pytest

from spectessera import read
from spectessera.result import pixel_size


@pytest.fixture
def scan(tmp_path):
    np.save(tmp_path / "scan.npy", np.ones((3, 4, 10), np.float32))
    return tmp_path / "scan.npy"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0.5mm", (0.5, 0.5, "mm")),
        (" 0.5 mm ", (0.5, 0.5, "mm")),
        ("0.4,0.5mm", (0.4, 0.5, "mm")),
        ("1e2, 50 µm", (100, 50, "µm")),
        ("2 Inches", (2, 2, "Inches")),
    ],
)
@pytest.mark.parametrize("isolate", [False, True])
def test_the_size_becomes_positions(scan, text, expected, isolate):
    cube = read(scan, energy=(1, 10), pixel_size=text, isolate=isolate)
    assert pixel_size(cube) == expected


@pytest.mark.parametrize("text", ["0.5", "mm", "0mm", "-1mm", "nanmm", "infmm", "1e999mm",
                                  "1,2,3mm", "1..2mm", "0.5 arcsec", "1 deg", "", 0.5])  # fmt: skip
def test_what_is_no_size_is_an_error_that_says_what_is_expected(scan, text):
    with pytest.raises(ValueError, match="takes a size with a unit of length, such as"):
        read(scan, energy=(1, 10), pixel_size=text)


def test_positions_of_the_file_are_replaced(scan, tmp_path):
    import spectessera as spt

    cube = read(scan, energy=(1, 10), pixel_size="1mm")
    spt.write(cube, tmp_path / "scan.nc")
    assert pixel_size(read(tmp_path / "scan.nc")) == (1, 1, "mm")
    assert pixel_size(read(tmp_path / "scan.nc", pixel_size="3um", chunks="auto")) == (3, 3, "um")


@pytest.mark.parametrize("name", ["wcs", "crs", "geotransform"])
def test_pixels_that_have_a_place_keep_it(name):
    from spectessera.io._pixelsize import with_pixel_size

    cube = read_like({name: "somewhere"})
    with pytest.raises(ValueError, match=r"leave out pixel_size \(--pixel-size\)"):
        with_pixel_size(cube, "1mm")


def read_like(attrs):
    """Return a cube with attributes."""
    from spectessera.cube import make_cube

    return make_cube(np.ones((3, 4, 10)), energy=(1, 10), attrs=attrs)
