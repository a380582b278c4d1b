"""Counts drawn from mixtures of templates."""

import numpy as np
import pytest
from scipy import stats

from spectessera.synth.paint.counts import Templates


def templates(channels=40, number=3, seed=0):
    return Templates(np.random.default_rng(seed).gamma(0.3, size=(number, channels)))


def test_every_spectrum_has_exactly_the_given_total():
    total = np.array([0, 1, 400, 7, 65_535, 70_000])
    found = templates().draw(np.full((6, 3), 1 / 3), total, np.random.default_rng(0))
    np.testing.assert_array_equal(found.sum(axis=1), total)
    assert found.dtype == np.uint32
    assert templates().draw(np.eye(3), np.full(3, 9), np.random.default_rng(0)).dtype == np.uint16


@pytest.mark.parametrize("total", [30, 5000])  # photon by photon, and channel by channel
def test_counts_follow_the_mixture(total):
    """Chi-squared of the sum of many spectra against the expectation, p-value above 0.001."""
    mixed = templates()
    weight = np.random.default_rng(1).dirichlet(np.ones(3))
    many = 4000
    counts = mixed.draw(np.tile(weight, (many, 1)), np.full(many, total), np.random.default_rng(2))
    expected = many * total * (weight @ mixed.spectra)
    rare = expected <= 5  # together they are one more bin
    bins = np.where(rare, rare.argmax(), np.arange(len(expected)))
    found, wanted = (np.bincount(bins, each) for each in (counts.sum(axis=0), expected))
    assert stats.chisquare(found[wanted > 0], wanted[wanted > 0]).pvalue > 1e-3
    # The variance of a multinomial, not that of copies of one draw.
    share = weight @ mixed.spectra
    largest = int(share.argmax())
    spread = total * share[largest] * (1 - share[largest])
    assert counts[:, largest].var() == pytest.approx(spread, rel=0.1)


def test_a_channel_of_probability_zero_gets_no_counts():
    spectra = np.random.default_rng(3).gamma(0.3, size=(2, 50))
    spectra[:, ::3] = 0
    found = Templates(spectra).draw(
        np.full((500, 2), 0.5), np.full(500, 300), np.random.default_rng(4)
    )
    assert found[:, ::3].sum() == 0


def test_a_single_channel_gets_all_counts():
    found = Templates(np.ones((1, 1))).draw(
        np.ones((3, 1)), np.full(3, 12), np.random.default_rng(0)
    )
    np.testing.assert_array_equal(found, [[12], [12], [12]])
