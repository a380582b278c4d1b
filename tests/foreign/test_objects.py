"""Cubes of astropy, NDCube, specutils, spectral-cube and HyperSpy become cubes.

The packages themselves are not needed: objects with the same attributes stand in for them. astropy
is there.
"""

from types import SimpleNamespace

import dask.array as da
import numpy as np
import pytest
from astropy import units as u
from astropy.io import fits
from astropy.nddata import (
    InverseVariance,
    NDData,
    StdDevUncertainty,
    UnknownUncertainty,
    VarianceUncertainty,
)
from astropy.utils.masked import Masked
from astropy.wcs import WCS

from spectessera import SpectralSegmenter, make_cube
from spectessera.axis import Axis
from spectessera.cube import spectral_axis

SHAPE = (3, 5, 8)  # y, x, channel


def values():
    """Return values that show a wrong order of axes at once."""
    y, x, c = np.ogrid[: SHAPE[0], : SHAPE[1], : SHAPE[2]]
    return 1.0 + 1000 * y + 30 * x + c


def world(types=("RA---TAN", "DEC--TAN", "AWAV"), sizes=(5, 3, 8)):
    """Return world coordinates of FITS axes of these types, wavelengths from 400 nm on."""
    header = fits.Header()
    for n, (ctype, size) in enumerate(zip(types, sizes, strict=True), 1):
        spectral = ctype[:4] in ("AWAV", "WAVE", "VRAD")
        header.update({
            "NAXIS": 3, f"NAXIS{n}": size, f"CTYPE{n}": ctype, f"CRPIX{n}": 1.0,
            f"CRVAL{n}": 4e-7 if spectral else 10.0, f"CDELT{n}": 1e-8 if spectral else 1e-4,
            f"CUNIT{n}": "m/s" if ctype == "VRAD" else "m" if spectral else "deg",
        })  # fmt: skip
    return WCS(header)


def test_the_units_of_quantities_are_kept():
    cube = make_cube(values() * u.Jy, wavelength=np.linspace(400, 470, 8) * u.nm)
    np.testing.assert_array_equal(cube, values())
    assert cube.attrs["unit"] == "Jy"
    assert spectral_axis(cube) == Axis(np.linspace(400, 470, 8), "nm")


@pytest.mark.parametrize(
    ("quantity", "unit", "first"),
    [
        ((1000 * u.eV, 8 * u.keV), "eV", 1000),
        (np.arange(1, 9) * 1e-16 * u.J, "keV", 0.6241509),
        (np.arange(1, 9) * 100 * u.pm, "angstrom", 1),
        (np.arange(1, 9) / u.cm, "cm-1", 1),
        (np.arange(1, 9) * u.km / u.s, "km/s", 1),
    ],
)
def test_the_axis_may_be_a_quantity_in_any_unit(quantity, unit, first):
    axis = spectral_axis(make_cube(values(), axis=quantity))
    assert axis.unit == unit
    np.testing.assert_allclose(axis.values[0], first)


def test_a_quantity_is_brought_into_the_unit_that_is_asked_for():
    axis = spectral_axis(make_cube(values(), energy=(1 * u.keV, 8 * u.keV), unit="eV"))
    np.testing.assert_allclose(axis.values, np.linspace(1000, 8000, 8))
    with pytest.raises(ValueError, match="not a unit of a spectral axis"):
        make_cube(values(), axis=np.arange(1, 9) * u.kg)
    with pytest.raises(ValueError, match="not a unit of energy"):
        make_cube(values(), energy=np.arange(1, 9) * u.nm)


def test_a_variance_is_brought_into_the_square_of_the_unit_of_the_values():
    cube = make_cube(values() * u.mJy, variance=np.full(SHAPE, 4e-6) * u.Jy**2)
    np.testing.assert_allclose(cube["variance"], 4.0)


@pytest.mark.parametrize(
    ("kind", "noise"),
    [(StdDevUncertainty, 2.0), (VarianceUncertainty, 4.0), (InverseVariance, 0.25)],
)
def test_an_ndcube_has_channels_first_noise_of_three_kinds_and_a_mask(kind, noise):
    stored = values().transpose(2, 0, 1)
    mask = np.zeros(stored.shape, bool)
    mask[:, 1, 2] = True  # a whole pixel
    mask[4, 0, 0] = True  # one value
    cube = make_cube(
        NDData(
            stored,
            wcs=world(),
            unit="Jy",
            mask=mask,
            uncertainty=kind(np.full(stored.shape, noise)),
        )
    )
    wanted = values()
    wanted[1, 2] = wanted[0, 0, 4] = np.nan
    np.testing.assert_array_equal(cube, wanted)
    assert (cube["variance"].values == 4).all()
    assert np.argwhere(cube["mask"].values).tolist() == [[1, 2]]
    axis = spectral_axis(cube)
    np.testing.assert_allclose(axis.values, np.linspace(4000, 4700, 8))
    assert (axis.unit, axis.medium) == ("angstrom", "air")
    assert cube.attrs["unit"] == "Jy"
    sky = WCS(fits.Header.fromstring(cube.attrs["wcs"], sep="\n"))
    assert list(sky.wcs.ctype) == ["RA---TAN", "DEC--TAN"]


def test_no_noise_is_no_value():
    noise = np.full((8, 3, 5), 2.0)
    noise[0, 1, 2], noise[1, 1, 2] = 0, np.inf
    cube = make_cube(
        NDData(values().transpose(2, 0, 1), wcs=world(), uncertainty=StdDevUncertainty(noise))
    )
    assert np.argwhere(np.isnan(cube.values)).tolist() == [[1, 2, 0], [1, 2, 1]]


def test_an_uncertainty_of_unknown_type_is_not_used_and_stated():
    stored = values().transpose(2, 0, 1)
    cube = make_cube(NDData(stored, wcs=world(), uncertainty=UnknownUncertainty(stored)))
    assert "variance" not in cube.coords
    assert "uncertainty" in cube.attrs["reading_notes"]


def test_an_nddata_without_world_coordinates_is_read_by_position_which_is_stated():
    cube = make_cube(NDData(values()))
    np.testing.assert_array_equal(cube, values())
    assert "taken as the spectrum" in cube.attrs["reading_notes"]


def spectrum(flux, wcs=None, index=None, **kwargs):
    """Return what a Spectrum of specutils looks like."""
    axis = np.linspace(400, 470, 8) * u.nm
    own = {} if index is None else {"spectral_axis_index": index}
    given = {"uncertainty": None, "mask": None, **own, **kwargs}
    return SimpleNamespace(flux=flux * u.Jy, spectral_axis=axis, wcs=wcs, **given)


def test_a_spectrum_has_its_spectral_axis_where_it_says():
    for thing in (
        spectrum(values().transpose(2, 0, 1), index=0),
        spectrum(values(), index=2),
        spectrum(values()),  # before version 2
    ):
        cube = make_cube(thing)
        np.testing.assert_array_equal(cube, values())
        assert spectral_axis(cube) == Axis(np.linspace(400, 470, 8), "nm")
        assert "y, then x" in cube.attrs["reading_notes"]


def test_a_spectrum_whose_axes_were_swapped_is_put_right_by_its_sky_coordinates():
    """move_spectral_axis="last" exchanges the first and the last axis: (x, y, channel)."""
    wcs = world(("WAVE", "DEC--TAN", "RA---TAN"), (8, 3, 5))
    cube = make_cube(spectrum(values().transpose(1, 0, 2), wcs, 2, mask=np.zeros((5, 3, 8), int)))
    np.testing.assert_array_equal(cube, values())
    assert "reading_notes" not in cube.attrs
    assert spectral_axis(cube).medium == "vacuum"
    sky = WCS(fits.Header.fromstring(cube.attrs["wcs"], sep="\n"))
    assert list(sky.wcs.ctype) == ["RA---TAN", "DEC--TAN"]


def test_a_spectrum_of_fewer_axes_is_no_cube():
    for thing in (spectrum(values()[0]), NDData(values()[0]), values()[0] * u.Jy):
        with pytest.raises(ValueError, match=r"3 axes.*\(5, 8\)"):
            make_cube(thing)


def test_a_spectral_cube_has_channels_first():
    stored = values().transpose(2, 0, 1)
    stored[2, 1, 4] = np.nan
    thing = SimpleNamespace(
        filled_data=stored * u.K, spectral_axis=np.linspace(-10, 10, 8) * 1000 * u.m / u.s,
        wcs=world(("RA---TAN", "DEC--TAN", "VRAD")), unit=u.K, mask=None,
    )  # fmt: skip
    cube = make_cube(thing)
    np.testing.assert_array_equal(cube, stored.transpose(1, 2, 0))
    axis = spectral_axis(cube)
    assert axis.unit == "km/s"
    np.testing.assert_allclose(axis.values, np.linspace(-10, 10, 8))
    assert cube.attrs["unit"] == "K"
    assert "DEC--TAN" in cube.attrs["wcs"]


def signal(data, image, spectrum, images=False, noise=None, **metadata):
    """Return what a signal of HyperSpy looks like; axes are (name, unit, index in array)."""

    def axis(name, unit, index):
        places = 0.5 + 0.25 * np.arange(data.shape[index])
        return SimpleNamespace(name=name, units=unit, index_in_array=index, axis=places)

    navigation, own = [axis(*each) for each in image], [axis(*each) for each in spectrum]
    navigation, own = (own, navigation) if images else (navigation, own)
    return SimpleNamespace(
        data=data,
        axes_manager=SimpleNamespace(navigation_axes=tuple(navigation), signal_axes=tuple(own)),
        get_noise_variance=lambda: noise,
        metadata=SimpleNamespace(
            get_item=lambda name, default=None: metadata.get(name.split(".")[1])
        ),
    )


@pytest.mark.parametrize("images", [False, True])
def test_a_signal_is_spectra_of_an_image_or_images_along_a_spectrum(images):
    order = (2, 0, 1) if images else (0, 1, 2)
    at = [order.index(n) for n in range(3)]
    thing = signal(
        values().transpose(order), [("x", "mm", at[1]), ("y", "mm", at[0])],
        [("Energy", "keV", at[2])], images, noise=9.0, title="a page",
    )  # fmt: skip
    cube = make_cube(thing)
    np.testing.assert_array_equal(cube, values())
    assert spectral_axis(cube) == Axis(0.5 + 0.25 * np.arange(8), "keV")
    assert (cube["variance"] == 9).all()
    assert cube.attrs["object"] == "a page"
    np.testing.assert_allclose(cube["x"], 0.5 + 0.25 * np.arange(5))
    assert cube["y"].attrs == {"units": "mm"}


def test_a_signal_of_energy_losses_is_one_and_undefined_units_are_none():
    image = [("<undefined>", "<undefined>", 1), ("<undefined>", "<undefined>", 0)]
    loss = signal(values(), image, [("Energy loss", "eV", 2)])
    assert spectral_axis(make_cube(loss)).kind == "energy_loss"
    eels = signal(values(), image, [("<undefined>", "eV", 2)], signal_type="EELS")
    assert spectral_axis(make_cube(eels)).kind == "energy_loss"
    plain = make_cube(signal(values(), image, [("<undefined>", "<undefined>", 2)]))
    assert spectral_axis(plain).kind == "channel"
    assert "y" not in plain.coords


def test_a_signal_that_is_no_cube_says_which_axes_it_has():
    with pytest.raises(ValueError, match="1 navigation and 1 signal"):
        make_cube(signal(values()[0], [("x", "mm", 0)], [("E", "keV", 1)]))


@pytest.mark.parametrize(
    "masked",
    [
        np.ma.masked_equal(values().astype(int), 1),
        Masked(values() * u.ct, mask=values() == 1),
    ],
)
def test_masked_values_of_numpy_and_astropy_are_missing(masked):
    cube = make_cube(masked)
    assert np.isnan(cube.values[0, 0, 0])
    assert np.isnan(cube.values).sum() == 1


def test_training_on_an_object_says_how_to_make_a_cube_of_it():
    with pytest.raises(TypeError, match=r"got NDData; make one with spectessera\.make_cube"):
        SpectralSegmenter().fit(NDData(values()))


def test_lazy_values_stay_lazy_with_their_noise_and_missing_values():
    """A mask and noise of 0 make values missing; nothing of a dask array is computed for that."""
    mask, noise = np.zeros(SHAPE, bool), np.full(SHAPE, 2.0)
    mask[1, 2, 3], noise[2, 4, 7] = True, 0
    stored = da.from_array(values().astype(np.uint16), chunks=2)
    thing = NDData(
        stored, mask=da.from_array(mask, chunks=2),
        uncertainty=StdDevUncertainty(da.from_array(noise, chunks=2), copy=False),
    )  # fmt: skip
    cube = make_cube(thing)
    assert cube.chunks is not None
    assert cube.dtype == np.float32
    assert cube.attrs["saturation"] == 65535
    expected = np.where(mask | (noise == 0), np.nan, values())
    np.testing.assert_array_equal(cube, expected)


def test_a_signal_in_a_unit_that_is_not_known_has_channels_and_says_so():
    image = [("x", "mm", 1), ("y", "mm", 0)]
    cube = make_cube(signal(values(), image, [("Depth", "furlong", 2)]))
    assert spectral_axis(cube).kind == "channel"
    assert cube.attrs["axis_note"] == "'Depth' is in 'furlong'"
