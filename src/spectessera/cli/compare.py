"""`spectessera compare`: a segmentation and reference labels."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from spectessera._util.text import counted, per_cent

from .console import command, errors, print_lines
from .flags import AsJson

PICTURES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".gif")


@command
def compare_command(
    labels: Annotated[Path, typer.Argument(help="A result, its folder, or a label map.")],
    reference: Annotated[
        Path,
        typer.Argument(
            help="The true labels: a label map, a synthetic or labelled cube, or a picture, the "
            "colours of which are clustered."
        ),
    ],
    seed: Annotated[
        int, typer.Option(min=0, help="Seed for clustering the colours of a picture.")
    ] = 0,
    as_json: AsJson = False,
) -> None:
    """Compare a segmentation with reference labels."""
    from spectessera.evaluate import compare
    from spectessera.io.labels import read_labels

    comparison = compare(read_labels(labels), _reference(reference, seed))
    if as_json:
        sys.stdout.write(comparison.to_json() + "\n")
    else:
        print_lines(str(comparison))


def _reference(path: Path, seed: int) -> Any:
    """Return reference labels (y, x): those of a file, or the clustered colours of a picture."""
    from spectessera.io.labels import read_labels

    if path.suffix.lower() not in PICTURES:
        return read_labels(path)
    import numpy as np

    from spectessera.colours import as_hex
    from spectessera.synth.paint.rgb import few_colours, read_image

    found = few_colours(read_image(path), seed=seed)
    shares = np.bincount(found.colour.ravel(), minlength=len(found.rgb)) / found.colour.size
    words = ", ".join(
        f"{n} {as_hex(rgb)} ({per_cent(share)})"
        for n, (rgb, share) in enumerate(zip(found.rgb, shares.tolist(), strict=True), start=1)
    )
    errors.print(f"reference: {counted(len(found.rgb), 'colour')} of {path}: {words}")
    return found.colour + 1
