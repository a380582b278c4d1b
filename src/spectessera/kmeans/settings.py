"""How points are clustered: the settings, which need no torch."""

from __future__ import annotations

from dataclasses import dataclass

from spectessera._util.check import check_choice, check_number

METRICS = ("euclidean", "half-whitened", "whitened", "half-whitened-sphere", "whitened-sphere")
# Up to this many points the silhouette is computed from the whole matrix of distances (64 MiB).
EXACT_POINTS = 4096


@dataclass(frozen=True)
class Clusters:
    """How points are clustered and how their number of clusters k is chosen.

    Parameters
    ----------
    k_min, k_max : int
        Every k in this range is tried, and one is chosen by ``criterion``.
    restarts : int, optional
        Seedings per k, of which the one with the smallest inertia is used; by default 10, or 30 of
        the latents of an encoder that is not trained. (Training uses one.)
    seeding : "greedy", "k-means++" or "random"
        k-means++ draws seeds with probability proportional to the squared distance to the
        nearest seed so far (Arthur & Vassilvitskii 2007); the greedy one takes the best of a few
        such draws each time, which helps where clusters are of unequal size. (Training takes
        one draw.)
    max_iter : int
        Largest number of Lloyd iterations; they end earlier when no label changes.
    samples : int
        Number of points whose silhouettes are computed where the score is estimated; the same
        points for every k.
    silhouette : "auto" or "exact"
        "auto": estimated for more than 4096 points. "exact": of all points, in a time that grows
        with the square of their number.
    max_points : int
        With more points than this, k and the centers are found on a sample of this size, and the
        other points get the label of the nearest center.
    refine : bool
        Continue Lloyd's iterations over all points from the centers of the sample.
    metric : "auto", "euclidean", "half-whitened", "whitened", "half-whitened-sphere" or \
            "whitened-sphere"
        Space in which points are clustered and compared, see :mod:`spectessera.kmeans.metric`: as
        they are; with the covariance of all points made half or wholly unit; either of these on the
        unit sphere. "auto" is what suits the noise of the spectra
        (:mod:`spectessera.preprocess.auto`); for points without spectra, "euclidean".
    criterion : "evidence", "stability" or "silhouette"
        What chooses k. "evidence": how well clusters that were made from one part of the
        measurement predict the other part, whose noise is independent, together with stability
        (:mod:`spectessera.evidence`); one cluster if ``k_min`` is 2 and the spectra differ by no
        more than noise. Of maps whose noise is not known, labels of the neighbours of a pixel are
        judged by the pixel. As "stability" in lists of spectra of unknown noise (neither counts
        nor a variance), for fewer than 32 pixels, of points without spectra, and in the fit.
        "stability": the largest k whose clusters are all recovered when half of the points are
        clustered (:mod:`spectessera.kmeans._stability`), except a k whose silhouette is far below
        that of another such k, or that splits the noise of one cluster into two, where the noise is
        known (:class:`spectessera.inference.noise.SeparationOverNoise`); the largest silhouette
        where there is no such k. "silhouette": the largest silhouette (as in the paper). In the
        batches of a training always the silhouette, which has a gradient.

    Examples
    --------
    >>> Clusters(k_min=4, k_max=4).k_max  # exactly four clusters
    4
    """

    k_min: int = 2
    k_max: int = 10
    restarts: int | None = None
    seeding: str = "greedy"
    max_iter: int = 300
    samples: int = 2000
    silhouette: str = "auto"
    max_points: int = 262_144
    refine: bool = False
    metric: str = "auto"
    criterion: str = "evidence"

    def __post_init__(self) -> None:
        check_number("k_min", self.k_min, low=2, integer=True)
        check_number("k_max", self.k_max, low=2, high=1000, integer=True)
        if self.k_max < self.k_min:
            raise ValueError(f"k_max must be at least k_min; got {self.k_min} to {self.k_max}")
        if self.restarts is not None:
            check_number("restarts", self.restarts, low=1, high=1000, integer=True)
        check_choice("seeding", self.seeding, ("greedy", "k-means++", "random"))
        check_number("max_iter", self.max_iter, low=1, integer=True)
        check_number("samples", self.samples, low=10, integer=True)
        check_choice("silhouette", self.silhouette, ("auto", "exact"))
        check_number("max_points", self.max_points, low=1000, integer=True)
        check_choice("refine", self.refine, (False, True))
        check_choice("metric", self.metric, ("auto", *METRICS))
        check_choice("criterion", self.criterion, ("evidence", "stability", "silhouette"))
