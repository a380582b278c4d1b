"""Rows of measurements in a file, to which new ones are appended as soon as they are there."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path


def rows_of(path: Path) -> list[dict[str, str]]:
    """Return all rows that were measured."""
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def append(path: Path, fields: Sequence[str], row: Mapping[str, object]) -> None:
    """Append a row and print it."""
    new = not path.exists()
    with path.open("a", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, fields)
        if new:
            writer.writeheader()
        writer.writerow(row)
    print(row, flush=True)


def as_table(path: Path) -> str:
    """Return the rows of a file as a table."""
    rows = rows_of(path)
    lines = [" | ".join(rows[0]), "---|" * (len(rows[0]) - 1) + "---"]
    lines += [" | ".join(row.values()) for row in rows]
    return "".join(f"| {line} |\n" if "---" not in line else f"|{line}|\n" for line in lines)


def write_between(page: Path, begin: str, end: str, text: str) -> None:
    """Put a text between two marks of a page, in place of what was there."""
    whole = page.read_text(encoding="utf-8")
    start = whole.index(begin) + len(begin)
    page.write_text(whole[:start] + text + whole[whole.index(end, start) :], encoding="utf-8")
