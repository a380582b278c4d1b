"""`spectessera info`: what is in a file."""

from __future__ import annotations

import json

from rich.table import Table

from .console import command, output, print_json
from .flags import AsJson, CubeFile, FileOptions, with_flag_groups


@command
@with_flag_groups
def info_command(
    file: CubeFile,
    reading: FileOptions,
    as_json: AsJson = False,
) -> None:
    """Show what is in a file: size, spectral axis, range of values, quality of the spectra."""
    from spectessera.io.describe import describe_cube

    description = {"file": str(file), **describe_cube(reading.open(file))}
    if as_json:
        print_json(description)
        return
    table = Table(show_header=False, box=None)
    for name, value in description.items():
        text = json.dumps(value) if isinstance(value, (dict, list)) else str(value)
        table.add_row(f"[bold]{name.replace('_', ' ')}[/]", text)
    output.print(table)
