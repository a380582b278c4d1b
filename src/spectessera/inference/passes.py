"""What is done with each block of a cube: functions without side effects, run here or on workers.

Passes: encode a block; read it again for the means of clusters.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
import xarray as xr

from spectessera.cube import Block, integrate, to_spectra
from spectessera.kmeans.rule import Rule
from spectessera.preprocess.intake import BlockInputs, Intake, inputs_in_parts, with_bad
from spectessera.preprocess.steps import QUALITY
from spectessera.segmenter.novelty import Reference

from .far import Far, FarModel, far_block
from .neighbours import REPEATS, Neighbours, averaged, weights_in
from .patches import Patches, screened

# Spectra that are added up together: as float64 they still fit into the processor's cache.
_IN_CACHE = 64


class Encoder(Protocol):
    """What makes latents of network inputs; the latent of a row does not depend on other rows."""

    def encode(self, inputs: np.ndarray) -> np.ndarray:
        """Return latents (n, latent), float32, of inputs (n, input channel)."""
        ...


class Decoder(Protocol):
    """What makes network inputs of latents, row by row."""

    def decode(self, latent: np.ndarray) -> np.ndarray:
        """Return spectra (n, input channel), float32, of latents (n, latent)."""
        ...


class BlockContext(NamedTuple):
    """What the blocks of one cube are processed with; workers of a Dask cluster get a copy.

    Attributes
    ----------
    intake : Intake
    encoder : Encoder
    decoder : Decoder, optional
        None: spectra are not reconstructed.
    reference : Reference, optional
        Training spectra that reconstructed ones are compared with, for the novelty.
    neighbours : Neighbours
        How far neighbours are averaged with a pixel before it is encoded.
    """

    intake: Intake
    encoder: Encoder
    decoder: Decoder | None = None
    reference: Reference | None = None
    neighbours: Neighbours = Neighbours()

    def averaged(
        self, part: xr.DataArray, inner: Block | None, weights: np.ndarray | None = None
    ) -> tuple[xr.DataArray, Patches | None, np.ndarray | None]:
        """Return the block inside a part that was read, averaged; the part; and the weights.

        The part is screened and as it was measured; the weights ``(y, x, place)`` are those of the
        neighbours, if they are not given. Both are None where nothing is averaged.
        """
        if inner is None:
            return part, None, None
        read, used = screened(part, self.intake), self.neighbours
        weights = weights_in(read, inner, used) if weights is None else weights
        return averaged(part, inner, used, self.intake, read, weights), read, weights


class SampledPixels(NamedTuple):
    """Some usable pixels as they were measured, whose noise is simulated.

    Attributes
    ----------
    pixel : array (s,)
        Positions in the flattened block, or image.
    values : array (s, good channel)
    variance : array (s, good channel), or None
    inputs : array (s, input channel)
    decoded : array (s, input channel), or None
    """

    pixel: np.ndarray
    values: np.ndarray
    variance: np.ndarray | None
    inputs: np.ndarray
    decoded: np.ndarray | None


class ClusterSums(NamedTuple):
    """Sums over the spectra of every cluster, float64.

    Attributes
    ----------
    measured, squares : array (k, channel)
        Of the measured values, and of their squares.
    inputs : array (k, input channel)
    decoded : array (k, input channel), or None
        Where spectra are decoded.
    """

    measured: np.ndarray
    squares: np.ndarray
    inputs: np.ndarray
    decoded: np.ndarray | None


class DecodedBlock(NamedTuple):
    """The reconstruction of the m usable pixels of a block.

    Attributes
    ----------
    total : array (m,), float32
        Sum of every decoded spectrum over its channels.
    novelty : array (m,), float32
    spectra : array (m, input channel), or None
        Where they were asked for.
    """

    total: np.ndarray
    novelty: np.ndarray
    spectra: np.ndarray | None


class EncodedBlock(NamedTuple):
    """One block after the first pass; of m usable pixels.

    Attributes
    ----------
    quality : array (y * x,), uint8
    latent : array (m, latent)
    input_total : array (m,), float32
        Sum of every network input over its channels.
    sample : SampledPixels, or None
    decoded : DecodedBlock, or None
    repeats : array (y * x,), float32, or None
        As how many measurements the spectra of a cube are that is averaged with neighbours.
    weights : array (y, x, place), float32, or None
        With which they are averaged.
    """

    quality: np.ndarray
    latent: np.ndarray
    input_total: np.ndarray
    sample: SampledPixels | None
    decoded: DecodedBlock | None
    repeats: np.ndarray | None = None
    weights: np.ndarray | None = None


class DescribedBlock(NamedTuple):
    """One block after the second pass.

    Attributes
    ----------
    sums : ClusterSums
    sample : SampledPixels, or None
    decoded : DecodedBlock, or None
    alone : array (m,), or None
        Labels, from 1, without neighbours.
    far : Far, or None
    """

    sums: ClusterSums
    sample: SampledPixels | None
    decoded: DecodedBlock | None
    alone: np.ndarray | None = None
    far: Far | None = None


def encode_block(
    context: BlockContext,
    part: xr.DataArray,
    wanted: np.ndarray | None = None,
    decode: bool = False,
    keep_decoded: bool = False,
    inner: Block | None = None,
) -> EncodedBlock:
    """Read, screen, preprocess and encode one block.

    Parameters
    ----------
    context : BlockContext
    part : DataArray (y, x, channel)
        In memory.
    wanted : array (s,), or None
        Pixels of the flattened block to return as they were measured, if they are usable.
    decode : bool
        Also reconstruct every spectrum, where the context has a decoder.
    keep_decoded : bool
        Return the decoded spectra.
    inner : Block, optional
        Where the block is in the part that was read with its neighbours.
    """
    part, _, weights = context.averaged(part, inner)
    quality = np.full(part.sizes["y"] * part.sizes["x"], QUALITY["masked"], np.uint8)
    latents, totals, samples, decoded = [], [], [], []
    for read in inputs_in_parts(to_spectra(part), context.intake):
        quality[read.pixel] = read.quality
        latent = context.encoder.encode(read.inputs)
        points = latent if decode else None
        decoded_spectra, known = _reconstruct(context, read, points, keep_decoded)
        latents.append(latent)
        totals.append(integrate(read.inputs))
        samples.append(_sample(read, decoded_spectra, wanted))
        decoded.append(known)
    return EncodedBlock(
        quality,
        np.concatenate(latents),
        np.concatenate(totals),
        join_samples(samples),
        _join_decoded(decoded),
        part.coords[REPEATS].values.ravel() if REPEATS in part.coords else None,
        weights,
    )


def describe_block(
    context: BlockContext,
    part: xr.DataArray,
    latent: np.ndarray | None,
    labels: np.ndarray,
    k: int,
    wanted: np.ndarray | None = None,
    keep_decoded: bool = False,
    rule: Rule | None = None,
    model: FarModel | None = None,
    weights: np.ndarray | None = None,
    inner: Block | None = None,
) -> DescribedBlock:
    """Read one block again and add up its spectra by label.

    Parameters
    ----------
    context : BlockContext
    part : DataArray (y, x, channel)
        In memory.
    latent : array (m, latent), or None
        Of the usable pixels, to be decoded.
    labels : array (y * x,)
        1..k, or 0 where a pixel is not usable.
    k : int
    wanted : array (s,), or None
        Pixels of the flattened block to return as they were measured.
    keep_decoded : bool
        Return the decoded spectra.
    rule : Rule, optional
        Also label the pixels without their neighbours.
    model : FarModel, optional
        Also find the pixels that are far from it, without their neighbours.
    weights : array (y, x, place), optional
        Of the first pass.
    inner : Block, optional
        Where the block is in the part that was read with its neighbours.
    """
    bad, measured = context.intake.bad, part if inner is None else part.isel(y=inner.y, x=inner.x)
    part, around, _ = context.averaged(part, inner, weights)
    own = None if around is None or inner is None else around.inside(inner)
    del around  # as large as a block
    sums, far, samples, decoded, alone, first = None, None, [], [], [], 0
    if model is not None:
        far = far_block(model, screened(part, context.intake) if own is None else own)
    spectra = to_spectra(part)
    rows = np.flatnonzero(labels[spectra.pixel] > 0)
    whole = None if bad is None else to_spectra(measured, all_channels=True).values
    for read in inputs_in_parts(spectra, context.intake, rows):
        here = slice(first, first + len(read.inputs))
        points = None if latent is None else latent[here]
        first = here.stop
        decoded_spectra, known = _reconstruct(context, read, points, keep_decoded)
        values = read.values if own is None else _at(own, read.pixel)
        if rule is not None:
            latent_alone = context.encoder.encode(context.intake.apply(values).values)
            alone.append(rule.label(latent_alone) + 1)
        if bad is not None and whole is not None:
            values = with_bad(values, whole[rows[here]], bad)
        sums = add_sums(sums, _sums(read, values, decoded_spectra, labels[read.pixel] - 1, k))
        samples.append(_sample(read, decoded_spectra, wanted))
        decoded.append(known)
    assert sums is not None  # there is at least one part
    labels_alone = _join_known(tuple(alone))
    return DescribedBlock(sums, join_samples(samples), _join_decoded(decoded), labels_alone, far)


# --- parts of a block --------------------------------------------------------------------------


def _at(block: Patches, pixel: np.ndarray) -> np.ndarray:
    """Return the spectra (n, channel) of a block at ascending positions (n,)."""
    values = block.values.reshape(-1, block.values.shape[-1])
    if len(pixel) and pixel[-1] - pixel[0] + 1 == len(pixel):  # without a copy
        return values[pixel[0] : pixel[-1] + 1]
    return values[pixel]


def _sample(
    read: BlockInputs, decoded: np.ndarray | None, wanted: np.ndarray | None
) -> SampledPixels | None:
    """Return those of the usable pixels that are wanted."""
    if wanted is None:
        return None
    pixel = read.pixel[read.usable]
    rows = np.flatnonzero(np.isin(pixel, wanted))
    variance, decoded = (None if each is None else each[rows] for each in (read.variance, decoded))
    return SampledPixels(pixel[rows], read.values[rows], variance, read.inputs[rows], decoded)


def _reconstruct(
    context: BlockContext, read: BlockInputs, latent: np.ndarray | None, keep_decoded: bool
) -> tuple[np.ndarray | None, DecodedBlock | None]:
    """Return the decoded spectra of usable pixels and what a block keeps of them.

    Both are None where there are no latents to decode, or nothing to decode them with.
    """
    if latent is None or context.decoder is None or context.reference is None:
        return None, None
    decoded = context.decoder.decode(latent)
    novelty = context.reference.novelty(read.inputs, latent, decoded)
    return decoded, DecodedBlock(integrate(decoded), novelty, decoded if keep_decoded else None)


def _sums(
    read: BlockInputs, values: np.ndarray, decoded: np.ndarray | None, labels: np.ndarray, k: int
) -> ClusterSums:
    """Add up spectra by label (m,), from 0; as float64, so few at a time stay in the cache.

    ``values (m, channel)`` are those of all channels.
    """
    measured, squares = np.zeros((2, k, values.shape[1]))
    inputs = np.zeros((k, read.inputs.shape[1]))
    decoded_sum = None if decoded is None else np.zeros((k, decoded.shape[1]))
    for first in range(0, len(labels), _IN_CACHE):
        rows = slice(first, first + _IN_CACHE)
        onehot = (labels[rows] == np.arange(k)[:, None]).astype(np.float64)
        wide = values[rows].astype(np.float64)
        measured += onehot @ wide
        squares += onehot @ np.square(wide, out=wide)
        inputs += onehot @ read.inputs[rows].astype(np.float64)
        if decoded is not None and decoded_sum is not None:
            decoded_sum += onehot @ decoded[rows].astype(np.float64)
    return ClusterSums(measured, squares, inputs, decoded_sum)


def add_sums(one: ClusterSums | None, other: ClusterSums) -> ClusterSums:
    """Return the sums of two parts of an image; ``one`` is None before the first part."""
    if one is None:
        return other
    decoded = None
    if one.decoded is not None and other.decoded is not None:
        decoded = one.decoded + other.decoded
    return ClusterSums(
        one.measured + other.measured,
        one.squares + other.squares,
        one.inputs + other.inputs,
        decoded,
    )


def join_samples(parts: list[SampledPixels | None]) -> SampledPixels | None:
    """Return the pixels of several parts, one after the other; None where none were wanted."""
    samples = [each for each in parts if each is not None]
    if not samples:
        return None
    pixel, values, variance, inputs, decoded = zip(*samples, strict=True)
    return SampledPixels(
        np.concatenate(pixel),
        np.concatenate(values),
        _join_known(variance),
        np.concatenate(inputs),
        _join_known(decoded),
    )


def _join_known(parts: tuple[np.ndarray | None, ...]) -> np.ndarray | None:
    """Return the arrays among some, one after the other; None where there are none."""
    arrays = [each for each in parts if each is not None]
    return np.concatenate(arrays) if arrays else None


def _join_decoded(parts: list[DecodedBlock | None]) -> DecodedBlock | None:
    """Return the reconstruction of a block from that of its parts."""
    blocks = [each for each in parts if each is not None]
    if not blocks:
        return None
    total, novelty, spectra = zip(*blocks, strict=True)
    return DecodedBlock(np.concatenate(total), np.concatenate(novelty), _join_known(spectra))
