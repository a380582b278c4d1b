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
        ("3 Mm", (3, 3, "Mm")),
    ],
)
@pytest.mark.parametrize("isolate", [False, True])
def test_the_size_becomes_positions(scan, text, expected, isolate):
    cube = read(scan, energy=(1, 10), pixel_size=text, isolate=isolate)
    assert pixel_size(cube) == expected


@pytest.mark.parametrize("text", ["0.5", "mm", "0mm", "-1mm", "nanmm", "infmm", "1e999mm",
                                  "1,2,3mm", "1..2mm", "0.5 arcsec", "1 deg", "", 0.5,
                                  "1e308 km", "5e-324nm", "1,1e-20mm"])  # fmt: skip
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


@pytest.mark.parametrize("step", [1e-300, 1e300])
def test_no_pixel_is_as_small_or_large_as_a_mistake_in_a_file_says(step):
    """An area would be 0 or infinite, and images have no such resolution."""
    cube = read_like({})
    places = {n: (n, step * np.arange(cube.sizes[n]), {"units": "mm"}) for n in ("y", "x")}
    assert pixel_size(cube.assign_coords(places)) is None


def test_megametres_are_no_millimetres():
    cube = read_like({})
    sizes = {
        unit: pixel_size(
            cube.assign_coords(
                {n: (n, np.arange(float(cube.sizes[n])), {"units": unit}) for n in ("y", "x")}
            )
        ).metres
        for unit in ("Mm", "mm", "MM", "KM")
    }
    assert sizes == {"Mm": 1e6, "mm": 1e-3, "MM": 1e-3, "KM": 1e3}


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("0.5,0.25mm", "0.5 x 0.25 mm (y, x)"),
        ("2 Mm", "2 x 2 Mm (y, x)"),
        ("0.01181um", "11.81 x 11.81 nm (y, x)"),
        ("5000 um", "5 x 5 mm (y, x)"),
    ],
)
def test_the_description_has_the_size_in_a_unit_of_short_numbers(scan, given, told):
    from spectessera.io.describe import describe_cube

    assert describe_cube(read(scan, energy=(1, 10), pixel_size=given))["pixel_size"] == told


@pytest.mark.parametrize("shape", [(1, 40), (40, 1), (1, 1)])
@pytest.mark.parametrize("suffix", [".nc", ".h5", ".zarr"])
def test_a_single_row_or_column_has_the_size_that_was_given(tmp_path, shape, suffix):
    import spectessera as spt

    np.save(tmp_path / "line.npy", np.ones((*shape, 10), np.float32))
    cube = read(tmp_path / "line.npy", energy=(1, 10), pixel_size="0.4,0.5mm")
    assert pixel_size(cube) == (0.4, 0.5, "mm")
    spt.write(cube, tmp_path / f"line{suffix}")
    assert pixel_size(read(tmp_path / f"line{suffix}")) == (0.4, 0.5, "mm")


def test_the_map_of_a_line_scan_has_lengths_and_a_scale_bar():
    import spectessera as spt
    from spectessera.io._pixelsize import with_pixel_size

    values = np.random.default_rng(0).poisson(5, (1, 60, 12))
    values[:, :30, 3] += 50
    cube = with_pixel_size(spt.make_cube(values, energy=(1.0, 5.0)), "0.5mm")
    result = spt.baselines.linear(cube, spt.Clusters(2, 2), seed=0)
    (axes,) = spt.plots.labels(result, legend=False).axes
    assert axes.get_xlabel() == "x (mm)"
    assert "5 mm" in [each.get_text() for each in axes.texts]
