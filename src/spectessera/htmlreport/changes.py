"""What people have changed in a result, in its report."""

from __future__ import annotations

from typing import Any

import xarray as xr

from spectessera.result import clusters_changed, stored_edits

from .text import count, safe

GIVEN = ("cluster_names", "cluster_colours", "edits")  # attributes


def change_section(result: xr.Dataset) -> dict[str, str]:
    """Return the section, by its name; nothing where nobody has changed anything."""
    done = stored_edits(result)
    if not done:
        return {}
    rows = "".join(f"<li>{safe(each['words'])}</li>" for each in done)
    words = (
        f"<p>{count(len(done), 'change')} made by people after the segmentation, in this order. "
        "They are lines of the file edits.toml beside the result, by which they can be repeated or "
        "taken back; the result of the run is kept. Each sentence speaks of the numbers of the "
        "clusters at that time.</p>"
    )
    if clusters_changed(result):
        words += (
            '<p class="note">The confidence is that of the run: of merged clusters it is a lower '
            "bound, of the parts of a cluster the product with the confidence among these parts. "
            "The scores of the numbers of clusters are those of the run.</p>"
        )
    return {"changes": f"{words}<ol>{rows}</ol>"}


def in_colours_of(result: xr.Dataset, maps: xr.Dataset) -> xr.Dataset:
    """Return maps with the colours and the names that people have given to their clusters.

    Those of other clusters than the result has now are left as they are.
    """
    if not of_same_clusters(result, maps):
        return maps
    own = {name: value for name, value in maps.attrs.items() if name not in GIVEN[:2]}
    given: dict[str, Any] = {n: result.attrs[n] for n in GIVEN[:2] if n in result.attrs}
    shown = maps.copy()
    shown.attrs = own | given  # names and colours that were taken back are gone
    return shown


def of_same_clusters(result: xr.Dataset, maps: xr.Dataset) -> bool:
    """Return whether maps were made for the clusters that a result has now."""
    return _acts(result) == _acts(maps)


def _acts(of: xr.Dataset) -> list[Any]:
    """Return the changes of clusters."""
    acts = [each["edit"] for each in stored_edits(of)]
    return [each for each in acts if each.get("act") not in ("rename", "recolour")]


OLDER = (
    '<p class="note">The maps in this section were made for other clusters than those above: '
    "people have merged, split or masked some since, or have taken that back. Numbers, colours and "
    "masked pixels here are those of that time. spectessera edit FOLDER --maps makes them "
    "again.</p>"
)
