"""The excitation of ionised gas, from line ratios in diagnostic planes.

The planes are those of Baldwin, Phillips & Terlevich 1981 and Veilleux & Osterbrock 1987, the
curves those of Kewley et al. 2001, Kauffmann et al. 2003 and Kewley et al. 2006
(:mod:`spectessera.synth.nebulae.bpt`). Shocks have [SII] / H alpha above 0.4 (Mathewson & Clarke
1973, ApJ 180, 725); planetary nebulae have weak [SII] and strong [OIII] (Frew & Parker 2010, PASA
27, 129). The ratios are of lines at similar wavelengths; they are not corrected for reddening, and
H beta is not corrected for stellar absorption. A class is a hint: it is not certain without further
evidence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from spectessera.axis import Axis
from spectessera.naming.candidates import Candidate, Line, Naming
from spectessera.optical.redshift import Redshift
from spectessera.synth.nebulae.bpt import kauffmann, kewley_nii, kewley_sii
from spectessera.warning import ResultWarning, make_warning

from .lines import FittedLine, LineFit, fit_lines, naming_of

HII, COMPOSITE, LINER = "HII region", "composite", "shock or LINER"
AGN, PN = "AGN (Seyfert-like) or fast shock", "planetary nebula-like"
HARD = "AGN, shock or planetary nebula"  # if [SII] is not on the axis
NO_HII = "no HII region (AGN, LINER or shock)"  # from [NII] / H alpha alone

DRAWS = 2000  # of the fluxes within their errors
CURVE_ERROR = 0.1  # dex, of the curves (Kewley et al. 2001)
SHOCKED = np.log10(0.4)  # least log [SII] / H alpha of shocked gas
WEAK, BRIGHT = -0.6, 0.6  # largest log [SII] / H alpha, least log [OIII] / H beta of PNe
ASYMPTOTE = 0.05  # of Kauffmann's curve: largest log [NII] / H alpha of HII regions
DECIDED = 0.6  # least share of the draws for a decision
REPORTED = 0.1  # least share of the draws for a candidate
LIMIT = 3.0  # standard errors below which a ratio is a limit

_ALPHA, _BETA, _OIII, _NII = "Ha 6563", "Hb 4861", "[OIII] 5007", "[NII] 6583"
_SII = ("[SII] 6716", "[SII] 6731")


def name_nebula(
    spectrum: Any, error: Any, axis: Axis, *, redshift: float | Redshift | None
) -> Naming:
    """Name the lines of one spectrum and the class of the gas.

    Parameters
    ----------
    spectrum, error, axis, redshift
        As for :func:`~spectessera.naming.optical.lines.fit_lines`.

    Returns
    -------
    Naming
        As from :func:`~spectessera.naming.optical.lines.name_emission`, with candidates of kind
        "class"; a warning if the class is undecided.

    Raises
    ------
    ValueError, TypeError
        As for :func:`~spectessera.naming.optical.lines.fit_lines`.
    """
    fit = fit_lines(spectrum, error, axis, redshift=redshift)
    named = naming_of(fit)
    classes, warnings = line_class(fit)
    return replace(named, candidates=named.candidates + classes, warnings=named.warnings + warnings)


def line_class(fit: LineFit) -> tuple[tuple[Candidate, ...], tuple[ResultWarning, ...]]:
    """Return the possible classes of the gas.

    Fluxes are drawn 2000 times within their errors, so lines that are not detected act as upper
    limits; the score of a class is the share of the draws in its region.

    Parameters
    ----------
    fit : LineFit

    Returns
    -------
    candidates : tuple of Candidate
        Of kind "class", the likeliest first; they need H alpha, and H beta or [OIII].
    warnings : tuple of ResultWarning
        Why nothing is decided; none where no line of the gas is seen.
    """
    own = {name: fit.line(name) for name in (_ALPHA, _BETA, _OIII, _NII)}
    detected = {name for name, line in own.items() if line and line.peak and line.flux > 0}
    if not any(line.kind == "gas" and line.peak for line in fit.lines):
        return (), ()
    sulphur = _sulphur(fit)
    if _ALPHA not in detected:
        return (), _undecided(": H alpha is not detected")
    if None in own.values() or not detected & {_BETA, _OIII}:
        return _nitrogen_class(own, detected)
    lines = {name: line for name, line in own.items() if line}
    drawn = _draw(lines, sulphur)
    names = regions(*drawn)
    shares = {name: float((names == name).mean()) for name in dict.fromkeys(names.tolist())}
    evidence = _evidence(lines, sulphur)
    used = [line for line in (*lines.values(), *sulphur) if line.peak]
    candidates = [
        Candidate(name, "class", share, _as_lines(used), evidence)
        for name, share in shares.items()
        if share >= REPORTED
    ]
    candidates.sort(key=lambda each: (-each.score, each.name))
    if candidates[0].score < DECIDED:
        options = " and ".join(each.name for each in candidates[:2])
        return tuple(candidates), _undecided(f" between {options}: {evidence}")
    return tuple(candidates), ()


def _undecided(why: str) -> tuple[ResultWarning, ...]:
    return (make_warning("W-NAME-GAS-UNDECIDED", {"why": why}),)


def _sulphur(fit: LineFit) -> tuple[FittedLine, ...]:
    """Return the doublet of [SII]; empty unless both lines are on the axis."""
    blend = fit.line("[SII] 6716+6731")
    if blend is not None:
        return (blend,)
    doublet = tuple(line for line in map(fit.line, _SII) if line is not None)
    return doublet if len(doublet) == 2 else ()


def _nitrogen_class(
    own: dict[str, FittedLine | None], detected: set[str]
) -> tuple[tuple[Candidate, ...], tuple[ResultWarning, ...]]:
    """Return the class from [NII] / H alpha alone, which may exceed that of any HII region."""
    alpha, nitrogen = own[_ALPHA], own[_NII]
    missing = [name for name in (_BETA, _OIII, _NII) if own[name] is None]
    why = f"not on the axis: {', '.join(missing)}" if missing else "H beta and [OIII] not detected"
    if alpha is None or nitrogen is None or _NII not in detected:
        return (), _undecided(f" ({why})")
    ratio, value, spread = _ratio("[NII]/Ha", [nitrogen], [alpha])
    generator = np.random.default_rng(0)
    drawn = value + np.hypot(spread, CURVE_ERROR) * generator.standard_normal(DRAWS)
    share = float((drawn > ASYMPTOTE).mean())
    if share < 0.95:
        return (), _undecided(f" ({why}): {ratio}")
    evidence = f"{ratio}, too high for excitation by stars; {why}"
    return (Candidate(NO_HII, "class", share, _as_lines([alpha, nitrogen]), evidence),), ()


def _draw(
    lines: dict[str, FittedLine], sulphur: Sequence[FittedLine]
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Return log [NII] / Ha, log [OIII] / Hb and log [SII] / Ha (draw,), None without [SII]."""
    generator = np.random.default_rng(0)

    def flux(line: FittedLine) -> np.ndarray:
        value = line.flux + line.error * generator.standard_normal(DRAWS)
        return np.maximum(value, 0.1 * line.error)  # fluxes are positive

    alpha, beta = flux(lines[_ALPHA]), flux(lines[_BETA])
    oiii, nii = flux(lines[_OIII]), flux(lines[_NII])
    sii = np.sum([flux(line) for line in sulphur], axis=0) if sulphur else None
    x = np.log10(nii / alpha) + CURVE_ERROR * generator.standard_normal(DRAWS)
    y = np.log10(oiii / beta) + CURVE_ERROR * generator.standard_normal(DRAWS)
    return x, y, None if sii is None else np.log10(sii / alpha)


def regions(nii: np.ndarray, oiii: np.ndarray, sii: np.ndarray | None) -> np.ndarray:
    """Return the name of the region (draw,) that contains the ratios."""
    beyond = oiii > kewley_nii(nii)
    soft = np.where(oiii > kauffmann(nii), COMPOSITE, HII)
    if sii is None:
        return np.where(beyond, HARD, soft)
    # Seyferts lie above this line, LINERs below (Kewley et al. 2006, MNRAS 372, 961, eq. 8).
    seyfert = oiii > 1.89 * sii + 0.76
    shocked = (sii > SHOCKED) & (oiii > kewley_sii(sii))
    hard = np.where(seyfert, AGN, LINER)
    nebula = beyond & (sii < WEAK) & (oiii > BRIGHT)
    return np.where(nebula, PN, np.where(beyond | shocked, hard, soft))


def _ratio(
    name: str, top: Sequence[FittedLine], bottom: Sequence[FittedLine]
) -> tuple[str, float, float]:
    """Return a ratio as text, its decimal logarithm and the error of the logarithm."""
    over, under = sum(line.flux for line in top), sum(line.flux for line in bottom)
    over_error = float(np.sqrt(sum(line.error**2 for line in top)))
    under_error = float(np.sqrt(sum(line.error**2 for line in bottom)))
    if over < LIMIT * over_error:
        limit = np.log10((max(over, 0.0) + LIMIT * over_error) / max(under, under_error))
        return f"log {name} < {limit:.2f}", float(limit), np.inf
    if under < LIMIT * under_error:
        limit = np.log10(over / (max(under, 0.0) + LIMIT * under_error))
        return f"log {name} > {limit:.2f}", float(limit), np.inf
    value = float(np.log10(over / under))
    spread = float(np.hypot(over_error / over, under_error / under) / np.log(10))
    return f"log {name} = {value:.2f} +- {spread:.2f}", value, spread


def _evidence(lines: dict[str, FittedLine], sulphur: Sequence[FittedLine]) -> str:
    """Return all ratios with their errors or limits."""
    ratios = [
        _ratio("[OIII]/Hb", [lines[_OIII]], [lines[_BETA]])[0],
        _ratio("[NII]/Ha", [lines[_NII]], [lines[_ALPHA]])[0],
    ]
    if sulphur:
        ratios.append(_ratio("[SII]/Ha", sulphur, [lines[_ALPHA]])[0])
    faint = [name for name in (_OIII, _BETA, _NII) if lines[name].peak is None]
    words = f"; from a flux too faint to be detected: {', '.join(faint)}" if faint else ""
    return ", ".join(ratios) + words


def _as_lines(lines: Sequence[FittedLine]) -> tuple[Line, ...]:
    return tuple(Line(line.name, line.position, line.peak, line.note) for line in lines)
