"""Whether the variance of a cube says anything, and of which channels and values.

A variance of 0 beside a value, like one that is negative, not finite or beyond 1e30, is no
information: pipelines write it where they masked a value. It never means that the value is exact.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import xarray as xr

from .axis import KINDS
from .channels import also_marked, bad_channels
from .countnoise import LEAST_COUNTED, scatter_as_counts
from .scale import LARGEST, PLACES, common_step, places, source_of

# Smaller variances are none: as float32 they have no digits left.
SMALLEST = float(np.finfo(np.float32).tiny)
# Pixels at fixed places that are looked at where the first ones (as many as PLACES) have none.
MOST_PLACES = 256
# Pixels that show whether all values are multiples of a number.
FOR_STEP = 4
# Share of the channels that must have a variance; else the noise of the cube is not known.
_ENOUGH = 0.5
# Probability that a channel was seen without a variance by chance, above which it may have one.
_BY_CHANCE = 1e-3

# What is written as the variance of a measured count: the count itself, at least 1, 1 more (of the
# expectation of which nothing else is known), and the upper limit of Gehrels (1986, ApJ 303, 336).
_OF_COUNTS: tuple[Callable[[np.ndarray], np.ndarray], ...] = (
    lambda counts: counts,
    lambda counts: np.maximum(counts, 1),
    lambda counts: counts + 1,
    lambda counts: np.square(1 + np.sqrt(counts + 0.75)),
)
# Relative error of a variance that was stored as a root, in single precision.
_ROUNDING = 1e-5

# Of the channels of a piece of a file that are read together.
_BOX_BYTES = 2**24

Pixels = list[tuple[int, int]]
_Spectra = dict[tuple[int, int], np.ndarray]


def known_variance(variance: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return variances as they are used, float32: NaN where there is none.

    A number that is not positive, not finite, beyond 1e30, or too small for float32 is no variance.
    Only where the value is 0 too, as counts of 0 whose error is their root, it is 0.

    Parameters
    ----------
    variance, values : array (n, channel)

    Examples
    --------
    >>> import numpy as np
    >>> from spectessera.variance import known_variance
    >>> given = np.array([2.0, 3e38, np.inf, -1.0, 1e-300, 0.0, 0.0])
    >>> known_variance(given, np.array([1, 1, 1, 1, 1, 1, 0])).tolist()
    [2.0, nan, nan, nan, nan, nan, 0.0]
    """
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        found = np.ascontiguousarray(variance, dtype=np.float32)
        none = ~((found >= SMALLEST) & (found <= LARGEST))
        if not none.any():
            return found
        nothing = (found == 0) & (values == 0)
    return np.where(none & ~nothing, np.float32(np.nan), found)


def has_variance(cube: xr.DataArray) -> bool:
    """Return whether a cube has a variance that is positive, and no more than 1e30.

    256 pixels at fixed places decide, all pixels of a smaller image; the answer does not depend on
    where the cube is stored or on its chunks. In most cubes the first one has a variance. Every
    chunk of an array that has to be computed is computed once at most.
    """
    if "variance" not in cube.coords:
        return False
    variance, good = stored_as(cube.coords["variance"]), _good(cube)
    spectra = spectra_at(variance, places(variance.shape[:2], MOST_PLACES))
    return any(_positive(spectrum)[good].any() for _, spectrum in spectra)


def with_usable_variance(
    cube: xr.DataArray, *, compute: bool = False, counted: bool = True
) -> xr.DataArray:
    """Return a cube in which every channel that is used has a variance, or none has.

    A channel without a variance (in 64 pixels at fixed places, or 256 where few pixels or values
    have one) beside channels with one is marked as bad, because nothing is known of its noise. If
    these are more than half of the channels, if so few values have a variance that others may be
    seen without one by chance, or if none has, the variance is left out. So is, with ``compute``,
    one that follows from the values, which are whole numbers: they are counts (the attribute
    ``noise``), whose noise is better known than by the root of each, which is 0 or 1 for a count of
    0. A cube without a variance and without a spectral axis, whose values scatter as counts do
    (:mod:`spectessera.countnoise`), gets the attribute too. The attribute ``reading_notes`` states
    all this. (A channel of zeros is as good as any other.)

    Parameters
    ----------
    cube : DataArray (y, x, channel)
    compute : bool
        The cube is going to be used: also look at a dask array that is no file, at what the
        variance follows from, and at the scatter of the values. A cube that is only read, or
        converted, keeps its variance.
    counted : bool
        False: keep a variance that follows from counts, for what needs a variance.

    Examples
    --------
    >>> import numpy as np
    >>> import spectessera as spt
    >>> variance = np.ones((2, 3, 4))
    >>> variance[..., 1] = 0
    >>> cube = spt.make_cube(np.full((2, 3, 4), 5.0), variance=variance)
    >>> cube["bad_channel"].values.tolist(), cube.attrs["reading_notes"]
    ([False, True, False, False], '1 of 4 channels has no variance and is not used')
    """
    if "variance" not in cube.coords:
        return _with_noise_of_counts(cube) if compute else cube
    variance = stored_as(cube.coords["variance"])
    if source_of(variance) is None and not compute:
        return cube
    known, seen = _known_channels(variance, _good(cube))
    cube = _with_known_channels(cube, known, seen)
    if compute and counted and "variance" in cube.coords and _of_counts(cube, seen):
        note = "the variance is that of counts, which the values are; it is not used"
        return _noted(cube.drop_vars("variance").assign_attrs(noise="counts"), note)
    return cube


def _with_noise_of_counts(cube: xr.DataArray) -> xr.DataArray:
    """Return a cube with a note if its noise is that of counts, or is not although it seems so.

    Whole numbers along energies are taken for counts, unless they are multiples; along channels of
    which nothing is known they are if they scatter so; along any other axis they are not.
    """
    if "noise" in cube.attrs:
        return cube
    if "energy" in cube.coords:
        return _unknown_if_multiplied(cube)
    if any(kind in cube.coords for kind in KINDS if kind != "channel"):
        return cube
    good = _good(cube)
    if not scatter_as_counts((pair[:, good] for pair in _pairs(cube)), int(good.sum())):
        return cube
    note = (
        "the values are taken for counts: neighbouring pixels differ by the noise of counts "
        "(--noise unknown prevents it)"
    )
    return _noted(cube.assign_attrs(noise="counts"), note)


def _pairs(cube: xr.DataArray) -> Iterator[np.ndarray]:
    """Yield the spectra (2, channel) of neighbouring pixels at fixed places, none masked."""
    values, mask = stored_as(cube), cube.coords.get("mask")
    rows, columns = values.shape[:2]
    taken = np.zeros((rows, columns), bool) if mask is None else np.asarray(mask.values, bool)
    pairs = [
        ((y, x), (y, x + 1) if x + 1 < columns else (y + 1, x))
        for y, x in places(values.shape[:2], MOST_PLACES)
        if x + 1 < columns or y + 1 < rows
    ]
    free = [pair for pair in pairs if not any(taken[pixel] for pixel in pair)][:PLACES]
    for some in (free[:FOR_STEP], free[FOR_STEP:]):  # the first ones of most cubes are no counts
        found = dict(spectra_at(values, [pixel for pair in some for pixel in pair]))
        yield from (np.array([found[pixel] for pixel in pair]) for pair in some)


def _unknown_if_multiplied(cube: xr.DataArray) -> xr.DataArray:
    """Return a cube with a note if it has multiples of counts, whose noise is not known."""
    values = stored_as(cube)
    pixels = places(values.shape[:2])[:FOR_STEP]
    step = common_step(np.array([spectrum for _, spectrum in spectra_at(values, pixels)]))
    if step == 1:
        return cube
    note = (
        f"all values are multiples of {step}, so their noise is not that of counts and is not "
        f"known; divide them by {step} if they were counts"
    )
    return _noted(cube.assign_attrs(noise="residual"), note)


def _with_known_channels(cube: xr.DataArray, known: np.ndarray, seen: _Spectra) -> xr.DataArray:
    """Mark channels without a variance as bad, or leave the variance out."""
    good = _good(cube)
    if not known.any():
        note = "the variance is nowhere positive (or is beyond 1e30) and is not used"
        return _noted(cube.drop_vars("variance"), note)
    if known[good].all():
        return cube
    measured, missing = _not_known(cube, good & ~known, list(seen))
    if measured.sum() > _ENOUGH * good.sum():
        note = f"the variance of {known.sum()} of {good.sum()} channels is known; it is not used"
        return _noted(cube.drop_vars("variance"), note)
    void = measured | missing
    if not void.any():
        return cube
    if _chance(known, seen) > _BY_CHANCE:
        note = "hardly any value has a variance; it is not used"
        return _noted(cube.drop_vars("variance"), note)
    count, channels = int(void.sum()), len(void)
    verbs = ("has", "is") if count == 1 else ("have", "are")
    note = f"{count} of {channels} channels {verbs[0]} no variance and {verbs[1]} not used"
    return _noted(also_marked(cube, void), note)


def _of_counts(cube: xr.DataArray, seen: _Spectra) -> bool:
    """Return whether the values are counts, and the variance says no more than they do.

    In all of 64 pixels at fixed places, wherever there is a variance. Pixels whose variance was
    seen are compared first: the first one of most cubes says that it is not so.
    """
    if cube.attrs.get("noise") == "residual":
        return False
    values, good = stored_as(cube), _good(cube)
    first = places(values.shape[:2])
    for pixel, spectrum in spectra_at(values, [each for each in first if each in seen]):
        if not _conventions(spectrum[good], seen[pixel][good]):
            return False
    variance = dict(spectra_at(stored_as(cube.coords["variance"]), first))
    conventions, whole, telling = set(range(len(_OF_COUNTS))), [], False
    for pixel, spectrum in spectra_at(values, first):
        given, counts = variance[pixel][good], spectrum[good]
        conventions &= _conventions(counts, given)
        known = _positive(given) & (np.abs(counts) <= LARGEST)
        if known.any():
            whole.append((counts[known] == np.rint(counts[known])).all())
            # A variance of 1 of values of 0 and 1 may be any.
            telling |= bool(counts[known].max() > 1 or ((counts == 0) & (given == 0)).any())
    return bool(conventions and telling and np.mean(whole) >= LEAST_COUNTED)


def _conventions(values: np.ndarray, variance: np.ndarray) -> set[int]:
    """Return which conventions all variances of a spectrum may follow, if the values are counts."""
    known = _positive(variance) & (np.abs(values) <= LARGEST)
    counts, given = (each[known].astype(np.float64) for each in (values, variance))
    if (counts < 0).any():
        return set()
    expected = [convention(counts) for convention in _OF_COUNTS]
    return {
        number
        for number, each in enumerate(expected)
        if (np.abs(given - each) <= _ROUNDING * each).all()
    }


def _noted(cube: xr.DataArray, note: str) -> xr.DataArray:
    """Return a cube with one more note of how it was read."""
    notes = [cube.attrs.get("reading_notes"), note]
    return cube.assign_attrs(reading_notes="; ".join(each for each in notes if each))


def stored_as(array: xr.DataArray) -> Any:
    """Return the array (y, x, channel) of a cube or its variance, which is not copied."""
    return array.transpose("y", "x", "channel").data


def _good(cube: xr.DataArray) -> np.ndarray:
    """Return which channels are not marked as bad, bool."""
    bad = bad_channels(cube)
    return np.ones(cube.sizes["channel"], bool) if bad is None else ~bad


def _positive(variance: np.ndarray) -> np.ndarray:
    """Return which values are a variance."""
    return (variance >= SMALLEST) & (variance <= LARGEST)


def _known_channels(variance: Any, good: np.ndarray) -> tuple[np.ndarray, _Spectra]:
    """Return which of the good channels have a variance anywhere, and pixels that have one.

    Of the first places, or of all of them where the first ones have none, or so few values with one
    that a channel may be without by chance. (The pixels are all that were looked at, unless every
    channel was seen to have a variance before.)
    """
    pixels = places(variance.shape[:2], MOST_PLACES)
    first = set(pixels[:PLACES])
    everywhere: tuple[np.ndarray, _Spectra] = np.zeros(len(good), bool), {}
    among_first: tuple[np.ndarray, _Spectra] = np.zeros(len(good), bool), {}
    for pixel, spectrum in spectra_at(variance, pixels):
        positive = _positive(spectrum) & good
        for known, seen in (everywhere, among_first) if pixel in first else (everywhere,):
            known |= positive
            seen |= {pixel: spectrum} if positive.any() else {}
        last = first == {pixel}
        first.discard(pixel)
        if among_first[0][good].all():
            return among_first
        if last and among_first[1] and _chance(*among_first) <= _BY_CHANCE:
            return among_first
    return everywhere


def _chance(known: np.ndarray, seen: _Spectra) -> float:
    """Return how likely a channel with as many variances as the known ones is seen without any."""
    share = np.mean([_positive(variance)[known] for variance in seen.values()])
    return float((1 - share) ** len(seen))


def _not_known(
    cube: xr.DataArray, channels: np.ndarray, pixels: Pixels
) -> tuple[np.ndarray, np.ndarray]:
    """Return which of the channels without a variance have values, and which of the others none.

    (channel,) bool. Those whose values are all 0 are neither.
    """
    measured, missing = np.zeros((2, len(channels)), bool)
    for _, spectrum in spectra_at(stored_as(cube), pixels):
        finite = np.abs(spectrum) <= LARGEST
        measured |= channels & finite & (spectrum != 0)
        missing |= channels & ~finite & finite.any()
        if measured[channels].all():
            break
    return measured, missing & ~measured


def spectra_at(array: Any, pixels: Pixels) -> Iterator[tuple[tuple[int, int], np.ndarray]]:
    """Yield pixels with their spectra, in any order.

    What has to be computed is computed chunk by chunk, each one once. So is what is read from
    pieces of a file, which are unpacked as a whole.
    """
    source = source_of(array)
    if source is not None:
        for some in _in_pieces(source, pixels):
            yield from zip(some, _read(source, some), strict=True)
        return
    rows, columns = (np.cumsum(sizes) for sizes in array.chunks[:2])
    chunks: dict[tuple[int, int], Pixels] = {}
    for y, x in pixels:
        chunk = int(np.searchsorted(rows, y, "right")), int(np.searchsorted(columns, x, "right"))
        chunks.setdefault(chunk, []).append((y, x))
    for some in chunks.values():
        inside = array.vindex[tuple(np.array(some).T)]
        yield from zip(some, np.asarray(inside), strict=True)


def _in_pieces(source: Any, pixels: Pixels) -> list[Pixels]:
    """Return the pixels in each of the pieces in which a file is stored; single ones without."""
    pieces = None if isinstance(source, np.ndarray) else getattr(source, "chunks", None)
    if pieces is None:
        return [[pixel] for pixel in pixels]
    groups: dict[tuple[int, int], Pixels] = {}
    for y, x in pixels:
        groups.setdefault((y // pieces[0], x // pieces[1]), []).append((y, x))
    return list(groups.values())


def _read(source: Any, pixels: Pixels) -> np.ndarray:
    """Return the spectra (n, channel) of pixels of one piece, some channels at a time."""
    if len(pixels) == 1:
        return np.asarray(source[pixels[0]])[None]
    y, x = np.array(pixels).T
    box = (slice(y.min(), y.max() + 1), slice(x.min(), x.max() + 1))
    size = int((np.ptp(y) + 1) * (np.ptp(x) + 1)) * source.dtype.itemsize
    step = source.chunks[2] * max(1, _BOX_BYTES // (size * source.chunks[2]))
    parts = [
        np.asarray(source[(*box, slice(first, first + step))])[y - y.min(), x - x.min()]
        for first in range(0, source.shape[2], step)
    ]
    return np.concatenate(parts, axis=1)
