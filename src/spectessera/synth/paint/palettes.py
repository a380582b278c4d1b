"""Palettes: pigments with their spectra, built in or from a file."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from spectessera._util.check import check_ndim, check_same_shape
from spectessera.axis import Axis
from spectessera.synth.xrf.detector import Detector
from spectessera.synth.xrf.templates import shipped
from spectessera.synth.xrf.tube import Tube

from .palettefile import (
    MOST_PIGMENTS,
    PaletteText,
    check_rgb,
    is_ganx,
    read_ganx,
    read_palette_text,
    read_text,
)
from .pigments import PALETTES, PIGMENTS, Pigment, compute


@dataclass(frozen=True, eq=False)
class Palette:
    """Pigments with their colours and spectra.

    Parameters
    ----------
    name : str
    pigments : tuple of str
        All different.
    rgb : array (p, 3), uint8
    axis : Axis
        Energies of the channels.
    factors : array (f,)
        Relative thickness of the paint layer, ascending; includes 1, the nominal thickness.
    spectra : array (p, f, channel), float64
        Expected counts per unit of exposure.
    recipes : tuple of (Pigment or None)
        Composition of each pigment, if it is known.

    Raises
    ------
    TypeError, ValueError
        If shapes differ, a number is not finite or negative, or a spectrum is all zero.
    """

    name: str
    pigments: tuple[str, ...]
    rgb: np.ndarray
    axis: Axis
    factors: np.ndarray
    spectra: np.ndarray
    recipes: tuple[Pigment | None, ...] = ()

    def __post_init__(self) -> None:
        pigments = tuple(self.pigments)
        number = len(pigments)
        if not 1 <= number <= MOST_PIGMENTS:
            raise ValueError(f"a palette has 1 to {MOST_PIGMENTS} pigments; got {number}")
        twice = sorted({name for name in pigments if pigments.count(name) > 1})
        if twice:
            raise ValueError(f"pigments of a palette must differ; got {', '.join(twice)} twice")
        check_same_shape("rgb", np.shape(self.rgb), (number, 3), "a colour for every pigment")
        rgb = np.array([check_rgb(*one) for one in zip(pigments, self.rgb, strict=True)])
        factors = np.array(self.factors, dtype=np.float64)
        check_ndim("the thickness factors", factors, 1, "(f,)")
        if not (factors > 0).all() or not (np.diff(factors) > 0).all() or 1.0 not in factors:
            raise ValueError(
                f"thickness factors are above 0, ascending, and include 1; got {factors}"
            )
        spectra = np.array(self.spectra, dtype=np.float64)
        shape = (number, len(factors), len(self.axis))
        check_same_shape("the spectra", spectra.shape, shape, "pigments, factors and axis")
        _check_spectra(pigments, spectra)
        for name, array in (("rgb", rgb), ("factors", factors), ("spectra", spectra)):
            array.setflags(write=False)
            object.__setattr__(self, name, array)
        object.__setattr__(self, "pigments", pigments)
        recipes = tuple(self.recipes) or (None,) * number
        check_same_shape("the recipes", (len(recipes),), (number,), "the pigments")
        object.__setattr__(self, "recipes", recipes)

    @property
    def nominal(self) -> np.ndarray:
        """Spectra (p, channel) at nominal thickness, counts per unit of exposure."""
        return self.spectra[:, int(np.flatnonzero(self.factors == 1.0)[0])]

    @property
    def template(self) -> np.ndarray:
        """Spectra (p, channel) at nominal thickness, each normalised to 1."""
        return self.nominal / self.nominal.sum(axis=1, keepdims=True)

    @property
    def rate(self) -> np.ndarray:
        """Count rates (p,) at nominal thickness divided by their mean."""
        total = self.nominal.sum(axis=1)
        return total / total.mean()

    def between(self, thickness: np.ndarray) -> np.ndarray:
        """Return the weights (n, f) of the tabulated thicknesses in layers of given thickness.

        Linear interpolation in the logarithm of the thickness between the two nearest ones; beyond
        the table its ends are used.

        Parameters
        ----------
        thickness : array (n,)
            Relative to the nominal thickness, above 0.
        """
        return between(thickness, self.factors)


def between(thickness: np.ndarray, factors: Sequence[float] | np.ndarray) -> np.ndarray:
    """Return the weights (n, f) of tabulated thicknesses ``factors`` (f,), see Palette.between."""
    number = len(factors)
    place = np.interp(np.log(thickness), np.log(factors), np.arange(number))
    low = np.minimum(place.astype(int), max(0, number - 2))
    part = place - low
    shares = np.zeros((len(place), number))
    rows = np.arange(len(place))
    shares[rows, low] = 1 - part
    shares[rows, np.minimum(low + 1, number - 1)] += part
    return shares


def _check_spectra(pigments: tuple[str, ...], spectra: np.ndarray) -> None:
    """Raise ValueError unless all spectra are finite, non-negative and not all zero."""
    for name, each in zip(pigments, spectra, strict=True):
        with np.errstate(over="ignore"):
            whole = each.sum()
        if not np.isfinite(each).all() or not np.isfinite(whole):
            raise ValueError(f"the spectrum of {name!r} contains values that are not finite")
        if (each < 0).any():
            raise ValueError(
                f"the spectrum of {name!r} contains negative values (down to {each.min():g}); "
                "expected counts are 0 or more: clip them, or do not subtract the background"
            )
        if not (each.sum(axis=1) > 0).all():
            raise ValueError(f"the spectrum of {name!r} is 0 in all channels")


def load_palette(name_or_path: str | Path) -> Palette:
    """Return a palette by its name or from a file.

    Parameters
    ----------
    name_or_path : str or Path
        One of :data:`PALETTES`, or the path of

        - a palette file, TOML or JSON: ``pigments``, a list of names in :data:`PIGMENTS`; ``own``,
          a list of tables with ``name``, ``mixture`` (list of mass fraction and formula),
          ``thickness`` (mg/cm2), ``rgb`` and, for paint without binder, ``binder = false``;
          optionally ``name``. One of the two lists is enough::

              pigments = ["parchment", "vermilion"]

              [[own]]
              name = "emerald green"
              mixture = [[1.0, "Cu4(C2H3O2)2(AsO2)6"]]
              thickness = 4.0
              rgb = [80, 200, 120]

        - a palette of ganX: JSON ``{name: {"xrf": path.h5, "RGB": [r, g, b]}}``, every h5 file with
          ``x`` (keV, ascending) and ``y``. Paths are absolute or relative to the JSON file. Spectra
          on other axes are resampled to the axis of the first one, conserving counts; the only
          thickness factor is 1.

    Returns
    -------
    Palette
        Pigments, built-in or own, are paint on parchment (parchment itself has no support), for a
        rhodium tube at 40 kV.

    Raises
    ------
    ValueError, TypeError
        If there is no such palette or pigment, or the file has another structure.
    FileNotFoundError
        If there is no such file.
    ImportError
        If an own pigment must be computed and xraylib is not installed.

    Examples
    --------
    >>> import spectessera as spt
    >>> spt.synth.load_palette("choirbook").pigments[:3]
    ('parchment', 'iron gall ink', 'vermilion')
    """
    if not isinstance(name_or_path, (str, Path)):
        raise TypeError(f"a palette is a name or a path; got {name_or_path!r}")
    if isinstance(name_or_path, str) and name_or_path in PALETTES:
        return assemble(name_or_path, [PIGMENTS[each] for each in PALETTES[name_or_path]])
    path = Path(name_or_path)
    if not path.is_file():
        known = ", ".join(PALETTES)
        if path.suffix or len(path.parts) > 1:
            raise FileNotFoundError(
                f"there is no palette file {path}; built-in palettes are {known}"
            )
        raise ValueError(f"unknown palette {str(name_or_path)!r}; built-in palettes are {known}")
    document = read_text(path)
    if is_ganx(document):
        entries = read_ganx(path, document)
        return Palette(
            path.stem, entries.pigments, entries.rgb, entries.axis, np.ones(1), entries.spectra
        )
    return _own(read_palette_text(path, document))


def _own(text: PaletteText) -> Palette:
    """Return the palette of a palette file."""
    pigments = [_known(name, text.path) for name in text.pigments]
    for number, table in enumerate(text.own, start=1):
        try:
            pigments.append(Pigment(**table))
        except (TypeError, ValueError) as error:
            raise type(error)(f"{text.path}: pigment {number} of own: {error}") from error
    return assemble(text.name, pigments)


def _known(name: str, path: Path) -> Pigment:
    if name in PIGMENTS:
        return PIGMENTS[name]
    near = difflib.get_close_matches(name.lower(), PIGMENTS, n=3, cutoff=0.5)
    if near:
        advice = f"did you mean {' or '.join(near)}?"
    else:
        advice = f"known pigments are {', '.join(PIGMENTS)}"
    raise ValueError(f"{path}: unknown pigment {name!r:.120}; {advice}")


def assemble(name: str, pigments: list[Pigment]) -> Palette:
    """Return a palette of pigments; their spectra are shipped or computed.

    Raises
    ------
    ValueError
        If a spectrum cannot be computed.
    ImportError
        If a pigment is not built in and xraylib is not installed.
    """
    stored = shipped()
    spectra = []
    for pigment in pigments:
        if PIGMENTS.get(pigment.name) == pigment and pigment.name in stored.pigments:
            spectra.append(stored.spectra[stored.pigments.index(pigment.name)])
        else:
            try:
                spectra.append(compute(pigment, Tube(), Detector()))
            except ValueError as error:
                raise ValueError(f"palette {name!r}, pigment {pigment.name!r}: {error}") from error
    return Palette(
        name,
        tuple(pigment.name for pigment in pigments),
        np.array([pigment.rgb for pigment in pigments]),
        stored.axis,
        stored.factors,
        np.stack(spectra),
        tuple(pigments),
    )
