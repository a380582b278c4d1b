"""Maps of bands: sums of channels, above a line or not, with errors."""

import numpy as np
import pytest
import xarray as xr

import spectessera as spt
from spectessera.maps import bands

SHIFT = np.arange(900.0, 1100.0, 2.0)  # cm-1


def raman(noise=0.0, **how):
    """Return a cube with a Gaussian band on slanting fluorescence, and the area of the band."""
    area = np.arange(1.0, 31.0).reshape(5, 6) * 10
    band = np.exp(-0.5 * ((SHIFT - 1000) / 6) ** 2)
    slope = 50 + 0.2 * (SHIFT - 900)
    values = area[..., None] * band / band.sum() + slope * np.linspace(1, 3, 6)[:, None]
    values = values + np.random.default_rng(0).normal(0, 1, values.shape) * noise
    return spt.make_cube(values, axis=SHIFT, unit="cm-1", **how), area


def test_a_band_is_the_sum_of_its_channels_and_both_ends_are_included():
    cube, _ = raman()
    maps = bands(cube, [(980, 1020), (1090.0, 1002.0)])
    assert maps["band"].values.tolist() == ["980 to 1020 cm-1", "1002 to 1090 cm-1"]
    inside = (SHIFT >= 980) & (SHIFT <= 1020)
    np.testing.assert_allclose(maps["band_sum"][0], cube.values[..., inside].sum(-1), rtol=1e-6)
    assert "band_sum_error" not in maps  # the noise is not known
    assert maps.attrs["content"] == "band maps"


def test_above_a_line_is_the_area_of_the_band_whatever_the_fluorescence():
    cube, area = raman()
    maps = bands(cube, [(960, 1040)], baseline=True)
    np.testing.assert_allclose(maps["band_sum"][0], area, rtol=1e-4)
    falling = cube.isel(channel=slice(None, None, -1))
    again = bands(falling, [(960, 1040)], baseline=True)
    np.testing.assert_allclose(again["band_sum"], maps["band_sum"], rtol=1e-5)


@pytest.mark.parametrize("baseline", [False, True])
def test_errors_are_those_of_the_variance(baseline):
    flat = np.random.default_rng(1).normal(20, 2, (60, 70, len(SHIFT)))
    cube = spt.make_cube(
        flat, axis=SHIFT, unit="cm-1", variance=np.full(flat.shape, 4.0, np.float32)
    )
    maps = bands(cube, [(960, 1040)], baseline=baseline)
    assert maps["band_sum"].values.std() == pytest.approx(
        float(maps["band_sum_error"].mean()), rel=0.05
    )


def test_errors_of_counts_are_those_of_poisson():
    counts = np.random.default_rng(2).poisson(3, (50, 60, 80)).astype(np.uint16)
    maps = bands(spt.make_cube(counts, energy=(1.0, 20.0)), [(5.0, 9.0)])
    np.testing.assert_allclose(maps["band_sum_error"] ** 2, maps["band_sum"], rtol=1e-5)


def test_bad_channels_and_masked_pixels_are_left_out():
    cube, area = raman()
    bad = np.zeros(len(SHIFT), bool)
    bad[[40, 70]] = True
    values = cube.values.copy()
    values[..., bad] = 1e6
    mask = np.zeros((5, 6), bool)
    mask[1, 2] = True
    marked = spt.make_cube(values, axis=SHIFT, unit="cm-1", bad_channel=bad, mask=mask)
    found = bands(marked, [(960, 1040)], baseline=True)["band_sum"].values[0]
    assert np.isnan(found[1, 2])
    np.testing.assert_allclose(found[~mask], area[~mask], rtol=1e-2)


def test_chunks_have_the_same_bits():
    cube, _ = raman(noise=1.0)
    whole = bands(cube, [(950, 1050)], baseline=True)
    parts = bands(cube.chunk({"y": 2, "x": 5, "channel": -1}), [(950, 1050)], baseline=True)
    xr.testing.assert_identical(whole, parts)


def test_what_is_no_band_is_refused():
    cube, _ = raman()
    for wrong in ([], [(1000, 1000)], [(np.nan, 3)]):
        with pytest.raises(ValueError, match="band"):
            bands(cube, wrong)
    with pytest.raises(ValueError, match=r"holds 0 channels .* from 900 to 1098 cm-1"):
        bands(cube, [(1, 2)])
    with pytest.raises(ValueError, match=r"holds 3 channels .* needs 4"):
        bands(cube, [(1000, 1005)], baseline=True)
    assert bands(cube, [(1000, 1005)])["band_sum"].shape == (1, 5, 6)
