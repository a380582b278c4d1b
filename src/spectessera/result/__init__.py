"""The schema of a result: names, dimensions, types, units and checks of all that it may hold.

Code that writes or reads a result takes names from here.
"""

from typing import TYPE_CHECKING

from spectessera._util.doors import door

if TYPE_CHECKING:
    from .assembly import assemble, attributes_of, mean_spectra, with_maps
    from .check import check_result, check_structure, require
    from .curves import KCurves, curves_of, silhouette_curves
    from .given import (
        check_given,
        clean_colour,
        clean_name,
        cluster_colours,
        cluster_names,
        clusters_changed,
        given_colours,
        palette,
        stored_edits,
        with_given,
    )
    from .mapcheck import check_maps
    from .metadata import (
        input_axis_of,
        number_chosen,
        number_of_clusters,
        per_cluster,
        preprocessing,
        provenance,
        quality_bits,
        rare_in_words,
    )
    from .places import PixelSize, pixel_size
    from .schema import (
        ATTRIBUTES,
        COORDINATES,
        MAX_CLUSTERS,
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
    "MAX_CLUSTERS",
    "SPLIT_BELOW",
    "VARIABLES",
    "Attribute",
    "KCurves",
    "PixelSize",
    "Variable",
    "assemble",
    "attributes_of",
    "check_given",
    "check_maps",
    "check_result",
    "check_structure",
    "clean_colour",
    "clean_name",
    "cluster_colours",
    "cluster_names",
    "clusters_changed",
    "curves_of",
    "given_colours",
    "input_axis_of",
    "kept_by",
    "mean_spectra",
    "number_chosen",
    "number_of_clusters",
    "palette",
    "per_cluster",
    "pixel_size",
    "preprocessing",
    "provenance",
    "quality_bits",
    "rare_in_words",
    "require",
    "silhouette_curves",
    "stored_edits",
    "variable_attributes",
    "with_given",
    "with_maps",
]

__getattr__, __dir__ = door(
    __name__,
    {
        "assemble": "assembly",
        "Attribute": "schema",
        "ATTRIBUTES": "schema",
        "attributes_of": "assembly",
        "check_given": "given",
        "check_maps": "mapcheck",
        "check_result": "check",
        "check_structure": "check",
        "clean_colour": "given",
        "clean_name": "given",
        "cluster_colours": "given",
        "cluster_names": "given",
        "clusters_changed": "given",
        "COORDINATES": "schema",
        "MAX_CLUSTERS": "schema",
        "curves_of": "curves",
        "given_colours": "given",
        "input_axis_of": "metadata",
        "KCurves": "curves",
        "kept_by": "schema",
        "mean_spectra": "assembly",
        "number_chosen": "metadata",
        "number_of_clusters": "metadata",
        "per_cluster": "metadata",
        "palette": "given",
        "pixel_size": "places",
        "PixelSize": "places",
        "preprocessing": "metadata",
        "provenance": "metadata",
        "quality_bits": "metadata",
        "rare_in_words": "metadata",
        "require": "check",
        "silhouette_curves": "curves",
        "stored_edits": "given",
        "SPLIT_BELOW": "schema",
        "Variable": "schema",
        "variable_attributes": "schema",
        "VARIABLES": "schema",
        "with_given": "given",
        "with_maps": "assembly",
    },
)
