"""A segmenter in a notebook: what it is trained on, and which settings differ from the defaults."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

from spectessera._util.text import counted
from spectessera.htmlreport.text import safe
from spectessera.segmenter.defaults import CONFIGS, DEFAULTS

from ._page import block, table

if TYPE_CHECKING:
    from spectessera.segmenter import SpectralSegmenter


def segmenter_words(segmenter: SpectralSegmenter) -> str:
    """Return a segmenter in a few words."""
    if not hasattr(segmenter, "n_clusters_"):
        return "SpectralSegmenter, not trained: call fit(cube), or load a trained one"
    return (
        f"SpectralSegmenter, trained: {counted(segmenter.n_features_in_, 'channel')} to "
        f"{counted(segmenter.config('network').latent, 'latent')}, "
        f"{counted(segmenter.n_clusters_, 'cluster')}"
    )


def segmenter_html(segmenter: SpectralSegmenter) -> str:
    """Return a segmenter as HTML, with the settings that are not the defaults."""
    rows = [
        [f"{safe(name)}.{safe(each.name)}", safe(getattr(config, each.name))]
        for name, config in _configs(segmenter).items()
        for each in fields(config)
        if getattr(config, each.name) != getattr(DEFAULTS[name], each.name)
    ]
    other = table(rows, ["setting", "value"]) if rows else "All settings are the defaults."
    return block(segmenter_words(segmenter), other)


def _configs(segmenter: SpectralSegmenter) -> dict[str, Any]:
    return {name: segmenter.config(name) for name in CONFIGS}
