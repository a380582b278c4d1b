"""Which variances are none, for values, channels and whole cubes, wherever a cube is stored."""

import dask.array as da
import numpy as np
import pytest

from spectessera import make_cube
from spectessera.cube import noise_of, to_spectra
from spectessera.io import read
from spectessera.variance import MOST_PLACES, has_variance, known_variance, with_usable_variance

SHAPE = (40, 60, 5)
VALUES = np.random.default_rng(0).normal(9, 1, SHAPE)
NONE = [0.0, np.nan, np.inf, -np.inf, -1.0, 3e38, 1e-300]


@pytest.mark.parametrize("number", NONE)
def test_what_is_no_variance_is_nan_but_0_of_a_count_of_0(number):
    given = np.array([[1.0, number, number]])
    found = known_variance(given, np.array([[0.0, 7.0, 0.0]]))[0]
    assert (found[0], found.dtype) == (1, np.float32)
    assert np.isnan(found[1])
    none = number not in (0.0, 1e-300)
    assert (found[2] == 0) != none
    assert np.isnan(found[2]) == none


def test_a_missing_value_without_a_variance_has_none():
    assert np.isnan(known_variance(np.zeros((1, 2)), np.array([[np.nan, np.inf]]))).all()


def stored(variance: np.ndarray):
    """Yield the same cube in memory, as an array in a file, and as one that has to be computed."""
    yield make_cube(VALUES, variance=variance)
    for chunks in ((7, 9, -1), (40, 60, 2)):
        given = (da.from_array(each, chunks) for each in (VALUES, variance))
        yield make_cube(next(given), variance=next(given))
        computed = (da.from_array(each, chunks) + 0 for each in (VALUES, variance))
        yield make_cube(next(computed), variance=next(computed))


@pytest.mark.parametrize("known", [0, 1, 3, 30, 300])
@pytest.mark.parametrize("number", [0.0, np.nan])
def test_a_cube_in_which_nearly_all_variance_is_void_is_the_same_wherever_it_is_stored(
    known, number
):
    """Sixteen pixels were looked at where it has to be computed, and all where it is in memory."""
    variance = np.full(SHAPE, number)
    pixels = np.random.default_rng(known).choice(SHAPE[0] * SHAPE[1], known, replace=False)
    variance.reshape(-1, SHAPE[2])[pixels] = 1
    answers = {
        (has_variance(cube), noise_of(cube, VALUES[0]), "variance" in settled.coords)
        for cube in stored(variance)
        for settled in [with_usable_variance(cube, compute=True)]
    }
    assert len(answers) == 1
    assert (known > 100) <= answers.pop()[0]


def test_of_a_small_image_every_pixel_is_looked_at():
    for pixel in range(15 * 17):
        variance = np.zeros((15, 17, 2))
        variance.reshape(-1, 2)[pixel] = 1
        assert MOST_PLACES >= 15 * 17
        assert has_variance(make_cube(np.ones(variance.shape), variance=variance))


@pytest.mark.parametrize("known", [0, 4])
def test_no_chunk_of_a_variance_is_computed_twice(known):
    """Of four channels in five, too, of which two are looked for everywhere."""
    variance, computed = np.zeros(SHAPE), []
    variance[..., :known] = 1

    def counted(block, block_info=None):
        computed.append(block_info[0]["chunk-location"])
        return block

    lazy = da.from_array(variance, (9, 9, -1)).map_blocks(counted, dtype=float, meta=variance[:0])
    cube = make_cube(VALUES, variance=lazy)
    assert not computed  # making a cube computes nothing
    assert has_variance(cube) == (known > 0)
    assert len(computed) == (1 if known else len(set(computed)))
    computed.clear()
    settled = with_usable_variance(cube, compute=True)
    assert len(computed) == len(set(computed))
    assert ("variance" in settled.coords) == (known > 0)


@pytest.mark.parametrize("number", NONE)
def test_a_channel_without_a_variance_beside_others_is_marked_as_bad(number):
    variance = np.ones(SHAPE)
    variance[..., 3] = number
    for cube in stored(variance):
        settled = with_usable_variance(cube, compute=True)
        assert settled["bad_channel"].values.tolist() == [False, False, False, True, False]
        assert settled.attrs["reading_notes"] == "1 of 5 channels has no variance and is not used"
        again = with_usable_variance(settled, compute=True)
        assert again.attrs == settled.attrs
        assert np.isfinite(to_spectra(settled).variance).all()


@pytest.mark.parametrize("share", [0.005, 0.05, 0.5])
def test_a_variance_of_few_values_at_random_makes_no_channel_bad(share):
    """Of one value in 200 none was seen in most channels; of one in 20 in a few."""
    generator = np.random.default_rng(2)
    shape = (*SHAPE[:2], 40)
    values = generator.normal(9, 1, shape)
    variance = np.where(generator.random(shape) < share, 1.0, np.nan)
    lazy = da.from_array(values, (9, 9, -1)) + 0, da.from_array(variance, (9, 9, -1)) + 0
    for given in ((values, variance), lazy):
        cube = with_usable_variance(make_cube(given[0], variance=given[1]), compute=True)
        assert "bad_channel" not in cube.coords
        assert ("variance" in cube.coords) == (share > 0.01)
        notes = {True: None, False: "hardly any value has a variance; it is not used"}
        assert cube.attrs.get("reading_notes") == notes[share > 0.01]


@pytest.mark.parametrize("share", [0.03, 1.0])
def test_a_channel_without_a_variance_is_bad_also_where_few_pixels_have_one(share):
    variance = np.where(np.random.default_rng(3).random(SHAPE[:2]) < share, 1.0, np.nan)
    variance = np.repeat(variance[..., None], SHAPE[2], axis=2)
    variance[..., 1] = 0
    assert make_cube(VALUES, variance=variance)["bad_channel"].values.tolist()[:2] == [False, True]


def test_channels_that_are_bad_already_stay_so():
    variance = np.ones(SHAPE)
    variance[..., 3] = 0
    cube = make_cube(VALUES, variance=variance, bad_channel=[True, False, False, False, False])
    assert cube["bad_channel"].values.tolist() == [True, False, False, True, False]
    variance[..., 1:] = 0
    cube = make_cube(VALUES, variance=variance, bad_channel=[True, False, False, False, False])
    assert "variance" not in cube.coords


CONVENTIONS = {
    "the count": lambda n: n,
    "at least 1": lambda n: np.maximum(n, 1),
    "1 more": lambda n: n + 1,
    "Gehrels": lambda n: np.square(1 + np.sqrt(n + 0.75)),
}


@pytest.mark.parametrize("mean", [0.1, 3, 4000])
@pytest.mark.parametrize("convention", CONVENTIONS)
def test_a_variance_that_is_that_of_counts_is_not_used_wherever_it_is_stored(convention, mean):
    """Noise of few counts became many clusters."""
    counts = np.random.default_rng(1).poisson(mean, SHAPE)
    error = np.sqrt(CONVENTIONS[convention](counts)).astype(np.float32)  # stored as a root
    given = np.square(error)
    for one, other in (((7, 9, -1), (40, 8, 2)), ((20, 60, -1), (20, 60, -1))):
        lazy = da.from_array(counts, one) + 0, da.from_array(given, other) + 0
        for values, variance in ((counts, given), lazy):
            cube = with_usable_variance(make_cube(values, variance=variance), compute=True)
            assert "variance" not in cube.coords
            assert noise_of(cube, counts[0]) == "counts"
            assert "bad_channel" not in cube.coords
            note = "the variance is that of counts, which the values are; it is not used"
            assert cube.attrs["reading_notes"] == note


def test_masked_and_interpolated_counts_are_counts_and_channels_without_a_variance_stay_bad():
    counts = np.random.default_rng(1).poisson(3.0, SHAPE).astype(np.float32)
    counts[3] += 0.25
    variance = counts.copy()
    variance[::2, ::3] = np.nan
    variance[..., 2] = 0
    counts[::3, ::4, 1] = np.nan
    read = make_cube(counts, variance=variance)
    assert "variance" in read.coords  # it is the user's: a file that is written has it
    cube = with_usable_variance(read, compute=True)
    assert cube["bad_channel"].values.tolist() == [False, False, True, False, False]
    assert "variance" not in cube.coords
    assert "variance" in with_usable_variance(read, compute=True, counted=False).coords
    assert cube.attrs["noise"] == "counts"


@pytest.mark.parametrize(
    ("values", "variance"),
    [
        (np.ones(SHAPE), np.ones(SHAPE)),
        (VALUES, np.maximum(VALUES, 1)),
        (np.rint(VALUES) - 12, np.abs(np.rint(VALUES) - 12)),
        (np.rint(VALUES), np.rint(VALUES) + 2),
        (np.rint(VALUES), np.rint(VALUES) * 1.01),
        (np.rint(VALUES), np.full(SHAPE, 9.0)),
    ],
    ids=["of 1", "not whole", "negative", "with read noise", "larger", "one"],
)
def test_any_other_variance_is_used(values, variance):
    cube = with_usable_variance(make_cube(values, variance=variance), compute=True)
    assert noise_of(cube, values[0]) == "variance"


def test_who_says_that_the_noise_is_not_known_is_believed():
    counts = np.random.default_rng(1).poisson(3.0, SHAPE)
    cube = make_cube(counts, variance=counts, attrs={"noise": "residual"})
    cube = with_usable_variance(cube, compute=True)
    assert (cube.attrs["noise"], "variance" in cube.coords) == ("residual", True)


def test_counts_of_0_whose_error_is_their_root_are_a_measurement():
    counts = np.random.default_rng(1).poisson(0.01, SHAPE) * 2.0
    counts[..., 4], counts[..., 2] = 0, 6
    cube = make_cube(counts, variance=2 * counts)
    assert "bad_channel" not in cube.coords
    assert has_variance(cube)


def test_a_variance_of_few_channels_is_not_used():
    """Else most of the measurement would be left out."""
    variance = np.zeros(SHAPE)
    variance[..., :2] = 1
    cube = make_cube(VALUES, variance=variance)
    assert "bad_channel" not in cube.coords
    assert "variance" not in cube.coords
    assert cube.attrs["reading_notes"] == (
        "the variance of 2 of 5 channels is known; it is not used"
    )


@pytest.mark.parametrize("chunks", [None, 16])
def test_a_channel_without_a_variance_in_a_file_is_marked_and_pixels_stay_usable(tmp_path, chunks):
    """The reader marks its values as missing; more than a fifth of them spoiled every pixel."""
    variance = np.ones(SHAPE)
    variance[..., 2:4] = 0
    np.savez(tmp_path / "cube.npz", cube=VALUES, variance=variance)
    cube = with_usable_variance(read(tmp_path / "cube.npz", chunks=chunks), compute=True)
    assert cube["bad_channel"].values.tolist() == [False, False, True, True, False]
    assert np.isfinite(to_spectra(cube).values).all()


@pytest.mark.parametrize("kind", [int, np.float32])
@pytest.mark.parametrize("chunked", [False, True])
def test_multiples_of_counts_have_no_noise_of_counts(kind, chunked):
    """Multiplied by 20, noise became nine clusters: its variance is 20 times the value."""
    counts = np.random.default_rng(3).poisson(9.0, (5, 6, 40)).astype(kind)

    def used(values, axis="energy", **settings):
        values = da.from_array(values, chunks=(2, 3, 40)) if chunked else values
        cube = make_cube(
            values, **{axis: (4000, 5000) if axis == "wavelength" else (1, 20)}, **settings
        )
        return with_usable_variance(cube, compute=True)

    assert "noise" not in used(counts).attrs
    cube = used(20 * counts)
    assert noise_of(cube, 20 * counts.reshape(-1, 40)) == "residual"
    assert "all values are multiples of 20" in cube.attrs["reading_notes"]
    assert "noise" not in used(20 * counts, "wavelength").attrs
    assert used(20 * counts, attrs={"noise": "counts"}).attrs["noise"] == "counts"
    assert "noise" not in used(20 * (counts > 9).astype(kind)).attrs  # says nothing
