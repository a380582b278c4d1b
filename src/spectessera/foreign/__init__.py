"""Cubes that are objects of other packages, taken apart; none of the packages is imported."""

from typing import TYPE_CHECKING

from spectessera._util.doors import door

if TYPE_CHECKING:
    from ._given import GivenAxis, doubt_of
    from ._objects import is_object, take_apart
    from ._parts import Parts, plain_number

__all__ = ["GivenAxis", "Parts", "doubt_of", "is_object", "plain_number", "take_apart"]

__getattr__, __dir__ = door(
    __name__,
    {
        "Parts": "_parts",
        "GivenAxis": "_given",
        "doubt_of": "_given",
        "is_object": "_objects",
        "plain_number": "_parts",
        "take_apart": "_objects",
    },
)
