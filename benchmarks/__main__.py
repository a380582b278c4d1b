"""Run measurements and write RESULTS.md beside this file.

All of them, or those whose title has a word: python -m benchmarks synthetic.
"""

import datetime
import platform
import sys
from importlib.metadata import version
from pathlib import Path

import torch

from . import (
    astro_network,
    big_cubes,
    cluster_term,
    kills,
    peers_from_disk,
    silhouettes,
    splits,
    synthetic,
    training_step,
    whole_cube,
)

SECTIONS = (
    ("What a training step costs", training_step.main),
    ("Segmenting a whole cube", whole_cube.main),
    ("Silhouettes and the choice of k", silhouettes.main),
    ("Noise that is cut in two", splits.main),
    ("Cubes larger than memory", big_cubes.main),
    ("From disk to labels, beside peers", peers_from_disk.main),
    ("The astronomical network of the paper", astro_network.main),
    ("Synthetic cubes and spectra", synthetic.main),
    ("Killed and resumed", kills.main),
    ("What the cluster term does", cluster_term.main),
)


def processor() -> str:
    """Return the name of the processor, where the system tells it."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in text.splitlines() if "model name" in line]
    return f"{platform.machine()}, {names[0]}" if names else platform.machine()


def measured(title: str, lines: list[str]) -> list[str]:
    """Return a section of the page: title, when and where it was measured, what was found."""
    packages = ", ".join(f"{name} {version(name)}" for name in ("torch", "numpy", "scikit-learn"))
    where = (
        f"{datetime.date.today()}; {processor()}; {torch.get_num_threads()} threads; "
        f"Python {platform.python_version()}, {packages}."
    )
    return [f"## {title}", "", where, "", *lines]


def sections(text: str) -> dict[str, list[str]]:
    """Return the sections of the page by their titles."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        if line.startswith("## "):
            found[line[3:]] = []
        if found:
            found[list(found)[-1]].append(line)
    return found


def main(words: list[str]) -> None:
    """Run the sections whose title has one of the words, or all, and write them into the page."""
    target = Path(__file__).parent / "RESULTS.md"
    there = sections(target.read_text(encoding="utf-8")) if target.exists() else {}
    for title, measure in SECTIONS:
        if not words or any(word.lower() in title.lower() for word in words):
            there[title] = measured(title, measure())
            print("\n".join(there[title]), flush=True)
    lines = ["# Measured results", "", "Written by `make bench`, section by section."]
    for title, _ in SECTIONS:
        if title in there:
            lines += ["", *"\n".join(there[title]).strip().splitlines()]
    target.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"written to {target}")


if __name__ == "__main__":
    main(sys.argv[1:])
