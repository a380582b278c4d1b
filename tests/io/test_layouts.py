"""Layouts of known programs: files made by the recipes that their documentation gives."""

import h5py
import numpy as np
import pytest

from spectessera.axis import Axis
from spectessera.cube import spectral_axis
from spectessera.io import read

Y, X, C = 4, 5, 7
CUBE = np.arange(Y * X * C, dtype=np.float32).reshape(Y, X, C) + 1
FIRST = np.moveaxis(CUBE, 2, 0)
KEV = 0.05 + 0.5 * np.arange(C)
ROWS, COLUMNS = np.divmod(np.arange(Y * X), X)


@pytest.fixture
def h5(tmp_path):
    def make(datasets, attrs=(), name="scan.h5"):
        path = tmp_path / name
        with h5py.File(path, "w") as file:
            for key, value in datasets.items():
                file[key] = value
            for key, values in dict(attrs).items():
                file.require_group(key) if key not in file else None
                file[key].attrs.update(values)
        return path

    return make


def same(cube, axis=None, values=CUBE):
    np.testing.assert_array_equal(cube, values)
    if axis is not None:
        np.testing.assert_allclose(spectral_axis(cube).values, axis.values)
        assert (spectral_axis(cube).unit, spectral_axis(cube).kind) == (axis.unit, axis.kind)


@pytest.mark.parametrize("chunks", [None, {"y": 2, "x": 3}])
@pytest.mark.parametrize("old", [False, True])
def test_maps_of_the_aps(h5, old, chunks):
    group = "MAPS" if old else "MAPS/Spectra"
    names = ("energy", "energy_calib") if old else ("Energy", "Energy_Calibration")
    path = h5({f"{group}/mca_arr": FIRST, f"{group}/{names[0]}": KEV,
               f"{group}/{names[1]}": [0.05, 0.5, 0],
               f"{group}/Elapsed_Livetime": np.full((Y, X), 0.1),
               "MAPS/Scan/x_axis": np.arange(X) * 0.5})  # fmt: skip
    cube = read(path, chunks=chunks)
    same(cube, Axis(KEV, "keV"))
    how = f"{group}/{names[0]} has one value for each of axis 0; stored as 7 x 4 x 5"
    assert cube.attrs["axes_from"] == how
    assert cube.attrs["axis_from"] == f"{group}/{names[0]}"
    np.testing.assert_array_equal(cube.x, np.arange(X) * 0.5)
    np.testing.assert_array_equal(cube.live_time, np.full((Y, X), 0.1))


def test_maps_with_coefficients_only(h5):
    path = h5({"MAPS/Spectra/mca_arr": FIRST, "MAPS/Spectra/Energy_Calibration": [0.05, 0.5, 0]})
    cube = read(path)
    same(cube, Axis(KEV, "keV"))
    assert cube.attrs["axes_from"] == "layout of XRF-Maps (APS); stored as 7 x 4 x 5"


def test_pymca(h5):
    path = h5({"e/mca_0/data": CUBE, "e/mca_0/channels": np.arange(C),
               "e/mca_0/calibration": [0.05, 0.5, 0.0],
               "e/mca_0/live_time": np.full((Y, X), 0.2)})  # fmt: skip
    cube = read(path)
    same(cube, Axis(KEV, "keV"))
    assert cube.live_time.dims == ("y", "x")


@pytest.mark.parametrize(("detectors", "factor"), [("sum", 4), (0, 1), (1, 3)])
def test_detectors_are_added_or_chosen(h5, detectors, factor):
    path = h5({"e/mca_0/data": CUBE, "e/mca_1/data": 3 * CUBE})
    with pytest.raises(ValueError, match=r"e/mca_0/data \(4, 5, 7\), e/mca_1/data.*detectors sum"):
        read(path)
    same(read(path, detectors=detectors), values=factor * CUBE)
    with pytest.raises(ValueError, match="no detector 7"):
        read(path, detectors=7)


@pytest.mark.parametrize(("detectors", "factor"), [("sum", 4), (0, 1), (1, 3)])
def test_an_axis_of_detectors(h5, detectors, factor):
    path = h5({"counts": np.stack([FIRST, 3 * FIRST])})
    with h5py.File(path, "r+") as file:
        for number, name in enumerate(["detector", "energy", "y", "x"]):
            file["counts"].dims[number].label = name
    with pytest.raises(ValueError, match="2 detectors along axis 0"):
        read(path)
    same(read(path, detectors=detectors, chunks=3), values=factor * CUBE)


def test_pyxrf_takes_the_sum_and_says_so(h5):
    path = h5({"xrfmap/detsum/counts": CUBE, "xrfmap/det1/counts": CUBE / 4,
               "xrfmap/det2/counts": CUBE * 3 / 4})  # fmt: skip
    cube = read(path)
    same(cube, Axis(0.01 * np.arange(C), "keV"))
    assert "the sum of xrfmap/det1/counts" in cube.attrs["reading_notes"]
    same(read(path, detectors=0), values=CUBE / 4)
    same(read(path, key="xrfmap/det2/counts"), Axis(0.01 * np.arange(C), "keV"), CUBE * 3 / 4)


@pytest.mark.parametrize("order", ["rows", "columns"])
def test_crono_puts_each_spectrum_on_its_pixel(h5, order):
    points = np.arange(Y * X) if order == "rows" else np.arange(Y * X).reshape(Y, X).T.ravel()
    path = h5({"XRF/Spectra": CUBE.reshape(-1, C)[points], "XRF/EnergyVector": KEV,
               "XRF/LiveTimes": np.arange(Y * X)[points] * 0.1,
               "XRF/XComputedMapsCoordinate": COLUMNS[points],
               "XRF/YComputedMapsCoordinate": ROWS[points]})  # fmt: skip
    cube = read(path)
    same(cube, Axis(KEV, "keV"))
    np.testing.assert_allclose(cube.live_time, np.arange(Y * X).reshape(Y, X) * 0.1)


def bliss(h5, datasets, points=slice(None), title="fscan2d sz 0 0.1 4 sy 0 0.1 5 0.01"):
    return h5(
        {"1.1/title": title, "1.1/instrument/fx_det0/data": CUBE.reshape(-1, C)[points]} | datasets,
        {"1.1": {"NX_class": "NXentry"}, "1.1/instrument/fx_det0": {"NX_class": "NXdetector"}},
    )


def test_bliss_by_motors(h5):
    motors = {"1.1/measurement/sy": COLUMNS * 0.1, "1.1/measurement/sz": ROWS * 0.1}
    cube = read(bliss(h5, motors))
    same(cube)
    assert cube.attrs["axes_from"] == "the positions of sz (y) and sy (x)"


def test_bliss_by_title(h5):
    cube = read(bliss(h5, {}))
    same(cube)
    assert "the title of the scan" in cube.attrs["axes_from"]


def test_bliss_that_was_stopped_has_missing_pixels(h5):
    cube = read(bliss(h5, {}, slice(17)))
    same(cube[:3], values=CUBE[:3])
    assert np.isnan(cube[3, 2:]).all()


def test_points_without_an_image_ask_for_it(h5):
    path = bliss(h5, {}, title="timescan 0.1")
    with pytest.raises(
        ValueError, match=r"one spectrum for each of 20 points.*--shape ROWS,COLUMNS"
    ):
        read(path, key="1.1/instrument/fx_det0/data")
    same(read(path, shape=(4, 5)))
    with pytest.raises(ValueError, match=r"has 20 points of 7 channels; shape .* 3 x 5 has 15"):
        read(path, shape=(3, 5), key="1.1/instrument/fx_det0/data")


def test_points_along_the_last_axis(h5):
    same(
        read(h5({"spectra": CUBE.reshape(-1, C).T, "energy": KEV}), shape=(Y, X)), Axis(KEV, "keV")
    )


@pytest.mark.parametrize("stored", ["yxc", "cyx"])
@pytest.mark.parametrize("classic", [False, True])
def test_nexus_data(h5, stored, classic):
    values = CUBE if stored == "yxc" else FIRST
    names = ["y", "x", "energy"] if stored == "yxc" else ["energy", "y", "x"]
    attrs = {"e/data": {"NX_class": "NXdata"}}
    if classic:
        attrs["e/data/counts"] = {"signal": 1, "axes": ":".join(names)}
    else:
        attrs["e/data"] |= {"signal": "counts", "axes": np.array(names, "S")}
    attrs["e/data/energy"] = {"units": "keV"}
    path = h5({"e/data/counts": values, "e/data/energy": KEV, "e/data/y": np.arange(Y) * 0.1,
               "e/data/x": np.arange(X) * 0.1, "e/data/counts_errors": np.sqrt(values),
               "e/other": values * 2}, attrs)  # fmt: skip
    cube = read(path)
    same(cube, Axis(KEV, "keV"))
    np.testing.assert_allclose(cube.coords["variance"], CUBE, rtol=1e-6)
    np.testing.assert_allclose(cube.y, np.arange(Y) * 0.1)
    assert cube.attrs["variance_from"] == "e/data/counts_errors (error)"


def test_the_default_of_a_nexus_file_is_read(h5):
    path = h5(
        {"a/first/data": CUBE * 2, "a/second/data": CUBE},
        {"/": {"default": "a"}, "a": {"default": "second"},
         "a/first": {"NX_class": "NXdata", "signal": "data"},
         "a/second": {"NX_class": "NXdata", "signal": "data"}},
    )  # fmt: skip
    same(read(path))


def test_frames_of_an_area_detector_are_refused_in_words(h5):
    path = h5(
        {"e/det/data": CUBE, "e/det/x_pixel_size": 1e-5, "e/det/y_pixel_size": 1e-5},
        {"e/det": {"NX_class": "NXdetector"}},
    )
    with pytest.raises(ValueError, match="frames of an area detector"):
        read(path)
    same(read(path, axes="yxc"))


def hyperspy(h5, values, axes, **datasets):
    return h5(
        {"Experiments/map/data": values}
        | {f"Experiments/map/axis-2/{name}": v for name, v in datasets.items()},
        {f"Experiments/map/axis-{n}": attrs for n, attrs in enumerate(axes)},
        "map.hspy",
    )


AXIS = {"scale": 0.5, "offset": 0.0, "units": "nm", "navigate": True}


@pytest.mark.parametrize("name", ["Energy loss", "<undefined>"])
def test_images_of_hyperspy_along_energy_loss(h5, name):
    loss = {"name": name, "scale": 0.2, "offset": 100.0, "units": "eV", "navigate": True}
    image = AXIS | {"navigate": False}
    cube = read(hyperspy(h5, FIRST, [loss, image | {"name": "y"}, image | {"name": "x"}]))
    kind = "energy_loss" if "loss" in name else "energy"
    same(cube, Axis(100 + 0.2 * np.arange(C), "eV", kind))
    np.testing.assert_allclose(cube.y, 0.5 * np.arange(Y))


def test_the_signal_axis_of_hyperspy_is_the_spectrum_whatever_its_name(h5):
    signal = {"name": "Q", "scale": 1.0, "offset": 0.0, "units": "", "navigate": False}
    axes = [signal, AXIS | {"name": "b"}, AXIS | {"name": "a"}]
    same(read(hyperspy(h5, FIRST, axes)))


def test_an_uneven_axis_of_hyperspy(h5):
    values = np.linspace(20, 28, C) ** 2
    signal = {"name": "Wavelength", "units": "nm", "navigate": False, "_type": "DataAxis"}
    path = hyperspy(h5, CUBE, [AXIS | {"name": "y"}, AXIS | {"name": "x"}, signal], axis=values)
    same(read(path), Axis(values, "nm"))


def test_emd_of_berkeley(h5):
    path = h5(
        {"data/map/data": FIRST, "data/map/dim1": KEV, "data/map/dim2": np.arange(Y),
         "data/map/dim3": np.arange(X)},
        {"data/map": {"emd_group_type": 1}, "data/map/dim1": {"name": "E", "units": "[keV]"},
         "data/map/dim2": {"name": "y", "units": "[n_m]"},
         "data/map/dim3": {"name": "x", "units": "[n_m]"}},
    )  # fmt: skip
    same(read(path), Axis(KEV, "keV"))


def test_h5oina_of_oxford_instruments(h5):
    header = "1/EDS/Header"
    path = h5({"1/EDS/Data/Spectrum": CUBE.reshape(-1, C),
               "1/EDS/Data/Live Time": np.full(Y * X, 0.1),
               f"{header}/X Cells": [X], f"{header}/Y Cells": [Y],
               f"{header}/Channel Width": [500.0], f"{header}/Start Channel": [50.0]})  # fmt: skip
    cube = read(path)
    same(cube, Axis(KEV, "keV"))
    assert cube.live_time.shape == (Y, X)


def test_delmic_axes_and_previews(h5):
    path = h5({"Preview/ImageData/Image": np.zeros((64, 64, 3), np.uint8),
               "A0/ImageData/Image": np.zeros((1, 1, 1, 9, 9), np.uint16),
               "A1/ImageData/Image": FIRST[:, None, None]})  # fmt: skip
    same(read(path))


def test_a_preview_is_read_only_if_there_is_nothing_else(h5):
    pictures = np.ones((6, 5, 3), np.uint8)
    path = h5({"cube": CUBE, "preview": pictures})
    same(read(path))
    same(read(path, key="preview"), values=pictures)


# --- links ----------------------------------------------------------------------------------------


def test_a_link_to_a_file_below_the_folder_is_followed_to_that_file(h5, tmp_path):
    (tmp_path / "raw").mkdir()
    h5({"raw/counts": CUBE}, name="raw/linked.h5")
    path = h5(
        {"raw/counts": CUBE * 7, "entry/data": h5py.ExternalLink("raw/linked.h5", "raw/counts")}
    )
    for chunks in (None, 2):
        same(read(path, key="entry/data", chunks=chunks))


def test_a_link_out_of_the_folder_is_not_followed_unless_allowed(h5, tmp_path):
    (tmp_path / "inner").mkdir()
    other = h5({"counts": CUBE}, name="other.h5")
    path = h5({"data": h5py.ExternalLink("../other.h5", "counts")}, name="inner/scan.h5")
    for target in ("../other.h5", str(other)):
        with h5py.File(path, "r+") as file:
            del file["data"]
            file["data"] = h5py.ExternalLink(target, "counts")
        with pytest.raises(ValueError, match=r"outside the folder of the file.*--outside"):
            read(path, key="data")
        same(read(path, key="data", outside=True))


@pytest.mark.parametrize("link", [h5py.SoftLink("/nowhere"), h5py.ExternalLink("no.h5", "a")])
def test_a_link_that_leads_nowhere_is_told(h5, link):
    with pytest.raises(ValueError, match="which is not there"):
        read(h5({"data": link}))


def test_one_array_under_several_names_is_one_cube(h5):
    path = h5({"a/data": CUBE})
    with h5py.File(path, "r+") as file:
        file["b"], file["c"] = file["a/data"], h5py.SoftLink("/a/data")
        file["a/up"] = file["/"]  # a group that holds itself
    same(read(path))
    same(read(path, key="c"))


@pytest.mark.parametrize("name", ["variance", "reference", "mask"])
def test_raw_external_storage_is_refused_for_companions_too(h5, tmp_path, name):
    path = h5({"img": CUBE})
    (tmp_path / "secret").write_bytes(bytes(4 * CUBE.size))
    shape = CUBE.shape if name == "variance" else CUBE.shape[:2]
    with h5py.File(path, "r+") as file:
        file.create_dataset(
            name, shape, "f4", external=[(str(tmp_path / "secret"), 0, 4 * CUBE.size)]
        )
    with pytest.raises(ValueError, match="raw bytes of other files"):
        read(path)


# --- values that are not there --------------------------------------------------------------------


@pytest.mark.parametrize("chunks", [None, 2])
def test_chunks_that_were_never_written_are_missing_not_zero(tmp_path, chunks):
    path = tmp_path / "scan.h5"
    with h5py.File(path, "w") as file:
        data = file.create_dataset("img", (Y, X, C), "u2", chunks=(2, 3, C), compression="gzip")
        data[:2, :] = CUBE[:2]
    cube = read(path, chunks=chunks)
    same(cube[:2], values=CUBE[:2])
    assert np.isnan(cube[2:]).all()
    assert "2 of 4 chunks of img were never written" in cube.attrs["reading_notes"]


def test_an_array_that_was_never_written_is_missing(tmp_path):
    path = tmp_path / "scan.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("img", (Y, X, C), "f4")
    assert np.isnan(read(path)).all()


@pytest.mark.parametrize("chunks", [None, 3])
def test_missing_sources_of_a_virtual_dataset_are_missing_not_zero(h5, tmp_path, chunks):
    layout = h5py.VirtualLayout((Y, X, C), "f4")
    for row in range(Y):
        h5({"row": CUBE[row]}, name=f"row{row}.h5")
        layout[row] = h5py.VirtualSource(f"row{row}.h5", "row", (X, C))
    path = tmp_path / "all.h5"
    with h5py.File(path, "w") as file:
        file.create_virtual_dataset("img", layout)
    same(read(path, chunks=chunks))
    (tmp_path / "row2.h5").unlink()
    cube = read(path, chunks=chunks)
    assert np.isnan(cube[2]).all()
    same(cube[[0, 1, 3]], values=CUBE[[0, 1, 3]])
    assert "row2.h5" in cube.attrs["reading_notes"]


@pytest.mark.parametrize("other", ["all.h5", "other.h5"])
def test_a_virtual_dataset_that_reads_from_itself_is_refused(tmp_path, other):
    """HDF5 itself crashes."""
    for name, source in (("all.h5", other), (other, "all.h5")):
        layout = h5py.VirtualLayout((Y, X, C), "f4")
        layout[:] = h5py.VirtualSource(source, "img", (Y, X, C))
        with h5py.File(tmp_path / name, "w") as file:
            file.create_virtual_dataset("img", layout)
    with pytest.raises(ValueError, match="reads from itself"):
        read(tmp_path / "all.h5")


def test_a_virtual_dataset_may_not_read_from_outside_the_folder(h5, tmp_path):
    (tmp_path / "inner").mkdir()
    h5({"data": CUBE}, name="other.h5")
    layout = h5py.VirtualLayout((Y, X, C), "f4")
    layout[:] = h5py.VirtualSource("../other.h5", "data", (Y, X, C))
    path = tmp_path / "inner" / "scan.h5"
    with h5py.File(path, "w") as file:
        file.create_virtual_dataset("img", layout)
    with pytest.raises(ValueError, match="outside the folder"):
        read(path)
    same(read(path, outside=True))


# --- other members of the same kinds --------------------------------------------------------------


def test_the_full_level_of_an_ome_pyramid_is_read(tmp_path):
    zarr = pytest.importorskip("zarr")
    group = zarr.open_group(tmp_path / "ome.zarr", mode="w")
    group["0"] = FIRST[:, None]
    group["1"] = FIRST[:, None, ::2, ::2]
    axes = [{"name": "c", "type": "channel"}, *[{"name": n, "type": "space"} for n in "zyx"]]
    levels = [{"path": "0"}, {"path": "1"}]
    group.attrs["multiscales"] = [{"axes": axes, "datasets": levels}]
    same(read(tmp_path / "ome.zarr"))


@pytest.mark.parametrize(("name", "stored"), [("energy_edges", FIRST), ("energy", CUBE)])
def test_energies_at_the_edges_of_channels_give_their_middles(h5, name, stored):
    edges = np.append(KEV - 0.25, KEV[-1] + 0.25)
    cube = read(h5({"spectra": stored, name: edges}, {name: {"units": "keV"}}))
    same(cube, Axis(KEV, "keV"))
    assert "taken as their edges" in cube.attrs["reading_notes"]


def test_an_axis_that_is_too_short_does_not_turn_the_cube(h5):
    """It has one value more than there are columns, but nothing says that these are edges."""
    cube = read(h5({"spectra": CUBE, "energy": np.arange(6.0)}))
    same(cube)
    assert "energy has 6 values, not one for each of 7 channels" in cube.attrs["reading_notes"]


def test_an_uncertainty_beside_the_cube_is_its_noise(h5):
    path = h5({"refl": CUBE, "refl_unc": np.full(CUBE.shape, 2.0), "wavelength": KEV * 100})
    np.testing.assert_array_equal(read(path).coords["variance"], np.full(CUBE.shape, 4.0))


def test_the_axis_of_detectors_is_the_shortest_if_the_user_says_that_there_are_some(h5):
    path = h5({"data": np.stack([CUBE, 3 * CUBE])})
    with pytest.raises(ValueError, match=r"a cube has 3 axes.*--detectors sum"):
        read(path)
    same(read(path, detectors="sum"), values=4 * CUBE)


def test_frames_without_their_master_file_are_refused_in_words(h5):
    path = h5({"entry/data/data": CUBE}, {"entry/data/data": {"image_nr_low": 1}})
    with pytest.raises(ValueError, match="frames of an area detector"):
        read(path)
