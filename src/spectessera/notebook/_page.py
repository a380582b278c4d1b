"""What all that is shown in a notebook shares: its style, tables, and pictures inside the page."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np

from spectessera.htmlreport.text import safe

LARGEST = 320  # screen pixels of the longer side of a picture
# Lines and text take the colours of the notebook: these fit light and dark ones.
_LINE = "rgba(128,128,128,.35)"
_CELL = f"padding:.15em .9em .15em 0;border-bottom:1px solid {_LINE};text-align:"


def block(title: str, *parts: str) -> str:
    """Return a block with a title, which is escaped; the parts are HTML."""
    inner = "".join(parts)
    return (
        '<div class="spectessera" style="font-size:.95em;line-height:1.45">'
        f'<div style="font-weight:600;margin:.2em 0 .5em">{safe(title)}</div>{inner}</div>'
    )


def beside(*parts: str) -> str:
    """Return parts beside each other, or one below the other where there is little room."""
    return (
        '<div style="display:flex;flex-wrap:wrap;gap:1.2em;align-items:flex-start">'
        f"{''.join(f'<div>{part}</div>' for part in parts if part)}</div>"
    )


def table(rows: Iterable[Sequence[str]], heads: Sequence[str] = (), numeric: int = 0) -> str:
    """Return a table of cells of HTML; the first ``numeric`` columns are aligned to the right."""

    def row(cells: Sequence[str], tag: str) -> str:
        sides = ["right" if at < numeric else "left" for at in range(len(cells))]
        return (
            '<tr style="background:none">'
            + "".join(
                f'<{tag} style="{_CELL}{side};vertical-align:top">{cell}</{tag}>'
                for cell, side in zip(cells, sides, strict=True)
            )
            + "</tr>"
        )

    head = f"<thead>{row(heads, 'th')}</thead>" if heads else ""
    body = "".join(row(cells, "td") for cells in rows)
    return (
        '<table style="border-collapse:collapse;border:0;margin:0">'
        f"{head}<tbody>{body}</tbody></table>"
    )


def picture(rgb: np.ndarray, words: str) -> str:
    """Return an image (y, x, 3) of bytes, enlarged or reduced to a common size, pixels sharp."""
    from PIL import Image

    step = -(-max(rgb.shape[:2]) // (2 * LARGEST))
    height, width = rgb.shape[:2]
    scale = LARGEST / max(height, width)
    stream = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(rgb[::step, ::step])).save(stream, "PNG", optimize=True)
    source = base64.b64encode(stream.getvalue()).decode("ascii")
    sides = f"width:{max(1, round(width * scale))}px;height:{max(1, round(height * scale))}px"
    return (
        f'<img alt="{safe(words)}" src="data:image/png;base64,{source}" '
        f'style="{sides};max-width:100%;image-rendering:pixelated;display:block">'
    )


def swatch(colour: str) -> str:
    """Return a square of a colour "#rrggbb"."""
    return (
        f'<span style="display:inline-block;width:.85em;height:.85em;background:{colour};'
        f'border:1px solid {_LINE};vertical-align:-.08em"></span>'
    )


def curve(values: np.ndarray) -> str:
    """Return values (channel,) as a curve, without an axis; it has the colour of the text."""
    known = np.isfinite(values)
    if known.sum() < 2:
        return ""
    bins = min(len(values), LARGEST)
    edges = np.linspace(0, len(values), bins + 1).astype(int)
    with np.errstate(invalid="ignore"):
        highest = np.array(
            [np.nanmax(values[a:b]) if known[a:b].any() else np.nan
             for a, b in pairwise(edges)]
        )  # fmt: skip
    low, high = float(np.nanmin(highest)), float(np.nanmax(highest))
    y = 60 - 58 * (highest - low) / ((high - low) or 1.0)
    x = np.linspace(0, LARGEST, bins)
    points = " ".join(f"{a:.0f},{b:.1f}" for a, b in zip(x, y, strict=True) if np.isfinite(b))
    return (
        f'<svg viewBox="0 0 {LARGEST} 62" width="{LARGEST}" height="62" role="img" '
        f'aria-label="mean spectrum"><polyline points="{points}" fill="none" '
        'stroke="currentColor" stroke-width="1"/></svg>'
    )
