"""Which clustering is chosen by evidence: by a judge that says what the test wants."""

import numpy as np
import pytest

from spectessera.evidence import Gain
from spectessera.kmeans import Clusters
from spectessera.kmeans.points import cluster_points


class Judge:
    """Every number of clusters has the same gain."""

    def __init__(self, structure, judged_by, gain):
        self.structure, self.judged_by, self._gain = structure, judged_by, gain

    def gain(self, rule):
        each = np.tile([self._gain - 1, self._gain + 1], 50)
        return Gain(self._gain, 0.1, each)


@pytest.mark.parametrize(
    ("structure", "judged_by", "gain", "one"),
    [
        (2.0, "noise", 5.0, True),  # the spectra differ by noise only
        (9.0, "noise", 5.0, False),
        (9.0, "noise", -0.1, False),  # groups that k-means does not find
        (2.0, "neighbours", 5.0, True),
        (9.0, "neighbours", 5.0, False),
        (9.0, "neighbours", 0.1, True),  # a slow change over the map, and no clusters in it
    ],
)
def test_one_cluster_is_the_answer_where_nothing_is_found(structure, judged_by, gain, one):
    points = np.random.default_rng(0).normal(size=(200, 3)).astype(np.float32)
    judge = Judge(structure, judged_by, gain)
    found = cluster_points(points, Clusters(2, 4, restarts=1), seed=0, evidence=judge)
    assert (len(found.centers) == 1) == one
    assert found.criterion == "evidence"
