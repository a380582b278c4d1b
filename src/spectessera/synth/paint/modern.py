"""Pigments of the last three centuries, which are in no palette: for the training of encoders.

An encoder trained on the pigments of manuscripts alone does not know chromium or cadmium.
Compositions are those of the pure compounds; thickness and colour are our choice.
"""

from __future__ import annotations

from spectessera.synth.xrf.xraydata import Mixture

from .pigments import Pigment

_BARIUM: Mixture = ((1.0, "BaSO4"),)
_UMBER: Mixture = (
    (0.45, "FeO(OH)"), (0.12, "MnO2"), (0.28, "Al2Si2O5(OH)4"), (0.15, "SiO2"),
)  # fmt: skip

MODERN = (
    Pigment("zinc white", ((1.0, "ZnO"),), 5.0, (250, 250, 250)),
    Pigment("titanium white", ((0.8, "TiO2"), (0.2, "BaSO4")), 5.0, (252, 252, 252)),
    Pigment("barium white", _BARIUM, 5.0, (248, 248, 246)),
    Pigment("lithopone", ((0.7, "BaSO4"), (0.3, "ZnS")), 5.0, (250, 250, 248)),
    Pigment("cadmium yellow", ((1.0, "CdS"),), 4.0, (255, 205, 0)),
    Pigment("cadmium red", ((0.8, "CdS"), (0.2, "CdSe")), 4.0, (200, 25, 30)),
    Pigment("chrome yellow", ((1.0, "PbCrO4"),), 5.0, (250, 190, 20)),
    Pigment("strontium yellow", ((1.0, "SrCrO4"),), 4.0, (250, 235, 60)),
    Pigment("Naples yellow", ((1.0, "Pb2Sb2O7"),), 5.0, (250, 218, 94)),
    Pigment("viridian", ((1.0, "Cr2O3"),), 4.0, (0, 110, 80)),
    Pigment("emerald green", ((1.0, "Cu4(C2H3O2)2(AsO2)6"),), 4.0, (80, 200, 120)),
    Pigment("cobalt blue", ((1.0, "CoAl2O4"),), 4.0, (0, 71, 171)),
    Pigment("cerulean blue", ((1.0, "Co2SnO4"),), 4.0, (42, 130, 190)),
    Pigment("Prussian blue", ((1.0, "Fe7C18N18"),), 2.0, (0, 49, 83)),
    Pigment("umber", _UMBER, 4.0, (99, 81, 71)),
    Pigment("manganese black", ((1.0, "MnO2"),), 3.0, (40, 38, 40)),
)
