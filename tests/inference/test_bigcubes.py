"""Cubes larger than memory: the same result for any chunks, workers, and place of the maps."""

import copy
import gc
import json
import logging
import os
import signal
import socket
import sys
import tempfile
import threading
import time
from collections import Counter

import dask
import dask.array as da
import numpy as np
import pytest
import torch
import xarray as xr
from scipy.spatial.distance import cdist
from sklearn.metrics import adjusted_rand_score, silhouette_samples

import spectessera as spt
from commands import one_line, run, two_stripes
from spectessera import Clusters, Network, Preprocess, SpectralSegmenter, Training, make_cube
from spectessera.cli import scheduler as cli_scheduler
from spectessera.cube import blocks
from spectessera.kmeans.metric import fit_metric
from spectessera.resultfolder import contents

HEIGHT, WIDTH, CHANNELS = 24, 30, 64
CHUNKS = {"y": 7, "x": 5}
BLOCKS = 4 * 6
SAME = ("label", "confidence", "novelty", "latent_cube", "quality", "center", "size", "score")


def stripes(height=HEIGHT, width=WIDTH, sigma=1.5, seed=0, **kwargs):
    """Return three stripes with a line each; they overlap, so that labels differ easily."""
    generator = np.random.default_rng(seed)
    truth = np.searchsorted([0.5 * width, 0.8 * width], np.arange(width), "right")
    truth = np.broadcast_to(truth, (height, width))
    x = np.arange(CHANNELS)
    lines = 5 * np.exp(-0.5 * ((x - np.array([10, 28, 50])[:, None]) / 2) ** 2)
    values = lines[truth] + sigma * generator.standard_normal((height, width, CHANNELS))
    return make_cube(values.astype(np.float32), wavelength=(5000, 6000), **kwargs)


def flawed():
    """Return a cube with pixels that are not usable, and two blocks of ``CHUNKS`` without any."""
    mask = np.zeros((HEIGHT, WIDTH), dtype=bool)
    mask[2, :7] = True
    mask[7:14, 5:10] = True  # a whole block
    cube = stripes(mask=mask)
    cube.values[14:21, 25:30] = np.nan  # another
    cube.values[20, 3] = np.nan
    cube.values[21, 4] = 0
    cube.values[22, 5, 9] = np.nan  # is repaired
    return cube


def clusters_of(k_min=2, k_max=4, **more):
    return Clusters(k_min, k_max, **{"restarts": 2, "metric": "euclidean"} | more)


def small(**clusters):
    return SpectralSegmenter(
        Preprocess(normalise="l2"),
        Network(latent=3, encoder=(16,)),
        clusters_of(**clusters),
        Training(epochs=8, batch_size=256, learning_rate=5e-3),
    )


@pytest.fixture(scope="module")
def segmenter():
    return small().fit(stripes())


@pytest.fixture(scope="module")
def whole(segmenter):
    """Return the result of the flawed cube in memory."""
    return spt.segment(flawed(), segmenter, keep=["latent"])


class Reads:
    """A chunked cube that counts how often each of its blocks is loaded."""

    def __init__(self, cube, chunks=None, broken=None):
        chunked = cube.chunk(chunks or CHUNKS)
        self.counts, lock = Counter(), threading.Lock()

        def load(block_info=None):
            place = tuple(slice(*each) for each in block_info[None]["array-location"])
            corner = (place[0].start, place[1].start)
            if corner == broken:
                raise OSError("the disk is gone")
            with lock:
                self.counts[corner] += 1
            return cube.values[place]

        meta = np.empty((0, 0, 0), cube.dtype)
        values = da.map_blocks(load, chunks=chunked.chunks, dtype=cube.dtype, meta=meta)
        self.cube = make_cube(values, wavelength=(5000, 6000))


def assert_same(found, expected, names=SAME):
    for name in names:
        mine, other = found[name].values, expected[name].values
        assert mine.dtype == other.dtype, name
        assert np.array_equal(mine, other, equal_nan=mine.dtype.kind == "f"), name


# --- one result --------------------------------------------------------------------------------


def test_the_flawed_cube_has_labels_where_it_has_spectra(whole):
    label = whole["label"].values
    values = flawed().values
    bad = np.isnan(values).sum(axis=2) > 1
    bad[2, :7] = bad[7:14, 5:10] = bad[21, 4] = True
    assert np.array_equal(label == 0, bad)
    assert np.array_equal(np.isnan(whole["confidence"].values), bad)
    assert np.array_equal(np.isnan(whole["novelty"].values), bad)
    counts = json.loads(whole.attrs["quality_counts"])
    assert counts["masked"] == 7 + 35
    assert counts["not_finite"] == 35 + 1
    assert counts["repaired"] == counts["empty"] == 1
    assert len(np.unique(label)) >= 3


@pytest.mark.parametrize("chunks", [CHUNKS, {"y": 24, "x": 1}, {"y": 1, "x": 30, "channel": 9}])
def test_chunks_do_not_change_a_bit(segmenter, whole, chunks):
    found = spt.segment(flawed().chunk(chunks), segmenter, keep=["latent"])
    assert_same(found, whole)
    for name in ("mean_spectrum", "std_spectrum", "input_mean", "reconstructed_mean"):
        # Sums of blocks are added in another order, in float64.
        np.testing.assert_allclose(found[name], whole[name], rtol=1e-5, atol=1e-6)


def test_latents_in_a_file_do_not_change_a_bit_and_the_file_is_removed(
    segmenter, whole, tmp_path, monkeypatch
):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    files = []

    def look(step, *_):
        if step != "neighbours":  # judged before there are any latents
            files.append(len(list(tmp_path.glob("spectessera-*/pixels"))))

    found = spt.segment(flawed().chunk(CHUNKS), segmenter, keep=["latent"], memory=0, progress=look)
    assert_same(found, whole)
    assert set(files) == {1}
    gc.collect()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("threads", [1, 2])
def test_the_number_of_threads_does_not_change_a_bit(segmenter, whole, threads):
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(threads)
        found = spt.segment(flawed().chunk(CHUNKS), segmenter, keep=["latent"])
    finally:
        torch.set_num_threads(before)
    assert_same(found, whole)


@pytest.mark.parametrize("chunks", [None, CHUNKS])
def test_a_store_holds_the_same_result(segmenter, whole, tmp_path, chunks):
    cube = flawed() if chunks is None else flawed().chunk(chunks)
    path = tmp_path / "r.zarr"
    found = spt.segment(cube, segmenter, keep=["latent"], store=path)
    assert [each.name for each in tmp_path.iterdir()] == ["r.zarr"]
    assert not found["label"].variable._in_memory  # it is read when it is used
    assert_same(found, whole)
    read = spt.read_result(path)
    assert_same(read, whole)
    memory = spt.segment(cube, segmenter, keep=["latent"])
    assert set(read.variables) == set(memory.variables)
    for name in memory.variables:
        np.testing.assert_array_equal(read[name].values, memory[name].values, err_msg=name)
        assert read[name].dims == memory[name].dims
        assert read[name].attrs == memory[name].attrs
    assert {k: read.attrs[k] for k in memory.attrs} == memory.attrs
    with xr.open_zarr(path, consolidated=False) as opened:
        assert_same(opened, whole)


def test_a_store_replaces_an_older_one(segmenter, tmp_path):
    path = tmp_path / "r.zarr"
    for clusters in (2, 4):
        spt.segment(stripes().chunk(CHUNKS), segmenter, clusters, store=path, means=False)
        assert spt.read_result(path).attrs["n_clusters"] == clusters
    assert [each.name for each in tmp_path.iterdir()] == ["r.zarr"]


def test_a_folder_that_is_no_store_is_not_replaced(segmenter, tmp_path):
    path = tmp_path / "mine.zarr"
    path.mkdir()
    (path / "letter.txt").write_text("keep me")
    reads = Reads(stripes())
    with pytest.raises(FileExistsError, match=r"not a Zarr store, so it is not replaced"):
        spt.segment(reads.cube, segmenter, store=path)
    assert (path / "letter.txt").read_text() == "keep me"
    assert not reads.counts  # the error comes before the work
    with pytest.raises(ValueError, match=r"store is a .zarr folder; got 'r.nc'"):
        spt.segment(stripes(), segmenter, store=tmp_path / "r.nc")


@pytest.mark.parametrize("older", [False, True])
def test_an_error_leaves_no_incomplete_store(segmenter, tmp_path, monkeypatch, older):
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    path = tmp_path / "out" / "r.zarr"
    path.parent.mkdir()
    if older:
        spt.segment(stripes(), segmenter, 2, store=path, means=False)
    reads = Reads(stripes(), broken=(14, 10))
    with pytest.raises(OSError, match="the disk is gone"):
        spt.segment(reads.cube, segmenter, store=path, memory=0)
    assert len(reads.counts) > 5  # the work had started
    assert [each.name for each in path.parent.iterdir()] == (["r.zarr"] if older else [])
    if older:
        assert spt.read_result(path).attrs["n_clusters"] == 2
    gc.collect()
    assert list(temporary.iterdir()) == []


# --- how often the cube is read ----------------------------------------------------------------


SECOND = {"mean_spectrum", "std_spectrum", "input_mean", "reconstructed_mean"}


@pytest.mark.parametrize(("means", "times"), [(False, 1), (True, 2)])
def test_the_cube_is_read_once_or_with_means_twice(segmenter, means, times):
    """Pieces of it are read once more to judge neighbours by, and clusters where the noise is not
    known: of a small cube, all of it."""
    kept = {"keep": ["latent", "decoded"], "means": means}
    for neighbours, clusters, more in ((0, 3, 0), (0, "cube", 1), ("auto", 3, 1)):
        reads = Reads(stripes())
        found = spt.segment(reads.cube, segmenter, clusters, neighbours=neighbours, **kept)
        assert found.attrs["neighbours"] == 0
        assert len(reads.counts) == BLOCKS
        assert set(reads.counts.values()) == {times + more}
    assert (set(found.data_vars) & SECOND) == (SECOND if means else set())


def test_without_means_everything_else_is_there_with_the_same_labels(segmenter):
    both = [
        spt.segment(stripes().chunk(CHUNKS), segmenter, keep=["latent", "decoded"], means=means)
        for means in (True, False)
    ]
    assert set(both[0].data_vars) - set(both[1].data_vars) == SECOND
    names = {*SAME, "decoded_cube", "decoded_mean", "integrated_input", "integrated_decoded"}
    assert_same(both[1], both[0], names - {"confidence"})
    # Noise is simulated for other pixels, so its estimate differs a little.
    apart = np.abs(both[0]["confidence"].values - both[1]["confidence"].values)
    assert apart.max() < 0.1
    assert 0.3 < both[1]["confidence"].values.mean() <= 1


# --- clusters of many pixels -------------------------------------------------------------------


def test_silhouettes_of_pixels_are_those_of_scikit_learn(segmenter):
    found = spt.segment(flawed().chunk(CHUNKS), segmenter, keep=["latent", "silhouette"])
    assert found.attrs["metric"] == "euclidean"
    label = found["label"].values
    latent = found["latent_cube"].values[label > 0].astype(np.float64)
    expected = silhouette_samples(cdist(latent, latent), label[label > 0], metric="precomputed")
    assert found["silhouette"].dtype == np.float32
    np.testing.assert_allclose(found["silhouette"].values[label > 0], expected, atol=1e-5)
    assert np.isnan(found["silhouette"].values[label == 0]).all()
    k = found.attrs["n_clusters"]
    assert float(found["score"].sel(k=k)) == pytest.approx(expected.mean(), abs=1e-5)


def test_silhouettes_are_in_the_space_in_which_points_are_clustered(segmenter):
    changed = copy.deepcopy(segmenter)
    changed.set_params(clusters=clusters_of(3, 3, metric="whitened-sphere"))
    found = spt.segment(stripes(), changed, keep=["latent", "silhouette"], means=False)
    assert found.attrs["metric"] == "whitened-sphere"
    label = found["label"].values.ravel()
    latents = torch.from_numpy(found["latent_cube"].values.reshape(len(label), -1))
    moved = fit_metric(latents, "whitened-sphere").move(latents).double().numpy()
    expected = silhouette_samples(cdist(moved, moved), label, metric="precomputed")
    np.testing.assert_allclose(found["silhouette"].values.ravel(), expected, atol=1e-5)


def inertia_of(result):
    """Return the sum of the squares of the distances of latents from their centers."""
    labels, latents = result["label"].values, result["latent_cube"].values.astype(np.float64)
    return np.square(latents - result["center"].values[labels - 1]).sum()


def test_a_sample_of_too_many_pixels_is_clustered_and_refined_with_all(segmenter):
    cube = stripes(60, 40).chunk({"y": 31, "x": 17})
    found = {}
    for refine in (False, True):
        changed = copy.deepcopy(segmenter)
        changed.set_params(clusters=clusters_of(4, max_points=1000, refine=refine))
        found[refine] = spt.segment(cube, changed, keep=["latent"], means=False)
    for each in found.values():
        assert each.attrs["clustered_pixels"] == 1000
        size = each["size"].values
        assert np.array_equal(size, np.bincount(each["label"].values.ravel(), minlength=5)[1:])
        assert (np.diff(size) <= 0).all()  # numbered by the size among all pixels
        latents, centers = each["latent_cube"].values.reshape(2400, -1), each["center"].values
        nearest = cdist(latents.astype(np.float64), centers.astype(np.float64)).argmin(axis=1)
        assert (nearest + 1 != each["label"].values.ravel()).sum() <= 1
    assert inertia_of(found[True]) < inertia_of(found[False])


def test_a_sample_does_not_depend_on_chunks_or_on_where_latents_are(segmenter):
    changed = copy.deepcopy(segmenter)
    changed.set_params(clusters=clusters_of(2, 3, max_points=1000, refine=True))
    cube = stripes(40, 30)
    expected, *others = (
        spt.segment(each, changed, keep=["latent"], means=False, **more)
        for each, more in ((cube, {}), (cube.chunk({"y": 13, "x": 11}), {}), (cube, {"memory": 0}))
    )
    for found in others:
        assert_same(found, expected)


def test_float32_labels_are_those_of_float64_except_at_boundaries(segmenter):
    """The reference is preprocessed, encoded and labelled in float64."""
    cube = stripes(250, 200)
    labels = spt.segment(cube, segmenter, "trained", means=False)["label"].values.ravel() - 1
    values = cube.values.reshape(-1, CHANNELS).astype(np.float64)
    inputs = values / np.sqrt(np.square(values).sum(axis=1, keepdims=True))
    model = copy.deepcopy(segmenter.model_).double()
    with torch.no_grad():
        latents = model.encode(torch.from_numpy(inputs))[0].numpy()
    centers = segmenter.rule_.centers.astype(np.float64)
    assert segmenter.rule_.metric == "euclidean"
    squares = cdist(latents, centers, "sqeuclidean")
    differ = squares.argmin(axis=1) != labels
    assert differ.mean() < 1e-4
    first, second = np.sort(squares, axis=1)[:, :2].T
    margin = (second - first) / (second + first)
    assert (margin[differ] < 1e-4).all()
    # Some pixels are so near a boundary that less precision would change them.
    assert (margin < 1e-3).sum() > 5


# --- training ----------------------------------------------------------------------------------


def quick(**training):
    return SpectralSegmenter(
        Preprocess(normalise="l2"),
        Network(latent=2, encoder=(8,)),
        clusters_of(2, 3, restarts=1),
        Training(epochs=2, batch_size=256, **training),
    )


@pytest.mark.parametrize("max_spectra", [10**6, 300])
def test_a_chunked_cube_is_trained_on_as_one_in_memory_and_read_once(max_spectra):
    expected = quick(max_spectra=max_spectra).fit(stripes())
    reads = Reads(stripes())
    found = quick(max_spectra=max_spectra).fit(reads.cube)
    assert found.fingerprint() == expected.fingerprint()
    assert np.array_equal(found.labels_, expected.labels_)
    assert np.array_equal(found.cluster_centers_, expected.cluster_centers_)
    assert (found.labels_ >= 0).sum() == min(max_spectra, HEIGHT * WIDTH)
    assert set(reads.counts.values()) == {1}
    assert len(reads.counts) == BLOCKS


def test_two_chunked_cubes_are_trained_on_as_two_in_memory_and_read_once():
    cubes = [stripes(seed=2), stripes(seed=1)]
    cubes[0].values[3:9, 4:8] = np.nan
    expected = quick().fit(cubes)
    reads = [Reads(cube) for cube in cubes]
    found = quick().fit([each.cube for each in reads])
    assert found.fingerprint() == expected.fingerprint()
    assert np.array_equal(found.labels_, expected.labels_)
    assert (found.labels_ < 0).sum() == 24
    for each in reads:
        assert len(each.counts) == BLOCKS
        assert set(each.counts.values()) == {1}


def test_blocks_in_which_nothing_is_drawn_are_not_read():
    reads = Reads(stripes())
    found = quick(max_spectra=24).fit(reads.cube)
    drawn = (found.labels_ >= 0).reshape(HEIGHT, WIDTH)
    assert drawn.sum() == 24
    wanted = {
        (each.y.start, each.x.start) for each in blocks(reads.cube) if drawn[each.y, each.x].any()
    }
    assert set(reads.counts) == wanted
    assert len(wanted) < BLOCKS
    assert set(reads.counts.values()) == {1}


def test_settings_are_chosen_for_the_spectra_without_a_second_reading():
    reads = Reads(stripes())
    found = quick().set_params(clusters=Clusters(2, 3, restarts=1)).fit(reads.cube)
    assert found.chosen_["clusters"]["metric"] == found.rule_.metric  # chosen for the spectra
    assert len(reads.counts) == BLOCKS
    assert set(reads.counts.values()) == {1}


# --- on a cluster ------------------------------------------------------------------------------


@pytest.mark.parametrize("stored", [False, True])
def test_a_cluster_does_not_change_a_bit_and_encodes_no_block_twice(
    segmenter, whole, client, tmp_path, stored
):
    from distributed import get_task_stream

    store = tmp_path / "r.zarr" if stored else None
    with get_task_stream(client=client) as stream:
        found = spt.segment(flawed().chunk(CHUNKS), segmenter, keep=["latent"], store=store)
        time.sleep(0.3)  # until the scheduler has reported all tasks
    assert_same(found, whole)
    names = Counter(str(record["key"]).rpartition("-")[0] for record in stream.data)
    work = ("encode_block", "describe_block", "estimate_confidence")
    assert {name: names[name] for name in work} == dict.fromkeys(work, BLOCKS)
    assert names["shared"] == 1 + 1  # of both passes over the cube, and of that over the latents


def test_an_error_on_a_worker_leaves_no_store(segmenter, client, tmp_path):
    cube = stripes()

    def broken(block_info=None):
        place = tuple(slice(*each) for each in block_info[None]["array-location"])
        if place[0].start == 14:
            raise OSError("the disk is gone")
        return np.ones([each.stop - each.start for each in place], np.float32)

    meta = np.empty((0, 0, 0), np.float32)
    values = da.map_blocks(broken, chunks=cube.chunk(CHUNKS).chunks, dtype="f4", meta=meta)
    with pytest.raises(OSError, match="the disk is gone"):
        spt.segment(
            make_cube(values, wavelength=(5000, 6000)), segmenter, store=tmp_path / "r.zarr"
        )
    assert list(tmp_path.iterdir()) == []


def test_a_worker_that_is_killed_during_the_work_does_not_change_a_bit(
    segmenter, whole, client, cluster
):
    killed = []

    def kill(step, done, total):
        if step == "encode" and not killed:
            pid = next(iter(cluster.workers.values())).pid
            os.kill(pid, signal.SIGKILL)
            killed.append(pid)

    found = spt.segment(flawed().chunk(CHUNKS), segmenter, keep=["latent"], progress=kill)
    assert len(killed) == 1
    with pytest.raises(ProcessLookupError):
        os.kill(killed[0], 0)
    assert_same(found, whole)


# --- the command line --------------------------------------------------------------------------


FAST = ("--epochs", "4", "--k-max", "4", "--encoder", "16,8", "--restarts", "2")


@pytest.fixture(scope="module")
def scan(tmp_path_factory):
    """A file of two stripes, 6 x 9 pixels, and a model of it."""
    folder = tmp_path_factory.mktemp("cli")
    spt.write(two_stripes(), folder / "scan.h5")
    run("train", folder / "scan.h5", "--out", folder / "m.safetensors", *FAST, "-q", check=0)
    return folder / "scan.h5", folder / "m.safetensors"


@pytest.fixture
def undrawn(monkeypatch):
    """Skip the figures, which take most of the time."""
    monkeypatch.setattr(contents, "_draw", lambda *_: None)


def segment_into(out, scan, *flags, check=0):
    file, model = scan
    return run("segment", file, "--model", model, "--out", out, "-q", *flags, check=check)


@pytest.mark.usefixtures("undrawn")
def test_a_result_is_written_block_by_block_and_is_that_of_the_file(scan, tmp_path):
    segment_into(tmp_path / "one", scan)
    segment_into(tmp_path / "other", scan, "--zarr")
    names = [{each.name for each in (tmp_path / out).iterdir()} for out in ("one", "other")]
    assert names[0] - names[1] == {"result.nc"}
    assert names[1] - names[0] == {"result.zarr"}
    file = spt.read_result(tmp_path / "one")
    store = spt.read_result(tmp_path / "other")
    assert set(file.variables) == set(store.variables)
    for name in file.variables:
        np.testing.assert_array_equal(file[name].values, store[name].values, err_msg=name)
    summaries = [
        json.loads((tmp_path / out / "summary.json").read_text())["clusters"]
        for out in ("one", "other")
    ]
    assert summaries[0] == summaries[1]


@pytest.mark.usefixtures("undrawn")
def test_a_folder_with_a_store_can_be_reported_and_compared(scan, tmp_path):
    out = tmp_path / "out"
    segment_into(out, scan, "--zarr")
    run("report", out, check=0)
    assert "<html" in (out / "report.html").read_text(encoding="utf-8")
    truth = np.ones((6, 9), np.int64)
    truth[:, 4:] = 2
    np.save(tmp_path / "truth.npy", truth)
    label = spt.read_result(out)["label"].values
    expected = adjusted_rand_score(truth.ravel(), label.ravel())
    for result in (out, out / "result.zarr"):
        scores = json.loads(
            run("compare", result, tmp_path / "truth.npy", "--json", check=0).stdout
        )
        assert scores["ari"] == pytest.approx(expected, abs=1e-6)


@pytest.mark.usefixtures("undrawn")
def test_a_file_replaces_a_store_and_a_store_replaces_a_file(scan, tmp_path):
    out = tmp_path / "out"
    for flags, there, gone in (
        (("--zarr",), "result.zarr", "result.nc"),
        ((), "result.nc", "result.zarr"),
        (("--zarr",), "result.zarr", "result.nc"),
    ):
        segment_into(out, scan, *flags, "--overwrite")
        assert (out / there).exists()
        assert not (out / gone).exists()
        assert spt.read_result(out).sizes["y"] == 6
    assert "--overwrite" in one_line(segment_into(out, scan, check=2))


@pytest.fixture
def loud():
    """Restore the log level of the scheduler."""
    logger = logging.getLogger("distributed")
    before = logger.level
    yield
    logger.setLevel(before)


@pytest.mark.usefixtures("loud")
@pytest.mark.usefixtures("undrawn")
def test_processes_of_this_machine_do_the_work(scan, tmp_path):
    pytest.importorskip("distributed")
    segment_into(tmp_path / "here", scan)
    segment_into(tmp_path / "there", scan, "--scheduler", "local:1")
    names = {each.name for each in (tmp_path / "there").iterdir()}
    assert "result.zarr" in names
    assert "result.nc" not in names
    found, expected = (spt.read_result(tmp_path / out) for out in ("there", "here"))
    assert_same(found, expected, ("label", "confidence", "novelty", "quality", "center", "score"))


@pytest.mark.usefixtures("loud")
@pytest.mark.parametrize(
    ("where", "words"),
    [
        ("local:0", "local:N is for N processes, 1 to 1000; got 'local:0'"),
        ("local:many", "got 'local:many'"),
        ("local", "got 'local'"),
        ("somewhere:8786", "an address such as tcp://host:8786"),
        ("tcp://127.0.0.1:1", "tcp://127.0.0.1:1"),
        ("carrier://pigeon", "carrier"),
        ("tcp://", "tcp://"),
    ],
)
def test_a_wrong_scheduler_is_one_line(scan, tmp_path, monkeypatch, where, words):
    pytest.importorskip("distributed")
    monkeypatch.setattr(cli_scheduler, "PATIENCE", 1)
    done = segment_into(tmp_path / "out", scan, "--scheduler", where, check=None)
    assert words in one_line(done)
    assert dask.config.get("scheduler", None) is None  # otherwise the next computation would use it
    left = tmp_path / "out"
    assert not left.exists() or list(left.iterdir()) == []


def reply(server, answer):
    """Answer the first that calls."""
    connection, _ = server.accept()
    with connection:
        connection.sendall(answer)


@pytest.mark.parametrize("answer", [None, b"HTTP/1.0 400 Bad Request\r\n" * 9])
def test_what_does_not_answer_like_a_scheduler_is_one_line_in_time(
    scan, tmp_path, monkeypatch, answer
):
    pytest.importorskip("distributed")
    monkeypatch.setattr(cli_scheduler, "PATIENCE", 1)
    with socket.create_server(("127.0.0.1", 0)) as server:
        if answer is not None:
            threading.Thread(target=reply, args=(server, answer), daemon=True).start()
        where = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        begun = time.monotonic()
        done = segment_into(tmp_path / "out", scan, "--scheduler", where, check=None)
    assert time.monotonic() - begun < 20  # of which most is for imports
    assert where in one_line(done)


@pytest.mark.usefixtures("loud")
def test_a_scheduler_without_workers_is_one_line(scan, tmp_path, monkeypatch):
    distributed = pytest.importorskip("distributed")
    monkeypatch.setattr(cli_scheduler, "PATIENCE", 1)
    with distributed.LocalCluster(
        n_workers=0, host="127.0.0.1", dashboard_address="127.0.0.1:0",
        silence_logs=logging.CRITICAL,
    ) as empty:  # fmt: skip
        address = empty.scheduler_address
        done = segment_into(tmp_path / "out", scan, "--scheduler", address, check=None)
    assert f"{address} has no workers; start some" in one_line(done)


def test_a_new_folder_is_removed_if_nothing_was_written(scan, tmp_path):
    file, _ = scan
    out = tmp_path / "deep" / "out"
    done = run("segment", file, "--model", "nebulae", "--out", out, "-q", "--zarr", check=None)
    assert "wavelength" in one_line(done)
    assert list(tmp_path.iterdir()) == []
    out.mkdir(parents=True)  # an older one stays, even if it is empty
    done = run("segment", file, "--model", "nebulae", "--out", out, "-q", "--zarr", check=None)
    assert "wavelength" in one_line(done)
    assert list(out.iterdir()) == []


def test_without_distributed_the_line_says_what_to_install(scan, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    done = segment_into(tmp_path / "out", scan, "--scheduler", "local:1", check=None)
    assert 'pip install "spectessera[distributed]"' in one_line(done)
