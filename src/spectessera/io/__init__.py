"""Read cubes from files, and write cubes and results: HDF5, Zarr, FITS, ENVI, NumPy and others."""

from typing import TYPE_CHECKING

from spectessera._util.doors import door

if TYPE_CHECKING:
    from ._formats import Format, formats
    from ._read import read
    from ._result_store import ResultStore, result_store
    from ._results import (
        EDITED,
        EDITS,
        RESULT,
        RESULT_STORE,
        open_result,
        read_maps,
        read_result,
        result_in,
    )
    from ._synthetic import read_truth, write_synthetic
    from ._writers import check_destination, left_out, write
    from ._zarr_writer import remove_store
    from .library import read_library

__all__ = [
    "EDITED",
    "EDITS",
    "RESULT",
    "RESULT_STORE",
    "Format",
    "ResultStore",
    "check_destination",
    "formats",
    "left_out",
    "open_result",
    "read",
    "read_library",
    "read_maps",
    "read_result",
    "read_truth",
    "remove_store",
    "result_in",
    "result_store",
    "write",
    "write_synthetic",
]

__getattr__, __dir__ = door(
    __name__,
    {
        "EDITED": "_results",
        "EDITS": "_results",
        "Format": "_formats",
        "RESULT": "_results",
        "RESULT_STORE": "_results",
        "ResultStore": "_result_store",
        "check_destination": "_writers",
        "formats": "_formats",
        "left_out": "_writers",
        "open_result": "_results",
        "read": "_read",
        "read_library": "library",
        "read_maps": "_results",
        "read_result": "_results",
        "read_truth": "_synthetic",
        "remove_store": "_zarr_writer",
        "result_in": "_results",
        "result_store": "_result_store",
        "write": "_writers",
        "write_synthetic": "_synthetic",
    },
)
