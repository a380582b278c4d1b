"""The schema of a result, against results that segment and the baselines make."""

import ast
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from sklearn.base import clone

import spectessera as spt
from spectessera import Clusters, Network, Preprocess, SpectralSegmenter, Training, make_cube
from spectessera.axis import KINDS
from spectessera.baselines.embeddings import METHODS
from spectessera.result import (
    ATTRIBUTES,
    COORDINATES,
    VARIABLES,
    check_result,
    check_structure,
    kept_by,
    preprocessing,
    provenance,
    require,
    variable_attributes,
)

SHAPE = (9, 14)  # not square
OF_CUBE = {
    "source": "made up", "unit": "counts", "wcs": "WCSAXES = 2", "object": "page",
    "instrument": "camera", "telescope": "none", "anode": "Rh", "model_choice": "maxrf",
    "signal_type": "EDS_SEM",
    "crs": "EPSG:32633", "crs_name": "UTM", "geotransform": "1000 30 0 9000 0 -20",
    "geotransform_size": f"{SHAPE[0]} {SHAPE[1]}", "map_info": "UTM, 1, 1, 1000, 9000, 30, 20",
    "reading_notes": "no unit is given", "spikes_removed": 3, "spectra_despiked": 2,
    "scans": f'[{{"name": "a", "y": 0, "x": 0, "rows": {SHAPE[0]}, "columns": {SHAPE[1]}}}]',
}  # fmt: skip


def a_cube():
    """Return counts of three materials; one pixel is masked, four channels are bad."""
    generator = np.random.default_rng(0)
    expected = 20 + 60 * np.eye(3).repeat(8, axis=1)[np.arange(SHAPE[0]) % 3][:, None]
    counts = generator.poisson(np.broadcast_to(expected, (*SHAPE, 24))).astype(np.uint16)
    mask = np.zeros(SHAPE, bool)
    mask[2, 3] = True
    bad = np.arange(24) > 19
    return make_cube(counts, energy=(1.0, 20.0), mask=mask, bad_channel=bad, attrs=OF_CUBE)


@pytest.fixture(scope="module")
def segmenter():
    return SpectralSegmenter(
        Preprocess(),
        Network(latent=2, encoder=(8,)),
        Clusters(2, 4, restarts=2, metric="euclidean"),
        Training(epochs=2, batch_size=64),
    ).fit(a_cube())


@pytest.fixture(scope="module")
def whole(segmenter):
    """Return a result with every optional variable of segment."""
    return spt.segment(a_cube(), segmenter, keep=kept_by("segment"))


@pytest.fixture(scope="module")
def baseline():
    return spt.baselines.cluster_cube(a_cube(), "pca", dimensions=2, keep=kept_by("baselines"))


def variables_when(producer, *when):
    return {name for name, each in VARIABLES.items() if getattr(each, producer) in when}


def attributes_when(producer, *when, owner=""):
    own = [each for each in ATTRIBUTES if each.owner == owner]
    return {each.name: each.kind for each in own if getattr(each, producer) in when}


def follows_schema(result):
    """Assert that everything in a result is in the schema, as the schema has it."""
    assert set(result.data_vars) <= set(VARIABLES)
    assert set(result.coords) <= {*COORDINATES, *KINDS, "y", "x"}
    for known in (*VARIABLES.values(), *COORDINATES.values()):
        if known.name in result.variables:
            given = result[known.name]
            assert (given.dims, str(given.dtype)) == (known.dims, known.dtype), known.name
            owned = {each.name for each in ATTRIBUTES if each.owner == known.name}
            assert set(given.attrs) == owned | ({"long_name", "units"} & set(given.attrs))
    kinds = {each.name: each.kind for each in ATTRIBUTES if not each.owner}
    assert {name: type(value) for name, value in result.attrs.items()} == {
        name: kinds[name] for name in result.attrs
    }
    check_result(result)


def test_a_result_of_segment_has_all_that_the_schema_says_and_nothing_else(whole):
    follows_schema(whole)
    assert set(whole.data_vars) == variables_when("segment", "always", "means", "keep", "evidence")
    attributes = attributes_when("segment", "always", "cube", "chosen", "evidence")
    assert set(whole.attrs) == set(attributes)
    assert set(whole.coords) == {*COORDINATES, "energy"}


def test_a_store_has_the_same_variables_attributes_and_values(whole, segmenter, tmp_path):
    cube = a_cube().chunk({"y": 4, "x": 5})
    path = tmp_path / "r.zarr"
    stored = spt.segment(cube, segmenter, keep=kept_by("segment"), store=path).load()
    follows_schema(stored)
    xr.testing.assert_identical(stored[sorted(stored)], whole[sorted(whole)])


@pytest.mark.parametrize("suffix", [".nc", ".zarr"])
def test_a_file_has_the_same_variables_attributes_and_values(whole, suffix, tmp_path):
    spt.write(whole, tmp_path / f"r{suffix}")
    xr.testing.assert_identical(spt.read_result(tmp_path / f"r{suffix}"), whole)


def test_what_is_not_always_written_is_left_out_when_the_schema_says_so(segmenter):
    once = spt.segment(a_cube(), segmenter, means=False)
    assert set(once.data_vars) == variables_when("segment", "always", "evidence")
    trained = spt.segment(a_cube(), segmenter, "trained")
    assert set(trained.data_vars) == variables_when("segment", "always", "means")
    assert set(trained.attrs) == set(attributes_when("segment", "always", "cube"))
    unknown = spt.segment(a_cube().assign_attrs(noise="residual"), segmenter)
    assert set(unknown.data_vars) == variables_when("segment", "always", "means")
    for result in (once, trained, unknown):
        follows_schema(result)


def test_where_stability_chooses_there_is_an_excess_and_no_gain(segmenter):
    clusters = replace(segmenter.config("clusters"), criterion="stability")
    stable = spt.segment(a_cube(), clone(segmenter).set_params(clusters=clusters).fit(a_cube()))
    assert set(stable.data_vars) == variables_when("segment", "always", "means", "noise")
    follows_schema(stable)


# UMAP is compiled for each process that uses it: tests/baselines has this test of it.
@pytest.mark.parametrize("method", [each for each in METHODS if each != "umap"])
def test_a_baseline_has_all_that_the_schema_says_and_nothing_else(method):
    result = spt.baselines.cluster_cube(
        a_cube(), method, clusters=Clusters(2, 3, restarts=2), dimensions=2, keep=["latent"]
    )
    follows_schema(result)
    when = ["always"] if method in ("tsne", "gmm") else ["always", "evidence"]
    assert set(result.data_vars) == variables_when("baselines", *when, "keep")
    assert set(result.attrs) == set(attributes_when("baselines", *when, "cube"))
    criterion = {"tsne": "stability", "gmm": "silhouette"}.get(method, "evidence")
    assert result.attrs["criterion"] == criterion


def test_nothing_in_the_schema_is_never_written():
    for each in (*VARIABLES.values(), *COORDINATES.values(), *ATTRIBUTES):
        assert {each.segment, each.baselines} != {"never"}, each.name
        assert getattr(each, "keep", "") == "" or "keep" in (each.segment, each.baselines)
    for owner in {each.owner for each in ATTRIBUTES}:
        assert owner == "" or owner in VARIABLES or owner in COORDINATES


def test_no_code_looks_up_a_name_that_a_result_cannot_have():
    """A misspelt name would be found only when a user runs that line."""
    known = {*VARIABLES, *COORDINATES, *KINDS, "y", "x", "channel", "input_channel", "latent"}
    names = set()
    for path in Path(spt.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Subscript) and ast.unparse(node.value) == "result":
                key = node.slice.value if isinstance(node.slice, ast.Constant) else None
                names |= {key} if isinstance(key, str) else set()
    assert names >= {"label", "confidence", "mean_spectrum", "score"}
    assert names <= known


def test_keep_is_what_the_schema_names():
    assert kept_by("segment") == ("latent", "decoded", "alone", "silhouette")
    assert kept_by("baselines") == ("latent",)


def test_spectra_in_the_unit_of_the_cube_say_it(whole):
    assert whole["mean_spectrum"].attrs["units"] == "counts"
    assert "units" not in whole["input_mean"].attrs  # network inputs have no unit of a name
    assert "units" not in variable_attributes("mean_spectrum")


def test_provenance_of_another_program_is_empty():
    assert provenance(xr.Dataset(attrs={"provenance": "made by hand"})) == {}
    assert provenance(xr.Dataset(attrs={"provenance": "[1, 2]"})) == {}
    assert provenance(xr.Dataset()) == {}


# --- checks ------------------------------------------------------------------------------------


def small(**changes):
    """Return a result with two clusters, three and two pixels large, and one masked pixel."""
    result = xr.Dataset(
        {
            "label": (("y", "x"), np.array([[1, 1, 2], [0, 2, 1]], np.int32)),
            "size": (("cluster",), np.array([3, 2])),
            "score": (("k",), np.array([0.5, 0.4])),
        },
        coords={"cluster": [1, 2], "k": [2, 3]},
    )
    return result.assign(changes)


def test_a_right_result_is_returned_as_it_is():
    result = small()
    assert check_result(result) is result
    assert check_structure(result) is result


@pytest.mark.parametrize(
    "result",
    [
        small()[["label"]],  # an older version had fewer variables
        small().transpose("x", "y", ...),
        small().isel(x=slice(0, 2)),  # a part of an image
        small(label=small()["label"].astype(np.uint8)),
        small(score=small()["score"].astype(np.float32)),
        small(remark=((), 1.5)),  # not in the schema
        small(label=small()["label"] * 0),
    ],
)
def test_results_of_other_versions_and_parts_of_results_are_right(result):
    check_result(result)


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (small().drop_vars("label"), "has a variable 'label'.*this has: size, score"),
        (small(label=small()["label"].astype(float)), "'label'.*integers, 0 = masked; got.*float"),
        (small(label=(("y", "x", "z"), np.ones((2, 3, 1), int))), r"'label'.*\(y, x\).*got \(y, x"),
        (small(score=(("cluster",), np.zeros(2))), r"'score'.*\(k\).*got \(cluster\)"),
        (small(size=(("cluster",), np.array([3.0, 2.0]))), "'size'.*integers; got.*float64"),
        (small(quality=(("y", "x"), np.zeros((2, 3)))), "'quality'.*integers; got"),
        (small().assign_coords(k=[2.0, 3.0]), "'k'.*integers; got"),
        (small(label=small()["label"] - 1), "0 .masked. or 1..K; got -1; add 1"),
        (small().assign_coords(cluster=[2, 1]), "ascending.*\\[2, 1\\]"),
        (small().assign_coords(cluster=[0, 1]), "from 1 on; got \\[0, 1\\]"),
        (small().isel(cluster=[0]), "has cluster 2, but.*only \\[1\\]"),
        (small(label=small()["label"] * 5), "has cluster 5, but.*only \\[1, 2\\]"),
        (small(size=(("cluster",), np.array([3, 1]))), "'size' of cluster 2 is 1, but 2 pixels"),
    ],
)  # fmt: skip
def test_every_kind_of_wrong_result_is_refused_with_what_is_wrong(result, message):
    with pytest.raises(ValueError, match=message):
        check_result(result)


def test_what_is_no_dataset_is_refused():
    with pytest.raises(TypeError, match=r"xarray\.Dataset; got ndarray"):
        check_structure(np.zeros((2, 3), int))


def test_labels_of_no_cluster_at_all_are_all_masked():
    check_result(small(label=small()["label"] * 0).isel(cluster=[]))
    with pytest.raises(ValueError, match="has cluster 1"):
        check_result(small().isel(cluster=[]))


def test_a_missing_variable_is_named_with_how_to_get_it(segmenter):
    require(small(), "size", purpose="a table")
    with pytest.raises(ValueError, match=r"a table needs size, center; this result has no center$"):
        require(small(), "size", "center", purpose="a table")
    with pytest.raises(ValueError, match=r"no mean_spectrum, because.*means=True"):
        require(spt.segment(a_cube(), segmenter, means=False), "mean_spectrum", purpose="a figure")


def test_wrong_labels_are_neither_written_nor_read(tmp_path):
    wrong = small(label=small()["label"] * 5)
    with pytest.raises(ValueError, match="has cluster 5"):
        spt.write(wrong, tmp_path / "r.nc")
    wrong.to_netcdf(tmp_path / "r.nc", engine="h5netcdf")
    with pytest.raises(ValueError, match=r"r\.nc: the label map has cluster 5"):
        spt.read_result(tmp_path / "r.nc")


@pytest.mark.parametrize("count", [2**29, -1, "two", 1e300])
def test_a_number_of_clusters_that_cannot_be_is_refused_before_memory_is_taken(count):
    result = small()
    result.attrs["n_clusters"] = count
    with pytest.raises(ValueError, match="'n_clusters' is"):
        check_structure(result)
    with pytest.raises(ValueError, match="'n_clusters' is"):
        require(result, "label", purpose="a figure")


def test_a_cluster_of_any_number_is_refused():
    result = small()
    clusters = result["cluster"].values.copy()
    clusters[-1] = 2**29
    with pytest.raises(ValueError, match=r"from 1 on; got .*65535 is the largest"):
        check_result(result.assign_coords(cluster=clusters))


def test_errors_list_some_clusters_only():
    result = xr.Dataset({"label": (("y", "x"), np.full((2, 2), 50))})
    result = result.assign_coords(cluster=np.arange(1, 41))
    with pytest.raises(ValueError, match=r"has only \[1, 2, .*20, \.\.\.\]"):
        check_result(result)


WRONG = {str: 5, int: float("nan"), float: "0.9"}


def with_owner(known, value):
    """Return a result in which an attribute of the schema has a value."""
    result = small(quality=(("y", "x"), np.zeros((2, 3), np.uint8)))
    if known.owner == "input_axis":
        result = result.assign_coords(input_axis=("input_channel", np.arange(4.0)))
    if known.owner == "excess":
        result = result.assign(excess=("k", np.ones(2)))
    owner = result[known.owner] if known.owner else result
    owner.attrs[known.name] = value
    return result


@pytest.mark.parametrize("known", ATTRIBUTES, ids=lambda each: each.name)
def test_no_attribute_of_another_type_or_out_of_its_range_is_read(known, tmp_path):
    """Each would end in a report or a figure: infinite neighbours, 10^300 rare groups."""
    right = {str: "1, 2", int: 1, float: 0.5}[known.kind]
    of_people = {"cluster_names": "{}", "cluster_colours": "{}", "edits": "[]"}
    right = of_people.get(known.name, right)
    check_structure(with_owner(known, right))
    wrong = [np.arange(3), None if known.kind is str else "<b>\x1b[31m"]
    wrong += [] if known.kind is str and known.segment == "cube" else [WRONG[known.kind]]
    wrong += [] if known.kind is str else [1e300, -1e300, np.inf, -np.inf, True]
    for value in wrong:
        with pytest.raises(ValueError, match=f"'{known.name}'") as refused:
            check_structure(with_owner(known, value))
        assert str(refused.value).isprintable()
    if known.kind is not str:
        with_owner(known, 1e300).to_netcdf(tmp_path / "r.nc", engine="h5netcdf")
        with pytest.raises(ValueError, match=rf"r\.nc: .*'{known.name}'"):
            spt.read_result(tmp_path / "r.nc")


@pytest.mark.parametrize("known", VARIABLES.values(), ids=lambda each: each.name)
def test_no_number_out_of_its_range_is_read(known):
    result = small().assign_attrs(n_clusters=2, rare_clusters=1)
    sizes = {"y": 2, "x": 3, "cluster": 2, "k": 2}
    shape = [sizes.get(dim, 4) for dim in known.dims]
    start = result.get(known.name, xr.DataArray(np.ones(shape, known.dtype), dims=known.dims))
    start = start.where(result["cluster"] == 2) if known.name == "rare" else start
    check_result(result.assign({known.name: start}))
    floats = known.dtype.startswith("float")
    wrong = [np.inf, -np.inf, 1e37, -1e37] if floats else [-5, 2**40]
    for value in wrong if known.dtype != "uint8" else ():
        values = start.values.astype(np.float64 if floats else np.int64)
        values.flat[-1] = value
        if known.name == "size" and value > 0:
            continue  # the map may be a part of an image
        with pytest.raises(ValueError, match=known.name):
            check_result(result.assign({known.name: (known.dims, values)}))


@pytest.mark.parametrize(
    ("rare", "count", "message"),
    [
        ([np.nan, 9.0], 0, "which is 0; there are 1 such"),
        ([9.0, np.nan], 1, "but for the last clusters"),
        ([9.0, 9.0], 1, "which is 1; there are 2 such"),
        ([np.nan, 9.0], 2, "'rare_clusters'.*less than its 2 clusters; got 2"),
        ([np.nan, 9.0], -1, "'rare_clusters'.*from 0 to 65535.*got -1"),
        ([np.nan, -9.0], 1, "'rare'.*from 0 to"),
        ([np.nan, 1e300], 1, "'rare'.*from 0 to"),
    ],
)
def test_rare_groups_are_the_last_clusters_and_not_all_of_them(rare, count, message):
    result = small(rare=("cluster", np.array(rare))).assign_attrs(rare_clusters=count)
    with pytest.raises(ValueError, match=message):
        check_result(result.assign_attrs(n_clusters=2))


@pytest.mark.parametrize("masks", ["1, 999", "one", "-1", "1.5", "\u0661"])
def test_the_bits_of_the_quality_map_are_those_of_a_byte(masks):
    result = small(quality=(("y", "x"), np.zeros((2, 3), np.uint8), {"flag_masks": masks}))
    with pytest.raises(ValueError, match="'flag_masks' of 'quality'"):
        check_structure(result)


@pytest.mark.parametrize(
    "settings", [[], "x", {"preprocess": []}, {"preprocess": 5}, None, {"preprocess": {}}]
)
def test_settings_of_another_kind_are_none(settings):
    result = small().assign_attrs(provenance=json.dumps({"settings": settings}))
    assert preprocessing(result) == {}
