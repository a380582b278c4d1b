"""Names, warnings and facts of a result whose dimensions are in another order."""

from reportcases import made_result
from spectessera.naming import name_clusters


def test_a_turned_result_has_the_same_names():
    result = made_result()
    turned = result.transpose("channel", "cluster", ...)
    assert turned["mean_spectrum"].dims == ("channel", "cluster")
    assert name_clusters(turned) == name_clusters(result)
