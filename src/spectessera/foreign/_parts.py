"""What a cube of another package consists of, and what all of them share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from spectessera.axis import UNITS, Axis, parse_unit
from spectessera.conventions.dims import Axes
from spectessera.scale import keep_saturation

# Units of world coordinates by the standard -> the usual ones of spectra.
USUAL = {"m": "angstrom", "Hz": "GHz", "m-1": "cm-1", "m/s": "km/s"}
DIGITS = 12  # that are exact after a change of unit


@dataclass
class Parts:
    """A cube as another package has it, in the order (y, x, channel).

    Parameters
    ----------
    values : numpy or dask array (y, x, channel)
    axis : Axis, optional
    variance : array (y, x, channel), optional
    mask : array (y, x) of bool, optional
    coords : dict
        Name -> (dims, values, attributes).
    attrs : dict
        Strings and numbers.
    notes : list of str
        What was assumed.
    """

    values: Any
    axis: Axis | None = None
    variance: Any = None
    mask: Any = None
    coords: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    attrs: dict[str, str | int | float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def take_missing(self, missing: Any) -> None:
        """Replace values by NaN; pixels of which no value is left are masked."""
        values = self.values
        keep_saturation(values.dtype, self.attrs)
        kind = values.dtype if values.dtype.kind == "f" else np.dtype(np.float32)
        if hasattr(values, "dask") or hasattr(missing, "dask"):
            import dask.array as da

            self.values = da.where(missing, kind.type(np.nan), values.astype(kind))
            return
        self.values = np.where(missing, kind.type(np.nan), values.astype(kind))
        empty = missing.all(axis=2)
        if empty.any():
            self.mask = empty if self.mask is None else self.mask | empty

    def take_noise(self, noise: Any, form: str) -> None:
        """Keep the variance that belongs to a standard deviation, a variance or its inverse.

        A value whose variance is not a positive finite number becomes NaN.
        """
        noise = noise if noise.dtype.kind == "f" else noise.astype(np.float32)
        with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
            variance = {"std": noise * abs(noise), "var": noise, "ivar": 1 / noise}[form]
            usable = (variance > 0) & (variance < np.inf)
        self.variance = variance
        if hasattr(usable, "dask") or not usable.all():
            self.take_missing(~usable)

    def attributes(self) -> dict[str, str | int | float]:
        """Return the attributes, with what was assumed."""
        notes = {"reading_notes": "; ".join(self.notes)} if self.notes else {}
        return {**self.attrs, **notes}


def arranged(array: Any, axes: Axes) -> Any:
    """Return an array (numpy or dask) in the order (y, x, channel)."""
    array = array.transpose(*axes.order, *axes.drop)
    return array.reshape(array.shape[:3])


def as_array(values: Any) -> Any:
    """Return a numpy array; a dask array is not changed."""
    return values if hasattr(values, "dask") else np.asarray(values)


def check_axes(what: str, shape: Sequence[int]) -> None:
    """Raise ValueError unless an array has three axes, and others of length 1 only."""
    if len(shape) < 3 or sum(size != 1 for size in shape) > 3:
        raise ValueError(
            f"a cube has 3 axes, two of an image and one of a spectrum; this {what} has "
            f"{len(shape)} (shape {tuple(shape)})"
        )


def known_unit(text: Any) -> str:
    """Return the unit of an axis in the spelling of this package, or "" if it is not known."""
    try:
        return parse_unit(str(text).replace(" ", ""))
    except ValueError:
        return ""


def usual_axis(values: np.ndarray, unit: str, kind: str = "", medium: str = "") -> Axis:
    """Return an axis, in the usual unit if it is in one of world coordinates."""
    if UNITS[unit][0] != "wavelength":
        medium = ""
    axis = Axis(values, unit=unit, kind=kind, medium=medium)
    if axis.unit not in USUAL:
        return axis
    axis = axis.to(USUAL[axis.unit])
    # a change of unit leaves rounding errors in the last digit
    digits = DIGITS - int(np.ceil(np.log10(np.abs(axis.values).max() or 1.0)))
    return Axis(np.round(axis.values, digits), axis.unit, axis.kind, axis.medium)


def in_known_unit(quantity: Any) -> tuple[np.ndarray, str]:
    """Return the values of an astropy Quantity along an axis, and their unit.

    Raises
    ------
    ValueError
        If it is not a unit of a spectral axis.
    """
    unit = known_unit(quantity.unit)
    if unit:
        return np.asarray(quantity.value, dtype=np.float64), unit
    for name in UNITS:
        astropy_name = {"angstrom": "Angstrom", "cm-1": "1/cm", "m-1": "1/m"}.get(name, name)
        if name and quantity.unit.is_equivalent(astropy_name):
            return np.asarray(quantity.to_value(astropy_name), dtype=np.float64), name
    raise ValueError(
        f"{quantity.unit} is not a unit of a spectral axis; units are of energy, wavelength, "
        "wavenumber, frequency or velocity"
    )


def numbers_along(values: Any) -> tuple[np.ndarray, str | None]:
    """Return the numbers of an axis, and their unit if they have one.

    Parameters
    ----------
    values : array, sequence of numbers, Quantity or sequence of Quantities
    """
    if is_quantity(values):
        return in_known_unit(values)
    if isinstance(values, (tuple, list)) and values and all(map(is_quantity, values)):
        first, unit = in_known_unit(values[0])
        rest = [in_known_unit(each.to(values[0].unit))[0] for each in values[1:]]
        return np.array([first, *rest], dtype=np.float64), unit
    return np.asarray(values, dtype=np.float64), None


def is_quantity(thing: Any) -> bool:
    """Whether something is a number or an array with a unit, as astropy has them."""
    return hasattr(thing, "unit") and hasattr(thing, "to_value")


def plain_number(thing: Any, unit: Any = None) -> Any:
    """Return an array without its unit, in ``unit`` if that is given; others as they are."""
    if not is_quantity(thing):
        return thing
    return thing.value if unit is None else thing.to_value(unit)


def plain_attributes(attrs: Mapping[Any, Any]) -> dict[str, str | int | float]:
    """Return those attributes that are strings or numbers."""
    plain: dict[str, str | int | float] = {}
    for name, value in attrs.items():
        single = value.item() if isinstance(value, np.generic) else value
        if isinstance(single, (str, int, float)):
            plain[str(name)] = int(single) if isinstance(single, bool) else single
    return plain


def listing(arrays: Mapping[str, Sequence[int]]) -> str:
    """Return names with shapes, for an error."""
    return ", ".join(f"{name} {tuple(shape)}" for name, shape in arrays.items()) or "nothing"
