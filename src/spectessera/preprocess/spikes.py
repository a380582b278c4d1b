"""Spikes of cosmic rays in spectra of CCD detectors: found by a rule, removed, and counted.

A cosmic ray fills one or a few channels of one spectrum. After Whitaker & Hayes 2018 (Chemom.
Intell. Lab. Syst. 179, 82) it is found in the spectrum itself, by a robust score. Here it must also
be steeper than a line that the detector resolves, and stronger than what other pixels have in these
channels, so that lines stay: narrow ones that many pixels have, and resolved ones of any pixel.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import xarray as xr

from spectessera._util.text import per_cent
from spectessera.channels import bad_channels
from spectessera.cube import DIMS, Block, check_cube, load_block, spectral_axis, to_spectra
from spectessera.scale import LARGEST, places
from spectessera.warning import ResultWarning, make_warning

from .recipe import Preprocess
from .steps import UNUSABLE, screen

REMOVED = "spikes_removed"  # attribute of a cube without spikes: how many were removed
SPECTRA = "spectra_despiked"  # attribute: of how many spectra
# What a spike has more than other pixels, in standard deviations of the noise.
SIGMAS = 5.0
# Share of the height of a spike by which one of its channels is above the next one. The flank of a
# Gaussian line reaches it if its full width at half maximum is below 2.3 channels.
STEEP = 0.65
# What 99 of 100 pixels do not exceed in a channel or beside it is a line, not a spike.
USUAL = 0.99
# Channels of the running median that a spike is above; of a spike to either side of its steep part.
_WINDOW, _GROWN = 15, 3
# Channels beside a spike belong to it if they exceed what is usual by so many standard deviations.
_TAIL = 2.0
# Spectra with spikes from which on there is a warning.
FEWEST = 3
# All pixels of an image with no more than so many show what is usual, else pieces at fixed places.
_WHOLE, _PIECES, _SIDE = 4096, 64, 8
_ROWS = 256  # spectra that are processed together
_NORMAL = 1.4826  # standard deviation over median absolute deviation, of normal noise


class UsualHeights(NamedTuple):
    """What pixels of a cube usually have above the running median of their spectrum, (channel,).

    Attributes
    ----------
    height : array
        In the unit of the values.
    share : array
        Of the mean absolute value of the spectrum.
    noise : array
        Standard deviation between pixels.
    """

    height: np.ndarray
    share: np.ndarray
    noise: np.ndarray


def usual_heights(spectra: np.ndarray) -> UsualHeights:
    """Return what is usual among some spectra (n, channel), float32, finite; n at least 1."""
    above = _above_median(spectra)
    middle = np.median(above, axis=0)
    noise = _NORMAL * np.median(np.abs(above - middle), axis=0)
    height = np.quantile(above, USUAL, axis=0)
    share = np.quantile(above / _brightness(spectra), USUAL, axis=0)
    return UsualHeights(_widest(height), _widest(share), noise)


def spikes_in(spectra: np.ndarray, usual: UsualHeights) -> np.ndarray:
    """Return which values (n, channel) of finite spectra belong to spikes, bool.

    Every spectrum is judged by itself and by what is usual.

    Examples
    --------
    >>> import numpy as np
    >>> spectra = np.random.default_rng(0).normal(100, 1, (50, 30)).astype(np.float32)
    >>> usual = usual_heights(spectra)
    >>> spectra[7, 12:14] += 40
    >>> np.argwhere(spikes_in(spectra, usual)).tolist()
    [[7, 12], [7, 13]]
    """
    above = _above_median(spectra)
    noise = np.maximum(_noise(spectra)[:, None], usual.noise)
    excess = above - np.maximum(np.maximum(usual.height, usual.share * _brightness(spectra)), 0)
    steps = np.diff(spectra, axis=1, prepend=spectra[:, :1], append=spectra[:, -1:])
    step = np.maximum(steps[:, :-1], -steps[:, 1:])
    found = (excess > SIGMAS * noise) & (noise > 0)
    if not found.any():
        return found
    tail = excess > _TAIL * noise
    found &= step >= STEEP * _peak(above)
    for _ in range(_GROWN):
        beside = found.copy()
        beside[:, 1:] |= found[:, :-1]
        beside[:, :-1] |= found[:, 1:]
        found |= beside & tail
    return found


def without_spikes(cube: xr.DataArray) -> xr.DataArray:
    """Replace the spikes of a cube by straight lines between the channels beside them.

    A spike is above the running median of its spectrum, over 15 channels, by five standard
    deviations of the noise more than 99 of 100 pixels are in these channels (by their value, and by
    their share of the brightness), and one of its sides is steeper than that of a line whose full
    width at half maximum is 2.3 channels. So lines that are usual in the cube stay, and resolved
    lines of any pixel. What is usual follows from all pixels of a small image, else from 64 pieces
    at fixed places: the result does not depend on chunks.

    Parameters
    ----------
    cube : DataArray (y, x, channel)
        In memory or chunked, as is the result. A chunked one is read once to count its spikes.

    Returns
    -------
    DataArray (y, x, channel)
        Of the same type. The attributes ``spikes_removed`` and ``spectra_despiked`` say how many
        spikes were in how many spectra. A cube that has them already is returned as it is.

    Raises
    ------
    TypeError, ValueError
        If it is no cube.

    Examples
    --------
    >>> import numpy as np
    >>> import spectessera as spt
    >>> from spectessera.preprocess import without_spikes
    >>> values = np.random.default_rng(0).normal(100, 1, (6, 7, 40))
    >>> values[2, 3, 20] += 500
    >>> found = without_spikes(spt.make_cube(values))
    >>> found.attrs["spikes_removed"], bool(found.values[2, 3, 20] < 110)
    (1, True)
    """
    cube = check_cube(cube)
    if REMOVED in cube.attrs:
        return cube
    usual = _usual_in(cube)
    ordered = cube.transpose(*DIMS)
    if usual is None:
        return cube.assign_attrs({REMOVED: 0, SPECTRA: 0})
    if ordered.chunks is None:
        values, marks = _block_without(ordered.values, usual)
        counts = _counted(marks)
    else:
        whole = ordered.data.rechunk({2: -1})
        values = whole.map_blocks(_values_without, usual, dtype=cube.dtype, meta=whole._meta)
        marked = whole.map_blocks(
            _counts_of, usual, dtype=np.int64, chunks=(*whole.chunks[:2], (2,))
        )
        counts = marked.sum(axis=(0, 1)).compute()
    facts = {REMOVED: int(counts[0]), SPECTRA: int(counts[1])}
    return ordered.copy(data=values).assign_attrs(facts)


def despiked(cube: xr.DataArray, preprocess: Preprocess) -> xr.DataArray:
    """Return a cube without spikes if the settings say so, else as it is."""
    return without_spikes(cube) if preprocess.despike else cube


def spike_warnings(cube: xr.DataArray) -> list[ResultWarning]:
    """Return a warning where several spectra along wavenumbers (Raman) have spikes."""
    if spectral_axis(cube).kind != "wavenumber" or REMOVED in cube.attrs:
        return []
    share, number = share_with_spikes(cube)
    values = {"share": per_cent(share, 2)}
    return [make_warning("W-DATA-SPIKES", values)] if number >= FEWEST else []


def share_with_spikes(cube: xr.DataArray) -> tuple[float, int]:
    """Return how many spectra have spikes, of those that show what is usual: share and number."""
    spectra = _some_spectra(check_cube(cube))
    if not len(spectra):
        return 0.0, 0
    usual, count = usual_heights(spectra), 0
    for first in range(0, len(spectra), _ROWS):
        count += int(spikes_in(spectra[first : first + _ROWS], usual).any(axis=1).sum())
    return count / len(spectra), count


# --- the workers assume checked input ----------------------------------------------------------


def _above_median(spectra: np.ndarray) -> np.ndarray:
    """Return spectra (n, channel) without their running median."""
    from scipy import ndimage

    size = min(_WINDOW, 2 * spectra.shape[1] - 1)
    above = np.empty(spectra.shape, np.float32)
    for row, spectrum in zip(above, spectra, strict=True):
        row[:] = spectrum - ndimage.median_filter(spectrum, size=size, mode="mirror")
    return above


def _peak(above: np.ndarray) -> np.ndarray:
    """Return the largest value (n, channel) among a channel and the two to either side."""
    padded = np.pad(above, ((0, 0), (2, 2)))
    count = above.shape[1]
    return np.max([padded[:, shift : shift + count] for shift in range(5)], axis=0)


def _noise(spectra: np.ndarray) -> np.ndarray:
    """Return the noise (n,) of spectra, from their second differences."""
    if spectra.shape[1] < 3:
        return np.zeros(len(spectra), np.float32)
    second = np.abs(np.diff(spectra, n=2, axis=1))
    return _NORMAL * np.median(second, axis=1) / np.float32(np.sqrt(6))


def _brightness(spectra: np.ndarray) -> np.ndarray:
    """Return the mean absolute value of spectra, (n, 1), above 0."""
    bright = np.abs(spectra).mean(axis=1, keepdims=True, dtype=np.float64)
    return np.maximum(bright, np.finfo(np.float32).tiny).astype(np.float32)


def _widest(values: np.ndarray) -> np.ndarray:
    """Return the largest value of a channel and the two beside it, (channel,)."""
    padded = np.pad(values, 1, mode="edge")
    return np.maximum(np.maximum(padded[:-2], padded[1:-1]), padded[2:]).astype(np.float32)


def _usual_in(cube: xr.DataArray) -> UsualHeights | None:
    """Return what is usual in a cube, of all its channels; bad ones have no spikes.

    None if it has no usable spectrum.
    """
    spectra = _some_spectra(cube)
    if not len(spectra):
        return None
    usual, bad = usual_heights(spectra), bad_channels(cube)
    if bad is None:
        return usual
    every = [np.full(len(bad), fill, np.float32) for fill in (np.inf, np.inf, 0.0)]
    for whole, own in zip(every, usual, strict=True):
        whole[~bad] = own
    return UsualHeights(*every)


def _some_spectra(cube: xr.DataArray) -> np.ndarray:
    """Return usable spectra (n, good channel) of fixed pixels, finite."""
    shape = cube.sizes["y"], cube.sizes["x"]
    if shape[0] * shape[1] <= _WHOLE:
        pieces = [Block(slice(0, shape[0]), slice(0, shape[1]))]
    else:
        corners = {
            tuple(
                max(0, min(at - _SIDE // 2, size - _SIDE))
                for at, size in zip(place, shape, strict=True)
            )
            for place in places(shape, _PIECES)
        }
        pieces = [Block(slice(y, y + _SIDE), slice(x, x + _SIDE)) for y, x in sorted(corners)]
    found = []
    for piece in pieces:
        values, quality = screen(to_spectra(load_block(cube, piece)).values)
        found.append(values[quality & UNUSABLE == 0])
    return np.concatenate(found)


def _marks(values: np.ndarray, usual: UsualHeights) -> np.ndarray:
    """Return which values (y, x, channel) of a block belong to spikes."""
    rows = values.reshape(-1, values.shape[2])
    marks = np.zeros(rows.shape, bool)
    for first in range(0, len(rows), _ROWS):
        part = slice(first, first + _ROWS)
        with np.errstate(over="ignore"):
            measured = np.ascontiguousarray(rows[part], dtype=np.float32)
        finite = np.abs(measured) <= LARGEST
        marks[part] = spikes_in(screen(measured, max_missing=1.0).values, usual) & finite
    return marks.reshape(values.shape)


def _block_without(values: np.ndarray, usual: UsualHeights) -> tuple[np.ndarray, np.ndarray]:
    """Return a block (y, x, channel) without spikes, and where they were."""
    marks = _marks(values, usual)
    rows, marked = values.reshape(-1, values.shape[2]).copy(), marks.reshape(-1, values.shape[2])
    channel = np.arange(rows.shape[1])
    for row in np.flatnonzero(marked.any(axis=1)):
        spike = marked[row]
        sound = ~spike & np.isfinite(rows[row])
        line = np.interp(channel[spike], channel[sound], rows[row, sound].astype(np.float64))
        rows[row, spike] = np.rint(line) if rows.dtype.kind in "ui" else line
    return rows.reshape(values.shape), marks


def _values_without(values: np.ndarray, usual: UsualHeights) -> np.ndarray:
    return _block_without(values, usual)[0] if values.size else values


def _counts_of(values: np.ndarray, usual: UsualHeights) -> np.ndarray:
    """Return how many spikes each spectrum has, and whether it has any, (y, x, 2)."""
    return _each_counted(_marks(values, usual))


def _each_counted(marks: np.ndarray) -> np.ndarray:
    begins = marks & ~np.concatenate([np.zeros_like(marks[..., :1]), marks[..., :-1]], axis=-1)
    return np.stack([begins.sum(axis=-1), marks.any(axis=-1)], axis=-1).astype(np.int64)


def _counted(marks: np.ndarray) -> np.ndarray:
    """Return the number of spikes and of spectra with spikes, (2,)."""
    return _each_counted(marks).sum(axis=(0, 1))
