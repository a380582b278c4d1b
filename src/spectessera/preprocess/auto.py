"""What suits a cube, told by its noise alone: no label and no result is looked at.

Where noise is most of what differs between spectra (counts, faint lines), square roots make it
even, whitening lifts the little that is not noise, and the sphere takes away how bright a pixel
is. Where spectra hardly have noise (reflectance), whitening would lift what little noise there is.
docs/design/0010-metric.md has the measurements.
"""

from __future__ import annotations

import numpy as np

from .steps import scale_of

# Spectra that are judged; principal components that are not noise; the share that is a lot.
SAMPLE_SPECTRA = 2048
COMPONENTS = 10
NOISY = 0.3
# Dimensions from which on the sphere is taken.
SPHERE = 4


def noise_share(inputs: np.ndarray) -> float:
    """Return the share of the variance outside the first ten principal components.

    Parameters
    ----------
    inputs : array (n, channel)

    Returns
    -------
    float
        From 0 to 1; 0 for equal spectra.
    """
    wide = inputs.astype(np.float64)
    wide -= wide.mean(axis=0)
    total = np.square(wide).sum()
    if total <= 0:
        return 0.0
    gram = wide @ wide.T if len(wide) < wide.shape[1] else wide.T @ wide
    first = np.linalg.eigvalsh(gram)[-COMPONENTS:].sum()
    return float(np.clip(1 - first / total, 0.0, 1.0))


def suited_stabilisation(inputs: np.ndarray) -> str | None:
    """Return "sqrt" for noisy or non-negative spectra, else None: what is below 0 is data then.

    Parameters
    ----------
    inputs : array (n, channel)
        Neither stabilised nor normalised.
    """
    even = inputs / scale_of(inputs, "l2")[:, None]
    return "sqrt" if inputs.min() >= 0 or noise_share(even) > NOISY else None


def suited_metric(noise: float, latent: int) -> str:
    """Return the metric for inputs with that share of noise, of latents of so many dimensions.

    On a sphere one dimension is lost, which few can spare.
    """
    plain = "whitened" if noise > NOISY else "half-whitened"
    return f"{plain}-sphere" if latent >= SPHERE else plain


def suited_denoising(noise: float) -> float:
    """Return how much noise training adds to inputs with that share of noise."""
    return 1.0 if noise > NOISY else 0.0
