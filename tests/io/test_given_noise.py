"""What a user says of the noise takes the place of what the file and the values say."""

import numpy as np
import pytest

from commands import one_line, run
from spectessera import read
from spectessera.cube import noise_of
from spectessera.variance import with_usable_variance


@pytest.fixture
def path(tmp_path):
    counts = np.random.default_rng(0).poisson(9.0, (20, 20, 40)).astype(np.float32)
    np.savez(tmp_path / "cube.npz", cube=counts, variance=counts + 5)
    np.save(tmp_path / "bare.npy", counts)
    return tmp_path / "cube.npz"


def noise_found(cube) -> str:
    return noise_of(with_usable_variance(cube, compute=True), cube.values[0])


def test_a_given_noise_takes_the_place_of_a_variance_and_of_what_values_look_like(path):
    bare = path.with_name("bare.npy")
    assert noise_found(read(path)) == "variance"
    assert noise_found(read(path, noise="counts")) == "counts"
    assert noise_found(read(path, noise="unknown")) == "residual"
    assert noise_found(read(bare)) == "counts"
    assert noise_found(read(bare, noise="unknown")) == "residual"
    assert noise_found(read(bare, energy=(1, 20), noise="unknown")) == "residual"
    assert noise_found(read(bare, wavelength=(4000, 5000), noise="counts")) == "counts"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"noise": "poisson"}, "counts or unknown; got 'poisson'"),
        ({"noise": "counts", "variance": "variance"}, "takes the place of a variance"),
    ],
)
def test_other_words_and_both_at_once_are_errors(path, given, words):
    with pytest.raises(ValueError, match=words):
        read(path, **given)


def test_the_command_line_has_the_same_word(path):
    bare = path.with_name("bare.npy")
    assert "counts or unknown" in one_line(run("info", bare, "--noise", "poisson"))
    assert run("info", bare, "--noise", "unknown").exit_code == 0
