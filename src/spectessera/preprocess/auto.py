"""Settings that suit a cube, chosen by what is known of its spectra and by nothing else.

If spectra differ mostly by noise (counts, faint lines), square roots make the noise uniform,
whitening amplifies the small part that is not noise, and the unit sphere removes the brightness of
a pixel. If spectra have little noise, whitening would amplify this noise. Reflectances have no
noise for a square root to make uniform and no background for the unit sphere to remove: division by
the root sum of squares removes their brightness.
docs/design/0010-metric.md has the measurements.
"""

from __future__ import annotations

import numpy as np

from .steps import scale_of

# Number of spectra that the settings are chosen by; principal components that are taken for signal;
# share of the variance outside them from which on spectra are noisy.
SAMPLE_SPECTRA = 2048
COMPONENTS = 10
NOISY = 0.3
# Least number of latent dimensions for the unit sphere.
SPHERE = 4
# Median over the largest value of a spectrum, from which on it is a continuum; lines have less.
CONTINUUM = 0.1
# Metric of principal components of counts (docs/design/0019-fixed-encoder.md).
OF_COUNTS = "half-whitened"
# Attribute of averages of spectra: what the noise of each is (spectessera.cube.noise_of).
AVERAGED = "averaged_noise"
# Spectral axes along which light is emitted, on a background that no division removes.
EMITTED = ("energy", "energy_loss", "wavenumber")


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
    centred = inputs.astype(np.float64)
    centred -= centred.mean(axis=0)
    total = np.square(centred).sum()
    if total <= 0:
        return 0.0
    few = len(centred) < centred.shape[1]
    gram = centred @ centred.T if few else centred.T @ centred
    first = np.linalg.eigvalsh(gram)[-COMPONENTS:].sum()
    return float(np.clip(1 - first / total, 0.0, 1.0))


def stabilisation_for(inputs: np.ndarray) -> str | None:
    """Return "sqrt" for noisy or non-negative spectra, else None: negative values are then data.

    Parameters
    ----------
    inputs : array (n, channel)
        Neither stabilised nor normalised.
    """
    normalised = inputs / scale_of(inputs, "l2")[:, None]
    return "sqrt" if inputs.min() >= 0 or noise_share(normalised) > NOISY else None


def are_reflectances(inputs: np.ndarray, kind: str) -> bool:
    """Return whether spectra whose noise is not known look like reflectances.

    They are continua, nowhere negative and with little noise, and not of emitted light.

    Parameters
    ----------
    inputs : array (n, channel)
        Neither stabilised nor normalised.
    kind : str
        Of their axis, see :class:`spectessera.axis.Axis`.

    Examples
    --------
    >>> import numpy as np
    >>> spectra = np.random.default_rng(0).uniform(0.5, 1, (9, 1)) * np.linspace(0.2, 1, 20)
    >>> are_reflectances(spectra, "wavelength"), are_reflectances(spectra, "energy")
    (True, False)
    """
    if kind in EMITTED or inputs.min() < 0:
        return False
    middle = np.median(inputs, axis=1) / np.maximum(inputs.max(axis=1), np.finfo(np.float32).tiny)
    few = noise_share(inputs / scale_of(inputs, "l2")[:, None]) <= NOISY
    return bool(few and np.median(middle) >= CONTINUUM)


def metric_for(noise: float, latent: int) -> str:
    """Return the metric for a share of noise in the inputs and a number of latent dimensions.

    The sphere takes one dimension, which a latent of few dimensions needs.
    """
    plain = "whitened" if noise > NOISY else "half-whitened"
    return f"{plain}-sphere" if latent >= SPHERE else plain


def denoising_for(noise: float) -> float:
    """Return how much noise is added in training to inputs with that share of noise."""
    return 1.0 if noise > NOISY else 0.0
