"""Latent cubes and back."""

import time
import tracemalloc
from collections import Counter

import dask.array as da
import numpy as np
import pytest
import torch

from spectessera import Clusters, Network, SpectralSegmenter, Training, make_cube, read, write
from spectessera.inference.latentcube import decode_cube, encode_cube


def fitted(cube, seed=0):
    return SpectralSegmenter(
        network=Network(latent=2, encoder=(16,)),
        clusters=Clusters(2, 3),
        training=Training(epochs=3, batch_size=64, seed=seed),
    ).fit(cube)


@pytest.fixture(scope="module")
def cube():
    """Two stripes of 9 x 14 pixels, one of them with a missing value."""
    values = np.random.default_rng(0).gamma(2, 1, (9, 14, 40)).astype(np.float32)
    values[:, :6, 8:12] += 20
    values[2, 3] = np.nan
    return make_cube(values, energy=(1.0, 20.0))


@pytest.fixture(scope="module")
def segmenter(cube):
    return fitted(cube)


def test_a_decoded_latent_cube_is_the_inverse_of_the_transform(cube, segmenter):
    latent, facts = encode_cube(cube, segmenter)
    assert latent.shape == (9, 14, 2)
    assert np.isnan(latent.values[2, 3]).all()
    decoded = decode_cube(latent, segmenter)
    assert np.isnan(decoded.values[2, 3]).all()
    points = segmenter.transform(cube)
    usable = np.isfinite(points).all(axis=1)
    expected = segmenter.inverse_transform(points[usable])
    np.testing.assert_array_equal(decoded.values.reshape(-1, 40)[usable], expected)
    weights = sum(each.numel() * 4 for each in segmenter.model_.state_dict().values())
    assert facts["ratio"] == 20
    assert facts["ratio_with_model"] == cube.nbytes / (latent.nbytes + weights)


def test_chunked_latents_are_decoded_lazily_to_the_same_bits(cube, segmenter, tmp_path):
    latent, _ = encode_cube(cube, segmenter)
    write(latent, tmp_path / "latent.zarr")
    lazy = decode_cube(read(tmp_path / "latent.zarr", chunks={"y": 4, "x": 5}), segmenter)
    assert lazy.chunks is not None
    np.testing.assert_array_equal(lazy.values, decode_cube(latent, segmenter).values)


def test_latents_of_another_model_are_refused(cube, segmenter, tmp_path):
    latent, _ = encode_cube(cube, segmenter)
    write(latent, tmp_path / "latent.h5")
    other = fitted(cube, seed=1)
    with pytest.raises(ValueError, match="another model"):
        decode_cube(read(tmp_path / "latent.h5"), other)
    assert not torch.equal(segmenter.model_.mean_head.weight, other.model_.mean_head.weight)
    segmenter.save(tmp_path / "model.safetensors")
    same = SpectralSegmenter.load(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(
        decode_cube(latent, same).values, decode_cube(latent, segmenter).values
    )


def test_a_chunked_cube_has_the_same_latents_on_workers_of_a_dask_cluster(cube, segmenter, cluster):
    from distributed import Client, get_task_stream

    latent, facts = encode_cube(cube, segmenter)
    chunked = cube.chunk({"y": 4, "x": 5})
    here, _ = encode_cube(chunked, segmenter)
    with Client(cluster) as client, get_task_stream(client=client) as stream:
        there, of_workers = encode_cube(chunked, segmenter)
        time.sleep(0.3)  # until the scheduler has reported all tasks
    np.testing.assert_array_equal(here.values, latent.values)
    np.testing.assert_array_equal(there.values, latent.values)
    assert there.attrs == latent.attrs
    assert of_workers == pytest.approx(facts)
    names = Counter(str(record["key"]).rpartition("-")[0] for record in stream.data)
    assert names["compress_block"] == 3 * 3


def test_of_a_chunked_cube_only_the_latents_are_in_memory(segmenter):
    """512 blocks of 160 KiB are 80 MiB; the latents of all pixels are 4 MiB."""
    values = da.random.default_rng(0).gamma(2, 1, (1024, 512, 40), chunks=(32, 32, 40))
    big = make_cube(values.astype(np.float32), energy=(1.0, 20.0))
    encode_cube(big[:64, :64], segmenter)  # so that imports are not counted
    tracemalloc.start()
    try:
        latent, _ = encode_cube(big, segmenter)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert latent.nbytes == 4 * 2**20
    assert peak < 0.3 * big.nbytes
