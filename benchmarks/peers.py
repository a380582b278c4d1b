"""Deep clustering with ClustPy (DCN, IDEC, VaDE) on the same draws, with its defaults.

    python -m benchmarks.peers --python ENV/bin/python     an environment with clustpy and torch

ClustPy is installed in a separate environment. It gets the true k, and the spectra divided by their
maximum (usual for deep clustering) or their square roots divided by the root sum of squares. Its
labels are scored here and the scores kept in quality_peers.md; each run takes minutes.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from unittest.mock import MagicMock

import numpy as np

METHODS = ("DCN", "IDEC", "VaDE")
SETS = ("8 load, 400",)
SEEDS = (3000,)


def child(method: str, path: str, k: int, seed: int) -> None:
    """Cluster the inputs of a file with one method of ClustPy; runs in its environment."""
    # ClustPy needs it for images only, and each build requires one version of torch.
    names = ("", ".models", ".models._api", ".models.resnet", ".transforms", ".datasets", ".ops")
    sys.modules.update({f"torchvision{name}": MagicMock() for name in names})
    from clustpy import deep  # type: ignore[import-not-found]

    with np.load(path, allow_pickle=False) as stored:
        inputs = stored["inputs"]
    start = time.perf_counter()
    try:
        model = getattr(deep, method)(k, random_state=seed)
    except TypeError:  # older versions
        model = getattr(deep, method)(k, random_state=np.random.RandomState(seed))
    model.fit(inputs)
    np.savez(path, labels=np.asarray(model.labels_), seconds=time.perf_counter() - start)


def run_method(
    python: str, method: str, inputs: np.ndarray, k: int, seed: int
) -> tuple[np.ndarray, float]:
    """Return the labels and the seconds of a method, in a process of another interpreter."""
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/points.npz"
        np.savez(path, inputs=inputs)
        command = [python, __file__, "--child", method, path, str(k), str(seed)]
        subprocess.run(command, check=True, capture_output=True)
        with np.load(path, allow_pickle=False) as stored:
            return stored["labels"].astype(int), float(stored["seconds"])


def main() -> None:
    """Run all methods and write the section."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--python", required=True, help="interpreter that has clustpy")
    python = parser.parse_args().python
    from spectessera import Preprocess

    from ._timing import measured
    from .quality import HERE, scored, write_page
    from .quality import SETS as DRAWS

    version = subprocess.run(
        [python, "-c", "import importlib.metadata as m; print(m.version('clustpy'))"],
        capture_output=True, text=True, check=True,
    ).stdout.strip()  # fmt: skip
    lines = [
        f"ClustPy {version} with its defaults, the true k, one thread; one draw (seed "
        f"{', '.join(map(str, SEEDS))}).",
        "",
        "| set | method | input | adjusted Rand index | F1 | seconds |",
        "|---|---|---|---|---|---|",
    ]
    kinds = {"maximum": Preprocess(), "root, L2": Preprocess(stabilise="sqrt", normalise="l2")}
    for name in SETS:
        for seed in SEEDS:
            drawn = DRAWS[name](seed)
            for kind, preprocess in kinds.items():
                inputs = preprocess.apply(drawn.spectra, drawn.axis).values
                for method in METHODS:
                    label, seconds = run_method(python, method, inputs, drawn.k, seed)
                    score = scored(drawn, label)
                    lines.append(
                        f"| {name} | {method} | {kind} | {score['ari']:.3f} | {score['f1']:.3f} | "
                        f"{seconds:.0f} |"
                    )
                    print(lines[-1], flush=True)
    text = "\n".join(measured("Deep clustering with ClustPy", lines)) + "\n"
    (HERE / "quality_peers.md").write_text(text, encoding="utf-8")
    write_page()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5]))
    else:
        main()
