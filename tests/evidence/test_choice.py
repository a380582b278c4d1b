import numpy as np
import pytest

from spectessera.evidence import Gain, best_number


def gains(*means: float, spread: float = 1.0, n: int = 400) -> list[Gain]:
    """Return gains of the same spectra, of which each has noise of its own."""
    generator = np.random.default_rng(0)
    each = [mean + spread * generator.standard_normal(n) for mean in means]
    return [Gain(one.mean(), one.std(ddof=1) / np.sqrt(n), one) for one in each]


def stable(*which: int) -> np.ndarray:
    return np.array([bool(each) for each in which])


@pytest.mark.parametrize(
    ("means", "kept", "chosen"),
    [
        ((4, 8, 10, 10.1), (1, 1, 1, 1), 3),  # rises on
        ((4, 8, 10, 9.0), (1, 1, 1, 1), 2),  # predicts less
        ((4, 8, 10, 10.1), (1, 0, 0, 0), 2),  # a stable one that is too small
        ((4, 9.5, 10, 10.1), (0, 0, 0, 0), 1),  # none is stable: nine tenths
        ((4, 8, 10, 10.1), (1, 1, 1, 0), 2),
    ],
)
def test_the_largest_number_that_is_stable_and_predicts_as_much(means, kept, chosen):
    assert best_number(gains(*means), stable(*kept)) == chosen


def test_a_difference_within_the_noise_is_none():
    assert best_number(gains(10, 9.95, spread=2.0), stable(1, 1)) == 1


def test_without_any_gain_it_is_the_smallest():
    none = [Gain(0.0, 0.0, np.zeros(5))] * 3
    assert best_number(none, stable(0, 0, 0)) == 0


def test_a_stable_number_that_misses_the_share_by_chance_is_taken_where_no_larger_one_is_stable():
    """8.95 is below nine tenths of 10 by less than its error; without a spread it is below them."""
    noisy, sure = (gains(4, 8.95, 10, 9.9, spread=each) for each in (2.0, 1e-6))
    assert best_number(noisy, stable(1, 1, 0, 0)) == 1
    assert best_number(sure, stable(1, 1, 0, 0)) == 2
    assert best_number(noisy, stable(0, 1, 0, 1)) == 3  # a larger one is stable


def test_what_a_few_spectra_alone_speak_for_is_no_cluster_where_none_is_stable():
    """Three of 400 spectra have all that the second number gains over the first."""
    first, second = np.full(400, 10.0), np.full(400, 10.0)
    second[:3] = 800
    two = [Gain(each.mean(), each.std(ddof=1) / 20, each) for each in (first, second)]
    assert two[0].mean < 0.9 * two[1].mean
    assert best_number(two, stable(0, 0)) == 0
    assert best_number(two, stable(0, 1)) == 1
    everywhere = [two[0], Gain(16.0, 0.0, np.full(400, 16.0))]
    assert best_number(everywhere, stable(0, 0)) == 1
