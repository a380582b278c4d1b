"""The live maps of a report, and the document of bokeh that holds all of its figures."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from spectessera.colours import MASKED, as_hex
from spectessera.cube import spectral_axis
from spectessera.plots.drawing import MAX_RATIO, origin
from spectessera.result import cluster_colours

from .detail import SKY_BYTES, Detail, step_of
from .facts import Card
from .figures import TOOLS, score_panels, spectrum, style, without_math
from .lengths import add_scale_bars

NO_CONFIDENCE = 255  # instead of per cent, for pixels without a value
FEW = 256  # clusters, of which a label is one byte
GREY = as_hex(MASKED)


def per_cents(confidence: np.ndarray) -> np.ndarray:
    """Return probabilities in whole per cent, uint8; 255 where there is none."""
    known = np.isfinite(confidence)
    rounded = np.rint(100 * np.clip(np.where(known, confidence, 0), 0, 1))
    return np.where(known, rounded, NO_CONFIDENCE).astype(np.uint8)


def sky(result: xr.Dataset, step: int = 1) -> dict[str, Any] | None:
    """Return the sky coordinates of every step-th pixel, or None if there are none.

    ``lng`` and ``lat (y, x)`` are float32 degrees from ``origin``; ``words`` names the two.
    """
    height, width = result["label"].shape
    if "wcs" not in result.attrs:
        return None
    from astropy.io.fits import Header
    from astropy.wcs import WCS

    y, x = np.mgrid[:height:step, :width:step]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            wcs = WCS(Header.fromstring(str(result.attrs["wcs"]), sep="\n"))
            if wcs.naxis != 2 or min(wcs.wcs.lng, wcs.wcs.lat) < 0:
                return None
            world = wcs.wcs_pix2world(x.ravel(), y.ravel(), 0)
        except (ValueError, KeyError, TypeError, AssertionError, OSError):
            return None  # a header without usable coordinates; the map works without them
    lng, lat = (world[each].reshape(y.shape) for each in (wcs.wcs.lng, wcs.wcs.lat))
    if not (np.isfinite(lng).all() and np.isfinite(lat).all()):
        return None
    start = float(lng[0, 0]), float(lat[0, 0])
    return {
        "lng": ((lng - start[0] + 180) % 360 - 180).astype(np.float32),
        "lat": (lat - start[1]).astype(np.float32),
        "origin": start,
        "words": f"{wcs.wcs.lngtyp.strip()}, {wcs.wcs.lattyp.strip()}",
    }


def frame_ratio(shape: Sequence[int]) -> float:
    """Return height over width of the frame of a map (y, x); a very long image is stretched."""
    return min(max(shape[0] / shape[1], 1 / MAX_RATIO), MAX_RATIO)


class Pixels(NamedTuple):
    """The pixels of the live maps: one of each ``step x step``, and where they are on the sky."""

    step: int
    places: dict[str, Any] | None

    @classmethod
    def of(cls, result: xr.Dataset, detail: Detail) -> Pixels:
        """Return those of a result, as many as the report may have."""
        label = 1 if int(result["cluster"].values.max()) < FEW else 2
        alone, novelty = label * ("label_alone" in result), "novelty" in result
        sized = label + 2 + alone + novelty + SKY_BYTES * ("wcs" in result.attrs)
        step = step_of(result, detail, sized)
        return cls(step, sky(result, step))


def maps(result: xr.Dataset, pixels: Pixels) -> list[Any]:
    """Return the maps of clusters, of the confidence and of the novelty, which move together."""
    from bokeh.models import ColumnDataSource, LinearColorMapper, Range1d
    from bokeh.palettes import Cividis256

    label = result["label"].values
    height, width = label.shape
    count = int(result["cluster"].values.max())
    kind = np.uint8 if count < FEW else np.uint16
    places = pixels.places
    data = _columns(
        result.isel(y=slice(None, None, pixels.step), x=slice(None, None, pixels.step)), kind
    )
    if places is not None:
        data |= {"lng": [places["lng"]], "lat": [places["lat"]]}
    source = ColumnDataSource(data=data, name="pixels")
    ends = (-0.5, height - 0.5)
    low, high = ends if origin(result) == "lower" else ends[::-1]
    shared = (
        Range1d(start=-0.5, end=width - 0.5),
        Range1d(start=low, end=high),
    )
    palette = [GREY, *map(as_hex, cluster_colours(result))]
    mappers = {
        "label": LinearColorMapper(palette=palette, low=-0.5, high=count + 0.5),
        "confidence": LinearColorMapper(palette=Cividis256, low=50, high=100, high_color=GREY),
    }
    if "alone" in data:
        mappers["alone"] = mappers["label"]
    # A field in @{} is escaped; report.js makes the words from the numbers.
    rows = [("cluster", "@{cluster_words}"), ("confidence", "@{confidence_words}")]
    if "novelty" in result:
        mappers["novelty"] = LinearColorMapper(
            palette=Cividis256, low=50, high=100, high_color=GREY
        )
        rows.append(("novelty", "@{novelty_words}"))
    rows.append(("row, column", "@{place_words}"))
    if places is not None:
        rows.append((without_math(places["words"]), "@{sky_words}"))
    rows.append(("quality", "@{quality_words}"))
    size = (-(-width // pixels.step) * pixels.step, -(-height // pixels.step) * pixels.step)
    return [_map(name, source, mapper, shared, rows, size) for name, mapper in mappers.items()]


def _columns(result: xr.Dataset, kind: type) -> dict[str, Any]:
    """Return the numbers of every pixel that the maps show; labels are of type ``kind``."""
    data = {
        "label": [result["label"].values.astype(kind)],
        "confidence": [per_cents(result["confidence"].values)],
        "quality": [result["quality"].values.astype(np.uint8)],
    }
    if "label_alone" in result:
        data["alone"] = [result["label_alone"].values.astype(kind)]
    if "novelty" in result:
        data["novelty"] = [per_cents(result["novelty"].values)]
    return data


def _map(
    name: str,
    source: Any,
    mapper: Any,
    ranges: tuple[Any, Any],
    rows: list[tuple[str, str]],
    size: tuple[int, int],
) -> Any:
    """Return one map of a column of the pixels."""
    from bokeh.models import HoverTool
    from bokeh.plotting import figure

    drawn: Any = figure(
        name=f"map-{name}",
        x_range=ranges[0],
        y_range=ranges[1],
        frame_width=300,
        frame_height=300,
        tools=TOOLS,
        active_drag="pan",
        x_axis_label="column",
        y_axis_label="row",
        min_border_left=56,
        min_border_right=10,
    )
    left, top = -0.5, -0.5
    width, height = size  # of the image; the last of its pixels may reach out of the map
    image = drawn.image(
        image=name, x=left, y=top, dw=width, dh=height, source=source, color_mapper=mapper
    )
    drawn.add_tools(HoverTool(tooltips=rows, renderers=[image], attachment="horizontal"))
    style(drawn)
    drawn.grid.visible = False
    return drawn


# --- the document ------------------------------------------------------------------------------


def document(
    result: xr.Dataset, listed: Sequence[Card], pixels: Pixels
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return all figures as JSON of bokeh, and the element of the page that each belongs to.

    The same result gives the same JSON: the ids are renumbered.
    """
    from bokeh.document import Document
    from bokeh.models import Range1d

    axis = spectral_axis(result["mean_spectrum"])
    ends = float(axis.values.min()), float(axis.values.max())
    margin = 0.5 if ends[0] == ends[1] else 0.0
    shared = Range1d(start=ends[0] - margin, end=ends[1] + margin)
    unit = str(result.attrs.get("unit", ""))
    drawn = maps(result, pixels)
    add_scale_bars(drawn, result, upright=origin(result) == "lower")
    drawn += score_panels(result)
    drawn += [spectrum(card, axis, unit, shared) for card in listed]
    doc = Document()
    for each in drawn:
        doc.add_root(each)
    content: dict[str, Any] = dict(doc.to_json(deferred=False))
    numbers = _renumber(content)
    doc.clear()
    return content, {numbers[each.id]: f"fig-{each.name}" for each in drawn}


def _renumber(content: Any) -> dict[str, str]:
    """Renumber the ids of models in place; return the new ids by the old ones."""
    numbers: dict[str, str] = {}
    seen = set()  # one reference may occur in several places
    stack = [content]
    while stack:
        here = stack.pop()
        if id(here) in seen:
            continue
        if isinstance(here, dict):
            seen.add(id(here))
            named = isinstance(here.get("id"), str)
            if named and (here.get("type") == "object" or len(here) == 1):
                here["id"] = numbers.setdefault(here["id"], f"m{len(numbers)}")
            stack.extend(here.values())
        elif isinstance(here, (list, tuple)):
            stack.extend(here)
    return numbers
