"""Confidence checked by clusters that another part of the measurement had no share in.

Components and clusters follow a little of the noise that they are found in: much of it where pixels
are averaged with their neighbours and there are more clusters than the spectra show. All parts of
that measurement contain this noise, so they agree more often than a new measurement would. So
components and clusters are found again in one half of the measurement alone, the confidence is
computed from that half alone, and the other half says how often it is right
(docs/design/0005-confidence.md).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, logit

from spectessera.kmeans import Clusters
from spectessera.kmeans.points import rule_near
from spectessera.kmeans.rule import Rule
from spectessera.network import Network, Training
from spectessera.network.codec import Codec, principal_codec
from spectessera.preprocess.intake import Intake

from .calibration import Repeated, calibration_of, mixture_of_parts, nearest
from .confidence import SURE, Calibration, Mixture, same_label_probability
from .job import Job
from .parts import measured_in_parts, parts_of_pieces, pieces_of, pooled_inputs
from .passes import SampledPixels
from .patches import Patches

# How often the measurement is split in halves, of which each is checked by the other.
SPLITS = 2
# A whole measurement is followed less in its noise than a half of it: of what a half is put right
# by, this share is taken. (Settled with benchmarks/confidence_refits.py, seeds 9000 to 9003.)
_OF_HALVES = 0.85
# One over the variance of the normal priors of slope, offset, and offsets of clusters around it.
_SLOPE, _OFFSET, _CLUSTER = 1.0, 0.01, 1.0


class Checked(NamedTuple):
    """Pixels of a half: how sure it makes them, and whether the other half gives the same label.

    Attributes
    ----------
    sure : array (n,)
    same : array (n,), bool
    """

    sure: np.ndarray
    same: np.ndarray


class Half(NamedTuple):
    """What a half of the measurement is labelled and checked with.

    Attributes
    ----------
    job : Job
    intake : Intake
    labels : array (n,)
        Of the pixels in the whole measurement, from 0.
    k : int
    draws : array (draw, d)
        See :func:`spectessera.inference.confidence.normal_draws`.
    """

    job: Job
    intake: Intake
    labels: np.ndarray
    k: int
    draws: np.ndarray

    def checked(self, own: Patches, other: Patches, generator: np.random.Generator) -> Checked:
        """Return how sure one half of the measurement is, and where the other one agrees."""
        job, device = self.job, self.job.segmenter.device
        inputs = pooled_inputs(job, self.intake, own, 2)
        codec = _codec(job, inputs)
        latents, settings = codec.encode(inputs), job.segmenter.config("clusters")
        assert isinstance(settings, Clusters)
        rule = rule_near(latents, self.labels, settings, k=self.k, device=device)

        def moved(part: Patches, times: int) -> np.ndarray:
            found = codec.encode(pooled_inputs(job, self.intake, part, times))
            return rule.move(found).astype(np.float64)

        points = rule.move(latents).astype(np.float64)
        label, again = nearest(points, rule.centers), nearest(moved(other, 2), rule.centers)
        halves, quarters = parts_of_pieces(own, moved, generator, splits=2, times=2)
        repeated = Repeated(points, halves, quarters, np.ones(len(points)))
        mixture = mixture_of_parts(repeated, label, self.k)
        calibration = calibration_of(repeated, rule, mixture, self.draws)
        sure = same_label_probability(points, label, rule.centers, mixture, self.draws)
        if calibration is not None:
            sure = calibration.apply(sure, label)
        return Checked(sure, label == again)


def _codec(job: Job, inputs: np.ndarray) -> Codec:
    """Return the principal components of inputs if the encoder is such; the encoder if not."""
    network, training = job.segmenter.config("network"), job.segmenter.config("training")
    assert isinstance(network, Network)
    assert isinstance(training, Training)
    if training.train_encoder is not False:
        return job.segmenter.codec
    return principal_codec(inputs, network.latent)


def calibrated(
    job: Job,
    intake: Intake,
    sample: SampledPixels,
    whole: np.ndarray,
    rule: Rule,
    mixture: Mixture,
    sizes: np.ndarray,
    draws: np.ndarray,
    report: Callable[[str, int, int], None],
) -> Calibration | None:
    """Return how confidence is to be calibrated; None if nothing says how.

    Clusters of the training are those of other spectra, and evidence chooses no more clusters than
    are seen in a part of the measurement that they were not made from: these are not found again.

    Parameters
    ----------
    job, intake, sample, whole, rule, sizes
        See :func:`spectessera.inference.parts.measured_in_parts`.
    mixture, draws
        See :func:`spectessera.inference.calibration.calibration_of`.
    report : callable
        Called with the name of the step, how many halves are done, and of how many.
    """
    repeated = measured_in_parts(job, intake, sample, whole, rule, sizes)
    found = calibration_of(repeated, rule, mixture, draws)
    alone = job.neighbours.window == 1
    if repeated is None or found is None or alone:
        return found
    if job.clusters == "trained" or job.criterion == "evidence":
        return found
    half = Half(job, intake, nearest(repeated.whole, rule.centers), len(rule.centers), draws)
    pieces = pieces_of(job, intake, counted=job.neighbours.noise == "counts")
    generator = np.random.default_rng([job.seed, 11])
    checked: list[Checked] = []
    for _ in range(SPLITS):
        pair = pieces.split(generator, 0.5)
        for own, other in (pair, pair[::-1]):
            report("halves", len(checked), 2 * SPLITS)
            checked.append(half.checked(own, other, generator))
    report("halves", len(checked), 2 * SPLITS)
    return put_right(found, checked, half.labels)


def put_right(calibration: Calibration, checked: list[Checked], labels: np.ndarray) -> Calibration:
    """Return a calibration with what the other halves say of the confidence of one half.

    The logarithm of the odds becomes a line over what it was, with an offset for each cluster.

    Parameters
    ----------
    calibration : Calibration
    checked : list of Checked
    labels : array (n,)
        Of the pixels in the whole measurement, from 0.

    Examples
    --------
    >>> import numpy as np
    >>> given = Calibration(np.zeros(2), 1.0, 0.0)
    >>> half = Checked(np.full(400, 0.9), np.arange(400) % 2 == 0)
    >>> found = put_right(given, [half], np.repeat([0, 1], 200))
    >>> [each.apply(np.array([0.9]), np.array([0])).round(2).tolist() for each in (given, found)]
    [[0.9], [0.58]]
    """
    sure = np.concatenate([each.sure for each in checked]).astype(np.float64)
    same = np.concatenate([each.same for each in checked])
    k = len(calibration.offset)
    offset, slope = _line(sure, same, np.tile(labels, len(checked)), k)
    offset, slope = _OF_HALVES * offset, 1 - _OF_HALVES * (1 - slope)
    return Calibration(
        offset + slope * calibration.offset, slope * calibration.slope, slope * calibration.bend
    )


def _line(
    sure: np.ndarray, same: np.ndarray, labels: np.ndarray, k: int
) -> tuple[np.ndarray, float]:
    """Return offsets (k,) and the slope of the odds of the truth over those of a claim (n,)."""
    known = logit(np.clip(sure, 1 - SURE, SURE))
    around = np.array([1.0, 0.0, *np.zeros(k)])
    tight = np.array([_SLOPE, _OFFSET, *np.full(k, _CLUSTER)])

    def misfit(given: np.ndarray) -> tuple[float, np.ndarray]:
        found, away = given[0] * known + given[1] + given[2:][labels], given - around
        apart = expit(found) - same
        cost = (np.logaddexp(0, found) - same * found).sum() + tight @ np.square(away) / 2
        clusters = np.bincount(labels, apart, minlength=k)
        return float(cost), np.array([apart @ known, apart.sum(), *clusters]) + tight * away

    slope, offset, *each = minimize(misfit, around, jac=True, method="BFGS").x
    return offset + np.array(each), max(0.0, float(slope))
