"""Where the training of a decoder begins, and when it has ended."""

import numpy as np
import pytest
import torch

from spectessera.kmeans import Clusters
from spectessera.network.autoencoder import Autoencoder
from spectessera.network.checkpoint import Checkpoint, History
from spectessera.network.principal import principal_axes
from spectessera.network.settings import Training
from spectessera.network.shape import Network
from spectessera.network.start import SETTLED_EPOCHS, SETTLED_SHARE, has_settled, starts_linear
from spectessera.network.training import train

FIXED = {"gamma": 0.0, "learning_rate": 3e-4, "train_encoder": False, "batch_size": 128}


def mixtures(n=600, channels=64, sigma=0.02, seed=0):
    """Return spectra that are sums of three, with noise: three components are all there is."""
    generator = np.random.default_rng(seed)
    parts = generator.uniform(size=(3, channels))
    shares = generator.dirichlet(np.ones(3), size=n)
    noise = sigma * generator.standard_normal((n, channels))
    return torch.from_numpy((shares @ parts + noise).astype(np.float32))


def arcs(n=2000, channels=64, seed=0):
    """Return spectra along a curve: one component is far from all of it."""
    generator = np.random.default_rng(seed)
    angle = generator.uniform(0, 5, n)
    waves = np.stack([np.sin(angle), np.cos(angle), np.sin(2 * angle), np.cos(2 * angle)], 1)
    return torch.from_numpy((waves @ generator.standard_normal((4, channels))).astype(np.float32))


def new(channels=64, output="identity", **shape):
    network = Network(**{"latent": 3, "depth": 2, "linear_path": True} | shape)
    return Autoencoder(network, channels, output, generator=torch.Generator().manual_seed(0))


def fitted(spectra, checkpoint=None, progress=None, latent=3, **settings):
    model = new(latent=latent)
    found = train(
        model, spectra, Clusters(2, 5), Training(**FIXED | settings), checkpoint=checkpoint,
        progress=progress,
    )  # fmt: skip
    return model, found


@pytest.mark.parametrize("decoder", [(), (6,), (16, 32), (40, 7, 32)])
def test_the_decoder_starts_at_the_projection_on_principal_components(decoder):
    spectra = mixtures()
    model = new(decoder=decoder)
    model.start_from(spectra, whiten=False)
    assert model.decodes_linearly()
    model.decode_linearly()
    centred = (spectra - spectra.mean(0)).double().numpy()
    _, _, axes = np.linalg.svd(centred, full_matrices=False)
    expected = centred @ axes[:3].T @ axes[:3] + spectra.double().mean(0).numpy()
    with torch.no_grad():
        np.testing.assert_allclose(model(spectra)[0].numpy(), expected, atol=2e-6)


def test_units_beside_the_linear_path_are_trained_too():
    """All weights of the last layer would stay 0 if the hidden units did."""
    spectra = arcs()
    model = new(latent=1)
    model.start_from(spectra, whiten=False)
    model.decode_linearly()
    (model(spectra)[0] - spectra).square().mean().backward()
    others = model._decoder_layers()[-1].weight.grad[:, 2:]
    assert (others.abs().amax(0) > 0).float().mean() > 0.4  # ReLU is 0 for the rest


@pytest.mark.parametrize(
    ("shape", "output"),
    [
        ({"block": "snn"}, "identity"),
        ({"block": "normed"}, "identity"),
        ({"variational": True}, "identity"),
        ({"latent_activation": "tanh"}, "identity"),
        ({"linear_path": False}, "identity"),
        ({"decoder": (5,)}, "identity"),
        ({}, "softplus"),
        ({}, "root-softmax"),
    ],
)
def test_networks_that_cannot_be_linear_do_not_claim_it(shape, output):
    assert not new(output=output, **shape).decodes_linearly()
    assert new().decodes_linearly()


@pytest.mark.parametrize(
    "change",
    [
        {"gamma": 0.1}, {"beta": 0.1}, {"denoise": 0.1}, {"loss": "variance"},
        {"train_encoder": True}, {"thinning": True},
    ],
)  # fmt: skip
def test_other_losses_start_as_before(change):
    assert starts_linear(new(), Training(**FIXED))
    assert not starts_linear(new(), Training(**FIXED | change))
    assert not starts_linear(new(dropout=0.1), Training(**FIXED))


@pytest.mark.parametrize("rows", [8192, 256])
@pytest.mark.parametrize("channels", [5, 300, 700])
def test_axes_of_any_number_of_channels_are_those_of_a_full_decomposition(
    channels, rows, monkeypatch
):
    """More than one square of the covariance, inputs in parts, and eigenvectors only in part."""
    monkeypatch.setattr("spectessera.network.principal._ROWS", rows)
    generator = np.random.default_rng(1)
    scale = np.linspace(3, 0.1, channels)
    values = generator.standard_normal((900, channels)) * scale
    centred = torch.from_numpy(values - values.mean(0)).float()
    axes = principal_axes(centred, 4, whiten=True).double().numpy()
    _, sizes, rows = np.linalg.svd(centred.double().numpy(), full_matrices=False)
    expected = rows[:4] / sizes[:4, None] * np.sqrt(899)
    signs = np.sign(np.take_along_axis(expected, abs(expected).argmax(1)[:, None], 1))
    np.testing.assert_allclose(axes, expected * signs, atol=1e-5)


def test_the_training_ends_where_spectra_are_linear_and_is_no_worse_than_its_start():
    spectra = mixtures()
    told = []
    _, found = fitted(spectra, progress=lambda done, total, row: told.append((done, total)))
    assert len(found.rows) == SETTLED_EPOCHS
    assert found.best()["total"] <= found.start["total"]
    assert told[-1] == (SETTLED_EPOCHS, SETTLED_EPOCHS)
    assert all(total > done for done, total in told[:-1])


def test_the_training_goes_on_where_spectra_are_curved():
    _, found = fitted(arcs(), latent=1, epochs=40)
    assert len(found.rows) > 4 * SETTLED_EPOCHS
    assert found.best()["total"] < 0.9 * found.start["total"]
    losses = [found.start["total"], *(row["validation_total"] for row in found.rows)]
    assert not has_settled(losses[:-1])  # it did not end later than it could


def test_a_patience_that_is_given_counts():
    _, found = fitted(mixtures(), patience=5, epochs=30)
    assert len(found.rows) == max(found.best_epoch, 0) + 5 + (found.best_epoch >= 0)
    _, found = fitted(mixtures(), patience=60, epochs=12)
    assert len(found.rows) == 12


def test_weights_of_the_start_win_where_steps_make_them_worse():
    spectra = mixtures()
    model, found = fitted(spectra, learning_rate=0.05)
    assert found.best_epoch == -1
    assert found.best() == found.start
    before = new()
    before.start_from(spectra, whiten=False)
    before.decode_linearly()
    for one, other in zip(model.parameters(), before.parameters(), strict=True):
        assert torch.equal(one, other)


def test_an_ended_training_is_not_continued_by_its_checkpoint(tmp_path):
    """Also one that was stopped before; both end with the bits of a training without a break."""
    spectra = mixtures()
    expected, whole = fitted(spectra)
    for stop in (1, 2, 3):
        path = tmp_path / f"{stop}.safetensors"

        def killed(done, total, row, stop=stop):
            if done == stop:
                raise RuntimeError("killed")

        with pytest.raises(RuntimeError, match="killed"):
            fitted(spectra, Checkpoint(path, seconds=0), killed)
        model, found = fitted(spectra, Checkpoint(path, seconds=0))
        assert (found.rows, found.best_epoch) == (whole.rows, whole.best_epoch)
        assert found.start == whole.start
        for one, other in zip(model.parameters(), expected.parameters(), strict=True):
            assert torch.equal(one, other)


def test_a_loss_has_settled_where_the_last_epochs_hardly_lower_it():
    falling = [1 - 2 * SETTLED_SHARE * step / SETTLED_EPOCHS for step in range(20)]
    for count in range(1, len(falling)):
        assert not has_settled(falling[:count])
    assert has_settled(falling + SETTLED_EPOCHS * [falling[-1]])
    slow = [1 - 0.5 * SETTLED_SHARE * step / SETTLED_EPOCHS for step in range(20)]
    assert [has_settled(slow[:count]) for count in range(1, 6)] == 3 * [False] + 2 * [True]


def test_the_best_terms_are_those_of_the_best_epoch():
    rows = [{"epoch": i, "validation_total": total} for i, total in enumerate((3.0, 1.0, 2.0))]
    assert History(rows=rows, best_epoch=1).best() == {"total": 1.0}
    assert History(rows=rows, best_epoch=-1, start={"total": 0.5}).best() == {"total": 0.5}
