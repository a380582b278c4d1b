"""The section of a report about element maps: small maps that enlarge, and net counts of clusters.

No script: a small map is the heading of something that opens, and is drawn larger when it is open.
"""

from __future__ import annotations

import base64
import io
import warnings

import numpy as np
import xarray as xr

from spectessera.colours import MASKED
from spectessera.plots.elementmaps import remark_of

from .chips import chips
from .lengths import each_map_is
from .text import DASH, number, safe, table, with_error

LARGEST = 400  # pixels of the longer side of a map; means of squares of pixels where it is longer
BRIGHT = 99  # per cent of the pixels are within the scale
APART = 5.0  # standard errors, from which clusters differ


def element_section(maps: xr.Dataset, most: int = LARGEST) -> str:
    """Return the section of the report of a result.

    Parameters
    ----------
    maps : Dataset
        Of :func:`spectessera.maps.elements`, for the same result.
    most : int
        Points of the longer side of a small map.
    """
    order = np.argsort(maps["kind"].values != "element", kind="stable")
    drawn = "".join(_thumbnail(maps, int(index), most) for index in order)
    found = str(maps.attrs.get("found_in_single_pixels", ""))
    left = str(maps.attrs.get("unexplained_in_single_pixels", ""))
    words = [
        "Net counts of the lines of each element in every pixel. Click on a map to enlarge it.",
        f"No cluster shows {safe(found)}; single pixels do." if found else "",
        each_map_is(maps),
        reduced(maps, most),
        f"Single pixels show something that is not identified at {safe(left)}." if left else "",
    ]
    return (
        f'<p class="note">{" ".join(filter(None, words))}</p><div class="elements">{drawn}</div>'
        f"{_table(maps, order)}"
        f"<details><summary>What the numbers mean</summary><p>{safe(maps.attrs.get('meaning'))}</p>"
        f"<p>Resolution: {safe(maps.attrs.get('resolution'))}.</p></details>"
    )


def _thumbnail(maps: xr.Dataset, index: int, most: int) -> str:
    """Return one map with its name and its scale."""
    image = maps["net_counts"].transpose("element", "y", "x").values[index]
    kind = remark_of(maps, index)
    name = str(maps["element"].values[index])
    upright = "wcs" in maps.attrs
    return thumbnail(image, name, _brightest(image), kind=kind, upright=upright, most=most)


def thumbnail(
    image: np.ndarray,
    name: str,
    high: float,
    *,
    low: float = 0.0,
    kind: str = "",
    upright: bool = False,
    scale: str = "cividis",
    most: int = LARGEST,
    unit: str = "",
) -> str:
    """Return a map (y, x) with its name and its scale, from ``low`` to ``high``; it enlarges.

    ``upright``: the first row is at the bottom, as on the sky; ``scale``: colours of matplotlib.
    """
    source = _png(image[::-1] if upright else image, low, high, scale, most)
    return (
        f'<details class="element"><summary><img src="{source}" alt="Map of {safe(name)}">'
        f"<span>{safe(name)}{safe(kind)}: {number(low, 2)} to {number(high, 2)}"
        f"{safe(f' {unit}' if unit else '')}</span></summary>"
        "</details>"
    )


def _brightest(image: np.ndarray) -> float:
    """Return the net counts at the end of the scale."""
    finite = image[np.isfinite(image)]
    return max(float(np.percentile(finite, BRIGHT)), 1.0) if finite.size else 1.0


def _png(image: np.ndarray, low: float, high: float, scale: str, most: int) -> str:
    """Return a map (y, x) as a data URI of a PNG of 256 colours, grey where there is no value."""
    from matplotlib import colormaps
    from PIL import Image

    step = _step(image.shape, most)
    if step > 1:
        image = _means(image, step)
    share = (np.nan_to_num(image) - low) / (high - low)
    level = np.rint(1 + 254 * np.clip(share, 0, 1))
    level = np.where(np.isfinite(image), level, 0).astype(np.uint8)
    colours = np.rint(255 * colormaps[scale](np.linspace(0, 1, 255))[:, :3]).astype(np.uint8)
    picture = Image.fromarray(level)
    picture.putpalette(np.concatenate([np.reshape(MASKED, (1, 3)), colours]).astype("u1").tobytes())
    stream = io.BytesIO()
    picture.save(stream, format="PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode("ascii")


def _step(shape: tuple[int, ...], most: int) -> int:
    """Return how many pixels a point of a small map spans along a side."""
    return -(-max(shape) // most)


def reduced(maps: xr.Dataset, most: int) -> str:
    """Return what is said of small maps that have fewer points than there are pixels."""
    step = _step((maps.sizes["y"], maps.sizes["x"]), most)
    return f"A point of these maps is the mean of {step} x {step} pixels." if step > 1 else ""


def _means(image: np.ndarray, step: int) -> np.ndarray:
    """Return the means of squares of a map (y, x), without missing values."""
    high, wide = (-(-size // step) * step for size in image.shape)
    whole = np.full((high, wide), np.nan)
    whole[: image.shape[0], : image.shape[1]] = image
    squares = whole.reshape(high // step, step, wide // step, step)
    with warnings.catch_warnings():  # squares without any value
        warnings.simplefilter("ignore", RuntimeWarning)
        return np.nanmean(squares, axis=(1, 3))


def _table(maps: xr.Dataset, order: np.ndarray) -> str:
    """Return the net counts of a mean pixel of every cluster, and which clusters differ most."""
    counts, errors = (
        maps[name].transpose("element", "cluster").values
        for name in ("cluster_net_counts", "cluster_net_counts_error")
    )
    clusters = [int(each) for each in maps["cluster"].values]
    rows = []
    for index in order:
        cells = [
            DASH if not np.isfinite(value) else with_error(float(value), float(error))
            for value, error in zip(counts[index], errors[index], strict=True)
        ]
        apart = _most_apart(counts[index], errors[index])
        words = DASH
        if apart is not None:
            high, low, sigma = apart
            words = f"{clusters[high]} from {clusters[low]} ({number(sigma, 2)} sigma)"
        rows.append([safe(maps["element"].values[index]), *cells, words])
    heads = ["lines", *chips(maps, clusters), "separates best"]
    caption = "Net counts of a mean pixel of each cluster, with standard errors"
    return table(caption, heads, rows, numeric=range(1, len(clusters) + 1))


def _most_apart(counts: np.ndarray, errors: np.ndarray) -> tuple[int, int, float] | None:
    """Return the two clusters that differ most, in standard errors, and by how many."""
    known = np.isfinite(counts) & np.isfinite(errors)
    difference = counts[:, None] - counts
    sigma = difference / np.maximum(np.hypot(errors[:, None], errors), 1e-300)
    sigma = np.where(known[:, None] & known, sigma, -np.inf)
    if not known.any() or sigma.max() < APART:
        return None
    high, low = np.unravel_index(int(sigma.argmax()), sigma.shape)
    return int(high), int(low), float(sigma.max())
