"""Layers for napari: a reader of results and a writer of labels, named in napari.yaml.

napari itself is imported only while it asks for layers.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from spectessera._util.files import atomic
from spectessera.io import read_result, result_in

from .contents import Contents, contents_of

Layer = tuple[np.ndarray, dict[str, Any], str]
SUFFIXES = (".nc", ".zarr")
_MAPS = ("confidence", "novelty")


def napari_layers(result: xr.Dataset | str | Path) -> list[Layer]:
    """Return the layers of a result: the maps of numbers as images, and the label map.

    Parameters
    ----------
    result : Dataset, str or Path
        A result, or its file or folder.

    Returns
    -------
    list of tuple
        Data (y, x), settings and kind of each layer, as ``napari.layers.Layer.create`` takes them.

    Examples
    --------
    >>> import numpy as np
    >>> import xarray as xr
    >>> result = xr.Dataset({"label": (("y", "x"), np.array([[1, 2, 0]]))})
    >>> data, settings, kind = napari_layers(result)[-1]
    >>> kind, settings["features"]["cluster"]
    ('labels', ['masked', 'cluster 1', 'cluster 2'])
    """
    opened = result if isinstance(result, xr.Dataset) else read_result(result)
    contents = contents_of(opened)
    place: dict[str, Any] = {}
    if contents.pixel is not None:
        place = {"scale": (contents.pixel.y, contents.pixel.x), "units": (contents.pixel.unit,) * 2}
    layers: list[Layer] = []
    for name in _MAPS:
        if name in opened:
            values = opened[name].transpose("y", "x").values
            layers.append((values, {"name": name, "visible": False, **place}, "image"))
    names = contents.names()
    settings = {
        "name": "clusters",
        "features": {"index": list(range(len(names))), "cluster": names},
        "colormap": _colours(contents),
        **place,
    }
    return [*layers, (contents.label.astype(np.int32), settings, "labels")]


def _colours(contents: Contents) -> dict[int | None, tuple[float, ...]]:
    """Return the colours by label, as red, green, blue and opacity from 0 to 1."""
    table = (contents.table() / 255).tolist()
    colours: dict[int | None, tuple[float, ...]] = {n: tuple(each) for n, each in enumerate(table)}
    return colours | {None: (0.0, 0.0, 0.0, 0.0)}


def get_reader(path: str | list[str]) -> Callable[[str | list[str]], list[Layer]] | None:
    """Return what reads a result for napari; None if the path is no result.

    Parameters
    ----------
    path : str or list of str
        A ``result.nc``, a ``result.zarr`` or the folder of a segmentation.
    """
    if isinstance(path, list):
        return None
    found = result_in(path)
    return _read if found.suffix in SUFFIXES and found.exists() else None


def _read(path: str | list[str]) -> list[Layer]:
    """Return the layers of a result, with the colours as napari wants them."""
    from napari.utils.colormaps import DirectLabelColormap

    layers = napari_layers(str(path))
    for _, settings, kind in layers:
        if kind == "labels":
            settings["colormap"] = DirectLabelColormap(color_dict=settings["colormap"])
    return layers


def write_labels(path: str, data: Any, settings: dict[str, Any]) -> list[str]:
    """Write a layer of labels, such as one that was corrected, as a NumPy array (y, x), int32.

    Parameters
    ----------
    path : str
        Ends with ``.npy``.
    data : array (y, x) of integers
    settings : dict
        Of the layer; its name is not needed.

    Returns
    -------
    list of str
        The path.

    Raises
    ------
    ValueError
        If it is not a map of labels.
    """
    label = np.asarray(data)
    if label.ndim != 2 or label.dtype.kind not in "iub":
        raise ValueError(
            f"a label map has integers (y, x); got shape {label.shape} of {label.dtype} "
            f"(layer {settings.get('name', '')!r})"
        )
    with atomic(path) as temporary:
        np.save(temporary, label.astype(np.int32), allow_pickle=False)
    return [str(path)]
