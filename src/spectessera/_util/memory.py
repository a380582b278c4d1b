"""How much memory a process may still use."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

_MEMINFO, _GROUP = Path("/proc/meminfo"), Path("/sys/fs/cgroup")
# Files of a control group of version 2 and of version 1: the limit, and what is used.
_GROUP_FILES = (
    ("memory.max", "memory.current"),
    ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
)


def available_bytes() -> int:
    """Return the bytes of memory that are available: of the machine, or of its control group.

    Where neither says it, all memory of the machine.
    """
    free = [_of_machine()]
    for most, used in _GROUP_FILES:
        limit, now = _number(_GROUP / most), _number(_GROUP / used)
        if limit is not None and now is not None:
            free.append(limit - now)
    return max(0, min(free))


def _of_machine() -> int:
    """Return what the system counts as available, or else all memory."""
    try:
        lines = _MEMINFO.read_text(encoding="ascii").splitlines()
    except OSError:  # not Linux
        if not hasattr(os, "sysconf"):
            return _of_windows()
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    sizes = dict(line.split(":", 1) for line in lines)
    return int(sizes["MemAvailable"].split()[0]) * 1024


class _MemoryStatus(ctypes.Structure):
    """MEMORYSTATUSEX of Windows."""

    _fields_ = [
        ("length", ctypes.c_uint32),
        ("load", ctypes.c_uint32),
        *((name, ctypes.c_uint64) for name in ("all", "free", "all_pages", "free_pages")),
        *((name, ctypes.c_uint64) for name in ("all_virtual", "free_virtual", "extended")),
    ]


def _of_windows() -> int:
    """Return the free memory that Windows reports."""
    status = _MemoryStatus(length=ctypes.sizeof(_MemoryStatus))
    kernel = ctypes.windll.kernel32  # type: ignore[attr-defined]  # on Windows only
    if not kernel.GlobalMemoryStatusEx(ctypes.byref(status)):
        raise OSError("the system does not say how much memory is free (GlobalMemoryStatusEx)")
    return int(status.free)


def _number(path: Path) -> int | None:
    """Return the number in a file of the system, None if there is none."""
    try:
        text = path.read_text(encoding="ascii").strip()
    except OSError:
        return None
    return int(text) if text.isdecimal() else None
