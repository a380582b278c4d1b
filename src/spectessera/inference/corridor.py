"""The one way through a cube, block by block: for trained networks and for baselines.

The first pass encodes every block, the second one adds up spectra by cluster. Blocks are processed
by :mod:`spectessera.inference.blockwork`, that is in threads here or on a Dask cluster; the results
are stored in maps and in :class:`spectessera.inference.pixelstore.Pixels`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from spectessera.cube import Block, blocks, in_image, integrate
from spectessera.kmeans.rule import Rule
from spectessera.preprocess.frame import Frame
from spectessera.segmenter.estimator import SpectralSegmenter

from .blockwork import BlockFunction, Result, Shared, Task, process_blocks
from .far import Far, FarModel, add_far
from .neighbours import around, inside
from .passes import (
    BlockContext,
    ClusterSums,
    DecodedBlock,
    EncodedBlock,
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


def context_of(
    cube: xr.DataArray, segmenter: SpectralSegmenter, frame: Frame | None = None
) -> BlockContext:
    """Return what the blocks of a cube are processed with by a trained segmenter.

    ``frame``: redshift and continuum, by default as they are found.
    """
    codec = segmenter.codec
    return BlockContext(segmenter.intake(cube, frame=frame), codec, codec, segmenter.reference)


class Described(NamedTuple):
    """What the second pass finds in a cube.

    Attributes
    ----------
    sums : ClusterSums
    sample : SampledPixels, or None
    alone : array (y, x), or None
        Labels, from 1, without neighbours; 0 where a pixel is not usable.
    far : Far, or None
    """

    sums: ClusterSums
    sample: SampledPixels | None
    alone: np.ndarray | None
    far: Far | None


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
        self,
        step: str,
        function: BlockFunction[Result],
        tasks: Iterable[Task],
        reach: int | None = None,
    ) -> Iterator[tuple[Task, Result]]:
        """Yield each task with ``function(context, block, *arguments)``; report the progress.

        Each reads so many rows and columns around its block, by default those that reach it.
        """
        reach = self.context.neighbours.reach if reach is None else reach
        results = process_blocks(function, self._shared, self.cube, tasks, reach=reach)
        return self.counted(step, results)

    def _task(self, block: Block, *arguments: Any) -> Task:
        """Return a task of the first pass; neighbours that are used are read with the block."""
        reach = self.context.neighbours.reach
        if reach == 0:
            return Task(block, arguments)
        read = around(block, reach, self.cube)
        return Task(block, (*arguments, inside(block, read)), read)

    def _second_task(self, pixels: Pixels, block: Block, *arguments: Any) -> Task:
        """Return a task of the second pass, in which the weights of neighbours are known."""
        if pixels.weights is None:
            return Task(block, arguments)
        weights = pixels.weights.take(block, np.ones(pixels.usable(block).shape, bool))
        rows = block.y.stop - block.y.start
        read = around(block, self.context.neighbours.window // 2, self.cube)
        given = weights.reshape(rows, -1, weights.shape[1]), inside(block, read)
        return Task(block, (*arguments, *given), read)

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
            pixels.add_averages(self.context.neighbours.window**2, memory)
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
            self._put_averages(pixels, block, usable, encoded)
            self.maps.put("integrated_input", block, usable, encoded.input_total)
            if "integrated_latent" in self.extra_maps:
                self.maps.put("integrated_latent", block, usable, integrate(encoded.latent))
            if "latent_cube" in self.extra_maps:
                self.maps.put("latent_cube", block, usable, encoded.latent)
            self._put_decoded(block, usable, encoded.decoded)
            samples.append(self._in_image(block, encoded.sample))
        return pixels, _in_order(join_samples(samples))

    def _put_averages(
        self, pixels: Pixels, block: Block, usable: np.ndarray, encoded: EncodedBlock
    ) -> None:
        """Keep how the spectra of a block are averaged with their neighbours."""
        if pixels.repeats is None or encoded.repeats is None:
            return
        side = pixels.repeats[block.y, block.x]
        side[...] = encoded.repeats.reshape(side.shape)
        self.maps.put("measurements", block, usable, encoded.repeats[usable])
        if pixels.weights is not None and encoded.weights is not None:
            weights = encoded.weights.reshape(len(usable), -1)
            pixels.weights.put(block, np.ones_like(usable), weights)

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
        model: FarModel | None = None,
    ) -> Described:
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
            Also return the labels that pixels have without their neighbours.
        model : FarModel, optional
            Also return the pixels that are far from it.
        """
        decode, keep_decoded = self.context.decoder is not None, "decoded_cube" in self.extra_maps
        if decode:
            self._add_maps_of_decoding()
        image = labels.reshape(self.shape)

        def tasks() -> Iterator[Task]:
            for block in blocks(self.cube):
                latent = pixels.latents.take(block, pixels.usable(block)) if decode else None
                wanted_here = self._inside(wanted, block)
                label = image[block.y, block.x].ravel()
                given = latent, label, k, wanted_here, keep_decoded, rule, model
                yield self._second_task(pixels, block, *given)

        sums, samples, far = None, [], None
        alone = None if rule is None else np.zeros(self.shape, labels.dtype)
        reach = self.context.neighbours.window // 2
        for (block, *_), described in self.run("describe", describe_block, tasks(), reach):
            usable = pixels.usable(block)
            self._put_decoded(block, usable, described.decoded)
            if alone is not None and described.alone is not None:
                side = alone[block.y, block.x]
                side[usable.reshape(side.shape)] = described.alone
            samples.append(self._in_image(block, described.sample))
            if model is not None and described.far is not None:
                here = described.far.in_image(self.cube, block)
                far = add_far(far, here, model.limit)
            sums = add_sums(sums, described.sums)
        assert sums is not None  # there is at least one block
        return Described(sums, _in_order(join_samples(samples)), alone, far)

    def add_up(self, pixels: Pixels, labels: np.ndarray, k: int) -> ClusterSums:
        """Read blocks with labelled pixels again, and add up the spectra of these by label.

        Parameters
        ----------
        pixels : Pixels
            Of :meth:`encode`.
        labels : array (y * x,)
            1..k of usable pixels, 0 of those that are left out.
        k : int
        """
        decode = self.context.decoder is not None
        image = labels.reshape(self.shape)

        def tasks() -> Iterator[Task]:
            for block in blocks(self.cube):
                label = image[block.y, block.x].ravel()
                if label.any():
                    latent = pixels.latents.take(block, label > 0) if decode else None
                    given = latent, label, k, None, False, None, None
                    yield self._second_task(pixels, block, *given)

        sums = None
        for _, described in process_blocks(describe_block, self._shared, self.cube, tasks()):
            sums = add_sums(sums, described.sums)
        assert sums is not None  # there is at least one labelled pixel
        return sums

    # --- pixels that are wanted as they were measured ------------------------------------------

    def _inside(self, wanted: np.ndarray | None, block: Block) -> np.ndarray | None:
        """Return which of the wanted pixels are in a block, as positions in that."""
        return None if wanted is None else positions_in_block(wanted, block, self.shape[1])

    def _in_image(self, block: Block, sample: SampledPixels | None) -> SampledPixels | None:
        """Return pixels of a block with their positions in the image."""
        if sample is None:
            return None
        return sample._replace(pixel=in_image(self.cube, block, sample.pixel))


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
