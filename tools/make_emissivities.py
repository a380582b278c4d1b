#!/usr/bin/env python
"""Compute the shipped table of nebular line emissivities with PyNeb.

Only this script needs PyNeb (GPL), the package does not::

    python tools/make_emissivities.py --output src/spectessera/data/nebular_emissivities.npz

The file is in numpy's npz format without pickles. Its arrays are

==================  ===================  =====================================================
``log_t``           (n_t,)               log10 of the electron temperature (K)
``log_ne``          (n_ne,)              log10 of the electron density (cm-3)
``wavelength``      (n_line,)            air wavelength (angstrom)
``ion``             (n_line,)            ion whose abundance scales the line, such as "O++"
``label``           (n_line,)            name of the line, such as "[OIII] 5007"
``log_emissivity``  (n_line, n_t, n_ne)  float32, log10(emissivity / emissivity of H beta)
``about``           (1,)                 JSON: versions, atomic data of each ion, grid, method of
                                         extrapolation, interpolation error
==================  ===================  =====================================================

Emissivities are per ion and per electron (erg cm3 / s), so the flux of a line relative to H beta
is the sum over zones of weight * (X^i / H+) * 10**log_emissivity. For a recombination line the
ion is the recombining one: He+ for He I lines, He++ for He II lines, H+ for H I lines (case B).
Collisionally excited lines are without contributions of recombination, fluorescence and charge
exchange.

The table is made for bilinear interpolation in (log T, log ne). Both axes are slightly uneven:
their nodes include the kinks of PyNeb's piecewise interpolation. Between these the temperature
nodes are equidistant in T**-0.5, which equalises the error for exp(-E / kT).
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyneb as pn

# One script, longer than 400 lines: the list of lines, the extrapolation and the checks are used
# only here.

T_RANGE = (4000.0, 29900.0)
NE_RANGE = (3.0, 3.0e5)
# Nodes of the recombination tables of PyNeb (Storey & Hummer 1995; Porter et al. 2012 end at
# 25000 K; densities are tabulated at each decade), where its interpolation, linear in 1 / T and
# log ne, has kinks.
T_KINKS = (5000.0, 7500.0, 10000.0, 12500.0, 15000.0, 20000.0, 25000.0)
LOG_NE_KINKS = (1.0, 2.0, 3.0, 4.0, 5.0)
WAVELENGTH_TOLERANCE = 0.2  # Angstrom, between the list below and PyNeb's energy levels
MODES = {"rec": pn.RecAtom, "coll": pn.Atom}


@dataclass(frozen=True)
class Line:
    """An emission line and its transition in PyNeb.

    Attributes
    ----------
    label : str
        Name of the line, as "[OIII] 5007".
    wavelength : float
        Air wavelength in Angstrom.
    ion : str
        Ion whose abundance relative to H+ scales the line.
    atom : str
        Name of the emitting atom in PyNeb, as "O3".
    kind : {"coll", "rec"}
        Collisional excitation (``pyneb.Atom``) or recombination (``pyneb.RecAtom``).
    transition : tuple of int or str
        Upper and lower level (1 is the ground level; for hydrogenic atoms the principal quantum
        numbers), or the label in PyNeb's table for lines that PyNeb has by wavelength only.
    """

    label: str
    wavelength: float
    ion: str
    atom: str
    kind: str
    transition: tuple[int, int] | str


# Lines are given by pairs of levels: PyNeb's rounded wavelength labels are ambiguous in close
# multiplets such as [O II] 7319-7331.
# [N I]: level 2 is 2D5/2 (5200), level 3 is 2D3/2 (5198). [O II]: levels 2, 3 are 2D5/2, 2D3/2,
# levels 4, 5 are 2P3/2, 2P1/2.
LINES = (
    Line("Hb 4861", 4861.33, "H+", "H1", "rec", (4, 2)),
    Line("[OIII] 4959", 4958.91, "O++", "O3", "coll", (4, 2)),
    Line("[OIII] 5007", 5006.84, "O++", "O3", "coll", (4, 3)),
    Line("[NI] 5198", 5197.90, "N0", "N1", "coll", (3, 1)),
    Line("[NI] 5200", 5200.26, "N0", "N1", "coll", (2, 1)),
    Line("HeII 5411", 5411.52, "He++", "He2", "rec", (7, 4)),
    Line("[ClIII] 5518", 5517.71, "Cl++", "Cl3", "coll", (3, 1)),
    Line("[ClIII] 5538", 5537.87, "Cl++", "Cl3", "coll", (2, 1)),
    Line("[NII] 5755", 5754.64, "N+", "N2", "coll", (5, 4)),
    Line("HeI 5876", 5875.64, "He+", "He1", "rec", "5876.0"),
    Line("[OI] 6300", 6300.30, "O0", "O1", "coll", (4, 1)),
    Line("[SIII] 6312", 6312.10, "S++", "S3", "coll", (5, 4)),
    Line("[OI] 6364", 6363.78, "O0", "O1", "coll", (4, 2)),
    Line("[NII] 6548", 6548.05, "N+", "N2", "coll", (4, 2)),
    Line("Ha 6563", 6562.82, "H+", "H1", "rec", (3, 2)),
    Line("[NII] 6583", 6583.45, "N+", "N2", "coll", (4, 3)),
    Line("HeI 6678", 6678.15, "He+", "He1", "rec", "6678.0"),
    Line("[SII] 6716", 6716.44, "S+", "S2", "coll", (3, 1)),
    Line("[SII] 6731", 6730.82, "S+", "S2", "coll", (2, 1)),
    Line("HeI 7065", 7065.25, "He+", "He1", "rec", "7065.0"),
    Line("[ArIII] 7136", 7135.79, "Ar++", "Ar3", "coll", (4, 1)),
    Line("[OII] 7319", 7318.92, "O+", "O2", "coll", (5, 2)),
    Line("[OII] 7320", 7319.99, "O+", "O2", "coll", (4, 2)),
    Line("[OII] 7330", 7329.67, "O+", "O2", "coll", (5, 3)),
    Line("[OII] 7331", 7330.73, "O+", "O2", "coll", (4, 3)),
    Line("[ArIII] 7751", 7751.11, "Ar++", "Ar3", "coll", (4, 2)),
    Line("Pa12 8750", 8750.47, "H+", "H1", "rec", (12, 3)),
    Line("Pa11 8863", 8862.78, "H+", "H1", "rec", (11, 3)),
    Line("Pa10 9015", 9014.91, "H+", "H1", "rec", (10, 3)),
    Line("[SIII] 9069", 9068.62, "S++", "S3", "coll", (4, 2)),
    Line("Pa9 9229", 9229.01, "H+", "H1", "rec", (9, 3)),
    # Beyond the range of MUSE; at the end, so that the places of the others stay.
    Line("[OII] 3726", 3726.03, "O+", "O2", "coll", (3, 1)),
    Line("[OII] 3729", 3728.82, "O+", "O2", "coll", (2, 1)),
    Line("H9 3835", 3835.39, "H+", "H1", "rec", (9, 2)),
    Line("[NeIII] 3869", 3868.76, "Ne++", "Ne3", "coll", (4, 1)),
    Line("H8 3889", 3889.05, "H+", "H1", "rec", (8, 2)),
    Line("[NeIII] 3967", 3967.47, "Ne++", "Ne3", "coll", (4, 2)),
    Line("Hep 3970", 3970.07, "H+", "H1", "rec", (7, 2)),
    Line("[SII] 4069", 4068.60, "S+", "S2", "coll", (5, 1)),
    Line("[SII] 4076", 4076.35, "S+", "S2", "coll", (4, 1)),
    Line("Hd 4102", 4101.73, "H+", "H1", "rec", (6, 2)),
    Line("Hg 4340", 4340.47, "H+", "H1", "rec", (5, 2)),
    Line("[OIII] 4363", 4363.21, "O++", "O3", "coll", (5, 4)),
    Line("HeI 4471", 4471.48, "He+", "He1", "rec", "4471.0"),
    Line("HeII 4686", 4685.71, "He++", "He2", "rec", (4, 3)),
    Line("[SIII] 9531", 9530.60, "S++", "S3", "coll", (4, 3)),
    Line("Pa8 9546", 9545.97, "H+", "H1", "rec", (8, 3)),
)
HBETA = LINES[0]


class Emissivities:
    """Line emissivities of PyNeb, extrapolated in temperature beyond its tables.

    Collision strengths stay constant beyond their tabulated temperatures (PyNeb does so itself).
    Recombination tables give NaN there; these emissivities are extrapolated by a power law in T
    through the last two tabulated temperatures. Below the lowest tabulated density PyNeb uses
    the lowest one.
    """

    def __init__(self) -> None:
        self.atoms = {}
        for line in LINES:
            if line.atom not in self.atoms:
                self.atoms[line.atom] = MODES[line.kind](atom=line.atom)

    def pyneb_wavelength(self, line: Line) -> float | None:
        """Return the air wavelength (angstrom) from PyNeb's levels, or None without levels."""
        if isinstance(line.transition, str):
            return None
        upper, lower = line.transition
        return float(self.atoms[line.atom].wave_Ang[upper - 1, lower - 1])

    def check_identifications(self) -> None:
        """Raise ValueError if PyNeb lacks a transition or has another wavelength."""
        for line in LINES:
            atom = self.atoms[line.atom]
            if line.kind == "rec":
                name = line.transition
                if not isinstance(name, str):
                    name = "{}_{}".format(*name)
                if name not in atom.labels:
                    raise ValueError(f"{line.label}: no transition {name} in PyNeb's {line.atom}")
            found = self.pyneb_wavelength(line)
            if found is None:
                found, tolerance = float(line.transition), 0.5
            else:
                tolerance = WAVELENGTH_TOLERANCE
            if abs(found - line.wavelength) > tolerance:
                raise ValueError(f"{line.label}: PyNeb has {found:.2f}, not {line.wavelength}")

    def temperature_range(self, name: str) -> tuple[float, float]:
        """Return the lowest and highest tabulated temperature (K) of an atom of PyNeb."""
        atom = self.atoms[name]
        if isinstance(atom, pn.RecAtom):
            nodes = np.asarray(atom.temp, dtype=float)
        else:
            nodes = np.asarray(atom.CollData.getTemArray(keep_unit=False), dtype=float)
        return float(nodes.min()), float(nodes.max())

    def raw(self, line: Line, t: np.ndarray, ne: np.ndarray) -> np.ndarray:
        """Return PyNeb's emissivity (erg cm3 / s) at pairs of temperature (K) and density (cm-3).

        NaN beyond the range of a recombination table.
        """
        atom = self.atoms[line.atom]
        # PyNeb overwrites the density array that it is given, hence the copies.
        if isinstance(line.transition, str):
            value = atom.getEmissivity(t.copy(), ne.copy(), label=line.transition, product=False)
        else:
            value = atom.getEmissivity(t.copy(), ne.copy(), *line.transition, product=False)
        return np.asarray(value, dtype=float).reshape(t.shape)

    def log(self, line: Line, t: np.ndarray, ne: np.ndarray) -> np.ndarray:
        """Return log10 of the emissivity, extrapolated beyond recombination tables."""
        if line.kind == "coll":
            return np.log10(self.raw(line, t, ne))
        nodes = np.unique(np.asarray(self.atoms[line.atom].temp, dtype=float))
        result = np.log10(self.raw(line, np.clip(t, nodes[0], nodes[-1]), ne))
        for outside, edge, inner in (
            (t < nodes[0], nodes[0], nodes[1]),
            (t > nodes[-1], nodes[-1], nodes[-2]),
        ):
            if outside.any():
                density = ne[outside]
                at_inner = np.log10(self.raw(line, np.full_like(density, inner), density))
                slope = (result[outside] - at_inner) / np.log10(edge / inner)
                result[outside] += slope * np.log10(t[outside] / edge)
        return result

    def log_ratio(self, t: np.ndarray, ne: np.ndarray) -> np.ndarray:
        """Return log10 of all emissivities relative to H beta, shape (n_line, n)."""
        hbeta = self.log(HBETA, t, ne)
        return np.array([self.log(line, t, ne) - hbeta for line in LINES])


def subdivide(anchors: np.ndarray, count: int) -> np.ndarray:
    """Return ``count`` nodes: the anchors, and equidistant nodes of similar spacing between."""
    gaps = np.abs(np.diff(anchors))
    pieces = np.ones(gaps.size, dtype=int)
    while pieces.sum() < count - 1:
        pieces[np.argmax(gaps / pieces)] += 1
    parts = [
        np.linspace(start, stop, n, endpoint=False)
        for start, stop, n in zip(anchors[:-1], anchors[1:], pieces, strict=True)
    ]
    return np.append(np.concatenate(parts), anchors[-1])


def make_grid(n_t: int, n_ne: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the nodes of the table: log10 of temperature (K) and of density (cm-3)."""
    temperatures = np.array([T_RANGE[0], *T_KINKS, T_RANGE[1]])
    log_t = -2.0 * np.log10(subdivide(temperatures**-0.5, n_t))
    anchors = np.array([np.log10(NE_RANGE[0]), *LOG_NE_KINKS, np.log10(NE_RANGE[1])])
    log_ne = subdivide(anchors, n_ne)
    return log_t, log_ne


def tabulate(source: Emissivities, log_t: np.ndarray, log_ne: np.ndarray) -> np.ndarray:
    """Compute the table, shape (n_line, n_t, n_ne), float32."""
    grid_t, grid_ne = np.meshgrid(10.0**log_t, 10.0**log_ne, indexing="ij")
    # 10**log10(x) may leave the range of PyNeb's tables by one rounding error.
    grid_t = np.round(grid_t, 6)
    ratio = source.log_ratio(grid_t.ravel(), grid_ne.ravel())
    return ratio.reshape(len(LINES), log_t.size, log_ne.size).astype(np.float32)


def bilinear(
    table: np.ndarray, log_t: np.ndarray, log_ne: np.ndarray, x: np.ndarray, y: np.ndarray
) -> np.ndarray:
    """Interpolate the table at log10 T and log10 ne of shape (n,); shape (n_line, n)."""
    i = np.clip(np.searchsorted(log_t, x, side="right") - 1, 0, log_t.size - 2)
    j = np.clip(np.searchsorted(log_ne, y, side="right") - 1, 0, log_ne.size - 2)
    u = (x - log_t[i]) / (log_t[i + 1] - log_t[i])
    v = (y - log_ne[j]) / (log_ne[j + 1] - log_ne[j])
    low = (1 - v) * table[:, i, j] + v * table[:, i, j + 1]
    high = (1 - v) * table[:, i + 1, j] + v * table[:, i + 1, j + 1]
    return (1 - u) * low + u * high


def measure_error(
    source: Emissivities,
    table: np.ndarray,
    log_t: np.ndarray,
    log_ne: np.ndarray,
    n_points: int,
    seed: int,
) -> dict:
    """Return interpolation errors (per cent) at random points, log-uniform in T and ne.

    Points where PyNeb has no data are compared with the power-law extrapolation.
    """
    rng = np.random.default_rng(seed)
    x = rng.uniform(log_t[0], log_t[-1], n_points)
    y = rng.uniform(log_ne[0], log_ne[-1], n_points)
    exact = source.log_ratio(10.0**x, 10.0**y)
    error = 100.0 * np.abs(10.0 ** (bilinear(table, log_t, log_ne, x, y) - exact) - 1.0)
    return {
        "points": n_points,
        "seed": seed,
        "unit": "per cent of the emissivity relative to H-beta",
        "max": round(float(error.max()), 4),
        "rms": round(float(np.sqrt(np.mean(error**2))), 4),
        "per_line": {
            line.label: {
                "max": round(float(row.max()), 4),
                "percentile_99": round(float(np.percentile(row, 99)), 4),
                "at_t": round(float(10.0 ** x[row.argmax()]), 0),
                "at_ne": float(f"{10.0 ** y[row.argmax()]:.3g}"),
            }
            for line, row in zip(LINES, error, strict=True)
        },
    }


def exact_points(source: Emissivities, n_points: int, seed: int) -> dict:
    """Return PyNeb's values at random points, log-uniform in T and ne, to test an interpolation."""
    rng = np.random.default_rng(seed)
    t = np.round(10 ** rng.uniform(*np.log10(T_RANGE), n_points), 2)
    ne = np.round(10 ** rng.uniform(*np.log10(NE_RANGE), n_points), 2)
    ratio = np.round(source.log_ratio(t, ne).T, 5)
    return {"temperature": t.tolist(), "density": ne.tolist(), "log_ratio": ratio.tolist()}


def sanity_ratios(source: Emissivities) -> dict:
    """Return well-known line ratios without interpolation.

    At 10000 K and 100 cm-3 unless the name gives other values.
    """

    def values(t: float, ne: float) -> dict:
        ratio = 10.0 ** source.log_ratio(np.array([t]), np.array([ne]))[:, 0]
        return {line.label: value for line, value in zip(LINES, ratio, strict=True)}

    mid, low, high = values(1e4, 100.0), values(1e4, 3.0), values(1e4, 3e5)
    quartet = [mid[label] for label in mid if label.startswith("[OII] ")]
    result = {
        "Ha/Hb": mid["Ha 6563"],
        "Pa9/Hb": mid["Pa9 9229"],
        "[OIII] 5007/4959": mid["[OIII] 5007"] / mid["[OIII] 4959"],
        "[NII] 6583/6548": mid["[NII] 6583"] / mid["[NII] 6548"],
        "[OI] 6300/6364": mid["[OI] 6300"] / mid["[OI] 6364"],
        "[SII] 6716/6731": mid["[SII] 6716"] / mid["[SII] 6731"],
        "[SII] 6716/6731, ne = 3": low["[SII] 6716"] / low["[SII] 6731"],
        "[SII] 6716/6731, ne = 3e5": high["[SII] 6716"] / high["[SII] 6731"],
        "[NI] 5198/5200": mid["[NI] 5198"] / mid["[NI] 5200"],
        "[ClIII] 5518/5538": mid["[ClIII] 5518"] / mid["[ClIII] 5538"],
        "[ArIII] 7136/7751": mid["[ArIII] 7136"] / mid["[ArIII] 7751"],
        "[OII] (7319+7320)/(7330+7331)": sum(quartet[:2]) / sum(quartet[2:]),
        "HeI 5876/Hb": mid["HeI 5876"],
        "HeI 6678/Hb": mid["HeI 6678"],
        "HeI 7065/Hb": mid["HeI 7065"],
        "HeII 5411/Hb": mid["HeII 5411"],
    }
    return {name: round(float(value), 5) for name, value in result.items()}


def describe_atoms(source: Emissivities) -> dict:
    """Return files, references and tabulated temperatures by PyNeb name of the atom."""
    result = {}
    for name, atom in source.atoms.items():
        low, high = source.temperature_range(name)
        recombination = isinstance(atom, pn.RecAtom)
        if recombination:
            files = {"recombination": atom.recFitsFile}
            beyond = "power law in T"
            densities = np.asarray(atom.log_dens, dtype=float)
            extra = {"case": atom.case, "log_ne_tabulated": [densities.min(), densities.max()]}
        else:
            files = {"levels_and_transition_probabilities": atom.atomFile}
            files["collision_strengths"] = atom.collFile
            beyond = "collision strengths held constant"
            extra = {"levels": int(atom.NLevels)}
        covered = low <= T_RANGE[0] and high >= T_RANGE[1]
        result[name] = {
            "files": files,
            "temperature_tabulated": [round(low, 1), round(high, 1)],
            "beyond": "not needed" if covered else beyond,
            **extra,
            "sources": [" ".join(text.split()).rstrip(": ") for text in atom.getSources()],
        }
    return result


def describe_lines(source: Emissivities) -> list[dict]:
    """Return name, ion and wavelength of each line, and its atom and transition in PyNeb."""
    result = []
    for line in LINES:
        found = source.pyneb_wavelength(line)
        result.append(
            {
                "label": line.label,
                "wavelength": line.wavelength,
                "ion": line.ion,
                "pyneb_atom": line.atom,
                "pyneb_transition": line.transition,
                "pyneb_wavelength": None if found is None else round(found, 3),
            }
        )
    return result


def metadata(
    source: Emissivities, log_t: np.ndarray, log_ne: np.ndarray, error: dict, seed: int
) -> dict:
    """Return versions, parameters, errors and atomic data, which are written into the file."""
    return {
        "made_by": f"tools/{Path(__file__).name}",
        "pyneb": pn.__version__,
        "numpy": np.__version__,
        "parameters": {
            "temperature_range": T_RANGE,
            "density_range": NE_RANGE,
            "temperatures": int(log_t.size),
            "densities": int(log_ne.size),
            "temperature_anchors": T_KINKS,
            "log_density_anchors": LOG_NE_KINKS,
            "spacing": "T**-0.5 and log10 ne, equidistant between anchors",
        },
        "interpolation_error": error,
        "sanity": sanity_ratios(source),
        "exact": exact_points(source, 40, seed + 1),
        "atoms": describe_atoms(source),
        "lines": describe_lines(source),
    }


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    shown = argparse.ArgumentDefaultsHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], formatter_class=shown)
    add = parser.add_argument
    add("--output", type=Path, default=Path("nebular_emissivities.npz"), help="file to write")
    add("--temperatures", type=int, default=44, help="number of temperature nodes")
    add("--densities", type=int, default=31, help="number of density nodes")
    add("--points", type=int, default=20000, help="number of random points for the error")
    add("--seed", type=int, default=0, help="seed of the random points")
    add("--max-error", type=float, default=1.0, help="write no table above this error (per cent)")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Compute the table, measure its error and write the file; 1 if the error exceeds the limit."""
    options = parse_arguments(arguments)
    source = Emissivities()
    source.check_identifications()
    log_t, log_ne = make_grid(options.temperatures, options.densities)
    table = tabulate(source, log_t, log_ne)
    if not np.isfinite(table).all():
        raise ValueError("the table contains values that are not finite")
    error = measure_error(source, table, log_t, log_ne, options.points, options.seed)
    print(f"shape {table.shape}; maximum error {error['max']} %, rms {error['rms']} %")
    if error["max"] > options.max_error:
        print(f"the maximum error exceeds {options.max_error} %: no file written", file=sys.stderr)
        return 1
    about = metadata(source, log_t, log_ne, error, options.seed)
    np.savez_compressed(
        options.output,
        log_t=log_t,
        log_ne=log_ne,
        wavelength=np.array([line.wavelength for line in LINES]),
        ion=np.array([line.ion for line in LINES]),
        label=np.array([line.label for line in LINES]),
        log_emissivity=table,
        about=np.array([json.dumps(about)]),
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
