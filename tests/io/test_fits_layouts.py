"""FITS cubes as instruments write them, each made by the recipe of its documentation."""

import re

import numpy as np
import pytest
from astropy.io import fits

from spectessera.axis import Axis
from spectessera.cube import spectral_axis
from spectessera.io import read

C, Y, X = 11, 4, 5
CUBE = 1 + 1000.0 * np.arange(Y)[:, None, None] + 30 * np.arange(X)[:, None] + np.arange(C)
STORED = np.moveaxis(CUBE, 2, 0).astype(np.float32)  # (channel, y, x)
SKY = {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 150.0, "CRVAL2": 2.0,
       "CDELT1": -1e-4, "CDELT2": 1e-4, "CRPIX1": 1.0, "CRPIX2": 1.0}  # fmt: skip


def wave(ctype="WAVE", unit="Angstrom", start=5000.0, step=2.0, **more):
    cards = {"CTYPE3": ctype, "CRVAL3": start, "CDELT3": step, "CRPIX3": 1.0, **SKY, **more}
    return cards | ({"CUNIT3": unit} if unit else {})


def save(path, *images, primary=None, **cards):
    """Write (name, array, cards) as extensions; ``primary`` is the first image."""
    hdus = [fits.PrimaryHDU(primary, fits.Header(cards))]
    hdus += [fits.ImageHDU(array, fits.Header(more), name) for name, array, more in images]
    fits.HDUList(hdus).writeto(path)
    return path


def full(value, dtype="f4"):
    return np.full((C, Y, X), value, dtype)


@pytest.mark.parametrize("chunks", [None, 2])
def test_califa_marks_bad_values_by_flags_and_by_errors_of_1e10(tmp_path, chunks):
    error, bad = full(2.0), full(0, "u1")
    error[:, 0, 0], error[3, 1, 1], bad[4, 2, 2] = 1e10, 0, 1
    path = save(
        tmp_path / "califa.fits",
        ("ERROR", error, {}), ("ERRWEIGHT", full(1), {}), ("BADPIX", bad, {}),
        ("FIBCOVER", np.ones((Y, X), "f4"), {}),
        primary=STORED, **wave("WAVELENGTH"),
    )  # fmt: skip
    cube = read(path, chunks=chunks)
    truth = CUBE.copy()
    truth[0, 0], truth[1, 1, 3], truth[2, 2, 4] = np.nan, np.nan, np.nan
    np.testing.assert_array_equal(cube, truth)
    assert cube.coords["variance"][3, 4, 5] == 4.0
    assert cube.attrs["variance_from"].startswith("ERROR, standard deviation")
    assert cube.attrs["mask_from"].startswith("BADPIX, any flag")
    assert spectral_axis(cube).unit == "angstrom"


def test_kcwi_has_flags_of_two_kinds(tmp_path):
    mask, flags = full(0, "u1"), full(0, "u1")
    mask[2, 1, 1], flags[5, 3, 3] = 1, 8
    path = save(
        tmp_path / "kb_icubes.fits",
        ("UNCERT", full(3), {}), ("MASK", mask, {}), ("FLAGS", flags, {}),
        primary=STORED, **wave("AWAV"),
    )  # fmt: skip
    cube = read(path)
    assert np.isnan(cube.values).sum() == 2
    assert np.isnan(cube.values[1, 1, 2]) and np.isnan(cube.values[3, 3, 5])  # noqa: PT018
    assert cube.coords["variance"][0, 0, 0] == 9
    assert spectral_axis(cube).medium == "air"


@pytest.mark.parametrize("chunks", [None, 2])
def test_only_the_bits_that_forbid_a_value_count(tmp_path, chunks):
    flags = full(0, "i4")
    flags[:, 1, 1], flags[:, 2, 2] = 1 + 1024, 4 + 8
    noise = ("ERR", full(2), {}), ("IVAR", full(0.25), {})
    jwst = save(
        tmp_path / "j.fits", ("SCI", STORED, wave(unit="um", start=1.0, step=0.1)), noise[0],
        ("DQ", flags, {}), ("WMAP", full(1), {}), TELESCOP="JWST",
    )  # fmt: skip
    manga = save(
        tmp_path / "manga-1-LINCUBE.fits", ("FLUX", STORED, wave()), noise[1], ("MASK", flags, {})
    )
    for path in (jwst, manga):
        cube = read(path, chunks=chunks).compute()
        missing = np.isnan(cube.values).all(axis=2)
        assert missing.sum() == 1
        assert missing[1, 1]
        assert cube.coords["variance"][0, 0, 0] == 4


def test_a_variance_in_the_words_of_its_header_wins_over_its_name(tmp_path):
    path = save(
        tmp_path / "c.fits", ("UNCERT", full(4), {"UTYPE": "InverseVariance"}),
        primary=STORED, **wave(),
    )  # fmt: skip
    assert read(path).coords["variance"][0, 0, 0] == 0.25
    assert read(path, variance="UNCERT").coords["variance"][0, 0, 0] == 4


def test_two_cubes_in_one_file_are_listed_and_have_their_own_noise(tmp_path):
    path = save(
        tmp_path / "c.fits", ("FLUX_B", STORED, wave()), ("IVAR_B", full(0.25), {}),
        ("FLUX_R", STORED + 1, wave()), ("IVAR_R", full(0.5), {}),
    )  # fmt: skip
    with pytest.raises(ValueError, match=r"1 FLUX_B \(5, 4, 11\), 3 FLUX_R \(5, 4, 11\); choose"):
        read(path)
    cube = read(path, key="FLUX_R")
    assert cube.coords["variance"][0, 0, 0] == 2
    np.testing.assert_array_equal(cube, CUBE + 1)


def test_sami_and_gemini_names(tmp_path):
    sami = save(
        tmp_path / "s.fits", ("VARIANCE", full(4), {}), ("WEIGHT", full(1), {}),
        primary=STORED, **wave("Wavelength"),
    )  # fmt: skip
    gemini = save(
        tmp_path / "g.fits", ("SCI", STORED, wave(EXTVER=1)), ("VAR", full(4), {"EXTVER": 1}),
        ("DQ", full(0, "i2"), {"EXTVER": 1}),
    )  # fmt: skip
    for path in (sami, gemini):
        cube = read(path)
        np.testing.assert_array_equal(cube, CUBE)
        assert cube.coords["variance"][1, 1, 1] == 4


def test_noise_that_is_nowhere_positive_is_not_used_and_that_is_stated(tmp_path):
    cube = read(save(tmp_path / "c.fits", ("DATA", STORED, wave()), ("STAT", full(0), {})))
    assert "variance" not in cube.coords
    assert "STAT" in cube.attrs["reading_notes"]
    np.testing.assert_array_equal(cube, CUBE)


def test_a_variance_with_the_header_of_the_cube_is_no_second_cube(tmp_path):
    cards = wave("AWAV", HDUCLASS="ESO", HDUCLAS1="IMAGE", HDUCLAS2="DATA", ERRDATA="STAT")
    path = save(tmp_path / "c.fits", ("DATA", STORED, cards), ("STAT", full(9), cards))
    cube = read(path)
    np.testing.assert_array_equal(cube, CUBE)
    assert cube.coords["variance"][1, 2, 3] == 9


def test_flags_of_pixels_and_of_channels(tmp_path):
    image, channels = np.zeros((Y, X), "u1"), np.zeros(C, "u1")
    image[1, 2], channels[4] = 1, 1
    cube = read(save(tmp_path / "c.fits", ("DATA", STORED, wave()), ("MASK", image, {}),
                     ("BADPIX", channels, {})))  # fmt: skip
    assert np.argwhere(cube.coords["mask"].values).tolist() == [[1, 2]]
    assert np.flatnonzero(cube.coords["bad_channel"].values).tolist() == [4]


LOG = np.log10(3621.6) + 1e-4 * np.arange(C)


@pytest.mark.parametrize(
    ("cards", "medium"),
    [
        ({"COEFF0": LOG[0], "COEFF1": 1e-4}, "vacuum"),
        (wave("LINEAR", "", LOG[0], 1e-4, **{"DC-FLAG": 1}), ""),
        (wave("WAVE-LOG", "Angstrom", LOG[0], 1e-4), ""),
        (wave("LOGLAM", "", LOG[0], 1e-4), ""),
        (wave("WAVE", "log(Angstrom)", LOG[0], 1e-4), ""),
    ],
)
def test_logarithms_of_wavelengths_in_all_their_forms(tmp_path, cards, medium):
    axis = spectral_axis(read(save(tmp_path / "c.fits", primary=STORED, **cards)))
    np.testing.assert_allclose(axis.values, 10**LOG, rtol=1e-9)
    assert (axis.kind, axis.unit, axis.medium) == ("wavelength", "angstrom", medium)


def test_wavelengths_called_logarithms_are_a_contradiction(tmp_path):
    path = save(tmp_path / "c.fits", primary=STORED, **wave(**{"DC-FLAG": 1}))
    with pytest.raises(ValueError, match="logarithm, but its values go to 5020"):
        read(path)


@pytest.mark.parametrize(
    ("start", "unit"), [(5000.0, "angstrom"), (450.0, "nm"), (1.2, "um"), (5e-7, "m")]
)
def test_wavelengths_without_a_unit_are_guessed_and_that_is_stated(tmp_path, start, unit):
    cards = wave("WAVE", "", start, start / 1000)
    cube = read(save(tmp_path / "c.fits", primary=STORED, **cards))
    axis = spectral_axis(cube).to(unit)
    np.testing.assert_allclose(axis.values[0], start, rtol=1e-9)
    assert ("reading_notes" in cube.attrs) == (unit != "m")  # the standard means m


@pytest.mark.parametrize("table", [False, True])
def test_a_list_of_wavelengths_beside_the_cube_is_its_axis(tmp_path, table):
    values = np.linspace(4000, 4100, C) ** 1.001
    path = save(tmp_path / "c.fits", ("FLUX", STORED, SKY), ("WAVE", values, {"BUNIT": "Angstrom"}))
    if table:
        column = fits.Column("LAMBDA", "D", unit="Angstrom", array=values)
        path = tmp_path / "t.fits"
        hdus = [fits.PrimaryHDU(), fits.ImageHDU(STORED, fits.Header(SKY), "FLUX"),
                fits.BinTableHDU.from_columns([column], name="AXIS")]  # fmt: skip
        fits.HDUList(hdus).writeto(path)
    cube = read(path)
    np.testing.assert_allclose(spectral_axis(cube).values, values)
    assert spectral_axis(cube).unit == "angstrom"
    assert cube.attrs["axis_from"] == ("column LAMBDA of AXIS" if table else "extension WAVE")


def test_a_list_that_contradicts_the_header_is_refused(tmp_path):
    listed = ("WAVE", np.linspace(4000, 4100, C), {"BUNIT": "Angstrom"})
    path = save(tmp_path / "c.fits", ("FLUX", STORED, wave()), listed)
    with pytest.raises(ValueError, match="WAVE goes from 4000 to 4100 angstrom, but the header"):
        read(path)


@pytest.mark.parametrize(("cunit", "tunit"), [("um", "um"), ("um", None), ("", "um")])
def test_a_tabulated_axis_is_in_the_unit_of_the_header(tmp_path, cunit, tunit):
    values = np.geomspace(1, 2, C)
    cards = wave("WAVE-TAB", cunit, 1.0, 1.0, PS3_0="WCS-TABLE", PS3_1="wavelength")
    column = fits.Column(
        "wavelength", f"{C}D", unit=tunit, dim=f"(1,{C})", array=values.reshape(1, C, 1)
    )
    hdus = [fits.PrimaryHDU(), fits.ImageHDU(STORED, fits.Header(cards), "SCI"),
            fits.BinTableHDU.from_columns([column], name="WCS-TABLE")]  # fmt: skip
    fits.HDUList(hdus).writeto(tmp_path / "c.fits")
    axis = spectral_axis(read(tmp_path / "c.fits"))
    np.testing.assert_allclose(axis.values, values)
    assert (axis.unit, axis.medium) == ("um", "vacuum")


def test_the_user_and_the_header_decide_the_order_of_axes(tmp_path):
    path = save(tmp_path / "c.fits", primary=CUBE.astype("f4"))
    np.testing.assert_array_equal(read(path, axes="yxc"), CUBE)
    stage = {"CTYPE1": "X", "CUNIT1": "mm", "CTYPE2": "Y", "CUNIT2": "mm", "CTYPE3": "Energy",
             "CUNIT3": "keV", "CRVAL3": 0.1, "CDELT3": 0.01, "CRPIX3": 1.0}  # fmt: skip
    cube = read(save(tmp_path / "s.fits", primary=STORED, **stage))
    np.testing.assert_array_equal(cube, CUBE)
    assert spectral_axis(cube).unit == "keV"
    two = {"CTYPE1": "FREQ", "CTYPE2": "Y", "CTYPE3": "WAVE"}
    with pytest.raises(ValueError, match="axes="):
        read(save(tmp_path / "t.fits", primary=STORED, **two))


def test_air_and_vacuum_in_one_header_are_unknown(tmp_path):
    cube = read(save(tmp_path / "c.fits", primary=STORED, **wave("AWAV", AIRORVAC="vac")))
    assert spectral_axis(cube).medium == ""
    assert "--medium" in cube.attrs["reading_notes"]


def test_errors_in_cgs_units_are_no_zeros_after_squaring(tmp_path):
    path = save(tmp_path / "c.fits", ("SCI", STORED * np.float32(1e-25), wave(BUNIT="erg/s/cm2/A")),
                ("ERR", full(3e-25), {}))  # fmt: skip
    for chunks in (None, 2):
        cube = read(path, chunks=chunks)
        scale = cube.attrs["value_scale"]
        np.testing.assert_allclose(cube * (scale / 1e-25), CUBE, rtol=1e-6)
        np.testing.assert_allclose(cube.variance * (scale / 1e-25) ** 2, 9, rtol=1e-6)
        assert cube.attrs["unit"] == f"{scale:g} erg/s/cm2/A"


@pytest.mark.parametrize("chunks", [None, "auto"])
@pytest.mark.parametrize("along", ["pixels", "channels", "cube without the axis of length 1"])
def test_noise_of_fewer_axes_holds_along_the_others(tmp_path, along, chunks):
    """It was left out without a word."""
    y, x, channel = np.ogrid[:4, :6, :5]
    scene = np.moveaxis(1 + 100 * y + 7 * x + channel, 2, 0).astype("f4")
    full = np.broadcast_to(
        {"pixels": 1 + x + 10 * y, "channels": 1 + channel}.get(along, 1 + x + y + channel),
        (4, 6, 5),
    ).astype("f4")  # fmt: skip
    stored = {"pixels": full[..., 0], "channels": full[0, 0]}.get(along, np.moveaxis(full, 2, 0))
    hdus = [fits.PrimaryHDU(), fits.ImageHDU(scene[None], name="SCI"),
            fits.ImageHDU(stored, name="ERR")]  # fmt: skip
    fits.HDUList(hdus).writeto(tmp_path / "a.fits")
    cube = read(tmp_path / "a.fits", chunks=chunks)
    np.testing.assert_allclose(cube.values, np.moveaxis(scene, 0, 2))
    np.testing.assert_allclose(cube.variance.values, full**2, rtol=1e-6)


def test_noise_that_fits_nothing_is_stated(tmp_path):
    hdus = [fits.PrimaryHDU(), fits.ImageHDU(np.ones((5, 4, 6)), name="SCI"),
            fits.ImageHDU(np.ones((3, 7)), name="ERR")]  # fmt: skip
    fits.HDUList(hdus).writeto(tmp_path / "a.fits")
    assert "ERR has shape (3, 7), which does not fit" in read(tmp_path / "a.fits").reading_notes


def test_the_primary_image_with_noise_is_the_cube_whatever_else_is_there(tmp_path):
    """KCWI keeps the cube before sky subtraction beside it."""
    scene = np.arange(1, 121.0).reshape(5, 4, 6)
    hdus = [fits.PrimaryHDU(scene), fits.ImageHDU(np.ones_like(scene), name="UNCERT"),
            fits.ImageHDU(scene * 2, name="NOSKYSUB")]  # fmt: skip
    fits.HDUList(hdus).writeto(tmp_path / "a.fits")
    cube = read(tmp_path / "a.fits")
    np.testing.assert_allclose(cube.values, np.moveaxis(scene, 0, 2))
    assert (cube.variance.values == 1).all()
    assert "NOSKYSUB" in cube.attrs["reading_notes"]


@pytest.mark.filterwarnings("ignore:the sky coordinates cannot be used")
def test_messages_of_the_wcs_library_are_one_line(tmp_path):
    header = fits.Header({"CTYPE1": "WAVE", "CTYPE2": "DEC--TAN", "CTYPE3": "FREQ"})
    header.update({"CUNIT1": "nm", "CUNIT3": "Hz", "CRVAL3": 1.0, "CDELT3": 1.0})
    fits.writeto(tmp_path / "a.fits", np.ones((5, 4, 6)), header)
    with pytest.raises(ValueError, match="cannot be used") as caught:
        read(tmp_path / "a.fits")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "words"),
    [({"shape": (6, 4)}, "an image of 4 x 6 pixels"), ({"detectors": 7}, "not detectors")],
)
def test_what_fits_cannot_give_is_not_ignored(tmp_path, given, words):
    fits.writeto(tmp_path / "a.fits", np.ones((5, 4, 6)))
    with pytest.raises(ValueError, match=words):
        read(tmp_path / "a.fits", **given)


def test_a_list_of_events_is_refused_in_words(tmp_path):
    fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU(name="EVENTS")]).writeto(tmp_path / "a.fits")
    with pytest.raises(ValueError, match="only tables: EVENTS"):
        read(tmp_path / "a.fits")


@pytest.mark.parametrize(
    ("names", "cards", "bits", "words"),
    [
        (("SCI", "ERR", "DQ", "WMAP"), {}, 1, "by its layout, DQ marks bad values by bit 0"),
        (("FLUX", "IVAR", "MASK", "WAVE"), {}, 1024, "by its layout, MASK marks .* by bit 10"),
        (("FLUX", "IVAR", "MASK"), {"MASKNAME": "MANGA_DAPSPECMASK"}, 8, ""),
    ],
)
def test_the_bits_that_count_follow_from_the_instrument_or_the_layout(
    tmp_path, names, cards, bits, words
):
    flags = full(2, "i4")  # a remark in every one of them
    flags[3, 1, 2] = 2 + bits
    images = {"ERR": full(2), "IVAR": full(0.25), "WMAP": full(1), "WAVE": np.linspace(5, 6, C)}
    images |= {names[0]: STORED, names[2]: flags}
    path = save(tmp_path / "c.fits", *[(n, images[n], wave() if n == names[0] else cards)
                                       for n in names if n != "WAVE"])  # fmt: skip
    if "WAVE" in names:
        with fits.open(path, "append") as hdus:
            hdus.append(fits.ImageHDU(5000 + 2.0 * np.arange(C), fits.Header(), "WAVE"))
    cube = read(path)
    assert np.argwhere(np.isnan(cube.values)).tolist() == [[1, 2, 3]]
    assert re.search(words, cube.attrs.get("reading_notes", ""))


@pytest.mark.parametrize("chunks", [None, 2])
@pytest.mark.parametrize("with_noise", [False, True])
def test_counts_with_flags_become_floats_that_know_where_they_saturate(
    tmp_path, chunks, with_noise
):
    counts = np.arange(C * Y * X, dtype=np.uint8).reshape(C, Y, X)
    bad = np.arange(counts.size).reshape(counts.shape) == 77
    images = [("SCI", counts, wave()), ("DQ", bad.astype("u1"), {})]
    images += [("ERR", full(2), {})] if with_noise else []
    cube = read(save(tmp_path / "c.fits", *images), chunks=chunks)
    truth = np.moveaxis(np.where(bad, np.nan, counts), 0, 2)
    np.testing.assert_array_equal(cube, truth)
    assert cube.dtype == np.float32
    assert cube.attrs["saturation"] == 255
    assert ("variance" in cube.coords) is with_noise


def test_flags_that_a_user_names_must_be_there(tmp_path):
    bad = np.zeros((Y, X), "u1")
    bad[1, 2] = 1
    path = save(tmp_path / "c.fits", ("SCI", STORED, wave()), ("HOT", bad, {}),
                ("SHORT", bad[1:], {}))  # fmt: skip
    assert np.argwhere(read(path, mask="hot").mask.values).tolist() == [[1, 2]]
    with pytest.raises(ValueError, match="has no image 'COLD'; there is: 1 SCI"):
        read(path, mask="COLD")
    cube = read(path, mask="SHORT")
    assert "SHORT has shape (3, 5), which does not fit the cube" in cube.attrs["reading_notes"]
    assert "mask_from" not in cube.attrs


def test_a_list_in_another_unit_than_the_header_agrees_with_it(tmp_path):
    listed = 500 + 0.2 * np.arange(C)
    cube = read(
        save(tmp_path / "nm.fits", ("FLUX", STORED, wave()), ("WAVE", listed, {"BUNIT": "nm"}))
    )
    np.testing.assert_allclose(spectral_axis(cube).values, listed)
    assert spectral_axis(cube).unit == "nm"
    plain = ("WAVE", 10 * listed, {})  # no unit, and the numbers of the header
    assert spectral_axis(read(save(tmp_path / "a.fits", ("FLUX", STORED, wave()), plain))) == (
        Axis(10 * listed, "angstrom", medium="vacuum")
    )
    alone = ("WAVE", listed, {})
    cube = read(save(tmp_path / "b.fits", ("FLUX", STORED, SKY), alone))
    assert spectral_axis(cube).unit == "nm"
    assert "'WAVE' has no unit" in cube.attrs["reading_notes"]


def test_an_unknown_unit_gives_channels_and_is_kept_in_words(tmp_path):
    listed = ("WAVE", np.linspace(1, 2, C), {"BUNIT": "furlong"})
    cube = read(save(tmp_path / "a.fits", ("FLUX", STORED, SKY), listed))
    assert spectral_axis(cube).kind == "channel"
    assert cube.attrs["axis_note"] == "the file gives extension WAVE in 'furlong'"
    cube = read(save(tmp_path / "b.fits", primary=STORED, **wave("Band", "furlong", 1.0, 1.0)))
    assert spectral_axis(cube).kind == "channel"
    assert "furlong" in cube.attrs["axis_note"]


def test_a_column_of_logarithms_is_undone(tmp_path):
    values = np.linspace(3.6, 3.7, C)
    hdus = [fits.PrimaryHDU(), fits.ImageHDU(STORED, fits.Header(SKY), "FLUX"),
            fits.BinTableHDU.from_columns([fits.Column("LOGLAM", "D", array=values)])]  # fmt: skip
    fits.HDUList(hdus).writeto(tmp_path / "c.fits")
    axis = spectral_axis(read(tmp_path / "c.fits"))
    np.testing.assert_allclose(axis.values, 10**values)
    assert axis.unit == "angstrom"


@pytest.mark.parametrize(("value", "medium"), [(True, "vacuum"), (False, "air")])
def test_the_card_vacuum_says_where_wavelengths_were_measured(tmp_path, value, medium):
    path = save(tmp_path / "c.fits", primary=STORED, **wave("WAVELENGTH", VACUUM=value))
    assert spectral_axis(read(path)).medium == medium


def test_noise_is_recognised_in_one_word_with_its_cube(tmp_path):
    cube = read(save(tmp_path / "c.fits", ("FLUX", STORED, wave()), ("FLUXERR", full(3), {})))
    assert cube.coords["variance"][0, 0, 0] == 9
