"""Painted pages whose expected net counts of every family of lines are known in every pixel."""

from __future__ import annotations

import json
from typing import NamedTuple

import numpy as np
import xarray as xr

from spectessera.cube import make_cube
from spectessera.synth import Realism, miniature
from spectessera.synth.paint.palettes import Palette, load_palette
from spectessera.synth.paint.pigments import PIGMENTS
from spectessera.synth.paint.rgb import few_colours, pigment_weights
from spectessera.synth.paint.scene import Scene
from spectessera.synth.paint.tiles import make_values, tile_pixels
from spectessera.synth.xrf.detector import Detector, efficiency, response
from spectessera.synth.xrf.fluorescence import emitted_lines
from spectessera.synth.xrf.templates import shipped
from spectessera.synth.xrf.tube import Tube


class Page(NamedTuple):
    """A cube of counts, and the truth.

    ``truth`` (element, y, x): expected net counts of families such as "Fe K"; ``colour`` (y, x):
    from 1.
    """

    cube: xr.DataArray
    truth: xr.DataArray
    colour: np.ndarray


def page(shape: tuple[int, int], palette: str, counts: float, seed: int) -> Page:
    """Paint a page: layers of varying thickness, mixtures, background, Poisson counts."""
    paint = load_palette(palette)
    colours = few_colours(miniature(seed=seed, shape=shape), None, seed=seed)
    weight = pigment_weights(colours.rgb, paint.rgb, 0.8, "ciede2000")
    scene = Scene(paint, colours.colour, weight, float(counts), Realism(), seed)
    values = make_values(scene.shape, scene.dtype, len(paint.axis), scene.tile, None, None)
    cube = make_cube(values, axis=paint.axis, attrs={"noise": "counts", "unit": "counts"})
    names, share = family_shares(paint)
    share = np.concatenate([share.reshape(-1, len(names)), np.zeros((1, len(names)))])
    truth = np.zeros((scene.index.size, len(names)), np.float32)
    for number in range(-(-scene.index.size // 4096)):
        pixel = tile_pixels(number, scene.index.size)
        truth[pixel] = scene.rates(pixel) @ share
    image = truth.T.reshape(len(names), *scene.shape)
    maps = xr.DataArray(image, dims=("element", "y", "x"), coords={"element": names})
    return Page(cube, maps, colours.colour + 1)


def instrument() -> tuple[Tube, Detector]:
    """Return the tube and the detector of the pages."""
    settings = json.loads(shipped().settings)
    detector = dict(settings["detector"])
    detector["entrance"] = tuple(map(tuple, detector["entrance"]))
    tube = dict(settings["tube"])
    tube["filters"] = tuple(map(tuple, tube["filters"]))
    return Tube(**tube), Detector(**detector)


def family_shares(palette: Palette) -> tuple[list[str], np.ndarray]:
    """Return the names of all families, and their shares (pigment, step, family) of the counts."""
    tube, detector = instrument()
    rows: dict[tuple[int, int], dict[str, float]] = {}
    for place, name in enumerate(palette.pigments):
        for step, factor in enumerate(palette.factors):
            lines = emitted_lines(PIGMENTS[name].layers(float(factor)), tube)
            counted = lines.intensity * efficiency(detector, lines.energy)
            counted = counted * response(detector, lines.energy).sum(axis=1)
            families = [f"{e} {line[0]}" for e, line in zip(lines.element, lines.line, strict=True)]
            total = palette.spectra[place, step].sum()
            row: dict[str, float] = {}
            for family, count in zip(families, counted, strict=True):
                row[family] = row.get(family, 0.0) + float(count) / total
            rows[place, step] = row
    names = sorted({family for row in rows.values() for family in row})
    shares = np.zeros((len(palette.pigments), len(palette.factors), len(names)))
    for (place, step), row in rows.items():
        for family, share in row.items():
            shares[place, step, names.index(family)] = share
    return names, shares


def family_shapes(palette: Palette) -> dict[str, np.ndarray]:
    """Return the shape (channel,) of every family, with a sum of 1, where a pigment has most."""
    tube, detector = instrument()
    most: dict[str, tuple[float, np.ndarray]] = {}
    for name in palette.pigments:
        lines = emitted_lines(PIGMENTS[name].layers(1.0), tube)
        families = [f"{e} {line[0]}" for e, line in zip(lines.element, lines.line, strict=True)]
        intensity = lines.intensity * efficiency(detector, lines.energy)
        counts = intensity[:, None] * response(detector, lines.energy)
        for family in set(families):
            own = counts[[each == family for each in families]].sum(axis=0)
            if own.sum() > most.get(family, (0.0, own))[0]:
                most[family] = own.sum(), own / own.sum()
    return {name: shape for name, (_, shape) in most.items()}
