"""Segment a cube: encode, cluster and label every pixel, and describe every cluster."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import xarray as xr

from spectessera._util.check import check_choice, check_number
from spectessera._util.text import counted
from spectessera._util.threads import release_memory
from spectessera.cube import check_cube
from spectessera.kmeans import STABLE_FROM, Clusters
from spectessera.kmeans.points import (
    Clustering,
    SeedAgreement,
    agreement_of_seeds,
    criterion_of_points,
)
from spectessera.preprocess.frame import Frame
from spectessera.preprocess.sanity import sanity_warnings
from spectessera.preprocess.spikes import despiked, spike_warnings
from spectessera.preprocess.steps import why_unusable
from spectessera.result import assemble, attributes_of, curves_of, kept_by, mean_spectra
from spectessera.segmenter.estimator import SpectralSegmenter
from spectessera.variance import with_usable_variance
from spectessera.warning import make_warning

from .corridor import BlockProgress, Corridor, context_of
from .evidence import HeldOut, Judge, evidence_pixels, judge_of
from .job import Job
from .labelmaps import put_confidence, put_silhouettes
from .neighbour_choice import choose_neighbours
from .neighbours import Neighbours
from .noise import (
    NoiseSample,
    SeparationOverNoise,
    cluster_sizes,
    draw_pixels,
    draw_pixels_per_cluster,
    separation_in,
)
from .passes import BlockContext, ClusterSums, SampledPixels
from .pixelstore import MEMORY, Pixels
from .rare import NO_GROUPS, RareGroups, far_model, rare_groups
from .resultmaps import ResultMaps, check_store, make_result

KEEP = kept_by("segment")


def segment(
    cube: xr.DataArray,
    segmenter: SpectralSegmenter,
    clusters: str | int = "cube",
    *,
    seed: int = 0,
    keep: Sequence[str] = (),
    means: bool = True,
    neighbours: str | float | Neighbours = "auto",
    redshift: float | Frame | None = None,
    continuum: str | None = None,
    store: str | Path | None = None,
    memory: int = MEMORY,
    progress: BlockProgress | None = None,
) -> xr.Dataset:
    """Segment a cube with a trained segmenter.

    Parameters
    ----------
    cube : DataArray (y, x, channel)
        In memory or chunked. Each thread loads one block of a chunked cube at a time; if a
        ``distributed.Client`` is active, these are the threads of its workers.
    segmenter : SpectralSegmenter
        A cube on another axis than that of its training is resampled by energy or wavelength for
        the network; mean spectra are on the axis of the cube.
    clusters : "cube", "trained" or int
        "cube": cluster the latents of this cube, with the best k, numbered by size. "trained": the
        centers of the training with their numbers, empty clusters included, so that labels agree
        across cubes. A number: that many clusters of this cube.
    seed : int
        Of the clustering and of the simulated noise.
    keep : sequence of "latent", "decoded", "silhouette", "alone"
        Also return ``latent_cube (y, x, latent)``, ``decoded_cube (y, x, input_channel)``, or
        ``silhouette (y, x)``: the exact silhouette of every pixel, in a time that grows with the
        square of the number of pixels; or ``label_alone (y, x)``: the label that the spectrum of
        each pixel has without its neighbours (with ``means`` only).
    means : bool
        False: read the cube only once (and some pieces of it to judge neighbours, or clusters by
        neighbours), without the spectra that need a second reading:
        ``mean_spectrum``, ``std_spectrum``, ``input_mean`` and ``reconstructed_mean``.
    neighbours : "auto", float or Neighbours
        How far the spectra of neighbouring pixels are used: "auto", as far as it makes the labels
        predict the pixel's own measurement better; 0, every pixel stands alone, as in the paper;
        or the weight of a neighbour beside 1, the pixel's own. See
        :func:`spectessera.inference.choose_neighbours`, of which an earlier answer can be given.
    redshift : float or Frame, optional
        For models of lines at rest, such as "nebulae": the redshift of the source, by default
        found in its lines (:meth:`SpectralSegmenter.frame`, of which an earlier answer can be
        given). Mean spectra stay at the wavelengths of the cube.
    continuum : "median" or "none", optional
        For the same models: whether a running median is subtracted; by default where there is a
        continuum.
    store : str or Path, optional
        A ``.zarr`` folder to which the maps are written block by block, so that no map is in
        memory as a whole. The returned result reads them from there when they are needed.
    memory : int
        Bytes of latents that stay in memory, by default 64 MiB; more go into a temporary file.
    progress : callable, optional
        Called with the name of the step, the number of blocks that are done, and that of all.

    Returns
    -------
    Dataset
        Its schema is in :mod:`spectessera.result`.

        - ``label (y, x)``: 0 masked or unusable, 1..K clusters; ``confidence (y, x)``: the
          probability that a repeated measurement of the pixel gets the same label;
          ``novelty (y, x)``: how unlike the training spectra it is, above 0.95 for one in twenty
          of these (:mod:`spectessera.segmenter.novelty`); ``quality (y, x)`` bits;
          ``integrated_input``, ``integrated_decoded`` and ``integrated_latent (y, x)``.
        - ``mean_spectrum`` and ``std_spectrum (cluster, channel)`` in the axis and unit of the
          cube; ``input_mean`` (eq. 9 of the paper), ``reconstructed_mean`` (eq. 8) and
          ``decoded_mean`` (eq. 10) ``(cluster, input_channel)`` in network-input units;
          ``center (cluster, latent)``, ``size (cluster)``; ``rare (cluster)``, where the last
          clusters are rare groups (:mod:`spectessera.evidence.rare`).
        - ``score (k)`` and ``score_error (k)``: the silhouettes, exact or estimated, as the
          attribute ``silhouette`` says; ``stability``, ``stability_error`` and ``agreement (k)``,
          see :class:`spectessera.result.KCurves`; where stability chose k and the noise is
          known, ``excess (k)``, see :class:`spectessera.inference.noise.SeparationOverNoise`, NaN
          where it was not computed; where evidence chose it, ``gain`` and ``gain_error (k)``, see
          :func:`spectessera.evidence.gain_of`.
        - Attributes are strings and numbers, among them ``frame``, the redshift and the continuum
          and how they were found, for models of lines at rest; ``criterion``, what chose k; and
          ``seed_agreement``, the similarity of the clusters of other seeds (adjusted Rand index).

    Raises
    ------
    ValueError
        If the axis is of another kind than that of the training or covers too little of it, too
        few spectra are usable, or a redshift or a continuum is given for a model of spectra as
        they are measured.
    OSError
        If the store cannot be written, or a scheduler is lost.
    MemoryError
        If a block kills several workers in a row.

    Examples
    --------
    >>> import numpy as np
    >>> import spectessera as spt
    >>> counts = np.random.default_rng(0).poisson(5, (8, 9, 40))
    >>> counts[:, :4, 10] += 60
    >>> cube = spt.make_cube(counts, energy=(1.0, 20.0))
    >>> segmenter = spt.SpectralSegmenter(training=spt.Training(epochs=2)).fit(cube)
    >>> result = spt.segment(cube, segmenter, 2, seed=0)
    >>> result["label"].dims, sorted(set(result["label"].values.ravel().tolist()))
    (('y', 'x'), [1, 2])
    """
    _check_arguments(clusters, seed, keep, memory, store, means=means)
    cube = with_usable_variance(check_cube(cube), compute=True)
    cube = despiked(cube, segmenter.config("preprocess"))
    frame = segmenter.frame(cube, redshift, continuum)
    context = context_of(cube, segmenter, frame)
    extra = ["integrated_latent"]
    extra += [f"{each}_cube" for each in ("latent", "decoded") if each in keep]

    def make(maps: ResultMaps) -> xr.Dataset:
        used = _neighbours(cube, context, neighbours, seed, progress)
        job = Job(cube, segmenter, clusters, seed, tuple(keep), means, used, frame)
        seen = context._replace(neighbours=used)
        corridor = Corridor(cube, seen, maps, extra_maps=extra, progress=progress)
        return _segment(job, corridor, memory)

    return make_result(cube, store, make)


def _segment(job: Job, corridor: Corridor, memory: int) -> xr.Dataset:
    """Segment a cube; if the maps are in a store, the returned result is without them."""
    latent_size = job.segmenter.cluster_centers_.shape[1]
    wanted = _drawn_first(job)
    pixels, sample = corridor.encode(
        latent_size, memory=memory, wanted=wanted, decode=not job.means
    )
    corridor.report("cluster", 0, 1)
    repeats = None if sample is None else pixels.repeats_at(sample.pixel)
    judge, split_check = _judges(job, corridor, sample, repeats)
    clustering = _cluster(pixels, job, split_check, judge)
    release_memory()
    corridor.report("cluster", 1, 1)
    nearest, k = pixels.label_map(clustering.labels), len(clustering.centers)
    rare, sums = NO_GROUPS, None
    if job.means:
        known = sample if isinstance(judge.evidence, HeldOut) else None
        sums, sample, rare = _described(job, corridor, pixels, nearest, clustering, known)
    labels = rare.labelled(nearest, k)
    assert sample is not None  # of one pass or the other
    seeds = _other_seeds(job, pixels, clustering)
    noise = put_confidence(job, corridor, pixels, labels, clustering, sample, rare, seeds.again)
    if "silhouette" in job.keep:
        put_silhouettes(job, corridor, pixels, labels, clustering)
    result = _assemble(job, pixels, clustering, labels, sums, noise, rare)
    result.attrs |= judge.facts(rare.number)
    found = sanity_warnings(sample.values, sample.variance)
    codes = (judge.warning, job.frame.warning)
    found += [make_warning(each) for each in codes if each]
    found += spike_warnings(job.cube)
    result.attrs["findings"] = json.dumps({each.code: each.text for each in found})
    if job.clusters != "trained":
        result.attrs["seed_agreement"] = seeds.score
    return corridor.maps.join(result)


def _described(
    job: Job,
    corridor: Corridor,
    pixels: Pixels,
    nearest: np.ndarray,
    clustering: Clustering,
    known: SampledPixels | None,
) -> tuple[ClusterSums, SampledPixels | None, RareGroups]:
    """Return the sums of the clusters, sampled pixels of each, and rare groups.

    ``nearest (y * x,)``: labels of the clusters from 1; ``known``: some pixels whose noise is
    known, or None.
    """
    k, rare, seed = len(clustering.centers), NO_GROUPS, job.seed
    model = None if known is None else far_model(known, nearest.size, seed)
    rule = clustering.rule if "alone" in job.keep else None
    wanted = draw_pixels_per_cluster(nearest, k, seed)
    found = corridor.describe(pixels, nearest, k, wanted=wanted, rule=rule, model=model)
    if model is not None and found.far is not None:
        rare = rare_groups(model, found.far, nearest, seed)
    if found.alone is not None:
        corridor.maps.add("label_alone")
        alone = found.alone.ravel()
        alone[rare.pixel] = k + 1 + rare.group  # rare groups are found without neighbours
        corridor.maps.put_image("label_alone", found.alone)
    sums = rare.described(corridor, pixels, nearest, k, found.sums)
    return sums, found.sample, rare


def _other_seeds(job: Job, pixels: Pixels, clustering: Clustering) -> SeedAgreement:
    """Return how well other seeds agree; clusters of the training are there in any case."""
    if job.clusters == "trained":
        return SeedAgreement(float("nan"), np.ones(len(clustering.centers)))
    settings, device = job.segmenter.config("clusters"), job.segmenter.device
    return agreement_of_seeds(pixels, clustering, settings, seed=job.seed, device=device)


def _neighbours(
    cube: xr.DataArray,
    context: BlockContext,
    given: str | float | Neighbours,
    seed: int,
    progress: BlockProgress | None,
) -> Neighbours:
    """Return how far neighbours are used, chosen here unless it is given."""
    if isinstance(given, Neighbours):
        return given
    report = progress or (lambda *_: None)
    report("neighbours", 0, 1)
    found = choose_neighbours(cube, context.intake, given, seed=seed)
    report("neighbours", 1, 1)
    return found


def _check_arguments(
    clusters: str | int,
    seed: int,
    keep: Sequence[str],
    memory: int,
    store: str | Path | None,
    *,
    means: bool,
) -> None:
    if isinstance(clusters, str):
        check_choice("clusters", clusters, ("cube", "trained"))
    else:
        check_number("clusters", clusters, low=2, high=1000, integer=True)
    check_number("seed", seed, low=0, high=2**63 - 1, integer=True)
    check_number("memory", memory, low=0, integer=True)
    if isinstance(keep, str):
        raise TypeError(f"keep is a list, such as [{keep!r}]; got the string {keep!r}")
    for name in keep:
        check_choice("keep", name, KEEP)
    if "alone" in keep and not means:
        raise ValueError('keep="alone" needs the second reading of the cube; leave out means=False')
    check_store(store)


def _drawn_first(job: Job) -> np.ndarray | None:
    """Return the pixels whose spectra the first pass keeps; None where none are needed."""
    if job.criterion == "evidence":
        return draw_pixels(job.cube, job.seed, most=evidence_pixels(job.cube))
    needed = job.criterion == "stability" or not job.means
    return draw_pixels(job.cube, job.seed) if needed else None


def _judges(
    job: Job, corridor: Corridor, sample: SampledPixels | None, repeats: np.ndarray | None
) -> tuple[Judge, SeparationOverNoise | None]:
    """Return what judges a number of clusters: evidence, or the split check of stability."""
    judge = Judge(None)
    if job.criterion == "evidence":
        judge = judge_of(job.cube, corridor.context, sample, seed=job.seed)
    if judge.evidence is not None:
        return judge, None
    return judge, separation_in(job, corridor.context.intake, sample, repeats)


def _cluster(
    pixels: Pixels,
    job: Job,
    split_check: SeparationOverNoise | None,
    judge: Judge,
) -> Clustering:
    """Label the usable pixels; labels count from 0."""
    segmenter, clusters = job.segmenter, job.clusters
    settings: Clusters = segmenter.config("clusters")
    if clusters == "trained":
        rule, centers = segmenter.rule_, segmenter.cluster_centers_
        parts = [rule.label(part, segmenter.device).astype(np.int16) for part in pixels.parts()]
        curves, criterion = segmenter.choices_, criterion_of_points(settings)
        return Clustering(np.concatenate(parts), centers, curves, rule, criterion)
    if not isinstance(clusters, str):
        settings = replace(settings, k_min=int(clusters), k_max=int(clusters))
    if len(pixels) <= settings.k_min:
        raise ValueError(
            f"the cube has {counted(len(pixels), 'usable spectrum', 'usable spectra')} of "
            f"{job.shape[0] * job.shape[1]}; "
            f"at least {settings.k_min + 1} are needed for {settings.k_min} clusters"
            f"{why_unusable(pixels.quality)}"
        )
    return segmenter.cluster(
        pixels, settings, seed=job.seed, split_check=split_check, evidence=judge.evidence
    )


# --- the result --------------------------------------------------------------------------------


def _assemble(
    job: Job,
    pixels: Pixels,
    clustering: Clustering,
    labels: np.ndarray,
    sums: ClusterSums | None,
    sample: NoiseSample,
    rare: RareGroups,
) -> xr.Dataset:
    """Put everything but the maps into a Dataset."""
    clustering = rare.joined(clustering, pixels)
    segmenter, size = job.segmenter, cluster_sizes(labels, len(clustering.centers))
    values = {
        "decoded_mean": segmenter.codec.decode(clustering.centers),
        "center": clustering.centers,
        "size": size,
        **curves_of(clustering.curves, clustering.excess, clustering.gains),
        **rare.columns(len(clustering.centers)),
    }
    if sums is not None:
        values |= mean_spectra(size, *sums)
    attributes = _attributes(job, pixels, clustering, sample)
    return assemble(job.cube, values, clustering.curves.k, segmenter.input_axis_, attributes)


def _attributes(
    job: Job, pixels: Pixels, clustering: Clustering, sample: NoiseSample
) -> dict[str, str | int | float]:
    """Return strings and numbers only."""
    settings: Clusters = job.segmenter.config("clusters")
    own: dict[str, str | int | float] = {
        "n_clusters": len(clustering.centers),
        "metric": clustering.rule.metric,
        "criterion": clustering.criterion,
        "stable_from": STABLE_FROM,
        "silhouette": "exact" if not clustering.curves.error.any() else "estimate",
        "clustered_pixels": min(len(clustering.labels), settings.max_points),
        "confidence_noise": sample.noise,
        "neighbours": job.neighbours.window // 2,
        "neighbour_weight": job.neighbours.weight,
    }
    if job.frame.words:
        own |= {
            "redshift": job.frame.redshift,
            "redshift_given": int(job.frame.given),
            "continuum": "median" if job.frame.continuum else "none",
            "frame": job.frame.words,
        }
    record = {
        "clusters": job.clusters,
        "seed": job.seed,
        "settings": job.segmenter.settings(),
    }
    return attributes_of(job.cube, pixels.quality, own, record)
