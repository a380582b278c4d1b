"""Do one thing with every block of a cube: in threads here, or on the workers of a cluster.

The answers come in the order of the blocks, so that sums are added in one order. A block is read
where it is worked on; only the answer travels.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, NamedTuple, TypeVar

import dask
import xarray as xr
from dask.delayed import delayed

from spectessera._util.threads import prefetch, release_memory, single_threaded
from spectessera.cube import Block, bare, load_block

Answer = TypeVar("Answer")
# What is done: with what all blocks share, the block (None where none is read), and its arguments.
Work = Callable[..., Answer]


# After so many blocks, what was freed is given back.
_TRIM = 32


class Task(NamedTuple):
    """A block and what else is needed for it, small enough to be sent."""

    block: Block
    arguments: tuple[Any, ...] = ()


class Shared:
    """What all blocks are worked on with; to be sent once to every worker of a cluster."""

    def __init__(self, value: Any) -> None:
        self.value = value
        self.sent: tuple[Any, Any] | None = None

    def on(self, client: Any) -> Any:
        """Return it as a task of a client: what a lost worker had of it is made again."""
        if self.sent is None or self.sent[0] is not client:
            with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 GiB"}):
                key = f"shared-{dask.base.tokenize(object())}"
                self.sent = client, client.submit(_same, self.value, pure=False, key=key)
        return self.sent[1]


def over_blocks(
    work: Work[Answer], shared: Shared, cube: xr.DataArray | None, tasks: Iterable[Task]
) -> Iterator[tuple[Task, Answer]]:
    """Yield every task with ``work(shared, block, *arguments)``, in order.

    Where a ``distributed.Client`` is active, its workers do it; else threads.

    Parameters
    ----------
    work : function of a module
        It has no effect but its answer: a block whose worker was lost is done again.
    shared : Shared
    cube : DataArray (y, x, channel), or None
        Whose blocks are loaded; None: nothing is read.
    tasks : iterable of Task
        Taken one by one, some ahead of those that are done.

    Raises
    ------
    ConnectionError
        If the scheduler is lost, or has no workers.
    MemoryError
        If a block was the death of one worker after the other.
    """
    client = active_client()
    if client is not None:
        yield from _on_cluster(client, work, shared, cube, tasks)
        return

    def do(task: Task) -> tuple[Task, Answer]:
        part = None if cube is None else load_block(cube, task.block)
        return task, work(shared.value, part, *task.arguments)

    for number, answer in enumerate(prefetch(do, tasks), start=1):
        yield answer
        if number % _TRIM == 0:
            release_memory()
    release_memory()


def active_client() -> Any:
    """Return the ``distributed.Client`` that is active here, or None."""
    if "distributed" not in sys.modules:  # who has not imported it has no client
        return None
    from distributed import Client

    try:
        return Client.current()
    except ValueError:
        return None


def _on_cluster(
    client: Any,
    work: Work[Answer],
    shared: Shared,
    cube: xr.DataArray | None,
    tasks: Iterable[Task],
) -> Iterator[tuple[Task, Answer]]:
    """Do the tasks on the workers of a client, a few for each thread of theirs at a time.

    Answers are fetched as soon as they are there: what a worker still has when it is lost would
    have to be done again.
    """
    from distributed import as_completed

    most = 4 * _threads_of(client)
    model = shared.on(client)
    source = None if cube is None else bare(cube)
    coming = enumerate(tasks)
    done = as_completed(with_results=True)
    waiting: dict[str, tuple[int, Task]] = {}
    ready: dict[int, tuple[Task, Answer]] = {}
    futures, following = {}, 0
    try:
        while True:
            for number, task in islice(coming, most - len(waiting) - len(ready)):
                future = _send(client, work, model, source, task)
                waiting[future.key], futures[future.key] = (number, task), future
                done.add(future)
            if not waiting:
                return
            key, answer = _next(client, done, waiting)
            number, task = waiting.pop(key)
            del futures[key]  # so that the worker may forget it
            ready[number] = (task, answer)
            while following in ready:
                yield ready.pop(following)
                following += 1
    finally:
        client.cancel(list(futures.values()))


def _threads_of(client: Any) -> int:
    """Return the number of threads of all workers."""
    threads = sum(client.nthreads().values())
    if threads == 0:
        raise ConnectionError(
            f"the scheduler {client.scheduler.address} has no workers; start some, or wait for "
            "them with client.wait_for_workers(1)"
        )
    return int(threads)


def _send(client: Any, work: Work[Answer], model: Any, source: Any, task: Task) -> Any:
    """Send one task; its block is loaded by whoever does it."""
    part = None if source is None else source.isel(y=task.block.y, x=task.block.x)
    name = work.__name__.strip("_")
    call = delayed(_in_worker, pure=False, name=name)
    return client.compute(call(work, model, part, *task.arguments, dask_key_name=_key(name, work)))


def _key(name: str, work: Work[Answer]) -> str:
    """Return a name for one task, which no other has."""
    return f"{name}-{dask.base.tokenize(name, work.__name__, object())}"


def _same(shared: Any) -> Any:
    """Return what all blocks share: a task that leaves it on a worker."""
    return shared


def _in_worker(work: Work[Answer], shared: Any, part: Any, *arguments: Any) -> Answer:
    """Do one task, in one thread: the threads of a worker share out tasks."""
    with single_threaded():
        return work(shared, part, *arguments)


def _next(client: Any, done: Any, waiting: dict[str, tuple[int, Task]]) -> tuple[str, Any]:
    """Return key and answer of a task; what only clusters suffer is told in our words."""
    from distributed import CancelledError, KilledWorker

    try:
        future, answer = next(done)
    except KilledWorker as error:
        block = next((task.block for key, (_, task) in waiting.items() if key in str(error)), "?")
        raise MemoryError(
            f"block {block} was the death of one worker after the other, which mostly is a lack "
            "of memory; read the cube in smaller chunks, or give workers more memory"
        ) from error
    except CancelledError as error:
        raise ConnectionError(
            f"the work was cancelled, or the scheduler {client.scheduler.address} was lost"
        ) from error
    return future.key, answer
