"""Warnings of results that need them, and none of results that do not."""

import re
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from spectessera.diagnostics.warnings import (
    choice_warnings,
    file_warnings,
    novelty_warnings,
    seed_warnings,
    shared_name_warnings,
)
from spectessera.naming.candidates import Candidate, Line, Naming, Peak
from spectessera.warning import KINDS, make_warning

ROOT = Path(__file__).parents[2]


def maps(label, novelty):
    label, novelty = np.asarray(label), np.asarray(novelty, dtype=float)
    return xr.Dataset(
        {"label": (("y", "x"), label), "novelty": (("y", "x"), novelty)},
        coords={"cluster": np.arange(1, label.max() + 1)},
    )


def test_a_cluster_that_the_model_has_not_seen_is_named():
    label = np.ones((6, 10), int)
    label[:, 7:] = 2
    (warning,) = novelty_warnings(maps(label, np.where(label == 2, 0.99, 0.3)))
    assert "30 %" in warning.text
    assert "cluster 2;" in warning.text
    assert warning.clusters == (2,)
    assert "train a model on this cube" in warning.text
    chosen_by_evidence = maps(label, np.where(label == 2, 0.99, 0.3)).assign_attrs(
        model_choice="maxrf: it predicts the spectra as well (gain in ...)"
    )
    (warning,) = novelty_warnings(chosen_by_evidence)
    assert "compare the map with one of such a model (--fit)" in warning.text


def test_one_in_twenty_is_no_news_and_masked_pixels_do_not_count():
    label = np.ones((10, 12), int)
    novelty = np.zeros((10, 12))
    novelty.ravel()[::20] = 1.0
    assert novelty_warnings(maps(label, novelty)) == []
    label[:5] = 0
    assert novelty_warnings(maps(label, np.where(label == 0, np.nan, 0.1))) == []
    assert novelty_warnings(xr.Dataset()) == []


def test_what_was_assumed_of_the_file_is_a_warning_and_a_file_that_says_all_gives_none():
    assert file_warnings(xr.Dataset()) == []
    note = "no axis is named: the last one is taken as the spectrum"
    (warning,) = file_warnings(xr.Dataset(attrs={"reading_notes": note}))
    assert warning.code == "W-FILE-ASSUMED"
    assert note in warning.text


@pytest.mark.parametrize(("alike", "told"), [(0.7, 1), (0.99, 0), (np.nan, 0), (None, 0)])
def test_other_seeds_are_told_of_where_they_differ(alike, told):
    attrs = {} if alike is None else {"seed_agreement": alike}
    assert len(seed_warnings(xr.Dataset(attrs=attrs))) == told


def chosen(score, stability):
    k = ("k", np.arange(2, 2 + len(score)))
    return xr.Dataset(
        {
            "score": ("k", score),
            "score_error": ("k", [0.0] * len(score)),
            "stability": ("k", stability),
            "stability_error": ("k", [0.0] * len(score)),
        },
        coords={"k": k},
        attrs={"stable_from": 0.97},
    )


def test_a_k_without_support_is_reported():
    (warning,) = choice_warnings(chosen([0.30, 0.31, 0.10], [0.6, 0.5, 0.4]))
    assert "k = 2, 3" in warning.text
    assert choice_warnings(chosen([0.30, 0.31, 0.10], [0.6, 0.99, 0.4])) == []
    assert choice_warnings(chosen([0.10, 0.31, 0.10], [0.6, 0.5, 0.4])) == []
    assert choice_warnings(chosen([0.3], [0.5])) == []
    assert choice_warnings(xr.Dataset()) == []


def test_clusters_that_neighbours_chose_and_half_of_the_pixels_does_not_show_are_reported():
    found = chosen([0.3, 0.3, 0.3], [0.98, 0.7, 0.5])
    found.attrs |= {"judged_by": "neighbours", "criterion": "evidence", "n_clusters": 4}
    found["gain"] = ("k", [0.1, 0.2, 0.3])
    (warning,) = choice_warnings(found)
    assert warning.code == "W-K-UNSTABLE"
    assert "stability 0.50" in warning.text
    assert "--clusters 2" in warning.text
    for other in (
        {"judged_by": "noise"},
        {"criterion": "equal"},
        {"n_clusters": 3},
        {"n_clusters": 1},
    ):
        assert choice_warnings(found.assign_attrs(other)) == []


def test_trained_clusters_were_not_chosen():
    given = chosen([0.30, 0.31, 0.10], [0.6, 0.5, 0.4])
    given.attrs["provenance"] = '{"clusters": "trained"}'
    assert choice_warnings(given) == []


def test_two_clusters_of_one_name_are_told():
    line = Line("Sn Ka", 25.2, Peak(25.2, 0.01, 0.3, 9.0, 9.0))
    tin = Naming(candidates=(Candidate("lead-tin yellow", "pigment", 0.6, (line,), ""),))
    result = xr.Dataset(coords={"cluster": [1, 2, 5]})
    (warning,) = shared_name_warnings(result, [tin, Naming(), tin])
    assert "clusters 1 and 5" in warning.text
    assert warning.clusters == (1, 5)
    assert shared_name_warnings(result, [tin, Naming(), Naming()]) == []
    gas = Naming((), (Candidate("[OI]", "line", 0.9, (), ""),))
    assert shared_name_warnings(result, [gas, gas, Naming()]) == []  # what all gas shows


def test_two_clusters_that_noise_split_are_reported():
    """`excess` of the chosen k is below the bound that the result carries."""
    result = chosen([0.1, 0.3, 0.1], [0.9, 0.99, 0.4]).assign_attrs(n_clusters=3)
    result["excess"] = ("k", [2.0, 1.1, 0.9], {"noise_alone_below": 1.25})
    (warning,) = choice_warnings(result)
    assert warning.code == "W-K-NOISE-SPLIT"
    assert choice_warnings(result.assign_attrs(n_clusters=2)) == []


def test_borders_of_the_seed_name_the_largest_stable_number_below():
    """Stable are 2, 3 and 6 clusters; there are 5."""
    result = chosen([0.1, 0.3, 0.1, 0.1, 0.1], [0.99, 0.98, 0.4, 0.5, 0.99])
    result = result.assign_attrs(n_clusters=5, stable_from=0.97, seed_agreement=0.8)
    (warning,) = seed_warnings(result)
    assert "try fewer clusters: 3 (--clusters 3) are all recovered" in warning.text
    (warning,) = seed_warnings(result.assign_attrs(n_clusters=2))
    assert "try fewer clusters (--clusters NUMBER)" in warning.text
    assert seed_warnings(result.assign_attrs(seed_agreement=0.99)) == []


def test_every_code_is_used_and_has_its_section_in_the_documentation():
    page = (ROOT / "docs" / "warnings.md").read_text(encoding="utf-8")
    sections = dict(re.findall(r"^### `(W-[A-Z-]+)`: (.+)$", page, flags=re.MULTILINE))
    assert sections == {code: kind.name for code, kind in KINDS.items()}
    paths = [path for path in (ROOT / "src").rglob("*.py") if path.name != "warning.py"]
    code = "\n".join(path.read_text(encoding="utf-8") for path in paths)
    assert [each for each in KINDS if f'"{each}"' not in code] == []


def test_the_wording_of_a_code_is_filled_in():
    warning = make_warning("W-K-SEED", {"agreement": 0.804, "fewer": "try fewer"})
    assert warning.code == "W-K-SEED"
    assert "adjusted Rand index 0.80" in warning.text
    with pytest.raises(KeyError):
        make_warning("W-K-SEED")
