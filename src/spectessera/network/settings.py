"""The settings of a training, and what follows from them for one epoch or one batch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

from spectessera._util.check import check_choice, check_number
from spectessera.kmeans import EXACT_POINTS, Clusters

from .schedule import RECONSTRUCTIONS, TOTALS, Schedule, as_schedule


@dataclass(frozen=True)
class Training:
    """How the network is trained.

    What is not named is as in the paper, with a cluster term and an encoder that is trained. The
    defaults of a segmenter are others, and give other clusters;
    ``SpectralSegmenter().set_params(training__epochs=30)`` changes one setting of them.

    Parameters
    ----------
    epochs : int, optional
        Passes over the training spectra. By default as many as make about 3,000 steps (10 to 1,000
        epochs), so that the training of a small cube is long enough; about 600 steps for a trained
        model or a network with a linear path, which start near their optimum.
    steps : int
        Steps of an epoch in training on simulated spectra, whose number is not limited.
    batch_size : int
        Spectra per step. The silhouette is computed within a batch, which therefore needs at least
        a few spectra of each cluster.
    learning_rate : float, optional
        Of Adam at the start; by default 1e-3, or 1e-4 if the training starts from a trained model.
    decay : "plateau" or "cosine"
        How the learning rate decreases: when the validation loss stops decreasing, or along half a
        cosine over all epochs, after a linear rise over the first tenth of them.
    gamma : float or Schedule
        Weight of the cluster term; 0 trains the reconstruction alone. Large weights merge
        overlapping groups into few clusters (see benchmarks/RESULTS.md).
    cluster_gradient : bool
        Whether the cluster term moves the encoder. If not, it is part of the loss by which the best
        weights are chosen, but the weights are trained on the other terms alone, as in the code
        that the authors of the paper released.
    beta : float or Schedule
        Weight of the maximum mean discrepancy between the latents and a standard normal
        distribution (InfoVAE); the term is not computed if the weight is 0.
    bandwidth : float, optional
        Of its Gaussian kernel; by default latent / sqrt(2), that of the published code.
    composition : float
        In training on simulated spectra: weight of the error of the shares of known components
        that a linear head predicts from the latent.
    contrastive : float
        In training on simulated spectra: weight of the contrastive loss (InfoNCE), by which two
        measurements of one composition are to be more alike than those of other compositions.
    loss : "squared", "variance", "poisson" or "multinomial"
        Reconstruction: mean squared error, squares over the cube's variance, or the negative
        log-likelihood of counts.
    thinning : bool, optional
        Split the counts of every spectrum at random into two halves and decode one from the other,
        see :class:`spectessera.network.batches.ThinnedCounts`. By default this is done if the cubes
        hold counts (:func:`spectessera.cube.noise_of`) and the training starts from a trained
        model.
    freeze : int
        Number of hidden layers of the encoder, from the input on, whose weights are not trained.
    train_encoder : bool, optional
        Whether the encoder is trained. If not, only the decoder is, and the latents of a new
        network are the principal components of the inputs, those held out included, without
        whitening; it needs a linear path (``Network``). None: it is trained if the loss has a
        term for it (``gamma``, ``beta``), or the latents cannot be principal components.
    denoise : float, optional
        Standard deviation of Gaussian noise that is added to the inputs of the encoder in training,
        in units of the standard deviation of all inputs; the target is the spectrum without this
        noise. None is chosen by the noise of the spectra (:mod:`spectessera.preprocess.auto`).
    total : "normalised", "sum" or "balanced"
        How the terms are combined, see :func:`spectessera.network.losses.total_loss`. "balanced":
        the sum, with a weight such that the cluster term has ``gamma`` times the gradient of the
        other terms with respect to the latent. It needs a schedule of gamma that begins with 0: k
        is chosen when the term begins, and the best epoch by the other terms alone.
    lloyd_iter : int
        Largest number of Lloyd iterations on a batch in training (one seeding).
    validation, test : float
        Shares of the spectra that are held out: to choose the best weights, and to report the loss
        at the end.
    plateau, factor : int, float
        After ``plateau`` epochs without a better validation loss the learning rate is multiplied
        by ``factor``.
    patience : int, optional
        Number of epochs without a better validation loss after which the training stops; by default
        60. A decoder that starts at the best linear one (that of principal components, see
        :mod:`spectessera.network.start`) by default stops when three epochs together lower the
        validation loss by less than half a per cent: most spectra need no more than that.
    sampling : "random" or "signal"
        Which pixels of cubes are trained on: a random ``fraction`` of each cube, or all pixels with
        signal and a random ``fraction`` of the others (0.05 for the paper's emission-line cubes),
        see :func:`spectessera.preprocess.training_spectra.signal_pixels`.
    fraction : float
        See ``sampling``.
    max_spectra : int
        Largest number of spectra to train on; more are sampled at random.
    seed : int
        Of the weights, the split, the batches and the seedings.

    Examples
    --------
    >>> Training(epochs=50, batch_size=512, gamma=0.01, seed=0).epochs
    50
    """

    epochs: int | None = None
    steps: int = 100
    batch_size: int = 512
    learning_rate: float | None = None
    decay: str = "plateau"
    gamma: float | Schedule = 0.01
    cluster_gradient: bool = True
    beta: float | Schedule = 0.0
    bandwidth: float | None = None
    composition: float = 0.0
    contrastive: float = 0.0
    loss: str = "squared"
    thinning: bool | None = None
    freeze: int = 0
    train_encoder: bool | None = True
    denoise: float | None = 0.0
    total: str = "normalised"
    lloyd_iter: int = 10
    validation: float = 0.1
    test: float = 0.1
    plateau: int = 20
    factor: float = 0.5
    patience: int | None = None
    sampling: str = "random"
    fraction: float = 1.0
    max_spectra: int = 100_000
    seed: int = 0

    def __post_init__(self) -> None:
        if self.epochs is not None:
            check_number("epochs", self.epochs, low=1, integer=True)
        check_number("steps", self.steps, low=1, high=1_000_000, integer=True)
        check_number("batch_size", self.batch_size, low=2, high=EXACT_POINTS, integer=True)
        if self.learning_rate is not None:
            check_number("learning_rate", self.learning_rate, low=0.0, open_low=True)
        check_choice("decay", self.decay, ("plateau", "cosine"))
        check_number("composition", self.composition, low=0.0)
        check_number("contrastive", self.contrastive, low=0.0)
        check_choice("thinning", self.thinning, (None, True, False))
        check_number("freeze", self.freeze, low=0, high=100, integer=True)
        as_schedule(self.gamma, "gamma")
        check_choice("cluster_gradient", self.cluster_gradient, (True, False))
        as_schedule(self.beta, "beta")
        if self.bandwidth is not None:
            check_number("bandwidth", self.bandwidth, low=0.0, open_low=True)
        check_choice("loss", self.loss, RECONSTRUCTIONS)
        check_choice("train_encoder", self.train_encoder, (None, True, False))
        if self.denoise is not None:
            check_number("denoise", self.denoise, low=0.0)
        check_choice("total", self.total, TOTALS)
        if self.total == "balanced":
            self._check_balanced()
        check_number("lloyd_iter", self.lloyd_iter, low=1, integer=True)
        check_number("validation", self.validation, low=0.0, high=0.5)
        check_number("test", self.test, low=0.0, high=0.4)
        check_number("plateau", self.plateau, low=1, integer=True)
        check_number("factor", self.factor, low=0.0, high=1.0, open_low=True)
        if self.patience is not None:
            check_number("patience", self.patience, low=1, integer=True)
        check_choice("sampling", self.sampling, ("random", "signal"))
        check_number("fraction", self.fraction, low=0.0, high=1.0)
        check_number("max_spectra", self.max_spectra, low=10, integer=True)
        check_number("seed", self.seed, low=0, high=2**63 - 1, integer=True)

    def _check_balanced(self) -> None:
        gamma = as_schedule(self.gamma, "gamma")
        if gamma.first > 0 or (gamma.last > 0 and gamma.end == 0):
            raise ValueError(
                f'total="balanced" needs epochs without the cluster term; got gamma={self.gamma}: '
                "take a schedule, such as Schedule(0, 0.1, 15, 15)"
            )
        if not self.cluster_gradient:
            raise ValueError('total="balanced" needs the gradient of the cluster term')
        if self.train_encoder is False:
            raise ValueError(
                'total="balanced" weighs gradients of the encoder, which train_encoder=False has '
                "none of: take train_encoder=True, or another total"
            )


class TermWeights(NamedTuple):
    """Weights of the terms of the loss at one epoch."""

    beta: float
    gamma: float


def weights_at(training: Training, epoch: int | None) -> TermWeights:
    """Return the weights of the terms at an epoch; those of the validation for None.

    The latter are those at the end; of balanced terms without the cluster term, whose weight needs
    a gradient.
    """
    beta, gamma = as_schedule(training.beta, "beta"), as_schedule(training.gamma, "gamma")
    if epoch is None:
        return TermWeights(beta.last, 0.0 if training.total == "balanced" else gamma.last)
    return TermWeights(beta.at(epoch), gamma.at(epoch))


def batch_clusters(clusters: Clusters, training: Training) -> Clusters:
    """Return how a batch is clustered: one k-means++ seeding, few iterations, by the silhouette."""
    seeding = "k-means++" if clusters.seeding == "greedy" else clusters.seeding
    return replace(
        clusters,
        restarts=1,
        seeding=seeding,
        max_iter=training.lloyd_iter,
        criterion="silhouette",
    )
