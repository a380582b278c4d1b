"""Requests of the page: what is not as it must be is refused, and nothing else is taken from it."""

import json

import pytest

from spectessera.viewer import requests

DEEP = "[" * 100_000 + "]" * 100_000


@pytest.mark.parametrize(
    "text",
    [
        "", "1", "[]", "null", "{", '{"n": 1}', '{"act": 1, "n": 1}', '{"act": "view"}',
        '{"act": "view", "n": -1}', '{"act": "view", "n": 1.5}', '{"act": "view", "n": true}',
        '{"act": "view", "n": NaN}', DEEP, " " * (requests.MOST_LETTERS + 1), None, b"{}",
    ],
    ids=range(16),
)  # fmt: skip
def test_what_is_no_request_is_refused(text):
    with pytest.raises(ValueError):
        requests.parse(text)


def test_a_request_is_an_object_with_its_act_and_number():
    assert requests.parse('{"act": "hover", "n": 3, "y": 1}') == {"act": "hover", "n": 3, "y": 1}


@pytest.mark.parametrize("value", [None, "1", True, [1], {}, 1e300, -1, 2.5, float("nan")])
def test_a_whole_number_is_one_in_its_range(value):
    with pytest.raises(ValueError, match="y is a"):
        requests.integer({"y": value}, "y", 0, 10)
    assert requests.integer({"y": 3.0}, "y", 0, 10) == 3


@pytest.mark.parametrize(
    "points",
    [
        None, [], [[0, 0], [1, 1]], [[0, 0], [1, 1], [2]], [[0, 0], [1, 1], [2, "3"]],
        [[0, 0], [1, 1], [2, True]], [[0, 0], [1, 1], [2, 1e12]], "abc",
        [[0, 0]] * (requests.MOST_CORNERS + 1), json.loads("[[0, 0], [1, 1], [2, Infinity]]"),
    ],
    ids=range(10),
)  # fmt: skip
def test_a_polygon_is_a_list_of_points_that_are_numbers(points):
    with pytest.raises(ValueError):
        requests.corners({"corners": points})


def test_only_words_and_numbers_that_are_known_are_taken():
    with pytest.raises(ValueError, match="none of the words"):
        requests.word({"left": "../../etc/passwd"}, "left", {"label": 1})
    for numbers in ([1, 1], [4], [True], "12", [1, 2, 3, 1]):
        with pytest.raises(ValueError):
            requests.integers({"clusters": numbers}, "clusters", [1, 2, 3])
    assert requests.integers({"clusters": [3, 1]}, "clusters", [1, 2, 3]) == [3, 1]
    with pytest.raises(ValueError, match="at most 5 letters"):
        requests.text({"name": "longer"}, "name", 5)
