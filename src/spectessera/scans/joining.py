"""One cube of several scans, so that they are segmented together."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import xarray as xr

from spectessera.axis import Axis, channel_edges, in_terms_of, resample_weights
from spectessera.channels import also_marked, bad_channels
from spectessera.cube import (
    DIMS,
    blocks,
    check_cube,
    noise_of,
    read_block,
    spectral_axis,
    with_axis,
)
from spectessera.variance import with_usable_variance

from .mosaic import Scan, in_one_image, mask_between, values_of, variance_of
from .places import ATTRIBUTE, MOST_SCANS, as_text, check_area, check_names, layout

log = logging.getLogger(__name__)

WIDTH = 1 / 20  # of the Gaussian that smooths responses, as a share of the channels
MOST_RATIO = 4.0  # of two responses
_SAMPLE = 4096  # pixels that say whether a cube holds counts
# Attributes that belong to the measurement of the values: all scans must agree on them.
_OF_VALUES = ("unit", "value_scale", "saturation", "anode", "instrument", "object", "telescope")

Progress = Callable[[str, int, int], Any]


def join_scans(
    cubes: Sequence[xr.DataArray],
    names: Sequence[str] | None = None,
    *,
    response: bool = False,
    seed: int = 0,
    progress: Progress | None = None,
) -> xr.DataArray:
    """Return one cube of several scans, to segment them together with common clusters.

    The scans lie one below the other, or side by side, with masked pixels between them. Spectra
    are on the channels of the first scan that all of them cover. Where a scan has other channels,
    every photon of counts falls into one of the new ones, so that the noise is still that of
    counts; other values are averaged.

    Parameters
    ----------
    cubes : sequence of DataArray (y, x, channel)
        At least two, of one kind of axis, in memory or chunked.
    names : sequence of str, optional
        By default "scan-1", "scan-2" ...
    response : bool
        Also remove differences between the instruments: the mean spectra of the scans, smoothed
        over a twentieth of the channels, are made equal. For scans that show about the same
        materials in about the same shares. Photons of counts are left out at random where the
        response is higher than that of the lowest scan.
    seed : int
        Of the photons that are divided, or left out.
    progress : callable, optional
        Called with "responses", the number of scans that are read, and that of all.

    Returns
    -------
    DataArray (y, x, channel)
        Its attribute ``scans`` says where each scan is; see :func:`split_scans`.

    Raises
    ------
    TypeError, ValueError
        If there are fewer than two cubes, or they have different kinds of axes, units or noise,
        or no channel in common.

    Examples
    --------
    >>> import numpy as np
    >>> import spectessera as spt
    >>> one = spt.make_cube(np.ones((3, 4, 20), "u2"), energy=(1.0, 20.0))
    >>> other = spt.make_cube(np.ones((5, 6, 25), "u2"), energy=(0.5, 24.5))
    >>> spt.join_scans([one, other], ["left", "right"]).shape
    (5, 18, 20)
    """
    scans = _checked(cubes, names)
    axis, weights = _common(scans)
    if response:
        weights = _equal_responses(scans, weights, axis, progress)
    scans = [
        scan._replace(weights=each, key=(seed, number))
        for number, (scan, each) in enumerate(zip(scans, weights, strict=True))
    ]
    values = in_one_image([values_of(each) for each in scans], scans)
    joined = with_axis(xr.DataArray(values, dims=DIMS, attrs=_attributes(scans)), axis)
    variances = [variance_of(each) for each in scans]
    if all(each is not None for each in variances):
        joined = joined.assign_coords(variance=(DIMS, in_one_image(variances, scans)))
    joined = joined.assign_coords(mask=(DIMS[:2], mask_between(scans)))
    for each in scans:
        bad = _bad(each)
        joined = joined if bad is None else also_marked(joined, bad)
    return with_usable_variance(joined)


# --- what is joined ----------------------------------------------------------------------------


def _checked(cubes: Any, names: Sequence[str] | None) -> list[Scan]:
    """Return the scans with their places; raise if they do not go together."""
    if isinstance(cubes, xr.DataArray) or not 2 <= len(cubes) <= MOST_SCANS:
        number = "one cube" if isinstance(cubes, xr.DataArray) else f"{len(cubes)} cubes"
        raise ValueError(f"to join scans takes a list of 2 to {MOST_SCANS} cubes; got {number}")
    cubes = [check_cube(each) for each in cubes]
    names = [f"scan-{n}" for n in range(1, len(cubes) + 1)] if names is None else list(names)
    check_names(names, len(cubes))
    noise = [_noise(each) for each in cubes]
    if len(set(noise)) > 1:
        said = ", ".join(f"{name}: {_WORDS[each]}" for name, each in zip(names, noise, strict=True))
        raise ValueError(
            f"scans of different noise cannot be joined ({said}); give all a variance, or none"
        )
    if noise[0] != "counts":
        _check_units(cubes, names)
    sizes = [(each.sizes["y"], each.sizes["x"]) for each in cubes]
    places = layout(sizes, names)
    check_area(places)
    return [Scan(cube, place, kind == "counts")
            for cube, place, kind in zip(cubes, places, noise, strict=True)]  # fmt: skip


def _check_units(cubes: Sequence[xr.DataArray], names: Sequence[str]) -> None:
    """Raise if the values of scans have different units, or are scaled in different ways."""
    for attribute, default in (("unit", ""), ("value_scale", 1.0)):
        given = [each.attrs.get(attribute, default) for each in cubes]
        if len({each for each in given if each != ""}) > 1:
            said = ", ".join(f"{n}: {each}" for n, each in zip(names, given, strict=True))
            raise ValueError(
                f"scans need values of one unit; {attribute} differs ({said}): scale them first"
            )


_WORDS = {"counts": "counts", "variance": "with a variance", "residual": "without a variance"}


def _noise(cube: xr.DataArray) -> str:
    """Return what is known of the noise of a cube."""
    sample = np.empty((0, cube.sizes["channel"]), np.float32)
    for block in blocks(cube, _SAMPLE):
        part = read_block(cube, block).values
        part = part[np.isfinite(part).all(axis=1)]
        sample = np.concatenate([sample, part]) if sample.shape[1] == part.shape[1] else part
        if len(sample) >= _SAMPLE:
            break
    return noise_of(cube, sample[:_SAMPLE])


def _common(scans: Sequence[Scan]) -> tuple[Axis, list[Any]]:
    """Return the channels of the first scan that all others cover, and weights for each scan."""
    axis = spectral_axis(scans[0].cube)
    own = [spectral_axis(each.cube) for each in scans]
    if all(axis.matches(each) for each in own):
        return axis, [None] * len(scans)
    names = [each.place.name for each in scans]
    used = np.ones(len(axis), bool)
    low, high = channel_edges(axis)
    for name, each in zip(names[1:], own[1:], strict=True):
        if each.kind != axis.kind or axis.kind == "channel":
            raise ValueError(
                f"{names[0]} has {_axis_in_words(axis)} and {name} has {_axis_in_words(each)}; "
                "scans need axes of one kind: give one for all (--energy FIRST,LAST)"
            )
        lower, upper = channel_edges(in_terms_of(each, axis))
        first, last = lower.min(), upper.max()
        slack = 1e-3 * (high - low)
        used &= (low >= first - slack) & (high <= last + slack)
    if not used.any():
        said = (f"{name}: {_axis_in_words(each)}" for name, each in zip(names, own, strict=True))
        raise ValueError(f"the scans have no channels in common ({', '.join(said)})")
    if not used.all():
        log.warning("%d of the %d channels of %s are covered by all scans and are used",
                    used.sum(), len(used), names[0])  # fmt: skip
    part = axis if used.all() else Axis(axis.values[used], axis.unit, axis.kind, axis.medium)
    weights = [resample_weights(each, part, warn=False) for each in own]
    return part, [each if scan.counts else _averaging(each)
                  for each, scan in zip(weights, scans, strict=True)]  # fmt: skip


def _axis_in_words(axis: Axis) -> str:
    """Return an axis in words."""
    if axis.kind == "channel":
        return f"{len(axis)} plain channels"
    return f"{axis.kind} {axis.values.min():g} to {axis.values.max():g} {axis.unit}".strip()


def _averaging(weights: Any) -> Any:
    """Return weights whose rows have the sum 1: a mean of channels, not their sum."""
    from scipy import sparse

    total = np.asarray(weights.sum(axis=1)).ravel()
    return sparse.csr_array(sparse.diags_array(1 / np.where(total > 0, total, 1)) @ weights)


# --- responses ---------------------------------------------------------------------------------


def _equal_responses(
    scans: Sequence[Scan], weights: list[Any], axis: Axis, progress: Progress | None
) -> list[Any]:
    """Return weights that also make the smoothed mean spectra of all scans equal."""
    from scipy import sparse
    from scipy.ndimage import gaussian_filter1d

    report = progress or (lambda *_: None)
    means = []
    for number, (scan, each) in enumerate(zip(scans, weights, strict=True)):
        report("responses", number, len(scans))
        mean = _mean(scan)
        mean = mean if each is None else each @ mean
        smooth = gaussian_filter1d(mean, WIDTH * len(axis), mode="nearest")
        total = smooth.sum()
        if not total > 0:
            raise ValueError(f"{scan.place.name} has no signal: its mean spectrum is not positive")
        means.append(np.maximum(smooth / total, 1e-6 / len(axis)))
    report("responses", len(scans), len(scans))
    middle = np.exp(np.mean(np.log(means), axis=0))
    found = []
    for scan, mean, each in zip(scans, means, weights, strict=True):
        ratio = np.clip(middle / mean, 1 / MOST_RATIO, MOST_RATIO)
        if scan.counts:
            ratio = ratio / ratio.max()  # photons can be left out, not added
        same = sparse.identity(len(axis), format="csr") if each is None else each
        found.append(sparse.csr_array(sparse.diags_array(ratio) @ same))
    return found


def _mean(scan: Scan) -> np.ndarray:
    """Return the mean spectrum (own channel,) of the finite spectra; 0 in bad channels."""
    cube = scan.cube
    total, number = 0.0, 0
    for block in blocks(cube):
        values = read_block(cube, block).values
        values = values[np.isfinite(values).all(axis=1)]
        total = total + values.sum(axis=0, dtype=np.float64)
        number += len(values)
    bad = bad_channels(cube)
    whole = np.zeros(cube.sizes["channel"])
    whole[slice(None) if bad is None else ~bad] = total / max(1, number)
    return whole


def _bad(scan: Scan) -> np.ndarray | None:
    """Return the new channels into which bad channels of a scan fall, or None."""
    bad = bad_channels(scan.cube)
    if bad is None or scan.weights is None:
        return bad
    found = np.asarray(scan.weights @ bad.astype(np.float64)).ravel() > 0
    return found if found.any() else None


def _attributes(scans: Sequence[Scan]) -> dict[str, Any]:
    """Return the attributes on which all scans agree, and where each of them is."""
    first = scans[0].cube.attrs
    same = {
        name: first[name]
        for name in _OF_VALUES
        if name in first and all(each.cube.attrs.get(name) == first[name] for each in scans)
    }
    source = " + ".join(each.place.name for each in scans)
    noise = {"noise": "counts"} if scans[0].counts else {}
    return same | noise | {"source": source, ATTRIBUTE: as_text([each.place for each in scans])}
