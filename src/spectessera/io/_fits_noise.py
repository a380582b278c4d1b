"""Noise and flags of FITS cubes: their forms, and which values they make unusable."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ._common import with_missing
from ._noise import SAFE, usual_noise, variance_from

JWST = ("MIRI", "NIRSPEC", "NIRCAM", "NIRISS")
# ESO's HDUCLAS3 and the UTYPE of astropy -> the form of the noise.
FORMS = {
    "MSE": "variance", "RMSE": "error", "INVMSE": "ivar", "VARIANCEUNCERTAINTY": "variance",
    "STDDEVUNCERTAINTY": "error", "INVERSEVARIANCE": "ivar",
}  # fmt: skip
FORM_WORDS = {"variance": "variance", "error": "standard deviation", "ivar": "inverse variance"}


class FlagRule(NamedTuple):
    """Which flags mark a bad value: ``bits`` (0 for any flag), in words, and if that is sure."""

    bits: int
    words: str
    sure: bool = True


def form_of(header: Any, by_name: str) -> str:
    """Return the form of the noise: what its header says, or else its name."""
    for card in ("HDUCLAS3", "UTYPE"):
        form = FORMS.get(str(header.get(card, "")).strip().upper())
        if form:
            return form
    return by_name


def flag_rule(path: Path, images: Mapping[int, Any], primary: Any, number: int) -> FlagRule:
    """Return what the flags of an image mean, by the instrument that wrote them.

    JWST: DO_NOT_USE, bit 0; the other bits are remarks on good values. MaNGA: DONOTUSE, bit 10,
    which is set with the bits that say why.
    """
    names = {hdu.name.upper() for hdu in images.values()}
    headers = (images[number].header, primary, *[hdu.header for hdu in images.values()])

    def cards(word: str) -> str:
        return " ".join(str(header.get(word, "")) for header in headers).upper()

    if "JWST" in cards("TELESCOP") or any(name in cards("INSTRUME") for name in JWST):
        return FlagRule(1, "bit 0 (DO_NOT_USE)")
    if {"SCI", "ERR", "DQ", "WMAP"} <= names:
        return FlagRule(1, "bit 0 (DO_NOT_USE)", sure=False)
    if "MANGA_DAPSPECMASK" in cards("MASKNAME"):
        return FlagRule(1 | 4 | 8, "bits 0, 2 and 3 (ignored, flux or variance not valid)")
    manga = ("MANGA_DRP3PIXMASK" in cards("MASKNAME")) or "MANGA" in cards("INSTRUME")
    if manga or "MANGAID" in primary or any(w in path.name.upper() for w in ("LOGCUBE", "LINCUBE")):
        return FlagRule(1 << 10, "bit 10 (DONOTUSE)")
    wide = abs(int(images[number].header.get("BITPIX", 8))) > 8
    if wide and {"FLUX", "IVAR", "MASK", "WAVE"} <= names:
        return FlagRule(1 << 10, "bit 10 (DONOTUSE)", sure=False)
    return FlagRule(0, "any flag")


def is_bad(flags: np.ndarray, bits: int) -> np.ndarray:
    """Return which flags mark a bad value."""
    if not bits:
        return flags != 0
    whole = flags if flags.dtype.kind in "iu" else np.nan_to_num(flags).astype(np.int64)
    return (whole.astype(np.int64) & bits) != 0


class Noise(NamedTuple):
    """How the noise of a file is read.

    Attributes
    ----------
    form : str
    limit : float
        The largest variance.
    dtype : dtype
        That the variance needs.
    counts : bool
        Whether a value of 0 with a variance of 0 is a count of 0.
    """

    form: str
    limit: float
    dtype: np.dtype[Any]
    counts: bool = False

    def variance(self, stored: np.ndarray) -> np.ndarray:
        """Return the variance; NaN, 0, negative or infinite where there is none."""
        return variance_from(stored, self.form).astype(self.dtype, copy=False)

    def bad(self, stored: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Return which values have no usable variance."""
        variance = variance_from(stored, self.form)
        usable = (variance > 0) & (variance <= self.limit)
        if self.counts:
            usable |= (variance == 0) & (values == 0)
        return ~usable


def noise_in(values: Any, stored: Any, form: str) -> Noise | None:
    """Return how the noise is read, from a few pixels; None if it is nowhere positive.

    Parameters
    ----------
    values, stored : array (y, x, channel)
        The cube and its noise, in memory or in a file.
    form : str
    """
    usual = usual_noise(values, stored, form)
    if not usual.variance:
        return None
    own = stored.dtype if stored.dtype.kind == "f" else np.dtype(np.float32)
    dtype = own if SAFE[0] < usual.variance < SAFE[1] else np.dtype(np.float64)
    return Noise(form, usual.limit, dtype, usual.counts)


class Masking(NamedTuple):
    """Values with NaN where they are unusable, and how many are for each of two reasons.

    Attributes
    ----------
    values : array (y, x, channel)
    flagged : int
        Values that a flag marks.
    noiseless : int
        Further values without a usable variance.
    """

    values: np.ndarray
    flagged: int
    noiseless: int


def masked(
    values: np.ndarray,
    flags: Sequence[tuple[np.ndarray, int]],
    noise: tuple[np.ndarray, Noise] | None,
) -> Masking:
    """Return the values, which are changed, as floats: NaN where they are not usable."""
    bad = np.zeros(values.shape, bool)
    for array, bits in flags:
        bad |= is_bad(array, bits)
    flagged = int(bad.sum())
    if noise is not None:
        stored, how = noise
        bad |= how.bad(stored, values)
    noiseless = int(bad.sum()) - flagged
    if values.dtype.kind == "f":
        values[bad] = np.nan
        return Masking(values, flagged, noiseless)
    return Masking(np.asarray(with_missing(values, bad)), flagged, noiseless)
