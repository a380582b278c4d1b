"""Work in threads of which each computes alone: as many as PyTorch was told to use."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import torch

Item = TypeVar("Item")


def threads_for(tensor: torch.Tensor) -> int:
    """Return how many threads compute with a tensor; one, where it is not in plain memory."""
    return torch.get_num_threads() if tensor.is_cpu else 1


@contextmanager
def crew(
    tensor: torch.Tensor,
) -> Iterator[Callable[[Callable[[Item], object], Iterable[Item]], None]]:
    """Give a function that does something for every item, several at a time.

    Each thread computes with one thread, so that an answer does not depend on how many there are,
    as long as items touch different memory.
    """
    before = torch.get_num_threads()

    def do(function: Callable[[Item], object], items: Iterable[Item]) -> None:
        for _ in pool.map(function, items):
            pass

    with ThreadPoolExecutor(
        threads_for(tensor), initializer=torch.set_num_threads, initargs=(1,)
    ) as pool:
        try:
            yield do
        finally:
            torch.set_num_threads(before)
