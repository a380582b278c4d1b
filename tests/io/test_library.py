"""Libraries of spectra: as they were written, and hostile ones."""

import numpy as np
import pytest

import spectessera as spt

AXIS = np.linspace(0.4, 2.4, 30)


def braces(values):
    """Return a list as a header of ENVI has it."""
    return "{" + ", ".join(map(str, values)) + "}"


def write_envi(path, spectra, **fields):
    """Write an ENVI library of float32 spectra (name, channel)."""
    spectra = np.asarray(spectra, "<f4")
    header = {
        "samples": spectra.shape[1], "lines": len(spectra), "bands": 1, "header offset": 0,
        "file type": "ENVI Spectral Library", "data type": 4, "interleave": "bsq",
        "byte order": 0, "wavelength units": "Micrometers",
        "spectra names": braces(f"mineral {n}" for n in range(len(spectra))),
        "wavelength": braces(AXIS[: spectra.shape[1]]),
    } | {name.replace("_", " "): value for name, value in fields.items()}  # fmt: skip
    spectra.tofile(path)
    text = "ENVI\n" + "\n".join(f"{name} = {value}" for name, value in header.items())
    path.with_suffix(".hdr").write_text(text)
    return path


def test_an_envi_library_is_read_with_its_names_unit_and_factor(tmp_path):
    spectra = np.random.default_rng(0).uniform(0, 1, (3, 30)).astype(np.float32)
    spectra[1, 4] = -1.23e34
    path = write_envi(tmp_path / "usgs.sli", spectra * 2, reflectance_scale_factor=2)
    for given in (path, path.with_suffix(".hdr")):
        found = spt.read_library(given)
        assert found["name"].values.tolist() == ["mineral 0", "mineral 1", "mineral 2"]
        assert found.attrs["unit"] == "um"
        assert np.isnan(found["spectrum"].values[1, 4])
        assert found["spectrum"].values[0] == pytest.approx(spectra[0])
        assert found["position"].values[2] == pytest.approx(AXIS)


def test_a_folder_of_spectra_on_their_own_axes(tmp_path):
    (tmp_path / "quartz.txt").write_text("Raman shift (cm-1)\tcounts\n100\t1\n200\t5\n300\t2\n")
    (tmp_path / "gypsum.csv").write_text("shift/cm-1,a\n" + "\n".join(f"{n},2" for n in range(9)))
    (tmp_path / "README.txt").write_text("Spectra of two minerals.\n")
    found = spt.read_library(tmp_path)
    assert found["name"].values.tolist() == ["gypsum", "quartz"]
    assert found.sizes["channel"] == 9
    assert np.isnan(found["spectrum"].values[1, 3:]).all()
    assert found.attrs["unit"] == "cm-1"
    assert "README.txt" in found.attrs["reading_notes"]


def test_a_unit_can_be_given(tmp_path):
    path = tmp_path / "one.csv"
    path.write_text("1,4\n2,5\n3,6\n")
    assert spt.read_library(path).attrs["unit"] == ""
    assert spt.read_library(path, unit="µm").attrs["unit"] == "um"


def test_names_are_made_safe_and_distinct(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("nm,\x1b[31mred\x1b,blue,blue\n1,2,3,4\n2,3,4,5\n3,4,5,6\n")
    names = spt.read_library(path, unit="nm")["name"].values.tolist()
    assert all(name.isprintable() for name in names)
    assert names[1:] == ["blue", "blue (2)"]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"lines": 10**9}, "too many"),
        ({"lines": 5}, "cut short"),
        ({"wavelength": "{1, 2}"}, "2 wavelengths for 30 channels"),
        ({"bands": 3}, "one band of real numbers"),
        ({"file_type": "ENVI Standard"}, "not an ENVI Spectral Library"),
        ({"samples": -4}, "at least 1"),
    ],
)
def test_broken_envi_libraries_are_errors_that_name_the_file(tmp_path, fields, message):
    path = write_envi(tmp_path / "bad.sli", np.ones((3, 30)), **fields)
    with pytest.raises(ValueError, match=message) as caught:
        spt.read_library(path)
    assert "bad" in str(caught.value)


def test_what_is_no_library_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="no library"):
        spt.read_library(tmp_path / "none.sli")
    with pytest.raises(ValueError, match="holds no spectra"):
        spt.read_library(tmp_path)
    empty = tmp_path / "nan.csv"
    empty.write_text("nm,a\n1,nan\n2,nan\n3,inf\n")
    with pytest.raises(ValueError, match="holds no spectra"):
        spt.read_library(empty)
    (tmp_path / "b.csv").write_text("energy (eV),a\n1,1\n2,1\n3,1\n")
    (tmp_path / "c.csv").write_text("wavelength (nm),a\n1,1\n2,1\n3,1\n")
    empty.unlink()
    with pytest.raises(ValueError, match="different units"):
        spt.read_library(tmp_path)
