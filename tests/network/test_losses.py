"""Terms of the loss against values worked by hand, and their weights along the training."""

import math

import numpy as np
import pytest
import torch
from scipy import stats
from scipy.special import logsumexp

from spectessera.network.losses import (
    cluster_term,
    composition_error,
    contrast,
    maximum_mean_discrepancy,
    multinomial,
    poisson,
    squared_error,
    total_loss,
    weighted_squares,
)
from spectessera.network.schedule import Schedule, as_schedule


def normal(n, d=2, seed=0, shift=0.0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, d, generator=generator, dtype=torch.float64) + shift


@pytest.mark.parametrize(
    ("schedule", "values"),
    [
        (Schedule(0.0, 1.0, 2, 6), [0, 0, 0, 0.25, 0.5, 0.75, 1, 1]),
        (Schedule(2.0, 1.0, 0, 4), [2, 1.75, 1.5, 1.25, 1, 1]),
        (Schedule(0.3, 0.3, 1, 5), [0.3] * 7),
        (Schedule(0.0, 1.0, 3, 3), [0, 0, 0, 1, 1]),
        (Schedule(0.0, 1.0), [1, 1, 1]),
        (as_schedule(0.1, "gamma"), [0.1] * 5),
        (as_schedule(3, "beta"), [3.0] * 5),
    ],
)
def test_schedule_is_constant_then_linear_then_constant(schedule, values):
    assert [schedule.at(epoch) for epoch in range(len(values))] == pytest.approx(values)


def test_a_schedule_is_taken_as_it_is_and_wrong_ones_are_named():
    mine = Schedule(0, 1, 2, 3)
    assert as_schedule(mine, "gamma") is mine
    with pytest.raises(ValueError, match=r"cannot end before its start; got 5\.\.4"):
        Schedule(0, 1, 5, 4)
    with pytest.raises(ValueError, match="first must be at least 0"):
        Schedule(-1, 1)
    with pytest.raises(TypeError, match="end must be an integer"):
        Schedule(0, 1, 0, 2.5)
    with pytest.raises(ValueError, match="gamma must be at least 0"):
        as_schedule(-0.1, "gamma")
    with pytest.raises(TypeError, match="gamma must be a number; got 'high'"):
        as_schedule("high", "gamma")


def test_squared_error_is_the_mean_over_all_elements():
    output, target = torch.zeros(2, 3), torch.tensor([[1.0, 2, 3], [0, 0, 0]])
    assert squared_error(output, target) == pytest.approx(14 / 6)


def test_weighted_squares_are_one_per_element_for_noise_of_that_variance():
    truth = torch.zeros(400, 60, dtype=torch.float64)
    variance = torch.linspace(0.1, 9, 60, dtype=torch.float64).expand(400, 60)
    drawn = normal(400, 60) * variance.sqrt()
    assert float(weighted_squares(truth, drawn, variance)) == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize("nothing", [0.0, -1.0, math.nan])
def test_an_element_without_variance_has_no_weight_and_no_gradient(nothing):
    output = torch.tensor([[1.0, 2.0]], requires_grad=True)
    variance = torch.tensor([[4.0, nothing]])
    loss = weighted_squares(output, torch.tensor([[3.0, 700.0]]), variance)
    assert float(loss.detach()) == pytest.approx((4 / 4) / 2)
    loss.backward()
    assert output.grad.tolist() == [[pytest.approx(-0.5), 0.0]]


def test_poisson_is_scipys_likelihood_up_to_what_no_output_changes():
    counts = np.array([[0, 1, 5], [2, 0, 9]])
    rates = [np.array([[0.5, 1.5, 4], [3, 0.1, 7]]), np.array([[1, 1, 1.0], [2, 2, 2]])]
    expected = [-stats.poisson.logpmf(counts, rate).mean() for rate in rates]
    found = [float(poisson(torch.tensor(rate), torch.tensor(counts))) for rate in rates]
    assert found[0] - found[1] == pytest.approx(expected[0] - expected[1])
    assert min(found) > 0
    perfect = torch.tensor(counts).double()
    assert float(poisson(perfect, perfect)) == pytest.approx(0, abs=1e-10)


def test_multinomial_is_scipys_likelihood_up_to_what_no_output_changes():
    counts = np.array([3, 0, 7, 1])
    chances = [np.array([0.2, 0.1, 0.6, 0.1]), np.array([0.25, 0.25, 0.25, 0.25])]
    expected = [-stats.multinomial.logpmf(counts, 11, each) / 4 for each in chances]
    found = [float(multinomial(torch.tensor(e)[None], torch.tensor(counts)[None])) for e in chances]
    assert found[0] - found[1] == pytest.approx(expected[0] - expected[1])


@pytest.mark.parametrize("loss", [squared_error, poisson])
def test_the_mean_of_the_counts_is_the_best_constant(loss):
    counts = torch.tensor([[0.0, 3.0, 4.0, 9.0]])
    rate = torch.full((1, 1), 4.0, requires_grad=True)
    (grad,) = torch.autograd.grad(loss(rate.expand(1, 4), counts), rate)
    assert abs(float(grad)) < 1e-6
    assert loss(torch.full((1, 4), 4.4), counts) > loss(torch.full((1, 4), 4.0), counts)


@pytest.mark.parametrize("loss", [poisson, multinomial])
def test_counts_where_none_was_expected_are_a_finite_surprise(loss):
    output = torch.zeros(1, 3, requires_grad=True)
    found = loss(output, torch.tensor([[0.0, 2.0, 1.0]]))
    found.backward()
    assert torch.isfinite(found.detach())
    assert torch.isfinite(output.grad).all()


# --- shares of components, and twins -----------------------------------------------------------


def test_composition_error_of_the_true_shares_is_a_tenth_of_their_entropy():
    """The logarithms of the shares are the best logits; all others cost more."""
    shares = torch.tensor([[0.5, 0.25, 0.25], [0.1, 0.1, 0.8]], dtype=torch.float64)
    logits = shares.log().requires_grad_()
    best = composition_error(torch.cat([shares, logits], 1), shares)
    entropy = stats.entropy(shares.numpy(), axis=1).mean()
    assert float(best.detach()) == pytest.approx(0.1 * entropy)
    (grad,) = torch.autograd.grad(best, logits)
    assert grad.abs().max() < 1e-12
    for seed in range(3):
        other = logits.detach() + normal(2, 3, seed)
        assert composition_error(torch.cat([shares, other], 1), shares) > best


def test_composition_error_raises_the_logits_of_components_that_are_there():
    """From logits of 0 (a third each), descent moves the probabilities towards the shares."""
    shares = torch.tensor([[0.0, 1.0, 0.0], [0.7, 0.0, 0.3]], dtype=torch.float64)
    logits = torch.zeros_like(shares).requires_grad_()
    (grad,) = torch.autograd.grad(composition_error(torch.cat([shares, logits], 1), shares), logits)
    torch.testing.assert_close(grad, 0.1 * (1 / 3 - shares) / 2)


def test_composition_error_adds_half_the_squared_error_of_the_shares():
    shares = torch.tensor([[0.5, 0.25, 0.25], [0.1, 0.1, 0.8]], dtype=torch.float64)
    off = torch.tensor([[0.3, 0.0, -0.1], [0.0, 0.2, 0.0]], dtype=torch.float64)
    logits = normal(2, 3)
    exact = composition_error(torch.cat([shares, logits], 1), shares)
    wrong = composition_error(torch.cat([shares + off, logits], 1), shares)
    assert float(wrong - exact) == pytest.approx(0.5 * (0.1 + 0.04) / 2)


def along(*degrees, length=1.0):
    """Return points (n, 2) in the plane, in these directions."""
    angle = torch.deg2rad(torch.tensor(degrees, dtype=torch.float64))
    return length * torch.stack([angle.cos(), angle.sin()], 1)


@pytest.mark.parametrize("swapped", [False, True])
def test_contrast_counts_a_twin_that_is_nearer_to_another_latent(swapped):
    """InfoNCE both ways: latents at 0 and 80 degrees find their twins at 0 and 30 degrees.

    The other way round the twin at 30 degrees finds the latent at 0 instead of that at 80, which
    costs the difference of the cosines over the temperature.
    """
    pair = along(0.0, 80.0, length=3.0), along(0.0, 30.0, length=0.5)
    cost = (math.cos(math.radians(30)) - math.cos(math.radians(50))) / 0.01
    loss = contrast(*(pair[::-1] if swapped else pair), temperature=0.01)
    assert float(loss) == pytest.approx(cost / 4, rel=1e-5)  # one of two twins, one of two ways


def test_contrast_is_the_mean_of_the_cross_entropies_of_both_ways():
    latent, twin = normal(7, 3), normal(7, 3, seed=1)
    unit = [each.numpy() / np.linalg.norm(each.numpy(), axis=1, keepdims=True)
            for each in (latent, twin)]  # fmt: skip
    scores = unit[0] @ unit[1].T / 0.2
    ways = [(logsumexp(scores, axis=axis) - np.diag(scores)).mean() for axis in (0, 1)]
    assert abs(ways[0] - ways[1]) > 0.1
    assert float(contrast(latent, twin)) == pytest.approx(np.mean(ways))
    assert float(contrast(twin, latent)) == pytest.approx(np.mean(ways))


# --- maximum mean discrepancy ------------------------------------------------------------------


def kernel(a, b, s):
    return torch.exp(-torch.cdist(a, b).square() / (2 * s**2)).mean()


def test_discrepancy_of_two_points_worked_by_hand():
    """2 - 2 exp(-d^2 / (2 s^2)) for points d apart."""
    a, b = torch.tensor([[0.0, 0.0]]), torch.tensor([[3.0, 4.0]])
    found = maximum_mean_discrepancy(a, b, 5.0)
    assert float(found) == pytest.approx(2 - 2 * math.exp(-0.5), rel=1e-6)


@pytest.mark.parametrize("s", [0.3, 1.0, 4.0])
def test_discrepancy_is_its_definition_and_nothing_for_the_same_sample(s):
    a, b = normal(40), normal(25, seed=1, shift=0.7)
    expected = kernel(a, a, s) + kernel(b, b, s) - 2 * kernel(a, b, s)
    torch.testing.assert_close(maximum_mean_discrepancy(a, b, s), expected)
    assert abs(float(maximum_mean_discrepancy(a, a, s))) < 1e-12


@pytest.mark.parametrize("many", [3, 300, 700])
def test_discrepancy_and_its_gradient_are_the_definition_whatever_the_tiles(many):
    """The kernel is symmetric and only half of it is computed, in tiles of 256 points."""
    a, b = normal(many).requires_grad_(), normal(400, seed=1, shift=0.7)
    found = maximum_mean_discrepancy(a, b, 0.8)
    squares = [(x[:, None] - y[None]).square().sum(2) for x, y in ((a, a), (b, b), (a, b))]
    k = [torch.exp(-each / (2 * 0.8**2)).mean() for each in squares]
    expected = k[0] + k[1] - 2 * k[2]
    torch.testing.assert_close(found, expected)
    (grad,) = torch.autograd.grad(found, a)
    (other,) = torch.autograd.grad(expected, a)
    torch.testing.assert_close(grad, other)


def test_discrepancy_grows_with_the_distance_from_the_prior_and_pulls_towards_it():
    prior = normal(300, seed=1)
    found = [float(maximum_mean_discrepancy(normal(300, shift=t), prior, 1.0)) for t in (0, 1, 2)]
    assert 0 <= found[0] < 0.02 < found[1] < found[2]
    latent = normal(300, shift=1.0).requires_grad_()
    (grad,) = torch.autograd.grad(maximum_mean_discrepancy(latent, prior, 1.0), latent)
    assert (grad.mean(0) > 0).all()
    free = normal(5).requires_grad_()
    other = normal(4, seed=2)
    assert torch.autograd.gradcheck(lambda z: maximum_mean_discrepancy(z, other, 1.0), free)


# --- joining -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("score", "term"), [(1.0, 0.0), (0.0, 0.5), (-1.0, 1.0)])
def test_cluster_term_is_between_0_and_1(score, term):
    assert cluster_term(torch.tensor(score)) == term


def test_totals_worked_by_hand_and_unit_free_where_normalised():
    base, cluster = torch.tensor(4.0), torch.tensor(0.25)
    assert float(total_loss(base, cluster, 0.5, "sum")) == pytest.approx(4.125)
    assert float(total_loss(base, cluster, 0.5, "normalised")) == pytest.approx(4 * 1.125 / 1.5)
    assert float(total_loss(base, cluster, 0.0, "normalised")) == 4
    ratio = total_loss(100 * base, cluster, 0.5, "normalised") / total_loss(
        base, cluster, 0.5, "normalised"
    )
    assert float(ratio) == pytest.approx(100)
    with pytest.raises(ValueError, match="total must be one of"):
        total_loss(base, cluster, 0.5, "product")


@pytest.mark.parametrize("form", ["sum", "normalised"])
def test_both_totals_carry_the_gradient_of_both_terms(form):
    base, cluster = (torch.tensor(each, requires_grad=True) for each in (4.0, 0.25))
    slopes = torch.autograd.grad(total_loss(base, cluster, 0.5, form), (base, cluster))
    assert all(float(slope) > 0 for slope in slopes)
