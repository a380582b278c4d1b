"""The scan of FITS headers: what cannot be is one line, before a library reads the file."""

import gzip

import numpy as np
import pytest
from astropy.io import fits

from spectessera.io import _fits_scan, read
from spectessera.io._fits_scan import BLOCK, as_scanned, scan_fits

VALUES = np.arange(4 * 5 * 6, dtype=np.int16).reshape(4, 5, 6)


@pytest.fixture
def path(tmp_path):
    hdu = fits.PrimaryHDU(VALUES)
    hdu.header.update({"CTYPE3": "WAVE", "CUNIT3": "Angstrom", "CRVAL3": 5000.0, "CDELT3": 1.0})
    fits.HDUList([hdu, fits.ImageHDU(VALUES, name="STAT")]).writeto(tmp_path / "a.fits")
    return tmp_path / "a.fits"


def with_card(path, old, new, at=0):
    """Replace one card of the header of a part."""
    raw = path.read_bytes()
    place = -1
    for _ in range(at + 1):
        place = raw.index(f"{old:<8}= ".encode(), place + 1)
    path.write_bytes(raw[:place] + new.encode().ljust(80) + raw[place + 80 :])
    return path


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("NAXIS2", "NAXIS2  =                   -1", "NAXIS2 must be an integer from 0"),
        ("NAXIS2", "NAXIS2  =                  5.0", "NAXIS2 must be an integer"),
        ("NAXIS2", "NAXIS2  = '5       '", "NAXIS2 must be an integer"),
        ("NAXIS2", "COMMENT", "NAXIS2 is missing"),
        ("NAXIS", "NAXIS   =             99999999", "NAXIS must be an integer from 0 to 32"),
        ("NAXIS3", "NAXIS3  =  9999999999999999999", "NAXIS3 must be an integer"),
        ("BITPIX", "BITPIX  =                   17", "BITPIX must be one of"),
        ("BITPIX", "BITPIX  =                    T", "BITPIX must be an integer"),
        ("CTYPE3", "CTYPE3  =                    5", "CTYPE3 must be a text"),
        ("CUNIT3", "CUNIT3  =                  1.5", "CUNIT3 must be a text"),
        ("CDELT3", "NAXIS1  =                    7", "NAXIS1 stands twice"),
        ("CDELT3", "END                          7", "END of part 0 is followed"),
        ("CDELT3", "TFIELDS =                 1000", "TFIELDS must be an integer"),
        ("CDELT3", "PCOUNT  =                   -1", "PCOUNT must be an integer"),
    ],
)
def test_a_header_that_cannot_be_is_one_line(path, old, new, words):
    with pytest.raises(ValueError, match=words) as told:
        read(with_card(path, old, new), chunks="auto")
    assert "a.fits" in str(told.value)
    assert "\n" not in str(told.value)


def test_later_parts_are_checked_too(path):
    with pytest.raises(ValueError, match="part 1 of the file: NAXIS1 must be an integer"):
        read(with_card(path, "NAXIS1", "NAXIS1  =                   -3", at=1))


def test_a_card_that_is_no_value_at_all_is_left_to_the_reader(path):
    cube = read(with_card(path, "CUNIT3", "CUNIT3  = Angstrom"))
    assert cube.shape == (5, 6, 4)


@pytest.mark.parametrize("packed", [False, True])
def test_an_end_that_is_missing_is_found(tmp_path, path, packed):
    raw = path.read_bytes()[: 80 * 5].ljust(BLOCK)
    path.write_bytes(gzip.compress(raw) if packed else raw)
    with pytest.raises(ValueError, match="header of part 0 has no END"):
        read(path)


def test_a_header_without_end_is_not_read_for_ever(path, monkeypatch):
    monkeypatch.setattr(_fits_scan, "MAX_HEADER", 3 * BLOCK)
    path.write_bytes(path.read_bytes()[: 80 * 5].ljust(10 * BLOCK))
    with pytest.raises(ValueError, match="no END within 8640 bytes"):
        scan_fits(path)


def test_too_many_parts_are_refused(path, monkeypatch):
    monkeypatch.setattr(_fits_scan, "MAX_HDUS", 1)
    with pytest.raises(ValueError, match="more than 1 parts"):
        read(path)


def test_bytes_after_the_last_part_are_no_part(path):
    path.write_bytes(path.read_bytes() + b"\0" * 100)
    assert scan_fits(path).size == path.stat().st_size
    assert read(path).shape == (5, 6, 4)


def test_what_astropy_makes_of_bytes_after_the_last_part_is_not_used(path):
    whole = path.read_bytes()
    header = with_card(path, "CTYPE3", "NAXIS3  =                  -10").read_bytes()[:BLOCK]
    path.write_bytes(whole + b"XTENSION  = 'IMAGE'".ljust(80) + header[80:])
    scanned = scan_fits(path)
    assert len(scanned.places) == 2
    with fits.open(path) as opened:
        assert [each.name for each in as_scanned(opened, scanned.places)] == ["PRIMARY", "STAT"]
        with pytest.raises(ValueError, match="part 1 can be read in two ways"):
            as_scanned(opened, [scanned.places[0], 7])
    assert read(path).shape == (5, 6, 4)


def test_random_groups_are_sized_without_their_first_axis(path):
    raw = with_card(path, "CTYPE3", "GROUPS  =                    T").read_bytes()
    cards = {}
    assert _fits_scan._take(cards, raw[:BLOCK], 0)
    cards |= {"NAXIS1": 0, "PCOUNT": 2, "GCOUNT": 3}
    assert _fits_scan._data_bytes(cards) == 2 * 3 * (2 + 5 * 4)


def test_a_gzip_file_that_unfolds_too_far_is_refused_before_it_does(path, monkeypatch):
    monkeypatch.setattr("spectessera.io._limits.SMALL_BYTES", 2**16)
    declared = with_card(path, "NAXIS3", "NAXIS3  =             10000000").read_bytes()
    path.write_bytes(gzip.compress(declared))
    with pytest.raises(ValueError, match=r"unfolds to 6e\+08 bytes.*unpack it first \(gunzip\)"):
        read(path)
    path.write_bytes(gzip.compress(declared.replace(b"10000000", b"       4") + bytes(2**20)))
    with pytest.raises(ValueError, match="unfolds to"):
        read(path)


def test_a_gzip_file_that_is_cut_within_its_data_is_refused(path):
    path.write_bytes(gzip.compress(path.read_bytes()[: BLOCK + 20]))
    with pytest.raises(ValueError, match="should end at byte"):
        read(path)


@pytest.fixture
def tiles(tmp_path):
    hdu = fits.CompImageHDU(VALUES, name="SCI")
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(tmp_path / "c.fits")
    return tmp_path / "c.fits"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("ZNAXIS1", "ZNAXIS1 =                   -1", "ZNAXIS1 must be an integer"),
        ("ZNAXIS2", "ZNAXIS2 =           1000000000", "20 tiles are stored, and 4000000000"),
        ("ZTILE1", "ZTILE1  =                    0", "ZTILE1 must be an integer from 1"),
        ("ZBITPIX", "ZBITPIX =                   12", "ZBITPIX must be one of"),
    ],
)
def test_a_compressed_image_that_cannot_be_is_one_line(tiles, old, new, words):
    assert read(tiles).shape == (5, 6, 4)
    with pytest.raises(ValueError, match=words):
        read(with_card(tiles, old, new))


def test_a_compressed_image_may_not_unfold_without_limit(tiles, monkeypatch):
    with_card(tiles, "ZNAXIS1", "ZNAXIS1 =        1000000000000")
    with_card(tiles, "ZTILE1", "ZTILE1  =        1000000000000")
    with pytest.raises(ValueError, match=r"claims 8e\+13 bytes"):
        read(tiles, chunks="auto")


def test_damage_of_compressed_data_is_one_line_in_blocks_too(tiles):
    raw = bytearray(tiles.read_bytes())
    raw[-BLOCK : -BLOCK + 300] = np.random.default_rng(0).bytes(300)
    tiles.write_bytes(raw)
    with pytest.raises(ValueError, match=r"c\.fits"):
        read(tiles, chunks="auto").values  # noqa: B018
