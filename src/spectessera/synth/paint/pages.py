"""Procedural pages of manuscripts: fields, initials, borders, lines of text, gold.

They replace paintings, few of which may be shipped with a package, as images for synthetic cubes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from spectessera._util.check import check_number

from .palettes import Palette, load_palette

SUPPORTS = ("parchment", "lead white", "chalk")  # of a page: the first one in the palette
INKS = ("iron gall ink", "carbon black", "bone black", "indigo")
SHADING = 0.05  # relative spread of the brightness within a field
GRAIN = 2.0  # standard deviation of the grain of the page, in levels of 0..255


def miniature(
    seed: int = 0,
    shape: tuple[int, int] = (256, 192),
    palette: Palette | str = "choirbook",
) -> np.ndarray:
    """Draw a page of a manuscript with the colours of a palette.

    Parameters
    ----------
    seed : int
        Determines the layout and the choice of colours.
    shape : (int, int)
        Height and width in pixels, at least 32 each.
    palette : Palette or str
        See :func:`load_palette`.

    Returns
    -------
    array (y, x, 3), uint8

    Raises
    ------
    ValueError
        If the page is too small or too large.

    Examples
    --------
    >>> import spectessera as spt
    >>> spt.synth.miniature(seed=1, shape=(64, 48)).shape
    (64, 48, 3)
    """
    check_number("seed", seed, low=0, high=2**63 - 1, integer=True)
    for name, side in zip(("height", "width"), shape, strict=True):
        check_number(f"the {name}", side, low=32, high=16_384, integer=True)
    paint = load_palette(palette) if isinstance(palette, str) else palette
    page = _Page(shape, paint, np.random.default_rng([20, seed]))
    page.border()
    page.picture()
    page.text()
    page.initial()
    return page.finished()


class _Page:
    """A page while it is drawn."""

    def __init__(
        self, shape: tuple[int, int], palette: Palette, generator: np.random.Generator
    ) -> None:
        from PIL import Image, ImageDraw

        self.height, self.width = int(shape[0]), int(shape[1])
        self.generator = generator
        self.colour = {
            name: tuple(int(each) for each in rgb)
            for name, rgb in zip(palette.pigments, palette.rgb, strict=True)
        }
        names = list(palette.pigments)
        self.support = next((n for n in SUPPORTS if n in names), names[0])
        self.ink = next((n for n in INKS if n in names), names[-1])
        others = [name for name in names if name not in (self.support, self.ink)] or names
        generator.shuffle(others)
        self.paints = others
        self.metal = next((n for n in ("gold", "mosaic gold", "silver") if n in names), others[0])
        self.image = Image.new("RGB", (self.width, self.height), self.colour[self.support])
        self.draw = ImageDraw.Draw(self.image)
        self.unit = max(1, min(self.height, self.width) // 48)
        margin = 4 * self.unit
        self.frame = (margin, margin, self.width - margin - 1, self.height - margin - 1)

    def pick(self, number: int) -> Any:
        """Return the colour of a paint; numbers beyond the palette wrap around."""
        return self.colour[self.paints[number % len(self.paints)]]

    def border(self) -> None:
        """Draw a frame of coloured bars with discs of metal."""
        left, top, right, bottom = self.frame
        wide = 2 * self.unit
        sides = [(left, top, left + wide, bottom), (right - wide, top, right, bottom)]
        sides += [(left, top, right, top + wide), (left, bottom - wide, right, bottom)]
        for number, (x0, y0, x1, y1) in enumerate(sides):
            upright = y1 - y0 > x1 - x0
            length = (y1 - y0) if upright else (x1 - x0)
            pieces = int(self.generator.integers(3, 7))
            for piece in range(pieces):
                a, b = piece * length // pieces, (piece + 1) * length // pieces
                box = (x0, y0 + a, x1, y0 + b) if upright else (x0 + a, y0, x0 + b, y1)
                self.draw.rectangle(box, fill=self.pick(number + piece))
        radius = 3 * self.unit
        for x in (left + wide // 2, right - wide // 2):
            for y in (top + wide // 2, bottom - wide // 2):
                self.draw.ellipse(
                    (x - radius, y - radius, x + radius, y + radius), fill=self.colour[self.metal]
                )

    def picture(self) -> None:
        """Draw the picture in the upper part: background, hills, a figure, a sun of metal."""
        left, top, right, _ = (each + 4 * self.unit * s for each, s in self._inside())
        share = self.generator.uniform(0.42, 0.55)
        bottom = int(top + share * (self.frame[3] - self.frame[1]))
        self.picture_bottom = bottom
        self.draw.rectangle((left, top, right, bottom), fill=self.pick(0))
        wide, high = right - left, bottom - top
        x = np.linspace(0, 1, 40)
        for layer in range(1, 4):
            waves = self.generator.uniform(1, 3, 3)
            shift = self.generator.uniform(0, 6, 3)
            line = sum(np.sin(w * 3 * x + s) for w, s in zip(waves, shift, strict=True)) / 12
            y = np.clip(0.35 + 0.18 * layer + line, 0, 1)
            points = [(left + a * wide, top + b * high) for a, b in zip(x, y, strict=True)]
            points += [(right, bottom), (left, bottom)]
            self.draw.polygon(points, fill=self.pick(layer))
        radius = max(2, int(0.09 * min(wide, high)))
        cx, cy = left + int(self.generator.uniform(0.15, 0.85) * wide), top + int(0.2 * high)
        self.draw.ellipse(
            (cx - radius, cy - radius, cx + radius, cy + radius), fill=self.colour[self.metal]
        )
        middle = left + int(self.generator.uniform(0.3, 0.7) * wide)
        robe: list[tuple[float, float]] = [(middle, top + 0.38 * high)]
        robe += [(middle + side * 0.13 * wide, bottom - 1) for side in (1, -1)]
        self.draw.polygon(robe, fill=self.pick(4))
        head = max(2, int(0.05 * high))
        where = (middle - head, top + 0.3 * high, middle + head, top + 0.3 * high + 2 * head)
        self.draw.ellipse(where, fill=self.pick(5), outline=self.colour[self.ink])
        self.draw.rectangle(
            (left, top, right, bottom), outline=self.colour[self.ink], width=max(1, self.unit // 2)
        )

    def _inside(self) -> list[tuple[int, int]]:
        """Return the sides of the frame, each with its inward direction."""
        left, top, right, bottom = self.frame
        return [(left, 1), (top, 1), (right, -1), (bottom, -1)]

    def text(self) -> None:
        """Draw lines of strokes below the picture, every fourth one in colour."""
        left, _, right, bottom = (each + 4 * self.unit * s for each, s in self._inside())
        line = 4 * self.unit
        first = self.picture_bottom + 2 * self.unit
        for number, y in enumerate(range(first, bottom - line, line)):
            fill = self.colour[self.ink] if number % 4 else self.pick(number // 4)
            x = left
            while x < right - self.unit:
                if self.generator.uniform() < 0.78:
                    high = y + line - 2 * self.unit + int(self.generator.integers(-1, 2))
                    box = (x, y, x + max(1, self.unit // 2), max(y + 1, high))
                    self.draw.rectangle(box, fill=fill)
                x += int(self.generator.integers(self.unit, 2 * self.unit + 1))

    def initial(self) -> None:
        """Draw a large initial: a field with a letter of metal."""
        left, _, _, bottom = (each + 4 * self.unit * s for each, s in self._inside())
        side = min(12 * self.unit, max(4, bottom - self.picture_bottom - 4 * self.unit))
        x, y = left, self.picture_bottom + 2 * self.unit
        self.draw.rectangle((x, y, x + side, y + side), fill=self.pick(1))
        inner = side // 5
        box = (x + inner, y + inner, x + side - inner, y + side - inner)
        turn = int(self.generator.integers(0, 360))
        self.draw.pieslice(box, turn, turn + 290, fill=self.colour[self.metal])
        core = (box[0] + inner, box[1] + inner, box[2] - inner, box[3] - inner)
        if core[2] > core[0] and core[3] > core[1]:
            self.draw.ellipse(core, fill=self.pick(2))
        self.draw.rectangle(
            (x, y, x + side, y + side), outline=self.pick(3), width=max(1, self.unit // 2)
        )

    def finished(self) -> np.ndarray:
        """Return the page with shading and grain."""
        from scipy.ndimage import gaussian_filter

        values = np.asarray(self.image, dtype=np.float64)
        shade = gaussian_filter(
            self.generator.standard_normal((self.height, self.width)), 6 * self.unit
        )
        spread = shade.std()
        shade = 1 + SHADING * (shade / spread if spread > 0 else shade)
        grain = GRAIN * self.generator.standard_normal(values.shape)
        return np.clip(np.rint(values * shade[:, :, None] + grain), 0, 255).astype(np.uint8)
