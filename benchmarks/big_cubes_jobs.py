"""Jobs of the benchmark of cubes larger than memory: each runs in a separate process.

The peak of memory is that of a process, so every measurement needs its own.
"""

import contextlib
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from .whole_cube import peak

BLOCK = {"y": 64, "x": 128}  # chunks of stores: 16 MiB of uint16


def run(what: str, **options) -> dict:
    """Run one job in a separate process and return its report."""
    job = json.dumps({"what": what, **options})
    command = [sys.executable, "-m", "benchmarks.big_cubes_jobs", job]
    folder = Path(__file__).parents[1]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=folder)
    return json.loads(done.stdout.splitlines()[-1])


def plain_seconds(scan: str) -> float:
    """Return the seconds of two processes without Dask for the blocks of the scan."""
    processes = []
    for first in (0, 1):
        job = json.dumps({"what": "plain", "cube": scan, "first": first})
        command = [sys.executable, "-m", "benchmarks.big_cubes_jobs", job]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        folder = Path(__file__).parents[1]
        processes.append(subprocess.Popen(command, cwd=folder, **pipes))
    for process in processes:
        process.stdout.readline()
    start = time.perf_counter()
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    for process in processes:
        process.wait()
    return time.perf_counter() - start


# --- jobs -------------------------------------------------------------------------------------


def segment(job: dict) -> dict:
    """Segment a cube and return time, memory and a digest of the labels."""
    import torch

    import spectessera as spt
    import spectessera.inference.pipeline

    torch.set_num_threads(job.get("threads", 2))
    before, start = peak(), time.perf_counter()
    cube = spt.read(job["cube"], chunks=job.get("chunks", "auto"))
    options = {name: job[name] for name in ("store", "memory", "means") if name in job}
    steps: dict[str, float] = {}

    def progress(step: str, done: int, total: int) -> None:
        if done == total:
            steps[step] = time.perf_counter() - start

    model = spt.load("maxrf")
    if "k_max" in job:
        model.set_params(clusters__k_max=job["k_max"])
    result = spt.segment(cube, model, progress=progress, **options)
    seconds = time.perf_counter() - start
    return {
        "seconds": seconds,
        "peak": peak() - before,
        "steps": steps,
        "k": int(result.attrs["n_clusters"]),
        "labels": hashlib.sha256(result.label.values.tobytes()).hexdigest()[:16],
    }


def necessary_work(job: dict) -> dict:
    """Time the necessary work: two readings, two preprocessings, the products of the network."""
    import spectessera as spt
    from spectessera.cube import blocks, load_block, to_spectra
    from spectessera.preprocess.steps import screen

    cube, model = spt.read(job["cube"], chunks="auto"), spt.load("maxrf")
    intake = model.intake(cube)
    seconds = {"read": 0.0, "preprocess": 0.0, "encode": 0.0, "decode": 0.0}

    def timed(name: str, function, *arguments):
        start = time.perf_counter()
        found = function(*arguments)
        seconds[name] += time.perf_counter() - start
        return found

    for again in (False, True):
        for block in blocks(cube):
            values = to_spectra(timed("read", load_block, cube, block)).values
            inputs = timed("preprocess", lambda v: intake.apply(screen(v).values).values, values)
            if again:
                latent = np.zeros((len(inputs), model.cluster_centers_.shape[1]), np.float32)
                timed("decode", model.codec.decode, latent)
            else:
                timed("encode", model.codec.encode, inputs)
    return seconds


def cluster(job: dict) -> dict:
    """Segment on two Dask workers, one of which may be killed while it encodes."""
    from distributed import Client, LocalCluster

    import spectessera as spt
    import spectessera.inference.pipeline

    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with LocalCluster(**options) as workers, Client(workers):
        killed = []

        def progress(step: str, _done: int, _total: int) -> None:
            if job.get("kill") and step == "encode" and not killed:
                killed.append(next(iter(workers.workers.values())).pid)
                os.kill(killed[0], signal.SIGKILL)

        cube = spt.read(job["cube"], chunks={"y": 32, "x": 64})
        result = spt.segment(cube, spt.load("maxrf"), progress=progress)
    return {"labels": hashlib.sha256(result.label.values.tobytes()).hexdigest()[:16]}


def plain_process(job: dict) -> dict:
    """Encode every second block, without Dask; starts after a line of input."""
    import torch

    import spectessera as spt
    from spectessera.cube import blocks, load_block
    from spectessera.inference.corridor import context_of
    from spectessera.inference.passes import encode_block

    torch.set_num_threads(1)
    cube = spt.read(job["cube"], chunks=BLOCK)
    context = context_of(cube, spt.load("maxrf"))
    assigned = list(blocks(cube))[job["first"] :: 2]
    encode_block(context, load_block(cube, assigned[0]))
    print("ready", flush=True)
    sys.stdin.readline()
    for block in assigned:
        encode_block(context, load_block(cube, block))
    return {}


def dask_seconds(job: dict) -> dict:
    """Return the seconds of two Dask workers, and the numbers of blocks and of encoded blocks."""
    from distributed import Client, LocalCluster, get_task_stream

    import spectessera as spt
    from spectessera.cli.scheduler import use_scheduler
    from spectessera.cube import blocks
    from spectessera.inference.blockwork import Shared, Task, process_blocks
    from spectessera.inference.corridor import context_of
    from spectessera.inference.passes import encode_block

    cube = spt.read(job["cube"], chunks=BLOCK)
    context = Shared(context_of(cube, spt.load("maxrf")))
    tasks = [Task(block) for block in blocks(cube)]
    with contextlib.ExitStack() as opened:
        if job["by"] == "--scheduler":
            opened.enter_context(use_scheduler("local:2"))
            client = Client.current()
        else:
            options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
            workers = opened.enter_context(LocalCluster(**options))
            client = opened.enter_context(Client(workers))
        list(process_blocks(encode_block, context, cube, tasks[:4]))  # imports are not timed
        with get_task_stream(client) as stream:
            start = time.perf_counter()
            for _ in process_blocks(encode_block, context, cube, tasks):
                pass
            seconds = time.perf_counter() - start
        encoded = sum(each["key"].startswith("encode_block") for each in stream.data)
    return {"seconds": seconds, "encoded": encoded, "blocks": len(tasks)}


JOBS = {
    "segment": segment,
    "necessary": necessary_work,
    "cluster": cluster,
    "plain": plain_process,
    "dask": dask_seconds,
}

if __name__ == "__main__":
    job = json.loads(sys.argv[1])
    print(json.dumps(JOBS[job["what"]](job)))
