"""`spectessera convert`: any cube in another format, never in place of what it is read from."""

import json
import os

import numpy as np
import pytest

from commands import one_line, run
from spectessera import io, make_cube, read, write
from spectessera.cli import convert
from spectessera.cube import spectral_axis

SHAPE = (5, 7, 11)  # y, x, channel
FORMATS = (".zarr", ".h5", ".nc", ".fits", ".fits.gz", ".hspy")


def a_cube():
    """Return a cube with all that may belong to one; its values show a wrong order of axes."""
    y, x, c = np.ogrid[: SHAPE[0], : SHAPE[1], : SHAPE[2]]
    values = (1 + 1000 * y + 30 * x + c).astype(np.float32)
    mask = np.zeros(SHAPE[:2], bool)
    mask[1, 4] = True
    cube = make_cube(values, energy=(1.0, 20.0), variance=values / 4, mask=mask)
    return cube.assign_attrs(object="page 7", unit="counts")


@pytest.fixture
def scan(tmp_path):
    write(a_cube(), tmp_path / "scan.h5")
    return tmp_path / "scan.h5"


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_cube_is_the_same_in_every_format(scan, tmp_path, suffix):
    out = tmp_path / f"new{suffix}"
    told = json.loads(run("convert", scan, out, "--json", check=0).stdout)
    assert told["shape"] == list(SHAPE)
    assert told["left_out"] == []
    found = read(out)
    np.testing.assert_array_equal(found, a_cube())
    np.testing.assert_array_equal(found["variance"], a_cube()["variance"])
    np.testing.assert_array_equal(found["mask"], a_cube()["mask"])
    np.testing.assert_allclose(spectral_axis(found).values, spectral_axis(a_cube()).values)
    assert spectral_axis(found).unit == "keV"
    assert found.attrs["object"] == "page 7"
    assert not list(tmp_path.glob(".*"))


def test_the_flags_of_reading_are_those_of_other_commands(scan, tmp_path):
    run("convert", scan, tmp_path / "a.nc", "--wavelength", "400,500", "--unit", "nm", check=0)
    assert spectral_axis(read(tmp_path / "a.nc")).label() == "wavelength (nm)"


def test_a_file_is_replaced_only_if_asked_for(scan, tmp_path):
    out = tmp_path / "new.nc"
    out.write_text("years of work")
    assert "--overwrite" in one_line(run("convert", scan, out))
    assert out.read_text() == "years of work"
    run("convert", scan, out, "--overwrite", check=0)
    assert read(out).shape == SHAPE


@pytest.mark.parametrize("link", [os.link, os.symlink, None])
def test_the_input_is_never_replaced_under_any_name(scan, tmp_path, link):
    out = scan
    if link is not None:
        out = tmp_path / "other.h5"
        link(scan, out)
    before = scan.read_bytes()
    assert "input" in one_line(run("convert", scan, out, "--overwrite"))
    assert scan.read_bytes() == before


def test_nothing_is_written_into_a_store_that_is_read_nor_around_it(tmp_path):
    (tmp_path / "outer.zarr").mkdir()
    write(a_cube(), tmp_path / "outer.zarr" / "inner.zarr")
    (tmp_path / "outer.zarr" / "zarr.json").write_text(
        '{"zarr_format": 3, "node_type": "group", "attributes": {}}'
    )
    inner = tmp_path / "outer.zarr" / "inner.zarr"
    for source, out in ((inner, tmp_path / "outer.zarr"), (inner, inner / "new.h5")):
        line = one_line(run("convert", source, out, "--overwrite"))
        assert "one inside the other" in line
    assert read(inner).shape == SHAPE


def test_a_mask_that_is_given_as_a_file_is_input_too(scan, tmp_path):
    write(a_cube(), tmp_path / "noise.h5")
    done = run("convert", scan, tmp_path / "noise.h5", "--variance", tmp_path / "noise.h5",
               "--overwrite")  # fmt: skip
    assert "input" in one_line(done)


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError("disk full")])
def test_what_was_there_stays_if_the_work_is_stopped(scan, tmp_path, monkeypatch, suffix, error):
    def stop(block):
        if block.size and block.max() > 3000:
            raise error
        return block

    out = tmp_path / f"new{suffix}"
    write(a_cube() * 2, out)
    before = sorted(tmp_path.iterdir())
    cube = read(scan, chunks=2)
    cube = cube.copy(data=cube.data.map_blocks(stop, dtype=cube.dtype))
    monkeypatch.setattr(convert.FileOptions, "open", lambda *_: cube)
    done = run("convert", scan, out, "--overwrite")
    assert done.exit_code == (130 if error is KeyboardInterrupt else 2)
    np.testing.assert_array_equal(read(out), a_cube() * 2)
    assert sorted(tmp_path.iterdir()) == before


def test_what_a_format_has_no_place_for_is_listed(scan, tmp_path):
    cube = a_cube().assign_coords(reference=(("y", "x"), np.ones(SHAPE[:2], int)))
    write(cube.assign_attrs(crs="EPSG:32633"), tmp_path / "labelled.h5")
    done = run("convert", tmp_path / "labelled.h5", tmp_path / "a.fits", check=0)
    assert "no place in this format for: crs, reference" in done.stdout
    done = run("convert", tmp_path / "labelled.h5", tmp_path / "a.nc", check=0)
    assert "no place" not in done.stdout
    assert "no place" not in run("convert", scan, tmp_path / "b.fits", check=0).stdout


def test_an_unknown_format_is_one_line_before_any_work(scan, tmp_path):
    line = one_line(run("convert", scan, tmp_path / "a.tif"))
    assert ".hspy" in line
    assert "nowhere.h5" in one_line(run("convert", tmp_path / "nowhere.h5", tmp_path / "a.nc"))


def test_the_formats_that_are_written_are_in_the_table():
    assert [one.writes for one in io.formats() if one.name == "HyperSpy"] == ["cube, result"]


def test_a_cube_onto_itself_is_refused_as_such_at_once(scan):
    assert "is the input itself" in one_line(run("convert", scan, scan))
