"""The schema of a result: names, dimensions, types, units and checks of all that it may hold.

Code that writes or reads a result takes names from here.
"""

from typing import TYPE_CHECKING

from spectessera._util.doors import door

if TYPE_CHECKING:
    from .assembly import assemble, attributes_of, mean_spectra, with_maps
    from .check import check_result, check_structure, require
    from .curves import KCurves, curves_of, silhouette_curves
    from .metadata import (
        input_axis_of,
        number_chosen,
        number_of_clusters,
        preprocessing,
        provenance,
        quality_bits,
        rare_in_words,
    )
    from .places import PixelSize, pixel_size
    from .schema import (
        ATTRIBUTES,
        COORDINATES,
        SPLIT_BELOW,
        VARIABLES,
        Attribute,
        Variable,
        kept_by,
        variable_attributes,
    )

__all__ = [
    "ATTRIBUTES",
    "COORDINATES",
    "SPLIT_BELOW",
    "VARIABLES",
    "Attribute",
    "KCurves",
    "PixelSize",
    "Variable",
    "assemble",
    "attributes_of",
    "check_result",
    "check_structure",
    "curves_of",
    "input_axis_of",
    "kept_by",
    "mean_spectra",
    "number_chosen",
    "number_of_clusters",
    "pixel_size",
    "preprocessing",
    "provenance",
    "quality_bits",
    "rare_in_words",
    "require",
    "silhouette_curves",
    "variable_attributes",
    "with_maps",
]

__getattr__, __dir__ = door(
    __name__,
    {
        "ATTRIBUTES": "schema",
        "Attribute": "schema",
        "COORDINATES": "schema",
        "KCurves": "curves",
        "PixelSize": "places",
        "SPLIT_BELOW": "schema",
        "VARIABLES": "schema",
        "Variable": "schema",
        "assemble": "assembly",
        "attributes_of": "assembly",
        "check_result": "check",
        "check_structure": "check",
        "curves_of": "curves",
        "input_axis_of": "metadata",
        "kept_by": "schema",
        "mean_spectra": "assembly",
        "number_chosen": "metadata",
        "number_of_clusters": "metadata",
        "pixel_size": "places",
        "preprocessing": "metadata",
        "provenance": "metadata",
        "quality_bits": "metadata",
        "rare_in_words": "metadata",
        "require": "check",
        "silhouette_curves": "curves",
        "variable_attributes": "schema",
        "with_maps": "assembly",
    },
)
