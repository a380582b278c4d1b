"""Maps of the elements in an X-ray cube: net counts of their lines in every pixel."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import xarray as xr

from spectessera._util.positions import positions_of
from spectessera.cube import (
    Spectra,
    blocks,
    check_cube,
    noise_of,
    read_block,
    spectral_axis,
)
from spectessera.preprocess.livetime import LIVE_TIME, SCALED
from spectessera.result import require

from .design import BACKGROUND, Design, PixelFit, design_of, pixel_fit
from .families import Contents, MeanSpectra, contents_of, mean_spectra_of, name_of, of_instrument
from .hot import Places, places_of, search, verified_families
from .nonnegative import non_negative
from .stream import Progress, map_pixels, times_matrices

UNIT = "counts"
# Variances of chance by which an amplitude differs from that of its cluster where the expected one
# is half-way between the two.
OWN = 4.0
SINGLE = "single pixels"
MEANING = (
    "Net counts of all lines of a family (element and shell) in the spectrum of a pixel, with "
    "their escape peaks, above the background. Counts of one family are comparable between pixels, "
    "as far as absorption is the same; they are no concentrations, and those of two families are "
    "not comparable. Standard errors are those of counting alone. Where a net count is 0 because "
    "it would be negative, its error is that of the fit without constraint, and twice the error is "
    "an upper limit; the errors of the others are those of the fit without it. "
    "Systematic errors of some per cent (ratios of lines, tails of peaks, background) are not "
    "included."
)


def elements(
    cube: xr.DataArray,
    result: xr.Dataset,
    *,
    anode: str | None = None,
    single_pixels: bool = True,
    progress: Progress | None = None,
) -> xr.Dataset:
    """Return maps of the net counts of all elements in an X-ray cube (XRF, EDS).

    The mean spectra of the clusters give the families of lines, the calibration and the resolution.
    With these, the spectrum of every pixel is fitted linearly: families, scattered light and
    background, none of them negative, weighted by the counts that are expected in its cluster.

    Parameters
    ----------
    cube : DataArray (y, x, channel)
        Counts, in memory or chunked; read once, block by block, on the workers of a
        ``distributed.Client`` where one is active. After
        :func:`spectessera.preprocess.with_live_time`, net counts are those of the median time.
    result : Dataset
        Of :func:`spectessera.segment` or a baseline, for this cube.
    anode : str, optional
        Of the X-ray tube, such as "Rh"; by default the attribute of the result.
    single_pixels : bool
        Also look for elements that no cluster shows but single pixels do. If there are any, the
        cube is read again.
    progress : callable, optional
        Called with the name of the step, the number of blocks that are done, and that of all.

    Returns
    -------
    Dataset
        ``net_counts (element, y, x)`` and ``net_counts_error``, float32; NaN where a pixel has no
        label. ``background (y, x)``. ``cluster_net_counts (element, cluster)`` and
        ``cluster_net_counts_error``, of the mean spectra. Coordinates: ``element``, such as "Fe K";
        ``kind``, "element" or "instrument"; ``found_in``, the clusters that show it or
        "single pixels"; ``surer``, the family of the same element that is seen best, such as
        "Pb L" for "Pb M", or "". Those of elements are first, the surest before the others (by
        standard errors, in the cluster that shows it best). Attributes say what the numbers
        mean, the calibration and the resolution.

    Raises
    ------
    ValueError
        If the cube has no counts, no energy axis, or another size than the result; if the mean
        spectra show no lines, or the calibration of the axis seems to be wrong.

    Notes
    -----
    Weights from the noisy counts of a pixel itself would make net counts too small; weights of the
    expected counts do not. The fit is then one matrix for each cluster, and the variances of the
    amplitudes follow from Poisson counts of the fitted spectrum. Amplitudes that would be negative
    are 0, and the others are fitted again (Kim & Park 2011, SIAM J. Sci. Comput. 33, 3261).

    Examples
    --------
    >>> import spectessera as spt
    >>> page = spt.synth.miniature(seed=0, shape=(40, 48))
    >>> cube, _ = spt.synth.cube_from_rgb(page, "choirbook", counts=400, seed=0)
    >>> result = spt.baselines.cluster_cube(cube, "pca", clusters=spt.Clusters(4, 4))
    >>> maps = spt.maps.elements(cube, result)
    >>> "Pb L" in maps.element, maps.net_counts.dims
    (True, ('element', 'y', 'x'))
    """
    cube = check_mappable(cube)
    require(result, "label", "mean_spectrum", "std_spectrum", "size", purpose="element maps")
    means = mean_spectra_of(result)
    _check_same(cube, result)
    counts, factor = _as_counts(cube)
    anode = anode or str(result.attrs.get("anode") or "") or None
    contents = contents_of(means, result["cluster"].values.tolist(), anode)
    labels = result["label"]
    design, contents = design_of(means, contents)
    places, left = (places_of(design, contents) if single_pixels else None), ""
    model, maps = _mapped(counts, labels, design, places, "elements", progress)
    if places is not None:
        added, left = verified_families(counts, maps[-2:], places, means, contents, anode)
        if added:
            design, contents = design_of(means, contents.with_families(added, SINGLE))
            model, maps = _mapped(counts, labels, design, None, "elements again", progress)
    made = _Made(maps, model, means, contents, factor, left)
    return _dataset(made, cube, result, anode)


def check_mappable(cube: xr.DataArray) -> xr.DataArray:
    """Return a cube of which element maps can be made, with its dimensions in order.

    Raises
    ------
    TypeError, ValueError
        If it is no cube, has no energy axis, or holds no counts.
    """
    cube = check_cube(cube)
    axis = spectral_axis(cube)
    if axis.kind != "energy":
        raise ValueError(
            f"element maps need a cube of X-ray spectra with an energy axis; this axis is of kind "
            f"{axis.kind} ({axis.unit or 'no unit'}); if the channels are energies, give energy= "
            "(--energy FIRST,LAST)"
        )
    if SCALED in cube.attrs and LIVE_TIME in cube.coords:
        return cube
    if noise_of(cube, _some_spectra(cube)) != "counts":
        raise ValueError(
            "element maps need counts: non-negative whole numbers, or the attribute "
            'noise="counts" of the cube; the errors follow from them'
        )
    return cube


# --- the workers assume checked input ----------------------------------------------------------


class PixelWork(NamedTuple):
    """What pixels are fitted with, and where further lines are tried in them."""

    model: PixelFit
    places: Places | None


def fit_pixels(work: PixelWork, spectra: Spectra, labels: np.ndarray) -> np.ndarray:
    """Return amplitudes and standard errors (n, 2 f), and of lines at other places (n, 2)."""
    model, places = work.model, work.places
    terms = len(model.names)
    found = np.zeros((len(labels), 2 * terms + 2 * (places is not None)), np.float32)
    amplitudes = times_matrices(spectra.values, labels, model.estimate)
    left = np.ones_like(amplitudes)
    for label in np.unique(labels):
        own, row = np.flatnonzero(labels == label), label - 1
        fits = non_negative(amplitudes[own], model.covariance[row], model.order[row])
        amplitudes[own], left[own] = fits
    found[:, :terms] = amplitudes
    errors = standard_errors(model, amplitudes, labels)
    found[:, terms : 2 * terms] = errors * np.sqrt(left)
    if places is not None:
        found[:, 2 * terms :] = search(places, spectra, labels, amplitudes)
    return found


def standard_errors(model: PixelFit, amplitudes: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the standard errors (n, f) of amplitudes (n, f), for Poisson counts.

    The variance is that of expected counts. A pixel with few counts of a line by chance has no
    smaller error for it: as long as amplitudes differ from those of a typical pixel of the cluster
    by little more than chance, the typical ones are expected.
    """
    # Added up one by one: a sum along a row might depend on the place of the row in memory.
    total = np.zeros(len(labels), np.float32)
    for column in amplitudes.T:
        total += column
    typical = np.maximum(total, 1.0)[:, None] * model.typical[labels - 1]
    chance = times_matrices(typical, labels, model.spread) + model.single[labels - 1]
    away = amplitudes - typical
    square = away * away
    expected = typical + away * square / (square + OWN * chance)
    return np.sqrt(times_matrices(expected, labels, model.spread) + model.single[labels - 1])


def _mapped(
    cube: xr.DataArray,
    labels: xr.DataArray,
    design: Design,
    places: Places | None,
    step: str,
    progress: Progress | None,
) -> tuple[PixelFit, np.ndarray]:
    """Return the model of pixels, and the maps of all that :func:`fit_pixels` returns."""
    model = pixel_fit(design)
    outputs = 2 * len(model.names) + 2 * (places is not None)
    work = PixelWork(model, places)
    maps = map_pixels(fit_pixels, work, cube, labels, outputs, step=step, progress=progress)
    return model, maps


def _check_same(cube: xr.DataArray, result: xr.Dataset) -> None:
    """Raise if a result is not one of a cube."""
    sizes = [tuple(each.sizes[dim] for dim in ("y", "x", "channel")) for each in (cube, result)]
    if sizes[0] != sizes[1]:
        raise ValueError(
            f"the result is that of a cube of {sizes[1]} (y, x, channel); this cube has "
            f"{sizes[0]}: give the cube that was segmented"
        )


def _as_counts(cube: xr.DataArray) -> tuple[xr.DataArray, np.ndarray | None]:
    """Return a cube of counts, and the factor (y, x) that scales them to one live time."""
    factor = None
    if SCALED in cube.attrs and LIVE_TIME in cube.coords:
        times = np.asarray(cube.coords[LIVE_TIME].transpose("y", "x").values, dtype=np.float64)
        usable = np.isfinite(times) & (times > 0)
        factor = np.where(usable, float(cube.attrs[SCALED]) / np.where(usable, times, 1.0), 1.0)
        scale = xr.DataArray(factor.astype(np.float32), dims=("y", "x"))
        attrs = dict(cube.attrs)
        cube = (cube.drop_vars("variance", errors="ignore") / scale).transpose("y", "x", "channel")
        cube.attrs = attrs | {"noise": "counts"}
        return cube, factor
    return cube, factor


def _some_spectra(cube: xr.DataArray) -> np.ndarray:
    """Return some spectra (n, channel) that show whether a cube holds counts."""
    if cube.dtype.kind not in "ui" and cube.attrs.get("noise") != "counts":
        for block in blocks(cube):
            values = read_block(cube, block).values
            values = values[np.isfinite(values).all(axis=1)]
            if len(values):
                return values[:: max(1, len(values) // 2048)]
    return np.empty((0, 0), np.float32)


class _Made(NamedTuple):
    """The maps, and what they were made with."""

    maps: np.ndarray
    model: PixelFit
    means: MeanSpectra
    contents: Contents
    factor: np.ndarray | None
    unexplained: str


def _dataset(made: _Made, cube: xr.DataArray, result: xr.Dataset, anode: str | None) -> xr.Dataset:
    """Return the maps with their names and what they mean."""
    maps, model, contents = made.maps, made.model, made.contents
    terms = len(model.names)
    shown = [i for i, name in enumerate(model.names) if name != BACKGROUND]
    counts, error = maps[shown], maps[[terms + i for i in shown]]
    background = maps[model.names.index(BACKGROUND)]
    if made.factor is not None:
        scale = made.factor.astype(np.float32)
        counts, error, background = counts * scale, error * scale, background * scale
    instrument = {name_of(f) for f in contents.families if of_instrument(f, contents, anode)}
    names = [model.names[i] for i in shown]
    families = {name_of(each) for each in contents.families} - instrument
    mean, mean_error = cluster_counts(model, made.means)
    dims = ("element", "y", "x")
    unit = {"units": UNIT}
    data = {
        "net_counts": (dims, counts, unit),
        "net_counts_error": (dims, error, unit),
        "background": (("y", "x"), background, unit),
        "cluster_net_counts": (("element", "cluster"), mean[:, shown].T, unit),
        "cluster_net_counts_error": (("element", "cluster"), mean_error[:, shown].T, unit),
    }
    coords = {
        "element": names,
        "kind": ("element", ["element" if n in families else "instrument" for n in names]),
        "found_in": ("element", [contents.sources.get(n, "the instrument") for n in names]),
        "cluster": result["cluster"].values,
    }
    coords |= positions_of(cube)
    return _strongest_first(xr.Dataset(data, coords=coords, attrs=_attributes(cube, made)))


def _strongest_first(maps: xr.Dataset) -> xr.Dataset:
    """Return the maps with the surest families first, and those of the instrument last.

    A family of an element that has a surer one, such as Pb M beside Pb L, says which.
    """
    error = np.maximum(maps["cluster_net_counts_error"].values, np.finfo(np.float64).tiny)
    sigma = np.nan_to_num(maps["cluster_net_counts"].values / error, nan=-np.inf).max(axis=1)
    single, other = maps["found_in"].values == SINGLE, maps["kind"].values != "element"
    maps = maps.isel(element=np.lexsort((-sigma, single, other)))
    surest: dict[str, str] = {}
    surer = []
    for name, kind in zip(maps["element"].values.tolist(), maps["kind"].values, strict=True):
        # Those of the instrument have none: Rh Compton is no family of rhodium.
        symbol = name.split()[0] if kind == "element" else name
        surer.append(surest.get(symbol, ""))
        surest.setdefault(symbol, name)
    return maps.assign_coords(surer=("element", surer))


def cluster_counts(model: PixelFit, means: MeanSpectra) -> tuple[np.ndarray, np.ndarray]:
    """Return the terms (k, f) of the mean spectra of clusters, and their standard errors.

    They may be negative by chance; NaN for clusters without pixels.
    """
    terms = np.full((2, len(means.size), len(model.names)), np.nan)
    for row in np.flatnonzero(means.usable):
        estimate = model.estimate[row, means.order].astype(np.float64)
        terms[0, row] = means.counts[row] @ estimate
        terms[1, row] = np.sqrt(means.error[row] ** 2 @ estimate**2)
    return terms[0], terms[1]


def _attributes(cube: xr.DataArray, made: _Made) -> dict[str, str | float]:
    """Return what is known of the maps as strings and numbers."""
    response = made.contents.response
    at = float(response.width(5.9))
    single = [name for name, source in made.contents.sources.items() if source == SINGLE]
    attrs: dict[str, str | float] = {
        "content": "element maps",
        "meaning": MEANING,
        "calibration_gain": response.gain,
        "calibration_offset": response.offset,
        "resolution": f"{1000 * at:.0f} eV full width at half maximum at 5.9 keV",
        "found_in_single_pixels": ", ".join(single),
        "unexplained_in_single_pixels": made.unexplained,
    }
    if made.factor is not None:
        attrs["live_time"] = f"net counts are those of a live time of {cube.attrs[SCALED]:g}"
    return attrs | {name: cube.attrs[name] for name in ("source", "wcs") if name in cube.attrs}
