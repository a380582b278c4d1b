"""Work in threads of which each computes alone: as many as PyTorch was told to use.

Several threads inside one operation and several operations at once would be in each other's way;
so one operation is one thread, and threads share out the operations.
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
Answer = TypeVar("Answer")


def threads_for(tensor: torch.Tensor) -> int:
    """Return how many threads compute with a tensor; one, where it is not in plain memory."""
    import torch

    return torch.get_num_threads() if tensor.is_cpu else 1


@cache
def _libraries() -> ThreadpoolController:
    """Return the libraries of linear algebra; to look for them takes as long as a small task."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


@contextmanager
def _pool(workers: int) -> Iterator[ThreadPoolExecutor]:
    """Give threads that compute alone; what waits is dropped when the work is broken off."""
    import torch

    before = torch.get_num_threads()
    # PyTorch counts its threads for each thread anew; what it shares is put back at the end.
    pool = ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,))
    try:
        with _libraries().limit(limits=1, user_api="blas"):
            yield pool
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(before)


@contextmanager
def crew(
    tensor: torch.Tensor,
) -> Iterator[Callable[[Callable[[Item], object], Iterable[Item]], None]]:
    """Give a function that does something for every item, several at a time.

    An answer does not depend on how many threads there are, as long as items touch different
    memory.
    """
    with _pool(threads_for(tensor)) as pool:

        def do(function: Callable[[Item], object], items: Iterable[Item]) -> None:
            for _ in pool.map(function, items):
                pass

        yield do


def ahead(
    function: Callable[[Item], Answer], items: Iterable[Item], *, workers: int | None = None
) -> Iterator[Answer]:
    """Yield the function of every item, in order, while the next ones are computed already.

    There is one thread more than PyTorch was told to use: one of them mostly waits for the disk.
    No more answers are held than there are threads.
    """
    import torch

    workers = workers or torch.get_num_threads() + 1
    waiting: deque[Future[Answer]] = deque()
    with _pool(workers) as pool:
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) > workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def give_back() -> None:
    """Give free memory back to the system, where the C library can be told to.

    Each thread takes large arrays from a heap of its own, and the one of glibc keeps what was freed
    there: in the end as much as all threads ever used at once, several times over.
    """
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # musl has none
        if trim is not None:
            trim(0)


@contextmanager
def alone() -> Iterator[None]:
    """Compute in one thread, in a thread of a process whose threads all do."""
    import torch

    torch.set_num_threads(1)
    with _libraries().limit(limits=1, user_api="blas"):
        yield
