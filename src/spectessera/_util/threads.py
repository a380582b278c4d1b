"""Work in several threads, as many as PyTorch is set to use, each of which computes by itself.

Several threads inside one operation would compete with several operations at once. So each
operation runs in one thread, and the threads share the operations.
"""

from __future__ import annotations

import ctypes
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:  # rooms without torch load this module; they load torch when they use a pool
    import torch
    from threadpoolctl import ThreadpoolController

Item = TypeVar("Item")
Result = TypeVar("Result")


def threads_for(tensor: torch.Tensor) -> int:
    """Return how many threads compute with a tensor; one if it is not in main memory."""
    import torch

    return torch.get_num_threads() if tensor.is_cpu else 1


@cache
def _libraries() -> ThreadpoolController:
    """Return the libraries of linear algebra; finding them takes as long as a small task."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


@contextmanager
def _pool(workers: int) -> Iterator[ThreadPoolExecutor]:
    """Give threads that compute by themselves; waiting tasks are dropped if the work is aborted."""
    import torch

    before = torch.get_num_threads()
    # PyTorch has a number of threads in each thread; the shared one is restored at the end.
    pool = ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,))
    try:
        with _libraries().limit(limits=1, user_api="blas"):
            yield pool
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(before)


@contextmanager
def parallel(
    tensor: torch.Tensor,
) -> Iterator[Callable[[Callable[[Item], object], Iterable[Item]], None]]:
    """Give a function that calls another one for every item, for several items at a time.

    The results do not depend on the number of threads, as long as different items change different
    memory.
    """
    with _pool(threads_for(tensor)) as pool:

        def for_each(function: Callable[[Item], object], items: Iterable[Item]) -> None:
            for _ in pool.map(function, items):
                pass

        yield for_each


def prefetch(
    function: Callable[[Item], Result], items: Iterable[Item], *, workers: int | None = None
) -> Iterator[Result]:
    """Yield the function of every item, in order, while those of the next items are computed.

    There is one thread more than PyTorch is set to use, because one of them mostly waits for the
    disk. At most as many results as threads are in memory.
    """
    import torch

    workers = workers or torch.get_num_threads() + 1
    waiting: deque[Future[Result]] = deque()
    with _pool(workers) as pool:
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) > workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def release_memory() -> None:
    """Return free memory to the system, if the C library can do that.

    With glibc, each thread takes large arrays from a heap of its own, which keeps freed memory: in
    the end several times what all threads together ever used at once.
    """
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # musl has none
        if trim is not None:
            trim(0)


@contextmanager
def single_threaded() -> Iterator[None]:
    """Compute in one thread, in each thread of a process whose threads all do so."""
    import torch

    torch.set_num_threads(1)
    with _libraries().limit(limits=1, user_api="blas"):
        yield
