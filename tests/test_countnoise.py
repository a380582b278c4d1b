"""Whole numbers without an axis are counts if they scatter so, and only then."""

from collections.abc import Callable

import dask.array as da
import numpy as np
import pytest

import spectessera as spt
from spectessera import make_cube
from spectessera.cube import noise_of
from spectessera.result import number_chosen
from spectessera.variance import with_usable_variance

SIDE, CHANNELS = 24, 120
ROWS, COLUMNS = np.mgrid[:SIDE, :SIDE]
Generator = np.random.Generator


def expected(mean: float, generator: Generator) -> np.ndarray:
    """Return the spectra (y, x, channel) of four materials in squares, of unequal brightness."""
    materials = generator.dirichlet(np.full(CHANNELS, 0.3), 4) * CHANNELS
    bright = generator.uniform(0.5, 1.5, (SIDE, SIDE, 1))
    return mean * bright * materials[(ROWS // 8 + COLUMNS // 8) % 4]


def noise_found(values, **given) -> str:
    """Return the noise of a cube that is going to be used."""
    cube = with_usable_variance(make_cube(values, **given), compute=True)
    return noise_of(cube, np.asarray(cube.values)[0, :4])


@pytest.mark.parametrize("mean", [0.1, 1, 10, 100, 1e4])
@pytest.mark.parametrize("seed", range(4))
def test_counts_of_any_number_are_found(mean, seed):
    generator = np.random.default_rng(seed)
    counts = generator.poisson(expected(mean, generator))
    for values in (counts, counts.astype(np.float32), counts.astype(np.uint32)):
        assert noise_found(values) == "counts"


CHANGED: dict[str, Callable[[np.ndarray, Generator], np.ndarray]] = {
    "gain 2": lambda counts, _: 2 * counts,
    "gain 0.7": lambda counts, _: np.rint(0.7 * counts),
    "offset": lambda counts, _: counts + 100,
    "read-out noise": lambda counts, generator: np.rint(
        np.abs(counts + 5 * generator.standard_normal(counts.shape))
    ),
    "smoothed": lambda counts, _: (counts + np.roll(counts, 1, 1) + 1) // 2,
    "below 0": lambda counts, _: counts - 1,
    "not whole": lambda counts, _: counts * 1.01,
    "equal neighbours": lambda counts, _: np.repeat(counts[:, ::2], 2, axis=1),
    "zeros": lambda counts, _: 0 * counts,
    "0 and 1": lambda counts, _: counts > 30,
    "missing": lambda counts, _: np.full(counts.shape, np.nan),
}


@pytest.mark.parametrize("change", CHANGED)
@pytest.mark.parametrize("mean", [30, 1000])
def test_what_is_no_longer_counts_is_not_taken_for_them(change, mean):
    generator = np.random.default_rng(5)
    counts = generator.poisson(expected(mean, generator)).astype(np.float32)
    assert noise_found(CHANGED[change](counts, generator)) == "residual"


def test_values_that_differ_by_more_or_less_than_counts_are_none():
    generator = np.random.default_rng(6)
    lam = expected(1000, generator)
    assert noise_found(np.rint(lam)) == "residual"
    assert (
        noise_found(np.rint(lam * (1 + 0.005 * generator.standard_normal(lam.shape)))) == "residual"
    )
    assert (
        noise_found(np.rint(lam * (1 + 0.1 * generator.standard_normal(lam.shape)))) == "residual"
    )
    # Pairs that differ by as much as counts on average, but some by less and some by far more.
    spread = 10 ** generator.uniform(-1, 1, (SIDE, SIDE, 1)) * np.sqrt(lam)
    assert (
        noise_found(np.rint(np.abs(lam + spread * generator.normal(size=lam.shape)))) == "residual"
    )


def test_a_map_whose_neighbours_are_of_different_materials_stays_one_of_unknown_noise():
    generator = np.random.default_rng(7)
    lam = generator.permutation(expected(100, generator).reshape(-1, CHANNELS))
    assert noise_found(generator.poisson(lam).reshape(SIDE, SIDE, -1)) == "residual"


def test_an_axis_a_given_noise_and_few_channels_or_pixels_leave_it_as_it_was():
    generator = np.random.default_rng(8)
    counts = generator.poisson(expected(30, generator)).astype(np.float32)
    assert noise_found(counts, wavelength=(4000, 5000)) == "residual"
    assert noise_found(counts, attrs={"noise": "residual"}) == "residual"
    assert noise_found(counts, energy=(1, 20)) == "counts"
    assert noise_found(counts[..., :31]) == "residual"
    assert noise_found(counts[:2, :2]) == "residual"
    assert noise_found(counts[:1]) == noise_found(counts[:, :1]) == "counts"


def test_masked_bad_and_interpolated_values_do_not_matter():
    generator = np.random.default_rng(9)
    counts = generator.poisson(expected(30, generator)).astype(np.float32)
    bad = np.arange(CHANNELS) == 3
    counts[..., bad] = np.nan
    mask = ROWS < 8
    counts[mask] = 0.5
    counts[20, 20] += 0.25
    assert noise_found(counts, mask=mask, bad_channel=bad) == "counts"


def test_the_answer_and_its_note_are_the_same_wherever_the_cube_is_stored():
    generator = np.random.default_rng(10)
    counts = generator.poisson(expected(30, generator)).astype(np.float32)
    for values in (
        counts,
        da.from_array(counts, (5, 7, 50)),
        da.from_array(counts, (5, 7, 50)) + 0,
    ):
        cube = with_usable_variance(make_cube(values), compute=True)
        assert cube.attrs["noise"] == "counts"
        assert "taken for counts" in cube.attrs["reading_notes"]
        assert "noise" not in make_cube(values).attrs  # nothing is computed before it is used


def test_a_map_without_an_axis_is_segmented_as_the_same_counts_along_energies():
    """Its noise alone was cut into several clusters."""
    generator = np.random.default_rng(11)
    halves = np.where(ROWS[..., None] < 12, *generator.dirichlet(np.full(CHANNELS, 5), 2))
    for lam, number in ((20 * np.ones(CHANNELS), 1), (2000 * halves, 2)):
        counts = generator.poisson(lam, (SIDE, SIDE, CHANNELS)).astype(np.float32)
        results = [
            spt.segment(cube, spt.SpectralSegmenter().fit(cube), seed=0)
            for cube in (make_cube(counts), make_cube(counts, energy=(1, 20)))
        ]
        assert [number_chosen(each) for each in results] == [number, number]
        np.testing.assert_array_equal(*(each["label"].values for each in results))
        assert results[0].attrs["confidence_noise"] == "counts"
