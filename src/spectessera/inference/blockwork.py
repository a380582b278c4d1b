"""Apply one function to every block of a cube: in threads here, or on workers of a Dask cluster.

Results come in the order of the blocks, so that sums are added in a fixed order. A block is read
where it is processed; only the result is sent.
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

from .surroundings import Surroundings

Result = TypeVar("Result")
# Takes what all blocks share, a block (None if none is read), and the arguments of the task.
BlockFunction = Callable[..., Result]

# Freed memory is returned to the system after so many blocks.
_RELEASE_AFTER = 32


class Task(NamedTuple):
    """A block and the other arguments for it, small enough to be sent."""

    block: Block
    arguments: tuple[Any, ...] = ()
    read: Block | None = None  # what is read; None: the block itself


class Shared:
    """What the function is given with every block; sent once to each worker, not with each task.

    (Dask may drop the copy of a worker that has nothing to do, and send it again later.)
    """

    def __init__(self, value: Any) -> None:
        self.value = value
        self._sent: tuple[Any, Any] | None = None

    def future_of(self, client: Any) -> Any:
        """Return the value as a task of a client: if a worker is lost, the task is repeated."""
        if self._sent is None or self._sent[0] is not client:
            with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 GiB"}):
                key = f"shared-{dask.base.tokenize(object())}"
                self._sent = client, client.submit(_identity, self.value, pure=False, key=key)
        return self._sent[1]


def process_blocks(
    function: BlockFunction[Result],
    shared: Shared,
    cube: xr.DataArray | None,
    tasks: Iterable[Task],
    *,
    reach: int = 0,
) -> Iterator[tuple[Task, Result]]:
    """Yield every task with ``function(shared, block, *arguments)``, in order.

    If a ``distributed.Client`` is active, its workers compute; otherwise threads.

    Parameters
    ----------
    function : function of a module
        Without side effects: if a worker is lost, its blocks are processed again.
    shared : Shared
    cube : DataArray (y, x, channel), or None
        The blocks are read from it; None: nothing is read.
    tasks : iterable of Task
        Taken one by one, a few ahead of those that are done.
    reach : int
        Where the tasks are those of all blocks, and each reads its block and so many rows and
        columns around it: here every chunk is then read once.

    Raises
    ------
    ConnectionError
        If the scheduler is lost, or has no workers.
    MemoryError
        If a block kills several workers in a row.
    """
    client = active_client()
    if client is not None:
        yield from _on_cluster(client, function, shared, cube, tasks)
        return

    around = None
    if cube is not None and Surroundings.possible(cube, reach):
        around = Surroundings(cube, reach)

    def process(task: Task) -> tuple[Task, Result]:
        part = None
        if around is not None:
            part = around.load(task.block)
        elif cube is not None:
            part = load_block(cube, task.read or task.block)
        return task, function(shared.value, part, *task.arguments)

    for number, result in enumerate(prefetch(process, tasks), start=1):
        yield result
        if number % _RELEASE_AFTER == 0:
            release_memory()
    release_memory()


def active_client() -> Any:
    """Return the active ``distributed.Client``, or None."""
    if "distributed" not in sys.modules:  # without that import there is no client
        return None
    from distributed import Client

    try:
        return Client.current()
    except ValueError:
        return None


def _on_cluster(
    client: Any,
    function: BlockFunction[Result],
    shared: Shared,
    cube: xr.DataArray | None,
    tasks: Iterable[Task],
) -> Iterator[tuple[Task, Result]]:
    """Process the tasks on the workers of a client, a few at a time for each of their threads.

    Results are fetched at once: those on a lost worker would have to be computed again.
    """
    from distributed import as_completed

    most = 4 * _threads_of(client)
    value = shared.future_of(client)
    source = None if cube is None else bare(cube)
    numbered = enumerate(tasks)
    completed = as_completed(with_results=True)
    waiting: dict[str, tuple[int, Task]] = {}
    ready: dict[int, tuple[Task, Result]] = {}
    futures, following = {}, 0
    try:
        while True:
            for number, task in islice(numbered, most - len(waiting) - len(ready)):
                future = _submit(client, function, value, source, task)
                waiting[future.key], futures[future.key] = (number, task), future
                completed.add(future)
            if not waiting:
                return
            key, result = _next_result(client, completed, waiting)
            number, task = waiting.pop(key)
            del futures[key]  # the worker may now delete the result
            ready[number] = (task, result)
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


def _submit(
    client: Any, function: BlockFunction[Result], value: Any, source: Any, task: Task
) -> Any:
    """Submit one task; the worker that processes it reads the block."""
    wanted = task.read or task.block
    part = None if source is None else source.isel(y=wanted.y, x=wanted.x)
    name = function.__name__.strip("_")
    call = delayed(_process_in_worker, pure=False, name=name)
    key = f"{name}-{dask.base.tokenize(name, function.__name__, object())}"
    return client.compute(call(function, value, part, *task.arguments, dask_key_name=key))


def _identity(value: Any) -> Any:
    """Return the value: as a task, this leaves it on a worker."""
    return value


def _process_in_worker(
    function: BlockFunction[Result], value: Any, part: Any, *arguments: Any
) -> Result:
    """Process one task in one thread; the threads of a worker process several tasks at a time."""
    with single_threaded():
        return function(value, part, *arguments)


def _next_result(
    client: Any, completed: Any, waiting: dict[str, tuple[int, Task]]
) -> tuple[str, Any]:
    """Return key and result of the next task; errors of the Dask cluster say what to do."""
    from distributed import CancelledError, KilledWorker

    try:
        future, result = next(completed)
    except KilledWorker as error:
        block = next((task.block for key, (_, task) in waiting.items() if key in str(error)), "?")
        raise MemoryError(
            f"block {block} killed several workers in a row, usually for lack of memory; read the "
            "cube in smaller chunks, or give the workers more memory"
        ) from error
    except CancelledError as error:
        raise ConnectionError(
            f"the work was cancelled, or the scheduler {client.scheduler.address} was lost"
        ) from error
    return future.key, result
