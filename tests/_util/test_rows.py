"""Sums and maxima of short rows: the numbers of numpy, in less time."""

import numpy as np
import pytest

from spectessera._util.rows import row_maxima, row_sums


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("columns", [1, 2, 3, 7, 8, 9, 12, 15, 16, 17, 40])
def test_sums_and_maxima_are_those_of_numpy_bit_for_bit(kind, columns):
    generator = np.random.default_rng(columns)
    for shape in ((1, columns), (33, columns), (2, 5, 7, columns)):
        values = (generator.normal(size=shape) * 10.0 ** generator.integers(-3, 4, shape)).astype(
            kind
        )
        before = values.copy()
        assert np.array_equal(row_sums(values), values.sum(axis=-1))
        assert np.array_equal(row_maxima(values), values.max(axis=-1))
        assert row_sums(values).dtype == row_maxima(values).dtype == kind
        assert np.array_equal(values, before)
