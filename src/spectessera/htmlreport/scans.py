"""The section of a report about several scans that were segmented together."""

from __future__ import annotations

import xarray as xr

from spectessera._util.text import per_cent
from spectessera.scans import places_of, shares_of

from .chips import chips
from .text import DASH, safe, table


def scan_section(result: xr.Dataset) -> dict[str, str]:
    """Return the section, by its name; nothing for a result of one scan.

    Parameters
    ----------
    result : Dataset
        Of joined scans: which share of the pixels of each scan each cluster has.
    """
    places = places_of(result.attrs)
    if not places:
        return {}
    clusters = result["cluster"].values.tolist()
    rows = [
        [
            safe(row["scan"]),
            f"{place.y} to {place.y + place.rows - 1}",
            f"{place.x} to {place.x + place.columns - 1}",
            f"{row['pixels']:,}",
            *(per_cent(each, 1) if each else DASH for each in row["shares"]),
        ]
        for place, row in zip(places, shares_of(result), strict=True)
    ]
    heads = ["Scan", "Rows", "Columns", "Pixels", *chips(result, clusters)]
    words = (
        "<p>These scans were segmented together: a cluster has the same number, colour and mean "
        "spectrum in all of them. In the maps they are side by side, or one below the other.</p>"
    )
    told = table("Share of the clusters in each scan", heads, rows, tuple(range(1, len(heads))))
    return {"scans": words + told}
