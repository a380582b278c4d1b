"""Damage HDF5 through its own library: what it says is then well formed, and wrong."""

from __future__ import annotations

import io
import random
from typing import Any

import numpy as np

OWN = "scan.h5"  # the name of the damaged file, if it is the first recipe of HDF5


def changed_hdf5(content: bytes, chance: random.Random) -> bytes:
    """Change an attribute, a dataset or a link of a file."""
    import h5py

    stream = io.BytesIO(content)
    try:
        with h5py.File(stream, "r+") as file:
            names: list[str] = []
            file.visit(names.append)
            change = chance.choice((_attribute, _attribute, _dataset, _dataset, _link))
            if names:
                change(file, chance.choice(names), chance)
    except (OSError, RuntimeError, ValueError, TypeError, KeyError):
        return content[: len(content) // 2]  # damaged before: the library does not open it
    return stream.getvalue()


def _attribute(file: Any, name: str, chance: random.Random) -> None:
    """Give an attribute of a group or a dataset another value, or remove it."""
    import h5py

    owner = chance.choice((file, file[name], file[name]))
    there = list(owner.attrs)
    known = ["units", "DIMENSION_LIST", "_FillValue", "axes", "signal", "NX_class", "scale_factor"]
    key = chance.choice(there) if there and chance.random() < 0.7 else chance.choice(known)
    values: list[Any] = [
        -1, 0, 2**62, float("nan"), "", "é[/x]\x1b[2J", "x" * 5000, np.zeros(0), np.arange(9),
        np.zeros((2, 2), np.complex64), np.array(["y", "x"], dtype=h5py.string_dtype()),
        h5py.Empty("f4"), np.zeros(1, [("a", "i4"), ("b", "f8")]), np.bytes_(b"\xff\xfe"), True,
        file.ref, np.array([file.ref], dtype=h5py.ref_dtype),
    ]  # fmt: skip
    if key in there:
        del owner.attrs[key]
    if chance.random() < 0.9:
        owner.attrs[key] = chance.choice(values)


def _dataset(file: Any, name: str, chance: random.Random) -> None:
    """Put a dataset of another shape or type in the place of one."""
    import h5py

    old = file[name]
    shape = tuple(old.shape or (3,)) if isinstance(old, h5py.Dataset) else (6, 5, 24)
    del file[name]
    huge = [(10**5, 10**5, 100), (2**40,), (2**20, 2**20, 2**20), (0, 5, 24), (), (6, 5), (1,)]
    other = chance.choice((shape, shape, *huge))
    kinds = ["f4", "u2", "i8", "c8", "S5", "f2", "?", h5py.string_dtype(), h5py.vlen_dtype("f4"),
             np.dtype([("r", "f4"), ("i", "f4")]), h5py.enum_dtype({"a": 1}, "u1"), ">f8",
             h5py.ref_dtype, h5py.opaque_dtype(np.dtype("V7")), np.dtype(("f4", (3,)))]  # fmt: skip
    options: dict[str, Any] = {}
    if other and all(other):
        options["chunks"] = tuple(min(each, chance.choice((1, 5, 64, 2**11))) for each in other)
        options["compression"] = chance.choice((None, "gzip", "lzf"))
        options["fillvalue"] = None
    file.create_dataset(name, other, chance.choice(kinds), **options)


def _link(file: Any, name: str, chance: random.Random) -> None:
    """Put a link, or a virtual dataset, in the place of something."""
    import h5py

    del file[name]
    kind = chance.randrange(6)
    if kind == 0:
        file[name] = h5py.SoftLink(chance.choice((f"/{name}", "/", "/nothing", "..")))
    elif kind == 1:
        target = chance.choice(
            ("/dev/zero", "/etc/passwd", "../x.h5", "nothing.h5", ".", "scan.h5")
        )
        file[name] = h5py.ExternalLink(target, chance.choice(("/", name, "/img")))
    elif kind == 2:
        file[name] = file["/"]
    elif kind == 3:
        file.create_dataset(
            name,
            (6, 5, 24),
            "f4",
            external=[(chance.choice(("/dev/zero", "raw", "/etc/passwd")), 0, 2880)],
        )
    else:
        source = chance.choice((".", OWN, "nothing.h5", "/dev/zero"))
        layout = h5py.VirtualLayout((6, 5, 24), "f4")
        layout[:] = h5py.VirtualSource(source, chance.choice((name, "img", "/")), (6, 5, 24))
        file.create_virtual_dataset(name, layout)
