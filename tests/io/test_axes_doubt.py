"""Axes that nothing in the file names: one that looks like space is not taken for the spectrum."""

from itertools import permutations

import numpy as np
import pytest

from commands import run
from spectessera.io import read

ORDERS = ["".join(each) for each in permutations("yxc")]


def scene(counts=200, seed=0):
    """Return Poisson counts (y, x, channel) of four materials in patches, with lines."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:40, :52]
    middles = random.uniform(0, 1, (14, 2)) * (40, 52)
    nearest = ((y[..., None] - middles[:, 0]) ** 2 + (x[..., None] - middles[:, 1]) ** 2).argmin(2)
    channel = np.arange(90)
    lines = random.uniform(5, 85, (4, 3))
    spectra = 0.1 + np.exp(-0.5 * ((channel - lines[..., None]) / 2.5) ** 2).sum(axis=1)
    spectra /= spectra.sum(axis=1, keepdims=True)
    return random.poisson(counts * spectra[nearest % 4]).astype(np.uint16)


def stored(values, order):
    """Return an array (y, x, channel) in another order of its axes."""
    return values.transpose(["yxc".index(each) for each in order])


def notes_of(path, **how):
    return str(read(path, **how).attrs.get("reading_notes", ""))


@pytest.mark.parametrize("chunks", [None, "auto"])
@pytest.mark.parametrize("order", ORDERS)
def test_a_wrong_order_is_noted_with_the_one_that_is_right(tmp_path, order, chunks):
    path = tmp_path / "scan.npy"
    np.save(path, stored(scene(), order))
    for said in ORDERS:
        notes = notes_of(path, axes=said, chunks=chunks)
        if said.index("c") == order.index("c"):
            assert not notes
            continue
        length = stored(scene(), order).shape[said.index("c")]
        assert f"called channel (length {length})" in notes
        better = notes.rpartition("(--axes ")[2].removesuffix(")")
        assert better.index("c") == order.index("c")
        assert not notes_of(path, axes=better, chunks=chunks)


def test_the_order_that_is_assumed_is_looked_at_too(tmp_path):
    np.save(tmp_path / "first.npy", stored(scene(), "cyx"))
    assert "looks like one of the image" in notes_of(tmp_path / "first.npy")
    said = run("info", tmp_path / "first.npy", check=0).stdout
    assert "--axes cxy" in " ".join(said.split())
    np.save(tmp_path / "last.npy", scene())
    assert "looks like" not in notes_of(tmp_path / "last.npy")


def test_an_axis_beside_the_cube_is_evidence_enough(tmp_path):
    np.savez(tmp_path / "a.npz", cube=scene(), axis=np.linspace(1, 9, 90), axis_unit="keV")
    assert "looks like" not in notes_of(tmp_path / "a.npz")


def flat(y, x):
    """Return the brightness of a galaxy, of a bright half, of a ramp."""
    galaxy = np.exp(-((y - 20) ** 2 + (x - 22) ** 2) / 200)
    return [galaxy, np.where(y < 20, 1.0, 0.1), 0.1 + y / 40]


@pytest.mark.parametrize("kind", range(3))
@pytest.mark.parametrize("noise", [0.02, 1.0])
def test_flat_spectra_of_bright_and_dark_pixels_give_no_note(tmp_path, kind, noise):
    image = flat(*np.mgrid[:40, :50])[kind]
    cube = image[..., None] + np.random.default_rng(1).normal(0, noise, (40, 50, 300))
    np.save(tmp_path / "a.npy", cube)
    assert "looks like" not in notes_of(tmp_path / "a.npy")
    assert not notes_of(tmp_path / "a.npy", axes="yxc")


@pytest.mark.parametrize("materials", [3, 6, 10])
@pytest.mark.parametrize("brighter", [1.0, 3.0])
def test_layers_along_an_axis_give_no_note(tmp_path, materials, brighter):
    random, channel = np.random.default_rng(2), np.arange(200)
    lines = random.uniform(5, 195, (materials, 4))
    spectra = 0.5 + np.exp(-0.5 * ((channel - lines[..., None]) / 15) ** 2).sum(axis=1)
    rows = spectra[np.arange(60) * materials // 60]
    cube = rows[:, None] * np.linspace(1, brighter, 70)[None, :, None]
    np.save(tmp_path / "a.npy", cube + random.normal(0, 0.01, cube.shape))
    assert not notes_of(tmp_path / "a.npy", axes="yxc")


@pytest.mark.parametrize("values", [np.zeros((9, 10, 11)), np.full((9, 10, 11), np.nan)])
def test_a_cube_without_differences_gives_none(tmp_path, values):
    np.save(tmp_path / "a.npy", values)
    assert not notes_of(tmp_path / "a.npy", axes="yxc")
