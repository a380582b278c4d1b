"""Files of instrument vendors, read through rosettasciio: a stand-in here, the package if it is
installed."""

import struct
import sys
import types
import warnings

import h5py
import numpy as np
import pytest

from spectessera.axis import Axis
from spectessera.cube import spectral_axis
from spectessera.io import formats, read
from spectessera.io._common import Request
from spectessera.io.vendor import MODULES, read_vendor

SHAPE = (4, 5, 7)
VALUES = np.arange(140, dtype=np.uint8).reshape(SHAPE)
ENERGY = {"name": "Energy", "units": "keV", "scale": 0.01, "offset": -0.5, "navigate": False}
HEIGHT = {"name": "height", "units": "µm", "scale": 2.0, "offset": 1.0, "navigate": True}
WIDTH = {"name": "width", "units": "µm", "scale": 3.0, "offset": 0.0, "navigate": True}
# The header of a .bcf file: its pieces have 4096 bytes, and there is one of them.
BCF = (b"AAMVHFSS".ljust(0x128, b"\0") + struct.pack("<I", 4096)).ljust(0x148, b"\0")
BCF = (BCF + struct.pack("<I", 1)).ljust(0x118 + 4096, b"\0")
KEV = -0.5 + 0.01 * np.arange(7)


def dataset(data=VALUES, axes=(HEIGHT, WIDTH, ENERGY), title="EDX", **metadata):
    sizes = [{**axis, "size": size} for axis, size in zip(axes, data.shape, strict=True)]
    return {"data": data, "axes": sizes, "metadata": {"General": {"title": title}, **metadata}}


IMAGE = dataset(VALUES[..., 0], (HEIGHT, WIDTH), "BSE")


@pytest.fixture
def vendor(tmp_path, monkeypatch):
    """Return a function that writes a file and lets the stand-in return these datasets for it."""

    def write(*datasets, suffix=".bcf", told=None):
        def file_reader(filename, lazy=False, **options):
            assert filename == str(path)
            if told is not None:
                told.update(options, lazy=lazy)
            return list(datasets)

        path = tmp_path / f"map{suffix}"
        path.write_bytes(BCF if suffix == ".bcf" else b"a format of a vendor")
        module = types.ModuleType(f"rsciio.{MODULES[suffix]}")
        module.file_reader = file_reader
        monkeypatch.setitem(sys.modules, "rsciio", types.ModuleType("rsciio"))
        monkeypatch.setitem(sys.modules, module.__name__, module)
        return path

    return write


def test_the_spectrum_image_is_read_and_images_beside_it_are_not(vendor):
    cube = read(vendor(IMAGE, dataset(), dataset(VALUES[:, :, 1], (HEIGHT, WIDTH), "SE")))
    np.testing.assert_array_equal(cube, VALUES)
    assert spectral_axis(cube) == Axis(KEV, "keV")
    np.testing.assert_array_equal(cube.y, 1 + 2 * np.arange(4))
    np.testing.assert_array_equal(cube.x, 3 * np.arange(5))
    assert cube.x.attrs["units"] == "µm"
    assert cube.attrs["title"] == "EDX"


def test_nothing_is_left_out_by_the_options(vendor):
    told = {}
    read(vendor(dataset(), told=told))
    assert told == {"index": "all", "cutoff_at_kV": None, "downsample": 1, "lazy": False}
    read(vendor(dataset(), suffix=".pts", told=told), chunks=2)
    assert told["SI_dtype"] == np.uint16  # counts above 255
    assert told["lazy"] is True


def test_the_largest_count_that_sized_the_type_is_no_saturation(vendor):
    assert read(vendor(dataset())).dtype == np.uint16
    assert read(vendor(dataset(), suffix=".dm4")).dtype == np.uint8


def test_counts_of_the_instrument_are_kept(vendor):
    detector = {"EDS": {"live_time": 2.5, "real_time": np.float64(3), "elevation_angle": 35}}
    microscope = {"SEM": {"beam_energy": 20.0, "Detector": detector}}
    cube = read(vendor(dataset(Acquisition_instrument=microscope)))
    assert cube.attrs["beam_energy"] == 20
    assert cube.attrs["live_time"] == 2.5
    assert cube.attrs["real_time"] == 3


@pytest.mark.parametrize(
    ("order", "axes"),
    [
        ((2, 0, 1), (ENERGY, HEIGHT, WIDTH)),
        ((1, 0, 2), (WIDTH, HEIGHT, ENERGY)),
        ((2, 0, 1), ({**ENERGY, "name": "", "units": ""}, {**HEIGHT, "name": ""},
                     {**WIDTH, "name": ""})),
    ],
)  # fmt: skip
def test_the_axes_of_the_file_give_the_order(vendor, order, axes):
    cube = read(vendor(dataset(VALUES.transpose(order), axes)))
    np.testing.assert_array_equal(cube, VALUES)


def test_an_uneven_axis_and_energy_losses(vendor):
    nm = np.array([400.0, 410, 425, 440, 460, 480, 505])
    uneven = {"name": "Wavelength", "units": "nm", "axis": nm, "navigate": False}
    cube = read(vendor(dataset(axes=(HEIGHT, WIDTH, uneven)), suffix=".wdf"))
    assert spectral_axis(cube) == Axis(nm, "nm")
    loss = {**ENERGY, "name": "Energy loss", "units": "eV"}
    cube = read(vendor(dataset(axes=(HEIGHT, WIDTH, loss)), suffix=".dm3"))
    assert spectral_axis(cube).kind == "energy_loss"


def test_an_axis_that_only_counts_gives_channels(vendor):
    plain = {"name": None, "units": None, "scale": 1.0, "offset": 0.0, "navigate": False}
    assert spectral_axis(read(vendor(dataset(axes=(HEIGHT, WIDTH, plain))))).kind == "channel"


def test_several_spectrum_images_are_listed_and_chosen_by_title_or_number(vendor):
    second = dataset(2 * VALUES[:2], title="EDX")
    path = vendor(IMAGE, dataset(), second)
    with pytest.raises(ValueError, match=r"several .* EDX \(4, 5, 7\), EDX \(2\) .*key=$"):
        read(path)
    np.testing.assert_array_equal(read(path, key="EDX (2)"), 2 * VALUES[:2])
    np.testing.assert_array_equal(read(path, key=1), VALUES)
    with pytest.raises(ValueError, match=r"no dataset 'nope'; there is: BSE"):
        read(path, key="nope")
    with pytest.raises(ValueError, match=r"'BSE' has shape \(4, 5\), which is no spectrum image"):
        read(path, key="BSE")


def test_detectors_of_one_shape_are_added_up_or_chosen_without_overflow(vendor):
    many = [dataset(np.full(SHAPE, 200, np.uint8), title=f"EDS {n}") for n in range(2)]
    path = vendor(*many)
    with pytest.raises(ValueError, match="detectors='sum' adds them up"):
        read(path)
    assert int(read(path, detectors="sum").max()) == 400
    assert int(read(path, detectors=1).max()) == 200
    with pytest.raises(ValueError, match="no detector 2; there is: EDS 0"):
        read(path, detectors=2)


def test_images_and_single_spectra_are_no_cube(vendor):
    with pytest.raises(ValueError, match=r"no spectrum in every pixel.*BSE \(4, 5\)"):
        read(vendor(IMAGE))
    with pytest.raises(ValueError, match=r"no spectrum in every pixel.*point \(7,\)"):
        read(vendor(dataset(VALUES[0, 0], (ENERGY,), "point"), suffix=".spx"))
    stack = dataset(VALUES, ({**WIDTH, "navigate": False},) * 3, "frames")
    with pytest.raises(ValueError, match="no spectrum in every pixel"):
        read(vendor(stack))


def test_spectra_of_a_line_get_the_shape_of_the_user(vendor):
    path = vendor(dataset(VALUES.reshape(20, 7), (WIDTH, ENERGY), "line"), suffix=".wdf")
    with pytest.raises(ValueError, match=r"no spectrum in every pixel.*line \(20, 7\)"):
        read(path)
    cube = read(path, shape=(4, 5))
    np.testing.assert_array_equal(cube, VALUES)
    assert spectral_axis(cube) == Axis(KEV, "keV")


def test_chunks_stay_in_the_file_only_if_it_can_be_read_in_parts(vendor):
    import dask.array as da

    computed = []

    def block(block_info=None):
        computed.append(block_info[None]["chunk-location"])
        (y0, y1), (x0, x1), _ = block_info[None]["array-location"]
        return VALUES[y0:y1, x0:x1]

    parts = da.map_blocks(
        block, chunks=((2, 2), (5,), (7,)), dtype="u1", meta=np.empty((0, 0, 0), "u1")
    )
    cube = read(vendor(dataset(parts), suffix=".dm4"), chunks={"y": 2})
    assert computed == []
    np.testing.assert_array_equal(cube[2:], VALUES[2:])
    assert set(computed) == {(1, 0, 0)}
    whole = da.from_array(VALUES, chunks=-1)
    np.testing.assert_array_equal(read(vendor(dataset(whole)), chunks=2), VALUES)
    np.testing.assert_array_equal(read(vendor(dataset(parts)), chunks="auto"), VALUES)


def test_warnings_of_the_package_become_notes_and_its_errors_name_the_file(vendor, monkeypatch):
    def warning(filename, lazy=False, **options):
        warnings.warn("no calibration", stacklevel=1)
        return [dataset()]

    def failing(filename, lazy=False, **options):
        raise AssertionError("a broken block")

    path = vendor(dataset())
    monkeypatch.setattr(sys.modules["rsciio.bruker"], "file_reader", warning)
    assert "rosettasciio says: no calibration" in read(path).attrs["reading_notes"]
    monkeypatch.setattr(sys.modules["rsciio.bruker"], "file_reader", failing)
    with pytest.raises(ValueError, match=r"map\.bcf cannot be read as a \.bcf file.*broken block"):
        read(path)


def test_a_bcf_file_that_is_cut_short_never_reaches_the_package(vendor):
    path = vendor(dataset())
    path.write_bytes(BCF[:-1])
    with pytest.raises(ValueError, match="should have 4376 bytes; it has 4375 and is cut short"):
        read(path)
    path.write_bytes(b"something else")
    with pytest.raises(ValueError, match=r"not a \.bcf file, or is damaged"):
        read(path)


@pytest.mark.parametrize("suffix", [".bcf", ".DM4", ".wdf", ".spx"])
def test_without_the_package_the_error_names_the_extra(tmp_path, monkeypatch, suffix):
    path = tmp_path / f"map{suffix}"
    path.write_bytes(b"a format of a vendor")
    monkeypatch.setitem(sys.modules, "rsciio", None)
    with pytest.raises(ImportError, match=r'pip install "spectessera\[vendor\]"'):
        read(path)


def test_the_table_of_formats_names_all_suffixes():
    (found,) = [one for one in formats() if one.name == "vendor"]
    assert {".bcf", ".spx", ".emd", ".dm3", ".dm4", ".wdf", ".spd", ".pts", ".ser"} <= {
        *found.suffixes
    }


def test_emd_of_velox_goes_to_the_package_and_emd_of_berkeley_does_not(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "rsciio", None)
    with h5py.File(tmp_path / "velox.emd", "w") as file:
        file.create_group("Data/SpectrumStream/a")
        file.create_group("Presentation")
    with pytest.raises(ImportError, match=r'pip install "spectessera\[vendor\]"'):
        read(tmp_path / "velox.emd")
    with h5py.File(tmp_path / "berkeley.emd", "w") as file:  # as HyperSpy writes it
        group = file.create_group("signals/EDX")
        group.attrs["emd_group_type"] = 1
        group["data"] = VALUES.T.astype("u2")
        for n, axis in enumerate((ENERGY, WIDTH, HEIGHT), start=1):
            group[f"dim{n}"] = [axis["offset"], axis["offset"] + axis["scale"]]
            group[f"dim{n}"].attrs.update(name=axis["name"], units=f"[{'_'.join(axis['units'])}]")
    cube = read(tmp_path / "berkeley.emd", chunks=2)
    np.testing.assert_array_equal(cube, VALUES)
    assert spectral_axis(cube).unit == "keV"
    np.testing.assert_allclose(spectral_axis(cube).values, KEV)


def test_what_rosettasciio_writes_is_read_the_same_by_both(tmp_path):
    emd = pytest.importorskip("rsciio.emd")
    path = tmp_path / "map.emd"
    signal = dataset(VALUES.astype(float), Signal={})
    for n, axis in enumerate(signal["axes"]):
        axis |= {"index_in_array": n, "_type": "UniformDataAxis"}
    emd.file_writer(str(path), {**signal, "original_metadata": {}, "learning_results": {}})
    for cube in (read(path).values, read_vendor(path, Request()).values):
        np.testing.assert_array_equal(cube, VALUES)
    assert spectral_axis(read(path)).unit == "keV"
    axis = read_vendor(path, Request()).axis
    np.testing.assert_allclose(axis["values"], KEV)
    assert axis["unit"] == "keV"


def test_datasets_of_other_shapes_are_no_detectors(vendor):
    path = vendor(dataset(), dataset(VALUES[:2], title="other"))
    with pytest.raises(ValueError, match=r"no detectors of one shape and axis; there is: EDX \(4"):
        read(path, detectors="sum")
