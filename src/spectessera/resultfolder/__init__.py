"""The folder of results that a segmentation writes: as a whole, with a manifest of its files."""

from typing import TYPE_CHECKING

from spectessera._util.doors import door

if TYPE_CHECKING:
    from .anymaps import with_maps, write_all_maps
    from .bandmaps import write_band_maps
    from .checking import Verdict, verify
    from .contents import names_of, write_files
    from .edits import Edited, edited_files, maps_in, suitable_in, write_edited
    from .linefiles import write_line_maps
    from .manifest import (
        ABUNDANCES,
        BAND_MAPS,
        EDITS,
        MANIFEST,
        MAPS,
        MODEL,
        REPORT,
        RESULT_STORE,
        RESULTS,
        Manifest,
        read_manifest,
    )
    from .mapfiles import write_maps
    from .origin import Origin
    from .repetition import (
        Difference,
        as_table,
        circumstances,
        compare_results,
        recorded_result,
    )
    from .staging import Plan, Staging, check_place, result_folder

__all__ = [
    "ABUNDANCES",
    "BAND_MAPS",
    "EDITS",
    "MANIFEST",
    "MAPS",
    "MODEL",
    "REPORT",
    "RESULTS",
    "RESULT_STORE",
    "Difference",
    "Edited",
    "Manifest",
    "Origin",
    "Plan",
    "Staging",
    "Verdict",
    "as_table",
    "check_place",
    "circumstances",
    "compare_results",
    "edited_files",
    "maps_in",
    "names_of",
    "read_manifest",
    "recorded_result",
    "result_folder",
    "suitable_in",
    "verify",
    "with_maps",
    "write_all_maps",
    "write_band_maps",
    "write_edited",
    "write_files",
    "write_line_maps",
    "write_maps",
]

__getattr__, __dir__ = door(
    __name__,
    {
        "ABUNDANCES": "manifest",
        "BAND_MAPS": "manifest",
        "Difference": "repetition",
        "EDITS": "manifest",
        "Edited": "edits",
        "maps_in": "edits",
        "suitable_in": "edits",
        "MANIFEST": "manifest",
        "MAPS": "manifest",
        "MODEL": "manifest",
        "Manifest": "manifest",
        "Origin": "origin",
        "Plan": "staging",
        "REPORT": "manifest",
        "RESULTS": "manifest",
        "RESULT_STORE": "manifest",
        "Staging": "staging",
        "Verdict": "checking",
        "check_place": "staging",
        "circumstances": "repetition",
        "compare_results": "repetition",
        "edited_files": "edits",
        "names_of": "contents",
        "read_manifest": "manifest",
        "recorded_result": "repetition",
        "result_folder": "staging",
        "as_table": "repetition",
        "verify": "checking",
        "write_edited": "edits",
        "write_files": "contents",
        "with_maps": "anymaps",
        "write_all_maps": "anymaps",
        "write_band_maps": "bandmaps",
        "write_line_maps": "linefiles",
        "write_maps": "mapfiles",
    },
)
