"""Every variable, coordinate and attribute that a result may hold.

A result is an ``xarray.Dataset`` with a label map: 0 = masked or unusable, 1..K = clusters. Labels
are integers and never get a fill value, because readers that apply one convert them to floats.
Attributes are strings and numbers only, so that every file format can hold them.

Two functions produce results: :func:`spectessera.segment`, and
:func:`spectessera.baselines.cluster_cube` for every baseline. Results of older versions may lack
variables that were added since.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from spectessera.preprocess.steps import QUALITY

# Over 400 lines: it is one table.

# Most clusters of a result, and the largest number of one.
MAX_CLUSTERS = 65_535
# Larger numbers overflow float32 where they are drawn or added up.
LIMIT = 1e36

# When a function writes a variable or an attribute:
# always; keep: where its `keep` is among those requested; means: unless means=False; chosen: unless
# clusters="trained"; noise: where stability chose k and the noise of the cube is known; evidence:
# where evidence chose k; rare: where there are rare groups; neighbours: where pixels are averaged
# with their neighbours; cube: where the cube has this attribute; rest: by a
# model of lines at rest; people: by no function, only by people; never.
When = Literal[
    "always",
    "keep",
    "means",
    "chosen",
    "noise",
    "evidence",
    "rare",
    "neighbours",
    "cube",
    "rest",
    "people",
    "never",
]


@dataclass(frozen=True)
class Variable:
    """A variable or coordinate of a result.

    Attributes
    ----------
    name : str
    dims : tuple of str
        Dimensions, in the order in which they are written.
    dtype : str
        As it is written. Of results from elsewhere the kind counts (integer, float).
    unit : "", "1", "cube", "input" or "latent"
        "1": dimensionless; "cube": that of the values of the cube, which is the attribute ``unit``
        of the result; "input": network-input units; "latent": that of the latents; "": no quantity.
    meaning : str
        Written as the attribute ``long_name``.
    segment, baselines : str
        When each function writes it.
    keep : str
        The value of the argument ``keep`` that requests it.
    fits : str
        Name of the extension of a FITS file that holds it; "": not written to FITS.
    low, high : float
        Range of its values; beside it, floats may be NaN.
    """

    name: str
    dims: tuple[str, ...]
    dtype: str
    unit: Literal["", "1", "cube", "input", "latent"]
    meaning: str
    segment: When
    baselines: When
    keep: str = ""
    fits: str = ""
    low: float = -LIMIT
    high: float = LIMIT


@dataclass(frozen=True)
class Attribute:
    """An attribute of a result, of one of its variables, or of a coordinate.

    Attributes
    ----------
    name : str
    kind : type
        str, int or float.
    meaning : str
    segment, baselines : str
        When each function writes it.
    owner : str
        The variable or coordinate that has it; "": the result.
    low, high : float
        Range of a number.
    may_be_nan : bool
        Whether a number may be NaN: not known.
    """

    name: str
    kind: type
    meaning: str
    segment: When
    baselines: When
    owner: str = ""
    low: float = -LIMIT
    high: float = LIMIT
    may_be_nan: bool = False


IMAGE = ("y", "x")
SPECTRUM, INPUT = ("cluster", "channel"), ("cluster", "input_channel")

VARIABLES = {
    each.name: each
    for each in (
        # --- maps ---
        Variable(
            "label", IMAGE, "int32", "",
            "cluster of the pixel, 1 to K; 0 = masked or unusable",
            "always", "always", fits="LABEL", low=0, high=MAX_CLUSTERS,
        ),
        Variable(
            "confidence", IMAGE, "float32", "1",
            "probability that a repeated measurement of the pixel gets the same label",
            "always", "never", fits="CONFIDENCE", low=0, high=1,
        ),
        Variable(
            "novelty", IMAGE, "float32", "1",
            "how unlike the training spectra the pixel is; one training spectrum in twenty has "
            "more than 0.95",
            "always", "never", low=0, high=1,
        ),
        Variable(
            "quality", IMAGE, "uint8", "",
            "bits of the findings about the pixel; flag_meanings names them",
            "always", "always",
        ),
        Variable(
            "measurements", IMAGE, "float32", "1",
            "as how many measurements of one pixel the spectrum is that was labelled: it is the "
            "average of the pixel and of its neighbours that are like it",
            "neighbours", "never", low=0,
        ),
        Variable(
            "integrated_input", IMAGE, "float32", "input",
            "sum of the network input of the pixel over its channels",
            "always", "always",
        ),
        Variable(
            "integrated_decoded", IMAGE, "float32", "input",
            "sum of the decoded spectrum of the pixel over its channels",
            "always", "never",
        ),
        Variable(
            "integrated_latent", IMAGE, "float32", "latent",
            "sum of the latent of the pixel over its dimensions",
            "always", "always",
        ),
        Variable(
            "latent_cube", (*IMAGE, "latent"), "float32", "latent",
            "latent of the pixel",
            "keep", "keep", keep="latent",
        ),
        Variable(
            "decoded_cube", (*IMAGE, "input_channel"), "float32", "input",
            "decoded spectrum of the pixel",
            "keep", "never", keep="decoded",
        ),
        Variable(
            "label_alone", IMAGE, "int32", "",
            "cluster of the spectrum of the pixel without its neighbours; 0 = masked or unusable",
            "keep", "never", keep="alone", low=0, high=MAX_CLUSTERS,
        ),
        Variable(
            "silhouette", IMAGE, "float32", "1",
            "exact silhouette of the pixel",
            "keep", "never", keep="silhouette", low=-1, high=1,
        ),
        # --- clusters ---
        Variable(
            "mean_spectrum", SPECTRUM, "float32", "cube",
            "mean of the measured spectra of the cluster",
            "means", "always",
        ),
        Variable(
            "std_spectrum", SPECTRUM, "float32", "cube",
            "standard deviation of the measured spectra of the cluster",
            "means", "always", low=0,
        ),
        Variable(
            "input_mean", INPUT, "float32", "input",
            "mean of the network inputs of the cluster (eq. 9 of arXiv 2401.17695)",
            "means", "always",
        ),
        Variable(
            "reconstructed_mean", INPUT, "float32", "input",
            "mean of the decoded spectra of the cluster (eq. 8 of arXiv 2401.17695)",
            "means", "never",
        ),
        Variable(
            "decoded_mean", INPUT, "float32", "input",
            "decoded center of the cluster (eq. 10 of arXiv 2401.17695)",
            "always", "never",
        ),
        Variable(
            "center", ("cluster", "latent"), "float32", "latent",
            "center of the cluster among the latents",
            "always", "always",
        ),
        Variable(
            "size", ("cluster",), "int64", "1",
            "number of pixels of the cluster",
            "always", "always", low=0,
        ),
        # --- numbers of clusters ---
        Variable(
            "score", ("k",), "float64", "1",
            "mean silhouette of the pixels with k clusters",
            "always", "always", low=-1, high=1,
        ),
        Variable(
            "score_error", ("k",), "float64", "1",
            "standard error of the score; 0 where it is exact",
            "always", "always", low=0,
        ),
        Variable(
            "rare", ("cluster",), "float64", "1",
            "how much better the pixels of a rare group predict each other than the clusters do "
            "that are nearest to them, in standard errors; NaN for other clusters",
            "rare", "never", low=0,
        ),
        Variable(
            "stability", ("k",), "float64", "1",
            "Jaccard index of the worst of k clusters, recovered from half of the pixels; NaN "
            "where it was not computed",
            "always", "always", low=0, high=1,
        ),
        Variable(
            "stability_error", ("k",), "float64", "1",
            "standard error of the stability",
            "always", "always", low=0,
        ),
        Variable(
            "agreement", ("k",), "float64", "1",
            "adjusted Rand index of the clusters of half of the pixels with those of all",
            "always", "always", low=-1, high=1,
        ),
        Variable(
            "excess", ("k",), "float64", "1",
            "smallest separation of two neighbouring clusters, in units of the separation that "
            "noise alone makes; NaN where it was not computed",
            "noise", "never", low=0,
        ),
        Variable(
            "gain", ("k",), "float64", "1",
            "how much better k clusters predict a held-out part of the measurement than one: "
            "natural logarithm of a likelihood ratio per pixel, for all of its counts or channels; "
            "judged by neighbours, the share of the variance of the pixels that they explain",
            "evidence", "evidence",
        ),
        Variable(
            "gain_error", ("k",), "float64", "1",
            "standard error of the gain",
            "evidence", "evidence", low=0,
        ),
    )
}  # fmt: skip

# The spectral axis of the cube is a further coordinate along `channel`, named after its kind
# (`energy`, `wavelength` ...: see :data:`spectessera.axis.KINDS`) and absent where channels are
# only counted. `y` and `x` are those of the cube.
COORDINATES = {
    each.name: each
    for each in (
        Variable("cluster", ("cluster",), "int64", "", "number of the cluster", "always", "always"),
        Variable(
            "k", ("k",), "int64", "1", "number of clusters tried", "always", "always",
            low=1, high=MAX_CLUSTERS,
        ),
        Variable(
            "input_axis", ("input_channel",), "float64", "",
            "spectral axis of the network inputs; its unit is its attribute units",
            "always", "always",
        ),
        Variable(
            "bad_channel", ("channel",), "bool", "",
            "channel of the cube that is marked as bad and was left out",
            "cube", "cube",
        ),
    )
}  # fmt: skip

ATTRIBUTES = (
    # --- of the cube ---
    Attribute("source", str, "file that the cube was read from", "cube", "cube"),
    Attribute("unit", str, "unit of the values of the cube", "cube", "cube"),
    Attribute(
        "reading_notes", str, "guesses that were made when the file was read", "cube", "cube"
    ),
    Attribute("wcs", str, "FITS header of the sky coordinates, as text", "cube", "cube"),
    Attribute("crs", str, "coordinate system of a map: EPSG code or WKT", "cube", "cube"),
    Attribute("crs_name", str, "its name, as the file has it", "cube", "cube"),
    Attribute(
        "geotransform", str,
        "where the image is on the map: x0, dx/column, dx/row, y0, dy/column, dy/row",
        "cube", "cube",
    ),
    Attribute("geotransform_size", str, "rows and columns of that image", "cube", "cube"),
    Attribute("map_info", str, "the map info of an ENVI header", "cube", "cube"),
    Attribute("object", str, "observed object", "cube", "cube"),
    Attribute("instrument", str, "instrument", "cube", "cube"),
    Attribute("telescope", str, "telescope", "cube", "cube"),
    Attribute(
        "signal_type", str, "of the spectra, as HyperSpy says it: EDS_SEM, EDS_TEM, EELS ...",
        "cube", "cube",
    ),
    Attribute("anode", str, "element of the anode of the X-ray tube", "cube", "cube"),
    Attribute(
        "spikes_removed", int, "spikes of cosmic rays that were removed", "cube", "cube", low=0
    ),
    Attribute(
        "spectra_despiked", int, "spectra from which spikes were removed", "cube", "cube", low=0
    ),
    Attribute("model_choice", str, "which model was chosen for it, and why", "cube", "cube"),
    Attribute("scans", str, "JSON: where each of several scans is in the image", "cube", "cube"),
    # --- of the frame in which a model of lines at rest sees it ---
    Attribute("redshift", float, "that wavelengths were brought to rest by", "rest", "never"),
    Attribute("redshift_given", int, "1 if it was given, 0 if it was found", "rest", "never"),
    Attribute("continuum", str, "what was subtracted: median, or none", "rest", "never"),
    Attribute("frame", str, "both in one sentence, and how they were found", "rest", "never"),
    # --- of its pixels ---
    Attribute("quality_counts", str, "JSON: pixels with each quality bit", "always", "always"),
    Attribute("usable_pixels", int, "pixels that have a label", "always", "always", low=0),
    Attribute(
        "unusable_pixels", int, "pixels left out although not masked", "always", "always", low=0,
    ),
    Attribute("findings", str, "JSON: warnings about its spectra", "always", "never"),
    # --- of the clustering ---
    Attribute(
        "n_clusters", int, "number of clusters K", "always", "always", low=0, high=MAX_CLUSTERS
    ),
    Attribute("metric", str, "metric in which latents were clustered", "always", "never"),
    Attribute(
        "criterion", str,
        "what chose k: evidence, stability or silhouette; equal: groups of equal spectra; "
        "given if it was given",
        "always", "always",
    ),
    Attribute(
        "stable_from", float, "stability from which a k is stable", "always", "never",
        low=0, high=1,
    ),
    Attribute(
        "structure", float,
        "differences between the spectra beyond their noise, in standard errors; noise alone: up "
        "to 3.5",
        "evidence", "evidence",
    ),
    Attribute(
        "judged_by", str,
        "what the gain and the structure are of: noise, two parts of the measurement with known "
        "noise; neighbours, the pixels around a pixel and the pixel itself, whose noise is taken "
        "to be independent",
        "evidence", "evidence",
    ),
    Attribute(
        "rare_clusters", int,
        "how many clusters, the last ones, are rare groups that were found by their own pixels",
        "evidence", "never", low=0, high=MAX_CLUSTERS,
    ),
    Attribute(
        "neighbours", int,
        "rows or columns up to which neighbours were averaged with a pixel; 0: none",
        "always", "never", low=0, high=1000,
    ),
    Attribute(
        "neighbour_weight", float,
        "weight of a neighbour beside 1, that of the pixel; 0 where there are none",
        "always", "never", low=0, high=1,
    ),
    Attribute("silhouette", str, "whether scores are exact or an estimate", "always", "never"),
    Attribute(
        "clustered_pixels", int, "pixels from which k and centers were found", "always", "never",
        low=0,
    ),
    Attribute(
        "confidence_noise", str,
        "noise behind the confidence: variance, counts or residual", "always", "never",
    ),
    Attribute(
        "seed_agreement", float,
        "adjusted Rand index with the clusters that other seeds give", "chosen", "never",
        low=-1, high=1, may_be_nan=True,
    ),
    Attribute("method", str, "method of the embedding", "never", "always"),
    Attribute(
        "fitted_pixels", int, "pixels that the method was fitted to", "never", "always", low=0
    ),
    Attribute("placed", str, "how pixels that were not fitted got a label", "never", "always"),
    Attribute("seconds_fit", float, "duration of the fit in seconds", "never", "always", low=0),
    Attribute(
        "seconds_transform", float, "duration of the embedding of other pixels in seconds",
        "never", "always", low=0,
    ),
    Attribute(
        "seconds_cluster", float, "duration of the clustering in seconds", "never", "always", low=0
    ),
    Attribute(
        "provenance", str, "JSON: version, seed, settings; see the function provenance",
        "always", "always", low=0,
    ),
    # --- by people ---
    Attribute(
        "cluster_names", str,
        "JSON: names that people have given to clusters, by their numbers; see the function "
        "cluster_names",
        "people", "people",
    ),
    Attribute(
        "cluster_colours", str,
        "JSON: colours that people have given to clusters, as #rrggbb, by their numbers; see the "
        "function cluster_colours",
        "people", "people",
    ),
    Attribute(
        "edits", str,
        "JSON: what people have changed, a list of objects with edit (a line of edits.toml) and "
        "words (what it did); see the function stored_edits",
        "people", "people",
    ),
    Attribute(
        "chosen_clusters", int,
        "number of clusters without rare groups that the run had, where people have changed it",
        "people", "people", low=0, high=MAX_CLUSTERS,
    ),
    # --- of variables and coordinates ---
    Attribute("flag_masks", str, "the quality bits", "always", "always", owner="quality"),
    Attribute("flag_meanings", str, "names of the quality bits", "always", "always", "quality"),
    Attribute(
        "noise_alone_below", float,
        "a k with less than this excess splits the noise of one cluster",
        "noise", "never", "excess", low=0,
    ),
    Attribute("units", str, "unit of the axis", "always", "always", "input_axis"),
    Attribute("axis_kind", str, "energy, wavelength ...", "always", "always", "input_axis"),
    Attribute(
        "medium", str, "air or vacuum, of wavelengths; else empty", "always", "always", "input_axis"
    ),
)  # fmt: skip

# Two clusters are one, split by noise, where their separation is less than this many times that of
# two parts of noise alone: 1, and a margin for the finite number of sampled pixels.
SPLIT_BELOW = 1.25

_OWN_ATTRIBUTES: dict[str, dict[str, str | float]] = {
    "quality": {
        "flag_masks": ", ".join(str(bit) for bit in QUALITY.values()),
        "flag_meanings": " ".join(QUALITY),
    },
    "excess": {"noise_alone_below": SPLIT_BELOW},
}


def kept_by(producer: Literal["segment", "baselines"]) -> tuple[str, ...]:
    """Return the values that the argument ``keep`` of a producer of results can have.

    >>> kept_by("baselines")
    ('latent',)
    """
    return tuple(each.keep for each in VARIABLES.values() if getattr(each, producer) == "keep")


def variable_attributes(name: str, unit: str = "") -> dict[str, str | float]:
    """Return the attributes with which a variable is written.

    Parameters
    ----------
    name : str
        In :data:`VARIABLES`.
    unit : str
        Of the values of the cube; "": not known.

    Returns
    -------
    dict
        ``long_name``; ``units`` where the unit has a name; and what the schema names for this one.
    """
    variable = VARIABLES[name]
    attributes: dict[str, str | float] = {"long_name": variable.meaning}
    units = {"1": "1", "cube": unit}.get(variable.unit)
    if units:
        attributes["units"] = units
    return attributes | _OWN_ATTRIBUTES.get(name, {})
