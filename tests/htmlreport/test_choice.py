"""The sections of a report about the number of clusters, and where a result comes from."""

import pytest
import xarray as xr

from spectessera.htmlreport.choice import _applied
from spectessera.htmlreport.text import origins


@pytest.mark.parametrize(
    ("stability", "words"),
    [(0.92, "Here all of its clusters are recovered"), (0.4, "Here there is none, so it is the")],
)
def test_the_section_says_which_part_of_the_rule_applied(stability, words):
    result = xr.Dataset(
        {
            "label": (("y", "x"), [[1, 2, 3]]),
            "size": ("cluster", [1, 1, 1]),
            "stability": ("k", [0.99, stability]),
            "stability_error": ("k", [0.01, 0.02]),
        },
        coords={"k": [2, 3], "cluster": [1, 2, 3]},
        attrs={"criterion": "evidence", "stable_from": 0.75, "n_clusters": 3},
    )
    said = _applied(result)
    assert words in said
    assert f"stability of {stability:.2f}" in said
    assert _applied(result.assign_attrs(criterion="stability")) == ""


def test_attributes_have_words_and_few_digits():
    html = origins(xr.Dataset(attrs={"structure": 26.26965851292945}), "1.0")
    assert "Differences between the spectra beyond noise, in standard errors" in html
    assert ">26.2697<" in html
