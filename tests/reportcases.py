"""Results made by hand, whose truth is known, for the tests of the report."""

import json
from typing import Any

import numpy as np
import xarray as xr

from spectessera.axis import Axis
from spectessera.cube import with_axis
from spectessera.naming.candidates import Candidate, Line, Naming, Peak
from spectessera.preprocess.steps import QUALITY
from spectessera.warning import make_warning

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&$$\\frac{1}{2}$$ @{label} $x"


def made_result(
    shape: tuple[int, int] = (9, 14),
    k: int = 3,
    channels: int = 120,
    attrs: dict[str, Any] | None = None,
    label: np.ndarray | None = None,
    confidence: np.ndarray | None = None,
) -> xr.Dataset:
    """Return a result as that of segment: k clusters, a masked corner, lines at known places."""
    generator = np.random.default_rng(0)
    if label is None:
        label = (np.arange(shape[0] * shape[1]) % k + 1).reshape(shape).astype(np.int32)
        label[0, 0] = 0
    if confidence is None:
        confidence = generator.uniform(0.5, 1.0, shape).astype(np.float32)
        confidence[label == 0] = np.nan
    quality = np.where(label == 0, QUALITY["masked"], 0).astype(np.uint8)
    energy = np.linspace(1.0, 20.0, channels)
    places = 3.0 + 14.0 * np.arange(k) / max(1, k - 1)
    mean = 0.05 + 40 * np.exp(-0.5 * ((energy - places[:, None]) / 0.15) ** 2)
    tried = np.arange(2, 7)
    result = xr.Dataset(
        {
            "label": (("y", "x"), label),
            "confidence": (("y", "x"), confidence),
            "quality": (("y", "x"), quality),
            "mean_spectrum": (("cluster", "channel"), mean.astype(np.float32)),
            "std_spectrum": (("cluster", "channel"), np.sqrt(mean).astype(np.float32)),
            "size": (("cluster",), np.bincount(label.ravel(), minlength=k + 1)[1:]),
            "score": (("k",), np.array([0.4, 0.7, 0.6, 0.5, 0.3])),
            "score_error": (("k",), np.full(5, 0.01)),
            "stability": (("k",), np.array([0.9, 1.0, 0.8, 0.6, 0.5])),
            "stability_error": (("k",), np.full(5, 0.02)),
            "agreement": (("k",), np.array([0.9, 1.0, 0.9, 0.8, 0.7])),
        },
        coords={"cluster": np.arange(1, k + 1), "k": tried},
    )
    result["mean_spectrum"] = with_axis(result["mean_spectrum"], Axis(energy, unit="keV"))
    result["quality"].attrs = {
        "flag_masks": ", ".join(str(bit) for bit in QUALITY.values()),
        "flag_meanings": " ".join(QUALITY),
    }
    settings = {"network": {"latent": 3}, "training": {"seed": 0}}
    provenance = {"spectessera": "0.0.7", "clusters": "cube", "seed": 41, "settings": settings}
    result.attrs = {
        "source": "panel.h5",
        "unit": "counts",
        "n_clusters": k,
        "criterion": "stability",
        "stable_from": 0.95,
        "provenance": json.dumps(provenance),
    } | (attrs or {})
    return result


def made_naming(word: str = "Hg", position: float = 3.0) -> Naming:
    """Return a naming with a pigment, an element, a line that is missing, a peak left over."""
    seen = Peak(position, 0.002, 0.3, 812.0, 55.0)
    lines = (Line(f"{word} La", position, seen, "also S Ka"), Line(f"{word} Lb", 11.8, None))
    return Naming(
        peaks=(seen,),
        candidates=(
            Candidate(word, "element", 0.9, lines, f"{word} is seen by its strongest line."),
            Candidate(f"{word} red", "pigment", 0.8, lines[:1], "It fits."),
        ),
        unexplained=(Peak(7.77, 0.01, 0.3, 20.0, 6.5),),
        warnings=(make_warning("W-NAME-CALIBRATION", {"factor": 1.003, "candidates": ""}),),
    )
