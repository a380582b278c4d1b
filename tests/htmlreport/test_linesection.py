"""The section about emission lines, and the numbers on the cards."""

import base64
import io
import json
import re

import numpy as np
import xarray as xr
from PIL import Image

from reportcases import HOSTILE
from spectessera.axis import Axis
from spectessera.htmlreport.cards import card_html
from spectessera.htmlreport.facts import Card
from spectessera.htmlreport.linemaps import line_section
from spectessera.naming.candidates import Candidate, Line, Naming, Peak

MINUS = "\N{MINUS SIGN}"


def made_maps(names=("Ha 6563", "Hb 4861")):
    """Return line maps of 3 x 5 pixels: a velocity that rises by columns, one pixel unknown."""
    shape = (3, 5)
    velocity = np.tile(np.linspace(-200.0, 200.0, 5), (3, 1))
    velocity[0, 0] = np.nan
    flux = np.stack([np.full(shape, 20.0 / n) for n in range(1, len(names) + 1)])
    flux[1, 0] = 0.5
    return xr.Dataset(
        {
            "velocity": (("y", "x"), velocity),
            "dispersion": (("y", "x"), np.full(shape, 60.0)),
            "flux": (("line", "y", "x"), flux, {"units": "erg"}),
            "flux_error": (("line", "y", "x"), np.ones_like(flux)),
            "gas_class": (("y", "x"), np.ones(shape, np.uint8),
                          {"legend": json.dumps({"1": "HII region", "2": "composite"})}),
        },
        coords={"line": list(names)},
        attrs={"redshift": 0.03, "pixels_alone": 14, "pixels_pooled": 1, "pixels_too_faint": 0},
    )  # fmt: skip


def images(html):
    """Return the colours of all small maps (y, x, 3), by their names."""
    found = re.findall(r'src="data:image/png;base64,([^"]+)" alt="Map of ([^"]+)"', html)
    return {
        name: np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB"), float)
        for data, name in found
    }


def test_approaching_gas_is_blue_and_receding_gas_red_on_a_symmetric_scale():
    html = line_section(made_maps())
    velocity = images(html)["velocity"]
    assert velocity[1, 0, 2] > velocity[1, 0, 0]
    assert velocity[1, 4, 0] > velocity[1, 4, 2]
    assert np.ptp(velocity[1, 2]) < 20  # zero is white
    assert len(set(velocity[0, 0])) == 1  # not known: grey
    assert f"velocity: {MINUS}200 to 200 km/s" in html
    assert "dispersion: 0 to 60 km/s" in html
    assert "Ha 6563: 0 to 20 erg" in html
    assert set(images(html)) == {"velocity", "dispersion", "Ha 6563", "Hb 4861"}


def test_pixels_that_show_a_line_are_counted_and_summed():
    html = line_section(made_maps())
    cells = re.sub(r"<(th|td)[^>]*>", r"<\1>", html)
    assert "<th>Hb 4861</th><td>10</td><td>102.5 ± 3.9</td>" in cells  # its first row is faint
    assert "<th>Ha 6563</th><td>15</td><td>300.0 ± 3.9</td>" in cells
    assert "HII region" in html
    assert "composite" not in html  # no pixel has that class
    assert "Fluxes are in erg" in html


def test_the_first_row_is_at_the_bottom_where_there_is_a_sky():
    maps = made_maps()
    maps["flux"][0, 0] = 0.0
    assert images(line_section(maps))["Ha 6563"][0].mean() < 60
    assert images(line_section(maps.assign_attrs(wcs="x")))["Ha 6563"][-1].mean() < 60


def test_maps_of_strangers_are_text_and_may_lack_much():
    maps = made_maps((HOSTILE, "b"))
    maps["gas_class"].attrs["legend"] = "["
    maps["velocity"][:] = np.nan
    maps["flux"][1] = np.nan
    html = line_section(maps)
    assert "<script" not in html
    assert "Class of the gas" not in html


def test_a_card_shows_ratios_with_errors_and_what_they_are():
    lines = tuple(
        Line(name, float(name.split()[-1]), Peak(float(name.split()[-1]), 0.1, 3.0, area, 50.0))
        for name, area in (("Hb 4861", 100.0), ("Ha 6563", 400.0), ("[NII] 6583", 120.0))
    )
    naming = Naming((), (Candidate("gas", "line", 1.0, lines, ""),))
    axis = Axis(np.arange(4700.0, 7000.0), unit="angstrom", kind="wavelength", medium="air")
    flat = np.zeros(len(axis))
    card = Card(1, "", False, 5, 0.5, None, flat, flat, naming, None, ())
    html = card_html(card, "", "erg", axis)
    assert "Ratios with errors" in html
    assert "-0.523 ± 0.012" in html.replace(MINUS, "-")  # log 0.3
    assert "E(B-V)" in html
    assert "case B" in html


def card_with(lines: tuple[Line, ...]) -> str:
    """Return the card of a cluster with emission lines."""
    naming = Naming((), (Candidate("gas", "line", 1.0, lines, ""),))
    axis = Axis(np.arange(4700.0, 7000.0), unit="angstrom", kind="wavelength", medium="air")
    flat = np.zeros(len(axis))
    card = Card(1, "", False, 5, 0.5, None, flat, flat, naming, None, ())
    return card_html(card, "", "erg", axis)


def test_a_card_gives_the_areas_of_lines_with_their_errors_and_unit():
    lines = (Line("Ha 6563", 6563.0, Peak(6563.0, 0.1, 3.0, 1600.0, 25.0)),)
    html = card_with(lines)
    assert "1600 ± 64" in html
    assert "above the background, in erg; times the width of a channel it is the flux" in html


def test_ratios_that_are_logarithms_say_so():
    lines = tuple(
        Line(name, float(name.split()[-1]), Peak(float(name.split()[-1]), 0.1, 3.0, area, 50.0))
        for name, area in (("[SII] 6716", 140.0), ("[SII] 6731", 100.0))
    )
    html = card_with(lines)
    assert ">log [SII] 6716/6731</" in html
    assert ">dex</" in html
