"""Tables of models: reading, lines that are filled in, errors."""

import gzip
import os
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from spectessera.synth.nebulae import table as nebular_table
from spectessera.synth.nebulae.bpt import bpt_ratios, kauffmann
from spectessera.synth.nebulae.lines import line_labels
from spectessera.synth.nebulae.nebula import draw_models, nebular_spectra
from spectessera.synth.nebulae.table import line_of, load_models

# A folder with NB_HII_grid.fits.gz, the grid of MAPPINGS 5.1 that NebulaBayes ships.
GRID = Path(os.environ.get("SPECTESSERA_TABLES", "/nowhere")) / "NB_HII_grid.fits.gz"
needs_grid = pytest.mark.skipif(
    not GRID.is_file(), reason="SPECTESSERA_TABLES is not a folder with the MAPPINGS grid"
)

CSV = """# invented
class,4861.33,Halpha,[OIII] 5007,NII6583
hii,2.0,5.8,4.0,1.0
hii,1.0,2.9,1.0,0.5
own,4.0,12,0,8.0
"""


@pytest.fixture
def table(tmp_path):
    def write(text, name="models.csv"):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write


def column(found, label):
    return found.flux[:, line_labels().index(label)]


def test_a_csv_file_becomes_fluxes_relative_to_h_beta(table):
    found = load_models(table(CSV))
    assert found.flux.shape == (3, 47)
    assert found.flux.dtype == np.float32
    assert found.kind.tolist() == ["hii", "hii", "own"]
    np.testing.assert_allclose(column(found, "Hb 4861"), 1)
    np.testing.assert_allclose(column(found, "Ha 6563"), [2.9, 2.9, 3.0])
    np.testing.assert_allclose(column(found, "[OIII] 5007"), [2, 1, 0])
    np.testing.assert_allclose(column(found, "[NII] 6583"), [0.5, 0.5, 2])


def test_lines_that_follow_from_others_are_filled_in_and_the_rest_is_zero(table):
    found = load_models(table(CSV))
    np.testing.assert_allclose(column(found, "[OIII] 4959"), np.array([2, 1, 0]) / 2.98, rtol=0.01)
    np.testing.assert_allclose(
        column(found, "[NII] 6548"), np.array([0.5, 0.5, 2]) / 2.94, rtol=0.01
    )
    np.testing.assert_allclose(column(found, "Pa9 9229"), 0.0254, rtol=0.02)
    assert set(found.filled) == {
        "[OIII] 4959", "[NII] 6548", "Pa12 8750", "Pa11 8863", "Pa10 9015", "Pa9 9229",
        "H9 3835", "H8 3889", "Hep 3970", "Hd 4102", "Hg 4340", "Pa8 9546",
    }  # fmt: skip
    assert "[SII] 6716" in found.absent
    assert not column(found, "[SII] 6716").any()
    assert len(found.filled) + len(found.absent) + 4 == 47


def test_either_of_two_partners_gives_the_other(table):
    found = load_models(table("4861.33,4958.91\n1,1\n"), kind="pn")
    np.testing.assert_allclose(column(found, "[OIII] 5007"), 2.98, rtol=0.01)
    np.testing.assert_allclose(column(found, "Ha 6563"), 2.863, rtol=0.002)


def write_fits(path, classes=True):
    columns = [
        fits.Column("Hbeta", "E", array=np.array([2.0, 1.0], np.float32)),
        fits.Column("Halpha", "D", array=np.array([5.8, 2.9])),
        fits.Column("OIII5007", "E", array=np.array([4.0, np.nan], np.float32)),
        fits.Column("log U", "E", array=np.array([-3.0, -2.5], np.float32)),
        fits.Column("note", "5A", array=np.array(["a", "b"])),
        fits.Column("vector", "2E", array=np.ones((2, 2), np.float32)),
    ]
    if classes:
        columns.append(fits.Column("CLASS", "6A", array=np.array(["hii", "shock"])))
    fits.BinTableHDU.from_columns(columns).writeto(path)
    return path


@pytest.mark.parametrize("name", ["grid.fits", "grid.fits.gz", "GRID.FIT"])
def test_a_fits_file_is_read_with_its_parameters(tmp_path, name):
    found = load_models(write_fits(tmp_path / name), others="keep", missing="zero")
    assert found.kind.tolist() == ["hii", "shock"]
    np.testing.assert_allclose(column(found, "[OIII] 5007"), [2, 0])
    assert list(found.parameters) == ["log U"]
    np.testing.assert_allclose(found.parameters["log U"], [-3, -2.5])


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("5006.84", "[OIII] 5007"), ("5007", "[OIII] 5007"), ("[OIII] 5007", "[OIII] 5007"),
        ("[O III]5007", "[OIII] 5007"), ("OIII5007", "[OIII] 5007"), ("oiii5006.84", "[OIII] 5007"),
        ("NII6584", "[NII] 6583"), ("Halpha", "Ha 6563"), ("H_beta", "Hb 4861"),
        ("HI9229", "Pa9 9229"), ("Pa9 9229", "Pa9 9229"), ("OII7320", "[OII] 7320"),
        ("OII7331", "[OII] 7331"), ("7319", "[OII] 7319"), (" 4861.33 ", "Hb 4861"),
        # not lines, or lines that are not in the table
        ("SII6716_31", None), ("NI5198_5200", None), ("HeI5016", None), ("FeII5007", None),
        ("OIII4861", None), ("log U", None), ("12 + log O/H", None), ("class", None), ("", None),
        ("SIII9531", "[SIII] 9531"), ("50068.4", None),
    ],
)  # fmt: skip
def test_the_name_of_a_column_gives_the_line(name, label):
    assert line_of(name) == label


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no models: 0 columns"),
        ("# nothing\n", "no models"),
        ("class,4861.33\n", "no models: 2 columns, no rows"),
        (
            "class,4861.33,FeII5007\nhii,1,2\n",
            r"unknown columns 'FeII5007'.*others=\"keep\"",
        ),
        ("class,4861.33,4861\nhii,1,2\n", "'4861.33' and '4861' are both Hb 4861"),
        ("class,4861.33,4861.33\nhii,1,2\n", "'4861.33' occurs twice"),
        ("class,6562.82\nhii,2.9\n", "no column for H beta"),
        ("class,4861.33,5007\nhii,1,\n", r"'5007' is empty or NaN in model 1.*missing=\"zero\""),
        ("class,4861.33,5007\nhii,1,2\nhii,1,nan\n", "'5007' is empty or NaN in model 2"),
        ("class,4861.33,5007\nhii,1,-0.5\n", "'5007' is negative in model 1.*logarithms"),
        ("class,4861.33,5007\nhii,1,inf\n", "'5007' is not finite in model 1"),
        ("class,4861.33,5007\nhii,1,much\n", "'5007' must contain numbers; got 'much'"),
        ("class,4861.33,5007\nhii,1,2\nhii,0,2\n", "H beta must be above 0; it is 0 in model 2"),
        ("class,4861.33,5007\nhii,1,1e30\n", r"\[OIII\] 5007 is 1e\+30 times as bright"),
        ("class,4861.33,5007\nhii,1e-300,1e300\n", "times as bright"),
        ("class,4861.33,5007\nhii,1\n", "model 1 has 2 cells, but the header has 3"),
        ("class,4861.33\n,1\n", "must contain a name for every model"),
        ("class,4861.33\n1,1\n", "must contain a name for every model"),
        ("4861.33,5007\n1,2\n", r"no column \"class\"; give the class .*kind=\"hii\""),
        ("class,4861.33\x00\nhii,1\n", "unknown columns|cannot be read"),
    ],
)
def test_an_invalid_table_is_refused_and_the_error_gives_the_place(table, text, words):
    path = table(text)
    with pytest.raises(ValueError, match=words) as caught:
        load_models(path)
    assert "models.csv" in str(caught.value)


def test_a_class_column_and_the_argument_kind_exclude_each_other(table):
    with pytest.raises(ValueError, match="leave out kind='pn'"):
        load_models(table(CSV), kind="pn")


def test_missing_files_unknown_formats_and_unknown_options_are_refused(table, tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no file"):
        load_models(tmp_path / "none.csv")
    with pytest.raises(FileNotFoundError):
        load_models(tmp_path)
    with pytest.raises(ValueError, match=r"has the suffix \.csv"):
        load_models(table(CSV, "models.xlsx"))
    with pytest.raises(ValueError, match="others must be one of"):
        load_models(table(CSV), others="drop")
    with pytest.raises(ValueError, match="missing must be one of"):
        load_models(table(CSV), missing="drop")


@pytest.mark.parametrize("name", ["models.csv", "models.fits", "models.fits.gz"])
def test_random_bytes_are_refused(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(np.random.default_rng(0).bytes(5000))
    with pytest.raises(ValueError, match="cannot be read as"):
        load_models(path)


@pytest.mark.parametrize("size", [10, 2000, 5000, 5800])
def test_a_truncated_fits_file_is_refused(tmp_path, size):
    whole = write_fits(tmp_path / "grid.fits").read_bytes()
    path = tmp_path / "cut.fits"
    path.write_bytes(whole[:size])
    with pytest.raises(ValueError, match=r"cut\.fits"):
        load_models(path, others="keep", missing="zero")


def test_a_fits_file_without_a_table_is_refused(tmp_path):
    fits.PrimaryHDU(np.ones((3, 4))).writeto(tmp_path / "image.fits")
    with pytest.raises(ValueError, match="no binary table"):
        load_models(tmp_path / "image.fits")


def test_a_huge_file_is_refused_before_it_is_read(table, tmp_path, monkeypatch):
    monkeypatch.setattr(nebular_table, "MOST_BYTES", 2**20)
    path = table("class,4861.33\n" + "hii,1\n" * 300_000)
    with pytest.raises(ValueError, match="more than 1 MiB"):
        load_models(path)
    packed = tmp_path / "bomb.fits.gz"
    packed.write_bytes(gzip.compress(bytes(2**22)))
    assert packed.stat().st_size < 10_000
    with pytest.raises(ValueError, match="more than 1 MiB"):
        load_models(packed)


def test_spectra_are_computed_from_the_classes_of_the_table(table):
    """Class "own" has no [OIII] and [NII] twice H beta; class "pn" is built in."""
    own = load_models(table(CSV))
    stream = nebular_spectra(400, 50, classes=("own", "pn"), table=own, seed=1)
    block = stream.block(0)
    axis = stream.axis.values
    oiii = block.expectation[:, np.abs(axis - 5006.84) < 15].sum(axis=1)
    nii = block.expectation[:, np.abs(axis - 6583.45) < 8].sum(axis=1)
    alpha = block.expectation[:, np.abs(axis - 6562.82) < 8].sum(axis=1)
    first = block.label == 1
    assert not oiii[first].any()
    assert (oiii[~first] > 0).all()
    np.testing.assert_allclose(nii[first] / alpha[first], 2 / 3, rtol=0.02)


def test_an_unknown_class_is_refused(table):
    own = load_models(table(CSV))
    with pytest.raises(ValueError, match="must be one of 'hii', 'pn', 'shock', 'dig', 'own'"):
        nebular_spectra(10, classes=("agn",), table=own)


# --- the grid of MAPPINGS ----------------------------------------------------------------------


@needs_grid
def test_the_grid_of_mappings_is_read():
    found = load_models(GRID, kind="hii", others="keep", missing="zero")
    assert found.flux.shape == (1296, 47)
    assert set(found.filled) == {
        "[OIII] 4959", "[NII] 6548", "[OII] 7319", "Pa12 8750", "Pa11 8863", "Pa10 9015",
        "Pa9 9229",
    }  # fmt: skip
    assert set(found.absent) == {
        "HeII 5411", "[ClIII] 5518", "[ClIII] 5538", "[ArIII] 7136", "[ArIII] 7751",
    }  # fmt: skip
    assert np.unique(found.parameters["log U"]).tolist() == [*np.arange(-4, -1.9, 0.25)]
    assert ((column(found, "Ha 6563") > 2.8) & (column(found, "Ha 6563") < 3.6)).all()
    assert nebular_spectra(10, table=found).block(0).spectra.shape == (10, 3681)


@needs_grid
def test_hii_regions_lie_where_the_grid_of_mappings_has_them():
    """At the same O/H and log U the mean ratios agree within 0.2 (0.3 for [OIII]).

    Left out are 12 + log O/H above 8.65 and log U below -3: there the grid has less [OIII].
    """
    grid = load_models(GRID, kind="hii", others="keep", missing="zero")
    oxygen, u = grid.parameters["12 + log O/H"], grid.parameters["log U"]
    theirs = bpt_ratios(grid.flux)
    drawn = draw_models("hii", 60_000, generator=np.random.default_rng(0))
    ours = bpt_ratios(drawn.flux)
    for log_oh in (8.061, 8.362, 8.605):
        for log_u in (-3.0, -2.75, -2.5):
            same = (np.abs(oxygen - log_oh) < 0.01) & (u == log_u)
            same &= np.abs(grid.parameters["log P/k"] - 5.4) < 0.1
            near = np.abs(drawn.parameters["log_oh"] - log_oh) < 0.04
            near &= np.abs(drawn.parameters["log_u"] - log_u) < 0.1
            for name, within in (("nii", 0.2), ("sii", 0.2), ("oi", 0.2), ("oiii", 0.3)):
                gap = getattr(ours, name)[near].mean() - getattr(theirs, name)[same].mean()
                assert abs(gap) < within, (log_oh, log_u, name, gap)


@needs_grid
def test_most_hii_regions_have_a_model_of_mappings_nearby():
    """In each plane within 0.2 in both ratios; and the grid is below the curve of Kauffmann."""
    grid = load_models(GRID, kind="hii", others="keep", missing="zero")
    usual = grid.parameters["log P/k"] < 7
    theirs = bpt_ratios(grid.flux[usual])
    ours = bpt_ratios(draw_models("hii", 2000, generator=np.random.default_rng(0)).flux)
    for name in ("nii", "sii", "oi"):
        apart = np.maximum(
            np.abs(getattr(ours, name)[:, None] - getattr(theirs, name)),
            np.abs(ours.oiii[:, None] - theirs.oiii),
        )
        assert (apart.min(axis=1) < 0.2).mean() > 0.94, name
    assert (theirs.oiii < kauffmann(theirs.nii)).mean() > 0.99
