"""Run the measurements and write RESULTS.md in this folder: its sections, and a table of all aims.

``python -m benchmarks`` runs those that take less than half an hour together; with words it runs
the sections whose title contains one of them, among them the studies that take longer or that need
a checkout of an earlier state: ``python -m benchmarks synthetic grow``.
"""

import os
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch

from . import (
    aims,
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


class Section(NamedTuple):
    """A section of the page; ``usual``: whether it is run without being asked for."""

    title: str
    measure: Callable[[], list[str]]
    usual: bool = True


SECTIONS = (
    Section(startup.TITLE, startup.main),
    Section(training_step.TITLE, training_step.main),
    Section(training_step.PROCESSOR, training_step.on_one_thread, usual=False),
    Section(reading.TITLE, reading.main),
    Section(fit_time.TITLE, fit_time.main),
    Section(fit_time.TITLE_OF_FILES, fit_time.of_files),
    Section("Segmenting a whole cube", whole_cube.main),
    Section("Silhouettes and the choice of k", silhouettes.main),
    Section(folders.TITLE, folders.main, usual=False),
    Section("Clusters split by noise", splits.main, usual=False),
    Section("Cubes larger than memory", big_cubes.main),
    Section("Cubes that grow", big_cubes.growing, usual=False),
    Section("From disk to labels, compared with other packages", peers_from_disk.main),
    Section("The astronomical network of the paper", astro_network.main),
    Section(paper_speed.TITLE, paper_speed.main),
    Section("Synthetic cubes and spectra", synthetic.main),
    Section("Killed and resumed", kills.main),
    Section("What the cluster term does", cluster_term.main, usual=False),
)
HEAD = (
    "Written by `make bench`, section by section; the table is read from the sections. What takes",
    "long, or needs an earlier state of the package, is run by name: `python -m benchmarks grow`.",
)


def chosen(words: list[str]) -> list[Section]:
    """Return the usual sections, or those whose title contains one of the words."""
    if not words:
        return [section for section in SECTIONS if section.usual]
    return [s for s in SECTIONS if any(word.lower() in s.title.lower() for word in words)]


def processor_seconds() -> float:
    """Return the processor time of this process and of those that it started and that ended."""
    usages = (
        resource.getrusage(resource.RUSAGE_SELF),
        resource.getrusage(resource.RUSAGE_CHILDREN),
    )
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def sections(text: str) -> dict[str, list[str]]:
    """Return the lines of every section of the page, by title."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        if line.startswith("## "):
            found[line[3:]] = []
        if found:
            found[list(found)[-1]].append(line)
    return found


def write_sections(new: dict[str, list[str]], target: Path | None = None) -> None:
    """Write sections, measured just now, to the page; the others stay as they are."""
    target = target or Path(__file__).parent / "RESULTS.md"
    page = sections(target.read_text(encoding="utf-8")) if target.exists() else {}
    for title, lines in new.items():
        page[title] = measured(title, lines)
        print("\n".join(page[title]), flush=True)
    target.write_text("\n".join(page_of(page)) + "\n", encoding="utf-8")
    print(f"written to {target}")


def page_of(page: dict[str, list[str]]) -> list[str]:
    """Return the lines of the page with these sections (title: lines)."""
    lines = ["# Measured results", "", *HEAD, "", *aims.table(page)]
    for section in SECTIONS:
        if section.title in page:
            lines += ["", *"\n".join(page[section.title]).strip().splitlines()]
    return lines


def timed(measure: Callable[[], list[str]]) -> list[str]:
    """Return the lines of a section, and how long it took."""
    clock, processor, load = time.perf_counter(), processor_seconds(), os.getloadavg()[0]
    lines = measure()
    if not lines:  # a section that needs files which are not given stays as it is
        return []
    took = time.perf_counter() - clock, processor_seconds() - processor
    machine = f"a load of {load:.1f} on {os.cpu_count()} processors at the start"
    words = f"Measured in {took[0]:.0f} s, {took[1]:.0f} s of processor time; {machine}."
    return [*lines, "", words]


def main(words: list[str]) -> None:
    """Run the sections and write each to the page; without any, only the table."""
    threads = torch.get_num_threads()
    for section in chosen(words):
        lines = timed(section.measure)
        if lines:
            write_sections({section.title: lines})
        torch.set_num_threads(threads)  # some sections measure with one
    if words == ["table"]:
        write_sections({})


if __name__ == "__main__":
    main(sys.argv[1:])
