"""`spectessera compare` and `reproduce`, used rightly and wrongly; label maps from files."""

import json

import numpy as np
import pytest
from astropy.io import fits
from PIL import Image
from typer.testing import CliRunner

from spectessera import compare, write
from spectessera.cli.app import app
from spectessera.colours import as_hex
from spectessera.io import write_synthetic
from spectessera.io.labels import read_labels
from spectessera.synth import cube_from_rgb, miniature, read_image
from spectessera.synth.paint.rgb import few_colours


def run(*arguments, check=0):
    done = CliRunner().invoke(app, [str(each) for each in arguments])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == check, done.stderr
    return done


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A page, its cube with the truth, and a label map that is wrong in one corner."""
    folder = tmp_path_factory.mktemp("compare")
    page = miniature(1, (40, 33))
    Image.fromarray(page).save(folder / "page.png")
    cube, truth = cube_from_rgb(page, counts=50)
    write_synthetic(cube, truth, folder / "cube.h5")
    label = truth.label.values.copy()
    label[:5, :5] = 1 + label[:5, :5] % label.max()
    np.save(folder / "label.npy", label)
    return folder, label, truth.label.values


def test_a_label_map_is_compared_with_the_truth_in_a_cube(files):
    folder, label, truth = files
    told = json.loads(run("compare", folder / "label.npy", folder / "cube.h5", "--json").stdout)
    expected = compare(label, truth)
    assert told["f1"] == expected.f1
    assert told["ari"] == expected.ari
    shown = run("compare", folder / "label.npy", folder / "cube.h5").stdout
    assert f"{expected.weighted_accuracy:.4f}" in shown


def test_a_picture_stands_for_its_clustered_colours(files):
    folder, label, _ = files
    done = run("compare", folder / "label.npy", folder / "page.png", "--json")
    told = json.loads(done.stdout)
    found = few_colours(read_image(folder / "page.png"), seed=0)
    assert f"reference: {len(found.rgb)} colours of " in done.stderr
    assert f"1 {as_hex(found.rgb[0])} (" in done.stderr
    colours = few_colours(read_image(folder / "page.png"), seed=0).colour + 1
    assert told["ari"] == compare(label, colours).ari


def test_labels_are_read_from_every_kind_of_file(files, tmp_path):
    folder, label, truth = files
    parts = [fits.PrimaryHDU(), fits.ImageHDU(label.astype(np.int16), name="LABEL")]
    fits.HDUList(parts).writeto(tmp_path / "labels.fits")
    np.testing.assert_array_equal(read_labels(tmp_path / "labels.fits"), label)
    np.testing.assert_array_equal(read_labels(folder / "cube.h5"), truth)
    np.save(tmp_path / "floats.npy", label.astype(float))
    np.testing.assert_array_equal(read_labels(tmp_path / "floats.npy"), label)
    cube, _ = cube_from_rgb(miniature(1, (40, 33)), counts=50)
    write(cube, tmp_path / "cube.nc")
    np.testing.assert_array_equal(read_labels(tmp_path / "cube.nc"), truth)


def test_files_without_labels_are_one_clear_line(files, tmp_path):
    folder, label, _ = files
    cube, _ = cube_from_rgb(miniature(1, (40, 33)), counts=50)
    write(cube.drop_vars("reference"), tmp_path / "plain.h5")
    np.save(tmp_path / "half.npy", label + 0.5)
    np.save(tmp_path / "cube.npy", np.zeros((3, 4, 5), int))
    np.save(tmp_path / "small.npy", label[:3])
    (tmp_path / "text.fits").write_text("no")
    good = folder / "label.npy"
    for arguments, words in (
        ((good, tmp_path / "plain.h5"), "without reference labels"),
        ((good, tmp_path / "half.npy"), "integers"),
        ((good, tmp_path / "cube.npy"), "(y, x)"),
        ((good, tmp_path / "small.npy"), "shape"),
        ((good, tmp_path / "text.fits"), "FITS"),
        ((good, tmp_path / "none.nc"), "there is no file"),
    ):
        done = run("compare", *arguments, check=2)
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        assert len(lines) == 1, done.stderr
        assert words in lines[0]


def test_a_reproduction_of_nothing_known_is_refused(tmp_path):
    done = run("reproduce", "music", "--out", tmp_path / "x", "-q", check=2)
    assert "astro" in done.stderr
    done = run("reproduce", "astro", "--pictures", tmp_path, "--out", tmp_path / "x", check=2)
    assert "heritage" in done.stderr
    assert list(tmp_path.iterdir()) == []
