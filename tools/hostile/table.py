"""The page of what was tried, from the record of the last runs."""

from __future__ import annotations

import importlib.metadata
import json
import platform
import re
import subprocess
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
RECORD = Path(__file__).parent / "record.json"
PAGE = ROOT / "docs" / "trust.md"
BEGIN, END = "<!-- table -->", "<!-- end of the table -->"
PACKAGES = ("numpy", "h5py", "h5netcdf", "xarray", "zarr", "numcodecs", "astropy", "safetensors",
            "torch", "dask", "pillow", "scipy")  # fmt: skip


def here() -> dict[str, Any]:
    """Return what a measurement depends on: the commit, the machine and the versions."""
    import h5py

    command = ["git", "rev-parse", "--short", "HEAD"]
    commit = subprocess.check_output(command, cwd=ROOT, text=True).strip()
    versions = {name: importlib.metadata.version(name) for name in PACKAGES}
    versions |= {"HDF5 (C library)": h5py.version.hdf5_version, "Python": platform.python_version()}
    return {"commit": commit, "system": f"{platform.system()} {platform.machine()}",
            "versions": versions}  # fmt: skip


def keep(part: str, found: Mapping[str, Any]) -> None:
    """Put the result of a part into the record."""
    record = json.loads(RECORD.read_text()) if RECORD.exists() else {}
    about = here()
    commit = about.pop("commit")
    record[part] = record.get(part, {}) | {
        name: {**row, "commit": commit} for name, row in found.items()
    }
    record |= about
    RECORD.write_text(json.dumps(record, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def write_page() -> None:
    """Write the tables into the page, between its two marks."""
    record = json.loads(RECORD.read_text(encoding="utf-8"))
    text = PAGE.read_text(encoding="utf-8")
    before, after = text.partition(BEGIN)[0], text.partition(END)[2]
    PAGE.write_text(before + BEGIN + "\n\n" + tables(record) + "\n" + END + after, encoding="utf-8")


def tables(record: Mapping[str, Any]) -> str:
    """Return all tables as Markdown."""
    parts = [
        _fuzzed(record.get("fuzz", {})), _isolated(record.get("fuzz isolated", {})),
        _killed(record.get("kills", {})), _disks(record.get("disks", {})),
        _signals(record.get("signals", {})), _writers(record.get("writers", {})),
        _remaining(record), _here(record),
    ]  # fmt: skip
    return "\n".join(each for each in parts if each)


def _rows(head: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    head = list(head)
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(each) for each in line) + " |" for line in lines) + "\n"


def _fuzzed(found: Mapping[str, Any]) -> str:
    """Return the table of damaged files."""
    if not found:
        return ""
    columns = ("inputs", "read", "refused", "unnamed", "traceback", "hang", "memory", "crash")
    rows = [
        [name, *[f"{row[each]:,}" for each in columns], f"{row['slowest']:.1f}",
         f"{row['largest'] / 2**20:,.0f}"]
        for name, row in found.items()
    ]  # fmt: skip
    head = ["format", "inputs", "read", "refused, file named", "refused, file not named",
            "traceback", "hang over 10 s", "2 GiB and more", "process ended", "slowest (s)",
            "largest process (MiB)"]  # fmt: skip
    return "### Damaged files\n\n" + _rows(head, rows)


def _isolated(found: Mapping[str, Any]) -> str:
    """Return the table of files that were opened by another process."""
    if not found:
        return ""
    rows = [
        [name, row["inputs"], row["read"], row["refused"], row["hang"], row["crash"]]
        for name, row in found.items()
    ]
    head = ["format", "inputs", "read", "refused", "hang", "process ended"]
    return (
        "### The same with `isolate`\n\nAll inputs that ended or stopped the process above, and "
        "some others.\n\n" + _rows(head, rows)
    )


def _left(row: Mapping[str, Any]) -> int:
    """Return after how many runs a temporary file of a killed one was still there."""
    return sum("left behind" in each for each in row["failures"])


def _killed(found: Mapping[str, Any]) -> str:
    if not found:
        return ""
    rows = [
        [name, row["kills"], row.get("old", "-"), row.get("new", "-"), row.get("mixed", 0),
         len(row["failures"]) - row.get("mixed", 0) - _left(row), _left(row)]
        for name, row in found.items()
    ]  # fmt: skip
    rows.append(["all", *[sum(int(r[n]) for r in rows if r[n] != "-") for n in range(1, 7)]])
    head = ["command", "kills", "output wholly old", "wholly new", "mixed or lost",
            "next run not right", "next run leaves a temporary file"]  # fmt: skip
    return "### Kills at random times\n\n" + _rows(head, rows)


def _disks(found: Mapping[str, Any]) -> str:
    if not found:
        return ""
    rows = [[name, row["writes"], row.get("large enough", 0), len(row["failures"])]
            for name, row in found.items()]  # fmt: skip
    rows.append(["all", *[sum(int(r[n]) for r in rows) for n in range(1, 4)]])
    head = ["command", "full disks", "limits that were not reached", "other than one line"]
    return "### Full disks\n\n" + _rows(head, rows)


def _signals(found: Mapping[str, Any]) -> str:
    if not found:
        return ""
    rows = []
    for name, row in found.items():
        ends = {k: v for k, v in row.items() if k not in ("sent", "failures", "commit")}
        said = ", ".join(f"{key}: {value}" for key, value in sorted(ends.items()))
        rows.append([name, row["sent"], said, len(row["failures"]) - _left(row), _left(row)])
    head = ["signal", "sent", "how the command ended", "traceback, or output not whole",
            "next run leaves a temporary file"]  # fmt: skip
    return "### Signals\n\n" + _rows(head, rows)


def _writers(found: Mapping[str, Any]) -> str:
    if not found:
        return ""
    rows = [[name, row["pairs"], row.get("one refused", 0), row.get("both, in turn", 0),
             len(row["failures"])] for name, row in found.items()]  # fmt: skip
    head = ["command", "pairs", "one refused", "both, in turn", "failures"]
    return "### Two writers of one output\n\n" + _rows(head, rows)


def _remaining(record: Mapping[str, Any]) -> str:
    """Return what is left, a row for each kind."""
    rows = []
    for part in ("fuzz", "fuzz isolated"):
        for name, row in record.get(part, {}).items():
            rows += [[name, _cell(kind), each["count"], _cell(each["damage"])]
                     for kind, each in row["failures"].items()]  # fmt: skip
    for part in ("kills", "disks", "signals", "writers"):
        for name, row in record.get(part, {}).items():
            # names of temporary files are drawn by chance
            texts = Counter(re.sub("[0-9a-f]{8}", "...", each) for each in row["failures"])
            rows += [[f"{part}: {name}", _cell(text), n, ""] for text, n in texts.items()]
    if not rows:
        return "### What remains\n\nNothing of the above.\n"
    return "### What remains\n\n" + _rows(["where", "what", "inputs", "how it was made"], rows)


def _cell(text: str) -> str:
    """Return text for a cell of a table."""
    line = " ".join(text.split()).replace("|", "/").replace(str(ROOT), "")[-200:]
    return f"`{line.replace('`', '')}`" if line else ""


def _here(record: Mapping[str, Any]) -> str:
    versions = ", ".join(f"{name} {each}" for name, each in record["versions"].items())
    measured: dict[str, list[str]] = {}
    for part in ("fuzz", "fuzz isolated", "kills", "disks", "signals", "writers"):
        for name, row in record.get(part, {}).items():
            measured.setdefault(row["commit"], []).append(f"{part} ({name})")
    most = max(measured, key=lambda commit: len(measured[commit]))
    others = [f"{', '.join(names)} on {commit}" for commit, names in measured.items()
              if commit != most]  # fmt: skip
    but = f" ({'; '.join(others)})" if others else ""
    return f"Measured on {record['system']}, commit {most}{but}, with {versions}.\n"
