"""The one file of a model: what was written comes back, anything else is refused in words."""

import json
import pickle
import stat
import struct

import numpy as np
import pytest
from safetensors.numpy import save_file

from spectessera.network.modelfile import FORMAT, KEY, MAX_TENSORS, read_model, write_model

TENSORS = {
    "a": np.arange(6, dtype=np.float32).reshape(2, 3),
    "b": np.array(3, dtype=np.int64),
    "turned": np.arange(6.0).reshape(2, 3).T,
    "none": np.zeros((0, 4), dtype=np.float32),
}
META = {"version": "1", "settings": {"keep": [[1.5, 2.0]], "name": "Ångström"}}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.safetensors"


def raw(path, header, body=b""):
    """Write a file of the format by hand: length of the header, header, body."""
    text = json.dumps(header).encode() if isinstance(header, dict) else header
    path.write_bytes(struct.pack("<Q", len(text)) + text + body)


def described(path, text, tensors=TENSORS):
    """Write a proper safetensors file whose description is ``text``."""
    arrays = {name: np.ascontiguousarray(each) for name, each in tensors.items()}
    save_file(arrays, path, metadata={KEY: text})


def test_arrays_and_description_come_back_as_they_were(path):
    write_model(path, TENSORS, META)
    tensors, metadata = read_model(path)
    assert metadata == {"format": FORMAT} | META
    assert tensors.keys() == TENSORS.keys()
    for name, array in TENSORS.items():
        assert tensors[name].dtype == array.dtype
        np.testing.assert_array_equal(tensors[name], array)


def test_the_file_has_the_permissions_of_any_new_file(path, tmp_path):
    (tmp_path / "other").touch()
    write_model(path, TENSORS, META)
    modes = [stat.S_IMODE(each.stat().st_mode) for each in (path, tmp_path / "other")]
    assert modes[0] == modes[1]


def test_a_write_that_fails_leaves_the_old_model_and_nothing_else(path, tmp_path):
    write_model(path, TENSORS, META)
    before = path.read_bytes()
    with pytest.raises(TypeError):
        write_model(path, TENSORS, {"settings": object()})
    with pytest.raises(Exception, match="complex"):
        write_model(path, {"a": np.zeros(2, dtype=complex)}, META)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("share", [0.0, 0.001, 0.01, 0.3, 0.7, 0.999])
def test_a_file_cut_short_is_refused(path, share):
    write_model(path, TENSORS, META)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(ValueError, match=r"model\.safetensors is not a safetensors file"):
        read_model(path)


@pytest.mark.parametrize("seed", range(5))
def test_garbage_is_refused(path, seed):
    path.write_bytes(np.random.default_rng(seed).bytes(5000))
    with pytest.raises(ValueError, match="is not a safetensors file"):
        read_model(path)


class _Trap:
    """An object that makes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_a_pickle_under_our_name_is_refused_and_never_opened(path, tmp_path):
    """A model file must not be able to execute anything."""
    trap = tmp_path / "sprung"
    path.write_bytes(pickle.dumps(_Trap(trap)))
    with pytest.raises(ValueError, match="is not a safetensors file"):
        read_model(path)
    raw(path, {"__metadata__": {KEY: json.dumps({"format": FORMAT})}}, pickle.dumps(_Trap(trap)))
    with pytest.raises(ValueError, match="is not a safetensors file"):
        read_model(path)
    assert not trap.exists()


def test_a_header_that_claims_more_than_there_is_is_refused(path):
    text = {KEY: json.dumps({"format": FORMAT})}
    huge = {"dtype": "F32", "shape": [10**6, 10**9], "data_offsets": [0, 4 * 10**15]}
    raw(path, {"__metadata__": text, "a": huge}, b"\0" * 16)
    with pytest.raises(ValueError, match="is not a safetensors file"):
        read_model(path)
    lying = {"dtype": "F32", "shape": [1000, 1000], "data_offsets": [0, 16]}
    raw(path, {"__metadata__": text, "a": lying}, b"\0" * 16)
    with pytest.raises(ValueError, match="is not a safetensors file"):
        read_model(path)
    path.write_bytes(struct.pack("<Q", 2**62) + b"{}")
    with pytest.raises(ValueError, match="is not a safetensors file"):
        read_model(path)


def test_tensors_of_another_program_are_refused(path):
    save_file({"a": TENSORS["a"]}, path)
    with pytest.raises(ValueError, match="holds tensors, but not those of a spectessera model"):
        read_model(path)
    save_file({"a": TENSORS["a"]}, path, metadata={"format": "pt"})
    with pytest.raises(ValueError, match="not those of a spectessera model"):
        read_model(path)


@pytest.mark.parametrize("text", ["", "{", "[1]", "3", '{"version": "1"}', "[" * 200_000, "null"])
def test_a_description_that_cannot_be_read_is_refused(path, text):
    described(path, text)
    with pytest.raises(ValueError, match="the description of the model cannot be read"):
        read_model(path)


@pytest.mark.parametrize("number", [FORMAT + 1, 0, -1, "1", None, 1.5])
def test_another_format_is_refused_with_what_to_do(path, number):
    described(path, json.dumps({"format": number}))
    with pytest.raises(ValueError, match=r"has model format .* update the package, or save"):
        read_model(path)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_weights_that_are_not_finite_are_refused_by_name(path, bad, dtype):
    weight = np.ones((3, 2), dtype=dtype)
    weight[2, 1] = bad
    write_model(path, TENSORS | {"model.encoder.0.weight": weight}, META)
    with pytest.raises(ValueError, match=r"model\.encoder\.0\.weight holds values that are not f"):
        read_model(path)


def test_what_was_not_measured_is_nan_in_the_arrays_named_and_nowhere_else(path):
    write_model(path, {"choices.agreement": np.array([np.nan, 0.5]), "a": np.ones(2)}, META)
    found, _ = read_model(path, unmeasured="choices.")
    np.testing.assert_array_equal(found["choices.agreement"], [np.nan, 0.5])
    with pytest.raises(ValueError, match=r"choices\.agreement holds values that are not finite"):
        read_model(path)
    write_model(path, {"choices.agreement": np.array([np.inf])}, META)
    with pytest.raises(ValueError, match=r"choices\.agreement holds values that are not finite"):
        read_model(path, unmeasured="choices.")
    write_model(path, {"a": np.array([np.nan])}, META)
    with pytest.raises(ValueError, match="a holds values that are not finite"):
        read_model(path, unmeasured="choices.")


def test_weights_that_float32_cannot_hold_are_refused(path):
    """They would be infinite once the network has them."""
    write_model(path, {"a": np.array([1e300])}, META)
    with pytest.raises(ValueError, match="a holds values that are not finite"):
        read_model(path)


@pytest.mark.parametrize("dtype", ["BF16", "F8_E4M3"])
def test_types_that_numpy_lacks_are_refused(path, dtype):
    size = 2 if dtype == "BF16" else 1
    header = {
        "__metadata__": {KEY: json.dumps({"format": FORMAT})},
        "a": {"dtype": dtype, "shape": [2], "data_offsets": [0, 2 * size]},
    }
    raw(path, header, b"\0" * (2 * size))
    with pytest.raises(ValueError, match="numbers of a type that models do not use"):
        read_model(path)


def test_far_too_many_tensors_are_refused(path):
    described(path, json.dumps({"format": FORMAT}), {str(i): np.zeros(0) for i in range(10_001)})
    assert MAX_TENSORS == 10_000
    with pytest.raises(ValueError, match="holds 10001 tensors, more than a model can have"):
        read_model(path)


def test_a_path_without_a_model_file_is_reported(path, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no model file .*model\.safetensors"):
        read_model(path)
    with pytest.raises(IsADirectoryError, match="is a folder; a model is one"):
        read_model(tmp_path)
    with pytest.raises(FileNotFoundError, match="does not exist"):
        write_model(tmp_path / "nowhere" / "model.safetensors", TENSORS, META)
