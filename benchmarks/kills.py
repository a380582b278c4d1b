"""A training that is killed at random times and resumed, compared with an uninterrupted one.

Every start of a training is a separate process, killed from outside by SIGKILL: it has no chance
to clean up.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from safetensors.numpy import save

from spectessera import Clusters, Network, Preprocess, Schedule, SpectralSegmenter, Training
from spectessera.network import modelfile
from spectessera.network.checkpoint import Checkpoint

from .line_spectra import line_spectra

EPOCHS = 24
KILLS = 6
# The plateau lowers the learning rate in both: so its state must be resumed, too.
COMMON: dict[str, Any] = {"epochs": EPOCHS, "batch_size": 128, "learning_rate": 5e-3, "plateau": 1}
TRAININGS = {
    "MLP, dropout 0.2, denoising": (
        Network(encoder=(64, 32), dropout=0.2),
        Training(gamma=Schedule(0.0, 0.1, 2, 8), denoise=0.1, **COMMON),
    ),
    "SNN, variational, MMD, dropout 0.1": (
        Network(encoder=(64, 32), block="snn", variational=True, dropout=0.1),
        Training(beta=Schedule(0.0, 0.5, 1, 6), gamma=Schedule(0.1, 0.3, 3, 9), **COMMON),
    ),
}


class Kill(NamedTuple):
    """A time at which a training is killed.

    Attributes
    ----------
    epoch : int
        From 0.
    share : float
        Of the duration of the epoch or, with ``writing``, of the bytes of its checkpoint.
    writing : bool
        Whether it is killed while its checkpoint is written.
    """

    epoch: int
    share: float
    writing: bool


class Outcome(NamedTuple):
    """Comparison of a killed training with an uninterrupted one.

    ``lowered`` counts the reductions of the learning rate; ``differing`` are the names of tensors,
    metadata and files that are not equal bit for bit.
    """

    kills: list[Kill]
    tensors: int
    lowered: int
    differing: list[str]


def draw_kills(seed: int) -> list[Kill]:
    """Draw times in the order of their epochs; every third is during writing."""
    generator = np.random.default_rng(seed)
    epochs = np.sort(generator.choice(EPOCHS, KILLS, replace=False)).tolist()
    shares = generator.uniform(0.05, 0.95, KILLS).tolist()
    return [Kill(e, s, i % 3 == 2) for i, (e, s) in enumerate(zip(epochs, shares, strict=True))]


# --- the process that is killed ----------------------------------------------------------------


def epochs_kept(folder: Path) -> int:
    """Return the number of epochs in the checkpoint."""
    path = folder / "state.safetensors"
    return len(modelfile.read_model(path)[1]["rows"]) if path.exists() else 0


def train(name: str, folder: Path, kill: Kill | None) -> None:
    """Train, starting from the checkpoint if there is one; print the number of each epoch.

    To be killed at the right time, the process pauses in the middle of writing, or at the end of
    the epoch if the signal is late.
    """
    if kill is not None and kill.writing:
        modelfile.save = partial(_write_part, folder / "state.safetensors", kill)

    def progress(done: int, _total: int, _row: dict[str, Any]) -> None:
        if kill is not None and done > kill.epoch:
            signal.pause()
        print(done, flush=True)

    network, training = TRAININGS[name]
    spectra = line_spectra(2000, groups=4, channels=128, sigma=0.1, mix=0.3).noisy
    segmenter = SpectralSegmenter(Preprocess(normalise=None), network, Clusters(2, 6), training)
    checkpoint = Checkpoint(folder / "state.safetensors", seconds=0)
    print(epochs_kept(folder), flush=True)
    segmenter.fit(spectra, checkpoint=checkpoint, progress=progress)
    segmenter.save(folder / "model.safetensors")


def _write_part(
    path: Path, kill: Kill, tensors: dict[str, np.ndarray], metadata: dict[str, str]
) -> bytes:
    """Return the content of a checkpoint, but that of the kill's epoch is written only in part."""
    content = save(tensors, metadata)
    if len(json.loads(metadata[modelfile.KEY])["rows"]) > kill.epoch:
        with modelfile.atomic(path) as temporary:
            temporary.write_bytes(content[: int(kill.share * len(content))])
            print("writing", flush=True)
            signal.pause()
    return content


# --- the process that kills --------------------------------------------------------------------


def start(name: str, folder: Path, kill: Kill | None) -> subprocess.Popen[str]:
    """Start the process of a training."""
    code = (
        "import json, sys; from pathlib import Path; from benchmarks.kills import Kill, train\n"
        "name, folder, kill = json.loads(sys.argv[1])\n"
        "train(name, Path(folder), kill and Kill(*kill))"
    )
    return subprocess.Popen(
        [sys.executable, "-c", code, json.dumps([name, str(folder), kill])],
        cwd=Path(__file__).parents[1],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        text=True,
    )


def finish(name: str, folder: Path) -> float:
    """Run a training to its end; return the mean seconds per epoch."""
    process = start(name, folder, None)
    process.communicate()
    if process.returncode != 0:
        raise RuntimeError(f"the training in {folder} ended with status {process.returncode}")
    _, told = modelfile.read_model(folder / "model.safetensors")
    return told["history"]["seconds"] / EPOCHS


def start_and_kill(name: str, folder: Path, kill: Kill, seconds: float) -> None:
    """Start a training, or resume it, and kill it at the given time."""
    process = start(name, folder, kill)
    assert process.stdout is not None
    expected = "writing" if kill.writing else str(kill.epoch)
    try:
        reached = any(line.strip() == expected for line in process.stdout)
        if reached and not kill.writing:
            time.sleep(kill.share * seconds)
    finally:
        process.kill()
        status = process.wait()
        process.stdout.close()
    if not reached or status != -signal.SIGKILL:
        raise RuntimeError(f"the training was not running at the time of {kill}")


def differences(first: Path, second: Path) -> list[str]:
    """Return the names of tensors and metadata of two models that differ in any bit."""
    (tensors, told), (others, other) = (modelfile.read_model(each) for each in (first, second))
    told["history"].pop("seconds")
    other["history"].pop("seconds")
    plain = [_plain(each) for each in (tensors, others)]
    found = [
        name for name in plain[0].keys() | plain[1] if plain[0].get(name) != plain[1].get(name)
    ]
    return sorted(found + [name for name in told if told[name] != other.get(name)])


def _plain(tensors: dict[str, np.ndarray]) -> dict[str, tuple[str, tuple[int, ...], bytes]]:
    return {name: (each.dtype.str, each.shape, each.tobytes()) for name, each in tensors.items()}


def measure(name: str) -> Outcome:
    """Kill and resume one of the trainings until it has finished, and compare."""
    with tempfile.TemporaryDirectory() as folder:
        killed, reference = Path(folder, "killed"), Path(folder, "reference")
        killed.mkdir()
        reference.mkdir()
        seconds = finish(name, reference)
        kills = draw_kills(seed=list(TRAININGS).index(name))
        for kill in kills:
            start_and_kill(name, killed, kill, seconds)
        finish(name, killed)
        differing = differences(killed / "model.safetensors", reference / "model.safetensors")
        left = {path.name for path in killed.iterdir()} - {
            path.name for path in reference.iterdir()
        }
        tensors, told = modelfile.read_model(killed / "model.safetensors")
    rates = [row["learning_rate"] for row in told["history"]["rows"]]
    lowered = int(np.count_nonzero(np.diff(rates)))
    return Outcome(kills, len(tensors), lowered, differing + sorted(left))


def main() -> list[str]:
    """Measure and return lines of a table."""
    lines = [
        f"Trainings of {EPOCHS} epochs (counted from 0) with a checkpoint after each epoch, killed",
        "by SIGKILL at random times (w: while the checkpoint was written) and resumed. Each is",
        "compared with an uninterrupted training: every saved tensor bit for bit, the whole",
        "history except the times; and no other file may remain.",
        "",
        "| network | kills | in epoch | learning rate lowered | tensors | differing |",
        "|---|---|---|---|---|---|",
    ]
    with ThreadPoolExecutor(2) as pool:
        outcomes = pool.map(measure, TRAININGS)
        for name, found in zip(TRAININGS, outcomes, strict=True):
            epochs = ", ".join(f"{each.epoch}{'w' * each.writing}" for each in found.kills)
            lines.append(
                f"| {name} | {len(found.kills)} | {epochs} | {found.lowered} times | "
                f"{found.tensors} | {', '.join(found.differing) or 'none'} |"
            )
    return lines


if __name__ == "__main__":
    print("\n".join(main()))
