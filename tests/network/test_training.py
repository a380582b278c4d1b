"""The training loop: what it keeps, what it records, what it does when stopped."""

import numpy as np
import pytest
import torch

from spectessera.kmeans import Clusters, choose_k
from spectessera.network import training as training_module
from spectessera.network.autoencoder import Autoencoder
from spectessera.network.balance import balanced_weight
from spectessera.network.batches import Batch, split
from spectessera.network.checkpoint import Checkpoint
from spectessera.network.losses import weighted_squares
from spectessera.network.schedule import Schedule
from spectessera.network.settings import Training
from spectessera.network.shape import Network
from spectessera.network.training import train, validate


def lines(n=600, channels=64, groups=4, sigma=0.05, seed=0):
    """Return noisy spectra of a few lines, the noise-free ones and their group."""
    generator = np.random.default_rng(seed)
    x = np.arange(channels)
    centers = generator.uniform(5, channels - 5, (groups, 3))
    prototypes = np.exp(-0.5 * ((x - centers[..., None]) / 1.5) ** 2).sum(axis=1)
    group = generator.integers(groups, size=n)
    truth = prototypes[group].astype(np.float32)
    noisy = truth + sigma * generator.standard_normal(truth.shape).astype(np.float32)
    return torch.from_numpy(noisy), torch.from_numpy(truth), group


def trained(spectra, clusters=None, progress=None, checkpoint=None, **settings):
    network = Network(latent=2, encoder=(32, 16))
    generator = torch.Generator().manual_seed(settings.get("seed", 0))
    model = Autoencoder(network, spectra.shape[1], "identity", generator=generator)
    settings = {"epochs": 8, "batch_size": 128} | settings
    history = train(
        model, spectra, clusters or Clusters(2, 5), Training(**settings), progress=progress,
        checkpoint=checkpoint,
    )  # fmt: skip
    return model, history


def test_a_resumed_training_ends_with_the_same_weights_bit_for_bit(tmp_path):
    """Dropout, variational draws, plateau and both schedules are all in the checkpoint."""
    spectra, _, _ = lines(300)
    network = Network(latent=2, encoder=(16,), dropout=0.2, variational=True)
    settings = Training(
        epochs=9, batch_size=100, beta=0.5, gamma=Schedule(0.0, 0.3, 1, 6), denoise=0.1, plateau=1
    )

    def run(checkpoint=None, stop=None):
        model = Autoencoder(network, 64, "identity", generator=torch.Generator().manual_seed(0))

        def progress(done, total, row):
            if done == stop:
                raise RuntimeError("killed")

        history = train(
            model, spectra, Clusters(2, 4), settings, checkpoint=checkpoint, progress=progress
        )
        return model, history

    unbroken, expected = run()
    for stop in range(1, 9):
        path = tmp_path / f"{stop}.safetensors"
        with pytest.raises(RuntimeError, match="killed"):
            run(Checkpoint(path, seconds=0), stop)
        resumed, history = run(Checkpoint(path, seconds=0))
        assert torch.equal(weights_of(unbroken), weights_of(resumed)), stop
        assert history.rows == expected.rows
        assert history.best_epoch == expected.best_epoch


def test_a_checkpoint_of_another_training_is_refused(tmp_path):
    spectra, _, _ = lines(200)
    path = tmp_path / "state.safetensors"

    def run(data, output="identity", variance=None, **changes):
        model = Autoencoder(Network(encoder=(8,)), 64, output, generator=torch.Generator())
        settings = Training(**{"epochs": 1, "batch_size": 100, **changes})
        kept = Checkpoint(path, seconds=0)
        train(model, data, Clusters(2, 3), settings, variance=variance, checkpoint=kept)

    run(spectra)
    run(spectra, variance=torch.ones_like(spectra))  # this loss does not look at it
    with pytest.raises(ValueError, match="another training"):
        run(spectra, output="softplus")
    with pytest.raises(ValueError, match="another training"):
        run(spectra + 1)
    with pytest.raises(ValueError, match="another training"):
        run(spectra, gamma=0.7)
    path.unlink()
    run(spectra, loss="variance", variance=torch.ones_like(spectra))
    with pytest.raises(ValueError, match="another training"):
        run(spectra, loss="variance", variance=2 * torch.ones_like(spectra))


def test_discrepancy_is_computed_only_where_it_has_a_weight_and_pulls_to_the_prior():
    spectra, _, _ = lines()
    _, without = trained(spectra, epochs=1)
    assert "discrepancy" not in without.rows[0]
    model, _ = trained(spectra, epochs=30, beta=20.0, gamma=0.0)
    free, _ = trained(spectra, epochs=30, beta=0.0, gamma=0.0)
    with torch.no_grad():
        pulled, wild = (each.encode(spectra)[0].square().mean() for each in (model, free))
    assert abs(float(pulled) - 1) < abs(float(wild) - 1)


def test_losses_for_counts_decode_to_rates_and_probabilities():
    generator = torch.Generator().manual_seed(0)
    _, truth, _ = lines(channels=64)
    counts = torch.poisson(20 * truth + 0.2, generator=generator)
    for loss, output in (("poisson", "softplus"), ("multinomial", "softmax")):
        network = Network(latent=3, encoder=(32,))
        model = Autoencoder(network, 64, output, generator=torch.Generator().manual_seed(0))
        settings = Training(epochs=60, batch_size=128, loss=loss, learning_rate=5e-3)
        train(model, counts, Clusters(2, 5), settings)
        with torch.no_grad():
            found = model(counts)[0]
        assert (found >= 0).all()
        wanted = 20 * truth + 0.2
        if loss == "multinomial":
            assert torch.allclose(found.sum(1), torch.ones(len(found)), atol=1e-5)
            wanted = wanted / wanted.sum(1, keepdim=True)
        assert (found - wanted).square().mean() < 0.2 * (wanted - wanted.mean(0)).square().mean()


def test_the_loss_by_variance_is_chi_squared_and_skips_what_has_no_variance():
    spectra, truth, _ = lines(sigma=0.05)
    variance = torch.full_like(spectra, 0.05**2)
    assert float(weighted_squares(truth, spectra, variance)) == pytest.approx(1, abs=0.02)
    spoiled = spectra.clone()
    spoiled[:, 10] = 1e6
    variance[:, 10] = 0.0
    expected = 63 / 64
    assert float(weighted_squares(truth, spoiled, variance)) == pytest.approx(expected, abs=0.02)
    with pytest.raises(ValueError, match="variance"):
        trained(spectra, loss="variance")


def weights_of(model):
    return torch.cat([each.flatten() for each in model.state_dict().values()])


def test_cluster_term_changes_the_weights():
    """The published code's cluster term left the weights bit-identical; ours must not."""
    spectra, _, _ = lines()
    without, _ = trained(spectra, gamma=0.0)
    with_term, _ = trained(spectra, gamma=0.5)
    assert not torch.allclose(weights_of(without), weights_of(with_term))


def test_same_seed_gives_the_same_weights_bit_for_bit_and_another_seed_others():
    spectra, _, _ = lines()
    first, second = (weights_of(trained(spectra, seed=3)[0]) for _ in range(2))
    assert torch.equal(first, second)
    assert not torch.equal(first, weights_of(trained(spectra, seed=4)[0]))


def test_training_does_not_change_the_callers_random_numbers():
    spectra, _, _ = lines(200)
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    trained(spectra, epochs=1)
    assert torch.equal(torch.rand(3), expected)


def test_best_weights_are_those_of_the_smallest_validation_loss():
    spectra, _, _ = lines()
    model, history = trained(spectra, epochs=30, learning_rate=0.02)
    losses = [row["validation_total"] for row in history.rows]
    assert history.best_epoch == int(np.argmin(losses))
    held = split(
        len(spectra), (0.1, 0.1), 10, torch.Generator().manual_seed(0)
    ).validation  # as in the training: the first draw of its generator
    again = validate(model, Batch(spectra[held], None), Clusters(2, 5), Training(batch_size=128))
    assert again["total"] == pytest.approx(min(losses), rel=1e-6)


def test_without_its_gradient_the_cluster_term_chooses_weights_but_does_not_train_them():
    """The released code of the paper: gamma counts in the loss, and it has no gradient."""
    spectra, _, _ = lines()
    free, alone = trained(spectra, gamma=0.0)
    _, history = trained(spectra, gamma=0.5, total="sum", cluster_gradient=False)
    moved, _ = trained(spectra, gamma=0.5, total="sum")
    names = ("reconstruction", "validation_reconstruction")
    for row, expected in zip(history.rows, alone.rows, strict=True):
        assert [row[name] for name in names] == [expected[name] for name in names]
        assert row["total"] == pytest.approx(row["reconstruction"] + 0.5 * row["cluster"])
    losses = [row["validation_total"] for row in history.rows]
    assert history.best_epoch == int(np.argmin(losses))
    assert not torch.equal(next(moved.parameters()), next(free.parameters()))


def test_selection_begins_when_a_rising_gamma_has_ended():
    """A rising gamma makes later epochs look worse: the first ones must not win by that."""
    spectra, _, _ = lines()
    _, history = trained(spectra, epochs=12, gamma=Schedule(0.0, 5.0, 2, 8))
    assert history.best_epoch >= 8
    assert [row["gamma"] for row in history.rows[:3]] == [0.0, 0.0, 0.0]
    assert history.rows[5]["gamma"] == pytest.approx(2.5)
    assert history.rows[-1]["gamma"] == 5.0


def test_a_schedule_longer_than_the_training_still_leaves_weights():
    spectra, _, _ = lines()
    _, history = trained(spectra, epochs=4, gamma=Schedule(0.0, 1.0, 0, 100))
    assert history.best_epoch == 3


def test_history_names_every_term_and_the_k_of_each_batch():
    spectra, _, _ = lines()
    _, history = trained(spectra, epochs=2)
    row = history.rows[0]
    names = {"total", "reconstruction", "cluster", "silhouette", "learning_rate", "gamma"}
    assert names <= set(row)
    assert row["cluster"] == pytest.approx((1 - row["silhouette"]) / 2, abs=1e-6)
    assert len(row["k"]) == 4  # 480 training spectra in batches of at most 128
    assert all(2 <= k <= 5 for k in row["k"])
    assert "total" in history.test


def test_nothing_is_clustered_without_a_cluster_term():
    spectra, _, _ = lines()
    _, history = trained(spectra, epochs=1, gamma=0.0)
    assert "silhouette" not in history.rows[0]


def test_ctrl_c_keeps_the_best_weights_so_far():
    spectra, truth, _ = lines()

    def stop(done, total, row):
        if done == 20:
            raise KeyboardInterrupt

    model, history = trained(spectra, epochs=50, progress=stop)
    assert history.interrupted
    assert len(history.rows) == 20
    with torch.no_grad():
        error = (model(spectra)[0] - truth).square().mean()
    assert error < 0.5 * (spectra.mean(0) - truth).square().mean()


def test_ctrl_c_before_the_first_epoch_stops():
    spectra, _, _ = lines()
    model = Autoencoder(Network(), 64, "identity", generator=torch.Generator())

    class Stopping(Autoencoder):
        def forward(self, spectra):
            raise KeyboardInterrupt

    model.__class__ = Stopping
    with pytest.raises(KeyboardInterrupt):
        train(model, spectra, Clusters(2, 3), Training(epochs=1))


def test_a_loss_that_is_not_finite_is_an_error_with_a_remedy():
    spectra, _, _ = lines()
    with pytest.raises(ValueError, match="learning rate"):
        trained(spectra, learning_rate=1e20, epochs=20)


@pytest.mark.parametrize("dropout", [0.0, 0.1])
def test_noisy_line_spectra_do_not_collapse_the_latent(dropout):
    """1024 channels, 4 prototypes, sigma 0.05 of the peak, 160 steps: 5x below the mean spectrum.

    The published code fails here: its encoder saturates and its latent is one point.
    """
    spectra, truth, group = lines(2048, channels=1024)
    peak = spectra.amax(1, keepdim=True)
    spectra, truth = spectra / peak, truth / peak
    network = Network(latent=3, encoder=(512, 256, 32), decoder=(128, 256), dropout=dropout)
    model = Autoencoder(network, 1024, "identity", generator=torch.Generator().manual_seed(0))
    train(model, spectra, Clusters(2, 6), Training(epochs=53))  # 3 steps each
    with torch.no_grad():
        output, latent, _ = model(spectra)
    error = (output - truth).square().mean()
    assert (spectra.mean(0) - truth).square().mean() > 5 * error
    from spectessera.kmeans import choose_k

    found = choose_k(
        latent, Clusters(2, 6, criterion="silhouette"), generator=torch.Generator().manual_seed(0)
    )
    assert found.k == 4
    table = np.zeros((4, 4))
    np.add.at(table, (group, found.labels.numpy()), 1)
    assert table.max(axis=1).sum() == len(group)


def test_parts_are_disjoint_and_whole_and_a_tiny_set_is_not_torn():
    parts = split(1000, (0.1, 0.1), 20, torch.Generator().manual_seed(0))
    together = torch.cat([parts.train, parts.validation, parts.test])
    assert torch.equal(together.sort().values, torch.arange(1000))
    tiny = split(30, (0.1, 0.1), 20, torch.Generator().manual_seed(0))
    assert len(tiny.train) == len(tiny.validation) == 30
    assert len(tiny.test) == 0


def test_more_weight_never_lowers_the_silhouette_of_counts():
    """A loss of counts that could be negative would turn the cluster term round (eq. 6)."""
    generator = np.random.default_rng(0)
    rate = np.where(np.arange(400)[:, None] % 2, 6.0, 3.0) * np.ones(30)
    rate[::2, 4:9] += 12
    counts = torch.from_numpy(generator.poisson(rate).astype(np.float32))

    def silhouette_with(gamma):
        model = Autoencoder(
            Network(latent=2, encoder=(16,)), 30, "softplus", generator=torch.Generator()
        )
        settings = Training(epochs=25, batch_size=128, loss="poisson", gamma=gamma)
        history = train(model, counts, Clusters(2, 2), settings)
        assert all(row["total"] > 0 for row in history.rows)
        points = model.encode(counts)[0].detach()
        generator = torch.Generator().manual_seed(0)
        return float(choose_k(points, Clusters(2, 2), generator=generator).score)

    assert silhouette_with(3.0) > silhouette_with(0.0)


def test_a_variance_that_is_nowhere_positive_is_refused():
    spectra, _, _ = lines(100)
    model = Autoencoder(Network(encoder=(8,)), 64, "identity", generator=torch.Generator())
    settings = Training(epochs=1, batch_size=50, loss="variance")
    for nothing in (torch.zeros_like(spectra), torch.full_like(spectra, torch.nan), -spectra.abs()):
        with pytest.raises(ValueError, match="needs variances above 0"):
            train(model, spectra, Clusters(2, 3), settings, variance=nothing)


def test_a_schedule_that_ends_after_the_training_is_reported(caplog):
    spectra, _, _ = lines(100)
    trained(spectra, Clusters(2, 3), epochs=2, gamma=Schedule(0.0, 0.1, 0, 9))
    assert "ends at epoch 9" in caplog.text


def test_balanced_terms_pull_in_the_given_ratio():
    """The two gradients with respect to the latent, by hand on a small graph."""
    latent = torch.tensor([[3.0, 4.0]], requires_grad=True)
    base, cluster = 2 * latent.sum(), latent.square().sum()
    weight = balanced_weight(0.5, base, cluster, latent)
    # gradients (2, 2) and (6, 8), of lengths sqrt(8) and 10
    assert float(weight) == pytest.approx(0.5 * 8**0.5 / 10)
    assert not weight.requires_grad


def test_balanced_training_chooses_k_once_when_the_term_begins():
    spectra, _, _ = lines()
    settings = {"total": "balanced", "gamma": Schedule(0.0, 0.3, 4, 5), "epochs": 10}
    model, history = trained(spectra, **settings)
    assert all("k" not in row for row in history.rows[:4])
    chosen = {k for row in history.rows[5:] for k in row["k"]}
    assert len(chosen) == 1
    assert history.best_epoch >= 5
    alone, _ = trained(spectra, **settings | {"gamma": 0.0})
    assert not torch.allclose(weights_of(model), weights_of(alone))
    assert history.rows[-1]["validation_total"] == history.rows[-1]["validation_reconstruction"]


def test_balanced_terms_do_not_depend_on_the_unit_of_the_cluster_term(monkeypatch):
    spectra, _, _ = lines()
    settings = {"total": "balanced", "gamma": Schedule(0.0, 0.3, 1, 2), "epochs": 4}
    first = weights_of(trained(spectra, **settings)[0])
    monkeypatch.setattr(training_module, "cluster_term", lambda score: 1000 * (1 - score))
    torch.testing.assert_close(weights_of(trained(spectra, **settings)[0]), first)


def test_balanced_training_continues_from_a_checkpoint_with_the_same_k(tmp_path):
    spectra, _, _ = lines()
    settings = {"total": "balanced", "gamma": Schedule(0.0, 0.3, 2, 3), "epochs": 8}
    whole, _ = trained(spectra, **settings)

    def stop(epoch, *_):
        if epoch == 5:
            raise KeyboardInterrupt

    checkpoint = Checkpoint(tmp_path / "state", seconds=0)
    trained(spectra, checkpoint=checkpoint, progress=stop, **settings)
    again, _ = trained(spectra, checkpoint=checkpoint, **settings)
    assert torch.equal(weights_of(again), weights_of(whole))


@pytest.mark.parametrize(
    "settings",
    [
        {"cluster_gradient": False},
        {"gamma": Schedule(0, 0.1, 3, 3), "train_encoder": False},
        {"gamma": 0.1},
        {"gamma": Schedule(0.1, 0.2, 0, 5)},
    ],
)
def test_balanced_terms_need_a_gradient_and_a_time_without_the_cluster_term(settings):
    with pytest.raises(ValueError, match='total="balanced"'):
        Training(total="balanced", **settings)
