"""The folder of results that a segmentation writes: as a whole, with a manifest of its files."""

from typing import TYPE_CHECKING

from spectessera._util.doors import door

if TYPE_CHECKING:
    from .checking import Verdict, verify
    from .contents import names_of, write_files
    from .manifest import MANIFEST, MODEL, REPORT, RESULT_STORE, Manifest, read_manifest
    from .origin import Origin
    from .staging import Plan, Staging, check_place, result_folder

__all__ = [
    "MANIFEST",
    "MODEL",
    "REPORT",
    "RESULT_STORE",
    "Manifest",
    "Origin",
    "Plan",
    "Staging",
    "Verdict",
    "check_place",
    "names_of",
    "read_manifest",
    "result_folder",
    "verify",
    "write_files",
]

__getattr__, __dir__ = door(
    __name__,
    {
        "MANIFEST": "manifest",
        "MODEL": "manifest",
        "Manifest": "manifest",
        "Origin": "origin",
        "Plan": "staging",
        "REPORT": "manifest",
        "RESULT_STORE": "manifest",
        "Staging": "staging",
        "Verdict": "checking",
        "check_place": "staging",
        "names_of": "contents",
        "read_manifest": "manifest",
        "result_folder": "staging",
        "verify": "checking",
        "write_files": "contents",
    },
)
