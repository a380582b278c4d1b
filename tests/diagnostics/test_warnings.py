"""What is told of a result, on results that need it and results that do not."""

import numpy as np
import pytest
import xarray as xr

from spectessera.diagnostics.warnings import choice_note, novelty_notes, same_name_notes, seed_notes
from spectessera.naming.candidates import Candidate, Line, Naming, Peak


def maps(label, novelty):
    label, novelty = np.asarray(label), np.asarray(novelty, dtype=float)
    return xr.Dataset(
        {"label": (("y", "x"), label), "novelty": (("y", "x"), novelty)},
        coords={"cluster": np.arange(1, label.max() + 1)},
    )


def test_a_cluster_that_the_model_has_not_seen_is_named():
    label = np.ones((6, 10), int)
    label[:, 7:] = 2
    (words,) = novelty_notes(maps(label, np.where(label == 2, 0.99, 0.3)))
    assert "30%" in words
    assert "cluster 2" in words


def test_one_in_twenty_is_no_news_and_masked_pixels_do_not_count():
    label = np.ones((10, 12), int)
    novelty = np.zeros((10, 12))
    novelty.ravel()[::20] = 1.0
    assert novelty_notes(maps(label, novelty)) == []
    label[:5] = 0
    assert novelty_notes(maps(label, np.where(label == 0, np.nan, 0.1))) == []
    assert novelty_notes(xr.Dataset()) == []


@pytest.mark.parametrize(("alike", "told"), [(0.7, 1), (0.99, 0), (np.nan, 0), (None, 0)])
def test_other_seeds_are_told_of_where_they_differ(alike, told):
    attrs = {} if alike is None else {"seed_agreement": alike}
    assert len(seed_notes(xr.Dataset(attrs=attrs))) == told


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


def test_a_k_that_nothing_speaks_for_is_told():
    (words,) = choice_note(chosen([0.30, 0.31, 0.10], [0.6, 0.5, 0.4]))
    assert "k = 2, 3" in words
    assert choice_note(chosen([0.30, 0.31, 0.10], [0.6, 0.99, 0.4])) == []
    assert choice_note(chosen([0.10, 0.31, 0.10], [0.6, 0.5, 0.4])) == []
    assert choice_note(chosen([0.3], [0.5])) == []
    assert choice_note(xr.Dataset()) == []


def test_trained_clusters_were_not_chosen():
    given = chosen([0.30, 0.31, 0.10], [0.6, 0.5, 0.4])
    given.attrs["provenance"] = '{"clusters": "trained"}'
    assert choice_note(given) == []


def test_two_clusters_of_one_name_are_told():
    line = Line("Sn Ka", 25.2, Peak(25.2, 0.01, 0.3, 9.0, 9.0))
    tin = Naming(candidates=(Candidate("lead-tin yellow", "pigment", 0.6, (line,), ""),))
    result = xr.Dataset(coords={"cluster": [1, 2, 5]})
    (words,) = same_name_notes(result, [tin, Naming(), tin])
    assert "clusters 1, 5" in words
    assert same_name_notes(result, [tin, Naming(), Naming()]) == []
