"""Clusters that differ only in brightness: one material in several thicknesses, or light."""

from __future__ import annotations

import numpy as np

from spectessera.warning import ResultWarning, make_warning

from ._clusters import FEWEST_PIXELS, ClusterMap, ClusterSpectra, cluster_list

# The sine of the angle between two spectra is the part of one that is not
# the other one scaled; light and thickness do not change it (Kruse et al. 1993).
# Below this sine, two spectra have the same shape, however many counts there are: doubling the
# thickness turns simulated paints by as much, another pigment by 0.3 (lead-tin yellow, 0.05).
SAME_SHAPE = 0.05
# Up to this sine they have, if the difference is within the noise; beyond, noise hides too much.
UNLIKE_SHAPE = 0.15
# Standard deviations of the chi-squared-like sum of squares from which it is more than noise.
SIGNIFICANT = 3.0
# A channel (or a few in a row) that differs by more is a separate line: a trace element hardly
# turns a spectrum. It must exceed the noise of thousands of channels and the background.
OWN_LINE = 0.25
LINE_SIGNIFICANT = 5.0
BACKGROUND = 0.01
LINE_WIDTHS = (1, 5)
BRIGHTER = 1.2
# Any two spectra of one channel have the same shape, and of two channels nearly so.
FEWEST_CHANNELS = 3
# This sine of the angle between the bands above a background: half of the sum of squares.
UNLIKE_BANDS = 0.7


def brightness_only(
    image: ClusterMap, spectra: ClusterSpectra, normalised: str | None
) -> list[ResultWarning]:
    """Return the warnings; ``normalised`` is how, None where they were not."""
    norm = np.linalg.norm(spectra.mean, axis=1)
    found = []
    for group in _one_shape(spectra, norm):
        bright, faint = group[0], group[-1]  # by brightness
        factor = norm[bright] / norm[faint]
        if factor < BRIGHTER:
            continue
        clusters = np.sort(image.numbers[group]).tolist()
        most, least = image.numbers[[bright, faint]]
        times = f"{factor:.1f}" if factor < 10 else f"{factor:.0f}"
        compared = "" if len(group) == 2 else f" as {least}"
        if normalised is None:
            advice = "normalise the spectra (--normalise l2) or read these clusters as one"
        else:
            advice = (
                f"the spectra are normalised ({normalised}), so the faint ones may be separated "
                "by their noise; read them as one or ask for fewer clusters (--clusters NUMBER)"
            )
        found.append(
            make_warning(
                "W-CLUSTER-BRIGHTNESS",
                {
                    "clusters": cluster_list(clusters),
                    "factor": f"{most} is {times} times as bright{compared}",
                    "advice": advice,
                },
                tuple(clusters),
            )
        )
    return found


def _one_shape(spectra: ClusterSpectra, norm: np.ndarray) -> list[list[int]]:
    """Group clusters of the same shape with the brightest of them, which has the least noise."""
    if len(spectra.channel) < FEWEST_CHANNELS:
        return []
    usable = (norm > 0) & (spectra.size >= FEWEST_PIXELS)
    unit = spectra.mean / np.where(norm > 0, norm, 1.0)[:, None]
    near = unit @ unit.T >= np.sqrt(1 - UNLIKE_SHAPE**2)
    groups: list[list[int]] = []
    for k in np.argsort(-norm, kind="stable"):
        if not usable[k]:
            continue
        for group in groups:
            if near[k, group[0]] and _same_shape(spectra, group[0], k):
                group.append(int(k))
                break
        else:
            groups.append([int(k)])
    return [group for group in groups if len(group) > 1]


def _same_shape(spectra: ClusterSpectra, bright: int, faint: int) -> bool:
    """Return whether one mean spectrum is the other one scaled, within noise and a tolerance.

    The measured residual contains the noise, so if it is small the shapes agree whatever the
    noise; a larger one may be noise, but only up to a bound: nothing is said of spectra that
    are dominated by noise.
    """
    a, b = spectra.mean[[bright, faint]]
    scale = (a @ b) / (a @ a)
    expected, residual = scale * a, b - scale * a
    of_mean = spectra.variance / np.maximum(spectra.size, 1)[:, None]
    variance = scale**2 * of_mean[bright] + of_mean[faint]
    sine = np.linalg.norm(residual) / np.linalg.norm(b)
    excess = (residual**2 - variance).sum()
    noisy = excess <= SIGNIFICANT * np.sqrt(2 * (variance**2).sum())
    if sine > (UNLIKE_SHAPE if noisy else SAME_SHAPE):
        return False
    pair = [bright, faint]
    if spectra.bands is not None and _unlike_bands(spectra.bands[pair], of_mean[pair]):
        return False
    return not any(
        _has_own_line(*(boxes(each, width) for each in (residual, variance, expected, b)))
        for width in LINE_WIDTHS
        if width <= len(residual)
    )


def _unlike_bands(bands: np.ndarray, variance: np.ndarray) -> bool:
    """Return whether bands (2, c) above a background have two shapes, beyond noise (2, c)."""
    a, b = bands
    scale = (a @ b) / max(float(a @ a), np.finfo(float).tiny)
    residual, noise = b - scale * a, scale**2 * variance[0] + variance[1]
    excess = (residual**2 - noise).sum()
    sine = np.sqrt(max(excess, 0.0)) / max(float(np.linalg.norm(b)), np.finfo(float).tiny)
    return bool(excess > SIGNIFICANT * np.sqrt(2 * (noise**2).sum()) and sine > UNLIKE_BANDS)


def boxes(values: np.ndarray, width: int) -> np.ndarray:
    """Return sums of neighbouring channels."""
    return np.convolve(values, np.ones(width), mode="valid")


def _has_own_line(
    residual: np.ndarray, variance: np.ndarray, expected: np.ndarray, measured: np.ndarray
) -> bool:
    """Return whether some channel differs strongly, beyond its noise and the background."""
    level = np.maximum(np.abs(expected), np.abs(measured))
    differs = np.abs(residual) > np.maximum(OWN_LINE * level, BACKGROUND * level.max())
    return bool((differs & (residual**2 > LINE_SIGNIFICANT**2 * variance)).any())
