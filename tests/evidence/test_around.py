"""Evidence without a known noise: pixels against their neighbours, channels against channels."""

import numpy as np
import pytest
from scipy.ndimage import uniform_filter1d

from spectessera.evidence import BEYOND
from spectessera.evidence.around import (
    explained,
    mean_of_neighbours,
    structure_of_blocks,
    structure_of_map,
)

SHAPE = (2, 5, 7)


def test_the_mean_of_the_neighbours_is_without_the_pixel_and_unusable_ones():
    generator = np.random.default_rng(0)
    values = generator.normal(size=(*SHAPE, 3)).astype(np.float32)
    usable = generator.random(SHAPE) > 0.3
    usable[1, :3, :3] = False
    values[~usable] = 0
    mean, count = mean_of_neighbours(values, usable)
    for piece, y, x in np.ndindex(*SHAPE):
        around = [
            values[piece, row, column]
            for row in range(max(0, y - 1), min(5, y + 2))
            for column in range(max(0, x - 1), min(7, x + 2))
            if (row, column) != (y, x) and usable[piece, row, column]
        ]
        assert count[piece, y, x] == len(around)
        expected = np.mean(around, axis=0) if around else np.zeros(3)
        np.testing.assert_allclose(mean[piece, y, x], expected, atol=1e-6)
    assert count[1, 0, 0] == 0


def drawn(kind: str, seed: int) -> np.ndarray:
    """Return the noise (576, 60) of a map, or groups whose pixels are anywhere in it."""
    generator = np.random.default_rng(seed)
    values = generator.standard_normal((576, 60))
    if kind == "correlated":
        values = uniform_filter1d(values, 3, axis=1)
    if kind == "groups":
        values += generator.standard_normal((3, 60))[generator.integers(3, size=576)]
    return values.astype(np.float32)


@pytest.mark.parametrize("kind", ["white", "correlated"])
def test_noise_is_no_structure_of_neighbours_nor_of_channels(kind):
    usable = np.ones((1, 24, 24), bool)
    maps = [structure_of_map(drawn(kind, seed), usable) for seed in range(40)]
    blocks = [structure_of_blocks(drawn(kind, seed)) for seed in range(40)]
    assert max(maps) < BEYOND
    assert np.mean(maps) == pytest.approx(1.5, abs=0.3)  # the largest of ten
    assert max(blocks) < 4.5


def test_groups_in_any_place_are_structure_of_channels_only():
    values = drawn("groups", 0)
    assert structure_of_map(values, np.ones((1, 24, 24), bool)) < BEYOND
    assert structure_of_blocks(values) > 10
    ordered = values[np.argsort(values[:, 0] + 3 * values[:, 1], kind="stable")]
    assert structure_of_map(ordered, np.ones((1, 24, 24), bool)) > 10


def test_brightness_is_no_structure_where_spectra_are_scaled():
    generator = np.random.default_rng(3)
    mean = generator.uniform(5, 40, 400)
    bright = generator.uniform(0.5, 1.5, (576, 1))
    values = generator.poisson(bright * mean).astype(np.float32)
    assert structure_of_blocks(values, scaled=True) < 4.5
    assert structure_of_blocks(values) is None  # all channels vary together
    groups = generator.uniform(0.8, 1.2, (3, 400))[generator.integers(3, size=576)]
    unlike = generator.poisson(bright * mean * groups).astype(np.float32)
    assert structure_of_blocks(unlike, scaled=True) > 10


def test_channels_that_all_vary_together_say_nothing():
    """Neither smooth spectra nor an offset of every pixel has channels of independent noise."""
    offset = np.random.default_rng(0).standard_normal((576, 1)).astype(np.float32)
    assert structure_of_blocks(drawn("white", 0) + 3 * offset) is None


def test_what_is_explained_is_judged_by_the_mean_of_the_others():
    generator = np.random.default_rng(1)
    points, labels = generator.normal(size=(30, 4)), generator.integers(4, size=30)
    labels[0] = 4  # alone
    gain = explained(points, labels, 6)
    centred = points - points.mean(axis=0)
    lost = []
    for place, label in enumerate(labels):
        others = (labels == label) & (np.arange(30) != place)
        mean = centred[others].mean(axis=0) if others.any() else np.zeros(4)
        lost.append(np.square(centred[place] - mean).sum())
    alone = np.square(centred).sum(axis=1)
    np.testing.assert_allclose(gain.each, (alone - lost) / alone.mean(), atol=1e-12)
    assert gain.mean == pytest.approx(1 - np.sum(lost) / alone.sum())
    assert gain.error == pytest.approx(gain.each.std(ddof=1) / np.sqrt(30))
