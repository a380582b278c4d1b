"""What every page of measurements states: when, on which processor and with which versions."""

import datetime
import platform
from importlib.metadata import version
from pathlib import Path

import torch


def processor() -> str:
    """Return the name of the processor, if the system provides it."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in text.splitlines() if "model name" in line]
    return f"{platform.machine()}, {names[0]}" if names else platform.machine()


def measured(title: str, lines: list[str]) -> list[str]:
    """Return a section of a page: title, date and machine of the measurement, its lines."""
    packages = ", ".join(f"{name} {version(name)}" for name in ("torch", "numpy", "scikit-learn"))
    where = (
        f"{datetime.date.today()}; {processor()}; {torch.get_num_threads()} threads; "
        f"Python {platform.python_version()}, {packages}."
    )
    return [f"## {title}", "", where, "", *lines]
