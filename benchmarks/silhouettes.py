"""Silhouettes of a whole image and the choice of k, compared with scikit-learn in the same run.

Memory is measured in separate processes, because the peak is that of a process.
"""

import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from .whole_cube import peak

KS = (3, 4, 5)
REPEATS, THEIR_REPEATS = 3, 1  # theirs take up to three minutes
SEEDS = 200
ALL_K = range(2, 11)


def blobs(n: int, seed: int = 0, groups: int = 6, rare: float = 0.0) -> np.ndarray:
    """Return points (n, 3) of overlapping groups; with ``rare``, the share of the last group."""
    generator = np.random.default_rng(seed)
    centers = generator.normal(size=(groups, 3)) * 4
    group = generator.integers(0, groups, n)
    if rare:
        group = generator.integers(0, groups - 1, n)
        group[: round(rare * n)] = groups - 1
    return (centers[group] + generator.normal(size=(n, 3))).astype(np.float32)


def clusterings(points: np.ndarray, ks: tuple[int, ...]) -> np.ndarray:
    """Return labels (len(ks), n) of k-means with one start."""
    from sklearn.cluster import KMeans

    return np.stack([KMeans(k, n_init=1, random_state=0).fit(points).labels_ for k in ks])


def work(job: str) -> None:
    """Compute exact silhouettes in this process; print time, peak and scores as JSON."""
    import torch

    from spectessera.kmeans import silhouette_image

    told = json.loads(job)
    points = blobs(told["n"])
    labels = torch.from_numpy(clusterings(points, KS)).long()
    tensor = torch.from_numpy(points)
    silhouette_image(tensor[:5000], labels[:, :5000])  # late imports
    before, seconds = peak(), []
    for _ in range(told["repeats"]):
        start = time.perf_counter()
        found = silhouette_image(tensor, labels)
        seconds.append(time.perf_counter() - start)
    print(json.dumps({"seconds": seconds, "peak": peak() - before, "score": found.score.tolist()}))


def ours(n: int, repeats: int) -> dict:
    """Compute the silhouettes of n points in a separate process."""
    job = json.dumps({"n": n, "repeats": repeats})
    command = [sys.executable, "-m", "benchmarks.silhouettes", job]
    folder = Path(__file__).parents[1]
    return json.loads(subprocess.run(command, capture_output=True, check=True, cwd=folder).stdout)


def listed(seconds: list[float]) -> str:
    """Return the median and all values as text."""
    each = ", ".join(f"{one:.2f}" for one in seconds)
    return f"{statistics.median(seconds):.2f} ({each})"


def exact() -> list[str]:
    """Compare exact silhouettes with those of scikit-learn."""
    from sklearn.metrics import silhouette_score

    points = blobs(65_536)
    labels = clusterings(points, KS)
    theirs, scores = [], []
    for _ in range(THEIR_REPEATS):
        start = time.perf_counter()
        scores = [silhouette_score(points, each) for each in labels]
        theirs.append(time.perf_counter() - start)
    mine = ours(65_536, REPEATS)
    apart = max(abs(a - b) for a, b in zip(scores, mine["score"], strict=True))
    ratio = statistics.median(theirs) / statistics.median(mine["seconds"])
    lines = [
        "Exact silhouettes of 65,536 points x 3 for k = 3, 4, 5; median (and all).",
        "",
        "| | seconds for all k | peak, MiB |",
        "|---|---|---|",
        f"| scikit-learn, `silhouette_score` per k | {listed(theirs)} | |",
        f"| `silhouette_image`, all k at once | {listed(mine['seconds'])} | {mine['peak']:.0f} |",
        "",
        f"{ratio:.1f} times as fast; the scores differ by {apart:.1e} at most. Growth:",
        "",
        "| points | seconds | peak, MiB |",
        "|---|---|---|",
    ]
    for n in (16_384, 32_768, 131_072):
        told = ours(n, REPEATS)
        lines.append(f"| {n:,} | {listed(told['seconds'])} | {told['peak']:.0f} |")
    return lines


def coverage() -> list[str]:
    """Return how often the exact silhouette is within two standard errors of the estimate."""
    import torch

    from spectessera.kmeans import silhouette_estimate, silhouette_image

    lines = [
        f"Estimates from 2,000 of 65,536 points: share of {SEEDS} seeds for which the exact",
        "silhouette is within two standard errors (normal distribution: 95 %).",
        "",
        "| | exact | mean of the estimates | standard error | within |",
        "|---|---|---|---|---|",
    ]
    for name, rare in (("6 groups", 0.0), ("5 groups and one of 0.1 %", 0.001)):
        points = torch.from_numpy(blobs(65_536, seed=1, rare=rare))
        if rare:  # move the rare group far away, so that k-means separates it
            points[: round(rare * len(points))] += 30
        labels = torch.from_numpy(clusterings(points.numpy(), (6,)))[0].long()
        truth = float(silhouette_image(points, labels).score)
        found = [
            silhouette_estimate(points, labels, generator=torch.Generator().manual_seed(seed))
            for seed in range(SEEDS)
        ]
        scores = np.array([float(each.score) for each in found])
        errors = np.array([float(each.error) for each in found])
        within = (np.abs(scores - truth) <= 2 * errors).mean()
        lines.append(
            f"| {name} | {truth:.5f} | {scores.mean():.5f} | {errors.mean():.5f} | "
            f"{100 * within:.1f} % |"
        )
    return lines


def choice() -> list[str]:
    """Compare the choice of k with KMeans and silhouettes of scikit-learn."""
    import torch

    from spectessera.kmeans import Clusters, choose_k, k_means

    points = blobs(262_144)
    tensor = torch.from_numpy(points)
    lines = [
        "k = 2 to 10 of 262,144 points x 3 with 10,000 silhouettes: scikit-learn compares the",
        "10,000 points with each other, `choose_k` compares them with all points.",
        "",
        "| starts | scikit-learn, s | `choose_k`, s | ratio | k | inertia over theirs, per k |",
        "|---|---|---|---|---|---|",
    ]
    choose_k(tensor[:20_000], Clusters(), generator=torch.Generator().manual_seed(0))
    for starts in (10, 1):
        sklearn_times, own_times, sklearn_inertia, k = [], [], [], 0
        clusters = Clusters(restarts=starts, samples=10_000, criterion="silhouette")
        for number in range(REPEATS):
            if number < THEIR_REPEATS:
                begin = time.perf_counter()
                sklearn_inertia = sklearn_inertias(points, starts)
                sklearn_times.append(time.perf_counter() - begin)
            begin = time.perf_counter()
            k = choose_k(tensor, clusters, generator=torch.Generator().manual_seed(0)).k
            own_times.append(time.perf_counter() - begin)
        generators = (torch.Generator().manual_seed(0) for _ in ALL_K)
        own_inertia = [
            float(k_means(tensor, each, clusters, generator=generator).inertia)
            for each, generator in zip(ALL_K, generators, strict=True)
        ]
        ratio = statistics.median(sklearn_times) / statistics.median(own_times)
        excess = [100 * (a / b - 1) for a, b in zip(own_inertia, sklearn_inertia, strict=True)]
        cells = (starts, listed(sklearn_times), listed(own_times), f"{ratio:.1f}", k)
        listing = ", ".join(f"{one:+.3f}" for one in excess)
        lines.append("| " + " | ".join(map(str, cells)) + f" | {listing} % |")
    return lines


def sklearn_inertias(points: np.ndarray, starts: int) -> list[float]:
    """Cluster and score by scikit-learn for all k; return the inertias."""
    from sklearn.cluster import KMeans
    from sklearn.metrics import silhouette_score

    inertias = []
    for k in ALL_K:
        model = KMeans(k, n_init=starts, random_state=0).fit(points)
        silhouette_score(points, model.labels_, sample_size=10_000, random_state=0)
        inertias.append(float(model.inertia_))
    return inertias


SECTIONS = (exact, coverage, choice)


def main(names: tuple[str, ...] = ()) -> list[str]:
    """Measure and return the lines of all sections, or of the named ones."""
    lines: list[str] = []
    for section in SECTIONS:
        if not names or section.__name__ in names:
            lines += [*section(), ""]
    return lines[:-1]


if __name__ == "__main__":
    if sys.argv[1:] and sys.argv[1].startswith("{"):
        work(sys.argv[1])
    else:
        print("\n".join(main(tuple(sys.argv[1:]))))
