"""All that a page can ask for, by its name."""

from __future__ import annotations

from . import mapacts, regionacts, scatteracts, spectrumacts
from .actions import Act

ACTS = {
    "hello": Act(mapacts.hello),
    "view": Act(mapacts.view),
    "window": Act(mapacts.window),
    "exact-window": Act(mapacts.exact_window, slow=True),
    "hover": Act(spectrumacts.hover),
    "leave": Act(spectrumacts.leave),
    "pin": Act(spectrumacts.pin),
    "unpin": Act(spectrumacts.unpin),
    "curves": Act(spectrumacts.curves),
    "scale": Act(spectrumacts.scale),
    "region": Act(regionacts.region, slow=True),
    "latents": Act(scatteracts.latents, slow=True),
    "choose": Act(scatteracts.choose, slow=True),
    "no-region": Act(regionacts.no_region),
}
