"""The command: which parts run; each puts what it found into ``record.json``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from . import __doc__ as about
from .disks import disks
from .fuzz import fuzz
from .kills import kills, laboratory, signals, two_writers
from .seeds import RECIPES
from .table import RECORD, keep, write_page

PARTS = ("fuzz", "isolate", "kills", "disks", "signals", "writers", "table")


def main() -> None:
    """Run what the arguments name."""
    parser = argparse.ArgumentParser(prog="python -m tools.hostile", description=about)
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS) + "; default all")
    parser.add_argument("--inputs", type=int, default=5000, help="damaged files of each format")
    parser.add_argument("--first", type=int, default=0, help="number of the first of them")
    parser.add_argument("--formats", default=";".join(RECIPES), help="names, between semicolons")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--disks", type=int, default=110)
    parser.add_argument("--found", type=Path, help="a folder for the files that fail")
    options = parser.parse_args()
    parts = options.parts or PARTS
    if unknown := set(parts) - set(PARTS):
        parser.error(f"{', '.join(unknown)}: the parts are {', '.join(PARTS)}")
    formats = options.formats.split(";")
    if "fuzz" in parts:
        for name in formats:
            numbers = range(options.first, options.first + options.inputs)
            said("fuzz", {name: fuzz(name, numbers, options.found)})
    if "isolate" in parts:
        isolate([name for name in formats if name in ("HDF5", "NetCDF", "Zarr")])
    if {"kills", "disks", "signals", "writers"} & set(parts):
        with laboratory() as home:
            if "kills" in parts:
                said("kills", kills(home, options.kills))
            if "disks" in parts:
                said("disks", disks(home, options.disks))
            if "signals" in parts:
                said("signals", signals(home))
            if "writers" in parts:
                said("writers", two_writers(home))
    if "table" in parts:
        write_page()


def isolate(formats: list[str]) -> None:
    """Open again, in processes of their own, the files that ended or stopped the process."""
    import json

    record = json.loads(RECORD.read_text()).get("fuzz", {}) if RECORD.exists() else {}
    for name in formats:
        failures = record.get(name, {}).get("failures", {})
        bad = [n for kind, each in failures.items() if kind.startswith(("crash", "hang"))
               for n in each["numbers"]]  # fmt: skip
        said("fuzz isolated", {name: fuzz(name, [*bad, *range(20)], isolate=True)})


def said(part: str, found: dict[str, Any]) -> None:
    """Record what a part has found, and print it."""
    keep(part, found)
    for name, row in found.items():
        counts = {key: each for key, each in row.items() if key != "failures"}
        print(part, name, counts, file=sys.stderr)


if __name__ == "__main__":
    main()
