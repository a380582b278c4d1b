"""The section of a report about the number of clusters: the scores of all that were tried."""

from __future__ import annotations

import numpy as np
import xarray as xr

from spectessera.result import number_chosen

from . import stills, text
from .figures import score_panels

# Standard errors by which a number of clusters that counts as stable may be less: as in kmeans.
TOLERATED = 0.5
COLUMNS = {
    "score": "Silhouette",
    "stability": "Stability",
    "agreement": "Agreement (ARI)",
    "gain": "Evidence",
}
EXPLAINED = {
    "score-silhouette": "Silhouette: how well the clusters are separated (1 is best).",
    "score-stability": "Stability: how well the worst of the clusters is recovered from half of "
    "the pixels (1 is best).",
    "score-evidence": "Evidence: how much better the clusters of one part of the measurement "
    "predict the other part than all pixels together do; higher is better, 0 is no evidence.",
}


def choice_section(result: xr.Dataset) -> str:
    """Return how the number of clusters was chosen, with the scores of all of them."""
    count = number_chosen(result) + int(result.attrs.get("rare_clusters", 0))
    words = f"<p>{text.count(count, 'cluster')}, chosen {text.safe(text.how_chosen(result))}."
    words += f"{_applied(result)}</p>"
    panels = [each.name for each in score_panels(result)]
    if not panels:
        return words + "<p>No other number of clusters was tried.</p>"
    grid = "pair trio" if len(panels) == 3 else "pair"
    still = stills.uri(stills.scores(result))
    places = "".join(
        f'<div class="plot" id="fig-{name}" role="group" '
        f'aria-label="{name.removeprefix("score-")} against the number of clusters"></div>'
        for name in panels
    )
    explained = " ".join(EXPLAINED[name] for name in panels)
    return (
        f'{words}<figure><div class="{grid}">{places}</div>'
        f'<img class="still small" src="{still}" alt="Scores against the number of clusters; '
        f'the values are in the table below"><figcaption>{explained} Bars are two standard '
        "errors; the dashed line is the number that was chosen.</figcaption></figure>"
        f"<details><summary>Values</summary>{score_table(result)}</details>"
    )


def score_table(result: xr.Dataset) -> str:
    """Return the table of the scores for every k."""
    names = [name for name in COLUMNS if name in result and np.isfinite(result[name].values).any()]
    rows = []
    for place, k in enumerate(result["k"].values.tolist()):
        cells = [f"{k}"]
        for name in names:
            value = float(result[name].values[place])
            cell = f"{value:.3f}" if np.isfinite(value) else text.DASH
            if f"{name}_error" in result and np.isfinite(value):
                cell += f" ± {float(result[f'{name}_error'].values[place]):.3f}"
            cells.append(cell)
        rows.append(cells)
    heads = ["k", *(COLUMNS[name] for name in names)]
    words = "With one standard error, where it is known."
    return text.table(words, heads, rows, range(1, len(heads)))


def _applied(result: xr.Dataset) -> str:
    """Return which part of the rule of evidence gave the number of clusters."""
    needed = result.attrs.get("criterion") == "evidence" and "stable_from" in result.attrs
    chosen = result["k"].values == number_chosen(result) if needed and "k" in result else []
    if "stability" not in result or sum(chosen) != 1:
        return ""
    least = float(result.attrs["stable_from"])
    value, error = (
        float(result[name].values[chosen][0]) if name in result else 0.0
        for name in ("stability", "stability_error")
    )
    if not value >= 0:
        return ""
    numbers = f"the worst of them has a stability of {value:.2f} ± {error:.2f}, {least:g} is enough"
    if value + TOLERATED * error >= least:
        return f" Here all of its clusters are recovered: {numbers}."
    return f" Here there is none, so it is the smallest: {numbers}."
