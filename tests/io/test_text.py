"""Cubes from tables in text files."""

import numpy as np
import pytest

from spectessera.axis import Axis
from spectessera.cube import spectral_axis
from spectessera.io import read

SHAPE = (4, 5, 7)
VALUES = np.arange(140).reshape(SHAPE)
CM = 300 + 2.5 * np.arange(7)
Y, X = 10 + 2.0 * np.arange(4), -1 + 0.5 * np.arange(5)
POINTS = [(y, x) for y in range(4) for x in range(5)]
SHUFFLED = [POINTS[n] for n in np.random.default_rng(0).permutation(20)]


def save(path, header, rows, separator=",", comma=False):
    text = "".join(separator.join(map(str, row)) + "\n" for row in rows)
    path.write_text(header + (text.replace(".", ",") if comma else text), encoding="utf-8")
    return path


def wide(points=POINTS):
    """Rows of x, y, and the values of the spectrum."""
    return [[X[x], Y[y], *VALUES[y, x]] for y, x in points]


def check(cube, unit="cm-1"):
    np.testing.assert_array_equal(cube, VALUES)
    np.testing.assert_array_equal(spectral_axis(cube).values, CM)
    assert spectral_axis(cube).unit == unit
    np.testing.assert_allclose(cube.x, X)
    np.testing.assert_allclose(cube.y, Y)


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("points", [POINTS, SHUFFLED])
def test_one_spectrum_a_row_with_its_position(tmp_path, separator, points):
    header = separator.join(["x", "y", *map(str, CM)]) + "\n"
    path = save(tmp_path / "a.csv", "# Raman map\n" + header, wide(points), separator)
    check(read(path))
    check(read(path, chunks=2))


@pytest.mark.parametrize("header", ["Y (mm),x_pos,{}", '"y","X","{}"', "pos_y,pos_x,{}"])
def test_positions_are_found_by_their_names(tmp_path, header):
    rows = [[y, x, *spectrum] for x, y, *spectrum in wide()]
    names = ('","' if '"' in header else ",").join(f"{one} cm-1" for one in CM)
    check(read(save(tmp_path / "a.csv", header.format(names) + "\n", rows)))


def test_a_map_of_labspec_has_no_names_for_its_positions(tmp_path):
    header = "#Acq. time (s)=\t1\n#Range=Raman shift\n\t\t" + "\t".join(map(str, CM)) + "\n"
    cube = read(save(tmp_path / "a.txt", header, wide(), "\t"))
    check(cube)
    assert "taken as x and y" in cube.attrs["reading_notes"]


@pytest.mark.parametrize("header", ["#X\t\t#Y\t\t#Wave\t\t#Intensity\n", "x\ty\tshift (cm-1)\tI\n"])
@pytest.mark.parametrize("points", [POINTS, SHUFFLED])
def test_one_value_a_row(tmp_path, header, points):
    rows = [[X[x], Y[y], CM[c], VALUES[y, x, c]] for y, x in points for c in reversed(range(7))]
    path = save(tmp_path / "a.txt", header, rows, "\t")
    check(read(path), "" if "Wave" in header else "cm-1")
    check(read(path, unit="cm-1"))


def test_a_spectrum_that_lacks_a_value_is_an_error(tmp_path):
    rows = [[X[x], Y[y], CM[c], 1.5] for y, x in POINTS for c in range(7)]
    with pytest.raises(ValueError, match="139 rows for 7 values of 'wave'"):
        read(save(tmp_path / "a.txt", "x y wave i\n", rows[:-1], " "))
    rows[3][2] += 0.25
    with pytest.raises(ValueError, match=r"other values of 'wave'|140 rows for 8 values"):
        read(save(tmp_path / "b.txt", "x y wave i\n", rows, " "))


def test_decimal_commas_are_understood(tmp_path):
    header = ("x;y;" + ";".join(f"{one} cm-1" for one in CM)).replace(".", ",") + "\n"
    rows = [[x, y, *(np.array(spectrum) + 0.5)] for x, y, *spectrum in wide()]
    cube = read(save(tmp_path / "a.csv", header, rows, ";", comma=True))
    np.testing.assert_array_equal(cube, VALUES + 0.5)


@pytest.mark.parametrize("header", ["", "band 1,band 2,band 3,band 4,band 5,band 6,band 7\n"])
def test_spectra_without_positions_need_the_shape(tmp_path, header):
    path = save(tmp_path / "a.csv", header, VALUES.reshape(20, 7))
    with pytest.raises(ValueError, match=r"20 spectra without .*shape=\(ny, nx\)"):
        read(path)
    with pytest.raises(ValueError, match=r"do not fill an image of shape=\(3, 5\)"):
        read(path, shape=(3, 5))
    cube = read(path, shape=(4, 5))
    np.testing.assert_array_equal(cube, VALUES)
    assert spectral_axis(cube) == Axis(np.arange(7))
    assert cube.attrs["axes_from"] == "shape="


def test_a_first_row_that_alone_rises_is_the_axis(tmp_path):
    values = np.random.default_rng(0).integers(0, 9, SHAPE)
    rows = [CM.tolist(), *values.reshape(20, 7).tolist()]
    cube = read(save(tmp_path / "a.dat", "", rows, " "), shape=(4, 5), unit="nm")
    np.testing.assert_array_equal(cube, values)
    assert spectral_axis(cube) == Axis(CM, "nm")
    assert "first row alone rises" in cube.attrs["reading_notes"]


def test_one_spectrum_a_column_after_the_axis(tmp_path):
    header = "Wavelength (nm)," + ",".join(f"Spectrum {n}" for n in range(20)) + "\n"
    rows = np.column_stack([CM, VALUES.reshape(20, 7).T]).tolist()
    cube = read(save(tmp_path / "a.csv", header, rows), shape=(4, 5))
    np.testing.assert_array_equal(cube, VALUES)
    assert spectral_axis(cube) == Axis(CM, "nm")


def test_whole_numbers_are_integers(tmp_path):
    path = save(tmp_path / "a.csv", "", VALUES.reshape(20, 7))
    assert read(path, shape=(4, 5)).dtype == np.int32
    path = save(tmp_path / "b.csv", "", VALUES.reshape(20, 7) + 0.5)
    assert read(path, shape=(4, 5)).dtype == np.float64


def test_positions_that_jitter_are_rows_and_columns(tmp_path):
    rng = np.random.default_rng(0)
    header = "x,y," + ",".join(f"{one} cm-1" for one in CM) + "\n"
    rows = [[x + rng.normal(0, 0.01), y + rng.normal(0, 0.01), *s] for x, y, *s in wide(SHUFFLED)]
    cube = read(save(tmp_path / "a.csv", header, rows))
    np.testing.assert_array_equal(cube, VALUES)
    np.testing.assert_allclose(cube.x, X, atol=0.02)


def test_positions_that_fill_no_image_are_refused_in_words(tmp_path):
    rng = np.random.default_rng(0)
    header = "x,y," + ",".join(map(str, CM)) + "\n"
    rows = [[*rng.random(2), *spectrum] for _, _, *spectrum in wide()]
    path = save(tmp_path / "a.csv", header, rows)
    with pytest.raises(ValueError, match=r"its 20 spectra have .* no image of rows and columns"):
        read(path)
    np.testing.assert_array_equal(read(path, shape=(4, 5)), VALUES)  # the user knows the order
    with pytest.raises(ValueError, match="no image of rows and columns"):
        read(save(tmp_path / "b.csv", header, [*wide(), wide()[3]]))  # a place twice


def test_a_scan_that_was_stopped_has_missing_places(tmp_path):
    header = "x,y," + ",".join(f"{one} cm-1" for one in CM) + "\n"
    cube = read(save(tmp_path / "a.csv", header, wide()[:-3]))
    np.testing.assert_array_equal(cube[:3], VALUES[:3])
    assert np.isnan(cube.values[3, 2:]).all()
    assert "3 of 20 places of the image have no spectrum" in cube.attrs["reading_notes"]


def test_columns_that_are_not_read_are_stated(tmp_path):
    header = "point,x,y,focus," + ",".join(map(str, CM)) + "\n"
    rows = [[n, x, y, 0.1, *spectrum] for n, (x, y, *spectrum) in enumerate(wide())]
    cube = read(save(tmp_path / "a.csv", header, rows), unit="cm-1")
    check(cube)
    assert "columns that are not read: point, focus" in cube.attrs["reading_notes"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a table 1\nof words 2\n", "holds no table of numbers"),
        ("x,y,1,2\n1,2,3,4\n1,2,3\n", "cannot be read as a table of numbers"),
        ("x,y,1,2\n1,2,3,4\n1,3,a,4\n", "cannot be read as a table of numbers"),
        ("x,y,value\n1,2,3\n1,3,4\n", "columns x, y, value: there are no spectra"),
    ],
)
def test_other_texts_are_refused_in_words(tmp_path, text, message):
    path = tmp_path / "a.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        read(path)


def test_what_a_table_cannot_give_is_refused(tmp_path):
    path = save(tmp_path / "a.csv", "", VALUES.reshape(20, 7))
    with pytest.raises(ValueError, match="holds one table; leave out key='a'"):
        read(path, key="a")
    with pytest.raises(ValueError, match="leave out axes='yxc'"):
        read(path, axes="yxc")


def test_binary_data_of_the_same_suffix_are_no_text(tmp_path):
    path = tmp_path / "a.dat"
    path.write_bytes(bytes(range(256)))
    with pytest.raises(ValueError, match="has no ENVI header beside it"):
        read(path)


def test_a_file_that_is_too_large_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr("spectessera.io._texttable.MAX_BYTES", 10)
    with pytest.raises(ValueError, match="too many for a table of text"):
        read(save(tmp_path / "a.csv", "", VALUES.reshape(20, 7)))


def test_words_without_numbers_are_no_table(tmp_path):
    (tmp_path / "notes.txt").write_text("hello world\nmore of it\n")
    with pytest.raises(ValueError, match="holds no table of numbers: it begins with 'hello world'"):
        read(tmp_path / "notes.txt")


def test_a_long_table_must_be_complete_and_on_one_axis(tmp_path):
    rows = [[X[x], Y[y], CM[c], VALUES[y, x, c]] for y, x, c in np.ndindex(SHAPE)]
    header = "x,y,shift (cm-1),I\n"
    check(read(save(tmp_path / "a.csv", header, rows)))
    with pytest.raises(ValueError, match="there must be one of values"):
        read(save(tmp_path / "a.csv", "x,y,shift (cm-1),I,time\n", [[*row, 1] for row in rows]))
    with pytest.raises(ValueError, match="139 rows for 7 values of 'shift"):
        read(save(tmp_path / "a.csv", header, rows[:-1]))
    rows[0][2], rows[1][2] = CM[1], CM[1]
    with pytest.raises(ValueError, match=r"other values of 'shift.*export them on one axis"):
        read(save(tmp_path / "a.csv", header, rows))


def test_an_image_may_have_one_column(tmp_path):
    header = "x,y," + ",".join(f"{one} cm-1" for one in CM) + "\n\n"
    cube = read(save(tmp_path / "a.csv", header, [[3, Y[y], *VALUES[y, 0]] for y in range(4)]))
    np.testing.assert_array_equal(cube, VALUES[:, :1])
    assert cube.x.values.tolist() == [3]


def test_an_unknown_unit_in_a_name_is_kept_in_words(tmp_path):
    rows = np.column_stack([np.arange(7), VALUES.reshape(20, 7).T])
    path = save(tmp_path / "a.csv", "energy [furlong]" + ",s" * 20 + "\n", rows)
    cube = read(path, shape=(4, 5))
    np.testing.assert_array_equal(cube, VALUES)
    assert spectral_axis(cube).kind == "channel"
    assert "'furlong'" in cube.attrs["axis_note"]
