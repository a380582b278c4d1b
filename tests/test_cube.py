"""The door between cubes and spectra."""

import dask.array as da
import numpy as np
import pytest
import xarray as xr

from conftest import line_spectra
from spectessera.axis import Axis
from spectessera.cube import (
    blocks,
    check_cube,
    integrate,
    make_cube,
    noise_of,
    read_block,
    spectral_axis,
    to_map,
    to_spectra,
    with_axis,
)

SHAPE = (5, 7, 4)
VALUES = np.arange(140, dtype=np.float32).reshape(SHAPE)
MASK = (np.arange(35) % 4 == 1).reshape(5, 7)


def test_spectra_are_the_pixels_in_row_major_order():
    spectra = to_spectra(make_cube(VALUES, variance=VALUES + 2))
    np.testing.assert_array_equal(spectra.values, VALUES.reshape(35, 4))
    np.testing.assert_array_equal(spectra.variance, VALUES.reshape(35, 4) + 2)
    np.testing.assert_array_equal(spectra.pixel, np.arange(35))
    assert spectra.values.dtype == np.float32


@pytest.mark.parametrize("chunks", [None, (2, 3, 4), (5, 2, 3)])
def test_to_map_is_the_inverse_of_to_spectra_around_a_mask(chunks):
    values = VALUES if chunks is None else da.from_array(VALUES, chunks=chunks)
    cube = make_cube(values, energy=(1, 4), mask=MASK)
    spectra = to_spectra(cube)
    assert len(spectra.values) == (~MASK).sum()
    back = to_map(spectra.values, spectra.pixel, cube, dims=("channel",))
    assert back.dims == ("y", "x", "channel")
    np.testing.assert_array_equal(back.values[~MASK], VALUES[~MASK])
    assert np.isnan(back.values[MASK]).all()
    again = to_spectra(back.assign_coords(mask=cube.coords["mask"]))
    np.testing.assert_array_equal(again.values, spectra.values)
    np.testing.assert_array_equal(again.pixel, spectra.pixel)


def test_a_map_of_labels_keeps_its_type_its_fill_and_the_coordinates_of_the_image():
    cube = make_cube(VALUES, mask=MASK).assign_coords(y=np.arange(5) * 10.0, x=np.arange(7) - 3)
    pixel = to_spectra(cube).pixel
    found = to_map(np.arange(len(pixel), dtype=np.int32) + 1, pixel, cube, fill=0)
    assert found.dtype == np.int32
    assert (found.values[MASK] == 0).all()
    np.testing.assert_array_equal(found.values[~MASK], np.arange(len(pixel)) + 1)
    np.testing.assert_array_equal(found.y, np.arange(5) * 10.0)
    np.testing.assert_array_equal(found.x, np.arange(7) - 3)


@pytest.mark.parametrize("order", [("channel", "y", "x"), ("x", "channel", "y")])
def test_dimensions_in_another_order_are_the_same_cube(order):
    cube = make_cube(VALUES, mask=MASK, variance=VALUES**2)
    turned = cube.transpose(*order)
    turned = turned.assign_coords(mask=cube.coords["mask"].transpose("x", "y"))
    for one, other in zip(to_spectra(cube), to_spectra(turned), strict=True):
        np.testing.assert_array_equal(one, other)
    assert to_spectra(turned).values.flags.c_contiguous


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int64, np.float32])
def test_a_mask_of_zeros_and_ones_masks_as_one_of_booleans(dtype):
    """A file format without booleans gives integers; ~1 is -2, a position from the end."""
    cube = make_cube(VALUES).assign_coords(mask=(("y", "x"), MASK.astype(dtype)))
    np.testing.assert_array_equal(to_spectra(cube).pixel, np.flatnonzero(~MASK))
    np.testing.assert_array_equal(
        to_spectra(make_cube(VALUES, mask=MASK.astype(dtype))).pixel, np.flatnonzero(~MASK)
    )


def test_a_masked_array_is_nan_where_it_is_masked():
    hidden = np.zeros(SHAPE, dtype=bool)
    hidden[1, 2] = hidden[3, 3, 1] = True
    counts = np.ma.masked_array(VALUES.astype(np.uint16), hidden)
    cube = make_cube(counts)
    np.testing.assert_array_equal(np.isnan(cube.values), hidden)
    np.testing.assert_array_equal(cube.values[~hidden], VALUES[~hidden])
    assert cube.attrs["saturation"] == 65535


@pytest.mark.parametrize("chunks", [(2, 3, 4), (1, 7, 2), (5, 7, 4), (4, 2, 1)])
def test_blocks_of_a_chunked_cube_hold_every_pixel_once(chunks):
    cube = make_cube(da.from_array(VALUES, chunks=chunks), mask=MASK, variance=VALUES + 2)
    parts = [read_block(cube, block) for block in blocks(cube)]
    assert len(parts) == -(-5 // chunks[0]) * -(-7 // chunks[1])
    pixel = np.concatenate([part.pixel for part in parts])
    order = np.argsort(pixel)
    whole = to_spectra(make_cube(VALUES, mask=MASK, variance=VALUES + 2))
    np.testing.assert_array_equal(pixel[order], whole.pixel)
    for name in ("values", "variance"):
        joined = np.concatenate([getattr(part, name) for part in parts])[order]
        np.testing.assert_array_equal(joined, getattr(whole, name))


@pytest.mark.parametrize("pixels", [1, 7, 8, 21, 1000])
def test_blocks_of_a_cube_in_memory_are_bands_of_rows_of_bounded_size(pixels):
    cube = make_cube(VALUES)
    found = list(blocks(cube, pixels=pixels))
    rows = np.concatenate([np.arange(5)[block.y] for block in found])
    np.testing.assert_array_equal(rows, np.arange(5))
    for block in found:
        assert block.x == slice(0, 7)
        assert (block.y.stop - block.y.start) * 7 <= max(7, pixels)
    joined = np.concatenate([read_block(cube, block).values for block in found])
    np.testing.assert_array_equal(joined, VALUES.reshape(35, 4))


@pytest.mark.parametrize(
    ("words", "kind", "unit", "first", "last"),
    [
        ({"energy": (1, 4)}, "energy", "keV", 1, 4),
        ({"energy": [10, 7, 5, 1], "unit": "eV"}, "energy", "eV", 10, 1),
        ({"energy": (0, 3), "unit": "eV", "kind": "energy_loss"}, "energy_loss", "eV", 0, 3),
        ({"wavelength": (4750, 9350), "medium": "air"}, "wavelength", "angstrom", 4750, 9350),
        ({"wavelength": (900, 400), "unit": "nm"}, "wavelength", "nm", 900, 400),
        ({"axis": (4000, 400), "unit": "cm-1"}, "wavenumber", "cm-1", 4000, 400),
        ({"axis": Axis([1, 2, 4, 8.0], "GHz")}, "frequency", "GHz", 1, 8),
        ({"axis": (5, 8)}, "channel", "", 5, 8),
        ({}, "channel", "", 0, 3),
    ],
)
def test_axis_is_returned_as_it_was_given(words, kind, unit, first, last):
    axis = spectral_axis(make_cube(VALUES, **words))
    assert (axis.kind, axis.unit) == (kind, unit)
    assert (axis.values[0], axis.values[-1]) == (first, last)
    assert axis.medium == words.get("medium", "")


def test_a_pair_is_two_values_for_a_cube_of_two_channels():
    np.testing.assert_array_equal(
        spectral_axis(make_cube(VALUES[..., :2], energy=(3, 9))).values, [3, 9]
    )


def test_a_new_axis_takes_the_place_of_the_old_one():
    cube = with_axis(make_cube(VALUES, energy=(1, 4)), Axis(np.arange(4.0), "nm"))
    assert "energy" not in cube.coords
    assert spectral_axis(cube).unit == "nm"


@pytest.mark.parametrize(
    ("values", "words", "error", "match"),
    [
        (VALUES[0], {}, ValueError, r"3 axes \(y, x, channel\); got 2 \(shape \(7, 4\)\)"),
        (VALUES[:0], {}, ValueError, r"at least one pixel and one channel; got \(0, 7, 4\)"),
        (VALUES[..., :0], {}, ValueError, "at least one pixel and one channel"),
        (VALUES + 1j, {}, TypeError, "real numbers; got dtype complex64"),
        (VALUES.astype(str), {}, TypeError, "real numbers"),
        (VALUES, {"energy": np.arange(5)}, ValueError, "5 values but the cube has 4 channels"),
        (VALUES, {"energy": (1, 4), "axis": (1, 4)}, ValueError, "one spectral axis; got energy"),
        (VALUES, {"energy": (1, 4), "unit": "nm"}, ValueError, "'nm' is not a unit of energy"),
        (VALUES, {"energy": (1, 4), "unit": "ells"}, ValueError, "unit 'ells'.*not known"),
        (VALUES, {"unit": "keV"}, ValueError, "without an axis"),
        (VALUES, {"axis": Axis(np.arange(4)), "unit": "nm"}, ValueError, "has its own unit"),
        (VALUES, {"energy": [1, 2, 2, 3]}, ValueError, "rise or fall"),
        (VALUES, {"variance": VALUES[0]}, ValueError, r"variance has shape \(7, 4\)"),
        (VALUES, {"mask": MASK.T}, ValueError, r"mask has shape \(7, 5\).*\(5, 7\)"),
    ],
)
def test_what_is_no_cube_is_refused_in_words(values, words, error, match):
    with pytest.raises(error, match=match):
        make_cube(values, **words)


def test_what_was_not_made_by_make_cube_is_checked():
    with pytest.raises(TypeError, match=r"got ndarray; make one with spectessera.make_cube"):
        check_cube(VALUES)
    with pytest.raises(ValueError, match=r"y, x and channel; got \('a', 'b', 'c'\)"):
        check_cube(xr.DataArray(VALUES, dims=("a", "b", "c")))
    with pytest.raises(ValueError, match="at least one pixel"):
        check_cube(xr.DataArray(VALUES[:0], dims=("y", "x", "channel")))
    with pytest.raises(TypeError, match="real numbers"):
        check_cube(xr.DataArray(VALUES.astype(complex), dims=("y", "x", "channel")))


def test_integers_have_a_saturation_which_the_caller_can_replace():
    assert make_cube(VALUES.astype(np.uint8)).attrs["saturation"] == 255
    assert make_cube(VALUES.astype(np.uint16)).attrs["saturation"] == 65535
    assert "saturation" not in make_cube(VALUES).attrs
    known = make_cube(VALUES.astype(np.uint16), attrs={"saturation": 4095})
    assert known.attrs["saturation"] == 4095


def test_a_number_too_large_for_float32_becomes_infinite_without_a_warning():
    values = VALUES.astype(np.float64)
    values[2, 3, 1] = 1e300
    spectra = to_spectra(make_cube(values)).values
    assert np.isinf(spectra[2 * 7 + 3, 1])
    assert np.isfinite(spectra).sum() == 139


def test_integral_of_many_small_numbers_loses_none():
    """One big channel and 100,000 ones: float32 alone would drop them all."""
    spectra = np.ones((1, 100_001), dtype=np.float32)
    spectra[0, 0] = 2**25
    assert integrate(spectra)[0] == np.float32(2**25 + 100_000)


def test_noise_is_a_variance_counts_or_a_residual():
    counts = np.ones((3, 4, 5), np.uint16)
    spectra = counts.reshape(-1, 5).astype(np.float32)
    assert noise_of(make_cube(counts, energy=(1, 5)), spectra) == "counts"
    waves = make_cube(counts, wavelength=(1, 5), unit="um")
    assert noise_of(waves, spectra) == "residual"
    assert noise_of(waves.assign_attrs(noise="counts"), spectra) == "counts"
    assert noise_of(make_cube(counts, variance=2 * counts), spectra) == "variance"


def test_counts_are_recognised_whatever_the_type_of_the_file():
    expected = 300 * line_spectra()[np.arange(1600) * 2 // 1600]
    counts = np.random.default_rng(0).poisson(expected).astype(np.uint16).reshape(40, 40, 96)
    cube = make_cube(counts, energy=(1.0, 20.0))
    spectra = cube.values.reshape(-1, 96).astype(np.float32)
    broken = spectra.copy()
    broken[:100] += 0.5
    floats = cube.astype(np.float32)
    assert noise_of(cube, spectra) == noise_of(floats, spectra) == "counts"
    assert noise_of(floats, broken) == "counts"  # 100 of 1,600 have interpolated values
    assert noise_of(floats, spectra + 0.5) == noise_of(floats, -spectra) == "residual"
    assert noise_of(floats, np.minimum(spectra, 1)) == "residual"  # a mask, or hardly any count
    assert noise_of(floats, spectra * np.float32(1e29)) == "residual"  # whole as all of that size
    assert noise_of(floats, spectra[:0]) == "residual"
    assert noise_of(floats.assign_attrs(noise="residual"), spectra) == "residual"
    assert noise_of(floats.assign_attrs(noise="gaussian"), spectra) == "residual"
    waves = make_cube(floats.values, wavelength=(5000, 6000))
    assert noise_of(waves, spectra) == "residual"


@pytest.mark.parametrize("wrong", [0.0, np.nan, -1.0, np.inf])
def test_a_variance_that_is_nowhere_positive_is_none(wrong):
    """It says nothing of the noise: of 0, every gain would be infinite."""
    nothing, spectra = np.full(SHAPE, wrong, np.float32), VALUES.reshape(35, 4)
    whole = make_cube(VALUES, variance=nothing, attrs={"reading_notes": "one"})
    assert "variance" not in whole.coords
    assert whole.attrs["reading_notes"] == (
        "one; the variance is nowhere positive (or is beyond 1e30) and is not used"
    )
    by_hand = make_cube(VALUES).assign_coords(variance=(("y", "x", "channel"), nothing))
    for cube in (whole, by_hand, by_hand.chunk({"y": 2})):
        assert noise_of(cube, spectra) == "residual"
    some = nothing.copy()
    some[2, 3] = 4.0
    cube = make_cube(VALUES, variance=some)
    assert noise_of(cube, spectra) == "variance"
    assert "reading_notes" not in cube.attrs


@pytest.mark.parametrize(
    ("name", "ends", "likely"),
    [("wavelength", (400, 2500), "nm"), ("wavelength", (0.4, 2.5), "um"),
     ("energy", (0, 20_000), "eV")],
)  # fmt: skip
def test_numbers_that_look_like_another_unit_are_taken_in_the_usual_one_with_a_warning(
    name, ends, likely
):
    usual = {"wavelength": "angstrom", "energy": "keV"}[name]
    with pytest.warns(UserWarning, match=f'taken as {usual}.*unit="{likely}"') as told:
        cube = make_cube(np.ones((2, 3, 5)), **{name: ends})
    assert told[0].filename == __file__
    assert spectral_axis(cube).unit == usual
    for unit in (likely, usual):  # said, and so without a word
        assert spectral_axis(make_cube(np.ones((2, 3, 5)), **{name: ends}, unit=unit)).unit == unit


@pytest.mark.parametrize(
    ("name", "ends"), [("wavelength", (4750, 9350)), ("energy", (0, 40)), ("energy", (-0.5, 20))]
)
def test_numbers_that_look_like_the_usual_unit_give_no_warning(name, ends, recwarn):
    make_cube(np.ones((2, 3, 5)), **{name: ends})
    assert not recwarn.list
