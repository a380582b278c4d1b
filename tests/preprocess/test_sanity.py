"""What a few spectra show of a wrong variance, of clipping and of cubes without differences."""

import json

import numpy as np
import pytest

from commands import one_line, run, two_stripes
from spectessera import SpectralSegmenter, Training, make_cube, segment, write
from spectessera.diagnostics import warnings_of
from spectessera.io.describe import describe_cube
from spectessera.naming.names import name_clusters
from spectessera.preprocess.sanity import sanity_warnings


def counts(mean=20.0, shape=(64, 60), lines=60.0):
    """Return spectra of two materials, counts."""
    expected = np.full(shape, mean)
    expected[::2, 10:14] += lines
    expected[1::2, 40:44] += lines
    return np.random.default_rng(0).poisson(expected).astype(np.float32)


def codes(values, variance=None):
    return [each.code for each in sanity_warnings(np.asarray(values, np.float32), variance)]


@pytest.mark.parametrize("mean", [0.02, 0.5, 5.0, 1e4])
@pytest.mark.parametrize("lines", [0.1, 60.0, 1e5])
def test_counts_with_their_variance_are_normal(mean, lines):
    values = counts(mean, lines=lines)
    assert codes(values, np.maximum(values, 1)) == []


@pytest.mark.parametrize("correlated", [1, 3, 9])
@pytest.mark.parametrize("ratio", [1e-3, 1.0, 100.0])
def test_smooth_spectra_and_a_variance_off_by_hundreds_are_normal(ratio, correlated):
    generator = np.random.default_rng(1)
    base = 100 + 50 * np.sin(np.linspace(0, 6, 200)) * np.linspace(1, 2, 64)[:, None]
    noise = generator.normal(0, 1, (64, 200 + correlated - 1))
    smooth = np.stack(
        [np.convolve(row, np.ones(correlated) / correlated, "valid") for row in noise]
    )
    assert codes(base + smooth, np.full((64, 200), ratio, np.float32)) == []


@pytest.mark.parametrize("factor", [1e-6, 1e6])
def test_a_variance_off_by_a_million_is_said(factor):
    values = counts()
    (found,) = sanity_warnings(values, np.maximum(values, 1) * factor)
    assert found.code == "W-DATA-VARIANCE"
    assert ("smaller" if factor < 1 else "larger") in found.text
    assert "e+06" in found.text or "e+05" in found.text


@pytest.mark.parametrize("variance", [0.0, -1.0, np.nan, np.inf])
def test_a_variance_that_is_none_is_said(variance):
    values = counts()
    noise = np.maximum(values, 1)
    noise[:16] = variance
    (found,) = sanity_warnings(values, noise)
    assert found.code == "W-DATA-VARIANCE-NONE"
    assert "25 %" in found.text


def test_one_spectrum_in_hundreds_is_not_0_per_cent():
    values = np.tile(counts(), (9, 1))
    noise = np.maximum(values, 1)
    noise[7] = 0
    (found,) = sanity_warnings(values, noise)
    assert found.text.startswith("the variance of less than 1 % of the spectra is nowhere")


def test_clipped_spectra_are_said_and_few_counts_and_normalised_spectra_are_not():
    assert codes(np.minimum(counts(), 45)) == ["W-DATA-CLIPPED"]
    assert codes(counts() > 30) == []  # a mask: 0 and 1
    assert codes(counts(0.3, lines=1.0)) == []
    values = counts()
    assert codes(values / values.max(axis=1, keepdims=True)) == []
    assert codes(-np.maximum(counts(), 40)) == []  # absorption has its floor at zero


def test_spectra_of_one_shape_and_constant_ones_are_said():
    shape = np.linspace(2, 9, 60)
    assert codes(np.outer(np.linspace(1, 5, 64), shape)) == ["W-DATA-ONE-SHAPE"]
    assert codes(np.outer(np.linspace(-5, 5, 64), shape)) == []
    assert codes(np.tile(shape, (64, 1))) == ["W-DATA-CONSTANT"]
    assert codes(np.zeros((64, 60))) == ["W-DATA-CONSTANT"]
    assert codes(np.vstack([np.zeros((1, 60)), counts()])) == []
    assert codes(counts()[:3]) == []
    assert codes(counts()[:, :4], counts()[:, :4] + 1) == []
    assert codes(np.outer(np.arange(64), np.ones(60)), np.ones((64, 60))) == []


def test_a_result_and_info_say_the_same_in_memory_and_in_chunks(tmp_path):
    values = np.minimum(counts(shape=(96, 60)), 45).reshape(8, 12, 60)
    cube = make_cube(values, energy=(1.0, 20.0), variance=np.full(values.shape, 1e-9))
    segmenter = SpectralSegmenter(training=Training(epochs=1)).fit(cube)
    whole = segment(cube, segmenter, 2, seed=0)
    parts = segment(cube.chunk({"y": 3, "x": 5}), segmenter, 2, seed=0)
    assert whole.attrs["findings"] == parts.attrs["findings"]
    found = {each.code for each in warnings_of(whole, name_clusters(whole))}
    assert found >= {"W-DATA-CLIPPED", "W-DATA-VARIANCE"}
    said = describe_cube(cube)["warnings"]
    assert said == describe_cube(cube.chunk({"y": 3, "x": 5}))["warnings"]
    assert "look clipped" in said
    whole.attrs["findings"] = "[" * 100_000
    assert "W-DATA-CLIPPED" not in {e.code for e in warnings_of(whole, name_clusters(whole))}
    whole.attrs["findings"] = json.dumps({"W-NO-SUCH": "x"})
    assert "W-NO-SUCH" not in {e.code for e in warnings_of(whole, name_clusters(whole))}


def test_a_constant_cube_is_said_to_be_one(tmp_path):
    cube = two_stripes()
    cube.values[:] = 7
    write(cube, tmp_path / "flat.h5")
    command = ("segment", tmp_path / "flat.h5", "--fit", "--out", tmp_path / "out")
    assert "all 54 spectra are the same" in one_line(run(*command))
    assert "all spectra are the same" in run("info", tmp_path / "flat.h5", check=0).stdout.replace(
        "\n", " "
    )
