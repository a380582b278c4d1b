"""The redshift and the continuum that a model of lines at rest sees a cube in."""

import numpy as np
import pytest

import spectessera as spt
from linecases import WIDE
from spectessera.axis import Axis, air_wavelengths
from spectessera.cube import spectral_axis, with_axis
from spectessera.optical.linetable import vacuum_wavelengths
from spectessera.preprocess.frame import (
    REST,
    SUBTRACTED,
    Expects,
    Frame,
    at_rest,
    per_channel,
    without_continuum,
)
from spectessera.preprocess.intake import intake_of
from spectessera.preprocess.recipe import Preprocess
from spectessera.segmenter.frame import frame_of
from spectessera.synth.nebulae.galaxy import rotating_galaxy

LINES = Expects(REST, SUBTRACTED, fastest=400.0, least=0.12)


@pytest.fixture(scope="module")
def galaxy():
    """A galaxy at redshift 0.03 that rotates with 250 km/s, with stars."""
    return rotating_galaxy((12, 15), redshift=0.03, axis=WIDE, seed=4)[0]


@pytest.fixture(scope="module")
def found(galaxy):
    return frame_of(galaxy, LINES)


def test_redshift_and_continuum_of_a_rotating_galaxy_are_found(found):
    assert abs(found.redshift - 0.03) < 1e-4
    assert found.continuum
    assert not found.warning
    assert found.words.startswith("redshift 0.03")
    assert "a running median is subtracted" in found.words


def test_the_frame_does_not_depend_on_chunks_or_on_the_medium(galaxy, found):
    assert frame_of(galaxy.chunk({"y": 5, "x": 4}), LINES) == found
    axis = spectral_axis(galaxy)
    vacuum = Axis(vacuum_wavelengths(axis.values), "angstrom", medium="vacuum")
    assert abs(frame_of(with_axis(galaxy, vacuum), LINES).redshift - found.redshift) < 1e-6


def test_what_is_given_overrides_what_would_be_found(galaxy):
    given = frame_of(galaxy, LINES, redshift=0.5, continuum="none")
    assert (given.redshift, given.continuum, given.given) == (0.5, False, True)


def test_noise_has_no_redshift_and_the_answer_says_what_to_give():
    noise = np.random.default_rng(0).standard_normal((12, 15, len(WIDE))).astype(np.float32)
    cube = spt.make_cube(noise, axis=WIDE, variance=np.ones_like(noise))
    nothing = frame_of(cube, LINES)
    assert (nothing.redshift, nothing.continuum) == (0.0, False)
    assert nothing.warning == "W-MODEL-NO-REDSHIFT"
    assert "not found in 180 spectra" in nothing.words


def test_a_model_of_measured_spectra_refuses_a_redshift(galaxy):
    assert frame_of(galaxy, Expects()) == Frame()
    with pytest.raises(ValueError, match="redshift is for models of lines at rest"):
        frame_of(galaxy, Expects(), redshift=0.1)


@pytest.mark.parametrize("medium", ["air", "vacuum"])
def test_wavelengths_at_rest_are_in_air_and_the_redshift_is_one_of_vacuum(medium):
    alpha = vacuum_wavelengths(np.array([6562.82])) * 1.3
    observed = alpha if medium == "vacuum" else air_wavelengths(alpha)
    rest = at_rest(Axis(observed / 10, "nm", medium=medium), 0.3, "air")
    np.testing.assert_allclose(rest.values, 6562.82, atol=1e-5)


def test_the_same_line_has_the_same_inputs_on_any_axis():
    """On even channels, on logarithmic ones, in a density per frequency; noise is carried along."""
    wanted = Axis(np.geomspace(4700, 5300, 60), "angstrom", medium="air")
    inputs = []
    for values, unit in (
        (np.arange(4650.0, 5350.0, 1.0), "erg/s/cm2/A"),
        (np.geomspace(4650.0, 5350.0, 900), "erg/s/cm2/A"),
        (np.geomspace(4650.0, 5350.0, 900), "MJy/sr"),
    ):
        density = np.exp(-0.5 * ((values - 4861.0) / 9) ** 2)
        density += np.exp(-0.5 * ((values - 5200.0) / 9) ** 2)
        density *= (values / 5000.0) ** 2 if "Jy" in unit else 1.0
        cube = spt.make_cube(
            np.broadcast_to(density, (2, 2, len(values))).astype(np.float32),
            axis=Axis(values, "angstrom", medium="air"), attrs={"unit": unit},
        )  # fmt: skip
        intake = intake_of(cube, Preprocess(normalise="l2"), wanted, expects=LINES)
        inputs.append(intake.apply(cube.values[0]).values[0])
        noisy = intake.apply(cube.values[0], np.ones_like(cube.values[0])).variance[0]
        assert (noisy[:-1] > 0).all()
    np.testing.assert_allclose(inputs[1], inputs[0], atol=0.01)
    np.testing.assert_allclose(inputs[2], inputs[0], atol=0.01)


def test_factors_of_even_channels_are_none():
    assert per_channel(Axis(np.arange(5.0) + 5000, "angstrom"), "counts") is None


def test_a_slope_is_subtracted_and_a_line_on_it_is_not():
    at = np.arange(300.0)
    line = 50 * np.exp(-0.5 * ((at - 150) / 3) ** 2)
    spectra = (10 + 0.05 * at + line)[None].astype(np.float32)
    left = without_continuum(spectra, [slice(20, 280)], 41)
    np.testing.assert_allclose(left[0, 20:280], line[20:280], atol=1.0)
    assert np.array_equal(left[0, :20], spectra[0, :20])  # outside of what is covered


SEGMENTED = ("label", "confidence", "novelty", "integrated_latent")


@pytest.fixture(scope="module")
def small(galaxy, found):
    """Return what segments a part of the galaxy, and its result in memory."""
    model, part = spt.load("nebulae"), galaxy.isel(y=slice(3, 9), x=slice(4, 11))
    model.set_params(clusters=spt.Clusters(2, 2))

    def segmented(**chunks):
        cube = part.chunk(**chunks) if chunks else part
        return spt.segment(cube, model, 2, neighbours=0, redshift=found, means=False)

    return segmented, segmented()


def test_a_result_says_redshift_and_continuum_and_is_the_same_in_chunks(small, found):
    segmented, result = small
    assert result.attrs["redshift"] == found.redshift
    assert (result.attrs["continuum"], result.attrs["redshift_given"]) == ("median", 0)
    assert result.attrs["frame"] == found.words
    again = segmented(y=4, x=3)
    for name in SEGMENTED:
        assert np.array_equal(result[name], again[name]), name


def test_workers_of_a_cluster_find_the_same_redshift_and_labels(galaxy, found, small, client):
    segmented, result = small
    assert frame_of(galaxy.chunk(y=5, x=4), LINES) == found
    shared = segmented(y=4, x=3)
    for name in SEGMENTED:
        assert np.array_equal(result[name], shared[name]), name
