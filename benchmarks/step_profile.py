"""Where the time of a training step goes: processor time of its parts, with one thread.

The parts are timed while whole steps run, because a function that is called alone finds its data
and its instructions in the caches, and takes a third of the time.
"""

import importlib
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import torch

from spectessera.network import training
from spectessera.network.settings import weights_at

from .line_spectra import line_spectra
from .training_step import KINDS, Stepper, products

STEPS, BEFORE = 40, 40
KINDS_OF_TABLE = ("plain, p = 0", "plain, p = 0.1", "joint, k 2..3", "joint, k 4..12")
PARTS = (  # name in the table, module, function
    ("cluster term: all but its gradient", "spectessera.network.training", "choose_k"),
    ("- k-means of all k", "spectessera.kmeans._choose", "best_runs_for"),
    ("- - seeds", "spectessera.kmeans._lloyd", "seed_centers"),
    ("- - Lloyd's iterations", "spectessera.kmeans._lloyd", "_lloyd"),
    ("- silhouettes of all k", "spectessera.kmeans._choose", "_silhouettes"),
)
GRADIENT = "gradient of the silhouette"


class Times:
    """Processor seconds of every part, a value for every call."""

    def __init__(self) -> None:
        self.of: dict[str, list[float]] = defaultdict(list)

    def timed(self, part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function that does the same and notes its time."""

        def run(*args: Any, **kwargs: Any) -> Any:
            start = time.process_time()
            result = function(*args, **kwargs)
            self.of[part].append(time.process_time() - start)
            return result

        return run

    def watch(self) -> None:
        """Replace the parts by timed ones, for the rest of the process."""
        for part, module, name in PARTS:
            home = importlib.import_module(module)
            setattr(home, name, self.timed(part, getattr(home, name)))
        score = importlib.import_module("spectessera.kmeans._silhouette").SilhouetteScore
        score.backward = staticmethod(self.timed(GRADIENT, score.backward))


def step_in_parts(stepper: Stepper, times: Times) -> None:
    """Take one step, the same as that of the stepper."""

    def forward() -> dict[str, torch.Tensor]:
        weights = weights_at(stepper.training, 0)
        return training.loss_terms(
            stepper.model, stepper.batch, stepper.clusters, stepper.training, weights,
            stepper.seeding,
        )  # fmt: skip

    def whole() -> None:
        stepper.optimiser.zero_grad()
        terms = times.timed("forward", forward)()
        times.timed("backward", terms["total"].backward)()
        times.timed("Adam", stepper.optimiser.step)()

    times.timed("whole step", whole)()


def profile(block: str, n: int = 512, steps: int = STEPS, before: int = BEFORE) -> list[str]:
    """Measure and return lines of a table: milliseconds, the medians of all steps."""
    torch.set_num_threads(1)
    spectra = torch.from_numpy(line_spectra(n, snr=(10, 100), mix=0.5).noisy)
    kinds = {kind.name: kind for kind in KINDS}
    steppers = {name: Stepper(kinds[name], block, spectra) for name in KINDS_OF_TABLE}
    for stepper in steppers.values():
        for _ in range(before):
            stepper.step()
    watch, found = Times(), {name: Times() for name in steppers}
    watch.watch()
    bare = products(n)
    for _ in range(steps):  # in alternation: other work on the machine slows all of them
        for name, stepper in steppers.items():
            watch.of = found[name].of
            step_in_parts(stepper, watch)
            watch.timed("matrix products alone", bare)()
    parts = ("whole step", "matrix products alone", "forward", *(part for part, *_ in PARTS))
    lines = [
        f"| part, ms ({block}) | {' | '.join(KINDS_OF_TABLE)} |",
        "|---|" + "---|" * len(KINDS_OF_TABLE),
    ]
    for part in (*parts, "backward", GRADIENT, "Adam"):
        values = [found[name].of.get(part) for name in KINDS_OF_TABLE]
        cells = [f"{1e3 * statistics.median(each):.2f}" if each else "" for each in values]
        lines.append(f"| {part} | {' | '.join(cells)} |")
    return lines


if __name__ == "__main__":
    for name in sys.argv[1:] or ("mlp", "snn"):
        print("\n".join([*profile(name), ""]), flush=True)
