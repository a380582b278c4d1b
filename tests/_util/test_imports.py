"""Garbage collection is off during imports, and afterwards as it was before."""

import gc

import pytest

from spectessera._util.imports import uncollected


def test_collection_is_off_inside_and_on_again_after_an_error():
    seen = []

    def fail() -> None:
        with uncollected():
            seen.append(gc.isenabled())
            raise ImportError

    assert gc.isenabled()
    with pytest.raises(ImportError):
        fail()
    assert seen == [False]
    assert gc.isenabled()


def test_collection_that_was_off_stays_off():
    gc.disable()
    try:
        with uncollected():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
