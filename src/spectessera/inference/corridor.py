"""The one way through a cube, block by block: for trained networks and for baselines.

The first pass encodes every block, the second one adds up spectra by cluster. Blocks are processed
by :mod:`spectessera.inference.blockwork`, that is in threads here or on a Dask cluster; the results
are stored in maps and in :class:`spectessera.inference.pixelstore.Pixels`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import xarray as xr

from spectessera.cube import Block, blocks, in_image, integrate
from spectessera.kmeans.rule import Rule
from spectessera.segmenter.estimator import SpectralSegmenter

from .blockwork import BlockFunction, Result, Shared, Task, process_blocks
from .neighbours import around, inside
from .passes import (
    BlockContext,
    ClusterSums,
    DecodedBlock,
    SampledPixels,
    add_sums,
    describe_block,
    encode_block,
    join_samples,
)
from .pixelstore import Pixels, is_usable, positions_in_block
from .resultmaps import ResultMaps

# Called with the name of a step, the blocks that are done and the number of all blocks.
BlockProgress = Callable[[str, int, int], None]


def context_of(cube: xr.DataArray, segmenter: SpectralSegmenter) -> BlockContext:
    """Return what the blocks of a cube are processed with by a trained segmenter."""
    codec = segmenter.codec
    return BlockContext(segmenter.intake(cube), codec, codec, segmenter.reference)


class Corridor:
    """The passes over one cube.

    Parameters
    ----------
    cube : DataArray (y, x, channel)
        Checked; in memory or chunked.
    context : BlockContext
    maps : ResultMaps
    extra_maps : sequence of str
        Which of "integrated_latent", "latent_cube" and "decoded_cube" to make; the last one needs
        a decoder.
    progress : callable, optional
    """

    def __init__(
        self,
        cube: xr.DataArray,
        context: BlockContext,
        maps: ResultMaps,
        *,
        extra_maps: Sequence[str] = (),
        progress: BlockProgress | None = None,
    ) -> None:
        self.cube, self.context, self.maps = cube, context, maps
        self.extra_maps, self.progress = tuple(extra_maps), progress
        self.shape = cube.sizes["y"], cube.sizes["x"]
        self._shared = Shared(context)

    def report(self, step: str, done: int, total: int) -> None:
        """Report the progress of a step."""
        if self.progress is not None:
            self.progress(step, done, total)

    def counted(self, step: str, results: Iterable[Result]) -> Iterator[Result]:
        """Yield results, one for each block, and report the progress after each."""
        total = sum(1 for _ in blocks(self.cube))
        for done, result in enumerate(results, start=1):
            yield result
            self.report(step, done, total)

    def run(
        self, step: str, function: BlockFunction[Result], tasks: Iterable[Task]
    ) -> Iterator[tuple[Task, Result]]:
        """Yield each task with ``function(context, block, *arguments)``; report the progress."""
        return self.counted(step, process_blocks(function, self._shared, self.cube, tasks))

    def _task(self, block: Block, *arguments: Any) -> Task:
        """Return a task of a pass; where neighbours are used they are read with the block."""
        reach = self.context.neighbours.reach
        if reach == 0:
            return Task(block, arguments)
        read = around(block, reach, self.cube)
        return Task(block, (*arguments, inside(block, read)), read)

    # --- the first pass ------------------------------------------------------------------------

    def encode(
        self,
        latent_size: int,
        *,
        memory: int,
        wanted: np.ndarray | None = None,
        decode: bool = False,
        step: str = "encode",
    ) -> tuple[Pixels, SampledPixels | None]:
        """Read the cube and encode it; make the maps of quality and of the sums of inputs.

        Parameters
        ----------
        latent_size : int
            Numbers per latent.
        memory : int
            Bytes of latents that stay in memory; more go into a temporary file.
        wanted : array (s,), optional
            Pixels of the image, ascending, to return as they were measured, if they are usable.
        decode : bool
            Decode too, and make the maps of that: where there is no second pass.
        step : str
            Name of the step for the progress.
        """
        pixels = Pixels(self.shape, latent_size, memory)
        if self.context.neighbours.window > 1:
            self.maps.add("measurements")
            pixels.repeats = np.ones(self.shape, np.float32)
        self._add_maps_of_encoding(latent_size, decode)
        keep_decoded = "decoded_cube" in self.extra_maps

        def tasks() -> Iterator[Task]:
            for block in blocks(self.cube):
                wanted_here = self._inside(wanted, block)
                yield self._task(block, wanted_here, decode, keep_decoded)

        samples = []
        for (block, *_), encoded in self.run(step, encode_block, tasks()):
            usable = is_usable(encoded.quality)
            pixels.put(block, encoded.quality, encoded.latent)
            self.maps.put_whole("quality", block, encoded.quality)
            if pixels.repeats is not None and encoded.repeats is not None:
                side = pixels.repeats[block.y, block.x]
                side[...] = encoded.repeats.reshape(side.shape)
                self.maps.put("measurements", block, usable, encoded.repeats[usable])
            self.maps.put("integrated_input", block, usable, encoded.input_total)
            if "integrated_latent" in self.extra_maps:
                self.maps.put("integrated_latent", block, usable, integrate(encoded.latent))
            if "latent_cube" in self.extra_maps:
                self.maps.put("latent_cube", block, usable, encoded.latent)
            self._put_decoded(block, usable, encoded.decoded)
            samples.append(self._in_image(block, encoded.sample))
        return pixels, _in_order(join_samples(samples))

    def _add_maps_of_encoding(self, latent_size: int, decode: bool) -> None:
        self.maps.add("quality")
        self.maps.add("integrated_input")
        if "integrated_latent" in self.extra_maps:
            self.maps.add("integrated_latent")
        if "latent_cube" in self.extra_maps:
            self.maps.add("latent_cube", latent_size)
        if decode:
            self._add_maps_of_decoding()

    def _add_maps_of_decoding(self) -> None:
        self.maps.add("integrated_decoded")
        self.maps.add("novelty")
        if "decoded_cube" in self.extra_maps:
            intake = self.context.intake
            self.maps.add("decoded_cube", len(intake.preprocess.input_axis(intake.axis)))

    def _put_decoded(self, block: Block, usable: np.ndarray, decoded: DecodedBlock | None) -> None:
        if decoded is None:
            return
        self.maps.put("integrated_decoded", block, usable, decoded.total)
        self.maps.put("novelty", block, usable, decoded.novelty)
        if decoded.spectra is not None:
            self.maps.put("decoded_cube", block, usable, decoded.spectra)

    # --- the second pass -----------------------------------------------------------------------

    def describe(
        self,
        pixels: Pixels,
        labels: np.ndarray,
        k: int,
        *,
        wanted: np.ndarray | None = None,
        rule: Rule | None = None,
    ) -> tuple[ClusterSums, SampledPixels | None]:
        """Read the cube again, add up the spectra of each cluster, and decode where possible.

        Parameters
        ----------
        pixels : Pixels
            Of :meth:`encode`.
        labels : array (y * x,)
            1..k, or 0 where a pixel is not usable.
        k : int
        wanted : array (s,), optional
            Usable pixels of the image, ascending, to return as they were measured.
        rule : Rule, optional
            Also make the map of the labels that pixels have without their neighbours.
        """
        decode, keep_decoded = self.context.decoder is not None, "decoded_cube" in self.extra_maps
        if decode:
            self._add_maps_of_decoding()
        if rule is not None:
            self.maps.add("label_alone")
        image = labels.reshape(self.shape)

        def tasks() -> Iterator[Task]:
            for block in blocks(self.cube):
                latent = pixels.latents.take(block, pixels.usable(block)) if decode else None
                wanted_here = self._inside(wanted, block)
                label = image[block.y, block.x].ravel()
                yield self._task(block, latent, label, k, wanted_here, keep_decoded, rule)

        sums, samples = None, []
        for (block, *_), described in self.run("describe", describe_block, tasks()):
            usable = pixels.usable(block)
            self._put_decoded(block, usable, described.decoded)
            if described.alone is not None and rule is not None:
                label, alone = image[block.y, block.x].ravel(), _spread(described.alone, usable)
                alone = np.where(label > len(rule.centers), label, alone)  # rare groups are alone
                self.maps.put_whole("label_alone", block, alone)
            samples.append(self._in_image(block, described.sample))
            sums = add_sums(sums, described.sums)
        assert sums is not None  # there is at least one block
        return sums, _in_order(join_samples(samples))

    # --- pixels that are wanted as they were measured ------------------------------------------

    def _inside(self, wanted: np.ndarray | None, block: Block) -> np.ndarray | None:
        """Return which of the wanted pixels are in a block, as positions in that."""
        return None if wanted is None else positions_in_block(wanted, block, self.shape[1])

    def _in_image(self, block: Block, sample: SampledPixels | None) -> SampledPixels | None:
        """Return pixels of a block with their positions in the image."""
        if sample is None:
            return None
        return sample._replace(pixel=in_image(self.cube, block, sample.pixel))


def _spread(labels: np.ndarray, usable: np.ndarray) -> np.ndarray:
    """Return labels (y * x,), int32, of the usable pixels of a block, 0 of the others."""
    whole = np.zeros(len(usable), np.int32)
    whole[usable] = labels
    return whole


def _in_order(sample: SampledPixels | None) -> SampledPixels | None:
    """Return pixels in the order of the image, whatever the order of the blocks."""
    if sample is None:
        return None
    order = np.argsort(sample.pixel)
    variance, decoded = (
        None if each is None else each[order] for each in (sample.variance, sample.decoded)
    )
    return SampledPixels(
        sample.pixel[order], sample.values[order], variance, sample.inputs[order], decoded
    )
