"""The autoencoder: widths, initial weights, where it starts, what comes out."""

import numpy as np
import pytest
import torch
from torch import nn

from spectessera.network.autoencoder import Autoencoder, resolve_output
from spectessera.network.dropout import AlphaDropout, Dropout, DroppedRelu
from spectessera.network.shape import Network


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def built(channels=96, output="identity", seed=0, **settings):
    return Autoencoder(Network(**settings), channels, output, generator=seeded(seed))


def line_inputs(line_cube):
    """Return the pixels of the cube of lines, each divided by its maximum, (154, 96)."""
    values = torch.from_numpy(line_cube.cube.values.reshape(-1, 96))
    return values / values.max(1, keepdim=True).values


def linear_shapes(module):
    return [tuple(each.weight.shape) for each in module.modules() if isinstance(each, nn.Linear)]


# --- widths ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "channels", "widths"),
    [
        ({"depth": 3}, 1024, (512, 256, 128)),
        ({"depth": 5}, 1000, (500, 250, 125, 62, 31)),
        ({"depth": 4, "widths": "harmonic"}, 1024, (512, 341, 256, 204)),
        ({"depth": 3, "widths": "harmonic"}, 100, (50, 33, 25)),
        ({"depth": 0}, 100, ()),
        ({"depth": 4, "latent": 5}, 16, (8, 5, 5, 5)),
        ({"encoder": (512, 256, 32)}, 1024, (512, 256, 32)),
        ({"encoder": ()}, 1024, ()),
    ],
)
def test_widths_of_the_encoder_and_of_the_mirrored_decoder(settings, channels, widths):
    network = Network(**settings)
    assert network.encoder_widths(channels) == widths
    assert network.decoder_widths(channels) == widths[::-1]


def test_the_papers_astronomical_network_can_be_named():
    """1024-512-256-32-3 and back 3-128-256-1024."""
    model = built(1024, latent=3, encoder=(512, 256, 32), decoder=(128, 256))
    encoder = [*linear_shapes(model.encoder), *linear_shapes(model.mean_head)]
    assert encoder == [(512, 1024), (256, 512), (32, 256), (3, 32)]
    assert linear_shapes(model.decoder) == [(128, 3), (256, 128), (1024, 256)]


def test_shapes_of_all_parameters():
    model = built(40, latent=2, encoder=(8,), variational=True, linear_path=True)
    shapes = {name: tuple(each.shape) for name, each in model.state_dict().items()}
    assert shapes == {
        "center": (40,), "scale": (),
        "encoder.0.weight": (8, 40), "encoder.0.bias": (8,),
        "mean_head.weight": (2, 8), "mean_head.bias": (2,),
        "log_variance_head.weight": (2, 8), "log_variance_head.bias": (2,),
        "linear.weight": (2, 40),
        "decoder.0.weight": (8, 2), "decoder.0.bias": (8,),
        "decoder.2.weight": (40, 8), "decoder.2.bias": (40,),
    }  # fmt: skip
    assert not {"center", "scale"} & {name for name, _ in model.named_parameters()}


@pytest.mark.parametrize("settings", [{"depth": 0}, {"latent": 7}, {"block": "snn"}, {}])
@pytest.mark.parametrize("channels", [1, 2, 5, 96])
def test_any_number_of_channels_is_encoded_and_decoded(settings, channels):
    model = built(channels, **settings)
    output, mean, drawn = model(torch.rand(3, channels))
    assert output.shape == (3, channels)
    assert mean.shape == drawn.shape == (3, model.network.latent)


@pytest.mark.parametrize(
    ("block", "activation", "drop"),
    [
        ("mlp", nn.ReLU, [nn.Identity, DroppedRelu]),
        ("snn", nn.SELU, [nn.SELU, AlphaDropout]),
        ("normed", nn.SiLU, [nn.SiLU, Dropout]),
    ],
)
def test_blocks_are_those_of_their_name_and_drop_only_where_asked(block, activation, drop):
    norm = [nn.LayerNorm] if block == "normed" else []
    kinds = [type(each) for each in built(block=block, encoder=(8,), dropout=0.1).encoder]
    assert kinds == [nn.Linear, *norm, *drop]
    kinds = [type(each) for each in built(block=block, encoder=(8,)).encoder]
    assert kinds == [nn.Linear, *norm, activation]


@pytest.mark.parametrize("block", ["mlp", "snn", "normed"])
def test_out_of_training_dropout_changes_nothing(block):
    """A network with dropout has the layers and the outputs of one without, the weights equal."""
    with_dropout = built(block=block, encoder=(8, 6), dropout=0.3).eval()
    without = built(block=block, encoder=(8, 6)).eval()
    points = torch.rand(20, 96, generator=seeded(1))
    for ours, theirs in zip(with_dropout.parameters(), without.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    assert torch.equal(with_dropout(points)[0], without(points)[0])


# --- initial weights ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "gain"),
    [
        ({"block": "mlp"}, 2**0.5),
        ({"block": "snn"}, 1.0),
        ({"block": "snn", "init": "kaiming"}, 2**0.5),
        ({"block": "mlp", "init": "kaiming"}, 2**0.5),
    ],
)
def test_initial_weights_have_the_spread_of_he_or_lecun(settings, gain):
    model = built(1024, encoder=(512, 256), **settings)
    for layer in (model.encoder[0], model.encoder[2], model.decoder[2]):
        fan_in = layer.weight.shape[1]
        assert float(layer.weight.detach().std() * fan_in**0.5) == pytest.approx(gain, rel=0.02)
        assert (layer.bias == 0).all()


def test_selu_keeps_mean_0_and_variance_1_through_ten_layers():
    """Klambauer et al. 2017: what self-normalising means; He's initialisation does not keep it."""
    inputs = torch.randn(1500, 256, generator=seeded(1))

    def last_variance(init):
        model = built(256, encoder=(256,) * 10, block="snn", init=init)
        with torch.no_grad():
            hidden = model.encoder(inputs)
        return float(hidden.mean()), float(hidden.var())

    mean, variance = last_variance("auto")
    assert abs(mean) < 0.1
    assert 0.8 < variance < 1.25
    assert last_variance("kaiming")[1] > 1.5


def test_relu_keeps_the_second_moment_through_ten_layers():
    model = built(256, encoder=(256,) * 10)
    inputs = torch.randn(1000, 256, generator=seeded(1))
    with torch.no_grad():
        hidden = model.encoder[:-1](inputs)  # before the last ReLU
    assert 1.2 < float(hidden.square().mean()) < 3.2


def test_same_generator_same_weights_and_the_global_one_is_not_changed():
    before = torch.random.get_rng_state()
    first, second, other = (built(seed=seed).state_dict() for seed in (1, 1, 2))
    assert torch.equal(before, torch.random.get_rng_state())
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["encoder.0.weight"], other["encoder.0.weight"])


# --- where it starts ---------------------------------------------------------------------------


@pytest.mark.parametrize("output", ["identity", "sigmoid", "softmax", "softplus"])
@pytest.mark.parametrize("block", ["mlp", "snn"])
def test_the_decoder_begins_at_the_mean_spectrum(line_cube, output, block):
    inputs = line_inputs(line_cube)
    if output == "softmax":
        inputs = inputs / inputs.sum(1, keepdim=True)
    model = built(output=output, block=block)
    model.start_from(inputs)
    decoded = model.decode(torch.zeros(1, 3))[0].detach()
    floor = {"sigmoid": 1e-3, "softmax": 1e-3 / 96, "softplus": 1e-3}.get(output, 0.0)
    torch.testing.assert_close(decoded, inputs.mean(0), rtol=2e-3, atol=1.1 * floor + 1e-6)
    # And the spectra's own latents begin not far from it: better than the noise of a random net.
    with torch.no_grad():
        error = (model(inputs)[0] - inputs).square().mean()
    spread = (inputs - inputs.mean(0)).square().mean()
    assert error < 1.5 * spread


def test_inputs_are_centred_and_scaled_by_the_training_spectra(line_cube):
    inputs = 1e-17 * line_inputs(line_cube)
    model = built()
    model.start_from(inputs)
    torch.testing.assert_close(model.center, inputs.mean(0))
    scaled = (inputs - model.center) / model.scale
    assert float(scaled.square().mean()) == pytest.approx(1, rel=1e-4)


@pytest.mark.parametrize("linear_path", [False, True])
@pytest.mark.parametrize("output", ["identity", "sigmoid", "softmax", "softplus"])
def test_equal_spectra_start_with_finite_numbers(output, linear_path):
    inputs = torch.full((9, 12), 1 / 12)
    model = built(12, output=output, linear_path=linear_path)
    model.start_from(inputs)
    assert all(torch.isfinite(each).all() for each in model.state_dict().values())
    found, mean, _ = model(inputs)
    assert torch.isfinite(found).all()
    assert torch.isfinite(mean).all()


def test_linear_path_is_the_scores_of_principal_components_of_unit_variance(line_cube):
    inputs = line_inputs(line_cube)
    model = built(latent=3, linear_path=True)
    model.start_from(inputs)
    nn.init.zeros_(model.mean_head.weight)
    latent = model.encode(inputs)[0].detach().double().numpy()
    centred = inputs.double().numpy() - inputs.double().numpy().mean(axis=0)
    u, values, axes = np.linalg.svd(centred, full_matrices=False)
    assert values[2] > 1.2 * values[3]  # four groups span three directions
    scores = u[:, :3] * np.sqrt(len(inputs) - 1)
    signs = np.sign((latent * scores).sum(axis=0))
    np.testing.assert_allclose(latent, scores * signs, atol=1e-3)
    np.testing.assert_allclose(latent.std(axis=0, ddof=1), 1, rtol=1e-3)
    largest = np.abs(axes[:3]).argmax(axis=1)
    assert (model.linear.weight.detach().numpy()[np.arange(3), largest] > 0).all()


def test_hidden_layers_that_add_nothing_are_left_out_to_the_bit(line_cube, monkeypatch):
    spectra = line_inputs(line_cube)
    model = built(latent=3, depth=2, linear_path=True)
    model.start_from(spectra)
    calls = []
    model.encoder.register_forward_hook(lambda *_: calls.append(1))
    with torch.no_grad():
        short = model.encode(spectra)[0]
        assert not calls
        with monkeypatch.context() as patch:
            patch.setattr(Autoencoder, "_hidden_layers_add_nothing", lambda _: False)
            assert torch.equal(short, model.encode(spectra)[0])
        assert calls
    model.encode(spectra)  # with a gradient: they are to be trained
    assert len(calls) == 2
    with torch.no_grad():
        model.mean_head.bias[1] = 0.5
        assert torch.equal(
            model.encode(spectra)[0] - short > 0.25,
            torch.tensor([False, True, False]).expand(len(spectra), 3),
        )


@pytest.mark.parametrize(("channels", "spectra"), [(2, 50), (6, 3)])
def test_principal_components_beyond_the_rank_start_at_zero(channels, spectra):
    model = built(channels, latent=5, linear_path=True)
    model.start_from(torch.randn(spectra, channels, generator=seeded()))
    rank = min(channels, spectra - 1)
    rows = model.linear.weight.detach().abs().amax(1)
    assert (rows[:rank] > 0).all()
    assert (rows[rank:] == 0).all()


# --- what comes out ----------------------------------------------------------------------------


@pytest.mark.parametrize("output", ["sigmoid", "softmax", "softplus"])
def test_outputs_keep_to_their_range(output):
    model = built(output=output)
    found = model.decode(20 * torch.randn(50, 3, generator=seeded())).detach()
    assert (found >= 0).all()
    if output == "sigmoid":
        assert (found <= 1).all()
    if output == "softmax":
        torch.testing.assert_close(found.sum(1), torch.ones(50))


def test_the_encoding_activation_replaces_activation_and_dropout_of_the_last_layer():
    """The released network: 96-48-24, alpha dropout after 48 only, tanh after 24."""
    model = built(encoder=(48, 24), block="snn", dropout=0.1, encoding_activation="tanh")
    kinds = [type(each) for each in model.encoder]
    assert kinds == [nn.Linear, nn.SELU, AlphaDropout, nn.Linear, nn.Tanh]
    hidden = model.eval().encoder(100 * torch.randn(50, 96, generator=seeded()))
    assert hidden.abs().max() <= 1
    assert not any(isinstance(each, nn.Tanh) for each in model.decoder)
    with pytest.raises(ValueError, match="encoding_activation"):
        Network(encoding_activation="relu")


def test_without_hidden_layers_the_encoding_activation_has_no_effect():
    assert len(built(encoder=(), encoding_activation="tanh").encoder) == 0


@pytest.mark.parametrize(
    ("activation", "low", "high"),
    [("tanh", -1, 1), ("sigmoid", 0, 1), ("softplus", 0, torch.inf), (None, -torch.inf, 0)],
)
def test_latent_activation_bounds_the_latent(activation, low, high):
    model = built(latent_activation=activation)
    latent = model.encode(30 * torch.randn(200, 96, generator=seeded()))[0].detach()
    if activation is None:
        assert latent.min() < -1
        assert latent.max() > 1
    else:
        assert (latent >= low).all()
        assert (latent <= high).all()


def test_variational_latents_are_drawn_in_training_only_with_their_own_spread():
    model = built(variational=True, latent=2)
    spectra = torch.rand(1, 96, generator=seeded()).expand(20_000, 96)
    with torch.no_grad():
        model.train()
        _, mean, drawn = model(spectra)
        _, log_variance = model.encode(spectra[:1])
        assert not torch.equal(model(spectra)[2], drawn)
        model.eval()
        output, still, latent = model(spectra[:5])
    torch.testing.assert_close(drawn.var(0), log_variance[0].exp(), rtol=0.06, atol=0)
    torch.testing.assert_close(drawn.mean(0), mean[0], rtol=0, atol=0.1)
    assert torch.equal(still, latent)
    torch.testing.assert_close(output, model.decode(latent).detach())


def test_a_plain_network_draws_nothing_and_its_latent_is_what_is_decoded():
    model = built().train()
    spectra = torch.rand(4, 96, generator=seeded())
    _, mean, drawn = model(spectra)
    assert mean is drawn
    assert model.encode(spectra)[1] is None


def test_variance_head_has_finite_noise_for_any_input():
    model = built(variational=True).train()
    output, _, drawn = model(torch.full((3, 96), 1e6))
    assert torch.isfinite(drawn).all()
    assert torch.isfinite(output).all()


@pytest.mark.parametrize(
    ("asked", "smallest", "normalise", "loss", "chosen"),
    [
        ("auto", 0.0, "total", "squared", "softmax"),
        ("auto", 0.0, "max", "squared", "sigmoid"),
        ("auto", -0.1, "max", "squared", "identity"),
        ("auto", -0.1, "total", "squared", "identity"),
        ("auto", 0.0, "l2", "squared", "identity"),
        ("auto", 0.0, None, "squared", "identity"),
        ("auto", 0.0, None, "poisson", "softplus"),
        ("auto", 0.0, None, "multinomial", "softmax"),
        ("auto", -3.0, None, "variance", "identity"),
        ("sigmoid", 0.1, None, "squared", "sigmoid"),
    ],
)
def test_output_that_auto_stands_for(asked, smallest, normalise, loss, chosen):
    assert resolve_output(Network(output=asked), smallest, 1.0, normalise, loss) == chosen


@pytest.mark.parametrize(
    ("output", "smallest", "loss", "words"),
    [
        ("auto", -1.0, "poisson", r"poisson loss is for counts; some inputs are negative \(-1\)"),
        ("identity", 0.0, "poisson", "needs the output softplus or sigmoid; got 'identity'"),
        ("sigmoid", 0.0, "multinomial", "needs the output softmax or root-softmax; got 'sigmoid'"),
    ],
)
def test_a_likelihood_of_counts_needs_counts_and_a_fitting_output(output, smallest, loss, words):
    with pytest.raises(ValueError, match=words):
        resolve_output(Network(output=output), smallest, 9.0, None, loss)


@pytest.mark.parametrize(("smallest", "largest"), [(-0.1, 1.0), (0.0, 30.0)])
def test_a_sigmoid_that_cannot_reach_the_inputs_is_refused(smallest, largest):
    with pytest.raises(ValueError, match="from 0 to 1"):
        resolve_output(Network(output="sigmoid"), smallest, largest, None, "squared")


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"latent": 0}, ValueError, "latent must be at least 1; got 0"),
        ({"depth": -1}, ValueError, "depth"),
        ({"widths": "thirds"}, ValueError, "widths must be one of 'halving', 'harmonic'"),
        ({"encoder": (8, 0)}, ValueError, "a width of the encoder must be at least 1"),
        ({"decoder": (8.5,)}, TypeError, "a width of the decoder must be an integer"),
        ({"encoder": 64}, TypeError, "encoder is a list of widths"),
        ({"block": "cnn"}, ValueError, "block must be one of"),
        ({"dropout": 1.0}, ValueError, "dropout must be at most 0.99"),
        ({"output": "relu"}, ValueError, "output must be one of"),
        ({"variational": "yes"}, ValueError, "variational must be one of True, False"),
    ],
)
def test_wrong_settings_are_refused_by_name(settings, error, words):
    with pytest.raises(error, match=words):
        Network(**settings)


def test_a_network_that_does_not_fit_into_the_memory_is_refused_before_it_is_made():
    with pytest.raises(ValueError, match=r"latent = 1000000 .* bytes of memory, and .* available"):
        built(latent=1_000_000)
