"""Confidence that is calibrated by halves of the measurement.

The clusters are not Gaussian, so the confidence of a model of Gaussian clusters is too high where
they overlap. How much is seen in the data: their measurement is split in two halves of independent
noise, each of which is a repeated measurement of the other. The same model says how sure the label
of one half is, and the label of the other half shows how often that is so.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, logit

from spectessera.evidence import finite_variance, split_noise, thin_counts
from spectessera.kmeans.rule import Rule
from spectessera.preprocess.intake import Intake

from .confidence import SURE, Calibration, fit_mixture, same_label_probability
from .job import Job
from .passes import SampledPixels

# How often the sampled spectra are split.
SPLITS = 4
# With fewer labels that differ, a confidence stays as it is.
_DIFFERENT = 20


def calibration_of(
    job: Job,
    intake: Intake,
    sample: SampledPixels,
    labels: np.ndarray,
    rule: Rule,
    sizes: np.ndarray,
    draws: np.ndarray,
    repeats: np.ndarray | None = None,
) -> Calibration:
    """Return how confidence is to be calibrated; as it is, where the noise is not known.

    Parameters
    ----------
    job : Job
    intake : Intake
    sample : SampledPixels
    labels : array (s,)
        Of the sampled pixels, from 0.
    rule : Rule
        Of the clusters.
    sizes : array (k,)
        Numbers of pixels of the clusters, of which unequal shares are sampled.
    draws : array (draw, d)
        See :func:`spectessera.inference.confidence.normal_draws`.
    repeats : array (s,), optional
        As how many measurements each of the sampled spectra is.
    """
    noise, k = job.noise(sample.values), len(sizes)
    if noise == "residual" or k == 1:
        return Calibration()
    generator = np.random.default_rng([job.seed, 10])
    pairs = [_halves(job, intake, sample, noise, generator, repeats) for _ in range(SPLITS)]
    weight = (sizes / np.maximum(np.bincount(labels, minlength=k), 1))[labels]
    moved = [[rule.move(half).astype(np.float64) for half in pair] for pair in pairs]
    covariance = _noise_of([one - other for one, other in moved], labels, k)
    sure, same = [], []
    for (one, _), halves in zip(moved, pairs, strict=True):
        first, second = (rule.label(half) for half in halves)
        mixture = fit_mixture(one, first, covariance, weight)
        sure.append(same_label_probability(one, first, rule.centers, mixture, draws))
        same.append(first == second)
    return fitted(np.concatenate(sure), np.concatenate(same), np.tile(weight, SPLITS))


def _halves(
    job: Job,
    intake: Intake,
    sample: SampledPixels,
    noise: str,
    generator: np.random.Generator,
    repeats: np.ndarray | None,
) -> list[np.ndarray]:
    """Return the latents (s, latent) of two halves of the measurement of sampled pixels."""
    values = sample.values
    if noise == "variance":
        assert sample.variance is not None
        sigma = np.sqrt(finite_variance(sample.variance))
        drawn = sigma * job.neighbours.correlation.draw(generator, values.shape)
        parts = split_noise(values, drawn, share=0.5)
        halves = parts.made, parts.judged
    else:
        times = np.ones(len(values)) if repeats is None else repeats
        counts = np.rint(np.maximum(values, 0) * times[:, None])
        parts = thin_counts(counts, generator, share=0.5)
        halves = tuple(2 * each / times[:, None] for each in (parts.made, parts.judged))
    encode = job.segmenter.codec.encode
    return [encode(intake.apply(each.astype(np.float32)).values) for each in halves]


def _noise_of(apart: list[np.ndarray], labels: np.ndarray, k: int) -> np.ndarray:
    """Return the covariance (k, d, d) of noise in differences (n, d) of two measurements."""
    each = sum(np.einsum("ni,nj->nij", some, some) for some in apart) / (2 * len(apart))
    overall = each.mean(axis=0)
    found = [each[labels == c].mean(axis=0) if (labels == c).any() else overall for c in range(k)]
    return np.stack(found)


def fitted(sure: np.ndarray, same: np.ndarray, weight: np.ndarray) -> Calibration:
    """Return the line of the largest likelihood; of few labels that differ, that of no change.

    Parameters
    ----------
    sure : array (n,)
        Probabilities of a model.
    same : array (n,), bool
        Whether the labels were the same.
    weight : array (n,)

    Examples
    --------
    >>> import numpy as np
    >>> generator = np.random.default_rng(0)
    >>> sure = generator.uniform(0.5, 1.0, 9000)
    >>> line = fitted(sure, generator.uniform(size=9000) < sure - 0.2, np.ones(9000))
    >>> line.apply(np.array([0.8])).round(1).tolist()
    [0.6000000238418579]
    """
    if np.count_nonzero(~same) < _DIFFERENT:
        return Calibration()
    odds = logit(np.clip(sure.astype(np.float64), 1 - SURE, SURE))
    weight = weight / weight.mean()

    def misfit(line: np.ndarray) -> tuple[float, np.ndarray]:
        found, away = line[0] + line[1] * odds, line - [0, 1]
        apart = weight * (expit(found) - same)
        # A normal prior around no change keeps the line where little is known.
        cost = weight @ (np.logaddexp(0, found) - same * found) + away @ away / 2
        return float(cost), np.array([apart.sum(), apart @ odds]) + away

    offset, slope = minimize(misfit, Calibration(), jac=True, method="BFGS").x
    return Calibration(float(offset), max(0.0, float(slope)))
