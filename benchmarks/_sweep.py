"""Sweeps: one setting of a study changed at a time, in a CSV file, tables and pictures."""

import csv
import hashlib
import sys
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch

HERE = Path(__file__).parent
IMAGES = HERE.parent / "docs" / "images"


@dataclass(frozen=True)
class Sweep:
    """A base, settings that are changed one at a time, and what is measured.

    Attributes
    ----------
    name : str
        Of the CSV file beside this one and of the picture in the docs.
    base : dataclass
        A case with the settings of the base.
    settings : dict
        Setting: label and case; the first case of each is the base.
    columns : tuple of str
        Names of the numbers. Those that start with "k" are numbers of clusters.
    shown : dict
        Columns of the table and their headings.
    measure : callable
        Takes a case and a seed, returns the numbers.
    """

    name: str
    base: Any
    settings: dict[str, dict[str, Any]]
    columns: tuple[str, ...]
    shown: dict[str, str]
    measure: Callable[[Any, int], dict[str, float]]

    @property
    def file(self) -> Path:
        """The file of the rows."""
        return HERE / f"{self.name}.csv"

    def key(self, case: Any) -> str:
        """Return the settings of a case that differ from the base, in words."""
        changed = [
            f"{each.name}={getattr(case, each.name)}"
            for each in fields(case)
            if getattr(case, each.name) != getattr(self.base, each.name)
        ]
        return " ".join(changed) or "base"

    @property
    def version(self) -> str:
        """The base in short: rows of another one are not used."""
        return hashlib.sha256(repr(self.base).encode()).hexdigest()[:8]

    def rows(self) -> list[dict[str, str]]:
        """Return the rows that were measured with this base."""
        if not self.file.exists():
            return []
        with self.file.open(encoding="utf-8", newline="") as file:
            return [row for row in csv.DictReader(file) if row["base"] == self.version]

    def of_case(self, case: Any) -> list[dict[str, float]]:
        """Return the measured rows of a case, one per seed."""
        key = self.key(case)
        found = [row for row in self.rows() if row["case"] == key]
        return [{name: float(row[name]) for name in self.columns} for row in found]

    def run(self, seeds: int) -> None:
        """Measure what is missing, seed by seed, and add a row for each to the file."""
        if not self.file.exists():
            self.file.write_text(",".join(("base", "case", "seed", *self.columns)) + "\n", "utf-8")
        # The first changes of all settings come first, so that a run that is stopped has them all.
        longest = max(map(len, self.settings.values()))
        ordered = [
            case
            for place in range(longest)
            for cases in self.settings.values()
            for case in list(cases.values())[place : place + 1]
        ]
        for seed in range(seeds):
            for case in ordered:
                key = self.key(case)
                if any((row["case"], row["seed"]) == (key, str(seed)) for row in self.rows()):
                    continue
                measured = self.measure(case, seed)
                numbers = [f"{measured[name]:.4g}" for name in self.columns]
                line = ",".join((self.version, f'"{key}"', str(seed), *numbers))
                with self.file.open("a", encoding="utf-8") as file:
                    file.write(line + "\n")
                print(line, flush=True)

    def table(self) -> list[str]:
        """Return the lines of a Markdown table: mean and, in brackets, range over the seeds."""
        lines = ["| setting | value | " + " | ".join(self.shown.values()) + " |"]
        lines.append("|---|---|" + "---|" * len(self.shown))
        for setting, cases in self.settings.items():
            if sum(bool(self.of_case(case)) for case in cases.values()) < 2:
                continue  # the base alone
            for label, case in cases.items():
                found = self.of_case(case)
                if found:
                    cells = " | ".join(cell(found, name) for name in self.shown)
                    lines.append(f"| {setting} | {label} | {cells} |")
        return lines

    def draw(self) -> None:
        """Draw the F1 of every case, one panel per setting; the colour says whether k is right."""
        from matplotlib.figure import Figure

        shown = {
            name: cases
            for name, cases in self.settings.items()
            if sum(bool(self.of_case(case)) for case in cases.values()) > 1
        }
        if not shown:
            return
        figure = Figure(figsize=(11, 1.7 * -(-len(shown) // 2)), layout="constrained")
        panels = figure.subplots(-(-len(shown) // 2), 2, sharex=True, squeeze=False).ravel()
        for axes in panels[len(shown) :]:
            axes.set_axis_off()
        for axes, (setting, all_cases) in zip(panels, shown.items(), strict=False):
            cases = {name: case for name, case in all_cases.items() if self.of_case(case)}
            for place, case in enumerate(cases.values()):
                for row in self.of_case(case):
                    colour = "black" if row["k"] == 4 else "tab:red"
                    axes.plot(row["f1"], place, "o", ms=5, color=colour)
                    axes.plot(row["f1_four"], place, "o", ms=8, mfc="none", mec="0.6")
            axes.set_yticks(range(len(cases)), list(cases), fontsize=8)
            axes.set_ylim(len(cases) - 0.5, -0.5)
            axes.axvline(0.95, color="0.6", lw=0.8, ls="--")
            axes.set_title(setting, size=9, loc="left")
            axes.set_xlim(0, 1.02)
            axes.grid(axis="x", color="0.9")
        for axes in panels[len(shown) - 2 : len(shown)]:
            axes.tick_params(labelbottom=True)
            axes.set_xlabel("macro F1 (black: k = 4 chosen; red: other k; rings: k given)", size=8)
        figure.savefig(IMAGES / f"{self.name.replace('_', '-')}.png", dpi=80)

    def main(self) -> None:
        """Measure what is missing, if the first word is "run", then draw and print the table."""
        torch.set_num_threads(1)
        words = sys.argv[1:]
        if words[:1] == ["run"]:
            self.run(int(words[1]) if len(words) > 1 else 1)
        if "f1" in self.columns:
            self.draw()
        print("\n".join(self.table()))


def cell(found: list[dict[str, float]], name: str) -> str:
    """Return the k of every seed, or the mean and the range of a number."""
    values = [each[name] for each in found]
    if name.startswith("k"):
        return ", ".join(f"{each:.0f}" for each in values)
    form = ".1e" if name == "error" else ".2f"
    mean = f"{sum(values) / len(values):{form}}"
    if len(values) == 1:
        return mean
    return f"{mean} ({min(values):{form}} to {max(values):{form}})"
