"""Layouts of satellites whose axes no name and no array in the file tells."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

from ._choice import AxisValues, Choice
from ._tree import Tree


def prisma(tree: Tree) -> Iterator[Choice]:
    """PRISMA (HDF-EOS): VNIR_Cube and SWIR_Cube (y, band, x), wavelengths at the root."""
    attrs = tree.group_attributes("")
    for entry in tree.entries.values():
        match = re.fullmatch(r"(VNIR|SWIR)_Cube", entry.base)
        name = f"List_Cw_{match[1].capitalize()}" if match else ""
        listed = attrs.get(name)
        if not isinstance(listed, list) or entry.array.ndim != 3 or not entry.has_numbers:
            continue
        choice = Choice([entry], "PRISMA", (0, 2, 1))
        if len(listed) == entry.shape[1]:
            values = np.asarray(listed, dtype=np.float64)
            choice.axis = AxisValues(values, "nm", "wavelength", "wavelength", f"attribute {name}")
        yield choice
