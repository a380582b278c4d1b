"""`spectessera info`: what is in a file."""

from __future__ import annotations

from typing import Any

from rich.table import Table
from rich.text import Text

from spectessera._util.imports import uncollected

from .console import as_flags, command, output, print_json
from .flags import AsJson, CubeFile, FileOptions, with_flag_groups

LABELS = {
    "reading_notes": "assumed", "axes_from": "order of axes from", "axis_hint": "hint",
    "not_finite_share": "not finite values", "negative_share": "negative values",
}  # fmt: skip
UNKNOWN_SIZE = "not in the file; for scale bars and areas, give it: --pixel-size 0.5mm"
ADVICE = (
    "If this is wrong: --key, --axes, --energy, --wavelength, --unit, --pixel-size "
    "(spectessera info --help)."
)


@command
@with_flag_groups
def info_command(
    file: CubeFile,
    reading: FileOptions,
    as_json: AsJson = False,
) -> None:
    """Show what is in a file: size, spectral axis, range of values, quality of the spectra."""
    with uncollected():
        from spectessera.io.describe import describe_cube

    description = {"file": str(file), **describe_cube(reading.open(file))}
    if as_json:
        print_json(description)
        return
    if "pixel_size" not in description:
        description["pixel_size"] = UNKNOWN_SIZE
    table = Table(show_header=False, box=None)
    for name, value in description.items():
        text = f"{100 * value:.3g} %" if name.endswith("_share") else _shown(value)
        table.add_row(Text(LABELS.get(name, name.replace("_", " ")), "bold"), as_flags(text))
    output.print(table)
    output.print(ADVICE)


def _shown(value: Any) -> str:
    """Return a value of the description as text."""
    if isinstance(value, dict):
        return ", ".join(f"{_shown(each)} {name.replace('_', ' ')}" for name, each in value.items())
    if isinstance(value, list):
        return " to ".join(_shown(each) for each in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.7g}" if isinstance(value, float) else str(value)
