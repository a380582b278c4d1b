"""Flags that say how a file is to be read, right and wrong, and messages in the words of flags."""

import json

import h5py
import numpy as np
import pytest

from commands import one_line, run
from spectessera import make_cube, read, write
from spectessera.cli.console import as_flags, format_warning
from spectessera.cli.flags import FileOptions
from spectessera.cube import spectral_axis

SHAPE = (4, 6, 10)  # y, x, channel


def values():
    """Return values that show a wrong order of axes at once."""
    y, x, c = np.ogrid[: SHAPE[0], : SHAPE[1], : SHAPE[2]]
    return (1.0 + 1000 * y + 30 * x + c).astype(np.float32)


@pytest.fixture
def scan(tmp_path):
    """A cube with an axis, beside a picture and an array of noise."""
    path = tmp_path / "scan.h5"
    write(make_cube(values(), energy=(1.0, 10.0)), path)
    with h5py.File(path, "r+") as file:
        file["picture"] = np.ones(SHAPE[:2])
        file["sigma"] = np.full(SHAPE, 2.0, np.float32)
        file["bad"] = np.arange(24).reshape(SHAPE[:2]) == 7
    return path


def test_a_channel_first_file_is_read_in_the_order_that_is_given(tmp_path):
    with h5py.File(tmp_path / "cube.h5", "w") as file:
        file["data"] = values().transpose(2, 0, 1)
    cube = FileOptions(axes="cyx", energy="1,10").open(tmp_path / "cube.h5")
    np.testing.assert_array_equal(cube, values())


def test_the_axis_may_be_given_as_logarithms_with_its_medium(scan):
    cube = FileOptions(wavelength="3.5,4", log10=True, medium="vacuum").open(scan)
    axis = spectral_axis(cube)
    assert (axis.kind, axis.medium) == ("wavelength", "vacuum")
    np.testing.assert_allclose(axis.values[[0, -1]], [10**3.5, 10000])


def test_mask_and_noise_are_names_in_the_file(scan):
    cube = FileOptions(mask="bad", error="sigma").open(scan)
    assert cube["mask"].values.sum() == 1
    assert cube["mask"].values[1, 1]
    assert (cube["variance"].values == 4).all()


@pytest.mark.parametrize("noise", [np.full(SHAPE, 2.0), np.full(SHAPE[2], 2.0)])
def test_mask_and_noise_are_other_files(scan, tmp_path, noise):
    np.save(tmp_path / "sigma.npy", noise)
    np.save(tmp_path / "bad.npy", np.arange(24).reshape(SHAPE[:2]) == 7)
    options = FileOptions(mask=str(tmp_path / "bad.npy"), error=str(tmp_path / "sigma.npy"))
    cube = options.open(scan)
    assert cube["mask"].values[1, 1]
    assert cube["mask"].values.sum() == 1
    assert (cube["variance"].values == 4).all()
    assert options.files() == [tmp_path / "bad.npy", tmp_path / "sigma.npy"]


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--axes", "yx"), "--axes takes y, x and c"),
        (("--axes", "yxz"), "--axes takes"),
        (("--shape", "7"), "--shape takes 2 numbers"),
        (("--shape", "2,a"), "--shape takes an integer"),
        (("--shape", "0,4"), "--shape takes"),
        (("--key", "picture"), "(4, 6)"),
        (("--key", "nowhere"), "picture (4, 6)"),
        (("--unit", "furlong"), "'furlong'"),
        (("--medium", "water"), "'water'"),
        (("--detectors", "-1"), "--detectors takes"),
        (("--detectors", "half"), "--detectors takes"),
        (("--energy", "1,2", "--wavelength", "1,2"), "energy and wavelength"),
        (("--variance", "sigma", "--error", "sigma"), "variance and error"),
        (("--mask", "nowhere.npy"), "there is no file nowhere.npy"),
        (("--mask", "nowhere.hdr"), "--mask takes"),
        (("--error", "nowhere.npy"), "there is no file nowhere.npy"),
        (("--error", "nowhere"), "nowhere"),
        (("--log10", "--energy", "1,500"), "plain values"),
        (("--log10", "--energy", "0.5,38"), "plain values"),
        (("--energy", "1,20", "--medium", "air"), "only wavelengths are in air or vacuum"),
        (("--mask", __file__), "--mask takes"),
    ],
)
def test_a_wrong_flag_is_one_line_in_the_words_of_flags(scan, flags, words):
    line = one_line(run("info", scan, *flags))
    assert words in line
    assert not any(f"{name}=" in line for name in FileOptions.__dataclass_fields__)


def test_a_medium_other_than_that_of_the_file_is_stated(tmp_path):
    axis = np.linspace(500, 600, SHAPE[2])
    np.savez(tmp_path / "air.npz", cube=values(), axis=axis, axis_unit="nm")
    cube = read(tmp_path / "air.npz", medium="air")
    write(cube, tmp_path / "air.h5")
    again = read(tmp_path / "air.h5", medium="vacuum")
    assert spectral_axis(again).medium == "vacuum"
    assert "in vacuum, as was given; the file says air" in again.attrs["reading_notes"]


def test_info_says_that_a_file_has_no_spectral_axis_and_shows_shares_in_percent(tmp_path):
    cube = values().astype(np.float32)
    cube[0, 0, 0] = np.nan
    np.save(tmp_path / "plain.npy", cube)
    shown = " ".join(run("info", tmp_path / "plain.npy").output.split())
    assert "the file gives no spectral axis; give its first and last value with --energy" in shown
    assert f"{100 / cube.size:.3g} %" in shown
    assert "1 repaired" in shown
    assert "no spectral axis" not in run("info", tmp_path / "plain.npy", "--energy", "1,2").output


@pytest.mark.parametrize(
    ("words", "flags"),
    [
        ("choose one with key=", "choose one with --key"),
        ("give energy=, wavelength= or axis= too", "give --energy, --wavelength or --axis too"),
        ("leave out key='a b'", "leave out --key a b"),
        ("give overwrite=True (--overwrite) or another", "give --overwrite or another"),
        ("give missing=-1 (--missing -1)", "give --missing -1"),
        ("axes (--axes) takes y", "--axes takes y"),
        ("so unit= (--unit) has", "so --unit has"),
        ('shape=(3, 4); detectors="sum"', "--shape 3,4; --detectors sum"),
        ("live_time=True", "--live-time"),
        ("/data/energy=5.h5 and 'key=3'", "/data/energy=5.h5 and 'key=3'"),
        ("ask for fewer clusters (--clusters 3)", "ask for fewer clusters (--clusters 3)"),
    ],
)
def test_a_message_about_arguments_is_one_about_flags(words, flags):
    assert as_flags(words) == flags


def test_control_characters_of_a_file_do_not_reach_the_terminal(tmp_path):
    with h5py.File(tmp_path / "odd.h5", "w") as file:
        file["\x1b[31mred [bold]"] = np.ones(3)
    line = one_line(run("info", tmp_path / "odd.h5"))
    assert r"\x1b[31mred [bold]" in line
    assert "\x1b" not in line


def test_info_in_json_has_the_axis_that_is_given(scan):
    told = json.loads(run("info", scan, "--wavelength", "3000,4000", "--json", check=0).stdout)
    assert told["axis_range"] == [3000.0, 4000.0]


def test_info_shows_how_everything_was_found_and_what_to_do_if_it_is_wrong(tmp_path):
    with h5py.File(tmp_path / "odd.h5", "w") as file:
        file["cube"] = values().transpose(2, 0, 1)
        file["energy"] = np.arange(10) / 2 + 1
        file["cube_err"] = np.ones((10, *SHAPE[:2]))
        file["live_time"] = np.linspace(0.5, 1, 24).reshape(SHAPE[:2])
        file["cube"].attrs["unit"] = "[bold]\x1b[31mcounts"
    printed = run("info", tmp_path / "odd.h5", check=0).stdout
    text = " ".join(printed.split())  # the width of the terminal cuts the lines
    assert "4 x 6 (y, x)" in text
    assert "stored as 10 x 4 x 6" in text
    assert "cube_err (error)" in text
    assert "1 to 5.5" in text
    assert "0.5 to 1" in text
    assert "taken as keV (--unit)" in text
    assert r"[bold]\x1b[31mcounts" in text
    assert "\x1b" not in text
    assert "If this is wrong: --key, --axes" in text
    told = json.loads(run("info", tmp_path / "odd.h5", "--json", check=0).stdout)
    assert told["axis_from"] == "energy"
    assert told["variance_from"] == "cube_err (error)"
    assert "keV" in told["reading_notes"]


def test_info_says_the_size_of_a_pixel_that_is_given(scan):
    told = json.loads(run("info", scan, "--pixel-size", "0.5mm", "--json", check=0).stdout)
    assert "0.5 mm" in str(told)
    told = json.loads(run("info", scan, "--pixel-size", "0.0118um", "--json", check=0).stdout)
    assert told["pixel_size"] == "11.8 x 11.8 nm (y, x)"  # as in the figures
    plain = json.loads(run("info", scan, "--json", check=0).stdout)
    assert "pixel_size" not in plain
    text = " ".join(run("info", scan, check=0).stdout.split())
    assert "for scale bars and areas, give it: --pixel-size" in text
    assert "--pixel-size takes a size" in one_line(run("info", scan, "--pixel-size", "0.5"))


def test_info_of_an_own_file_has_nothing_to_add(scan):
    told = json.loads(run("info", scan, "--json", check=0).stdout)
    assert not any(name.endswith("_from") for name in told)
    assert "reading_notes" not in told


@pytest.mark.parametrize(
    ("energy", "words"),
    [
        ("500,38500", "if it is in eV, give --unit eV"),
        ("0.037,0.5", "if they are the gain and the offset, give --energy 0.5,4.163"),
        ("0.001,0.002", "give the energies of the first and of the last channel"),
    ],
)
@pytest.mark.filterwarnings("ignore:energy from")
def test_an_unlikely_range_of_energies_is_in_the_table_of_info(tmp_path, energy, words):
    np.save(tmp_path / "a.npy", np.arange(2400.0).reshape(4, 6, 100))
    told = json.loads(run("info", tmp_path / "a.npy", "--energy", energy, "--json", check=0).stdout)
    assert words in as_flags(told["reading_notes"])
    assert told["warnings"].startswith("what was assumed")


def test_energies_with_their_unit_need_no_warning(tmp_path):
    write(make_cube(np.ones((4, 6, 100)), energy=(0.1, 0.9), unit="keV"), tmp_path / "a.h5")
    cube = FileOptions(energy="0.1,0.9", unit="keV").open(tmp_path / "a.h5")
    assert "reading_notes" not in cube.attrs


def test_a_warning_of_this_package_speaks_of_flags():
    words = format_warning("give energy=(1, 2)", UserWarning, "a.py", 1)
    assert words == "warning: give --energy 1,2\n"
    assert format_warning("old", DeprecationWarning, "a.py", 1) == "DeprecationWarning: old\n"
