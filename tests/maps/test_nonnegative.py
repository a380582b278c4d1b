"""Fits of many pixels whose amplitudes may not be negative."""

import numpy as np
import pytest
from scipy.linalg import cholesky
from scipy.optimize import nnls

from spectessera.maps.nonnegative import non_negative


@pytest.fixture(scope="module", params=[0.0, 2.0])
def problem(request):
    """Fits of 12 lines on 80 channels with noise; overlapping ones too."""
    generator = np.random.default_rng(3)
    channel, place = np.arange(80), np.linspace(5, 75, 12)
    place[1::2] -= request.param  # pairs that are hard to tell apart
    lines = np.exp(-0.5 * ((channel[:, None] - place) / 3.0) ** 2)
    truth = np.maximum(generator.normal(size=(300, 12)), 0) * 20
    data = truth @ lines.T + generator.normal(size=(300, 80)) * 4
    gram = lines.T @ lines
    return gram, np.linalg.solve(gram, lines.T @ data.T).T.astype(np.float32)


def test_fits_are_those_of_scipy(problem):
    gram, values = problem
    root = cholesky(gram)
    truth = np.array([nnls(root, root @ row.astype(float))[0] for row in values])
    found = non_negative(values, np.linalg.inv(gram)).values
    error = 1 / np.sqrt(np.diag(gram))
    assert (np.abs(found - truth) < 1e-4 * error).all()
    assert (found >= 0).all()
    assert ((truth == 0) == (found == 0)).mean() > 0.999


def test_a_pixel_does_not_depend_on_the_others(problem):
    gram, values = problem
    covariance = np.linalg.inv(gram)
    whole = non_negative(values, covariance)
    for some in (slice(7, 8), slice(20, 133), slice(299, None, -3)):
        for part, every in zip(non_negative(values[some], covariance), whole, strict=True):
            np.testing.assert_array_equal(part, every[some])


def test_the_order_of_terms_changes_no_fit(problem):
    gram, values = problem
    covariance = np.linalg.inv(gram)
    other = non_negative(values, covariance, np.random.default_rng(0).permutation(12))
    for one, two in zip(non_negative(values, covariance), other, strict=True):
        np.testing.assert_allclose(one, two, atol=1e-4)


def test_more_terms_than_a_key_has_bits(monkeypatch, problem):
    gram, values = problem
    covariance = np.linalg.inv(gram)
    whole = non_negative(values, covariance)
    monkeypatch.setattr("spectessera.maps.nonnegative._BITS", 5)
    monkeypatch.setattr("spectessera.maps.nonnegative._TOGETHER", 64)
    for one, two in zip(non_negative(values, covariance), whole, strict=True):
        np.testing.assert_array_equal(one, two)


def test_the_variance_left_is_that_of_the_fit_without_the_others(problem):
    gram, values = problem
    covariance = np.linalg.inv(gram)
    for row, parts in zip(*non_negative(values, covariance), strict=True):
        kept = row > 0
        truth = np.diag(np.linalg.inv(gram[np.ix_(kept, kept)])) / np.diag(covariance)[kept]
        np.testing.assert_allclose(parts[kept], truth, rtol=1e-4)
        assert (parts[~kept] == 1).all()
