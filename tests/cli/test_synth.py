"""`spectessera synth`, used rightly and wrongly."""

import json

import h5py
import numpy as np
import pytest
from PIL import Image

import commands
from spectessera import read
from spectessera.io import read_truth
from spectessera.synth import PALETTES, cube_from_rgb, load_palette, miniature, read_image


def run(*arguments, check=0):
    """Run `synth` in this process; returns what it printed."""
    return commands.run("synth", *arguments, check=check)


def refused(*arguments):
    """Return the one line of an error."""
    return commands.one_line(run(*arguments, check=2))


@pytest.fixture(scope="module")
def picture(tmp_path_factory):
    path = tmp_path_factory.mktemp("synth") / "page.png"
    Image.fromarray(miniature(0, (40, 60))).save(path)
    return path


def test_a_cube_in_a_file_is_that_of_python(picture, tmp_path):
    out = tmp_path / "cube.h5"
    told = json.loads(
        run("cube", picture, "--counts", 90, "--seed", 4, "--out", out, "--json").stdout
    )
    cube, truth = cube_from_rgb(read_image(picture), counts=90, seed=4)
    np.testing.assert_array_equal(read(out).values, cube.values)
    np.testing.assert_array_equal(read_truth(out).label.values, truth.label.values)
    assert told["labels"] == truth.label.values.max()
    assert sum(told["pigments"].values()) == pytest.approx(1, abs=0.01)
    assert "exists" in refused("cube", picture, "--out", out)
    run("cube", picture, "--out", out, "--overwrite", "-q")


def test_a_realistic_cube_has_its_dead_pixels(picture, tmp_path):
    out = tmp_path / "cube.h5"
    run("cube", picture, "--realistic", "--dead", 0.1, "--thickness", "1,1", "--out", out, "-q")
    truth = read_truth(out)
    assert truth.dead.values.sum() == 240
    assert (truth.thickness.values == 1).all()
    line = refused("cube", picture, "--dead", 0.1, "--out", tmp_path / "no.h5")
    assert "--realistic" in line


def test_a_picture_of_pure_colours_becomes_nebulae(tmp_path):
    sky = np.zeros((6, 8, 3), np.uint8)
    sky[:, :3, 0] = 255
    Image.fromarray(sky).save(tmp_path / "sky.png")
    out = tmp_path / "nebula.h5"
    run("nebula", tmp_path / "sky.png", "--snr", "20,40", "--out", out, "-q")
    cube = read(out)
    assert cube.shape == (6, 8, 3681)
    assert "variance" in cube.coords
    assert set(np.unique(cube.coords["reference"].values)) == {1, 4}


def test_training_sets_are_cubes_of_one_column(tmp_path):
    out = tmp_path / "spectra.h5"
    run("spectra", "-n", 5000, "--counts", "50,60", "--expectation", "--out", out, "-q")
    cube = read(out)
    assert cube.shape == (5000, 1, 1024)
    totals = cube.values.sum(axis=2)
    assert 50 <= totals.min() <= totals.max() <= 60
    with h5py.File(out) as file:
        np.testing.assert_allclose(file["truth/expectation"][:].sum(axis=2), totals, rtol=1e-4)
    truth = read_truth(out)
    assert truth.weight.dims == ("y", "pigment")
    assert list(truth.pigment.values) == list(load_palette("choirbook").pigments)
    assert "mode load" in truth.attrs["source"]
    run("spectra", "--kind", "nebulae", "-n", 30, "--out", tmp_path / "n.h5", "-q")
    assert list(read_truth(tmp_path / "n.h5")["class"].values) == ["hii", "pn", "shock"]
    assert read(tmp_path / "n.h5").shape == (30, 1, 3681)


def test_pages_and_palettes_are_drawn(tmp_path):
    run("page", "--size", "64,48", "--seed", 2, "--out", tmp_path / "page.png", "-q")
    with Image.open(tmp_path / "page.png") as page:
        np.testing.assert_array_equal(np.asarray(page), miniature(2, (64, 48)))
    told = json.loads(run("palettes", "--json").stdout)
    assert list(told) == list(PALETTES)
    assert len(told["choirbook"]) == 8
    assert all(row["source"] for rows in told.values() for row in rows)
    shown = run("palettes", "choirbook", "--out", tmp_path / "palette.png").stdout
    assert "vermilion" in shown
    assert "HgS" in shown
    with Image.open(tmp_path / "palette.png") as figure:
        assert figure.size[0] > 500


def test_an_own_pigment_is_told_as_it_is_not_as_ours(tmp_path):
    path = tmp_path / "own.toml"
    path.write_text(
        'name = "own [x]"\npigments = ["azurite"]\n[[own]]\nname = "vermilion"\n'
        'mixture = [[1.0, "Fe2O3"]]\nthickness = 9\nrgb = [200, 50, 40]\n'
    )
    (rows,) = json.loads(run("palettes", path, "--json").stdout).values()
    assert rows[1]["formula"] == "Fe2O3"
    assert rows[1]["thickness"] == 9
    assert "own [x]" in run("palettes", path).stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("cube", "none.png", "--out", "x.h5"), "there is no file none.png"),
        (("cube", "PICTURE", "--out", "x.txt"), "--out is a .h5 file"),
        (("cube", "PICTURE", "--out", "nodir/x.h5"), "does not exist"),
        (("cube", "PICTURE", "--palette", "foo", "--out", "x.h5"), "choirbook"),
        (("cube", "PICTURE", "--counts", "1.5", "--out", "x.h5"), "whole number"),
        (("cube", "PICTURE", "--threshold", "3", "--out", "x.h5"), "threshold"),
        (("cube", "TEXT", "--out", "x.h5"), "cannot be read as an image"),
        (("nebula", "PICTURE", "--snr", "0", "--out", "x.h5"), "snr"),
        (("spectra", "--kind", "foo", "--out", "x.h5"), "xrf or nebulae"),
        (("spectra", "--counts", "1,2,3", "--out", "x.h5"), "2 numbers"),
        (("spectra", "--mode", "foo", "--out", "x.h5"), "mode"),
        (("spectra", "--counts", "inf", "--out", "x.h5"), "--counts"),
        (("spectra", "--kind", "nebulae", "--mode", "mix", "--out", "x.h5"), "are for xrf"),
        (("cube", "PICTURE", "--counts", "nan", "--out", "x.h5"), "--counts"),
        (("page", "--size", "40.5,40", "--out", "x.png"), "whole numbers"),
        (("page", "--out", "x.gif"), ".png"),
        (("page", "--size", "4,4", "--out", "x.png"), "height"),
        (("palettes", "--out", "x.png"), "name it"),
        (("palettes", "foo"), "choirbook"),
    ],
)
def test_wrong_use_is_one_clear_line_and_no_file(arguments, words, picture, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.txt").write_text("no picture")
    known = {"PICTURE": picture, "TEXT": tmp_path / "text.txt"}
    assert words in refused(*(known.get(each, each) for each in arguments))
    assert [each.name for each in tmp_path.iterdir()] == ["text.txt"]
