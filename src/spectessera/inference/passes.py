"""What is done with each block of a cube that is segmented; functions without effects.

The first pass reads, screens, preprocesses and encodes; the second reads again for the means of
the clusters; the third tells how sure each label is, of the latents alone.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import xarray as xr

from spectessera.cube import Spectra, integrate, to_spectra
from spectessera.kmeans.rule import Rule
from spectessera.network.codec import Codec
from spectessera.preprocess.intake import BlockInputs, Intake, inputs_of
from spectessera.preprocess.steps import QUALITY
from spectessera.segmenter.novelty import Reference

from .confidence import Mixture, same_label_probability

# Spectra that are preprocessed together: what that takes beside them is little then.
ROWS = 4096
_IN_CACHE = 64


class Means(NamedTuple):
    """Sums over the spectra of every cluster, float64.

    Attributes
    ----------
    measured, squares : array (k, channel)
        Of the values, and of their squares.
    inputs, decoded : array (k, input channel)
    """

    measured: np.ndarray
    squares: np.ndarray
    inputs: np.ndarray
    decoded: np.ndarray


class Kept(NamedTuple):
    """Some usable pixels as they were measured, to be measured again.

    Attributes
    ----------
    pixel : array (s,)
        In the flattened block.
    values : array (s, channel)
    variance : array (s, channel), or None
    inputs : array (s, input channel)
    decoded : array (s, input channel), or None
        Where the decoder was asked.
    """

    pixel: np.ndarray
    values: np.ndarray
    variance: np.ndarray | None
    inputs: np.ndarray
    decoded: np.ndarray | None


class Decoded(NamedTuple):
    """What the decoder tells of the usable pixels of a block.

    Attributes
    ----------
    sum : array (m,), float32
        Of every decoded spectrum over its channels.
    novelty : array (m,), float32
    kept : Kept
    spectra : array (m, input channel), or None
        Where they are wanted.
    means : Means, or None
        Where labels are known.
    """

    sum: np.ndarray
    novelty: np.ndarray
    kept: Kept
    spectra: np.ndarray | None
    means: Means | None


class EncodedBlock(NamedTuple):
    """One block after the first pass; of m usable pixels.

    Attributes
    ----------
    quality : array (y * x,), uint8
    latent : array (m, latent)
    input_sum, latent_sum : array (m,), float32
    kept : Kept, or None
        The wanted pixels.
    decoded : Decoded, or None
        Where there is no second pass.
    """

    quality: np.ndarray
    latent: np.ndarray
    input_sum: np.ndarray
    latent_sum: np.ndarray
    kept: Kept | None
    decoded: Decoded | None


class Reader(NamedTuple):
    """What all blocks of one cube are worked on with.

    Attributes
    ----------
    codec : Codec
    reference : Reference
        What novelty is measured against.
    intake : Intake
    saturation : float or None
        Of the detector.
    """

    codec: Codec
    reference: Reference
    intake: Intake
    saturation: float | None


def encode_block(
    reader: Reader,
    part: xr.DataArray,
    wanted: np.ndarray | None = None,
    decode: bool = False,
    whole: bool = False,
) -> EncodedBlock:
    """Read, screen, preprocess and encode one block.

    Parameters
    ----------
    reader : Reader
    part : DataArray (y, x, channel)
        In memory.
    wanted : array (s,), or None
        Pixels of the flattened block to keep as they were measured, those that are usable.
    decode : bool
        False: leave the decoder to the second pass.
    whole : bool
        Return the decoded spectra.
    """
    spectra = to_spectra(part)
    quality = np.full(part.sizes["y"] * part.sizes["x"], QUALITY["masked"], np.uint8)
    found, kept, after = [], [], []
    for first in range(0, max(1, len(spectra.pixel)), ROWS):
        read = _some(reader, spectra, slice(first, first + ROWS))
        quality[read.pixel] = read.quality
        latent = reader.codec.encode(read.inputs)
        found.append((latent, integrate(read.inputs), integrate(latent)))
        if decode:
            after.append(_decode(reader, read, latent, wanted, whole, None))
            kept.append(after[-1].kept)
        elif wanted is not None:
            kept.append(_kept(read, None, wanted))
    latent, input_sum, latent_sum = (np.concatenate(each) for each in zip(*found, strict=True))
    held, decoded = (join_kept(kept) if kept else None), (_join(after) if after else None)
    return EncodedBlock(quality, latent, input_sum, latent_sum, held, decoded)


def _kept(read: BlockInputs, decoded: np.ndarray | None, wanted: np.ndarray | None) -> Kept:
    """Return the wanted ones among the usable pixels of some."""
    pixel = read.pixel[read.usable]
    mine = np.flatnonzero(np.isin(pixel, () if wanted is None else wanted))
    variance, decoded = (None if each is None else each[mine] for each in (read.variance, decoded))
    return Kept(pixel[mine], read.values[mine], variance, read.inputs[mine], decoded)


def _some(reader: Reader, spectra: Spectra, rows: slice | np.ndarray) -> BlockInputs:
    """Screen and preprocess some of the spectra of a block."""
    variance = None if spectra.variance is None else spectra.variance[rows]
    some = Spectra(spectra.values[rows], variance, spectra.pixel[rows])
    return inputs_of(some, reader.intake, reader.saturation)


def describe_block(
    reader: Reader,
    part: xr.DataArray,
    latent: np.ndarray,
    labels: np.ndarray,
    wanted: np.ndarray,
    whole: bool,
    k: int,
) -> Decoded:
    """Read one block again and add up its spectra by label.

    Parameters
    ----------
    reader : Reader
    part : DataArray (y, x, channel)
        In memory.
    latent : array (m, latent)
        Of the usable pixels.
    labels : array (y * x,)
        1..k, or 0 where a pixel is not usable.
    wanted : array (s,)
        Pixels of the flattened block to keep as they were measured.
    whole : bool
        Return the decoded spectra.
    k : int
    """
    spectra = to_spectra(part)
    rows = np.flatnonzero(labels[spectra.pixel] > 0)
    after = []
    for first in range(0, max(1, len(rows)), ROWS):
        read = _some(reader, spectra, rows[first : first + ROWS])
        mine = labels[read.pixel] - 1, k
        after.append(_decode(reader, read, latent[first : first + ROWS], wanted, whole, mine))
    return _join(after)


def _decode(
    reader: Reader,
    read: BlockInputs,
    latent: np.ndarray,
    wanted: np.ndarray | None,
    whole: bool,
    labels: tuple[np.ndarray, int] | None,
) -> Decoded:
    """Decode the usable ones of some pixels; ``labels`` are theirs, from 0, and k."""
    decoded = reader.codec.decode(latent)
    kept, means = _kept(read, decoded, wanted), None
    if labels is not None:
        means = _sums(read, decoded, *labels)
    novelty = reader.reference.novelty(read.inputs, latent, decoded)
    return Decoded(integrate(decoded), novelty, kept, decoded if whole else None, means)


def _sums(read: BlockInputs, decoded: np.ndarray, labels: np.ndarray, k: int) -> Means:
    """Add up spectra by label (m,), from 0; as float64, so few at a time stay in the cache."""
    spectra = (read.values, read.inputs, decoded)
    measured, inputs, shown = (np.zeros((k, each.shape[1])) for each in spectra)
    squares = np.zeros_like(measured)
    for first in range(0, len(labels), _IN_CACHE):
        rows = slice(first, first + _IN_CACHE)
        onehot = (labels[rows] == np.arange(k)[:, None]).astype(np.float64)
        wide = read.values[rows].astype(np.float64)
        measured += onehot @ wide
        squares += onehot @ np.square(wide, out=wide)
        inputs += onehot @ read.inputs[rows].astype(np.float64)
        shown += onehot @ decoded[rows].astype(np.float64)
    return Means(measured, squares, inputs, shown)


def add_means(one: Means | None, other: Means | None) -> Means | None:
    """Return the sums of two parts of an image."""
    if one is None or other is None:
        return one or other
    return Means(*(a + b for a, b in zip(one, other, strict=True)))


def join_kept(parts: list[Kept]) -> Kept:
    """Return the pixels of several parts, one after the other."""
    pixel, values, variance, inputs, decoded = zip(*parts, strict=True)
    return Kept(
        np.concatenate(pixel),
        np.concatenate(values),
        _known(variance),
        np.concatenate(inputs),
        _known(decoded),
    )


def _known(parts: tuple[np.ndarray | None, ...]) -> np.ndarray | None:
    """Return the parts that are there, one after the other."""
    found = [each for each in parts if each is not None]
    return np.concatenate(found) if found else None


def _join(parts: list[Decoded]) -> Decoded:
    """Return one block of the pieces that were worked on one after the other."""
    means = None
    for part in parts:
        means = add_means(means, part.means)
    spectra = [part.spectra for part in parts if part.spectra is not None]
    return Decoded(
        np.concatenate([part.sum for part in parts]),
        np.concatenate([part.novelty for part in parts]),
        join_kept([part.kept for part in parts]),
        np.concatenate(spectra) if spectra else None,
        means,
    )


class Judge(NamedTuple):
    """What tells how sure a label is.

    Attributes
    ----------
    rule : Rule
    mixture : Mixture
    draws : array (draw, latent)
        See :func:`spectessera.inference.confidence.normal_draws`.
    """

    rule: Rule
    mixture: Mixture
    draws: np.ndarray


def judge_block(judge: Judge, _: None, latent: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the probability (m,), float32, of the same label, for latents and labels from 0."""
    moved = judge.rule.move(latent)
    return same_label_probability(moved, labels, judge.rule.centers, judge.mixture, judge.draws)
