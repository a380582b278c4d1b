"""Pigments: name, composition, thickness, colour and sources; and the built-in palettes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from spectessera._util.check import check_number
from spectessera.synth.xrf.detector import Detector
from spectessera.synth.xrf.fluorescence import Layer, expected_spectra
from spectessera.synth.xrf.tube import Tube
from spectessera.synth.xrf.xraydata import Mixture, check_mixture

from .palettefile import check_rgb

# Tabulated relative thickness of the paint layer; 1 is nominal.
FACTORS = (0.1, 0.178, 0.316, 0.562, 1.0, 1.414, 2.0, 2.828, 4.0)
BINDER: Mixture = ((0.97, "C6H10O5"), (0.02, "CaCO3"), (0.01, "KCl"))
BINDER_SHARE = 0.25  # of the mass of the paint
SUPPORT = "parchment"


@dataclass(frozen=True)
class Pigment:
    """Composition, thickness and colour of a paint.

    Parameters
    ----------
    name : str
    mixture : tuple of (mass fraction, formula)
        Of the pigment without binder; the fractions sum to 1, within 1 %.
    thickness : float
        Nominal thickness of the layer, with binder, in mg/cm2; above 0.
    rgb : tuple of three int
        Colour, 0 to 255.
    binder : bool
        Whether a quarter of the paint is binder
        (:data:`spectessera.synth.paint.pigments.BINDER`); metal leaf has none.
    source : str
        Source of the numbers.

    Raises
    ------
    TypeError, ValueError
        If a name is empty or a number is out of range. Formulas are parsed only when a spectrum is
        computed.
    """

    name: str
    mixture: Mixture
    thickness: float
    rgb: tuple[int, int, int]
    binder: bool = True
    source: str = "our choice"

    def __post_init__(self) -> None:
        name: Any = self.name  # of a file, it may be anything
        if not isinstance(name, str) or not name.strip() or len(name) > 100:
            raise ValueError(
                f"the name of a pigment has 1 to 100 characters; got {self.name!r:.120}"
            )
        mixture = check_mixture(f"the mixture of {self.name!r}", self.mixture)
        check_number(
            f"the thickness of {self.name!r} (mg/cm2)", self.thickness, low=0.0, open_low=True
        )
        if not isinstance(self.binder, bool):
            raise TypeError(f"binder of {self.name!r} must be true or false; got {self.binder!r}")
        rgb = check_rgb(self.name, self.rgb)
        object.__setattr__(self, "mixture", mixture)
        object.__setattr__(self, "rgb", (int(rgb[0]), int(rgb[1]), int(rgb[2])))

    def layers(self, factor: float = 1.0) -> tuple[Layer, ...]:
        """Return the paint, ``factor`` times its nominal thickness, on parchment.

        Parchment itself has no support; the factor applies to its own thickness.
        """
        check_number("factor", factor, low=0.0, open_low=True)
        mixture = self.mixture
        if self.binder:
            mixture = (
                *((share * (1 - BINDER_SHARE), formula) for share, formula in mixture),
                *((share * BINDER_SHARE, formula) for share, formula in BINDER),
            )
        paint = Layer(mixture, self.thickness * factor)
        if self.name == SUPPORT:
            return (paint,)
        return (paint, *PIGMENTS[SUPPORT].layers())


_OURS = "all numbers our choice"
_PUBLISHED = "colour published (valuesets 0.4.2), composition and thickness our choice"
_PARCHMENT: Mixture = (
    (0.895, "C102H149N31O38"), (0.09, "CaCO3"), (0.006, "KCl"), (0.004, "S"), (0.001, "Fe2O3"),
    (0.004, "SiO2"),
)  # fmt: skip
_RED_OCHRE: Mixture = (
    (0.35, "Fe2O3"), (0.40, "Al2Si2O5(OH)4"), (0.20, "SiO2"), (0.05, "CaCO3"),
)  # fmt: skip
_YELLOW_OCHRE: Mixture = (
    (0.35, "FeO(OH)"), (0.40, "Al2Si2O5(OH)4"), (0.20, "SiO2"), (0.05, "CaCO3"),
)  # fmt: skip
_ULTRAMARINE: Mixture = (
    (0.85, "Na8Al6Si6O24S3"), (0.10, "CaCO3"), (0.01, "FeS2"), (0.04, "CaMgSi2O6"),
)  # fmt: skip
_SMALT: Mixture = (
    (0.68, "SiO2"), (0.15, "K2O"), (0.06, "CoO"), (0.04, "As2O3"), (0.03, "Fe2O3"), (0.01, "NiO"),
    (0.01, "Bi2O3"), (0.02, "CaO"),
)  # fmt: skip
_LAKE: Mixture = ((0.30, "C16H14O5"), (0.30, "KAl(SO4)2"), (0.40, "CaCO3"))
_INK: Mixture = (
    (0.55, "FeC7H4O5"), (0.20, "FeSO4"), (0.03, "CuSO4"), (0.05, "ZnSO4"), (0.17, "C6H10O5"),
)  # fmt: skip
_GOLD: Mixture = ((0.95, "Au"), (0.03, "Ag"), (0.02, "Cu"))
_SILVER: Mixture = ((0.97, "Ag"), (0.03, "Cu"))


def _pure(formula: str) -> Mixture:
    return ((1.0, formula),)


_ALL = (
    Pigment("parchment", _PARCHMENT, 25.0, (233, 220, 190), False, _OURS),
    Pigment("lead white", _pure("(PbCO3)2Pb(OH)2"), 6.0, (248, 248, 248), True, _PUBLISHED),
    Pigment("chalk", _pure("CaCO3"), 6.0, (245, 243, 235), True, _OURS),
    Pigment("vermilion", _pure("HgS"), 5.0, (227, 66, 52), True, _PUBLISHED),
    Pigment("minium", _pure("Pb3O4"), 5.0, (226, 88, 34), True, _OURS),
    Pigment("red ochre", _RED_OCHRE, 4.0, (145, 65, 45), True, _OURS),
    Pigment("yellow ochre", _YELLOW_OCHRE, 4.0, (204, 119, 34), True, _PUBLISHED),
    Pigment("realgar", _pure("As4S4"), 4.0, (220, 80, 30), True, _OURS),
    Pigment("orpiment", _pure("As2S3"), 4.0, (235, 190, 45), True, _OURS),
    Pigment("lead-tin yellow", _pure("Pb2SnO4"), 5.0, (240, 215, 90), True, _OURS),
    Pigment("gold", _GOLD, 1.0, (212, 175, 55), False, _OURS),
    Pigment("mosaic gold", _pure("SnS2"), 4.0, (190, 150, 60), True, _OURS),
    Pigment("silver", _SILVER, 1.0, (176, 176, 172), False, _OURS),
    Pigment("azurite", _pure("Cu3(CO3)2(OH)2"), 5.0, (40, 82, 150), True, _OURS),
    Pigment("ultramarine", _ULTRAMARINE, 4.0, (38, 60, 160), True, _OURS),
    Pigment("smalt", _SMALT, 5.0, (70, 85, 135), True, _OURS),
    Pigment("indigo", ((0.90, "C16H10N2O2"), (0.10, "CaCO3")), 2.0, (40, 48, 90), True, _OURS),
    Pigment("malachite", _pure("Cu2CO3(OH)2"), 5.0, (70, 150, 100), True, _OURS),
    Pigment("verdigris", _pure("Cu(C2H3O2)2(H2O)"), 4.0, (67, 150, 130), True, _OURS),
    Pigment("green earth", _pure("KMgFeAlSi4O12H2"), 4.0, (115, 135, 95), True, _OURS),
    Pigment("brazilwood lake", _LAKE, 3.0, (190, 80, 100), True, _OURS),
    Pigment("iron gall ink", _INK, 2.0, (55, 40, 32), True, _OURS),
    Pigment("carbon black", _pure("C"), 1.5, (30, 28, 27), True, _OURS),
    Pigment("bone black", ((0.80, "Ca5(PO4)3(OH)"), (0.20, "C")), 2.0, (40, 36, 33), True, _OURS),
)
PIGMENTS = {pigment.name: pigment for pigment in _ALL}

# The support is parchment in all palettes, also for panel and canvas: only the paints differ.
PALETTES: dict[str, tuple[str, ...]] = {
    # Italian choirbooks of the 15th century
    "choirbook": (
        "parchment", "iron gall ink", "vermilion", "azurite", "green earth", "lead white",
        "lead-tin yellow", "gold",
    ),
    # manuscripts north of the Alps, 13th to 15th century
    "gothic-book": (
        "parchment", "iron gall ink", "lead white", "vermilion", "minium", "orpiment", "azurite",
        "indigo", "verdigris", "brazilwood lake", "gold", "mosaic gold",
    ),
    # miniatures of the Islamic world
    "miniature": (
        "parchment", "carbon black", "lead white", "vermilion", "minium", "realgar", "orpiment",
        "ultramarine", "indigo", "verdigris", "gold", "silver",
    ),
    # egg tempera on a ground of chalk
    "icon": (
        "chalk", "gold", "lead white", "vermilion", "red ochre", "yellow ochre", "green earth",
        "azurite", "carbon black",
    ),
    "renaissance-panel": (
        "chalk", "lead white", "lead-tin yellow", "yellow ochre", "red ochre", "vermilion",
        "azurite", "ultramarine", "malachite", "verdigris", "bone black", "gold",
    ),
    # 17th century, oil on a ground of lead white
    "baroque-canvas": (
        "lead white", "chalk", "lead-tin yellow", "yellow ochre", "red ochre", "vermilion",
        "brazilwood lake", "smalt", "azurite", "green earth", "bone black",
    ),
    # ink, metalpoint, chalks and white heightening
    "drawing": (
        "parchment", "iron gall ink", "carbon black", "bone black", "silver", "red ochre", "chalk",
        "lead white", "indigo",
    ),
}  # fmt: skip


def compute(pigment: Pigment, tube: Tube, detector: Detector) -> np.ndarray:
    """Return the spectra (f, channel) of a paint at all :data:`FACTORS`; needs xraylib."""
    return expected_spectra([pigment.layers(factor) for factor in FACTORS], tube, detector)
