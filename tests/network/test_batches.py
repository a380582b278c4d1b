"""Sources of batches: halves of counts and simulations."""

import numpy as np
import pytest
import torch

from spectessera.network.batches import SimulatedSpectra, ThinnedCounts, split, whole_counts


def thinned(counts, seed=0):
    parts = split(len(counts), (0.1, 0.1), 5, torch.Generator().manual_seed(0))
    return ThinnedCounts(counts, lambda each: each, parts, 32, seed, torch.device("cpu"))


def epoch(source, number=0):
    return list(source.batches(number, torch.Generator().manual_seed(number)))


def test_two_halves_sum_to_the_counts_and_are_independent():
    """Binomial halves of Poisson counts are independent Poisson counts of half the mean."""
    generator = np.random.default_rng(0)
    mean = generator.uniform(2, 20, 30)
    counts = generator.poisson(mean, (4000, 30))
    source = thinned(counts)
    batches = epoch(source)
    seen = torch.cat([each.spectra for each in batches]).numpy()
    target = torch.cat([each.target for each in batches]).numpy()
    rows = {tuple(row) for row in counts.tolist()}
    assert all(tuple(row) in rows for row in (seen + target).astype(int).tolist())
    np.testing.assert_allclose(seen.mean(axis=0), mean / 2, rtol=0.05)
    together = [np.corrcoef(a, b)[0, 1] for a, b in zip(seen.T, target.T, strict=True)]
    assert np.abs(together).max() < 0.08


def test_every_epoch_halves_anew_and_a_seed_repeats_it():
    counts = np.random.default_rng(1).poisson(5, (200, 8))
    one, again = epoch(thinned(counts)), epoch(thinned(counts))
    other = epoch(thinned(counts), 1)
    assert all(torch.equal(a.spectra, b.spectra) for a, b in zip(one, again, strict=True))
    assert not torch.equal(one[0].spectra, other[0].spectra)


@pytest.mark.parametrize("values", [[[1.0, 2.5]], [[-1.0, 2.0]]])
def test_what_is_no_count_is_not_halved(values):
    with pytest.raises(ValueError, match="non-negative integers"):
        whole_counts(np.array(values))


def test_few_interpolated_values_are_rounded_to_counts():
    counts = np.random.default_rng(2).poisson(5, (20, 8)).astype(np.float32)
    mended = counts.copy()
    mended[3, 2], mended[7, 0] = 4.4, -0.3
    whole = whole_counts(mended)
    assert whole.dtype == np.int64
    assert (whole[3, 2], whole[7, 0]) == (4, 0)
    assert (whole != counts).sum() <= 2
    mended[:3] += 0.5  # three of twenty
    with pytest.raises(ValueError, match=r"such as \d\.5"):
        whole_counts(mended)


def test_a_simulation_never_gives_a_batch_twice():
    asked = []

    def pairs(number, m, twins):
        asked.append(number)
        row = np.full((m, 3), number, dtype=np.float32)
        return row, row, row, row if twins else None

    source = SimulatedSpectra(pairs, lambda each: each, 4, 8, 16, False, torch.device("cpu"))
    for number in range(3):
        assert len(epoch(source, number)) == 4
    assert len(asked) == len(set(asked)) == 14  # twelve batches, validation and test
    assert source.validation.spectra.shape == source.test.spectra.shape == (16, 3)
