"""The estimator: fit / transform / predict / inverse_transform / save / load.

The door between numpy and torch, and the only file that names a device.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
import xarray as xr
from sklearn.base import BaseEstimator, ClusterMixin, TransformerMixin
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from spectessera._util.check import check_number
from spectessera._util.threads import ahead
from spectessera._version import __version__
from spectessera.axis import Axis
from spectessera.cube import Block, blocks, check_cube, noise_of
from spectessera.kmeans import Clusters, PairProgress, silhouette_image
from spectessera.kmeans.points import Clustering, Points, agreement_of_seeds, cluster_points
from spectessera.kmeans.rule import Rule, SplitCheck
from spectessera.network.autoencoder import Autoencoder, Network, check_loss, resolve_output
from spectessera.network.batches import Simulated, Thinned, split, whole_counts
from spectessera.network.codec import Codec
from spectessera.network.modelfile import model_path, read_model, write_model
from spectessera.network.training import Checkpoint, History, Progress, Training, train, train_on
from spectessera.preprocess.auto import JUDGED
from spectessera.preprocess.intake import Intake, intake_of, read_inputs
from spectessera.preprocess.recipe import Preprocess
from spectessera.preprocess.training_spectra import (
    Collected,
    Drawn,
    Sampling,
    as_cubes,
    candidates,
    collect,
    common_axis,
    draw_rows,
    read_drawn,
    some_spectra,
)
from spectessera.result import KCurves
from spectessera.settings import from_dict, to_dict

from .defaults import CONFIGS, DEFAULTS, Chosen, fine_tuning, of_trained, open_settings, suited
from .novelty import (
    LatentGroups,
    Reference,
    Typical,
    check_typical,
    latent_distance,
    latent_groups,
    reconstruction_error,
    typical_of,
)

if TYPE_CHECKING:
    from spectessera.synth.pairs import Simulation

# Simulated spectra to validate a pretraining with.
HELD_OUT = 4096
_RULE_ARRAYS = ("mean", "matrix", "centers")


class Encoded(NamedTuple):
    """As :class:`BlockInputs`, with ``latent (m, latent)``."""

    pixel: np.ndarray
    quality: np.ndarray
    usable: np.ndarray
    values: np.ndarray
    variance: np.ndarray | None
    inputs: np.ndarray
    latent: np.ndarray


class _Measured(NamedTuple):
    """Spectra that were read; positions (n,) to train on, and to judge by."""

    drawn: list[Drawn]
    train: np.ndarray
    judge: np.ndarray


class SpectralSegmenter(ClusterMixin, TransformerMixin, BaseEstimator):
    """Deep spectral clustering: an autoencoder trained jointly with a differentiable k-means.

    What is not told is what wins in benchmarks/QUALITY.md: roots of the values where they are noisy
    or non-negative, divided by their root sum of squares; an encoder that starts at the principal
    components; whitened latents on the unit sphere; no cluster term. Settings that are told (a
    ``Preprocess``, a ``Network`` ...) are taken as they are, those of the paper among them.

    Parameters
    ----------
    preprocess : Preprocess, optional
    network : Network, optional
    clusters : Clusters, optional
    training : Training, optional
        Settings; None is :data:`spectessera.segmenter.defaults.DEFAULTS`.
        ``set_params(network__latent=4)`` changes one.
    device : str, optional
        Such as "cuda" or "mps"; by default the CPU.

    Attributes
    ----------
    n_clusters_ : int
        k that was chosen over the latents of the training spectra.
    cluster_centers_ : array (k, latent), float32
        Numbered by size.
    labels_ : array (n,), int64
        Cluster of every row of the array, or of every pixel of the cube(s), flattened; -1 for
        pixels that are masked, unusable or were not drawn for training.
    choices_ : KCurves
        What speaks for every k: silhouette and stability.
    history_ : History
    axis_, input_axis_ : Axis
        Spectral axis of the spectra and of the network inputs.
    components_ : tuple of str
        What a linear head of the network tells the shares of; of a pretrained model.
    rule_ : Rule
        How the clusters of the training give a latent its label.
    model_ : Autoencoder
    n_features_in_ : int

    References
    ----------
    Bombini et al. 2024, arXiv 2401.17695.
    """

    def __init__(
        self,
        preprocess: Preprocess | None = None,
        network: Network | None = None,
        clusters: Clusters | None = None,
        training: Training | None = None,
        device: str | None = None,
    ) -> None:
        self.preprocess = preprocess
        self.network = network
        self.clusters = clusters
        self.training = training
        self.device = device

    axis_: Axis
    input_axis_: Axis
    output_: str
    components_: tuple[str, ...]
    chosen_: Chosen
    model_: Autoencoder

    # --- settings ------------------------------------------------------------------------------

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the settings; with ``deep`` also ``network__latent`` and all the like."""
        params = super().get_params(deep=False)
        if deep:
            for name in CONFIGS:
                config = self._told(name)
                for each in fields(config):
                    params[f"{name}__{each.name}"] = getattr(config, each.name)
        return params

    def set_params(self, **params: Any) -> SpectralSegmenter:
        """Change settings; ``network__latent=4`` changes one field of one of them."""
        for name, value in params.items():
            outer, nested, inner = name.partition("__")
            if outer not in self._get_param_names() or (nested and outer not in CONFIGS):
                raise ValueError(
                    f"{name!r} is not a parameter of SpectralSegmenter; known are "
                    f"{', '.join(self._get_param_names())}, and fields as in network__latent"
                )
            if nested:
                config = self._told(outer)
                if inner not in {each.name for each in fields(config)}:
                    raise ValueError(f"{inner!r} is not a setting of {type(config).__name__}")
                value = replace(config, **{inner: value})
            setattr(self, outer, value)
        return self

    def _told(self, name: str) -> Any:
        """Return a configuration as it was told, else the default one."""
        value = getattr(self, name)
        if value is None:
            return DEFAULTS[name]
        if not isinstance(value, CONFIGS[name]):
            raise TypeError(f"{name} must be a {CONFIGS[name].__name__}; got {value!r}")
        return value

    def config(self, name: str) -> Any:
        """Return a configuration, with what was chosen for the spectra of the training."""
        value = self._told(name)
        chosen = self.__dict__.get("chosen_", {}).get(name, {})
        left = {field: chosen[field] for field in open_settings(name, value) if field in chosen}
        return replace(value, **left) if left else value

    def _is_open(self) -> bool:
        """Tell whether a setting is left to be chosen for the spectra."""
        return any(open_settings(name, self.config(name)) for name in CONFIGS)

    def _look(self, X: Any, cubes: list[xr.DataArray] | None, *, started: bool) -> _Measured | None:
        """Read the spectra of cubes, and choose what is left open."""
        if not started:
            self.chosen_ = {}
            if cubes is not None:
                self.axis_ = common_axis(cubes)
        judged = not started and self._is_open()
        measured = None if cubes is None else self._measure(cubes, judged)
        if judged:
            self._judge(X, measured)
        return measured

    def _measure(self, cubes: list[xr.DataArray], judged: bool) -> _Measured:
        """Read the spectra to train on, and those to judge by, in one go."""
        training = self.config("training")
        if training.loss == "variance" and not all("variance" in cube.coords for cube in cubes):
            raise ValueError('the loss "variance" needs cubes with a variance')
        sampling = Sampling(training.sampling, training.fraction, training.seed)
        able = candidates(cubes, sampling)
        train = able[draw_rows(len(able), training.max_spectra, training.seed)]
        judge = able[draw_rows(len(able), JUDGED if judged else 0, training.seed)]
        both = np.union1d(train, judge)
        drawn = read_drawn(cubes, both, self.config("preprocess").max_missing)
        return _Measured(drawn, train, judge)

    def _judge(self, X: Any, measured: _Measured | None) -> None:
        """Choose what is left open by some spectra, see :mod:`spectessera.preprocess.auto`."""
        configs = {name: self.config(name) for name in CONFIGS}
        plain = replace(configs["preprocess"], stabilise=None, normalise=None)
        training = configs["training"]
        if measured is None:
            array = check_array(X, dtype=np.float32)
            rows = draw_rows(len(array), JUDGED, training.seed)
            inputs = plain.apply(array[rows], Axis(np.arange(array.shape[1]))).values
        else:
            intakes = [Intake(plain, self.axis_)] * (1 + max(each.cube for each in measured.drawn))
            inputs = collect(list(measured.drawn), intakes, measured.judge).inputs
        if len(inputs):
            self.chosen_ = suited(inputs, configs)

    def settings(self) -> dict[str, Any]:
        """Return all settings as plain values, as they are written to files."""
        return {name: to_dict(self.config(name)) for name in CONFIGS}

    def __sklearn_tags__(self) -> Any:
        """Tell scikit-learn what this estimator is."""
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags

    # --- fit -----------------------------------------------------------------------------------

    def fit(
        self,
        X: Any,
        y: Any = None,  # noqa: ARG002 (part of scikit-learn's protocol)
        *,
        start: str | Path | SpectralSegmenter | None = None,
        checkpoint: Checkpoint | None = None,
        progress: Progress | None = None,
    ) -> SpectralSegmenter:
        """Train on spectra.

        Parameters
        ----------
        X : cube, array (n, channel), or sequence of cubes or arrays
            Of one spectral axis; masked and unusable pixels are left out. One array alone must be
            finite.
        y : ignored
        start : str, Path or SpectralSegmenter, optional
            A trained model to go on from: fine-tuning. A name such as "maxrf", a file or a model;
            its network, preprocessing and spectral axis are taken over.
        checkpoint : Checkpoint, optional
            Keep the state of the training in a file, and go on from it if it is there.
        progress : callable, optional
            See :func:`spectessera.network.training.train`.

        Returns
        -------
        SpectralSegmenter
            Itself.

        Raises
        ------
        ValueError
            If the spectra are too few, not finite, or on different axes.
        """
        if start is not None:
            self._start_from(start if isinstance(start, SpectralSegmenter) else load(start))
        for name in CONFIGS:
            self.config(name)  # complain before any work
        cubes = as_cubes(X)
        measured = self._look(X, cubes, started=start is not None)
        configs = {name: self.config(name) for name in CONFIGS}
        if cubes is None or measured is None:
            found, total = self._array_inputs(X, configs, start is not None)
            intake = Intake(configs["preprocess"], self.axis_)
        else:
            found, intake = self._cube_inputs(cubes, measured, configs, start is not None)
            total = sum(cube.sizes["y"] * cube.sizes["x"] for cube in cubes)
        self.input_axis_ = configs["preprocess"].input_axis(self.axis_)
        if start is None:
            self.components_ = ()
        self._train(found, intake, configs, start is not None, checkpoint, progress)
        latent = self.codec.encode(found.inputs)
        clustering = self.cluster(latent, seed=configs["training"].seed)
        self._take_clusters(found.inputs, latent, clustering)
        if cubes is None and len(found.rows) < total:
            self.labels_ = self.predict(X)
        else:
            self.labels_ = np.full(total, -1, dtype=np.int64)
            self.labels_[found.rows] = clustering.labels
        return self

    def _start_from(self, other: SpectralSegmenter) -> None:
        """Take over another model but for its clusters; assumes it is trained.

        Raises
        ------
        ValueError
            If this segmenter was told another network or preprocessing.
        """
        check_is_fitted(other)
        for name in ("network", "preprocess"):
            if getattr(self, name) not in (None, other.config(name)):
                raise ValueError(
                    f"the {name} is that of the model to start from; leave {name} out, or train "
                    "without start"
                )
            setattr(self, name, other.config(name))
        if self.clusters is None:
            self.clusters = other.clusters
        self.chosen_ = of_trained(other.rule_.metric)
        if self.training is None:
            self.training = fine_tuning(other.config("training").loss)
        self.axis_, self.output_ = other.axis_, other.output_
        self.components_ = other.components_
        self.n_features_in_ = len(self.axis_)
        self.model_ = copy.deepcopy(other.model_).to(self.device or "cpu")

    def _take_clusters(
        self, inputs: np.ndarray, latent: np.ndarray, clustering: Clustering
    ) -> None:
        """Keep the clusters of the training, and how far its spectra are from what is known."""
        self.cluster_centers_ = clustering.centers
        self.n_clusters_ = len(clustering.centers)
        self.choices_, self.rule_ = clustering.curves, clustering.rule
        self.latent_groups_ = latent_groups(latent, clustering.labels, clustering.centers)
        parts = [slice(first, first + JUDGED) for first in range(0, len(inputs), JUDGED)]
        errors = [
            reconstruction_error(inputs[part], self.codec.decode(latent[part])) for part in parts
        ]
        distance = latent_distance(latent, self.latent_groups_)
        self.typical_ = typical_of(distance, np.concatenate(errors))

    def _array_inputs(
        self, X: Any, configs: dict[str, Any], started: bool
    ) -> tuple[Collected, int]:
        """Return what to train on and the number of all rows."""
        smallest = configs["clusters"].k_min + 1
        array = validate_data(
            self, X, dtype=np.float32, ensure_min_samples=smallest, reset=not started
        )
        if not started:
            self.axis_ = Axis(np.arange(array.shape[1]))
        training = configs["training"]
        rows = draw_rows(len(array), training.max_spectra, training.seed)
        inputs = configs["preprocess"].apply(array[rows], self.axis_).values
        values = array[rows] if training.thinning else None
        return Collected(inputs, None, rows, values), len(array)

    def _cube_inputs(
        self,
        cubes: list[xr.DataArray],
        measured: _Measured,
        configs: dict[str, Any],
        started: bool,
    ) -> tuple[Collected, Intake]:
        """Return what to train on, and the way to the inputs."""
        if not started:
            self.n_features_in_ = len(self.axis_)
        training, k_min = configs["training"], configs["clusters"].k_min
        intakes = [intake_of(cube, configs["preprocess"], self.axis_) for cube in cubes]
        extra = "variance" if training.loss == "variance" else ""
        if _thins(training, cubes, measured.drawn, started):
            common_axis(cubes)  # counts of several axes have no common halves
            extra = "values"
        found = collect(measured.drawn, intakes, measured.train, extra=extra)
        if len(found.inputs) <= k_min:
            raise ValueError(
                f"{len(found.inputs)} usable spectra are too few; at least {k_min + 1} are needed "
                f"for {k_min} clusters"
            )
        return found, intakes[0]

    def _train(
        self,
        found: Collected,
        intake: Intake,
        configs: dict[str, Any],
        started: bool,
        checkpoint: Checkpoint | None,
        progress: Progress | None,
    ) -> None:
        """Train the network, a new one unless there is one already; assumes checked input."""
        clusters, training = configs["clusters"], configs["training"]
        device = torch.device(self.device or "cpu")
        bounds = float(found.inputs.min()), float(found.inputs.max())
        if started:
            check_loss(training.loss, self.output_, bounds[0])
        else:
            self._build(configs, found.inputs.shape[1], *bounds)
        told: dict[str, Any] = {"trained": started, "checkpoint": checkpoint, "progress": progress}
        if found.values is not None:
            shuffle = torch.Generator().manual_seed(training.seed)
            shares = training.validation, training.test
            source = Thinned(
                whole_counts(found.values),
                lambda counts: intake.apply(counts).values,
                split(len(found.values), shares, 2 * clusters.k_max, shuffle),
                training.batch_size,
                training.seed,
                device,
            )
            self.history_ = train_on(
                self.model_, source, clusters, training, shuffle=shuffle, **told
            )
            return
        variance = None if found.variance is None else torch.from_numpy(found.variance).to(device)
        inputs = torch.from_numpy(found.inputs).to(device)
        self.history_ = train(self.model_, inputs, clusters, training, variance=variance, **told)

    def _build(
        self, configs: dict[str, Any], channels: int, smallest: float, largest: float
    ) -> None:
        """Make a new network."""
        network, training = configs["network"], configs["training"]
        normalise = configs["preprocess"].normalise
        self.output_ = resolve_output(network, smallest, largest, normalise, training.loss)
        generator = torch.Generator().manual_seed(training.seed)
        model = Autoencoder(network, channels, self.output_, generator=generator)
        self.model_ = model.to(self.device or "cpu")

    def pretrain(
        self,
        simulation: Simulation,
        *,
        checkpoint: Checkpoint | None = None,
        progress: Progress | None = None,
    ) -> SpectralSegmenter:
        """Train on simulated spectra, no two alike: to decode what is behind the noise.

        The network sees a simulated measurement and is to decode the expectation of the same
        composition without noise, on one fixed instrument. An epoch is ``training.steps`` steps.
        The clusters of the model are those of simulated spectra that it was validated with.

        Parameters
        ----------
        simulation : XrfSimulation or NebularSimulation
            See :mod:`spectessera.synth.pairs`, and :mod:`spectessera.segmenter.pretraining` for
            the settings.
        checkpoint, progress
            As for :meth:`fit`.

        Returns
        -------
        SpectralSegmenter
            Itself.

        Raises
        ------
        ValueError
            If the settings do not go together, see :func:`spectessera.network.training.train`.
        """
        self.chosen_ = of_trained("whitened-sphere")
        configs = {name: self.config(name) for name in CONFIGS}
        training, preprocess = configs["training"], configs["preprocess"]
        components = configs["network"].components
        if components not in (0, len(simulation.components)):
            raise ValueError(
                f"components={components}, but the simulation has {len(simulation.components)}"
            )
        if training.composition > 0 and components == 0:
            raise ValueError("composition needs a network with components, which this has not")
        self.axis_ = simulation.axis
        self.n_features_in_ = len(self.axis_)
        self.input_axis_ = preprocess.input_axis(self.axis_)
        self.components_ = simulation.components if components else ()
        source = self._simulated(simulation)
        seen = source.start
        self._build(configs, seen.shape[1], float(seen.min()), float(seen.max()))
        self.history_ = train_on(
            self.model_, source, configs["clusters"], training, checkpoint=checkpoint,
            progress=progress,
        )  # fmt: skip
        return self._end_pretraining(source)

    def _simulated(self, simulation: Simulation) -> Simulated:
        """Return what a pretraining draws from; its ``start`` are the inputs to validate with."""
        training, preprocess = self.config("training"), self.config("preprocess")
        return Simulated(
            simulation.pairs,
            lambda spectra: preprocess.apply(spectra, self.axis_).values,
            training.steps,
            training.batch_size,
            HELD_OUT,
            training.contrastive > 0,
            torch.device(self.device or "cpu"),
        )

    def _end_pretraining(self, source: Simulated) -> SpectralSegmenter:
        """Take the clusters of the simulated spectra that a pretraining was validated with."""
        inputs = source.start.cpu().numpy()
        latent = self.codec.encode(inputs)
        seed = self.config("training").seed
        self._take_clusters(inputs, latent, self.cluster(latent, seed=seed))
        return self

    def sample(self, n: int, cluster: int | None = None, *, seed: int = 0) -> np.ndarray:
        """Return new spectra, decoded from latents drawn around the clusters of the training.

        Each cluster is a normal distribution with the mean and the covariance of the latents of
        its training spectra. Any other latent point is decoded by :meth:`inverse_transform`.

        Parameters
        ----------
        n : int
        cluster : int, optional
            From 0, as in ``labels_``; by default clusters are drawn by their sizes.
        seed : int

        Returns
        -------
        array (n, input channel), float32
            In network-input units.

        Raises
        ------
        ValueError
            If there is no such cluster.
        """
        check_is_fitted(self)
        check_number("n", n, low=1, integer=True)
        generator = np.random.default_rng(seed)
        groups = self.latent_groups_
        if cluster is None:
            drawn = generator.choice(self.n_clusters_, n, p=groups.weight)
        else:
            check_number("cluster", cluster, low=0, high=self.n_clusters_ - 1, integer=True)
            drawn = np.full(n, cluster)
        normal = generator.standard_normal((n, groups.mean.shape[1]))
        latent = groups.mean[drawn] + np.einsum("nij,nj->ni", groups.root[drawn], normal)
        return self.codec.decode(latent.astype(np.float32))

    def cluster(
        self,
        latent: np.ndarray | Points,
        clusters: Clusters | None = None,
        *,
        seed: int = 0,
        split_check: SplitCheck | None = None,
    ) -> Clustering:
        """Cluster latent points (n, latent) with the best k.

        Parameters
        ----------
        latent : array (n, latent), float32, or Points
        clusters : Clusters, optional
            By default those of this segmenter.
        seed : int
        split_check : SplitCheck, optional
            Rules out a k that splits the noise of one cluster: see
            :func:`spectessera.kmeans.choose_k`.

        Returns
        -------
        Clustering
        """
        settings, device = clusters or self.config("clusters"), self.device or "cpu"
        return cluster_points(latent, settings, seed=seed, device=device, split_check=split_check)

    def seed_agreement(
        self, latent: np.ndarray | Points, found: Clustering, *, seed: int = 0
    ) -> float:
        """Return how alike other seeds cluster latents (n, latent): an adjusted Rand index."""
        settings, device = self.config("clusters"), self.device or "cpu"
        return agreement_of_seeds(latent, found, settings, seed=seed, device=device)

    def silhouettes(
        self, points: np.ndarray, labels: np.ndarray, *, progress: PairProgress | None = None
    ) -> np.ndarray:
        """Return the exact silhouettes (n,), float32, of points (n, d) with labels (n,)."""
        tensors = (torch.from_numpy(each).to(self.device or "cpu") for each in (points, labels))
        found = silhouette_image(*tensors, per_point=True, progress=progress).per_point
        assert found is not None
        return found.cpu().numpy()

    # --- use -----------------------------------------------------------------------------------

    def transform(self, X: Any) -> np.ndarray:
        """Return the latents (n, latent), float32, of an array (n, channel) or a cube (n = y*x).

        Masked and unusable pixels of a cube are NaN.
        """
        check_is_fitted(self)
        if isinstance(X, xr.DataArray):
            latent = np.full(
                (X.sizes["y"] * X.sizes["x"], self.cluster_centers_.shape[1]), np.nan, np.float32
            )
            for part in self.encode_blocks(X):
                latent[part.pixel[part.usable]] = part.latent
            return latent
        array = validate_data(self, X, dtype=np.float32, reset=False)
        return self.codec.encode(self.config("preprocess").apply(array, self.axis_).values)

    def predict(self, X: Any) -> np.ndarray:
        """Return the trained cluster (n,), int64 from 0; -1 for masked and unusable pixels."""
        latent = self.transform(X)
        usable = np.isfinite(latent).all(axis=1)
        labels = np.full(len(latent), -1, dtype=np.int64)
        labels[usable] = self.rule_.label(latent[usable], self.device or "cpu")
        return labels

    def inverse_transform(self, X: Any) -> np.ndarray:
        """Decode latents (n, latent) to spectra (n, input channel), in network-input units."""
        check_is_fitted(self)
        latent = check_array(X, dtype=np.float32)
        if latent.shape[1] != self.cluster_centers_.shape[1]:
            raise ValueError(
                f"latents have {latent.shape[1]} dimensions but this model has "
                f"{self.cluster_centers_.shape[1]}"
            )
        return self.codec.decode(latent)

    def encode_blocks(self, cube: xr.DataArray) -> Iterator[Encoded]:
        """Read, screen, preprocess and encode a cube block by block.

        Raises
        ------
        ValueError
            If the axis of the cube is of another kind than that of the training, or covers too
            little of it.
        """
        intake = self.intake(cube)

        def encode(block: Block) -> Encoded:
            read = read_inputs(cube, block, intake)
            return Encoded(*read, self.codec.encode(read.inputs))

        yield from ahead(encode, blocks(cube))

    def intake(self, cube: xr.DataArray) -> Intake:
        """Return the way of a cube's spectra to network inputs, after a check of the cube.

        A cube on another axis than that of the training is resampled by energy or wavelength.

        Raises
        ------
        ValueError
            If its axis is of another kind, or covers less than a third of that of the training.
        """
        check_is_fitted(self)
        return intake_of(check_cube(cube), self.config("preprocess"), self.axis_)

    @property
    def codec(self) -> Codec:
        """Encoder and decoder of the trained network."""
        return Codec(self.model_)

    @property
    def reference(self) -> Reference:
        """What novelty is measured against."""
        return Reference(self.latent_groups_, self.typical_)

    def weights(self) -> dict[str, np.ndarray]:
        """Return the weights, biases and buffers of the network by their names."""
        check_is_fitted(self)
        return {name: each.cpu().numpy() for name, each in self.model_.state_dict().items()}

    def fingerprint(self) -> str:
        """Return a fingerprint of the network's weights; equal models have equal ones."""
        found = hashlib.sha256()
        for name, each in sorted(self.weights().items()):
            found.update(name.encode())
            found.update(each.tobytes())
        return found.hexdigest()[:32]

    # --- files ---------------------------------------------------------------------------------

    def save(self, path: str | Path, *, half: bool = False) -> None:
        """Write the model to one safetensors file (no pickle).

        Parameters
        ----------
        path : str or Path
        half : bool
            Write the weights of the layers as float16, in half the space; they are computed with
            in float32 all the same. Labels may change for pixels on the border of two clusters.

        Raises
        ------
        OSError
            If it cannot be written.
        ValueError
            If a weight is too large for float16.
        """
        check_is_fitted(self)
        weights = self.weights()
        if half:
            weights = {
                name: each if name in ("center", "scale") else _halved(name, each)
                for name, each in weights.items()
            }
        tensors = {f"model.{name}": each for name, each in weights.items()}
        tensors["cluster_centers"] = self.cluster_centers_
        for name in KCurves._fields:
            tensors[f"choices.{name}"] = getattr(self.choices_, name)
        for name in LatentGroups._fields:
            tensors[f"latent_groups.{name}"] = getattr(self.latent_groups_, name)
        for name in Typical._fields:
            tensors[f"typical.{name}"] = getattr(self.typical_, name)
        for name in _RULE_ARRAYS:
            tensors[f"rule.{name}"] = getattr(self.rule_, name)
        history = self.history_
        metadata = {
            "version": __version__,
            "settings": self.settings(),
            "axis": self.axis_.to_dict(),
            "output": self.output_,
            "components": list(self.components_),
            "history": {each.name: getattr(history, each.name) for each in fields(history)},
        }
        write_model(path, tensors, metadata)

    @classmethod
    def load(cls, path: str | Path) -> SpectralSegmenter:
        """Read a model that :meth:`save` wrote.

        Raises
        ------
        OSError
            If there is no such file.
        ValueError
            If it is not a model, or not one that this version understands.
        """
        tensors, metadata = read_model(path)
        try:
            return cls()._restore(tensors, metadata)
        except (KeyError, TypeError, RuntimeError, ValueError) as error:
            raise ValueError(f"{path} does not hold a whole model: {error}") from error

    def _restore(
        self, tensors: dict[str, np.ndarray], metadata: dict[str, Any]
    ) -> SpectralSegmenter:
        settings = metadata["settings"]
        for name, kind in CONFIGS.items():
            setattr(self, name, from_dict(kind, settings[name], name))
        self.axis_ = Axis.from_dict(metadata["axis"])
        self.input_axis_ = self.config("preprocess").input_axis(self.axis_)
        self.output_ = str(metadata["output"])
        self.components_ = tuple(str(name) for name in metadata["components"])
        self.n_features_in_ = len(self.axis_)
        self.history_ = from_dict(History, metadata["history"], "history")
        self._load_weights(tensors)
        centers = tensors["cluster_centers"].astype(np.float32)
        if (
            centers.ndim != 2
            or len(centers) == 0
            or centers.shape[1] != self.config("network").latent
        ):
            raise ValueError(f"cluster centers have shape {centers.shape}")
        self.cluster_centers_ = centers
        self.n_clusters_ = len(centers)
        self.choices_ = KCurves(*(tensors[f"choices.{name}"] for name in KCurves._fields))
        groups = (tensors[f"latent_groups.{name}"] for name in LatentGroups._fields)
        self.latent_groups_ = LatentGroups(*groups)
        self.typical_ = check_typical(Typical(*(tensors[f"typical.{n}"] for n in Typical._fields)))
        rule = (tensors[f"rule.{name}"].astype(np.float32) for name in _RULE_ARRAYS)
        self.rule_ = Rule(self.config("clusters").metric, *rule)
        self.chosen_ = of_trained(self.rule_.metric)
        k, d = centers.shape
        shapes = tuple(getattr(self.rule_, name).shape for name in _RULE_ARRAYS)
        if shapes != ((d,), (d, d), (k, d)):
            raise ValueError(f"the rule that labels follow has shapes {shapes}")
        return self

    def _load_weights(self, tensors: dict[str, np.ndarray]) -> None:
        """Build the network on no memory, compare shapes with the file, then take its weights.

        A hostile file could name layers of any width: nothing is allocated for what it does not
        itself hold.
        """
        network: Network = self.config("network")
        with torch.device("meta"):
            model = Autoencoder(network, len(self.input_axis_), self.output_, generator=None)
        weights = {
            name.removeprefix("model."): torch.from_numpy(array.astype(np.float32))
            for name, array in tensors.items()
            if name.startswith("model.")
        }
        model.load_state_dict(weights, assign=True)  # names and shapes must agree, all of them
        self.model_ = model.to(self.device or "cpu").eval()


def _thins(
    training: Training, cubes: list[xr.DataArray], drawn: list[Drawn], started: bool
) -> bool:
    """Return whether a training splits counts into halves.

    Raises
    ------
    ValueError
        If it should, and a cube holds no counts.
    """
    if training.thinning is False or (training.thinning is None and not started):
        return False
    numbers = sorted({block.cube for block in drawn if len(block.rows)})
    others = [
        number
        for number in numbers
        if noise_of(cubes[number], some_spectra(drawn, number, JUDGED)) != "counts"
    ]
    if training.thinning and others:
        raise ValueError(
            f"thinning halves counts, but cube {others[0] + 1} holds none: it needs non-negative "
            'whole numbers along an energy axis, or the attribute noise="counts"'
        )
    return bool(numbers) and not others


def _halved(name: str, weights: np.ndarray) -> np.ndarray:
    """Return weights as float16."""
    if np.abs(weights).max(initial=0) > np.finfo(np.float16).max:
        raise ValueError(f"{name} has weights too large for float16; save the model without half")
    return weights.astype(np.float16)


def load(path: str | Path) -> SpectralSegmenter:
    """Read a model that ships with the package, or one that :meth:`SpectralSegmenter.save` wrote.

    Parameters
    ----------
    path : str or Path
        A name out of :data:`spectessera.network.modelfile.MODELS`, such as "maxrf", or a file.

    Returns
    -------
    SpectralSegmenter

    Raises
    ------
    OSError
        If there is no such file.
    ValueError
        If it is not a model, or not one that this version understands.
    """
    return SpectralSegmenter.load(model_path(path))
