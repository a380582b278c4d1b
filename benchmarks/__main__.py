"""Run the measurements and write RESULTS.md in this folder.

All sections, or those whose title contains a given word: python -m benchmarks synthetic.
"""

import sys
from pathlib import Path

from . import (
    astro_network,
    big_cubes,
    cluster_term,
    fit_time,
    folders,
    kills,
    paper_speed,
    peers_from_disk,
    reading,
    silhouettes,
    splits,
    startup,
    synthetic,
    training_step,
    whole_cube,
)
from ._timing import measured

SECTIONS = (
    (startup.TITLE, startup.main),
    ("What a training step costs", training_step.main),
    (reading.TITLE, reading.main),
    (fit_time.TITLE, fit_time.main),
    (fit_time.TITLE_OF_FILES, fit_time.of_files),
    ("Segmenting a whole cube", whole_cube.main),
    ("Silhouettes and the choice of k", silhouettes.main),
    (folders.TITLE, folders.main),
    ("Clusters split by noise", splits.main),
    ("Cubes larger than memory", big_cubes.main),
    ("From disk to labels, compared with other packages", peers_from_disk.main),
    ("The astronomical network of the paper", astro_network.main),
    (paper_speed.TITLE, paper_speed.main),
    ("Synthetic cubes and spectra", synthetic.main),
    ("Killed and resumed", kills.main),
    ("What the cluster term does", cluster_term.main),
)


def sections(text: str) -> dict[str, list[str]]:
    """Return the lines of every section of the page, by title."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        if line.startswith("## "):
            found[line[3:]] = []
        if found:
            found[list(found)[-1]].append(line)
    return found


def write_sections(new: dict[str, list[str]]) -> None:
    """Write sections, measured just now, to the page; the others stay as they are."""
    target = Path(__file__).parent / "RESULTS.md"
    page = sections(target.read_text(encoding="utf-8")) if target.exists() else {}
    for title, lines in new.items():
        page[title] = measured(title, lines)
        print("\n".join(page[title]), flush=True)
    lines = ["# Measured results", "", "Written by `make bench`, section by section."]
    for title, _ in SECTIONS:
        if title in page:
            lines += ["", *"\n".join(page[title]).strip().splitlines()]
    target.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"written to {target}")


def main(words: list[str]) -> None:
    """Run all sections, or those whose title contains one of the words; write each to the page."""
    for title, measure in SECTIONS:
        if not words or any(word.lower() in title.lower() for word in words):
            lines = measure()
            if lines:  # a section that needs files which are not given stays as it is
                write_sections({title: lines})


if __name__ == "__main__":
    main(sys.argv[1:])
