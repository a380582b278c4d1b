"""Open every exported file with the program that it is for, and compare the values.

    python tools/check_exports.py

Programs that are not installed are named as such: rasterio and pyogrio (GDAL, as in QGIS), spectral
(ENVI), tifffile and roifile (ImageJ), napari, HyperSpy, astropy (FITS). They may lie in folders
of their own, on PYTHONPATH. Ends with 1 if a value differs.
"""

from __future__ import annotations

import ctypes
import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from spectessera.axis import Axis
from spectessera.cube import with_axis
from spectessera.export import FORMATS, export_result, napari_layers
from spectessera.io import write

SHAPE, SEED = (31, 47), 0
NAMES = {2: 'robe, <b>{blue}</b> "x"', 3: "=1+1", 4: "né μ 漆"}
NOT_CHECKED = {"svg", "pdf", "png"}  # looked at by people


def a_result() -> xr.Dataset:
    """Return a result on a map, with names and a colour by people, whose regions have holes."""
    generator = np.random.default_rng(SEED)
    label = generator.integers(0, 5, SHAPE).astype(np.int32)
    label[:15, :20] = 1
    label[4:8, 5:9] = 2
    confidence = np.where(label > 0, generator.uniform(0.5, 1, SHAPE), np.nan).astype(np.float32)
    means = generator.gamma(2.0, 5.0, (4, 30)).astype(np.float32)
    result = xr.Dataset(
        {
            "label": (("y", "x"), label),
            "confidence": (("y", "x"), confidence),
            "mean_spectrum": (("cluster", "channel"), means),
            "size": ("cluster", np.bincount(label.ravel(), minlength=5)[1:]),
        },
        coords={
            "cluster": np.arange(1, 5),
            "y": ("y", 9000 - 20 * (np.arange(SHAPE[0]) + 0.5), {"units": "m"}),
            "x": ("x", 1000 + 30 * (np.arange(SHAPE[1]) + 0.5), {"units": "m"}),
        },
    )
    result["mean_spectrum"] = with_axis(
        result["mean_spectrum"], Axis(np.linspace(1, 20, 30), unit="keV")
    )
    given = {str(number): name for number, name in NAMES.items()}
    result.attrs = {
        "n_clusters": 4, "crs": "EPSG:32633", "unit": "counts",
        "cluster_names": json.dumps(given), "cluster_colours": json.dumps({"2": "#aa3366"}),
    }  # fmt: skip
    return result


def same(got: Any, wanted: Any) -> None:
    """Raise AssertionError unless two arrays are equal, bit for bit."""
    np.testing.assert_array_equal(np.asarray(got), np.asarray(wanted))


def rasterio_tiff(folder: Path, result: xr.Dataset) -> str:
    """Check with GDAL: values, place, colours, and names of the raster attribute table."""
    import rasterio

    with rasterio.open(folder / "labels.tif") as file:
        same(file.read(1), result["label"])
        assert file.dtypes == ("uint8",)
        assert file.nodata == 0
        assert file.crs.to_epsg() == 32633
        assert file.transform.to_gdal() == (1000, 30, 0, 9000, 0, -20)
        assert file.colormap(1)[2] == (0xAA, 0x33, 0x66, 255)
    names = attribute_table(folder / "labels.tif")
    assert names == ["cluster 1", *(f"{n} {name}" for n, name in NAMES.items())], names
    return f"GDAL {rasterio.__gdal_version__} (rasterio {rasterio.__version__})"


def attribute_table(path: Path) -> list[str]:
    """Return the names in the raster attribute table, by the library that QGIS has too."""
    import rasterio

    (place,) = (Path(rasterio.__file__).parents[1] / "rasterio.libs").glob("libgdal*")
    gdal = ctypes.CDLL(str(place))
    for name in ("GDALOpen", "GDALGetRasterBand", "GDALGetDefaultRAT"):
        getattr(gdal, name).restype = ctypes.c_void_p
    gdal.GDALRATGetValueAsString.restype = ctypes.c_char_p
    gdal.GDALAllRegister()
    opened = ctypes.c_void_p(gdal.GDALOpen(str(path).encode(), 0))
    band = ctypes.c_void_p(gdal.GDALGetRasterBand(opened, 1))
    table = ctypes.c_void_p(gdal.GDALGetDefaultRAT(band))
    column = gdal.GDALRATGetColOfUsage(table, 2)  # names
    rows = range(gdal.GDALRATGetRowCount(table))
    found = [gdal.GDALRATGetValueAsString(table, row, column).decode() for row in rows]
    gdal.GDALClose(opened)
    return found


def rasterio_envi(folder: Path, result: xr.Dataset) -> str:
    """Check with GDAL: values, place and names of an ENVI file."""
    import rasterio

    with rasterio.open(folder / "labels.img") as file:
        same(file.read(1), result["label"])
        assert file.crs.to_epsg() == 32633
        assert file.transform.to_gdal() == (1000, 30, 0, 9000, 0, -20)
        assert file.colormap(1)[2][:3] == (0xAA, 0x33, 0x66)
    return f"GDAL {rasterio.__gdal_version__}"


def spectral_envi(folder: Path, result: xr.Dataset) -> str:
    """Check with the package spectral: values, names and colours."""
    import spectral

    opened = spectral.envi.open(folder / "labels.hdr")
    same(np.asarray(opened.load())[..., 0], result["label"])
    assert opened.metadata["class names"][1] == "cluster 1"
    assert len(opened.metadata["class names"]) == 5
    assert opened.metadata["class lookup"][6:9] == ["170", "51", "102"]
    return f"spectral {spectral.__version__}"


def pyogrio_package(folder: Path, result: xr.Dataset) -> str:
    """Check with GDAL: the polygons are valid, and drawn again they are the label map."""
    import pyogrio
    import rasterio.features
    import shapely

    path = folder / "clusters.gpkg"
    meta, _, geometry, fields = pyogrio.raw.read(path, layer="clusters")
    assert meta["crs"] == "EPSG:32633"
    assert meta["geometry_type"] == "MultiPolygon"
    columns = dict(zip(meta["fields"], fields, strict=True))
    shapes = shapely.from_wkb(geometry)
    assert shapely.is_valid(shapes).all()
    numbers = columns["cluster"].tolist()
    assert dict(zip(numbers, columns["name"], strict=True)) == {1: "cluster 1", **NAMES}
    same(columns["area"], shapely.area(shapes))
    drawn = rasterio.features.rasterize(
        zip(shapes, numbers, strict=True), SHAPE,
        transform=rasterio.Affine.from_gdal(1000, 30, 0, 9000, 0, -20), dtype="uint8",
    )  # fmt: skip
    same(drawn, result["label"])
    return f"GDAL {'.'.join(map(str, pyogrio.__gdal_version__))} (pyogrio {pyogrio.__version__})"


def tifffile_imagej(folder: Path, result: xr.Dataset) -> str:
    """Check ImageJ's own metadata: values, colours, pixel size, names."""
    import tifffile

    with tifffile.TiffFile(folder / "labels-imagej.tif") as file:
        page, words = file.pages[0], file.imagej_metadata
        same(page.asarray(), result["label"])
        assert np.reshape(words["LUTs"], (3, 256))[:, 2].tolist() == [0xAA, 0x33, 0x66]
        assert words["unit"] == "m"
        assert [page.tags[f"{each}Resolution"].value for each in "XY"] == [(1, 30), (1, 20)]
        assert "3: 3 =1+1" in words["Info"]
    return f"tifffile {tifffile.__version__}"


def roifile_regions(folder: Path, result: xr.Dataset) -> str:
    """Check regions: filled by the even-odd rule they are the pixels of each cluster."""
    import roifile
    from skimage.draw import polygon2mask

    for roi in roifile.roiread(folder / "RoiSet.zip"):
        number = 1 if roi.name == "cluster 1" else int(roi.name.split()[0])
        mask = np.zeros(SHAPE, bool)
        for ring in roi.coordinates(multi=True):  # x, y of corners; middles of pixels at .5
            mask ^= polygon2mask(SHAPE, ring[:, ::-1] - 0.5 + 1e-6)
        same(mask, result["label"] == number)
    return f"roifile {roifile.__version__}"


def numpy_arrays(folder: Path, result: xr.Dataset) -> str:
    """Check with NumPy, without pickle."""
    same(np.load(folder / "labels.npy"), result["label"])
    with np.load(folder / "result.npz") as file:
        same(file["label"], result["label"])
        same(file["mean_spectrum"], result["mean_spectrum"])
        same(file["axis"], result["energy"])
        assert file["name"].tolist() == ["cluster 1", *NAMES.values()]
    return f"numpy {np.__version__}"


def pandas_tables(folder: Path, result: xr.Dataset) -> str:
    """Check the tables: numbers are equal, no cell is a formula."""
    import pandas as pd

    spectra = pd.read_csv(folder / "mean-spectra.csv")
    same(spectra.iloc[:, 0], result["energy"])
    same(spectra.iloc[:, 1:].to_numpy().astype(np.float32), result["mean_spectrum"].T)
    clusters = pd.read_csv(folder / "clusters.csv")
    same(clusters["pixels"], result["size"])
    assert clusters["name"].tolist() == ["cluster 1", NAMES[2], "'=1+1", NAMES[4]]
    return f"pandas {pd.__version__}"


def astropy_fits(folder: Path, result: xr.Dataset) -> str:
    """Check the maps and the table of FITS."""
    import astropy
    from astropy.io import fits
    from astropy.table import Table

    with fits.open(folder / "labels.fits") as file:
        file.verify("exception")
        same(file["LABEL"].data, result["label"])
        same(file["CONFIDENCE"].data, result["confidence"])
        table = Table(file["CLUSTERS"].data)
    same(table["PIXELS"], result["size"])
    assert table["NAME"][1] == NAMES[2]
    assert table["COLOUR"][1] == "#aa3366"
    return f"astropy {astropy.__version__}"


def hyperspy_signals(folder: Path, result: xr.Dataset) -> str:
    """Check the signals of HyperSpy, or of its reader where HyperSpy is not installed."""
    wanted = {"clusters": "label", "confidence": "confidence", "mean spectra": "mean_spectrum"}
    try:
        import hyperspy
        import hyperspy.api as hs

        found = {each.metadata.General.title: each.data for each in hs.load(folder / "result.hspy")}
        program = f"HyperSpy {hyperspy.__version__}"
    except ImportError:
        import rsciio
        from rsciio import hspy

        read = hspy.file_reader(folder / "result.hspy")
        found = {each["metadata"]["General"]["title"]: each["data"] for each in read}
        program = f"rosettasciio {rsciio.__version__}, without HyperSpy"
    for title, name in wanted.items():
        same(found[title], result[name])
    return program


def napari_headless(folder: Path, result: xr.Dataset) -> str:
    """Check the layers of napari, by its own reader of plugins, and a layer of labels written."""
    import napari
    import napari.layers
    import npe2

    write(result, folder / "result.nc")
    data = Path(sys.modules["spectessera"].__file__ or "").parent / "export/napari.yaml"
    manager = npe2.PluginManager.instance()
    manifest = npe2.PluginManifest.from_file(data)
    if manifest.name not in manager:
        manager.register(manifest)
    layers = npe2.read([str(folder / "result.nc")], stack=False, plugin_name="spectessera")
    made = [napari.layers.Layer.create(*each) for each in layers]
    labels = made[-1]
    same(labels.data, result["label"])
    assert np.allclose(labels.get_color(2), np.array([0xAA, 0x33, 0x66, 255]) / 255, atol=1e-6)
    assert labels.get_color(0) is None or labels.get_color(0)[3] == 0
    assert tuple(labels.scale) == (20, 30)
    assert labels.features["cluster"][3] == "3 =1+1"
    out = str(folder / "corrected.npy")
    assert npe2.write(out, [labels.as_layer_data_tuple()], plugin_name="spectessera") == [out]
    same(np.load(out), result["label"])
    return f"napari {napari.__version__}"


CHECKS: dict[Callable[[Path, xr.Dataset], str], str] = {
    pandas_tables: "csv", rasterio_tiff: "geotiff", pyogrio_package: "gpkg", rasterio_envi: "envi",
    spectral_envi: "envi", tifffile_imagej: "tiff", roifile_regions: "imagej",
    numpy_arrays: "npy, npz", hyperspy_signals: "hspy", astropy_fits: "fits",
    napari_headless: "napari",
}  # fmt: skip


def main() -> int:
    """Print one line for every program."""
    result, wrong = a_result(), 0
    assert napari_layers(result)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        to = [each for each in FORMATS if each not in NOT_CHECKED]
        export_result(result, folder, to)
        for check, kind in CHECKS.items():
            try:
                print(f"{kind:9} {check(folder, result)}: equal")
            except ImportError as error:
                print(f"{kind:9} not checked: {error}")
            except AssertionError as error:
                wrong += 1
                print(f"{kind:9} {check.__name__}: DIFFERS: {error}")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
