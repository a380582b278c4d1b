"""Cubes from FITS files."""

import gzip
import pickle
import warnings
import zlib

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from spectessera._util.reading import reading
from spectessera.cube import spectral_axis
from spectessera.io import read
from spectessera.io._lazy import LazyArray

SHAPE = (7, 4, 5)  # (channel, y, x) as FITS has it
SKY = {
    "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CUNIT1": "deg", "CUNIT2": "deg",
    "CRPIX1": 2.0, "CRPIX2": 3.0, "CRVAL1": 63.355, "CRVAL2": 10.4656,
}  # fmt: skip
SCALE = {"CD1_1": -5.5e-5, "CD1_2": 1e-6, "CD2_1": 1e-6, "CD2_2": 5.5e-5}
AIR = {"CTYPE3": "AWAV", "CUNIT3": "Angstrom", "CRPIX3": 1.0, "CRVAL3": 4749.890625}
MUSE = {**SKY, "CDELT1": 1.0, "CDELT2": 1.0, **SCALE, **AIR, "CD3_3": 1.25, "CD1_3": 0.0}


@pytest.fixture
def values():
    return np.random.default_rng(0).normal(5, 2, SHAPE).astype(np.float32)


def image(array, cards=(), name=None):
    hdu = fits.ImageHDU(array, name=name)
    hdu.header.update(dict(cards))
    return hdu


def save(path, *hdus, **primary):
    first = fits.PrimaryHDU()
    first.header.update(primary)
    fits.HDUList([first, *hdus]).writeto(path)
    return path


def test_a_muse_cube_has_values_variance_flags_axis_and_sky(tmp_path, values):
    flags = np.zeros(SHAPE, np.uint32)
    flags[1, 2, 3] = 4
    stat = (values**2).astype(np.float32)
    path = save(
        tmp_path / "muse.fits",
        image(values, {**MUSE, "BUNIT": "10**(-20)*erg/s/cm**2/Angstrom"}, "DATA"),
        image(stat, MUSE, "STAT"),
        image(flags, name="DQ"),
        OBJECT="Abell 478",
        INSTRUME="MUSE",
    )
    cube = read(path)
    truth = np.moveaxis(values, 0, 2).copy()
    truth[2, 3, 1] = np.nan
    assert cube.dims == ("y", "x", "channel")
    np.testing.assert_array_equal(cube, truth)
    np.testing.assert_array_equal(cube.coords["variance"], np.moveaxis(stat, 0, 2))
    axis = spectral_axis(cube)
    assert (axis.kind, axis.unit, axis.medium) == ("wavelength", "angstrom", "air")
    np.testing.assert_array_equal(axis.values, 4749.890625 + 1.25 * np.arange(7))
    assert cube.attrs["unit"] == "10**(-20)*erg/s/cm**2/Angstrom"
    assert cube.attrs["object"] == "Abell 478"
    assert cube.attrs["instrument"] == "MUSE"
    assert cube.attrs["source"] == "muse.fits"
    assert all(isinstance(one, (str, int, float)) for one in cube.attrs.values())


def test_the_sky_of_the_map_is_that_of_the_cube(tmp_path, values):
    path = save(tmp_path / "muse.fits", image(values, MUSE, "DATA"))
    kept = WCS(fits.Header.fromstring(read(path).attrs["wcs"], sep="\n"))
    assert kept.naxis == 2
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # CDELT beside CD, as MUSE has it
        ra, dec, _ = WCS(fits.getheader(path, "DATA")).wcs_pix2world(4, 3, 0, 0)
    np.testing.assert_allclose(kept.wcs_pix2world(4, 3, 0), [ra, dec], rtol=1e-12)


def test_axes_are_turned_by_what_they_are(tmp_path, values):
    """A radio cube with the spectral axis first: FITS axes (frequency, RA, Dec)."""
    cards = {
        "CTYPE1": "FREQ", "CUNIT1": "Hz", "CRPIX1": 1, "CRVAL1": 8.8e10, "CDELT1": -1e8,
        "CTYPE2": "RA---SIN", "CRPIX2": 1, "CRVAL2": 83.0, "CDELT2": -1e-3,
        "CTYPE3": "DEC--SIN", "CRPIX3": 1, "CRVAL3": -5.0, "CDELT3": 1e-3,
    }  # fmt: skip
    stored = np.moveaxis(values, 0, 2)  # (Dec, RA, frequency) as an array
    cube = read(save(tmp_path / "radio.fits", image(stored, cards)))
    np.testing.assert_array_equal(cube, stored)
    axis = spectral_axis(cube)
    assert (axis.kind, axis.unit) == ("frequency", "GHz")
    np.testing.assert_allclose(axis.values[:2], [88.0, 87.9], rtol=1e-12)  # descending
    sky = WCS(fits.Header.fromstring(cube.attrs["wcs"], sep="\n"))
    np.testing.assert_allclose(sky.wcs_pix2world(0, 0, 0), [83.0, -5.0])


def test_swapped_sky_axes_stay_with_their_pixels(tmp_path, values):
    cards = {
        "CTYPE1": "DEC--TAN", "CRPIX1": 1, "CRVAL1": -5.0, "CDELT1": 1e-3,
        "CTYPE2": "RA---TAN", "CRPIX2": 1, "CRVAL2": 83.0, "CDELT2": -1e-3,
        "CTYPE3": "FREQ", "CUNIT3": "Hz", "CRPIX3": 1, "CRVAL3": 8.8e10, "CDELT3": 1e8,
    }  # fmt: skip
    cube = read(save(tmp_path / "radio.fits", image(values, cards)))
    sky = WCS(fits.Header.fromstring(cube.attrs["wcs"], sep="\n"))
    one = sky.wcs_pix2world(4, 0, 0)  # along x, which is declination here
    np.testing.assert_allclose(one, [-5.0 + 4e-3, 83.0], atol=1e-7)


@pytest.mark.parametrize(
    ("cards", "kind", "unit", "medium", "first", "second"),
    [
        ({"CTYPE3": "WAVE", "CUNIT3": "nm", "CRVAL3": 500, "CDELT3": 2}, *("wavelength", "nm"),
         "vacuum", 500, 502),
        ({"CTYPE3": "WAVE", "CUNIT3": "m", "CRVAL3": 5e-7, "CDELT3": 1e-9}, *("wavelength", "m"),
         "vacuum", 5e-7, 5.01e-7),
        ({"CTYPE3": "AWAV-LOG", "CUNIT3": "Angstrom", "CRVAL3": 4000, "CDELT3": 4},
         *("wavelength", "angstrom"), "air", 4000, 4000 * np.exp(4 / 4000)),
        ({"CTYPE3": "WAVE", "CUNIT3": "ANGSTROMS", "CRVAL3": 4000, "CDELT3": 1.25},
         *("wavelength", "angstrom"), "vacuum", 4000, 4001.25),
        ({"CTYPE3": "WAVE-LOG", "CUNIT3": "micron", "CRVAL3": 1.0, "CDELT3": 0.01},
         *("wavelength", "um"), "vacuum", 1.0, np.exp(0.01)),
        ({"CTYPE3": "FREQ", "CUNIT3": "MHz", "CRVAL3": 1420, "CDELT3": 2}, *("frequency", "GHz"),
         "", 1.42, 1.422),
        ({"CTYPE3": "VRAD", "CUNIT3": "m/s", "CRVAL3": -9000, "CDELT3": 500}, *("velocity", "km/s"),
         "", -9, -8.5),
        ({"CTYPE3": "VELO-LSR", "CRVAL3": 9000, "CDELT3": -500}, *("velocity", "km/s"),
         "", 9, 8.5),
        ({"CTYPE3": "ENER", "CUNIT3": "keV", "CRVAL3": 0.3, "CDELT3": 0.01}, *("energy", "keV"),
         "", 0.3, 0.31),
        ({"CTYPE3": "ENER", "CRVAL3": 1.602176634e-16, "CDELT3": 1.602176634e-17},
         *("energy", "keV"), "", 1.0, 1.1),
        ({"CTYPE3": "WAVN", "CUNIT3": "1/cm", "CRVAL3": 900, "CDELT3": 4}, *("wavenumber", "cm-1"),
         "", 900, 904),
        ({"CTYPE3": "LAMBDA", "CUNIT3": "Angstrom", "CRVAL3": 4000, "CDELT3": 2},
         *("wavelength", "angstrom"), "", 4000, 4002),
        ({"CTYPE3": "", "CRVAL3": 4000, "CDELT3": 2}, *("channel", ""), "", 4000, 4002),
        ({}, *("channel", ""), "", 0, 1),
    ],
)  # fmt: skip
def test_every_spectral_axis_is_told_in_its_unit(
    tmp_path, values, cards, kind, unit, medium, first, second
):
    cards = {**cards, "CRPIX3": 1.0} if cards else {}
    cube = read(save(tmp_path / "c.fits", image(values, cards)))
    axis = spectral_axis(cube)
    assert (axis.kind, axis.unit, axis.medium) == (kind, unit, medium)
    np.testing.assert_allclose(axis.values[:2], [first, second], rtol=1e-9)
    assert "wcs" not in cube.attrs
    np.testing.assert_array_equal(cube, np.moveaxis(values, 0, 2))


def test_a_unit_alone_tells_which_axis_is_spectral(tmp_path, values):
    cards = {"CTYPE1": "LAMBDA", "CUNIT1": "nm", "CRVAL1": 400, "CDELT1": 10, "CRPIX1": 1}
    cube = read(save(tmp_path / "c.fits", image(np.moveaxis(values, 0, 2), cards)))
    assert cube.sizes == {"y": 4, "x": 5, "channel": 7}
    assert spectral_axis(cube).unit == "nm"


def test_cd_of_the_sky_does_not_undo_cdelt_of_the_wavelength(tmp_path, values):
    cards = {**SKY, **SCALE, **AIR, "CDELT3": 1.25}
    path = save(tmp_path / "c.fits", image(values, cards, "DATA"))
    np.testing.assert_allclose(np.diff(spectral_axis(read(path)).values), 1.25)


def test_a_wcs_that_makes_no_sense_is_told_and_the_axis_can_be_given(tmp_path, values):
    cards = {"CTYPE3": "WAVE", "CUNIT3": "GHz", "CRVAL3": 4000, "CDELT3": 2, "CRPIX3": 1}
    path = save(tmp_path / "c.fits", image(values, cards))
    with pytest.raises(ValueError, match=r"FITS axis 3 cannot be used.*give energy="):
        read(path)
    assert spectral_axis(read(path, wavelength=(4000, 4012))).unit == "angstrom"


@pytest.mark.parametrize("chunks", [None, 2])
def test_a_degenerate_stokes_axis_is_dropped(tmp_path, values, chunks):
    cards = {"CTYPE3": "STOKES", "CTYPE4": "FREQ", "CUNIT4": "GHz", "CRVAL4": 88, "CDELT4": 0.1}
    path = save(tmp_path / "c.fits", image(values[:, None], {**cards, "CRPIX4": 1}))
    cube = read(path, chunks=chunks)
    np.testing.assert_array_equal(cube, np.moveaxis(values, 0, 2))
    assert spectral_axis(cube).unit == "GHz"


def test_four_real_axes_are_no_cube(tmp_path, values):
    path = save(tmp_path / "c.fits", image(np.stack([values, values])))
    with pytest.raises(ValueError, match="no image of 3 axes"):
        read(path)
    with pytest.raises(ValueError, match="a cube has 3 axes longer than 1"):
        read(path, key=1)


def test_a_cube_of_one_row_or_one_channel_stays_a_cube(tmp_path, values):
    assert read(save(tmp_path / "a.fits", image(values[:, :1]))).shape == (1, 5, 7)
    assert read(save(tmp_path / "b.fits", image(values[:1]))).shape == (4, 5, 1)


def test_scaled_integers_and_blanks(tmp_path):
    stored = np.arange(140, dtype=np.int16).reshape(SHAPE)
    hdu = image(stored, {"BSCALE": 0.5, "BZERO": 100.0, "BLANK": 3})
    path = tmp_path / "c.fits"
    save(path, hdu)
    with fits.open(path, mode="update", do_not_scale_image_data=True) as file:
        file[1].data = stored
        file[1].header.update({"BSCALE": 0.5, "BZERO": 100.0, "BLANK": 3})
    truth = np.moveaxis(100 + 0.5 * stored, 0, 2)
    truth[0, 3, 0] = np.nan
    for chunks in (None, 2):
        np.testing.assert_array_equal(read(path, chunks=chunks), truth)


def test_unsigned_counts_stay_counts(tmp_path):
    counts = np.arange(140, dtype=np.uint16).reshape(SHAPE) + 60_000
    for chunks in (None, 2):
        path = tmp_path / f"{chunks}.fits"
        cube = read(save(path, image(counts)), chunks=chunks)
        assert cube.dtype == np.uint16
        assert cube.attrs["saturation"] == 65535
        np.testing.assert_array_equal(cube, np.moveaxis(counts, 0, 2))


def test_the_values_are_native_and_nan_stays(tmp_path, values):
    values[:, 1, 2] = np.nan
    cube = read(save(tmp_path / "c.fits", image(values.astype(">f8"))))
    assert cube.dtype == np.dtype("f8")
    assert cube.dtype.isnative
    np.testing.assert_array_equal(cube, np.moveaxis(values, 0, 2))
    assert "mask" not in cube.coords


def test_a_primary_image_is_read_and_key_chooses(tmp_path, values):
    path = tmp_path / "c.fits"
    hdus = [fits.PrimaryHDU(values), image(values + 1, name="SKY"), image(values[0], name="WHITE")]
    fits.HDUList(hdus).writeto(path)
    with pytest.raises(ValueError, match=r"0 PRIMARY \(5, 4, 7\), 1 SKY \(5, 4, 7\); choose .*key"):
        read(path)
    np.testing.assert_array_equal(read(path, key=0), np.moveaxis(values, 0, 2))
    np.testing.assert_array_equal(read(path, key="sky"), np.moveaxis(values + 1, 0, 2))
    np.testing.assert_array_equal(read(path, key="1"), np.moveaxis(values + 1, 0, 2))
    with pytest.raises(ValueError, match="no image 'DAT'; there is: 0 PRIMARY"):
        read(path, key="DAT")
    with pytest.raises(ValueError, match="needs 3 axes"):
        read(path, key="WHITE")


def test_errors_told_as_standard_deviation_become_variance(tmp_path, values):
    data = image(values, {"ERRDATA": "SIGMA"}, "SCI")
    error = image(np.full(SHAPE, 3.0), {"HDUCLAS3": "RMSE"}, "SIGMA")
    cube = read(save(tmp_path / "c.fits", data, error), key="SCI")
    np.testing.assert_array_equal(cube.coords["variance"], 9.0)


def test_a_variance_of_another_size_is_told(tmp_path, values):
    path = save(tmp_path / "c.fits", image(values, name="DATA"), image(values[1:], name="STAT"))
    with pytest.raises(ValueError, match="'STAT' has shape"):
        read(path)


@pytest.mark.parametrize("packed", [False, True])
def test_chunks_equal_the_whole(tmp_path, values, packed):
    flags = (values > 6).astype(np.uint8)
    path = save(
        tmp_path / "c.fits",
        image(values, MUSE, "DATA"),
        image(values**2, MUSE, "STAT"),
        image(flags, name="DQ"),
    )
    if packed:
        (tmp_path / "c.fits.gz").write_bytes(gzip.compress(path.read_bytes()))
        path = tmp_path / "c.fits.gz"
    cube = pickle.loads(pickle.dumps(read(path, chunks={"y": 3, "x": 2})))
    assert cube.chunks == ((3, 1), (2, 2, 1), (7,))
    assert cube.coords["variance"].chunks == cube.chunks
    np.testing.assert_array_equal(cube, read(path))
    np.testing.assert_array_equal(cube.coords["variance"], read(path).coords["variance"])
    np.testing.assert_array_equal(cube[2, 1:4], read(path)[2, 1:4])
    assert spectral_axis(cube) == spectral_axis(read(path))


def test_chunks_leave_the_data_in_the_file_but_for_a_few_spectra(tmp_path, monkeypatch):
    values = np.ones((7, 30, 20), np.float32)
    path = save(tmp_path / "c.fits", image(values, MUSE, "DATA"), image(3 * values, name="STAT"))
    parts, real = [], LazyArray.__getitem__

    def recorded(array, index):
        parts.append(real(array, index))
        return parts[-1]

    monkeypatch.setattr(LazyArray, "__getitem__", recorded)
    assert read(path, chunks=2).chunks is not None
    assert {part.size for part in parts} == {len(values)}
    assert len(parts) <= 3 + 9 + 9 + 1 + 1  # the last: whether the noise is that of counts


def test_a_tile_compressed_image_is_read(tmp_path):
    counts = np.arange(140, dtype=np.int32).reshape(SHAPE)
    path = save(tmp_path / "c.fits", fits.CompImageHDU(counts, name="DATA"))
    for chunks in (None, 2):
        np.testing.assert_array_equal(read(path, chunks=chunks), np.moveaxis(counts, 0, 2))


@pytest.mark.parametrize("length", [100, 4000, 5760 + 100, 5760 + 2800])
def test_a_file_that_was_cut_short_is_told(tmp_path, length):
    array = np.arange(1400.0, dtype=np.float32).reshape(7, 10, 20)
    path = save(tmp_path / "c.fits", image(array, MUSE, "DATA"))
    path.write_bytes(path.read_bytes()[:length])
    for chunks in (None, 2):
        with pytest.raises(ValueError, match=r"c\.fits"):
            read(path, chunks=chunks).compute()


@pytest.mark.parametrize("share", [0.001, 0.3, 0.9, 0.999])
def test_a_packed_file_that_was_cut_short_is_told(tmp_path, share):
    array = np.random.default_rng(0).random((7, 10, 20))
    path = save(tmp_path / "c.fits", image(array, MUSE, "DATA"))
    packed = gzip.compress(path.read_bytes())
    path = tmp_path / "c.fits.gz"
    path.write_bytes(packed[: max(4, int(len(packed) * share))])
    with pytest.raises(ValueError, match=r"c\.fits\.gz"):
        read(path)


def test_a_header_that_claims_more_than_the_file_is_refused(tmp_path, values):
    path = save(tmp_path / "c.fits", image(values, name="DATA"))
    content = path.read_bytes().replace(
        b"NAXIS1  =                    5", b"NAXIS1  =                50000"
    )
    path.write_bytes(content)
    with pytest.raises(ValueError, match="should end at byte"):
        read(path)


def test_a_card_that_cannot_be_read_does_not_hide_the_cube(tmp_path, values):
    path = save(tmp_path / "c.fits", image(values, {**MUSE, "OBSERVER": 12345678}, "DATA"))
    path.write_bytes(path.read_bytes().replace(b"12345678", b"12 45~78"))
    np.testing.assert_array_equal(read(path), np.moveaxis(values, 0, 2))


def test_damage_inside_a_packed_file_is_told(tmp_path, values):
    packed = bytearray(gzip.compress(save(tmp_path / "c.fits", image(values)).read_bytes()))
    packed[-200] ^= 255
    (tmp_path / "c.fits.gz").write_bytes(packed)
    with pytest.raises(ValueError, match=r"c\.fits\.gz cannot be read as FITS"):
        read(tmp_path / "c.fits.gz")


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_an_interruption_is_not_reported_as_damage(tmp_path, kind, monkeypatch):
    """What was inflated is lost with the interruption, and the clean-up finds a wrong checksum."""
    many = np.random.default_rng(0).normal(5, 2, (7, 150, 160)).astype(np.float32)
    path = save(tmp_path / "c.fits.gz", image(many, MUSE, "DATA"), image(many, MUSE, "STAT"))
    real, calls = zlib.crc32, []

    def sum_or_be_interrupted(part, *before):
        calls.append(len(part))
        if len(calls) == at:
            raise kind
        return real(part, *before)

    monkeypatch.setattr(gzip.zlib, "crc32", sum_or_be_interrupted)
    at = 0
    read(path)
    for place in np.linspace(1, len(calls), 16):
        at = int(place)
        calls.clear()
        with pytest.raises(kind):
            read(path)


def test_damage_found_after_an_interruption_was_handled_is_still_damage(tmp_path, values):
    path = save(tmp_path / "c.fits", image(values, MUSE, "DATA"))
    path.write_bytes(path.read_bytes()[:-2880].replace(b"XTENSION", b"EXTENSIO"))
    for kind in (KeyboardInterrupt, TimeoutError):
        try:
            raise kind
        except kind:
            with pytest.raises(ValueError, match=r"c\.fits"):
                read(path)


def test_telling_finds_an_interruption_wherever_an_error_hides_it(tmp_path):
    def fail(kind, cause=None):
        with reading(tmp_path, "FITS"):
            try:
                raise kind
            except kind:
                try:
                    raise OSError("the clean-up failed")
                except OSError as error:
                    raise RuntimeError("so did its clean-up") from (cause or error)

    with pytest.raises(KeyboardInterrupt):
        fail(KeyboardInterrupt)
    with pytest.raises(KeyboardInterrupt):
        fail(KeyboardInterrupt, EOFError())
    with pytest.raises(KeyboardInterrupt):
        fail(EOFError, KeyboardInterrupt())
    with pytest.raises(ValueError, match="may be damaged or cut short: so did its clean-up"):
        fail(EOFError)


def test_a_file_without_a_cube_tells_what_is_there(tmp_path, values):
    path = save(tmp_path / "c.fits", image(values[0], name="WHITE"))
    with pytest.raises(ValueError, match=r"no image of 3 axes; there is: 1 WHITE \(5, 4\)"):
        read(path)


def test_a_noise_image_with_the_header_of_its_data_stays_the_noise(tmp_path):
    """Programs that cut cubes copy the header of DATA, with HDUCLAS2, to STAT."""
    values = np.arange(4 * 5 * 7, dtype=np.float32).reshape(7, 4, 5)
    header = fits.Header({"HDUCLASS": "ESO", "HDUCLAS1": "IMAGE", "HDUCLAS2": "DATA"})
    images = [fits.ImageHDU(values, header, "DATA"), fits.ImageHDU(values + 2, header, "STAT")]
    fits.HDUList([fits.PrimaryHDU(), *images]).writeto(tmp_path / "cut.fits")
    cube = read(tmp_path / "cut.fits")
    np.testing.assert_array_equal(cube.coords["variance"], np.moveaxis(values, 0, 2) + 2)


@pytest.mark.parametrize(("key", "word"), [("STAT", "the noise"), ("DQ", "the flags")])
def test_the_noise_or_the_flags_of_another_image_are_no_cube_without_a_warning(tmp_path, key, word):
    values = np.arange(4 * 5 * 7, dtype=np.float32).reshape(7, 4, 5)
    header = fits.Header({"HDUCLAS2": "DATA", "ERRDATA": "STAT", "QUALDATA": "DQ"})
    parts = {"DATA": values, "STAT": values + 2, "DQ": np.zeros((7, 4, 5), np.int32)}
    images = [fits.ImageHDU(each, header, name) for name, each in parts.items()]
    fits.HDUList([fits.PrimaryHDU(), *images]).writeto(tmp_path / "cut.fits")
    cube = read(tmp_path / "cut.fits", key=key)
    assert f"is, by its name, {word} of another image" in cube.attrs["reading_notes"]
    assert "(--key 1)" in cube.attrs["reading_notes"]
    assert "STAT" not in cube.attrs.get("variance_from", "")
    own = read(tmp_path / "cut.fits", key="DATA")
    assert "another image" not in own.attrs["reading_notes"]
