"""Confidence checked by clusters that another part of the measurement had no share in.

Components and clusters follow a little of the noise that they are found in: much of it where there
are more clusters than the spectra show, and few pixels or averages of many. All parts of that
measurement contain this noise, so they agree more often than a new measurement would. So
components and clusters are found again in three quarters of the measurement. How often two parts of
these agree, and how often the last quarter agrees in place of one of them, says what share of the
agreement is left where the noise is new (docs/design/0005-confidence.md).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import logit

from spectessera.kmeans import Clusters
from spectessera.kmeans.points import rule_near
from spectessera.kmeans.rule import Rule
from spectessera.network import Network, Training
from spectessera.network.codec import Codec, principal_codec
from spectessera.preprocess.intake import Intake

from .calibration import SHARES, calibration_of, nearest
from .confidence import Calibration, Mixture
from .job import Job
from .parts import measured_in_parts, pooled_inputs
from .passes import SampledPixels
from .patches import Patches

# Quarters of the measurement, each of which is left out once.
QUARTERS = 4
# The share of the agreement in a cluster is that of all clusters in so many pixels more.
_PIXELS = 20.0
# The least agreement beyond chance, in logarithms of odds, of which a share is taken.
_LEAST = 0.01
# The share that groups of pixels that stand alone keep, if they are there and overlap: three
# quarters say less of them than the whole.
_ALONE = 0.9


class Agreement(NamedTuple):
    """How often parts of a measurement have the same label, for each cluster (k,).

    Attributes
    ----------
    pixels : array (k,)
        Number of labels.
    inside : array (k,)
        Of these, how many are the same in a part that the clusters were found in.
    outside : array (k,)
        The same of a part that they were not found in.
    chance : array (k,)
        How many would be the same if the labels had nothing in common.
    """

    pixels: np.ndarray
    inside: np.ndarray
    outside: np.ndarray
    chance: np.ndarray

    def kept(self, enough: float = 1.0) -> np.ndarray:
        """Return the share of the agreement beyond chance that is left outside, (k,), 0 to 1.

        Agreement and chance are logarithms of odds: of a difference that all parts have, as much
        is left of larger agreement. A share that is ``enough`` counts as all of it.

        Examples
        --------
        >>> Agreement(*np.array([[900.0], [630.0], [390.0], [300.0]])).kept().round(2).tolist()
        [0.28]
        """
        total = max(float(self.pixels.sum()), 1.0)
        inside, outside, chance = (
            logit(np.clip((each + _PIXELS * each.sum() / total) / (self.pixels + _PIXELS), *SHARES))
            for each in (self.inside, self.outside, self.chance)
        )
        return np.clip((outside - chance) / np.maximum(inside - chance, _LEAST) / enough, 0, 1)


def _agreement(
    job: Job, intake: Intake, quarters: list[Patches], labels: np.ndarray, k: int
) -> Agreement:
    """Return how often the first two of four quarters agree with each of the others.

    Components and clusters are found in the first three, from labels (n,) of the whole, from 0.
    """
    *known, inside, outside = quarters
    inputs = pooled_inputs(job, intake, together([*known, inside]), QUARTERS / 3)
    codec, settings = _codec(job, inputs), job.segmenter.config("clusters")
    assert isinstance(settings, Clusters)
    rule = rule_near(codec.encode(inputs), labels, settings, k=k, device=job.segmenter.device)

    def labelled(part: Patches, times: float) -> np.ndarray:
        found = codec.encode(pooled_inputs(job, intake, part, times))
        return nearest(rule.move(found).astype(np.float64), rule.centers)

    own = labelled(together(known), 2)
    others = [labelled(part, QUARTERS) for part in (inside, outside)]
    pixels = np.bincount(own, minlength=k).astype(float)
    inside_too, outside_too = (np.bincount(own[own == each], minlength=k) for each in others)
    shares = np.bincount(np.concatenate(others), minlength=k) / (2 * len(own))
    return Agreement(pixels, inside_too, outside_too, pixels * shares)


def together(parts: Sequence[Patches]) -> Patches:
    """Return the measurement that some independent parts of the same size are parts of.

    Counts are added up, other values are averaged.
    """
    first, number = parts[0], np.float32(len(parts))
    values = np.stack([each.values for each in parts]).sum(axis=0)
    if first.variance is None:
        return first._replace(values=values)
    return first._replace(values=values / number, variance=first.variance / number)


def _codec(job: Job, inputs: np.ndarray) -> Codec:
    """Return the principal components of inputs if the encoder is such; the encoder if not.

    (A model does not say which cube its components are those of: they are taken for this one's.)
    """
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
    job, intake, sample, whole, rule
        See :func:`spectessera.inference.parts.measured_in_parts`.
    mixture : Mixture
        See :func:`spectessera.inference.calibration.calibration_of`.
    sizes : array (k,)
    draws : array (draw, d)
    report : callable
        Called with the name of the step, how many times clusters were found, and of how many.
    """
    measured = measured_in_parts(job, intake, sample, whole, rule, sizes)
    if measured is None:
        return None
    repeated, pieces = measured
    found = calibration_of(repeated, rule, mixture, draws)
    if found is None or job.clusters == "trained" or job.criterion == "evidence":
        return found
    own, k = nearest(repeated.whole, rule.centers), len(rule.centers)
    generator = np.random.default_rng([job.seed, 11])
    quarters = [
        part for half in pieces.split(generator, 0.5) for part in half.split(generator, 0.5)
    ]
    parts = []
    for number in range(QUARTERS):
        report("refits", number, QUARTERS)
        turned = quarters[number:] + quarters[:number]
        parts.append(_agreement(job, intake, turned, own, k))
    report("refits", QUARTERS, QUARTERS)
    enough = _ALONE if job.neighbours.window == 1 else 1.0
    kept = Agreement(*np.sum(parts, axis=0)).kept(enough)
    return found.nearer(np.clip(np.bincount(own, minlength=k) / len(own), *SHARES), kept)
