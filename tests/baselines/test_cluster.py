"""The baselines: each finds clear clusters, and everything else is as in `segment`."""

import gc
import json
import sys
import tempfile
import time
import tracemalloc
from collections import Counter

import dask.array as da
import numpy as np
import pytest
import torch
import xarray as xr
from sklearn.metrics import adjusted_rand_score, silhouette_score
from sklearn.mixture import GaussianMixture
from threadpoolctl import threadpool_limits

import spectessera as spt
from spectessera import Clusters, Network, Preprocess, SpectralSegmenter, Training, make_cube
from spectessera.baselines.cluster import METHODS, cluster_cube, embed
from spectessera.cube import spectral_axis
from spectessera.evidence import BEYOND
from spectessera.kmeans import choose_k
from spectessera.kmeans.points import by_size, cluster_points
from spectessera.result import ATTRIBUTES, VARIABLES, check_result

HEIGHT, WIDTH, CHANNELS = 15, 17, 40
TRANSFORMING = [method for method in METHODS if method not in ("tsne", "umap")]
AS_THEY_ARE = Preprocess(normalise=None)
# Adjusted Rand index: t-SNE of few spectra in three dimensions leaves some of them elsewhere.
GOOD = dict.fromkeys(METHODS, 0.98) | {"tsne": 0.85}


def stripes(seed=0, signed=False, **kwargs):
    """Return a cube of four vertical stripes of different widths with one line each; and labels."""
    generator = np.random.default_rng(seed)
    edges = np.searchsorted([0, 7, 12, 15], np.arange(WIDTH), side="right") - 1
    truth = np.broadcast_to(edges, (HEIGHT, WIDTH))
    x = np.arange(CHANNELS)
    lines = np.exp(-0.5 * ((x - np.array([6, 15, 24, 33])[:, None]) / 1.5) ** 2)
    values = lines[truth] + 0.05 * generator.standard_normal((HEIGHT, WIDTH, CHANNELS))
    values = values if signed else np.maximum(values, 0)
    return make_cube(values.astype(np.float32), energy=(1.0, 20.0), **kwargs), truth


def spectra(n=60, seed=0):
    """Non-negative spectra (n, 40) of two kinds, two to one."""
    cube, truth = stripes(seed)
    values = cube.values.reshape(-1, CHANNELS)
    pick = [np.flatnonzero(truth.ravel() == each)[: n * (2 - each) // 3] for each in (0, 1)]
    return values[np.concatenate(pick)]


def same_dataset(a, b):
    """Compare everything except measured times."""
    strip = [name for name in a.attrs if name.startswith("seconds_")]
    first, second = (each.copy() for each in (a, b))
    for each in (first, second):
        each.attrs = {name: value for name, value in each.attrs.items() if name not in strip}
    xr.testing.assert_identical(first, second)


# --- embed -----------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_an_embedding_has_the_requested_shape_and_is_reproducible(method):
    rows = spectra()
    first = embed(rows, method, dimensions=2, seed=3)
    wide = method in ("raw", "sqrt", "asinh")
    assert first.points.shape == (60, CHANNELS if wide else 2)
    assert first.points.dtype == np.float32
    assert np.isfinite(first.points).all()
    assert first.seconds > 0
    assert np.array_equal(embed(rows, method, dimensions=2, seed=3).points, first.points)


def test_another_seed_gives_another_embedding():
    """Not of t-SNE, which starts at the principal components."""
    rows = spectra(30)
    first, second = (embed(rows, "umap", seed=seed).points for seed in (0, 1))
    assert not np.array_equal(first, second)


@pytest.mark.parametrize("method", TRANSFORMING)
def test_a_fitted_spectrum_is_placed_where_it_was(method):
    rows = spectra()
    found = embed(rows, method)
    np.testing.assert_allclose(found.transform(rows), found.points, rtol=1e-3, atol=1e-4)
    assert found.transform(rows).dtype == np.float32


def test_umap_places_new_spectra_near_similar_ones():
    rows, new = spectra(), spectra(seed=1)
    found = embed(rows, "umap", dimensions=2)
    placed = found.transform(new)
    assert np.array_equal(found.transform(new), placed)
    middle = np.stack([found.points[:40].mean(axis=0), found.points[40:].mean(axis=0)])
    nearest = np.square(placed[:, None] - middle).sum(axis=2).argmin(axis=1)
    assert np.array_equal(nearest, np.repeat([0, 1], [40, 20]))


def test_tsne_has_neither_a_map_for_new_spectra_nor_an_inverse():
    found = embed(spectra(30), "tsne")
    assert found.transform is None
    assert found.inverse is None


@pytest.mark.parametrize("method", ["raw", "sqrt", "asinh"])
def test_channel_by_channel_methods_have_an_exact_inverse(method):
    rows = spectra()
    found = embed(rows, method)
    np.testing.assert_allclose(found.inverse(found.points), rows, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("method", ["pca", "whitened-pca", "gmm", "nmf"])
def test_the_inverse_of_linear_methods_gives_spectra_with_less_noise(method):
    rows = spectra()
    back = embed(rows, method).inverse(embed(rows, method).points)
    kinds = np.repeat([rows[:40].mean(axis=0), rows[40:].mean(axis=0)], [40, 20], axis=0)
    assert np.square(back - kinds).mean() < 0.3 * np.square(rows - kinds).mean()


def test_principal_components_are_those_of_the_singular_values():
    rows = spectra()
    centred = rows.astype(np.float64) - rows.mean(axis=0, dtype=np.float64)
    left, size, _ = np.linalg.svd(centred, full_matrices=False)
    expected = np.abs(left[:, :3] * size[:3])
    np.testing.assert_allclose(np.abs(embed(rows, "pca").points), expected, atol=1e-5)
    white = embed(rows, "whitened-pca").points
    np.testing.assert_allclose(white.std(axis=0, ddof=1), 1, rtol=1e-4)


def test_principal_components_are_accurate_far_from_zero():
    rows = spectra()
    near, far = embed(rows, "pca").points, embed(rows + 1000, "pca").points
    np.testing.assert_allclose(far, near, atol=1e-3)  # float32 has 6e-5 left at 1000


def test_asinh_is_linear_within_the_noise_and_logarithmic_beyond():
    generator = np.random.default_rng(0)
    rows = generator.normal(0, 0.01, (50, 200)).astype(np.float32)
    rows[:, 3] = 10
    points = embed(rows, "asinh").points
    within = points[:, 10:] / np.arcsinh(rows[:, 10:] / 0.01)
    np.testing.assert_allclose(within, 1, atol=0.03)  # the noise is estimated to a few per cent
    np.testing.assert_allclose(points[:, 3], np.log(2 * 10 / 0.01), rtol=0.01)


@pytest.mark.parametrize("method", ["sqrt", "nmf"])
def test_negative_data_are_refused_with_the_reason(method):
    rows = spectra()
    rows[4, 7] = -0.25
    reason = {"sqrt": "square root", "nmf": "non-negative parts"}[method]
    with pytest.raises(ValueError, match=rf"-0\.25.*{reason}.*asinh"):
        embed(rows, method)
    found = embed(spectra(), method)
    with pytest.raises(ValueError, match=reason):
        found.transform(rows)


@pytest.mark.parametrize("method", METHODS)
def test_one_channel_is_enough(method):
    rows = spectra(30).sum(axis=1, keepdims=True)
    assert embed(rows, method).points.shape == (30, 1)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("n", [3, 4, 5])
def test_few_spectra_are_embedded(method, n):
    points = embed(spectra()[38 : 38 + n], method).points
    assert len(points) == n
    assert np.isfinite(points).all()


@pytest.mark.parametrize("method", METHODS)
def test_equal_spectra_are_embedded(method):
    assert np.isfinite(embed(np.ones((20, 5)), method).points).all()


def test_errors_name_the_wrong_argument():
    rows = spectra()
    with pytest.raises(ValueError, match=r"'raw', 'sqrt'.*got 'som'"):
        embed(rows, "som")
    with pytest.raises(ValueError, match="dimensions must be at least 1"):
        embed(rows, "pca", dimensions=0)
    with pytest.raises(ValueError, match="seed must be at least 0"):
        embed(rows, "pca", seed=-1)
    with pytest.raises(ValueError, match="NaN"):
        embed(np.where(rows > 0.5, np.nan, rows), "raw")
    with pytest.raises(ValueError, match="minimum of 3"):
        embed(rows[:2], "pca")
    with pytest.raises(ValueError, match="have 39 channels"):
        embed(rows, "pca").transform(rows[:, 1:])


@pytest.mark.parametrize("method", ["pca", "nmf", "tsne"])
def test_the_number_of_threads_changes_no_bit(method):
    rows = np.random.default_rng(0).random((700, 64), dtype=np.float32)
    rows[:300] *= np.linspace(0, 3, 64, dtype=np.float32)
    with threadpool_limits(1):
        one = embed(rows[::3] if method == "tsne" else rows, method)
    with threadpool_limits(2):
        two = embed(rows[::3] if method == "tsne" else rows, method)
    assert np.array_equal(one.points, two.points)
    if one.transform is not None:
        assert np.array_equal(one.transform(rows + 1), two.transform(rows + 1))


def test_the_largest_seed_of_segment_is_a_seed_here_too():
    assert np.isfinite(embed(spectra(30), "nmf", seed=2**63 - 1).points).all()


def test_the_error_without_umap_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(ImportError, match=r'pip install "spectessera\[umap\]"'):
        embed(spectra(), "umap")


# --- cluster_cube ----------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_every_method_finds_the_four_stripes(method):
    cube, truth = stripes()
    result = cluster_cube(cube, method, clusters=Clusters(4, 4))
    assert result["label"].dims == ("y", "x")
    assert adjusted_rand_score(truth.ravel(), result["label"].values.ravel()) > GOOD[method]
    assert result.attrs["method"] == method
    assert result.attrs["n_clusters"] == 4
    assert result["k"].values.tolist() == [4]
    assert result["mean_spectrum"].shape == (4, CHANNELS)
    peaks = result["mean_spectrum"].values.argmax(axis=1)
    assert peaks.tolist() == [6, 15, 24, 33]  # numbered by size: the stripes narrow
    assert (np.diff(result["size"].values) <= 0).all()
    assert result["size"].sum() == HEIGHT * WIDTH


@pytest.mark.parametrize("method", ["raw", "asinh", "pca", "nmf", "gmm"])
def test_the_number_of_stripes_is_chosen(method):
    cube, _ = stripes()
    result = cluster_cube(cube, method, clusters=Clusters(2, 7, restarts=3))
    assert result.attrs["n_clusters"] == 4
    assert result["k"].values.tolist() == [2, 3, 4, 5, 6, 7]
    assert result["score"].idxmax() == 4
    assert (result["score_error"] == 0).all()  # few points: exact


def test_the_points_are_clustered_by_the_code_of_the_segmenter():
    cube, _ = stripes()
    clusters = Clusters(2, 6, restarts=2)
    result = cluster_cube(cube, "pca", clusters=clusters, seed=5, keep=["latent"])
    points = result["latent_cube"].values.reshape(-1, 3)
    found = cluster_points(points, clusters, seed=5)
    assert np.array_equal(result["label"].values.ravel(), found.labels + 1)
    assert np.array_equal(result["score"], found.curves.score)
    assert np.array_equal(result["center"], found.centers)
    segmenter = SpectralSegmenter(
        Preprocess(), Network(latent=3, encoder=(8,)), clusters, Training(epochs=1)
    ).fit(cube)
    theirs = segmenter.cluster(points, seed=5)
    assert np.array_equal(theirs.labels, found.labels)
    assert np.array_equal(theirs.centers, found.centers)


def test_wide_points_have_the_labels_and_scores_of_choose_k():
    """Spectra themselves have more channels than any latent space."""
    generator = np.random.default_rng(0)
    values = generator.normal(0, 1, (9, 11, 80)).astype(np.float32)
    values[:4] += 2
    values[:, :3] -= 1
    clusters = Clusters(2, 5, restarts=3, criterion="stability")
    result = cluster_cube(
        make_cube(values), "raw", preprocess=AS_THEY_ARE, clusters=clusters, seed=2
    )
    points = torch.from_numpy(values.reshape(-1, 80))
    choice = choose_k(points, clusters, generator=torch.Generator().manual_seed(2))
    labels, _ = by_size(choice.labels.numpy(), choice.centers.numpy())
    assert np.array_equal(result["label"].values.ravel(), labels + 1)
    np.testing.assert_allclose(result["score"], choice.scores, rtol=1e-6)


def test_the_mixture_is_scored_by_the_silhouette_of_its_own_labels():
    """Two long parallel clouds: k-means cuts them across, a mixture does not."""
    generator = np.random.default_rng(0)
    values = np.zeros((20, 30, 2), dtype=np.float32)
    values[..., 0] = generator.normal(0, 10, (20, 30))
    values[..., 1] = generator.normal(0, 0.3, (20, 30))
    truth = np.broadcast_to(np.arange(30) < 12, (20, 30))
    values[truth, 1] += 6
    cube, two = make_cube(values), Clusters(2, 2)
    found = {
        method: cluster_cube(cube, method, preprocess=AS_THEY_ARE, clusters=two, keep=["latent"])
        for method in ("gmm", "pca")
    }
    labels = {method: each["label"].values.ravel() for method, each in found.items()}
    assert adjusted_rand_score(truth.ravel(), labels["gmm"]) > 0.99
    assert adjusted_rand_score(truth.ravel(), labels["pca"]) < 0.5
    points = found["gmm"]["latent_cube"].values.reshape(-1, 2)
    expected = silhouette_score(points.astype(np.float64), labels["gmm"])
    assert float(found["gmm"]["score"][0]) == pytest.approx(expected, abs=1e-5)
    same = GaussianMixture(2, n_init=5, random_state=0).fit_predict(points)
    assert adjusted_rand_score(same, labels["gmm"]) > 0.99


def test_a_mixture_of_many_pixels_is_scored_by_an_estimate_with_its_error():
    generator = np.random.default_rng(0)
    values = generator.normal(0, 1, (61, 71, 4)).astype(np.float32)
    values[:, 30:] += 4
    result = cluster_cube(
        make_cube(values),
        "gmm",
        preprocess=AS_THEY_ARE,
        clusters=Clusters(2, 3, restarts=1, samples=200),
    )
    assert result.attrs["n_clusters"] == 2
    assert (result["score_error"] > 0).all()
    points = embed(values.reshape(-1, 4), "gmm").points
    exact = silhouette_score(points, result["label"].values.ravel())
    assert abs(float(result["score"][0]) - exact) < 5 * float(result["score_error"][0])


def test_equal_spectra_are_refused_by_the_mixture_and_finite_for_others():
    cube = make_cube(np.ones((5, 7, 6), dtype=np.float32))
    with pytest.raises(ValueError, match="in one component"):
        cluster_cube(cube, "gmm", clusters=Clusters(2, 3))
    for method in ("raw", "pca", "nmf"):
        result = cluster_cube(cube, method, clusters=Clusters(2, 3))
        assert result["size"].sum() == 35
        assert np.isfinite(result["mean_spectrum"]).all()
        assert np.isfinite(result["input_mean"]).all()


@pytest.mark.parametrize("method", ["raw", "nmf", "tsne", "gmm"])
def test_masked_and_unusable_pixels_are_zero(method):
    mask = np.zeros((HEIGHT, WIDTH), dtype=bool)
    mask[3, 5] = True
    cube, truth = stripes(mask=mask)
    cube.values[7, 2] = np.nan
    cube.values[0, 0] = 0
    result = cluster_cube(cube, method, clusters=Clusters(4, 4))
    label = result["label"].values
    assert {tuple(each) for each in np.argwhere(label == 0)} == {(3, 5), (7, 2), (0, 0)}
    assert adjusted_rand_score(truth[label > 0], label[label > 0]) > GOOD[method]
    assert np.isfinite(result["mean_spectrum"]).all()
    counts = json.loads(result.attrs["quality_counts"])
    assert (counts["masked"], counts["not_finite"], counts["empty"]) == (1, 1, 1)
    assert result.attrs["usable_pixels"] == HEIGHT * WIDTH - 3
    assert result.attrs["unusable_pixels"] == 2
    assert int(result["quality"][3, 5]) == 1


def test_umap_is_judged_by_evidence_and_its_result_follows_the_schema():
    """Of the other methods, tests/result and tests/inference show it."""
    pytest.importorskip("umap")
    flat = np.broadcast_to(9 + 5 * np.sin(np.arange(40.0) / 5), (24, 24, 40))
    groups = 4 * flat
    groups[:, 12:, 10:14] += 48
    found = []
    for seed, expected in ((1, flat), (2, groups)):
        counts = np.random.default_rng(seed).poisson(expected).astype(np.uint16)
        cube = make_cube(counts, energy=(1.0, 20.0), attrs={"source": "made up"})
        found.append(cluster_cube(cube, "umap", clusters=Clusters(2, 6), keep=["latent"]))
    assert [each.attrs["n_clusters"] for each in found] == [1, 2]
    assert found[0].attrs["structure"] <= BEYOND < found[1].attrs["structure"]
    when = ("always", "evidence")
    for result in found:
        check_result(result)
        names = {n for n, each in VARIABLES.items() if each.baselines in (*when, "keep")}
        assert set(result.data_vars) == names
        for name in names:
            assert result[name].dims == VARIABLES[name].dims
            assert str(result[name].dtype) == VARIABLES[name].dtype
        own = {each.name for each in ATTRIBUTES if not each.owner and each.baselines in when}
        assert set(result.attrs) == own | {"source"}


@pytest.mark.parametrize("method", ["raw", "pca", "umap", "tsne", "gmm"])
def test_chunks_change_nothing(method):
    cube, _ = stripes()
    clusters = Clusters(2, 5, restarts=2)
    whole, parts = (
        cluster_cube(each, method, clusters=clusters, fit_pixels=150, seed=1, keep=["latent"])
        for each in (cube, cube.chunk({"y": 5, "x": 4}))
    )
    for name in ("label", "latent_cube", "center", "score", "input_mean", "quality", "size"):
        assert np.array_equal(whole[name], parts[name], equal_nan=True), name
    for name in ("mean_spectrum", "std_spectrum"):
        np.testing.assert_allclose(whole[name], parts[name], rtol=1e-5, atol=1e-6)


def flawed():
    """Return a cube of stripes with a block of masked pixels and single pixels without spectra."""
    mask = np.zeros((HEIGHT, WIDTH), dtype=bool)
    mask[5:10, 4:8] = True  # a whole block of CHUNKS
    cube, _ = stripes(mask=mask)
    cube.values[2, 1] = np.nan
    cube.values[12, 14] = 0
    cube.values[11, 3, 7] = np.nan  # one channel is repaired
    return cube


CHUNKS = {"y": 5, "x": 4}
BLOCKS = 3 * 5


def assert_same_result(one, other):
    """Compare two results bit for bit, except sums over blocks and measured times."""
    assert set(one.variables) == set(other.variables)
    for name in one.variables:
        mine, theirs = one[name].values, other[name].values
        assert mine.dtype == theirs.dtype, name
        if name in ("mean_spectrum", "std_spectrum", "input_mean"):  # in float64, then rounded
            np.testing.assert_allclose(mine, theirs, rtol=1e-5, atol=1e-6, err_msg=name)
        else:
            np.testing.assert_array_equal(mine, theirs, err_msg=name)
        assert one[name].attrs == other[name].attrs, name
    for name, value in one.attrs.items():
        assert name.startswith("seconds_") or other.attrs[name] == value, name


@pytest.mark.parametrize(
    ("method", "fit_pixels"),
    [("linear", None), ("linear", 100), ("nmf", 100), ("gmm", None), ("umap", 100), ("tsne", 100)],
)
def test_workers_of_a_dask_cluster_and_a_store_change_nothing(
    method, fit_pixels, cluster, tmp_path
):
    from distributed import Client, get_task_stream

    def run(cube, **more):
        return cluster_cube(
            cube, method, clusters=Clusters(2, 5, restarts=2), fit_pixels=fit_pixels, seed=1,
            keep=["latent"], **more,
        )  # fmt: skip

    expected = run(flawed())
    assert expected.attrs["unusable_pixels"] == 2
    assert_same_result(run(flawed().chunk(CHUNKS)), expected)
    with Client(cluster) as client, get_task_stream(client=client) as stream:
        found = run(flawed().chunk(CHUNKS), store=tmp_path / "result.zarr")
        time.sleep(0.3)  # until the scheduler has reported all tasks
    assert_same_result(found, expected)
    assert_same_result(spt.read_result(tmp_path / "result.zarr"), expected)
    names = Counter(str(record["key"]).rpartition("-")[0] for record in stream.data)
    assert names["encode_block"] == names["describe_block"] == BLOCKS


def test_linear_runs_on_a_dask_cluster_with_the_same_bits(client):
    assert_same_result(spt.baselines.linear(flawed().chunk(CHUNKS)), spt.baselines.linear(flawed()))


def test_inputs_in_a_file_change_nothing_and_the_file_is_removed(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    expected = cluster_cube(flawed(), "pca", clusters=Clusters(2, 4), fit_pixels=100)
    files = []
    found = cluster_cube(
        flawed().chunk(CHUNKS), "pca", clusters=Clusters(2, 4), fit_pixels=100, memory=0,
        progress=lambda *_: files.append(len(list(tmp_path.glob("spectessera-*/pixels")))),
    )  # fmt: skip
    assert_same_result(found, expected)
    assert set(files) == {1}
    gc.collect()
    assert list(tmp_path.iterdir()) == []


def test_of_a_chunked_cube_the_fitted_inputs_and_the_points_are_in_memory():
    """The cube has 82 MiB as float32, the inputs of 2,000 pixels 1.2 MiB."""
    values = da.random.default_rng(0).gamma(2, 1, (384, 360, 156), chunks=(32, 36, 156))
    cube = make_cube(values.astype(np.float32), energy=(1.0, 20.0))
    arguments = {"clusters": Clusters(2, 3, restarts=1), "fit_pixels": 2_000, "memory": 0}
    cluster_cube(cube[:64, :72], "pca", **arguments)  # so that imports are not counted
    tracemalloc.start()
    try:
        cluster_cube(cube, "pca", **arguments)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 0.6 * cube.nbytes


@pytest.mark.parametrize("method", TRANSFORMING)
def test_methods_by_row_place_a_spectrum_independently_of_the_others(method):
    rows = spectra()
    embedding = embed(rows, method)
    assert embedding.by_row == (method != "nmf")
    if embedding.by_row:
        parts = [embedding.transform(rows[first : first + 7]) for first in range(0, len(rows), 7)]
        np.testing.assert_array_equal(np.concatenate(parts), embedding.transform(rows))


@pytest.mark.parametrize("method", ["nmf", "umap", "tsne", "gmm"])
def test_the_same_seed_gives_the_same_result(method):
    cube, _ = stripes()
    first, second = (
        cluster_cube(cube, method, clusters=Clusters(2, 5, restarts=2), fit_pixels=120, seed=7)
        for _ in range(2)
    )
    same_dataset(first, second)


@pytest.mark.parametrize(
    ("method", "placed"),
    [
        ("pca", "by the map of the method"),
        ("umap", "by the map of the method"),
        ("tsne", "label of the nearest fitted input"),
    ],
)
def test_a_method_fitted_to_a_sample_places_the_other_pixels(method, placed):
    cube, truth = stripes()
    result = cluster_cube(
        cube, method, clusters=Clusters(4, 4), fit_pixels=200, seed=0, keep=["latent"]
    )
    assert result.attrs["placed"] == placed
    assert result.attrs["fitted_pixels"] == 200
    assert adjusted_rand_score(truth.ravel(), result["label"].values.ravel()) > GOOD[method]
    assert (result["label"] > 0).all()
    without = int(np.isnan(result["latent_cube"].values).any(axis=2).sum())
    assert without == (HEIGHT * WIDTH - 200 if method == "tsne" else 0)
    assert (np.diff(result["size"].values) <= 0).all()
    peaks = result["mean_spectrum"].values.argmax(axis=1)
    assert peaks.tolist() == [6, 15, 24, 33]


def test_a_sample_larger_than_the_cube_is_all_pixels():
    cube, _ = stripes()
    result = cluster_cube(cube, "pca", fit_pixels=10_000)
    assert result.attrs["placed"] == "all were fitted"
    assert result.attrs["fitted_pixels"] == HEIGHT * WIDTH


def test_the_result_has_the_names_of_segment():
    cube, _ = stripes()
    cube.attrs |= {"source": "stripes", "unit": "counts"}
    clusters = Clusters(4, 4)
    segmenter = SpectralSegmenter(
        Preprocess(), Network(latent=3, encoder=(8,)), clusters, Training(epochs=2)
    ).fit(cube)
    theirs = spt.segment(cube, segmenter, keep=["latent"])
    ours = cluster_cube(cube, "pca", clusters=clusters, keep=["latent"])
    assert set(ours.variables) <= set(theirs.variables)
    assert set(ours.variables) >= {"label", "size", "score", "score_error", "mean_spectrum"}
    for name in ours.variables:
        assert ours[name].dims == theirs[name].dims, name
        assert ours[name].dtype == theirs[name].dtype, name
        assert ours[name].attrs == theirs[name].attrs, name
    assert ours.attrs["source"] == "stripes"
    assert all(isinstance(value, (str, int, float)) for value in ours.attrs.values())
    provenance = json.loads(ours.attrs["provenance"])
    assert provenance["method"] == "pca"
    assert provenance["settings"]["clusters"]["k_max"] == 4
    assert provenance["seed"] == 0
    label = ours["label"].values
    for each in range(4):
        mine = cube.values[label == each + 1]
        np.testing.assert_allclose(ours["mean_spectrum"][each], mine.mean(axis=0), atol=1e-6)
        np.testing.assert_allclose(ours["std_spectrum"][each], mine.std(axis=0), atol=1e-5)


def test_steps_are_reported_in_order():
    cube, _ = stripes()
    steps = []
    cluster_cube(cube.chunk({"y": 8}), "pca", progress=lambda *step: steps.append(step), seed=0)
    assert steps == [
        ("read", 1, 2),
        ("read", 2, 2),
        ("embed", 1, 1),
        ("cluster", 1, 1),
        ("describe", 1, 2),
        ("describe", 2, 2),
    ]


@pytest.mark.parametrize("method", ["sqrt", "nmf"])
def test_a_cube_with_negative_values_is_refused_with_the_reason(method):
    cube, _ = stripes(signed=True)
    with pytest.raises(ValueError, match=f'"{method}" needs non-negative data'):
        cluster_cube(cube, method)


def test_the_preprocessing_is_that_of_the_segmenter():
    cube, truth = stripes(signed=True)
    made = Preprocess(rebin_to=10, smooth=3, normalise="l2")
    result = cluster_cube(cube, "raw", preprocess=made, clusters=Clusters(4, 4), keep=["latent"])
    assert result.sizes["latent"] == 10
    assert result["input_mean"].shape == (4, 10)
    expected = made.apply(cube.values.reshape(-1, CHANNELS), spectral_axis(cube)).values
    assert np.array_equal(result["latent_cube"].values.reshape(-1, 10), expected)
    assert adjusted_rand_score(truth.ravel(), result["label"].values.ravel()) > 0.98


def test_few_pixels():
    cube, _ = stripes()
    small = cube.isel(y=slice(0, 1), x=slice(5, 9))
    result = cluster_cube(small, "pca", clusters=Clusters(2, 10))
    assert result.attrs["n_clusters"] == 2
    assert result["k"].values.tolist() == [2, 3]
    with pytest.raises(ValueError, match="2 usable spectra of 2 pixels: too few; at least 3"):
        cluster_cube(cube.isel(y=slice(0, 1), x=slice(6, 8)), "pca")
    with pytest.raises(ValueError, match="at least 6 are needed for 5 clusters"):
        cluster_cube(small, "pca", clusters=Clusters(5, 5))


def test_wrong_arguments_raise_errors_before_any_work():
    cube, _ = stripes()
    with pytest.raises(ValueError, match="got 'som'"):
        cluster_cube(cube, "som")
    with pytest.raises(ValueError, match="fit_pixels must be at least 3"):
        cluster_cube(cube, "pca", fit_pixels=1)
    with pytest.raises(ValueError, match="keep must be one of 'latent'"):
        cluster_cube(cube, "pca", keep=["decoded"])
    with pytest.raises(TypeError, match="keep is a list"):
        cluster_cube(cube, "pca", keep="latent")
    with pytest.raises(TypeError, match="a cube is an xarray"):
        cluster_cube(cube.values, "pca")
    with pytest.raises(ValueError, match=r"store is a .zarr folder; got 'r.nc'"):
        cluster_cube(cube, "pca", store="r.nc")
    with pytest.raises(ValueError, match="memory must be at least 0"):
        cluster_cube(cube, "pca", memory=-1)
