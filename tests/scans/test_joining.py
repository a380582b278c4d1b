"""Several scans become one cube and back: values, noise, masks, channels, responses."""

import json

import dask.array as da
import numpy as np
import pytest
import xarray as xr

import spectessera as spt
from spectessera.cube import noise_of, spectral_axis
from spectessera.scans import between, places_of, scan_names, shares_of
from spectessera.scans.places import GAP, layout

LINES = np.array([0.2, 0.5, 0.8])


def counts(shape, channels=60, energy=(1.0, 19.0), seed=0, response=None, mean=300.0):
    """Return a cube of Poisson counts: three lines at fixed energies, and its expectation."""
    grid = np.linspace(*energy, channels)
    step = grid[1] - grid[0]
    lines = np.exp(-0.5 * ((grid - 1 - 18 * LINES[:, None]) / 1.2) ** 2).sum(0) + 0.1
    expected = mean * lines * step / 20
    if response is not None:
        expected = expected * response(grid)
    values = np.random.default_rng(seed).poisson(expected, (*shape, channels))
    return spt.make_cube(values.astype(np.uint16), energy=energy), expected


def test_scans_of_one_axis_are_joined_and_split_without_a_change():
    one, other = counts((5, 7))[0], counts((4, 9), seed=1)[0]
    one = one.assign_coords(mask=(("y", "x"), np.eye(5, 7, dtype=bool)))
    joined = spt.join_scans([one, other], ["left", "right"])
    places = {each.name: each.slices for each in places_of(joined.attrs)}
    for name, cube in (("left", one), ("right", other)):
        np.testing.assert_array_equal(joined.isel(places[name]).values, cube.values)
    assert joined.dtype == np.uint16
    assert joined.isel(places["left"])["mask"].values.sum() == 5
    usable = ~joined["mask"].values
    assert usable.sum() == 5 * 7 - 5 + 4 * 9
    parts = spt.split_scans(joined.to_dataset(name="label").isel(channel=0, drop=True)
                            .assign_attrs(joined.attrs), [one, other])  # fmt: skip
    np.testing.assert_array_equal(parts["right"]["label"].values, other.values[..., 0])


def test_no_window_of_neighbours_reaches_from_one_scan_into_another():
    joined = spt.join_scans([counts((5, 7))[0], counts((6, 7))[0]])
    first, second = places_of(joined.attrs)
    rows, columns = second.y - first.y - first.rows, second.x - first.x - first.columns
    assert max(rows, columns) == GAP
    assert joined["mask"].values.sum() == GAP * min(joined.shape[:2]) or rows < 0


@pytest.mark.parametrize("sizes", [[(3, 90), (4, 80)], [(90, 3), (80, 4)]])
def test_the_layout_is_that_with_fewer_pixels(sizes):
    places = layout(sizes, ["a", "b"])
    height = max(p.y + p.rows for p in places)
    width = max(p.x + p.columns for p in places)
    assert height * width <= 1.1 * max(sum(a * b for a, b in sizes) + 8 * 100, 1)


def test_a_long_scan_and_a_tall_one_make_no_image_of_empty_pixels():
    long, tall = (xr.DataArray(da.zeros(shape, chunks=4000), dims=("y", "x", "channel"))
                  for shape in ((2, 4000, 3), (4000, 2, 3)))  # fmt: skip
    with pytest.raises(ValueError, match=r"4010 x 4000 pixels.* 0.1 %"):
        spt.join_scans([long, tall])
    assert spt.join_scans([long, long]).shape == (2, 8008, 3)


def test_photons_on_other_channels_have_the_noise_of_counts():
    """Sums with weights would not: the noise of a bin of two halves is half that of counts."""
    one, expected = counts((60, 60), channels=60)
    other, _ = counts((60, 60), channels=83, energy=(0.9, 19.1), seed=1)
    joined = spt.join_scans([one, other])
    place = places_of(joined.attrs)[1]
    part = joined.isel(place.slices).values.reshape(-1, 60)
    assert np.array_equal(part, np.rint(part))
    mean, variance = part.mean(0), part.var(0)
    inner = slice(2, -2)
    np.testing.assert_allclose(mean[inner], expected[inner], rtol=0.05)
    np.testing.assert_allclose((variance / mean)[inner], 1, atol=0.15)
    between_channels = np.corrcoef(part[:, 10], part[:, 11])[0, 1]
    assert abs(between_channels) < 0.08
    assert noise_of(joined, part[:10]) == "counts"


def test_missing_counts_on_other_channels_stay_missing_and_no_others():
    one, _ = counts((4, 5))
    other, _ = counts((4, 5), channels=83, energy=(0.9, 19.1), seed=1)
    other = other.astype(np.float32)
    other.values[1, 2, 40] = other.values[3] = np.nan
    joined = spt.join_scans([one, other])
    missing = np.isnan(joined.isel(places_of(joined.attrs)[1].slices).values)
    assert missing[3].all()
    assert 1 <= missing[1, 2].sum() <= 3
    assert not missing[[0, 2]].any()
    assert noise_of(joined, joined.values[0]) == "counts"


def test_only_channels_that_all_scans_cover_are_used(caplog):
    one, other = counts((4, 5), energy=(1.0, 19.0))[0], counts((4, 5), 50, (3.0, 25.0))[0]
    axis = spectral_axis(spt.join_scans([one, other]))
    assert axis.values.min() >= 2.9
    assert axis.values.max() <= 19.1
    assert np.isin(axis.values, spectral_axis(one).values).all()
    assert "covered by all scans" in caplog.text


def test_values_without_counts_are_averaged_and_their_variance_shrinks():
    wave = np.linspace(400, 900, 50)
    one = spt.make_cube(np.full((3, 4, 50), 2.0), wavelength=wave, unit="nm",
                        variance=np.full((3, 4, 50), 0.5))  # fmt: skip
    fine = np.linspace(395, 905, 103)
    other = spt.make_cube(np.full((3, 4, 103), 2.0), wavelength=fine, unit="nm",
                          variance=np.full((3, 4, 103), 0.5))  # fmt: skip
    joined = spt.join_scans([one, other])
    part = joined.isel(places_of(joined.attrs)[1].slices)
    np.testing.assert_allclose(part.values, 2.0, rtol=1e-5)
    variance = part["variance"].values
    assert ((variance > 0.17) & (variance < 0.3)).all()  # of means of two channels and parts


def test_the_same_bits_from_chunks():
    one, other = counts((9, 11))[0], counts((8, 12), channels=71, seed=1)[0]
    whole = spt.join_scans([one, other], response=True, seed=3)
    chunked = [each.chunk({"y": 4, "x": 5, "channel": 20}) for each in (one, other)]
    lazy = spt.join_scans(chunked, response=True, seed=3)
    assert isinstance(lazy.data, da.Array)
    np.testing.assert_array_equal(lazy.values, whole.values)
    np.testing.assert_array_equal(lazy["mask"].values, whole["mask"].values)
    again = spt.join_scans([one, other], response=True, seed=4)
    assert not np.array_equal(again.values, whole.values)


def test_responses_are_made_equal_by_leaving_out_photons():
    def filtered(grid):
        return np.exp(-((8 / grid) ** 1.0) / 4)

    one, _ = counts((40, 40), mean=900)
    other, _ = counts((40, 40), mean=900, seed=1, response=filtered)

    def difference(cube):
        shapes = []
        for place in places_of(cube.attrs):
            mean = cube.isel(place.slices).values.reshape(-1, 60).mean(0)
            shapes.append(mean / mean.sum())
        return np.abs(np.diff(shapes, axis=0)).sum()

    before = difference(spt.join_scans([one, other]))
    joined = spt.join_scans([one, other], response=True)
    assert difference(joined) < 0.35 * before
    part = joined.isel(places_of(joined.attrs)[0].slices).values.reshape(-1, 60)
    np.testing.assert_allclose(part.var(0).sum() / part.mean(0).sum(), 1, atol=0.05)


def test_bad_channels_of_one_scan_are_bad_for_all():
    one, other = counts((4, 5))[0], counts((4, 5), channels=83)[0]
    bad = np.zeros(83, bool)
    bad[40] = True
    other = other.assign_coords(bad_channel=("channel", bad))
    joined = spt.join_scans([one, other])
    at = spectral_axis(joined).values[joined["bad_channel"].values]
    assert 1 <= len(at) <= 3
    assert np.abs(at - spectral_axis(other).values[40]).max() < 0.5


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (
            spt.make_cube(np.ones((3, 4, 5)), wavelength=(400, 500), unit="nm"),
            "axes of one kind|noise",
        ),
        (spt.make_cube(np.ones((3, 4, 5))), "axes of one kind|noise"),
        (counts((3, 4), energy=(30.0, 40.0))[0], "no channels in common"),
        (counts((3, 4))[0].astype(float) * 1.5, "different noise"),
    ],
)
def test_scans_that_do_not_go_together_are_refused_in_words(other, words):
    with pytest.raises(ValueError, match=words):
        spt.join_scans([counts((3, 4))[0], other])


def test_values_of_two_units_are_refused_and_a_missing_unit_is_not():
    def flux(**attrs):
        return spt.make_cube(np.full((3, 4, 9), 2.5), wavelength=(400, 500), unit="nm", attrs=attrs)

    with pytest.raises(ValueError, match=r"unit differs .scan-1: Jy, scan-2: mJy"):
        spt.join_scans([flux(unit="Jy"), flux(unit="mJy")])
    assert spt.join_scans([flux(unit="Jy"), flux()]).shape[2] == 9


def test_one_cube_wrong_names_and_other_cubes_are_refused():
    one = counts((3, 4))[0]
    for given in (one, [one], []):
        with pytest.raises(ValueError, match="takes a list of 2"):
            spt.join_scans(given)
    with pytest.raises(ValueError, match="all different"):
        spt.join_scans([one, one], ["a", "a"])
    joined = spt.join_scans([one, one], ["a", "b"])
    label = xr.Dataset({"label": (("y", "x"), np.ones(joined.shape[:2], int))}, attrs=joined.attrs)
    with pytest.raises(ValueError, match="got 1 cubes"):
        spt.split_scans(label, [one])
    with pytest.raises(ValueError, match="3 x 4 pixels"):
        spt.split_scans(label, [one, counts((4, 4))[0]])
    with pytest.raises(ValueError, match="one scan"):
        spt.split_scans(label.drop_attrs())
    with pytest.raises(ValueError, match="not wholly in the image"):
        spt.split_scans(label.isel(y=slice(1), x=slice(1)))


@pytest.mark.parametrize(
    "text", ["{", "[1]", '[{"name": "a", "y": -1, "x": 0, "rows": 1, "columns": 1}]', "[" * 9999,
             json.dumps([{}] * 1001)],
)  # fmt: skip
def test_a_damaged_attribute_is_refused_in_words(text):
    with pytest.raises(ValueError, match="does not say where the scans are"):
        places_of({"scans": text})


def test_names_of_scans_are_safe_and_different():
    names = scan_names(["../a/s.h5", "b/S.h5", "\x1b[31m.h5", "..", "x y.fits.gz"])
    assert names == ("s", "S-2", "31m", "scan", "x_y")


def test_names_of_scans_that_begin_alike_stay_different():
    """A name was cut after it was made different: one scan was lost."""
    one, long = counts((2, 3))[0], f"{'a' * 80}.h5"
    joined = spt.join_scans([one, one, one], scan_names([long, f"b/{long}", f"c/{long}"]))
    assert len(spt.split_scans(joined.to_dataset(name="values").assign_attrs(joined.attrs))) == 3


@pytest.mark.parametrize("name", ["", "  ", "a" * 65, "red\x1b[31m", "two\nlines", 3, None])
def test_a_name_that_cannot_be_shown_is_refused(name):
    one = counts((2, 3))[0]
    with pytest.raises((TypeError, ValueError), match="the name of a scan"):
        spt.join_scans([one, one], [name, "other"])


def test_shares_are_those_of_each_scan():
    one = counts((3, 4))[0]
    joined = spt.join_scans([one, one], ["a", "b"])
    label = np.zeros(joined.shape[:2], int)
    first, second = places_of(joined.attrs)
    label[first.slices["y"], first.slices["x"]] = 1
    label[second.slices["y"], second.slices["x"]] = [[1, 2, 2, 2]] * 3
    result = xr.Dataset({"label": (("y", "x"), label)}, {"cluster": [1, 2]}, joined.attrs)
    rows = shares_of(result)
    assert [row["shares"] for row in rows] == [[1, 0], [0.25, 0.75]]
    assert between(joined.attrs, label.shape).sum() == label.size - 24
