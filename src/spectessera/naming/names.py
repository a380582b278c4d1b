"""Names of the clusters of a result, from the lines of their mean spectra."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import xarray as xr

from spectessera.axis import Axis
from spectessera.channels import good_channels, zero_peak
from spectessera.cube import spectral_axis
from spectessera.optical.ranges import is_optical
from spectessera.optical.redshift import Redshift, fit_redshift
from spectessera.preprocess.recipe import Preprocess
from spectessera.result import per_cluster, preprocessing, require
from spectessera.warning import ResultWarning, make_warning

from .candidates import Candidate, Line, Naming
from .optical.gasclass import name_nebula
from .peaks import differing_peaks
from .pigments.match import pigment_candidates
from .shapes import with_shapes
from .xray.elements import XraySettings, line_width, name_xray

# Spectra with fewer channels do not resolve lines.
FEWEST_CHANNELS = 30
# Channels: least full width at half maximum of a line.
NARROWEST = 3.0
# Widths of a line: the continuum at its place is the median within.
CONTINUUM = 5.0
# Least score of a candidate that gives a name, and the largest number of elements in a name.
LIKELY = 0.5
FEW = 4


def name_clusters(
    result: xr.Dataset,
    *,
    redshift: float | None = None,
    anode: str | None = None,
    library: xr.Dataset | None = None,
) -> list[Naming]:
    """Name the lines in the mean spectrum of every cluster, and their possible origins.

    Depends on the spectral axis. Energy: elements and, if the spectra are counts, pigments
    (:mod:`spectessera.naming.xray.elements`, :mod:`spectessera.naming.pigments.match`). Optical
    wavelengths: ions, the class of the gas, and a common redshift of all clusters
    (:mod:`spectessera.naming.optical.lines`). Energy losses: edges; wavenumbers, and wavelengths
    along which no lines of gas are resolved: bands (:mod:`spectessera.naming.bands`). Any axis: the
    spectra of a library that fit (:mod:`spectessera.naming.library`).

    Parameters
    ----------
    result : Dataset
        Of :func:`spectessera.segment` or a baseline: ``mean_spectrum`` and ``std_spectrum``
        (cluster, channel), ``size (cluster)``.
    redshift : float, optional
        Of all clusters; by default that of the preprocessing, otherwise it is fitted.
    anode : str, optional
        Of the X-ray tube, such as "Rh": its lines are attributed to the instrument. By default the
        attribute ``anode`` of the result, if there is one.
    library : Dataset, optional
        Of :func:`spectessera.read_library`.

    Returns
    -------
    list of Naming
        One for every cluster, in their order. The standard error of a mean spectrum follows from
        the spread of the pixels; for a single pixel of counts it is the square root of the counts.

    Raises
    ------
    ValueError
        If the anode is unknown, the result has no mean spectra, or no spectrum of the library
        covers half of the channels of the cube.
    """
    require(result, "mean_spectrum", "std_spectrum", "size", purpose="the naming of clusters")
    result = good_channels(result)
    optical = is_optical(spectral_axis(result["mean_spectrum"]))
    named = _by_lines(result, redshift, anode)
    return with_shapes(named, result, mean_errors(result), library, optical=optical)


def _by_lines(result: xr.Dataset, redshift: float | None, anode: str | None) -> list[Naming]:
    """Return the names by lines of elements or ions."""
    axis = spectral_axis(result["mean_spectrum"])
    settings = XraySettings(anode=anode or result.attrs.get("anode") or None)
    means = per_cluster(result, "mean_spectrum")
    errors = mean_errors(result)
    sizes = result["size"].values
    if len(axis) < FEWEST_CHANNELS:
        return [Naming() for _ in sizes]
    if axis.kind == "energy":
        counted = result.attrs.get("confidence_noise") == "counts"
        named = [
            _xray(mean, error, int(size), axis, settings, counted)
            for mean, error, size in zip(means, errors, sizes, strict=True)
        ]
        return _with_common_calibration(named, sizes)
    if is_optical(axis):
        known = preprocess_redshift(result) if redshift is None else redshift
        return _optical(means, errors, axis, known)
    return [Naming() for _ in sizes]


def mean_errors(result: xr.Dataset) -> np.ndarray:
    """Return the standard errors (cluster, channel) of the means; NaN if they are unknown."""
    size = result["size"].values[:, None].astype(np.float64)
    spread = per_cluster(result, "std_spectrum")
    if result.attrs.get("confidence_noise") == "counts":
        # A few pixels may agree by chance; counts have at least Poisson noise.
        mean = np.maximum(per_cluster(result, "mean_spectrum"), 0.0)
        spread = np.maximum(spread, np.sqrt(np.maximum(mean, 1 / np.maximum(size, 1))))
    else:
        spread = np.where(size < 2, np.nan, spread)
    return spread / np.sqrt(np.maximum(size, 1))


def _usable(mean: np.ndarray, error: np.ndarray) -> bool:
    return bool(np.isfinite(mean).all() and np.isfinite(error).all() and (error > 0).any())


# --- X-rays ------------------------------------------------------------------------------------


def _xray(
    mean: np.ndarray,
    error: np.ndarray,
    size: int,
    axis: Axis,
    settings: XraySettings,
    counted: bool,
) -> Naming:
    if size == 0 or not _usable(mean, error):
        return Naming()
    naming = name_xray(mean, error, axis, settings)
    if not counted or not naming.peaks:
        return naming
    pigments = pigment_candidates(mean, size, axis, naming=naming)
    return replace(naming, candidates=(*pigments, *naming.candidates))


def _with_common_calibration(namings: list[Naming], sizes: np.ndarray) -> list[Naming]:
    """Remove all names if the calibration is wrong for clusters with most of the pixels.

    All pixels share one axis: if it is wrong, the names of the other clusters are chance matches.
    """
    wrong = [any(each.code == "W-NAME-CALIBRATION" for each in n.warnings) for n in namings]
    if 2 * sizes[wrong].sum() <= sizes[[bool(each.peaks) for each in namings]].sum():
        return namings
    warnings = (make_warning("W-NAME-CALIBRATION-ELSEWHERE"),)
    return [
        naming
        if reported
        else replace(naming, candidates=(), unexplained=naming.peaks, warnings=warnings)
        for naming, reported in zip(namings, wrong, strict=True)
    ]


# --- optical spectra ---------------------------------------------------------------------------


def preprocess_redshift(result: xr.Dataset) -> float | None:
    """Return the redshift that was given for the model or the preprocessing; None if none was."""
    given = result.attrs.get("redshift")
    if result.attrs.get("redshift_given") == 1 and isinstance(given, float):
        return given
    try:
        redshift = Preprocess(redshift=preprocessing(result).get("redshift", 0.0)).redshift
    except (TypeError, ValueError):  # a result of another program
        return None
    return redshift or None


def _optical(
    means: np.ndarray, errors: np.ndarray, axis: Axis, known: float | None
) -> list[Naming]:
    good = [_usable(mean, error) for mean, error in zip(means, errors, strict=True)]
    shift: float | Redshift | None = known
    if known is None and any(good):
        shift = fit_redshift(means[good], errors[good], axis)
    named = _name_all(means, errors, axis, good, shift)
    if known is None and shift is not None and not any(each.of_kind("line") for each in named):
        return _name_all(
            means, errors, axis, good, None
        )  # a redshift without lines is not reliable
    return named


def _name_all(
    means: np.ndarray,
    errors: np.ndarray,
    axis: Axis,
    good: list[bool],
    shift: float | Redshift | None,
) -> list[Naming]:
    return [
        _sensible(name_nebula(mean, error, axis, redshift=shift), mean, axis) if fine else Naming()
        for mean, error, fine in zip(means, errors, good, strict=True)
    ]


def _sensible(naming: Naming, mean: np.ndarray, axis: Axis) -> Naming:
    """Remove absorption without a continuum, and warnings that are about lines if there are none.

    A line cannot absorb more than the light that is there.
    """
    step = float(np.median(np.abs(np.diff(axis.values))))

    def absorbs_too_much(candidate: Candidate) -> bool:
        for line in candidate.lines:
            if line.peak is not None and line.peak.area < 0:
                near = np.abs(axis.values - line.peak.position) < CONTINUUM * line.peak.width
                depth = -line.peak.area * step / line.peak.width
                if depth > max(float(np.nanmedian(mean[near])), 0.0):
                    return True
        return False

    candidates = tuple(each for each in naming.candidates if not absorbs_too_much(each))
    named = any(each.kind == "line" for each in candidates)
    emission = any(peak.area > 0 for peak in naming.peaks)
    pointless = set() if named else {"W-NAME-MEDIUM"}
    pointless |= set() if emission or named else {"W-NAME-REDSHIFT-UNKNOWN"}
    warnings = tuple(each for each in naming.warnings if each.code not in pointless)
    return replace(naming, candidates=candidates, warnings=warnings)


# --- differences between clusters --------------------------------------------------------------


def distinguishing_lines(
    result: xr.Dataset, first: int, second: int, namings: list[Naming] | None = None
) -> tuple[tuple[Line, float], ...]:
    """Return the lines that distinguish two clusters, the most significant first.

    Parameters
    ----------
    result : Dataset
        As for :func:`name_clusters`.
    first, second : int
        Numbers of the clusters in the result.
    namings : list of Naming, optional
        Of all clusters, in their order; they provide the names of the lines.

    Returns
    -------
    tuple of (Line, float)
        The line, and its difference in standard errors, positive if it is stronger in the first
        cluster, after scaling both spectra to the same sum. The zero peak of an X-ray detector is
        left out: it is no line.

    Raises
    ------
    ValueError
        If the result has no such cluster.
    """
    numbers = result["cluster"].values.tolist()
    for number in (first, second):
        if number not in numbers:
            raise ValueError(f"there is no cluster {number}; there are {numbers}")
    result = good_channels(result)
    one, other = places = numbers.index(first), numbers.index(second)
    means, errors = per_cluster(result, "mean_spectrum"), mean_errors(result)
    axis = spectral_axis(result["mean_spectrum"])
    held = zero_peak(axis, means)
    if held is not None:
        axis = Axis(axis.values[~held], axis.unit, kind=axis.kind)
        means, errors = means[:, ~held], errors[:, ~held]
    usable = all(_usable(means[place], errors[place]) for place in places)
    if len(axis) < FEWEST_CHANNELS or not usable:
        return ()
    lines = []
    for place in places:
        for candidate in namings[place].candidates if namings else ():
            if candidate.kind in ("element", "line") and candidate.score >= LIKELY:
                lines += candidate.lines
    differences = differing_peaks(
        means[one], means[other], errors[one], errors[other], axis,
        width=_line_width(axis), lines=tuple(lines),
    )  # fmt: skip
    return tuple(sorted(differences, key=lambda each: -abs(each[1])))


def _line_width(axis: Axis) -> float:
    """Return the width of a line in the middle of the axis, in its unit."""
    step = float(np.median(np.abs(np.diff(axis.values))))
    if axis.kind != "energy":
        return NARROWEST * step
    unit = float(Axis(np.ones(1), axis.unit).to("keV").values[0])  # in keV
    middle = float(np.median(axis.values)) * unit
    return max(NARROWEST * step, float(line_width().width(middle)) / unit)


# --- summaries ---------------------------------------------------------------------------------


def title_of(naming: Naming) -> str:
    """Return the name of a cluster: of a library, its pigment, class of gas, elements or ions."""
    undecided = any(each.code == "W-NAME-GAS-UNDECIDED" for each in naming.warnings)
    for kind in ("library", "pigment", *(() if undecided else ("class",))):
        best = naming.of_kind(kind)
        if best and best[0].score >= LIKELY:
            return best[0].name
    likely = [each for each in naming.of_kind("element", "line") if each.score >= LIKELY]
    # More than a few: those of the strongest lines, or silicon would be missing in a silicate.
    few = sorted(likely, key=_strength, reverse=True)[:FEW]
    # Elements by the strength of their lines, as they are read; ions by their scores.
    ranked = few if all(each.kind == "element" for each in few) else likely
    return ", ".join(each.name for each in ranked if each in few)


def _strength(candidate: Candidate) -> float:
    """Return the significance of the strongest detected line of a candidate."""
    peaks = (each.peak for each in candidate.lines)
    return max((each.significance for each in peaks if each is not None), default=0.0)


def naming_warnings(namings: list[Naming], numbers: list[int] | None = None) -> list[ResultWarning]:
    """Return the warnings of all namings, each once, with the clusters that it is about.

    Parameters
    ----------
    namings : list of Naming
    numbers : list of int, optional
        Of the clusters, in the order of ``namings``; by default from 1.
    """
    clusters = numbers or list(range(1, len(namings) + 1))
    affected: dict[ResultWarning, list[int]] = {}
    for cluster, naming in zip(clusters, namings, strict=True):
        for warning in naming.warnings:
            affected.setdefault(warning, []).append(cluster)
    return [
        warning
        if len(which) == len(namings)
        else ResultWarning(
            warning.code,
            f"cluster{'s' if len(which) > 1 else ''} {', '.join(map(str, which))}: {warning.text}",
            tuple(which),
        )
        for warning, which in affected.items()
    ]


def lines_of(naming: Naming) -> list[dict[str, object]]:
    """Return the detected lines for the summary: name, origin, positions, significance."""

    def row(candidate: Candidate, line: Line) -> dict[str, object]:
        assert line.peak is not None
        return {
            "line": line.name,
            "of": candidate.name,
            "expected": line.position,
            "position": line.peak.position,
            "significance": line.peak.significance,
        }

    kinds = ("element", "line", "instrument")
    return [
        row(candidate, line)
        for candidate in naming.of_kind(*kinds)
        for line in candidate.lines
        if line.peak is not None
    ]
