"""Marks of bad channels that files store beside a cube: which names have them, in which sense."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import numpy as np

from spectessera.conventions.dims import spectral_name

from ._common import StoredCube

# Names without case, blanks, dashes and underscores. In most of them 1 is a good channel: also in
# ENVI's "bad band list", whose numbers are factors.
GOOD_IS_ONE = {
    "bbl", "goodwavelengths", "goodwavelength", "goodbands", "goodband", "goodchannels",
    "goodchannel", "goodbandlist", "goodbandslist", "goodbandmask", "goodbandsmask",
    "goodchannelmask", "goodwavelengthmask", "validbands", "validband", "validchannels",
    "validchannel", "validwavelengths", "usedbands", "usedchannels", "usablebands",
    "usablechannels", "bandisgood", "isgood",
}  # fmt: skip
BAD_IS_ONE = {
    "badchannel", "badchannels", "badchannelmask", "badchannellist", "badpixelchannels",
    "deadchannels", "deadchannel", "invalidbands", "invalidchannels", "maskedchannels",
    "maskedbands", "excludedbands", "excludedchannels", "noisybands", "noisychannels",
    "waterbands", "waterbandmask", "badbandmask", "badbandsmask", "badwavelengthmask",
}  # fmt: skip
# Programs use these names in both senses.
EITHER = {
    "badbands", "badband", "badbandlist", "badbandslist", "badwavelengths", "badwavelength",
}  # fmt: skip


class BadChannels(NamedTuple):
    """Which channels a file marks as bad.

    Attributes
    ----------
    bad : array (channel,), bool
    note : str
        What was assumed, one sentence; "" if nothing was.
    """

    bad: np.ndarray
    note: str = ""


def marks_channels(name: str) -> bool:
    """Return whether an array of this name (or path) marks channels as good or bad."""
    return _word(name) in GOOD_IS_ONE | BAD_IS_ONE | EITHER


def names_axis(name: str) -> bool:
    """Return whether an array of this name holds the positions of channels, not marks of them."""
    return spectral_name(name) and not marks_channels(name)


def bad_channels_of(name: str, values: Any) -> BadChannels | None:
    """Return which channels are bad, from an array of a file that marks channels.

    Parameters
    ----------
    name : str
        Name or path of the array, which gives its sense: ``bbl`` and ``good_wavelengths`` are 1
        where a channel is good, ``bad_channel`` is 1 where it is bad.
    values : array (channel,)
        Numbers or bools; one number per channel.

    Returns
    -------
    BadChannels or None
        None if the name is not known, or the values are no marks of channels (other numbers than 0
        and 1; factors of ``bbl`` may be any numbers).

    Examples
    --------
    >>> bad_channels_of("sensor_band_parameters/good_wavelengths", [1, 1, 0]).bad
    array([False, False,  True])
    """
    word = _word(name)
    if not marks_channels(name):
        return None
    numbers = np.asarray(values)
    if numbers.ndim != 1 or numbers.size == 0 or numbers.dtype.kind not in "biuf":
        return None
    numbers = np.nan_to_num(numbers.astype(np.float64), nan=0.0)
    if word != "bbl" and not np.isin(numbers, (0, 1)).all():
        return None
    zero = numbers == 0
    short = name.rpartition("/")[2]
    if word in EITHER:
        if zero.all() or not zero.any():
            return BadChannels(np.zeros_like(zero))
        bad = zero if 2 * zero.sum() <= zero.size else ~zero
        value = 0 if bad is zero else 1
        return BadChannels(
            bad, f"channels with {value} in {short!r} are taken as bad, because fewer are"
        )
    bad = ~zero if word in BAD_IS_ONE else zero
    if bad.all():
        return BadChannels(
            np.zeros_like(bad), f"{short!r} marks every channel as bad and is not used"
        )
    return BadChannels(bad)


def mark_bad(cube: StoredCube, bad: np.ndarray) -> None:
    """Mark channels (channel,) of a cube as bad, beside those that are marked already."""
    if "bad_channel" in cube.coords:
        bad = bad | cube.coords["bad_channel"][1]
    if bad.any():
        cube.coords["bad_channel"] = (("channel",), bad, {})


def bad_windows_of(attrs: dict[str, Any], wavelengths: np.ndarray) -> np.ndarray | None:
    """Return the channels (channel,) inside windows that the attributes of a file name as bad.

    NEON writes ``Band_Window_1_Nanometers = 1340, 1445`` beside its reflectance.

    Parameters
    ----------
    attrs : dict
        Of the dataset.
    wavelengths : array (channel,)
        In nm.
    """
    bad = np.zeros(len(wavelengths), dtype=bool)
    for name, value in attrs.items():
        if not re.fullmatch(r"band_window_\d+_nanometers", str(name).lower()):
            continue
        numbers = re.findall(r"[-+.\deE]+", value) if isinstance(value, str) else np.ravel(value)
        try:
            low, high = (float(each) for each in numbers)
        except (TypeError, ValueError):
            continue
        bad |= (wavelengths >= low) & (wavelengths <= high)
    return bad if bad.any() and not bad.all() else None


def _word(name: str) -> str:
    """Return the last part of a path in lower case, without blanks, dashes and underscores."""
    return re.sub(r"[\s_-]+", "", name.rpartition("/")[2].lower())
