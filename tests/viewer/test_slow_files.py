"""Where one spectrum takes long to read, the mouse shows the bins of the overview, a click all."""

import h5py
import numpy as np
import pytest

import spectessera as spt
from spectessera.viewer.opening import opened
from spectessera.viewer.overview import open_overview

pytest.importorskip("bokeh")

SHAPE = (9, 12, 64)


@pytest.fixture
def session(tmp_path, monkeypatch):
    """Give the session of a file that is stored channel by channel, with bins of 2 channels."""
    from spectessera.viewer.session import Session
    from spectessera.viewer.state import State

    monkeypatch.setattr("spectessera.viewer.overview.SMALL_BYTES", 0)
    monkeypatch.setattr("spectessera.viewer.spectra.SLOW_BYTES", 10**4)
    counts = np.random.default_rng(0).poisson(9.0, SHAPE).astype("u2")
    with h5py.File(tmp_path / "planes.h5", "w") as file:
        file.create_dataset("img", data=counts, chunks=(9, 12, 1))
    cube = spt.read(tmp_path / "planes.h5", chunks="auto")
    return Session(State(opened(cube), open_overview(cube, tmp_path / "cache"))), counts


def test_hover_shows_bins_and_a_click_reads_the_file(session, monkeypatch):
    from spectessera.viewer.acts import ACTS

    page, counts = session
    read = page.state.pixels.read
    monkeypatch.setattr(page.state.pixels, "read", None)  # hovering must not call it
    shown = []
    page.spectrum.show_hover = shown.append
    request = {"y": 4, "x": 7, "left": "total"}
    ACTS["hover"].work(page, request)()
    want = counts[4, 7].reshape(-1, 2).mean(axis=1).repeat(2)
    np.testing.assert_allclose(shown[0], want)
    monkeypatch.setattr(page.state.pixels, "read", read)
    assert not ACTS["hover"].is_slow(page)
    assert ACTS["pin"].is_slow(page)
    ACTS["pin"].work(page, request)()
    np.testing.assert_array_equal(page.pins[0].spectrum, counts[4, 7])
    said = ACTS["hello"].work(page, {})()
    assert "32 bins" in said["slow"]
    assert "convert" in said["slow"]


def test_a_fast_file_is_read_under_the_mouse(session, monkeypatch):
    from spectessera.viewer.acts import ACTS

    page, counts = session
    monkeypatch.setattr("spectessera.viewer.spectra.SLOW_BYTES", 10**9)
    shown = []
    page.spectrum.show_hover = shown.append
    ACTS["hover"].work(page, {"y": 4, "x": 7, "left": "total"})()
    np.testing.assert_array_equal(shown[0], counts[4, 7])
    assert not ACTS["pin"].is_slow(page)
    assert ACTS["hello"].work(page, {})()["slow"] == ""


def test_a_viewer_that_is_closed_reads_no_further(session):
    """Otherwise Ctrl-C would wait until a region of a large cube is read."""
    from spectessera.viewer.acts import ACTS
    from spectessera.viewer.page import Pages
    from spectessera.viewer.spectra import Stopped

    page, _ = session
    corners = {"corners": [[0, 0], [9, 0], [0, 8]]}
    assert ACTS["region"].work(page, corners)()["region"]["read"]
    Pages(page.state).close()
    with pytest.raises(Stopped):
        ACTS["region"].work(page, corners)
    with pytest.raises(Stopped):
        ACTS["exact-window"].work(page, {"low": 1.0, "high": 1.5})
