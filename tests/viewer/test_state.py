"""What the pages of a viewer share: what was opened, the maps, the clusters, the corrections."""

import json
from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

pytest.importorskip("bokeh")

from bokeh.document import Document

import spectessera as spt
from spectessera.edits import Merge, Recolour, Rename, Split, open_edits, save_edits
from spectessera.viewer import editacts, regionacts, scatteracts, spectrumacts
from spectessera.viewer.editing import Editing
from spectessera.viewer.opening import opened
from spectessera.viewer.page import Page, Pages
from spectessera.viewer.session import Session
from spectessera.viewer.state import State
from viewercases import SHAPE, made_case, made_folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return made_folder(tmp_path_factory.mktemp("state"))


def test_labels_alone_can_be_shown():
    labels = np.array([[1, 1, 0], [2, 2, 2]], dtype=np.int32)
    state = State(opened(xr.Dataset({"label": (("y", "x"), labels)})))
    assert [(each.number, each.size) for each in state.clusters] == [(1, 2), (2, 3)]
    assert state.shape == (2, 3)
    assert state.axis is None
    assert state.pixel(0, 2) == {"y": 0, "x": 2, "label": 0, "cluster": "none (masked)"}
    assert len(Session(state).roots()) == 3  # two maps and the latents


def test_the_cube_of_a_result_is_the_one_of_its_manifest(folder):
    found = opened(folder)
    assert found.cube.shape[:2] == SHAPE
    assert np.array_equal(found.cube.values, made_case()[1].values)
    assert found.folder == folder


def test_a_cube_of_another_size_is_refused(folder):
    result, cube = made_case()
    with pytest.raises(ValueError, match=r"12 x 20 pixels .* 11 x 20"):
        opened(result, cube[1:])
    with pytest.raises(ValueError, match="120 channels but the cube has 119"):
        opened(result, cube[..., 1:])
    with pytest.raises(ValueError, match="given twice"):
        opened(cube, cube)


def test_edits_that_were_changed_by_hand_are_not_shown(folder):
    (folder / "edits.toml").write_text('edit = [ { act = "rename", cluster = 2, name = "robe" } ]')
    try:
        with pytest.raises(ValueError, match="spectessera edit"):
            opened(folder)
    finally:
        (folder / "edits.toml").unlink()


def test_undo_and_redo_give_the_same_bits_also_when_earlier_results_are_gone(monkeypatch):
    monkeypatch.setattr("spectessera.viewer.editing.KEPT", 0)
    result = made_case()[0]
    editing = Editing(result, (), result, None, lambda: None)
    editing.do(Rename(1, "robe"))
    named = editing.result
    editing.do(Merge((1, 3)))
    merged = editing.result
    editing.undo()
    assert editing.result.identical(named)
    editing.redo()
    assert editing.result.identical(merged)
    for _ in range(2):
        editing.undo()
    assert editing.result.identical(result)
    with pytest.raises(ValueError, match="nothing to undo"):
        editing.undo()
    editing.do(Rename(2, "sky"))
    with pytest.raises(ValueError, match="nothing to do again"):
        editing.redo()


def test_corrections_of_another_program_are_not_overwritten(tmp_path):
    folder = made_folder(tmp_path)
    editing = State(opened(folder)).editing
    save_edits(folder, [Rename(2, "sky")])
    editing.do(Rename(3, "ground"))
    with pytest.raises(BlockingIOError, match="another program"):
        editing.save()
    assert open_edits(folder).edits == (Rename(2, "sky"),)


def test_a_correction_is_kept_also_if_its_page_is_closed_meanwhile(tmp_path):
    folder = made_folder(tmp_path)
    pages = Pages(State(opened(folder)))
    closed, told = Page(Document(), pages), []
    pages.tell = told.append
    request = {"act": "rename", "cluster": 2, "name": "robe", "numbering": 1, "n": 1}
    closed._receive("data", None, {"text": [json.dumps(request)]})  # nobody runs its document
    pages.slow.shutdown(wait=True)
    pages.close()
    assert told[0] == {"act": "changed"}
    assert open_edits(folder).edits == (Rename(2, "robe"),)


def test_numbers_of_clusters_that_are_no_longer_those_of_the_page_are_refused():
    session = Session(State(opened(made_case()[0])))
    editacts.rename(session, {"cluster": 2, "name": "robe", "numbering": 1})
    editacts.recolour(session, {"cluster": 2, "colour": "#102030", "numbering": 1})
    editacts.merge(session, {"clusters": [1, 2], "numbering": 1})
    for act, more in (
        (editacts.rename, {"cluster": 2, "name": "sky"}),
        (editacts.recolour, {"cluster": 2, "colour": "#000000"}),
        (editacts.merge, {"clusters": [1, 2]}),
        (editacts.split, {"cluster": 2}),
    ):
        with pytest.raises(ValueError, match="other numbers"):
            act(session, more | {"numbering": 1})
    assert len(session.state.editing.acts) == 3


def test_the_value_of_an_element_is_told_with_its_error_and_unit():
    result = made_case()[0]
    counts = np.arange(240, dtype=np.float32).reshape(1, *SHAPE)
    maps = xr.Dataset(
        {
            "net_counts": (("element", "y", "x"), counts, {"units": "counts"}),
            "net_counts_error": (("element", "y", "x"), counts / 8),
        },
        {"element": ["Hg L"]},
    )
    session = Session(State(replace(opened(result), maps=maps)))
    request = {"y": 2, "x": 4, "left": "element-0", "right": "confidence"}
    said = spectrumacts.hover(session, request)()["pixel"]["values"]
    assert said["Hg L"] == {"value": 44.0, "error": 5.5, "unit": "counts"}
    assert said["Confidence"]["error"] is None


def test_what_is_kept_has_the_clusters_and_colours_since_a_correction():
    session = Session(State(opened(made_case()[0])))
    scatteracts.latents(session, {"first": 0, "second": 1})()
    spectrumacts.pin(session, {"y": 6, "x": 18})()
    corners = [[12.5, -0.5], [19.5, -0.5], [19.5, 1.5], [12.5, 1.5]]
    regionacts.region(session, {"corners": corners})()
    session.state.editing.do(Rename(1, "robe"))
    session.state.editing.do(Recolour(1, "#102030"))
    editacts.merge(session, {"clusters": [1, 3], "numbering": 1})()
    said = regionacts.again(session, {})()
    assert [each["cluster"] for each in said["pins"]] == ["1: robe"]
    assert said["shares"] == [{"cluster": "1: robe", "pixels": 14}]
    assert set(session.scatter.source.data["colour"]) >= {"#102030"}


def test_a_lasso_dims_no_kept_pixel():
    session = Session(State(opened(made_case()[0])))
    drawn = session.maps["left"].figure.renderers
    assert len(drawn) > 5
    assert all(each.nonselection_glyph is each.selection_glyph is None for each in drawn)


def test_an_act_that_fails_changes_nothing():
    result = made_case()[0]
    editing = Editing(result, (), result, None, lambda: None)
    with pytest.raises(ValueError, match="split"):
        editing.do(Split(1))
    assert editing.acts == ()
    assert editing.result.identical(result)


@pytest.mark.parametrize("channels", [1, 2])
def test_cubes_of_one_or_two_channels_are_shown(channels):
    cube = spt.make_cube(np.arange(12.0 * channels).reshape(3, 4, channels))
    viewer = spt.view(cube, browser=False)
    try:
        session = Session(viewer.state)
        session.spectrum.show_hover(cube.values[1, 2])
        assert list(session.spectrum.hover.data["y"]) == cube.values[1, 2].tolist()
    finally:
        viewer.close()
