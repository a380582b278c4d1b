"""Every warning that a result can carry: its code, its name and its wording, in one table.

`docs/warnings.md` says of each code what it means and what to do.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class Kind(NamedTuple):
    """The name of a warning, as a heading of docs/warnings.md, and its wording."""

    name: str
    text: str


class ResultWarning(NamedTuple):
    """A reason to doubt a result.

    Attributes
    ----------
    code : str
        Stable between versions, such as "W-K-UNSUPPORTED"; a key of :data:`KINDS`.
    text : str
        One sentence: what was found, and what to do.
    clusters : tuple of int
        The clusters that it is about, by their numbers on the map; empty: all of the result.
    """

    code: str
    text: str
    clusters: tuple[int, ...] = ()


KINDS = {
    # --- the file
    "W-FILE-ASSUMED": Kind(
        "Assumptions about the file",
        "assumed or changed when the file was read: {notes}; if this is wrong, say how it is to be "
        "read (--axes, --key, --energy, --wavelength, --unit, --noise)",
    ),
    # --- the data
    "W-DATA-MASKED": Kind("Masked pixels", "{spectra} masked and left out ({where})"),
    "W-DATA-NOT-FINITE": Kind(
        "Spectra with missing values",
        "{spectra} with too many values that are not finite, left out ({where})",
    ),
    "W-DATA-EMPTY": Kind("Empty spectra", "{spectra} with zeros only, left out ({where})"),
    "W-DATA-SATURATED": Kind("Saturated spectra", "{spectra} saturated and left out ({where})"),
    "W-DATA-REPAIRED": Kind(
        "Repaired spectra",
        "{spectra} with values that are not finite, up to the share --max-missing, interpolated "
        "({where})",
    ),
    "W-DATA-NEGATIVE": Kind(
        "Negative values",
        "{spectra} with values below 0 by more than noise, set to 0 before the square root "
        "({where}); if they are a signal, such as absorption, keep them (--stabilise none)",
    ),
    "W-DATA-DESPIKED": Kind(
        "Spikes that were removed",
        "{spikes} of cosmic rays removed from {spectra}: straight lines stand in their place",
    ),
    "W-DATA-SPIKES": Kind(
        "Spikes of cosmic rays",
        "about {share} of the spectra have spikes that look like cosmic rays: they may become "
        "clusters, and change mean spectra; remove them (--despike yes, with --fit)",
    ),
    "W-DATA-FLAGGED": Kind("Flagged spectra", "{spectra} flagged as {flag} ({where})"),
    "W-DATA-VARIANCE": Kind(
        "A variance that cannot be right",
        "the variance is about {factor:.0e} times {word} than the scatter between neighbouring "
        "channels shows: the confidence means nothing; check the unit and the form of the noise "
        "(--variance, --error, --ivar), or leave it out",
    ),
    "W-DATA-VARIANCE-NONE": Kind(
        "A variance that is none",
        "the variance of {share} of the spectra is nowhere positive and finite: their noise is "
        "taken to be that of the others; give the right one, or none",
    ),
    "W-DATA-CLIPPED": Kind(
        "Clipped spectra",
        "{share} of the spectra are flat at {value:g}, the largest value: they look clipped, "
        "and what was above is lost; measure again with less intensity, or mask them",
    ),
    "W-DATA-ONE-SHAPE": Kind(
        "Spectra that differ only in brightness",
        "all spectra have the same shape and differ only in brightness: clusters are steps of "
        "brightness, not materials",
    ),
    "W-DATA-CONSTANT": Kind(
        "Spectra that are all the same",
        "all spectra are the same, so there is nothing to segment: check how the file was read "
        "(spectessera info)",
    ),
    # --- the number of clusters
    "W-K-UNSUPPORTED": Kind(
        "No supported number of clusters",
        "no number of clusters is supported by the data: no k has clusters that are all recovered "
        "from half of the pixels, and the silhouettes of k = {ks} are nearly equal; choose k "
        "yourself (--clusters NUMBER) and do not rely on a single border",
    ),
    "W-K-UNSTABLE": Kind(
        "Clusters that are not found again",
        "{k} clusters explain the map best by the neighbours of its pixels, but one of them is not "
        "found again in half of the pixels (stability {stability:.2f}): stripes of a detector or a "
        "slow change over the map may be among them; {fewer}",
    ),
    "W-K-NOISE-SPLIT": Kind(
        "Clusters split by noise",
        "two of the clusters differ by no more than the noise: they may be one cluster, split by "
        "noise; ask for fewer clusters (--clusters NUMBER)",
    ),
    "W-K-NEIGHBOURS-SILENT": Kind(
        "Neighbours that say nothing",
        "the noise is not known, and the neighbours of a pixel predict nothing of it, so the "
        "number of clusters was chosen by stability, which also finds clusters in noise: if the "
        "pixels are those of a map, there may be nothing but noise; give its variance (--variance)",
    ),
    "W-K-SEED": Kind(
        "Clusters that depend on the seed",
        "another seed gives other clusters (adjusted Rand index {agreement:.2f}): some borders are "
        "random; {fewer}",
    ),
    # --- the model
    "W-MODEL-BAD-CHANNELS": Kind(
        "Bad channels that the model uses",
        "the model was trained with {count} of {channels} marked as bad; straight lines "
        "between their neighbours stand in their place: train a model on this cube (--fit) "
        "if lines of the spectra lie there",
    ),
    "W-MODEL-NO-REDSHIFT": Kind(
        "No redshift found",
        "no redshift was found in the spectra that were looked at, so their wavelengths count as "
        "at rest, which the model expects; give the redshift (--redshift), or train a model on "
        "the cube (--fit)",
    ),
    "W-MODEL-REDSHIFT": Kind(
        "Two redshifts fit",
        "another redshift fits the lines nearly as well as the one that was used for the model; "
        "give the right one (--redshift)",
    ),
    "W-MODEL-FAST": Kind(
        "Velocities beyond the training",
        "the gas moves faster than in the training of the model, so that clusters may follow "
        "velocities; train a model on the cube (--fit)",
    ),
    "W-MODEL-NOVEL": Kind(
        "Spectra unlike the training",
        "{share} of the pixels have spectra unlike those that the model was trained on{which}; "
        "{advice}",
    ),
    # --- single clusters
    "W-CLUSTER-BRIGHTNESS": Kind(
        "Clusters that differ only in brightness",
        "{clusters} differ only in brightness ({factor}): this may be one material, thicker or "
        "more strongly illuminated; {advice}",
    ),
    "W-CLUSTER-LINE": Kind(
        "A cluster along a row or column",
        "nearly all of cluster {cluster} lies in {where} (counted from 0): this may be a faulty "
        "line of the scan or of the detector; if so, mask it and segment again",
    ),
    "W-CLUSTER-EDGE": Kind(
        "A cluster along the edge",
        "nearly all of cluster {cluster} lies along the edge of the image, one pixel wide: its "
        "spectra may be incomplete; if so, mask the edge and segment again",
    ),
    "W-CLUSTER-SPIKE": Kind(
        "A cluster of spikes",
        "cluster {cluster} consists of {pixels} and differs from the others mainly in {channels} "
        "(counted from 0): these may be hot pixels or cosmic rays; if its spectra show this spike, "
        "mask them and segment again",
    ),
    "W-CLUSTER-SCATTERED": Kind(
        "A cluster of scattered pixels",
        "cluster {cluster} consists of scattered single pixels ({alone} of {count} have no "
        "neighbour in the cluster): these may be hot pixels, cosmic rays or noise, but a rare "
        "material in small grains looks the same; look at some of its spectra before you mask them",
    ),
    "W-CLUSTER-PATTERN": Kind(
        "Clusters that repeat every few pixels",
        "the map of {clusters} repeats every {steps}: interference of the electronics, or rows "
        "that are read in two directions, make such patterns, and so does a fine weave; if it is "
        "not of the object, leave out the channels in which it is (--exclude)",
    ),
    "W-CLUSTER-UNSURE": Kind(
        "Clusters of low confidence",
        "low confidence of {clusters} (mean {means}): in a repeated measurement, {share} of the "
        "pixels would get another label; do not rely on the borders there, or ask for fewer "
        "clusters (--clusters NUMBER)",
    ),
    "W-CONFIDENCE-MISSING": Kind("No confidence", "this result has no map of confidence"),
    # --- names of clusters
    "W-NAME-SHARED": Kind(
        "Clusters with the same name",
        "{clusters} have the same name, {name}: they may be one material that was split, or "
        "mixtures with it",
    ),
    "W-NAME-CALIBRATION": Kind(
        "Energies that do not fit the lines",
        "the lines fit only if the energies are multiplied by {factor:.3f}: the energy calibration "
        "seems to be wrong, and nothing is named{candidates}; segment again with the energies of "
        "the first and the last channel times that factor (--energy FIRST,LAST)",
    ),
    "W-NAME-CALIBRATION-ELSEWHERE": Kind(
        "Energies that do not fit the lines of other clusters",
        "the lines of other clusters show that the energy calibration is wrong: nothing is named",
    ),
    "W-NAME-CHANNELS": Kind(
        "Too few channels to identify lines", "too few channels were measured to identify lines"
    ),
    "W-NAME-MEDIUM": Kind(
        "Wavelengths in air or vacuum",
        "the axis does not say whether wavelengths are in air or in vacuum; air is assumed",
    ),
    "W-NAME-REDSHIFT-UNKNOWN": Kind(
        "Unknown redshift", "the redshift is unknown, so no lines are named"
    ),
    "W-NAME-REDSHIFT-AMBIGUOUS": Kind(
        "Ambiguous redshift", "the redshift is ambiguous: z = {rival:.4f} fits nearly as well"
    ),
    "W-NAME-REDSHIFT-MISFIT": Kind(
        "Lines that do not fit the redshift",
        "the lines do not fit the redshift z = {redshift:.4f}: the redshift or the wavelength "
        "calibration may be wrong",
    ),
    "W-NAME-GAS-UNDECIDED": Kind(
        "Undecided class of gas", "the class of the gas is undecided{why}"
    ),
}


def make_warning(
    code: str, values: Mapping[str, Any] | None = None, clusters: tuple[int, ...] = ()
) -> ResultWarning:
    """Return a warning in words.

    Parameters
    ----------
    code : str
        A key of :data:`KINDS`.
    values : mapping, optional
        What fills the fields in the wording of the code.
    clusters : tuple of int
        The clusters that it is about.

    Examples
    --------
    >>> make_warning("W-K-SEED", {"agreement": 0.8, "fewer": "try fewer clusters"}).text
    'another seed gives other clusters (adjusted Rand index 0.80): some borders are random; try ...'
    """
    return ResultWarning(code, KINDS[code].text.format_map(values or {}), clusters)
