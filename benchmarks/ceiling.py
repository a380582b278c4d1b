"""Upper limit: a supervised network of the same size on the sets of pigments."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from spectessera.synth import load_palette, xrf_spectra

from .drawn import SETS, all_pigments
from .quality import scored

STEPS, BATCH = 1200, 256
DRAWS = (100, 101)  # methods were tuned on these, too; an upper limit is not a method


def roots(spectra: np.ndarray) -> torch.Tensor:
    """Return network inputs (n, 512): square roots, divided by their root sum of squares."""
    values = np.sqrt(spectra)
    return torch.from_numpy(values / np.linalg.norm(values, axis=1, keepdims=True))


def trained(palette: str, mode: str, counts: int) -> nn.Module:
    """Train a classifier on streamed, labelled spectra of the same palette."""
    paint = all_pigments() if palette == "all" else load_palette(palette)
    stream = xrf_spectra(10**7, paint, mode, counts, seed=5)
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Linear(512, 512), nn.LayerNorm(512), nn.SiLU(),
        nn.Linear(512, 256), nn.LayerNorm(256), nn.SiLU(),
        nn.Linear(256, len(paint.pigments)),
    )  # fmt: skip
    optimiser = torch.optim.AdamW(model.parameters(), 1e-3)
    rate = torch.optim.lr_scheduler.OneCycleLR(optimiser, 2e-3, total_steps=STEPS)
    per_block = 4096 // BATCH
    for step in range(STEPS):
        if step % per_block == 0:
            block = stream.block(step // per_block)
            inputs = roots(block.spectra.reshape(-1, 512, 2).sum(axis=2).astype(np.float32))
            labels = torch.from_numpy(block.label - 1)
        rows = slice(step % per_block * BATCH, (step % per_block + 1) * BATCH)
        loss = nn.functional.cross_entropy(model(inputs[rows]), labels[rows])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        rate.step()
    return model.eval()


def main() -> list[str]:
    """Return the lines of the section."""
    torch.set_num_threads(1)
    lines = [
        f"A network 512-512-256 with a class for every pigment, trained on {STEPS * BATCH:,} "
        "labelled spectra of the same palette; means of two draws.",
        "",
        "| set | adjusted Rand index | F1 |",
        "|---|---|---|",
    ]
    for name in list(SETS)[:7]:
        palette, mode, counts = SETS[name].args
        model = trained(palette, mode, counts)
        pairs = []
        for seed in DRAWS:
            drawn = SETS[name](seed)
            with torch.no_grad():
                label = model(roots(drawn.spectra)).argmax(1).numpy()
            scores = scored(drawn, label)
            pairs.append((scores["ari"], scores["f1"]))
        ari, f1 = np.mean(pairs, axis=0)
        lines.append(f"| {name} | {ari:.3f} | {f1:.3f} |")
    return lines
