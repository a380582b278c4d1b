"""The formats in which a result is exported, and writing them: all files of a call, or none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import xarray as xr

from spectessera._util.files import atomic_folder
from spectessera._util.together import check_names, together
from spectessera.io import write as write_by_suffix

from .contents import Contents, contents_of

Writer = Callable[[Contents, Path], None]


class Format(NamedTuple):
    """One format.

    Parameters
    ----------
    name : str
        As in ``to="geotiff"``.
    holds : str
    opens_in : str
    writers : dict of str to str
        By the name of a file in a folder: the function that writes it, as "module:function"; ""
        for figures, which a result may have or not.
    beside : tuple of str
        Ends of the names of further files that the first writer writes, after its own stem.
    """

    name: str
    holds: str
    opens_in: str
    writers: dict[str, str]
    beside: tuple[str, ...] = ()

    @property
    def suffix(self) -> str:
        """Suffix of the first file."""
        return Path(next(iter(self.writers))).suffix


FIGURES = ("svg", "pdf", "png")
FORMATS = {
    each.name: each
    for each in (
        Format(
            "csv", "mean spectra, and the table of the clusters", "Excel, Origin, R, pandas",
            {"mean-spectra.csv": "tables:write_spectra", "clusters.csv": "tables:write_clusters"},
        ),
        Format(
            "geotiff", "label map with colours and names, on its map", "QGIS, ArcGIS, GDAL",
            {"labels.tif": "geotiff:write_geotiff"}, (".tif.aux.xml", ".qml"),
        ),
        Format(
            "gpkg", "outlines of the clusters on the map", "QGIS, ArcGIS, GeoPandas",
            {"clusters.gpkg": "geopackage:write_geopackage"},
        ),
        Format(
            "envi", "label map as classes with colours, names and map info", "ENVI, QGIS, spectral",
            {"labels.img": "envi:write_envi"}, (".hdr",),
        ),
        Format(
            "tiff", "label map with colours and pixel size", "ImageJ, Fiji, scikit-image",
            {"labels-imagej.tif": "imagej:write_tiff"},
        ),
        Format(
            "imagej", "outlines of the clusters as regions of interest", "ImageJ, Fiji",
            {"RoiSet.zip": "imagej:write_regions"},
        ),
        Format("npy", "label map", "NumPy", {"labels.npy": "arrays:write_npy"}),
        Format(
            "npz", "labels, confidence, clusters and mean spectra", "NumPy, MATLAB by Python",
            {"result.npz": "arrays:write_npz"},
        ),
        Format(
            "hspy", "label map, confidence and mean spectra as signals", "HyperSpy",
            {"result.hspy": "formats:write_with_io"},
        ),
        Format(
            "fits", "label map, confidence, table of names and colours", "DS9, astropy, TOPCAT",
            {"labels.fits": "formats:write_with_io"},
        ),
        Format("svg", "all figures", "Inkscape, browsers", {"clusters.svg": ""}),
        Format("pdf", "all figures", "LaTeX, Illustrator", {"clusters.pdf": ""}),
        Format("png", "all figures", "everything", {"clusters.png": ""}),
    )
}  # fmt: skip


def write_with_io(contents: Contents, path: Path) -> None:
    """Write what the room io knows to write of a result."""
    write_by_suffix(contents.result, path)


def export_result(
    result: xr.Dataset,
    out: str | Path,
    to: str | Sequence[str] | None = None,
    *,
    overwrite: bool = False,
    maps: xr.Dataset | None = None,
    abundances: xr.Dataset | None = None,
) -> list[Path]:
    """Write a result for other programs: all files, or none on an error.

    Parameters
    ----------
    result : Dataset
        Of :func:`spectessera.segment`.
    out : str or Path
        A folder, which may be new; or, for one format, a file with its suffix.
    to : str or sequence of str, optional
        Formats: "csv", "geotiff", "gpkg", "envi", "tiff", "imagej", "npy", "npz", "hspy", "fits",
        "svg", "pdf", "png". By default that of the suffix of ``out``.
    overwrite : bool
        Whether files of these names are replaced; others in the folder stay.
    maps, abundances : Dataset, optional
        Maps of elements or lines, and of mixtures, whose figures belong to those of the result.

    Returns
    -------
    list of Path
        The files. In all of them label 0 is masked and 1 to K are the clusters.

    Raises
    ------
    ValueError
        If a format is unknown, or cannot hold the result.
    ImportError
        If a package is missing that a format needs.
    FileExistsError
        If a file exists and ``overwrite`` is False.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> import xarray as xr
    >>> from spectessera.export import export_result
    >>> result = xr.Dataset({"label": (("y", "x"), np.array([[1, 2, 0]]))})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     files = export_result(result, Path(folder) / "labels.npy")
    ...     np.load(files[0]).tolist()
    [[1, 2, 0]]
    """
    out = Path(out)
    formats = formats_of(out, to)
    single = _is_file(out, formats)
    folder = out.parent if single else out
    contents = contents_of(result)
    plan = _plan(contents, formats, out.name if single else None, maps, abundances)
    names = [name for name, _ in plan] + _beside(formats, out.stem if single else None)
    if folder.exists() or single:
        check_names(folder, names, overwrite)
        place = together(folder, overwrite)
    else:
        place = atomic_folder(folder, _refuse)
    with place as new:
        new.mkdir(exist_ok=True)
        for name, write in plan:
            write(contents, new / name)
        written = sorted(each.name for each in new.iterdir())
    return [folder / name for name in written]


def formats_of(out: Path, to: str | Sequence[str] | None) -> list[Format]:
    """Return the formats that are asked for, by name or by the suffix of a file.

    Raises
    ------
    ValueError
        If one is unknown.
    """
    if to is None:
        to = [name for name, each in FORMATS.items() if each.suffix == out.suffix.lower()][:1]
        if not to:
            raise ValueError(
                f"{out.name!r} has the suffix of no format; give to= (--to), one of "
                f"{', '.join(FORMATS)}"
            )
    names = [to] if isinstance(to, str) else list(dict.fromkeys(to))
    unknown = [name for name in names if name not in FORMATS]
    if unknown or not names:
        raise ValueError(
            f"to (--to) must be of {', '.join(FORMATS)}; got {', '.join(unknown) or 'none'}"
        )
    return [FORMATS[name] for name in names]


def _is_file(out: Path, formats: Sequence[Format]) -> bool:
    """Return whether a name is that of a file of one format, and not of a folder.

    Raises
    ------
    ValueError
        If its suffix is that of another format, so that a folder of this name would mislead.
    """
    suffix = out.suffix.lower()
    if out.is_dir() or suffix not in {each.suffix for each in FORMATS.values()}:
        return False
    if len(formats) == 1 and suffix == formats[0].suffix:
        return True
    asked = ", ".join(each.name for each in formats)
    file = f", or of a file with the suffix {formats[0].suffix}" if len(formats) == 1 else ""
    raise ValueError(
        f"{out.name!r} is the name of one {suffix[1:]} file; for {asked} give the name of a folder"
        f"{file}"
    )


def _plan(
    contents: Contents,
    formats: Sequence[Format],
    file: str | None,
    maps: xr.Dataset | None,
    abundances: xr.Dataset | None,
) -> list[tuple[str, Writer]]:
    """Return the names of files and what writes them; of one file, the first of its format."""
    plan: list[tuple[str, Writer]] = []
    for each in formats:
        if each.name in FIGURES:
            own = _figures(contents, each, maps, abundances)
        else:
            own = [(name, _writer(where)) for name, where in each.writers.items()]
        plan += own if file is None else [(file, own[0][1])]
    return plan


def _writer(where: str) -> Writer:
    """Return a function of this room."""
    module, _, function = where.partition(":")
    writer: Writer = getattr(import_module(f".{module}", __package__), function)
    return writer


def _figures(
    contents: Contents, kind: Format, maps: xr.Dataset | None, abundances: xr.Dataset | None
) -> list[tuple[str, Writer]]:
    """Return the names of all figures and what draws them."""
    from .figures import figures_of, write_figure

    drawn = figures_of(contents, maps, abundances)
    if not drawn:
        raise ValueError(
            "figures need mean spectra and confidence, integrated images or scores; this result "
            "has none of them: segment the cube again, or export another format (npy, tiff)"
        )

    def writer(name: str) -> Writer:
        return lambda _, path: write_figure(drawn[name], path)

    return [(f"{name}{kind.suffix}", writer(name)) for name in drawn]


def _beside(formats: Sequence[Format], stem: str | None) -> list[str]:
    """Return the names of the files that come with the first ones."""
    stems = [(Path(next(iter(each.writers))).stem, each.beside) for each in formats]
    return [f"{stem or own}{end}" for own, ends in stems for end in ends]


def _refuse(path: Path) -> None:
    """Raise, because a folder came into being during the work."""
    raise FileExistsError(f"{path} exists; run it again to add to it, or give another name")
