"""Write docs/paper.md from the folders that `spectessera reproduce` has written.

spectessera reproduce astro --seeds 3 --out astro
spectessera reproduce heritage --seeds 3 --pictures examples/data --out heritage
python -m benchmarks.paper astro heritage
"""

import datetime
import json
import sys
from pathlib import Path

from spectessera.studies import FULL

from ._timing import processor

PAGE = Path(__file__).parents[1] / "docs" / "paper.md"
HEAD = Path(__file__).parent / "paper_head.md"


def main(folders: list[Path]) -> None:
    """Write the page."""
    rows, columns = FULL.image
    lines = [HEAD.read_text(encoding="utf-8")]
    lines.append(
        f"Measured on {datetime.date.today()}: {processor()}; {FULL.spectra:,} training spectra, "
        f"{FULL.epochs} epochs, images of {rows} x {columns} pixels, UMAP and t-SNE fitted on "
        f"{FULL.fit_pixels:,} pixels. Written by `python -m benchmarks.paper`."
    )
    for folder in folders:
        summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
        table = (folder / "scores.md").read_text(encoding="utf-8").splitlines()
        lines += ["", f"## {summary['experiment'].capitalize()}, {summary['seeds']} seeds"]
        lines += [line.replace("## ", "### ", 1) for line in table[3:]]
    PAGE.write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")
    print(f"written to {PAGE}")


if __name__ == "__main__":
    main([Path(each) for each in sys.argv[1:]])
