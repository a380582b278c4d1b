"""Models in files: what is written, and what is refused."""

import json

import numpy as np
import pytest
from safetensors import safe_open

from segmentercases import four_line_cube, quick
from spectessera import Clusters, Preprocess, Training, load
from spectessera.network.modelfile import read_model, write_model


def changed(path, name, array):
    """Write a model file again with another array."""
    tensors, metadata = read_model(path)
    metadata.pop("format")
    write_model(path, tensors | {name: array}, metadata)


def test_a_saved_model_gives_the_same_answers(tmp_path):
    cube, _ = four_line_cube()
    segmenter = quick(preprocess=Preprocess(rebin_to=20, normalise=None)).fit(cube)
    segmenter.save(tmp_path / "model.safetensors")
    again = load(tmp_path / "model.safetensors")
    assert again.settings() == segmenter.settings()
    assert again.preprocess.normalise is None
    assert again.axis_ == segmenter.axis_
    assert np.array_equal(again.transform(cube), segmenter.transform(cube))
    assert np.array_equal(again.predict(cube), segmenter.predict(cube))
    assert again.history_.rows == segmenter.history_.rows
    assert [path.name for path in tmp_path.iterdir()] == ["model.safetensors"]


def test_a_model_file_is_one_json_string_and_tensors(tmp_path):
    cube, _ = four_line_cube()
    quick(training=Training(epochs=1)).fit(cube).save(tmp_path / "m.safetensors")
    with safe_open(tmp_path / "m.safetensors", framework="numpy") as file:
        metadata = file.metadata()
    assert list(metadata) == ["spectessera"]
    told = json.loads(metadata["spectessera"])
    assert told["format"] == 2
    assert told["axis"]["unit"] == "keV"
    assert told["settings"]["network"]["latent"] == 2


def test_a_file_that_lies_about_its_network_is_refused(tmp_path):
    """The widths in the description do not fit the weights: an error, not a huge allocation."""
    cube, _ = four_line_cube()
    path = tmp_path / "m.safetensors"
    quick(training=Training(epochs=1)).fit(cube).save(path)
    tensors, metadata = read_model(path)
    metadata["settings"]["network"]["encoder"] = [1_000_000, 1_000_000]
    write_model(path, tensors, metadata)
    with pytest.raises(ValueError, match="complete model"):
        load(path)


@pytest.mark.parametrize(
    ("name", "array", "words"),
    [
        ("cluster_centers", np.zeros((3, 5), np.float32), r"cluster centers have shape \(3, 5\)"),
        ("rule.mean", np.zeros(3, np.float32), "the rule that labels follow"),
        ("typical.error", np.arange(191.0)[::-1], "do not ascend"),
        ("model.scale", np.zeros(2, np.float32), "scale"),
    ],
)
def test_arrays_that_do_not_fit_each_other_are_refused(name, array, words, tmp_path):
    cube, _ = four_line_cube()
    path = tmp_path / "m.safetensors"
    quick(training=Training(epochs=1)).fit(cube).save(path)
    changed(path, name, array)
    with pytest.raises(
        ValueError, match=f"(?s)m.safetensors does not hold a complete model.*{words}"
    ):
        load(path)


def test_a_loaded_model_is_written_as_it_was(tmp_path):
    cube, _ = four_line_cube()
    quick(training=Training(epochs=1)).fit(cube).save(tmp_path / "one.safetensors")
    load(tmp_path / "one.safetensors").save(tmp_path / "two.safetensors")
    one, two = ((tmp_path / f"{name}.safetensors").read_bytes() for name in ("one", "two"))
    assert one == two


def test_a_model_of_one_number_of_clusters_can_be_loaded(tmp_path):
    """Nothing is compared then, and what was not measured is not a number."""
    cube, _ = four_line_cube()
    segmenter = quick(clusters=Clusters(2, 2), training=Training(epochs=1)).fit(cube)
    segmenter.save(tmp_path / "model.safetensors")
    again = load(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(again.cluster_centers_, segmenter.cluster_centers_)
