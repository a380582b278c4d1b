"""Cost of a training step: joint and variational steps against a plain step, and a plain step
against the matrix products of its layers alone.
"""

import copy
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import torch

from spectessera import Clusters, Network, Training
from spectessera.kmeans import choose_k
from spectessera.network.autoencoder import Autoencoder
from spectessera.network.batches import Batch
from spectessera.network.settings import batch_clusters, weights_at
from spectessera.network.training import loss_terms

from .line_spectra import line_spectra

CHANNELS = 1024
ENCODER, DECODER = (512, 256, 32), (128, 256)
WIDTHS = (CHANNELS, *ENCODER, 3, *DECODER, CHANNELS)
ROUNDS, STEPS, WARM_UP = 3, 12, 3
TITLE, PROCESSOR = "What a training step costs", "What a training step costs the processor"

Clock = Callable[[], float]


@dataclass(frozen=True)
class Kind:
    """A kind of step: name, dropout, weights of the terms, range of k.

    The network is variational if beta is above 0.
    """

    name: str
    dropout: float
    gamma: float = 0.0
    beta: float = 0.0
    k: tuple[int, int] = (2, 3)


class Stepper:
    """Training steps of one kind on one batch, the same as in the training loop."""

    def __init__(self, kind: Kind, block: str, spectra: torch.Tensor) -> None:
        network = Network(
            encoder=ENCODER,
            decoder=DECODER,
            block=block,
            dropout=kind.dropout,
            variational=kind.beta > 0,
        )
        self.batch = Batch(spectra, None)
        self.training = Training(batch_size=len(spectra), gamma=kind.gamma, beta=kind.beta)
        self.clusters = batch_clusters(Clusters(*kind.k), self.training)
        self.seeding = torch.Generator().manual_seed(0)
        generator = torch.Generator().manual_seed(0)
        self.model = Autoencoder(network, CHANNELS, "identity", generator=generator)
        self.model.start_from(spectra)
        self.model.train()
        self.optimiser = torch.optim.Adam(self.model.parameters(), fused=True)

    def step(self) -> None:
        """Take one step."""
        self.optimiser.zero_grad()
        weights = weights_at(self.training, 0)
        terms = loss_terms(
            self.model, self.batch, self.clusters, self.training, weights, self.seeding
        )
        terms["total"].backward()
        self.optimiser.step()

    def state(self) -> tuple[dict, dict]:
        """Return copies of the weights and of the state of the optimiser."""
        return copy.deepcopy((self.model.state_dict(), self.optimiser.state_dict()))

    def restore(self, state: tuple[dict, dict]) -> None:
        """Go back to an earlier state."""
        self.model.load_state_dict(state[0])
        self.optimiser.load_state_dict(copy.deepcopy(state[1]))

    def unconverged(self) -> float:
        """Return the share of Lloyd runs (one per k) that stopped before convergence."""
        with torch.no_grad():
            latent = self.model.encode(self.batch.spectra)[0]
        found = [choose_k(latent, self.clusters, generator=self.seeding) for _ in range(20)]
        return 1 - statistics.mean(done for each in found for done in each.converged)


def products(n: int) -> Callable[[], None]:
    """Return a function that computes the matrix products of one step, forward and backward."""
    points = [torch.randn(n, width) for width in WIDTHS]
    weights = [torch.randn(before, after) for before, after in pairwise(WIDTHS)]

    def run() -> None:
        for point, weight in zip(points, weights, strict=False):
            torch.mm(point, weight)
        for layer in reversed(range(len(weights))):
            torch.mm(points[layer].T, points[layer + 1])
            if layer:  # the spectra themselves need no gradient
                torch.mm(points[layer + 1], weights[layer].T)

    return run


def seconds(function: Callable[[], None], clock: Clock) -> float:
    """Return the median time of a step in seconds, after some warm-up steps."""
    for _ in range(WARM_UP):
        function()
    times = []
    for _ in range(STEPS):
        start = clock()
        function()
        times.append(clock() - start)
    return statistics.median(times)


def measure(
    block: str, n: int, kinds: list[Kind], after: int, clock: Clock
) -> dict[str, list[float]]:
    """Return the times of every kind of step, and of the matrix products, in every round."""
    spectra = torch.from_numpy(line_spectra(n, snr=(10, 100), mix=0.5).noisy)
    steppers = {kind.name: Stepper(kind, block, spectra) for kind in kinds}
    for each in steppers.values():
        for _ in range(after):
            each.step()
    states = {name: each.state() for name, each in steppers.items()}
    times: dict[str, list[float]] = {name: [] for name in ("products", *steppers)}
    for _ in range(ROUNDS):
        times["products"].append(seconds(products(n), clock))
        for name, each in steppers.items():
            each.restore(states[name])
            times[name].append(seconds(each.step, clock))
    for name, each in steppers.items():
        if name.startswith("joint"):
            each.restore(states[name])
            times[f"{name} unconverged"] = [each.unconverged()]
    return times


COMPARED = (  # batch size, numerator, denominator, largest ratio aimed for
    (512, "plain, p = 0", "products", 1.6),
    (512, "plain, p = 0.1", "products", 1.9),
    (512, "joint, k 2..3", "plain, p = 0.1", 1.2),
    (512, "joint, k 4..12", "plain, p = 0.1", 1.35),
    (512, "variational with MMD", "plain, p = 0.1", 1.3),
    (2048, "joint, k 4..12", "plain, p = 0.1", 1.4),
)
KINDS = [
    Kind("plain, p = 0", 0.0),
    Kind("plain, p = 0.1", 0.1),
    Kind("joint, k 2..3", 0.1, gamma=0.1),
    Kind("joint, k 4..12", 0.1, gamma=0.1, k=(4, 12)),
    Kind("variational with MMD", 0.1, beta=1.0),
]


def main() -> list[str]:
    """Measure by the clock, with the threads that there are; return lines of a table."""
    return table(time.perf_counter, "Times are those of the clock.")


def on_one_thread() -> list[str]:
    """Measure the time of the processor with one thread; return lines of a table."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return table(
            time.process_time,
            "Times are those of the processor, with one thread: other work on the machine matters",
            "less, and what does not run in parallel weighs less.",
        )
    finally:
        torch.set_num_threads(before)


def table(clock: Clock, *words: str) -> list[str]:
    """Measure all kinds of steps and return lines of a table."""
    lines = [
        f"Network {'-'.join(str(width) for width in WIDTHS)}; 4 prototypes and mixtures of two;",
        f"at most 10 Lloyd iterations; median of {ROUNDS} rounds of {STEPS} steps each,",
        "alternating. p is the probability of dropout, 0.1 if not given.",
        *words,
        "",
        "| blocks | batch | steps before | step | ms | against | ms | ratio | aim "
        "| Lloyd stopped early |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for block in ("mlp", "snn"):
        for n in (512, 2048):
            wanted = [row for row in COMPARED if row[0] == n]
            names = {name for row in wanted for name in row[1:3]}
            for after in (0, 200):
                times = measure(block, n, [k for k in KINDS if k.name in names], after, clock)
                for _, what, against, aim in wanted:
                    pairs = list(zip(times[what], times[against], strict=True))
                    ratio = statistics.median(a / b for a, b in pairs)
                    early = times.get(f"{what} unconverged")
                    cells = [
                        block, n, after, what, f"{1e3 * statistics.median(times[what]):.1f}",
                        against, f"{1e3 * statistics.median(times[against]):.1f}",
                        f"{ratio:.2f}", aim, f"{100 * early[0]:.0f} %" if early else "",
                    ]  # fmt: skip
                    lines.append("| " + " | ".join(str(cell) for cell in cells) + " |")
    return lines


if __name__ == "__main__":
    print("\n".join(on_one_thread()))
