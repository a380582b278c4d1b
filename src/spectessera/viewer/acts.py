"""All that a page can ask for, by its name."""

from __future__ import annotations

from . import editacts, mapacts, photoacts, regionacts, scatteracts, spectrumacts
from .actions import Act

ACTS = {
    "hello": Act(mapacts.hello),
    "view": Act(mapacts.view),
    "window": Act(mapacts.window),
    "exact-window": Act(mapacts.exact_window, slow=True),
    "hover": Act(spectrumacts.hover),
    "leave": Act(spectrumacts.leave),
    "pin": Act(spectrumacts.pin, reads=True),
    "unpin": Act(spectrumacts.unpin),
    "curves": Act(spectrumacts.curves),
    "scale": Act(spectrumacts.scale),
    "region": Act(regionacts.region, slow=True),
    "latents": Act(scatteracts.latents, slow=True),
    "choose": Act(scatteracts.choose, slow=True),
    "rename": Act(editacts.rename, slow=True, edits=True),
    "recolour": Act(editacts.recolour, slow=True, edits=True),
    "merge": Act(editacts.merge, slow=True, edits=True),
    "split": Act(editacts.split, slow=True, edits=True),
    "mask": Act(editacts.mask, slow=True, edits=True),
    "undo": Act(editacts.undo, slow=True, edits=True),
    "redo": Act(editacts.redo, slow=True, edits=True),
    "photo": Act(photoacts.photo),
    "pair": Act(photoacts.pair),
    "unpair": Act(photoacts.unpair),
    "kind": Act(photoacts.kind),
    "again": Act(regionacts.again),
    "no-region": Act(regionacts.no_region),
}
