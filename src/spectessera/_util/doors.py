"""The door of a room: its public names, loaded when they are first used (PEP 562)."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def door(
    package: str, homes: Mapping[str, str]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return ``__getattr__`` and ``__dir__`` of a package whose names live in its modules.

    Importing the package then imports none of its modules, and so neither torch nor xarray.

    Parameters
    ----------
    package : str
        ``__name__`` of the package.
    homes : mapping of str to str
        Public name -> module of the package that defines it. A module has its own name.

    Returns
    -------
    callable, callable
        ``__getattr__(name)`` and ``__dir__()``.

    Examples
    --------
    >>> getattr_, dir_ = door("spectessera.kmeans", {"choose_k": "_choose"})
    >>> dir_()
    ['choose_k']
    """

    def load(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module = import_module(f".{homes[name]}", package)
        value = module if homes[name] == name else getattr(module, name)
        setattr(sys.modules[package], name, value)  # the next access does not come here
        return value

    return load, lambda: sorted(homes)
