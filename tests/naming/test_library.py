"""Spectra that are mixtures of nothing are named by a library that has them, and not without."""

import numpy as np
import pytest
import xarray as xr

import spectessera as spt
from spectessera.axis import Axis
from spectessera.naming import name_clusters
from spectessera.naming.library import candidate_of, match_library, on_axis

SHIFT = Axis(np.linspace(200, 1800, 300), "cm-1")
FINE = np.linspace(150, 1850, 1200)
PLACES = {"quartz": (206, 464), "calcite": (282, 712, 1086), "gypsum": (414, 1008, 1135)}


def raman(name, axis):
    return sum(1 / (1 + ((axis - at) / 8) ** 2) for at in PLACES[name])


def library(names=tuple(PLACES), unit="cm-1", axis=FINE, kind=""):
    spectra = np.array([raman(name, FINE) for name in names])
    data = {
        "spectrum": (("name", "channel"), spectra),
        "position": (("name", "channel"), np.broadcast_to(axis, spectra.shape)),
    }
    return xr.Dataset(data, {"name": list(names)}, {"unit": unit, "axis_kind": kind})


def measured(name, noise=0.05, seed=0):
    """Return the mean of a cluster on fluorescence, and its error."""
    light = 5 * np.exp(-(((SHIFT.values - 400) / 900) ** 2))
    values = raman(name, SHIFT.values) + light
    values += np.random.default_rng(seed).normal(0, noise, 300)
    return 40 * values, np.full(300, 40 * noise)


@pytest.mark.parametrize("name", PLACES)
def test_a_mineral_on_fluorescence_is_named(name):
    found = match_library(*measured(name), on_axis(library(), SHIFT))
    assert candidate_of(found).name == name
    assert found[0].angle < 0.1


def test_nothing_is_named_that_the_library_has_not():
    spectra = on_axis(library(("quartz", "gypsum")), SHIFT)
    found = match_library(*measured("calcite"), spectra)
    assert candidate_of(found) is None
    assert not any(each.fits for each in found)


def test_noise_has_no_name():
    rng = np.random.default_rng(0)
    spectra = on_axis(library(), SHIFT)
    for _ in range(20):
        mean = 100 + rng.normal(0, 1, 300)
        assert candidate_of(match_library(mean, np.ones(300), spectra)) is None


def test_spectra_that_the_noise_does_not_tell_apart_are_both_named():
    both = library(("quartz", "calcite"))
    twin = both["spectrum"].copy(data=both["spectrum"].values)
    twin[1] = twin[0] + 0.02 / (1 + ((FINE - 900) / 8) ** 2)
    spectra = on_axis(both.assign(spectrum=twin), SHIFT)
    assert (
        candidate_of(match_library(*measured("quartz", 0.1), spectra)).name == "quartz or calcite"
    )
    assert candidate_of(match_library(*measured("quartz", 0.001), spectra)).name == "quartz"


def test_units_are_converted():
    axis = Axis(np.linspace(400, 2400, 80), "nm")
    shape = 0.4 + 0.2 * np.sin(np.linspace(400, 2400, 80) / 150)
    fine = np.linspace(380, 2450, 900)
    values = (0.4 + 0.2 * np.sin(fine / 150))[None]
    for unit, position in (("um", fine / 1e3), ("angstrom", fine * 10), ("cm-1", 1e7 / fine),
                           ("eV", 1239.841984 / fine)):  # fmt: skip
        data = {"spectrum": (("name", "channel"), values),
                "position": (("name", "channel"), position[None])}  # fmt: skip
        given = xr.Dataset(data, {"name": ["ochre"]}, {"unit": unit, "axis_kind": ""})
        (match,) = match_library(2 * shape, np.full(80, 0.01), on_axis(given, axis))
        assert match.fits, unit
        assert match.angle < 0.02, unit


def test_positions_that_two_detectors_share_are_no_error():
    twice = np.sort(np.concatenate([FINE[:-3], FINE[100:103]]))
    assert on_axis(library(axis=twice), SHIFT).names == list(PLACES)


def test_a_library_of_another_range_or_unit_is_refused():
    with pytest.raises(ValueError, match=r"covers 50 % of the channels .* from 200 to 1800 cm-1"):
        on_axis(library(axis=FINE + 3000), SHIFT)
    with pytest.raises(ValueError, match="cannot be converted"):
        on_axis(library(unit="eV", kind="energy_loss", axis=FINE), SHIFT)


def test_deleted_channels_are_left_out():
    with_gap = library()
    with_gap["spectrum"].values[:, 400:500] = np.nan
    spectra = on_axis(with_gap, SHIFT)
    missing = np.isnan(spectra.spectra[0])
    assert 20 < missing.sum() < 30
    assert candidate_of(match_library(*measured("gypsum"), spectra)).name == "gypsum"


def test_clusters_of_a_result_are_named_by_a_library():
    rng = np.random.default_rng(0)
    label = np.repeat([0, 1], 60).reshape(10, 12)
    pure = np.stack([raman(name, SHIFT.values) for name in ("quartz", "calcite")])
    cube = spt.make_cube(100 + 50 * pure[label] + rng.normal(0, 3, (10, 12, 300)), axis=SHIFT)
    result = spt.baselines.cluster_cube(cube, "pca", clusters=spt.Clusters(2, 2))
    namings = name_clusters(result, library=library())
    assert {each.candidates[0].name for each in namings} == {"quartz", "calcite"}
    assert {round(each.bands[-1].position, -1) for each in namings} == {460, 1090}
