"""Abundances of end spectra, of known mixtures."""

import json

import numpy as np
import pytest
import xarray as xr

import spectessera as spt
from mixturecases import CHANNELS, NOISES, SHAPE, mixed, spectra
from spectessera.maps import NothingToMap, abundances


@pytest.fixture(scope="module", params=NOISES)
def case(request):
    """Known mixtures, and the maps of them."""
    made = mixed(request.param)
    return made, abundances(made.cube, made.result)


def test_abundances_are_those_of_the_mixtures_and_sum_to_one(case):
    made, maps = case
    found = maps.abundance.values
    labels = np.eye(3)[made.result.label.values - 1].transpose(2, 0, 1)
    assert np.abs(found - made.share).mean() < 0.5 * np.abs(labels - made.share).mean()
    np.testing.assert_allclose(found.sum(axis=0), 1, atol=1e-5)
    assert found.min() >= 0


def test_errors_are_the_size_of_the_deviations(case):
    made, maps = case
    some = (maps.abundance.values > 0.1) & (maps.abundance.values < 0.9)
    pull = ((maps.abundance.values - made.share) / maps.abundance_error.values)[some]
    assert 0.8 < 1.4826 * np.median(np.abs(pull - np.median(pull))) < 1.25
    assert abs(np.median(pull)) < 0.5


def test_end_spectra_are_purer_than_the_mean_spectra(case):
    made, maps = case
    label = made.result.label.values
    shapes = maps.end_spectrum.values
    for number, truth in enumerate(made.ends):
        mean = made.cube.values[label == number + 1].mean(axis=0)
        away = [np.abs(each / each.mean() - truth).mean() for each in (shapes[number], mean)]
        assert away[0] < 0.7 * away[1]


def test_only_what_is_beyond_its_errors_is_called_a_mixture(case):
    made, maps = case
    second = np.sort(made.share, axis=0)[-2]
    called = maps.components.values > 1
    assert called[second == 0].mean() < 0.03
    assert called[second > 0.3].mean() > 0.9
    assert maps.attrs["mixtures"] == called.sum()
    assert sum(json.loads(maps.attrs["pairs"]).values()) == called.sum()


def test_what_is_left_over_is_noise(case):
    _, maps = case
    expected = np.sqrt(8.0) if maps.attrs["noise"] == "residual" else 1.0
    assert maps.residual.values.mean() == pytest.approx(expected, rel=0.05)


@pytest.mark.parametrize("noise", NOISES)
def test_chunks_change_no_bit(noise):
    made = mixed(noise)
    expected = abundances(made.cube, made.result)
    again = abundances(made.cube.chunk({"y": 7, "x": 10}), made.result.chunk({"y": 5}))
    xr.testing.assert_identical(again, expected)


def test_workers_change_no_bit(client):
    made = mixed("counts")
    cube = made.cube.chunk({"y": 13})
    found = abundances(cube, made.result)
    with_threads = abundances(made.cube, made.result)
    xr.testing.assert_identical(found, with_threads)


def test_a_cluster_of_mixtures_has_no_end_spectrum():
    """Half of one and half of the other is no third material, however many pixels have it."""
    generator = np.random.default_rng(1)
    ends, share = spectra(2), np.ones(SHAPE)
    share[:, 11:22], share[:, 22:] = 0.5, 0.0
    rates = 20 * (share[..., None] * ends[0] + (1 - share[..., None]) * ends[1])
    cube = spt.make_cube(generator.poisson(rates).astype(np.uint16), energy=(1.0, 20.0))
    label = np.repeat([1, 2, 3], 11)[None].repeat(SHAPE[0], axis=0).astype(np.int32)
    maps = abundances(cube, xr.Dataset({"label": (("y", "x"), label)}))
    assert maps.cluster.values.tolist() == [1, 3]
    np.testing.assert_allclose(maps.composition.sel(label=2), [0.5, 0.5], atol=0.03)
    assert list(json.loads(maps.attrs["mixed_clusters"])) == ["2"]
    assert list(json.loads(maps.attrs["pairs"])) == ["1 and 3"]


def test_where_there_is_nothing_the_rest_is_the_dark_cluster():
    generator = np.random.default_rng(2)
    ends, share = spectra(2), np.zeros((*SHAPE, 2))
    share[:, 5:15, 0], share[:, 15:25, 1] = 1, 1
    values = 3 * share @ ends + generator.normal(size=(*SHAPE, CHANNELS))
    cube = spt.make_cube(values, wavelength=(4000, 9000), variance=np.ones_like(values))
    label = np.where(share[..., 0] > 0, 1, np.where(share[..., 1] > 0, 2, 3)).astype(np.int32)
    maps = abundances(cube, xr.Dataset({"label": (("y", "x"), label)}))
    assert maps.cluster.values.tolist() == [1, 2, 3]
    assert (maps.composition.sel(label=3, cluster=3) > 0.9).all()
    assert (maps.composition.sel(label=1, cluster=1) > 0.9).all()
    assert np.abs(maps.end_spectrum.sel(cluster=3)).max() == 0


def test_masked_pixels_and_bad_channels_have_no_numbers():
    made = mixed("counts")
    values = made.cube.values.astype(np.float32)
    values[2, 3, 10] = np.nan  # interpolated
    values[4, 5, :60] = np.nan
    values[..., 7] = 1000
    bad, mask = np.arange(CHANNELS) == 7, np.zeros(SHAPE, bool)
    mask[1, 1] = True
    cube = spt.make_cube(values, energy=(1.0, 20.0), bad_channel=bad, mask=mask,
                         attrs={"noise": "counts"})  # fmt: skip
    label = made.result.label.values.copy()
    label[0, 0] = 0
    maps = abundances(cube, xr.Dataset({"label": (("y", "x"), label)}))
    none = np.isnan(maps.abundance.values[0])
    assert set(zip(*np.nonzero(none), strict=True)) == {(0, 0), (1, 1), (4, 5)}
    assert (maps.components.values[none] == 0).all()
    assert np.isnan(maps.end_spectrum.values[:, 7]).all()
    assert np.isfinite(maps.end_spectrum.values[:, ~bad]).all()
    expected = abundances(made.cube, made.result).abundance.values
    assert np.abs(maps.abundance.values - expected)[:, ~none].mean() < 0.01


def test_errors_say_what_to_do():
    made = mixed("counts")
    with pytest.raises(ValueError, match="give the cube that was segmented"):
        abundances(made.cube[:5], made.result)
    one = made.result.assign(label=made.result.label.clip(max=1))
    with pytest.raises(NothingToMap, match="there is one cluster, and a map of mix"):
        abundances(made.cube, one)
    none = made.result.assign(label=made.result.label * 0)
    with pytest.raises(NothingToMap, match="no pixel has a cluster"):
        abundances(made.cube, none)
    mean = xr.DataArray(np.ones((3, CHANNELS)), dims=("cluster", "channel"))
    other = made.result.assign(mean_spectrum=mean)
    with pytest.raises(ValueError, match="read in the same way"):
        abundances(made.cube, other)
    with pytest.raises(TypeError, match="a cube is an"):
        abundances(made.cube.values, made.result)


def test_clusters_of_one_spectrum_in_several_strengths_are_no_mixtures():
    generator = np.random.default_rng(3)
    strength = np.where(np.arange(SHAPE[1]) < 16, 30.0, 8.0)[None, :, None]
    counts = generator.poisson(strength * np.ones((*SHAPE, 1)) * spectra(1)[0])
    label = np.where(strength[..., 0] > 10, 1, 2).repeat(SHAPE[0], axis=0).astype(np.int32)
    cube = spt.make_cube(counts.astype(np.uint16), energy=(1.0, 20.0))
    with pytest.raises(NothingToMap, match="no more than their brightness"):
        abundances(cube, xr.Dataset({"label": (("y", "x"), label)}))
