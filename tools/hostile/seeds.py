"""Small honest files of every format, from which the damaged ones are made."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

import spectessera as spt

SHAPE = (6, 5, 24)  # y, x, channel
NETWORK = spt.Network(latent=2, encoder=(8,))


@dataclass(frozen=True)
class Link:
    """A symbolic link in place of a file."""

    target: str


@dataclass(frozen=True)
class Pipe:
    """A named pipe in place of a file: whoever opens it waits for ever."""


@dataclass(frozen=True)
class Empty:
    """A file of this many bytes, none of which is stored."""

    size: int


@dataclass(frozen=True)
class Seed:
    """What lies in a folder, and which part of it is opened.

    Parameters
    ----------
    name : str
        Of the recipe.
    main : str
        The file or folder that is given to the reader.
    files : dict
        Relative path to bytes, :class:`Link`, :class:`Pipe` or :class:`Empty`.
    damage : str
        What was done to it, in words.
    """

    name: str
    main: str
    files: dict[str, Any]
    damage: str = ""

    def lay(self, folder: Path) -> Path:
        """Write all of it into an empty folder and return the path that is opened."""
        for name, content in self.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, Link):
                path.symlink_to(content.target)
            elif isinstance(content, Pipe):
                import os

                os.mkfifo(path)
            elif isinstance(content, Empty):
                with path.open("wb") as stream:
                    stream.truncate(content.size)
            else:
                path.write_bytes(content)
        return folder / self.main


def picked_up(name: str, folder: Path, main: str) -> Seed:
    """Return what a recipe has written into a folder."""
    files = {
        each.relative_to(folder).as_posix(): each.read_bytes()
        for each in sorted(folder.rglob("*"))
        if each.is_file() and not each.name.endswith(".lock")
    }
    return Seed(name, main, files)


def cube() -> Any:
    """Return a cube with noise and a mask."""
    counts = np.random.default_rng(0).poisson(4, SHAPE).astype(np.float32)
    mask = np.zeros(SHAPE[:2], bool)
    mask[0, 0] = True
    return spt.make_cube(counts, energy=(0.5, 20), variance=counts + 1, mask=mask)


# --- recipes: (folder) -> names of what they have written there ----------------------------------


def _written(suffix: str) -> Callable[[Path], str]:
    def recipe(folder: Path) -> str:
        spt.write(cube(), folder / f"scan{suffix}")
        return f"scan{suffix}"

    return recipe


def _sky_fits(folder: Path) -> str:
    from astropy.io import fits

    header = fits.Header()
    for key, value in {
        "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CTYPE3": "AWAV", "CUNIT1": "deg",
        "CUNIT2": "deg", "CUNIT3": "Angstrom", "CRVAL1": 10.0, "CRVAL2": -5.0, "CRVAL3": 4750.0,
        "CRPIX1": 2.0, "CRPIX2": 2.0, "CRPIX3": 1.0, "CDELT1": -5e-5, "CDELT2": 5e-5,
        "CDELT3": 1.25, "BUNIT": "10**(-20)*erg/s/cm**2/Angstrom", "OBJECT": "A478",
    }.items():  # fmt: skip
        header[key] = value
    values = np.random.default_rng(1).random((24, 6, 5), dtype=np.float32)
    hdus = [fits.PrimaryHDU(), fits.ImageHDU(values, header, name="DATA")]
    hdus.append(fits.ImageHDU(values + 1, header, name="STAT"))
    hdus.append(fits.ImageHDU((values > 0.9).astype(np.int32), header, name="DQ"))
    fits.HDUList(hdus).writeto(folder / "sky.fits")
    return "sky.fits"


def _table_fits(folder: Path) -> str:
    from astropy.io import fits

    values = np.random.default_rng(2).integers(0, 900, (24, 6, 5)).astype(np.int16)
    flux, wave = fits.ImageHDU(values, name="FLUX"), np.geomspace(3600.0, 7000.0, 24)
    column = fits.Column("WAVE", "24D", unit="Angstrom", array=wave[None])
    table = fits.BinTableHDU.from_columns([column], name="WAVE")
    fits.HDUList([fits.PrimaryHDU(), flux, table]).writeto(folder / "table.fits")
    return "table.fits"


def _gzip_fits(folder: Path) -> str:
    _sky_fits(folder)
    (folder / "sky.fits.gz").write_bytes(gzip.compress((folder / "sky.fits").read_bytes(), 1))
    (folder / "sky.fits").unlink()
    return "sky.fits.gz"


def _tiles_fits(kind: str) -> Callable[[Path], str]:
    def recipe(folder: Path) -> str:
        from astropy.io import fits

        values = np.random.default_rng(3).integers(0, 900, (24, 6, 5)).astype(np.int32)
        image = fits.CompImageHDU(values, name="DATA", compression_type=kind)
        fits.HDUList([fits.PrimaryHDU(), image]).writeto(folder / "tiles.fits")
        return "tiles.fits"

    return recipe


def _nexus_h5(folder: Path) -> str:
    import h5py

    with h5py.File(folder / "nexus.h5", "w") as file:
        file.attrs["default"] = "entry"
        entry = file.create_group("entry")
        entry.attrs.update({"NX_class": "NXentry", "default": "data"})
        data = entry.create_group("data")
        data.attrs.update({"NX_class": "NXdata", "signal": "counts"})
        data.attrs["axes"] = ["y", "x", "energy"]
        values = np.random.default_rng(4).poisson(3, SHAPE).astype(np.uint16)
        data.create_dataset("counts", data=values, chunks=(3, 5, 24), compression="gzip")
        data["energy"] = np.linspace(1, 20, 24)
        data["energy"].attrs["units"] = "keV"
        data["title"] = "scan"
        entry["again"] = h5py.SoftLink("/entry/data/counts")
    return "nexus.h5"


def _netcdf3(folder: Path) -> str:
    from scipy.io import netcdf_file

    with netcdf_file(folder / "old.nc", "w") as file:
        for name, size in zip(("y", "x", "wavelength"), SHAPE, strict=True):
            file.createDimension(name, size)
        wave = file.createVariable("wavelength", "d", ("wavelength",))
        wave[:], wave.units = np.linspace(400, 900, 24), "nm"
        values = file.createVariable("radiance", "f", ("y", "x", "wavelength"))
        values[:] = np.random.default_rng(5).random(SHAPE)
    return "old.nc"


def _npy(folder: Path) -> str:
    np.save(folder / "scan.npy", cube().values)
    return "scan.npy"


def _npz(save: Any) -> Callable[[Path], str]:
    def recipe(folder: Path) -> str:
        parts = {"cube": cube().values, "energy": np.linspace(1, 20, 24)}
        save(folder / "scan.npz", **parts, variance=cube().values + 1)
        return "scan.npz"

    return recipe


def _zarr2(folder: Path) -> str:
    import zarr

    group = zarr.create_group(folder / "two.zarr", zarr_format=2)
    values = group.create_array("img", shape=SHAPE, chunks=(3, 5, 24), dtype="f4")
    values[...] = cube().values
    values.attrs["_ARRAY_DIMENSIONS"] = ["y", "x", "energy"]
    energy = group.create_array("energy", shape=(24,), dtype="f8")
    energy[...] = np.linspace(1, 20, 24)
    energy.attrs.update({"_ARRAY_DIMENSIONS": ["energy"], "units": "keV"})
    return "two.zarr"


def _envi(folder: Path) -> str:
    waves = ", ".join(f"{each:.2f}" for each in np.linspace(400, 900, 24))
    (folder / "scan.hdr").write_text(
        "ENVI\ndescription = {a scan}\nsamples = 5\nlines = 6\nbands = 24\nheader offset = 0\n"
        "file type = ENVI Standard\ndata type = 12\ninterleave = bil\nbyte order = 0\n"
        f"wavelength units = Nanometers\nwavelength = {{{waves}}}\nbbl = {{{'1, ' * 23}1}}\n"
    )
    values = np.random.default_rng(6).integers(0, 900, (6, 24, 5)).astype("<u2")
    (folder / "scan.raw").write_bytes(values.tobytes())
    return "scan.hdr"


def _matlab(packed: bool) -> Callable[[Path], str]:
    def recipe(folder: Path) -> str:
        from scipy.io import savemat

        parts = {"cube": cube().values, "wavelength": np.linspace(400, 900, 24)}
        savemat(folder / "scan.mat", parts, do_compression=packed)
        return "scan.mat"

    return recipe


def _edf(folder: Path) -> str:
    values = np.random.default_rng(7).poisson(4, SHAPE).astype("<f4")
    head = (
        "{\nHeaderID = EH:000001:000000:000000 ;\nImage = 1 ;\nByteOrder = LowByteFirst ;\n"
        "DataType = FloatValue ;\nDim_1 = 24 ;\nDim_2 = 5 ;\nDim_3 = 6 ;\nSize = 2880 ;\n"
        "MCA a = 0.0 ;\nMCA b = 0.02 ;\nMCA c = 0.0 ;\n"
    )
    (folder / "scan.edf").write_bytes(f"{head:<1021}\n}}\n".encode() + values.tobytes())
    return "scan.edf"


def _ripple(folder: Path) -> str:
    lines = {
        "width": 5, "height": 6, "depth": 24, "offset": 0, "data-length": 2,
        "data-type": "unsigned", "byte-order": "little-endian", "record-by": "vector",
        "depth-scale": 20.0, "depth-origin": 0.0, "depth-units": "eV", "ev-per-chan": 20,
    }  # fmt: skip
    text = "key\tvalue\n" + "".join(f"{key}\t{value}\n" for key, value in lines.items())
    (folder / "scan.rpl").write_text(text)
    values = np.random.default_rng(8).integers(0, 900, SHAPE).astype("<u2")
    (folder / "scan.raw").write_bytes(values.tobytes())
    return "scan.rpl"


def _text(folder: Path) -> str:
    values = np.random.default_rng(9).integers(0, 90, SHAPE)
    rows = ["x,y," + ",".join(f"{each:.1f}" for each in np.linspace(400, 900, 24))]
    for y in range(SHAPE[0]):
        rows += [f"{x},{y}," + ",".join(map(str, values[y, x])) for x in range(SHAPE[1])]
    (folder / "scan.csv").write_text("\n".join(rows) + "\n")
    return "scan.csv"


def segmenter(**options: Any) -> Any:
    """Return a segmenter that is trained in a moment."""
    return spt.SpectralSegmenter(
        preprocess=spt.Preprocess(normalise=None),
        network=NETWORK,
        clusters=spt.Clusters(2, 3, restarts=1),
        training=spt.Training(epochs=2, batch_size=16),
    ).fit(cube(), **options)


def _model(folder: Path) -> str:
    segmenter().save(folder / "model.safetensors")
    return "model.safetensors"


def _checkpoint(folder: Path) -> str:
    from spectessera.network.checkpoint import Checkpoint

    segmenter(checkpoint=Checkpoint(folder / "state.safetensors", seconds=0))
    return "state.safetensors"


def _result(suffix: str) -> Callable[[Path], str]:
    def recipe(folder: Path) -> str:
        spt.write(spt.segment(cube(), segmenter(), seed=0), folder / f"result{suffix}")
        return f"result{suffix}"

    return recipe


def _settings(folder: Path) -> str:
    import tomli_w

    (folder / "settings.toml").write_text(tomli_w.dumps(segmenter().settings()))
    return "settings.toml"


def _manifest(folder: Path) -> str:
    from spectessera.resultfolder.manifest import Manifest, record_files

    out = folder / "out"
    out.mkdir()
    (out / "summary.json").write_text(json.dumps({"n_clusters": 2}))
    (out / "settings.toml").write_text("[network]\nlatent = 2\n")
    facts = {"command": ["segment", "scan.h5"], "seed": 0, "versions": {"numpy": "2"}}
    (out / "manifest.json").write_text(Manifest("0" * 16, record_files(out), facts).text())
    return "out"


RECIPES: dict[str, tuple[Callable[[Path], str], ...]] = {
    "FITS": (_written(".fits"), _sky_fits, _table_fits),
    "compressed FITS": (_gzip_fits, _tiles_fits("RICE_1"), _tiles_fits("GZIP_2")),
    "HDF5": (_written(".h5"), _written(".hspy"), _nexus_h5),
    "NetCDF": (_written(".nc"), _netcdf3),
    "NPY, NPZ": (_npy, _npz(np.savez), _npz(np.savez_compressed)),
    "Zarr": (_written(".zarr"), _zarr2),
    "ENVI": (_envi,),
    "MATLAB": (_matlab(False), _matlab(True)),
    "EDF": (_edf,),
    "ripple": (_ripple,),
    "text": (_text,),
    "model": (_model,),
    "checkpoint": (_checkpoint,),
    "result": (_result(".nc"), _result(".zarr")),
    "settings": (_settings,),
    "manifest": (_manifest,),
}


def seeds(format_name: str, folder: Path) -> Iterator[Seed]:
    """Yield the honest files of a format; ``folder`` is used for writing them."""
    for number, recipe in enumerate(RECIPES[format_name]):
        place = folder / f"{number}"
        place.mkdir()
        yield picked_up(f"{format_name} {number}", place, recipe(place))


def repacked(seed: Seed, content: bytes) -> Seed:
    """Return a seed of one file with other bytes, packed by gzip if the file was."""
    stream = io.BytesIO()
    if seed.main.endswith(".gz"):
        with gzip.GzipFile(fileobj=stream, mode="wb", compresslevel=1, mtime=0) as packed:
            packed.write(content)
        content = stream.getvalue()
    return replace(seed, files=seed.files | {seed.main: content})
