"""Do one thing with every block of a cube: in threads here, or on the workers of a cluster.

The answers come in the order of the blocks, so that sums are added in one order. A block is read
where it is worked on; only the answer travels.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple, TypeVar

import dask
import xarray as xr

from ._threads import ahead, alone
from .cube import Block, bare, load_block

Answer = TypeVar("Answer")
# What is done: with what all blocks share, the block (None where none is read), and its arguments.
Work = Callable[..., Answer]


class Task(NamedTuple):
    """A block and what else is needed for it, small enough to be sent."""

    block: Block
    arguments: tuple[Any, ...] = ()


def over_blocks(
    work: Work[Answer], shared: Any, cube: xr.DataArray | None, tasks: Iterable[Task]
) -> Iterator[tuple[Task, Answer]]:
    """Yield every task with ``work(shared, block, *arguments)``, in order.

    Where a ``distributed.Client`` is active, its workers do it; else threads.

    Parameters
    ----------
    work : function of a module
        It has no effect but its answer: a block whose worker was lost is done again.
    shared : object
        Sent once to every worker.
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
        return task, work(shared, part, *task.arguments)

    yield from ahead(do, tasks)


def active_client() -> Any:
    """Return the ``distributed.Client`` that is active here, or None."""
    if "distributed" not in sys.modules:  # who has not imported it has no client
        return None
    from distributed import default_client

    try:
        return default_client()
    except ValueError:
        return None


def _on_cluster(
    client: Any, work: Work[Answer], shared: Any, cube: xr.DataArray | None, tasks: Iterable[Task]
) -> Iterator[tuple[Task, Answer]]:
    """Do the tasks on the workers of a client, a few for each thread of theirs at a time."""
    threads = sum(client.nthreads().values())
    if threads == 0:
        raise ConnectionError(
            f"the scheduler {client.scheduler.address} has no workers; start some, or wait for "
            "them with client.wait_for_workers(1)"
        )
    waiting: deque[tuple[Task, Any]] = deque()
    # A task, not scattered data: what a lost worker had is made again, and sent again.
    with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 GiB"}):
        model = client.submit(_same, shared, pure=False, key=_key("shared", work))
    source = None if cube is None else bare(cube)
    name = work.__name__.strip("_")
    try:
        for task in tasks:
            part = None
            if source is not None:
                part = source.isel(y=task.block.y, x=task.block.x)
            call = dask.delayed(_in_worker, pure=False, name=name)
            made = call(work, model, part, *task.arguments, dask_key_name=_key(name, work))
            waiting.append((task, client.compute(made)))
            if len(waiting) > 4 * threads:
                yield _next(client, waiting)
        while waiting:
            yield _next(client, waiting)
    finally:
        client.cancel([future for _, future in waiting])


def _key(name: str, work: Work[Answer]) -> str:
    """Return a name for one task, which no other has."""
    return f"{name}-{dask.base.tokenize(name, work.__name__, object())}"


def _same(shared: Any) -> Any:
    """Return what all blocks share: a task that leaves it on a worker."""
    return shared


def _in_worker(work: Work[Answer], shared: Any, part: Any, *arguments: Any) -> Answer:
    """Do one task, in one thread: the threads of a worker share out tasks."""
    with alone():
        return work(shared, part, *arguments)


def _next(client: Any, waiting: deque[tuple[Task, Any]]) -> tuple[Task, Any]:
    """Return the answer that is next in order; what only clusters suffer is told in our words."""
    from distributed import CancelledError
    from distributed.scheduler import KilledWorker

    task, future = waiting[0]
    try:
        answer = future.result()
    except KilledWorker as error:
        raise MemoryError(
            f"block {task.block} was the death of one worker after the other, which mostly is a "
            "lack of memory; read the cube in smaller chunks, or give workers more memory"
        ) from error
    except CancelledError as error:
        raise ConnectionError(
            f"the work was cancelled, or the scheduler {client.scheduler.address} was lost"
        ) from error
    waiting.popleft()
    return task, answer
