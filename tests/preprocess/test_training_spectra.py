"""The spectra of cubes that are trained on: how they are drawn, read and collected."""

import numpy as np
import pytest

from spectessera import make_cube
from spectessera.channels import bad_channels
from spectessera.preprocess.intake import intake_of
from spectessera.preprocess.recipe import Preprocess
from spectessera.preprocess.training_spectra import (
    Sampling,
    as_cubes,
    axis_range,
    candidates,
    collect,
    common_axis,
    commonly_marked,
    draw_rows,
    read_drawn,
    some_spectra,
)

VALUES = np.random.default_rng(0).random((7, 11, 5)).astype(np.float32)


def drawn_of(cube, rows):
    return read_drawn([cube], rows, 0.2)


def test_collecting_does_not_change_the_callers_list():
    cube = make_cube(VALUES).chunk({"y": 3, "x": 4})
    blocks = drawn_of(cube, np.arange(77))
    intakes = [intake_of(cube, Preprocess(), common_axis([cube]))]
    before = len(blocks)
    one = collect(blocks, intakes, np.arange(0, 77, 2))
    assert len(blocks) == before > 1
    other = collect(iter(blocks[::-1]), intakes, np.arange(0, 77, 2))
    np.testing.assert_array_equal(one.rows, np.arange(0, 77, 2))
    np.testing.assert_array_equal(one.inputs, other.inputs)


def test_some_spectra_do_not_depend_on_chunks():
    cube, rows = make_cube(VALUES), draw_rows(77, 60, seed=1)
    whole = some_spectra(drawn_of(cube, rows), 0, 20)
    parts = some_spectra(drawn_of(cube.chunk({"y": 2, "x": 3}), rows), 0, 20)
    assert len(whole) == 20
    assert {row.tobytes() for row in whole} == {row.tobytes() for row in parts}
    assert len(some_spectra(drawn_of(cube, rows), 0, 1000)) == 60
    assert len(some_spectra(drawn_of(cube, rows), 1, 20)) == 0


# --- what is drawn -------------------------------------------------------------------------------


def lines(chunks=None):
    """Return a cube of 12 x 10 pixels: an emission line in 8 of them, NaN in one, one masked."""
    values = np.full((12, 10, 6), 0.01, np.float32)
    values[2:4, 3:7, 1:5] = 5e3
    values[0, 0] = np.nan
    mask = np.zeros((12, 10), bool)
    mask[2, 3] = True
    cube = make_cube(values, mask=mask)
    return cube if chunks is None else cube.chunk(chunks)


@pytest.mark.parametrize("chunks", [None, {"y": 5, "x": 4}])
def test_pixels_with_a_line_are_all_drawn_and_of_the_others_a_share(chunks):
    """The share is of the unmasked pixels without signal, the same in any chunks."""
    with_line = {(y, x) for y in (2, 3) for x in range(3, 7)} - {(2, 3)}
    for share, others in ((0.0, 0), (0.25, 28), (1.0, 112)):
        drawn = candidates([lines(chunks)], Sampling("signal", share, 7))
        pixels = {divmod(int(each), 10) for each in drawn}
        assert pixels >= with_line
        assert len(pixels) == 7 + others
        assert (2, 3) not in pixels
        np.testing.assert_array_equal(drawn, candidates([lines()], Sampling("signal", share, 7)))


def test_channels_that_are_bad_in_one_cube_are_bad_in_all_of_one_axis():
    bad = np.array([[True, False, False, False, False], [False, False, False, True, False]])
    cubes = [make_cube(VALUES, bad_channel=each) for each in bad] + [make_cube(VALUES)]
    for each in commonly_marked(cubes):
        assert bad_channels(each).tolist() == [True, False, False, True, False]
    other = make_cube(VALUES, energy=(1.0, 5.0))
    mixed = [cubes[0], cubes[1], other]
    assert all(a is b for a, b in zip(mixed, commonly_marked(mixed), strict=True))
    assert commonly_marked(cubes[2:]) == cubes[2:]


def test_masked_pixels_are_never_drawn_whatever_they_hold():
    """Their strength is not known, which is less than that of any line."""
    cube = lines()
    cube.mask[:, 5:] = True
    drawn = candidates([cube], Sampling("signal", 1.0, 7))
    assert set(drawn.tolist()) == set(np.flatnonzero(~cube.mask.values.ravel()).tolist())


@pytest.mark.parametrize(("strongest", "signal"), [(120, 1), (88, 0)])
def test_a_line_is_one_and_a_half_standard_deviations_over_the_mean(strongest, signal):
    """Half of the pixels have 40, half but one 80: mean 60, spread 20, so that 90 is needed."""
    strength = np.repeat([40.0, 80.0], 32)
    strength[-1] = strongest
    values = np.expm1(strength / 40).reshape(8, 8, 1).repeat(40, 2)
    drawn = candidates([make_cube(values)], Sampling("signal", 0.0, 7))
    assert drawn.tolist() == [63] * signal


@pytest.mark.parametrize(("stored", "left"), [(None, 77), (0.9, 77 - 1)])
def test_saturated_spectra_are_left_out_of_a_training(stored, left):
    values = np.minimum(VALUES, 0.85)
    values[3, 4, 2] = 0.95
    cube = make_cube(values)
    if stored is not None:
        cube.attrs["saturation"] = stored
    (block,) = drawn_of(cube, np.arange(77))
    assert len(block.rows) == left
    assert (3 * 11 + 4 in block.rows) == (stored is None)


def test_a_random_share_of_each_cube_is_drawn():
    drawn = candidates([lines(), lines()], Sampling("random", 0.1, 7))
    assert (drawn < 120).sum() == (drawn >= 120).sum() == 12
    assert len(candidates([lines()], Sampling("random", 1e-6, 7))) == 1


def test_a_sequence_of_spectra_is_one_array_and_one_of_arrays_are_cubes_of_one_column():
    assert as_cubes([[1.0, 2.0], [3.0, 4.0]]) is None
    assert as_cubes([np.ones(3), np.ones(3)]) is None
    assert as_cubes(np.ones((4, 3))) is None
    first, second = as_cubes([VALUES[:, 0], make_cube(VALUES)])
    assert dict(first.sizes) == {"y": 7, "x": 1, "channel": 5}
    assert second.shape == VALUES.shape


def test_cubes_for_one_training_have_one_axis():
    cubes = [make_cube(VALUES, energy=(1, 20)), make_cube(VALUES, energy=(1, 21))]
    assert axis_range(common_axis(cubes[:1])) == "energy 1 to 20 keV"
    with pytest.raises(ValueError, match="cube 2 has energy 1 to 21 keV, the first energy 1 to 20"):
        common_axis(cubes)


def test_channels_without_positions_must_be_as_many_as_the_model_has():
    with pytest.raises(ValueError, match="5 channels"):
        intake_of(make_cube(VALUES), Preprocess(), common_axis([make_cube(VALUES[..., :4])]))


@pytest.mark.parametrize("extra", ["", "variance", "values"])
def test_what_is_asked_for_besides_the_inputs_comes_in_the_order_of_the_image(extra):
    cube = make_cube(VALUES, variance=VALUES / 4).chunk({"y": 3, "x": 4})
    intakes = [intake_of(cube, Preprocess(stabilise=None, normalise=None), common_axis([cube]))]
    found = collect(drawn_of(cube, np.arange(77)), intakes, np.arange(0, 77, 2), extra=extra)
    flat = VALUES.reshape(77, 5)[::2]
    np.testing.assert_allclose(found.inputs, flat, rtol=1e-6)
    assert (found.variance is None) == (extra != "variance")
    assert (found.values is None) == (extra != "values")
    if extra:
        other = found.variance if extra == "variance" else found.values
        np.testing.assert_allclose(other, flat / 4 if extra == "variance" else flat, rtol=1e-6)


def test_quantiles_leave_no_variance_for_the_loss():
    cube = make_cube(VALUES, variance=VALUES / 4)
    intakes = [intake_of(cube, Preprocess(stabilise="log-quantile"), common_axis([cube]))]
    with pytest.raises(ValueError, match="leaves no variance"):
        collect(drawn_of(cube, np.arange(77)), intakes, np.arange(77), extra="variance")
