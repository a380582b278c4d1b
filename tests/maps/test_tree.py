"""The tree of clusters, of known groups."""

import numpy as np
import pytest
import xarray as xr

import spectessera as spt
from mixturecases import CHANNELS, NOISES, SHAPE, spectra
from spectessera.evidence import merge_clusters, thin_counts
from spectessera.maps import cut_tree, tree

LEVEL = 6.0


def grouped(noise, seed=0):
    """Two unlike groups; one is labelled by chance as 1 and 3, the other as 2 and 4, which differ.

    Returns the cube and the labels.
    """
    generator = np.random.default_rng(seed)
    label = generator.integers(1, 5, SHAPE).astype(np.int32)
    one, two, _ = spectra(3)
    kinds = np.array([one, two, one, two + 0.3 * (one - two)])
    expected = LEVEL * kinds[label - 1]
    if noise == "counts":
        return spt.make_cube(generator.poisson(expected).astype(np.uint16), energy=(1, 20)), label
    values = expected + np.sqrt(LEVEL) * generator.normal(size=expected.shape)
    variance = np.full(values.shape, LEVEL) if noise == "variance" else None
    return spt.make_cube(values, wavelength=(4000, 9000), variance=variance), label


@pytest.mark.parametrize("noise", NOISES)
def test_what_is_most_alike_is_merged_first_and_chance_costs_nothing(noise):
    cube, label = grouped(noise)
    found = tree(cube, xr.Dataset({"label": (("y", "x"), label)}))
    pairs = list(zip(found.first.values, found.second.values, strict=True))
    assert pairs == [(1, 3), (2, 4), (1, 2)]
    cost, error = found.cost.values, found.cost_error.values
    assert cost[0] < 3 * error[0]  # one group, cut in two
    assert cost[1] > 5 * error[1]  # two that differ
    assert cost[2] > 5 * cost[1]


def test_the_cost_is_the_mean_of_the_likelihood_ratio_that_is_known():
    """Of counts, the relative entropy of the two groups and of their mean."""
    generator = np.random.default_rng(0)
    labels = np.repeat([0, 1], 3000)
    rates = 40 * spectra(2)
    parts = thin_counts(generator.poisson(rates[labels]), generator)
    (merge,) = merge_clusters(parts, labels, np.array([0.5, 0.5]))
    shares = rates / rates.sum(axis=1, keepdims=True)
    middle = shares.mean(axis=0)
    known = rates.sum(axis=1).mean() * (shares * np.log(shares / middle)).sum(axis=1).mean()
    assert abs(merge.cost - known) < 0.03 * known
    alone = np.std([(generator.poisson(rates[0]) * np.log(shares[0] / middle)).sum()
                    for _ in range(500)])  # fmt: skip
    assert merge.error == pytest.approx(alone * np.sqrt(5) / np.sqrt(6000), rel=0.2)


def test_fewer_clusters_are_those_of_the_first_merges():
    """Twelve clusters of three groups: cut to three, they are the groups."""
    generator = np.random.default_rng(5)
    group = generator.integers(0, 3, SHAPE)
    label = (1 + group + 3 * generator.integers(0, 4, SHAPE)).astype(np.int32)
    counts = generator.poisson(LEVEL * spectra(3)[group]).astype(np.uint16)
    result = xr.Dataset({"label": (("y", "x"), label)})
    found = tree(spt.make_cube(counts, energy=(1, 20)), result)
    cut = cut_tree(found, result, 3)
    np.testing.assert_array_equal(cut.values, group + 1)
    np.testing.assert_array_equal(cut_tree(found, result, 12).values, label)
    assert (cut_tree(found, result, 1).values == 1).all()
    result["label"][0, 0] = 0
    assert cut_tree(found, result, 3)[0, 0] == 0


def test_errors_say_what_to_do():
    result = xr.Dataset({"label": (("y", "x"), [[0, 1, 2, 3]])})
    steps = xr.Dataset({"first": ("merge", [1, 1]), "second": ("merge", [3, 2])})
    with pytest.raises(ValueError, match="segment with a larger number"):
        cut_tree(steps, result, 4)
    with pytest.raises(ValueError, match="k must be"):
        cut_tree(steps, result, 0)
    with pytest.raises(ValueError, match="give the tree of this result"):
        cut_tree(steps, result + 1, 2)
    with pytest.raises(ValueError, match="cut_tree needs a tree"):
        cut_tree(result, result, 2)
    cube = spt.make_cube(np.ones((1, 4, CHANNELS)))
    with pytest.raises(ValueError, match="there is one cluster, and a tree of"):
        tree(cube, result.clip(max=1))
