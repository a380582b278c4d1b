"""Run all measurements and write RESULTS.md beside this file."""

import datetime
import platform
from importlib.metadata import version
from pathlib import Path

import torch

from . import astro_network, cluster_term, kills, synthetic, training_step, whole_cube

SECTIONS = (
    ("What a training step costs", training_step.main),
    ("Segmenting a whole cube", whole_cube.main),
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


def main() -> None:
    """Run every section and write the page."""
    packages = ", ".join(f"{name} {version(name)}" for name in ("torch", "numpy", "scikit-learn"))
    lines = [
        "# Measured results",
        "",
        f"Written by `make bench` on {datetime.date.today()}: {processor()}, "
        f"{torch.get_num_threads()} threads, Python {platform.python_version()}, {packages}.",
    ]
    for title, measure in SECTIONS:
        section = ["", f"## {title}", "", *measure()]
        print("\n".join(section), flush=True)
        lines += section
    target = Path(__file__).parent / "RESULTS.md"
    target.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"written to {target}")


if __name__ == "__main__":
    main()
