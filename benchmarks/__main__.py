"""Run all measurements and write RESULTS.md beside this file."""

import datetime
import platform
from importlib.metadata import version
from pathlib import Path

import torch

from . import cluster_term

SECTIONS = (("What the cluster term does", cluster_term.main),)


def main() -> None:
    """Run every section and write the page."""
    packages = ", ".join(f"{name} {version(name)}" for name in ("torch", "numpy", "scikit-learn"))
    lines = [
        "# Measured results",
        "",
        f"Written by `make bench` on {datetime.date.today()}: {platform.machine()}, "
        f"{torch.get_num_threads()} threads, Python {platform.python_version()}, {packages}.",
    ]
    for title, measure in SECTIONS:
        lines += ["", f"## {title}", "", *measure()]
        print("\n".join(lines[-20:]), flush=True)
    target = Path(__file__).parent / "RESULTS.md"
    target.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"written to {target}")


if __name__ == "__main__":
    main()
