"""Groups of like spectra: what a pixel and its neighbours belong to, and averages of like ones."""

import numpy as np
import pytest

from spectessera.evidence.groups import STEPS, belonging, fit_groups, pool

ALL = np.ones(16, bool)


def halves(counts, seed=0, side=24):
    """Return an image (1, y, x, channel) of counts, whose left and right halves differ, and truth.

    The first has most counts in the first channels, the second in the last.
    """
    slope = np.linspace(2, 0.2, 16)
    truth = np.zeros((side, side), int)
    truth[:, side // 2 :] = 1
    expected = np.stack([slope, slope[::-1]])[truth] * counts / slope.sum()
    drawn = np.random.default_rng(seed).poisson(expected).astype(np.float32)
    return drawn[None], truth


def groups_of(image, labels, **kwargs):
    usable = np.ones(image.shape[:3], bool)
    return fit_groups(image, None, usable, labels.ravel(), ALL, count=2, **kwargs), usable


def test_a_pixel_of_few_counts_belongs_to_what_its_neighbours_say():
    image, truth = halves(4)
    groups, usable = groups_of(image, truth)
    logs = groups.likelihood(image[0].reshape(-1, 16)).reshape(1, 24, 24, 2)
    alone = (logs[0].argmax(-1) == truth).mean()
    together = (belonging(logs, groups.log_share, usable)[0].argmax(-1) == truth).mean()
    assert alone < 0.9 < 0.98 < together


def test_groups_are_found_from_a_bad_beginning():
    image, truth = halves(20)
    begun = np.where(np.random.default_rng(1).random(truth.shape) < 0.3, 1 - truth, truth)
    groups, _ = groups_of(image, begun)
    found = groups.likelihood(image[0].reshape(-1, 16)).argmax(1).reshape(truth.shape)
    assert (found == truth).mean() > 0.95


def test_the_likelihood_of_a_spectrum_does_not_depend_on_the_others():
    image, truth = halves(50, side=60)  # more than one block of rows
    groups, _ = groups_of(image, truth)
    spectra = image.reshape(-1, 16)
    whole = groups.likelihood(spectra)
    for rows in (slice(7, 8), slice(2040, 2060), slice(1, None, 3)):
        assert np.array_equal(groups.likelihood(spectra[rows]), whole[rows])


def test_a_pixel_is_felt_only_as_far_as_stated():
    logs = np.random.default_rng(0).normal(size=(1, 15, 15, 3)).astype(np.float32)
    usable, share = np.ones((1, 15, 15), bool), np.zeros(3, np.float32)
    before = belonging(logs, share, usable)
    logs[0, 7, 7] += [5, 0, 0]
    changed = (belonging(logs, share, usable) != before).any(-1)[0]
    rows, columns = np.nonzero(changed)
    assert abs(rows - 7).max() == abs(columns - 7).max() == STEPS


def test_a_pixel_that_is_not_usable_belongs_to_nothing_and_says_nothing():
    logs = np.zeros((1, 5, 5, 2), np.float32)
    logs[0, 2, 2] = [80, 0]
    usable = np.ones((1, 5, 5), bool)
    usable[0, 2, 2] = False
    found = belonging(logs, np.zeros(2, np.float32), usable)
    assert found[0, 2, 2].tolist() == [0, 0]
    assert np.allclose(found[usable], 0.5)


@pytest.mark.parametrize("window", [3, 5])
def test_an_average_of_one_group_has_so_many_measurements(window):
    image = np.random.default_rng(0).normal(size=(1, 40, 40, 4)).astype(np.float32)
    belongs = np.ones((1, 40, 40, 1), np.float32)
    found = pool(image, np.ones_like(image), belongs, window, 1.0)
    inner = (0, slice(2, -2), slice(2, -2))
    assert np.allclose(found.repeats[inner], window**2)
    assert np.allclose(found.variance[inner], 1 / window**2)
    assert found.values[inner].var() == pytest.approx(1 / window**2, rel=0.2)
    assert found.repeats[0, 0, 0] == (window // 2 + 1) ** 2  # a corner


def test_a_neighbour_of_another_group_has_no_weight():
    image, truth = halves(100)
    belongs = np.eye(2, dtype=np.float32)[truth][None]
    found = pool(image, None, belongs, 3, 1.0)
    left = image[0, 9:12, 10:12].mean(axis=(0, 1))  # of column 11 only 10 and 11 are left
    assert np.allclose(found.values[0, 10, 11], left, rtol=1e-5)
    assert found.repeats[0, 10, 11] == 6


def test_a_smaller_weight_averages_less():
    image = np.zeros((1, 3, 3, 1), np.float32)
    image[0, 1, 1] = 9
    found = pool(image, None, np.ones((1, 3, 3, 1), np.float32), 3, 0.5)
    assert found.values[0, 1, 1, 0] == pytest.approx(9 / 5)
    assert found.repeats[0, 1, 1] == pytest.approx(25 / 3)


def test_brightness_is_a_difference_only_where_it_is_not_free():
    generator = np.random.default_rng(0)
    pattern = np.sin(np.linspace(0, 3, 16))
    bright = np.repeat([10.0, 30.0], 12)
    image = (bright[None, None, :, None] * pattern).repeat(24, axis=1).astype(np.float32)
    image += generator.normal(size=image.shape).astype(np.float32)
    truth = np.repeat([0, 1], 12)[None].repeat(24, axis=0)
    usable, noise = np.ones(image.shape[:3], bool), np.ones_like(image)
    found = {}
    for free in (True, False):
        groups = fit_groups(image, noise, usable, truth.ravel(), ALL, count=2, free=free)
        logs = groups.likelihood(image[0].reshape(-1, 16), noise[0].reshape(-1, 16))
        found[free] = (logs.argmax(axis=1) == truth.ravel()).mean()
    assert found[True] < 0.75
    assert found[False] == 1


@pytest.mark.parametrize("all_used", [True, False])
def test_the_level_of_noise_is_that_of_the_mean_channel(all_used):
    generator = np.random.default_rng(0)
    variance = generator.uniform(1, 3, size=(70, 40)).astype(np.float32)
    variance[2, 3] = np.inf
    used = np.ones(40, bool) if all_used else np.arange(40) % 3 > 0
    image = generator.normal(size=(1, 7, 10, 40)).astype(np.float32)
    noise = np.full(image.shape, 2, np.float32)
    usable = np.ones((1, 7, 10), bool)
    groups = fit_groups(image, noise, usable, np.zeros(70, int), used, count=1)
    expected = np.minimum(variance[:, used] * np.square(groups.scale), 1e30).mean(axis=1)
    assert np.allclose(groups.level(variance), expected, rtol=1e-5)
    assert np.allclose(groups.level(variance[5:9]), groups.level(variance)[5:9], rtol=0)
