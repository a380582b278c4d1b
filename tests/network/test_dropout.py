"""Dropout: its statistics, its gradient, and that it is the same wherever it runs."""

import hashlib

import pytest
import torch
from torch import nn

from spectessera.network.dropout import (
    SATURATED,
    AlphaDropout,
    Dropout,
    DroppedRelu,
    noisy_parts,
)

KINDS = (Dropout, DroppedRelu, AlphaDropout)


@pytest.fixture(autouse=True)
def seeded():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def noise_of(*shape):
    like = torch.empty(shape)
    return torch.cat([noise.clone() for _, noise in noisy_parts(like)]).view(shape)


def test_all_numbers_of_16_bits_are_drawn_equally_often():
    noise = noise_of(2000, 2049)
    assert (noise.min(), noise.max()) == (-(2**15), 2**15 - 1)
    share = torch.histc(noise, bins=16, min=-(2**15), max=2**15) / noise.numel()
    torch.testing.assert_close(share, torch.full((16,), 1 / 16), atol=0.001, rtol=0)


def test_the_four_numbers_of_a_word_are_independent():
    words = noise_of(250_000, 4) / 2**15
    assert (torch.corrcoef(words.T) - torch.eye(4)).abs().max() < 0.01


def test_parts_are_the_whole_tensor_in_order():
    """200,003 elements: four parts, the last of a length that no word of four fits."""
    points = torch.arange(200_003.0)
    parts = [part.clone() for part, _ in noisy_parts(points)]
    assert len(parts) == 4
    assert torch.equal(torch.cat(parts), points)


@pytest.mark.parametrize("p", [0.1, 0.5, 0.99])
@pytest.mark.parametrize("kind", [Dropout, DroppedRelu])
def test_the_probability_is_kept_and_so_is_the_mean(kind, p):
    found = kind(p)(torch.ones(1000, 1001))
    assert float((found == 0).float().mean()) == pytest.approx(p, abs=0.002)
    assert float(found.max()) == pytest.approx(1 / (1 - p), rel=1e-3)
    assert float(found.mean()) == pytest.approx(1, rel=0.03)
    assert len(found.unique()) == 2


@pytest.mark.parametrize("p", [0.1, 0.5])
def test_alpha_dropout_keeps_mean_and_variance_and_has_the_values_of_pytorch(p):
    """The mean and variance of SELU, of normal points, are 0 and 1."""
    found = AlphaDropout(p)(nn.SELU()(torch.randn(1000, 1001)))
    assert float(found.mean()) == pytest.approx(0, abs=0.005)
    assert float(found.std()) == pytest.approx(1, abs=0.005)
    theirs = nn.functional.alpha_dropout(torch.zeros(1000), p, training=True).unique()
    ours = AlphaDropout(p)(torch.zeros(1000)).unique()
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-4)  # the probability is rounded


def test_an_element_at_the_lowest_value_is_not_changed_by_being_dropped():
    assert len(AlphaDropout(0.3)(torch.full((100,), SATURATED)).unique()) == 1


@pytest.mark.parametrize(
    "block",
    [
        nn.Sequential(nn.SiLU(), Dropout(0.4)),
        DroppedRelu(0.4),
        nn.Sequential(nn.SELU(), AlphaDropout(0.4)),
    ],
    ids=["normed", "mlp", "snn"],
)
def test_the_gradient_is_that_of_the_values(block):
    """Every call drops the same elements; a copy, because a block works in place."""

    def run(points):
        torch.manual_seed(3)
        return block(points.clone())

    points = torch.randn(7, 9, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(run, points)
    (slope,) = torch.autograd.grad(run(points).sum(), points)
    assert 10 < (slope == 0).sum() < 60  # some are dropped or negative, not all


@pytest.mark.parametrize("kind", KINDS)
def test_only_training_drops_and_one_seed_drops_the_same(kind):
    layer, points = kind(0.3), torch.rand(300, 700)
    assert torch.equal(layer.eval()(points.clone()), points)
    layer.train()
    runs = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        runs.append(layer(points.clone()))
    assert torch.equal(runs[0], runs[1])
    assert not torch.equal(runs[0], runs[2])


def test_the_numbers_of_a_seed_are_the_same_on_every_processor():
    """They are bits of the Mersenne twister, without arithmetic of floating point."""
    torch.manual_seed(5)
    noise = noise_of(1000).to(torch.int16).numpy().astype("<i2")
    assert hashlib.sha256(noise.tobytes()).hexdigest()[:16] == "3bda40d632a2a818"
