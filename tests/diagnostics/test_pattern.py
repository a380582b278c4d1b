"""Maps that repeat every few pixels are told; areas, grains, bands and noise are not."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from spectessera.diagnostics._clusters import ClusterMap
from spectessera.diagnostics._pattern import patterns

SHAPE = (75, 100)
Y, X = np.indices(SHAPE)


def told(label):
    numbers = np.arange(1, label.max() + 1)
    pixels = np.bincount(label.ravel(), minlength=len(numbers) + 1)[1:]
    return patterns(ClusterMap(label, numbers, pixels))


def wave(rows, columns, noise=0.0, seed=0):
    """Return two clusters that alternate after these numbers of rows and columns, with noise."""
    phase = 2 * np.pi * (Y / rows + X / columns)
    return 1 + (np.cos(phase) + noise * np.random.default_rng(seed).normal(size=SHAPE) > 0)


@pytest.mark.parametrize(
    ("label", "steps"),
    [
        (1 + (Y + X) % 2, "2 rows and 2 columns"),
        (1 + Y % 2, "2 rows"),
        (1 + X % 2, "2 columns"),
        (1 + (X % 3 == 0), "3 columns"),
        (wave(2.78, 2.13, noise=1.5), "2.78 rows and 2.13 columns"),
    ],
    ids=["checkerboard", "rows", "columns", "every third", "diagonals"],
)
def test_a_map_that_repeats_is_told_with_its_period(label, steps):
    (warning,) = told(label)
    assert warning.code == "W-CLUSTER-PATTERN"
    assert f"the map of clusters 1 and 2 repeats every {steps}:" in warning.text
    assert warning.clusters == (1, 2)


def test_a_pattern_within_one_area_is_that_of_its_clusters():
    label = np.where(X < 60, 1 + (Y + X) % 2, 3)
    (warning,) = told(label)
    assert warning.clusters == (1, 2)


@pytest.mark.parametrize("seed", range(40))
def test_areas_grains_and_noise_do_not_repeat(seed):
    random = np.random.default_rng(seed)
    shape, count = random.integers(16, 120, 2), int(random.integers(2, 6))
    smooth = float(random.choice([0, 0.7, 1.5, 4, 10]))
    fields = [gaussian_filter(random.normal(size=shape), smooth) for _ in range(count)]
    assert told(1 + np.argmax(fields, axis=0)) == []


@pytest.mark.parametrize(
    "label",
    [1 + (X // 5) % 2, 1 + (X < 50), 1 + ((Y // 6 + X // 6) % 2), 1 + (Y == 7), np.ones(SHAPE, int),
     1 + (np.hypot(Y - 30, X - 40) < 20), (1 + (Y + X) % 2)[:12]],
    ids=["bands", "halves", "squares", "a row", "one", "a disk", "few rows"],
)  # fmt: skip
def test_shapes_of_an_object_do_not_repeat(label):
    assert told(label) == []


def test_a_large_map_is_told_by_its_middle():
    y, x = np.indices((1500, 1030))
    (warning,) = told(1 + (y + x) % 2)
    assert "2 rows and 2 columns" in warning.text


@pytest.mark.parametrize("apart", [2, 3, 6, 20, 40, 59, 65, 70])
@pytest.mark.parametrize("turned", [False, True])
def test_two_parallel_lines_do_not_repeat(apart, turned):
    """Their periodogram is a comb, whose teeth are many."""
    label = np.ones(SHAPE, int)
    label[[2, 2 + apart]] = 2
    assert told(label.T if turned else label) == []
