"""The estimator: fit / transform / predict / inverse_transform / save / load.

The door between numpy and torch, and the only file that names a device.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import xarray as xr
from sklearn.base import BaseEstimator, ClusterMixin, TransformerMixin
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from . import __version__
from ._check import check_channels, check_number
from .axis import Axis
from .cube import blocks, check_cube, spectral_axis
from .kmeans import Clusters, assign, choose_k, order_by_size
from .modelfile import read_model, write_model
from .networks import Autoencoder, Network, resolve_output
from .preprocess import Preprocess
from .reading import (
    Collected,
    Sampling,
    as_cubes,
    axis_range,
    collect,
    common_axis,
    draw_rows,
    read_inputs,
)
from .settings import from_dict, to_dict
from .training import Checkpoint, History, Progress, Training, train

# Spectra are encoded in zero-padded blocks of exactly this many rows: a matrix product of one
# shape gives the same bits for a row wherever it stands and however the cube is cut.
ENCODE_ROWS = 2048

CONFIGS: dict[str, type] = {
    "preprocess": Preprocess,
    "network": Network,
    "clusters": Clusters,
    "training": Training,
}


class Choices(NamedTuple):
    """What was found for every k: numpy arrays (number of k,)."""

    k: np.ndarray
    score: np.ndarray
    error: np.ndarray


class Clustering(NamedTuple):
    """Clusters of latent points, numbered by size from 0.

    Attributes
    ----------
    labels : array (n,), int64
    centers : array (k, latent), float32
    choices : Choices
        Silhouette of every k that was tried.
    """

    labels: np.ndarray
    centers: np.ndarray
    choices: Choices


def cluster_points(
    points: np.ndarray, clusters: Clusters, *, seed: int = 0, device: str = "cpu"
) -> Clustering:
    """Cluster points with the k of the best silhouette, whatever made the points.

    Parameters
    ----------
    points : array (n, d), float32
    clusters : Clusters
    seed : int
    device : str

    Returns
    -------
    Clustering

    Raises
    ------
    ValueError
        If the points are not finite, or fewer than k_min + 1.
    """
    tensor = torch.from_numpy(np.ascontiguousarray(points)).to(device)
    found = choose_k(tensor, clusters, generator=torch.Generator(device).manual_seed(seed))
    _, centers = order_by_size(found.labels, found.centers)
    return Clustering(
        assign(tensor, centers).cpu().numpy(),
        centers.cpu().numpy(),
        Choices(
            np.array(found.ks),
            found.scores.double().cpu().numpy(),
            found.errors.double().cpu().numpy(),
        ),
    )


class LatentGroups(NamedTuple):
    """The clusters of the training as normal distributions, float64.

    Attributes
    ----------
    weight : array (k,)
        Shares of the training spectra.
    mean : array (k, latent)
    root : array (k, latent, latent)
        Matrix square root of the covariance.
    """

    weight: np.ndarray
    mean: np.ndarray
    root: np.ndarray


def _latent_groups(latent: np.ndarray, labels: np.ndarray, centers: np.ndarray) -> LatentGroups:
    """Describe the clusters of latents (n, latent); one without points is its center."""
    points, k = latent.astype(np.float64), len(centers)
    means, roots = [], []
    for label in range(k):
        mine = points[labels == label]
        if len(mine) == 0:  # equal latents: two centers at one place, the first has the points
            mine = centers[label : label + 1].astype(np.float64)
        apart = mine - mine.mean(axis=0)
        values, vectors = np.linalg.eigh(apart.T @ apart / len(mine))
        means.append(mine.mean(axis=0))
        roots.append(vectors * np.sqrt(np.maximum(values, 0)))
    weight = np.bincount(labels, minlength=k) / len(labels)
    return LatentGroups(weight, np.stack(means), np.stack(roots))


class Encoded(NamedTuple):
    """As :class:`BlockInputs`, with ``latent (m, latent)``."""

    pixel: np.ndarray
    quality: np.ndarray
    usable: np.ndarray
    values: np.ndarray
    variance: np.ndarray | None
    inputs: np.ndarray
    latent: np.ndarray


class SpectralSegmenter(ClusterMixin, TransformerMixin, BaseEstimator):
    """Deep spectral clustering: an autoencoder trained jointly with a differentiable k-means.

    Parameters
    ----------
    preprocess : Preprocess, optional
    network : Network, optional
    clusters : Clusters, optional
    training : Training, optional
        Settings; None is the defaults of each. ``set_params(network__latent=4)`` changes one.
    device : str, optional
        Such as "cuda" or "mps"; by default the CPU.

    Attributes
    ----------
    n_clusters_ : int
        k with the best silhouette over the latents of the training spectra.
    cluster_centers_ : array (k, latent), float32
        Numbered by size.
    labels_ : array (n,), int64
        Cluster of every row of the array, or of every pixel of the cube(s), flattened; -1 for
        pixels that are masked, unusable or were not drawn for training.
    choices_ : Choices
        Silhouette, and its standard error, of every k.
    history_ : History
    axis_, input_axis_ : Axis
        Spectral axis of the spectra and of the network inputs.
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

    # --- settings ------------------------------------------------------------------------------

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the settings; with ``deep`` also ``network__latent`` and all the like."""
        params = super().get_params(deep=False)
        if deep:
            for name in CONFIGS:
                config = self.config(name)
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
                config = self.config(outer)
                if inner not in {each.name for each in fields(config)}:
                    raise ValueError(f"{inner!r} is not a setting of {type(config).__name__}")
                value = replace(config, **{inner: value})
            setattr(self, outer, value)
        return self

    def config(self, name: str) -> Any:
        """Return a configuration, the default one where it is None."""
        value = getattr(self, name)
        if value is None:
            return CONFIGS[name]()
        if not isinstance(value, CONFIGS[name]):
            raise TypeError(f"{name} must be a {CONFIGS[name].__name__}; got {value!r}")
        return value

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
        checkpoint : Checkpoint, optional
            Keep the state of the training in a file, and go on from it if it is there.
        progress : callable, optional
            See :func:`spectessera.training.train`.

        Returns
        -------
        SpectralSegmenter
            Itself.

        Raises
        ------
        ValueError
            If the spectra are too few, not finite, or on different axes.
        """
        configs = {name: self.config(name) for name in CONFIGS}  # complain before any work
        cubes = as_cubes(X)
        if cubes is None:
            found, total = self._array_inputs(X, configs)
        else:
            found, total = self._cube_inputs(cubes, configs)
        self.input_axis_ = configs["preprocess"].input_axis(self.axis_)
        self._train(found, configs, checkpoint, progress)
        latent = self._encode(found.inputs)
        clustering = self.cluster(latent, seed=configs["training"].seed)
        self.cluster_centers_ = clustering.centers
        self.n_clusters_ = len(clustering.centers)
        self.choices_ = clustering.choices
        self.latent_groups_ = _latent_groups(latent, clustering.labels, clustering.centers)
        if cubes is None and len(found.rows) < total:
            self.labels_ = self.predict(X)
        else:
            self.labels_ = np.full(total, -1, dtype=np.int64)
            self.labels_[found.rows] = clustering.labels
        return self

    def _array_inputs(self, X: Any, configs: dict[str, Any]) -> tuple[Collected, int]:
        """Return what to train on and the number of all rows."""
        smallest = configs["clusters"].k_min + 1
        array = validate_data(self, X, dtype=np.float32, ensure_min_samples=smallest)
        self.axis_ = Axis(np.arange(array.shape[1]))
        training = configs["training"]
        rows = draw_rows(len(array), training.max_spectra, training.seed)
        inputs = configs["preprocess"].apply(array[rows], self.axis_).values
        return Collected(inputs, None, rows), len(array)

    def _cube_inputs(
        self, cubes: list[xr.DataArray], configs: dict[str, Any]
    ) -> tuple[Collected, int]:
        """Return what to train on and the number of all pixels."""
        self.axis_ = common_axis(cubes)
        self.n_features_in_ = len(self.axis_)
        training, k_min = configs["training"], configs["clusters"].k_min
        sampling = Sampling(
            training.sampling, training.fraction, training.max_spectra, training.seed
        )
        found = collect(
            cubes, configs["preprocess"], sampling, variance=training.loss == "variance"
        )
        if len(found.inputs) <= k_min:
            raise ValueError(
                f"{len(found.inputs)} usable spectra are too few; at least {k_min + 1} are needed "
                f"for {k_min} clusters"
            )
        return found, sum(cube.sizes["y"] * cube.sizes["x"] for cube in cubes)

    def _train(
        self,
        found: Collected,
        configs: dict[str, Any],
        checkpoint: Checkpoint | None,
        progress: Progress | None,
    ) -> None:
        """Build the network for the inputs and train it; assumes checked input."""
        network, training = configs["network"], configs["training"]
        bounds = float(found.inputs.min()), float(found.inputs.max())
        self.output_ = resolve_output(
            network, *bounds, configs["preprocess"].normalise, training.loss
        )
        generator = torch.Generator().manual_seed(training.seed)
        model = Autoencoder(network, found.inputs.shape[1], self.output_, generator=generator)
        device = self.device or "cpu"
        self.model_ = model.to(device)
        variance = None if found.variance is None else torch.from_numpy(found.variance).to(device)
        self.history_ = train(
            self.model_,
            torch.from_numpy(found.inputs).to(device),
            configs["clusters"],
            training,
            variance=variance,
            checkpoint=checkpoint,
            progress=progress,
        )

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
        return self._decode(latent.astype(np.float32))

    def cluster(
        self, latent: np.ndarray, clusters: Clusters | None = None, *, seed: int = 0
    ) -> Clustering:
        """Cluster latent points (n, latent) with the k of the best silhouette.

        Parameters
        ----------
        latent : array (n, latent), float32
        clusters : Clusters, optional
            By default those of this segmenter.
        seed : int

        Returns
        -------
        Clustering
        """
        settings = clusters or self.config("clusters")
        return cluster_points(latent, settings, seed=seed, device=self.device or "cpu")

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
        return self._encode(self.config("preprocess").apply(array, self.axis_).values)

    def predict(self, X: Any) -> np.ndarray:
        """Return the trained cluster (n,), int64 from 0; -1 for masked and unusable pixels."""
        latent = self.transform(X)
        usable = np.isfinite(latent).all(axis=1)
        labels = np.full(len(latent), -1, dtype=np.int64)
        labels[usable] = self._assign(latent[usable], self.cluster_centers_)
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
        return self._decode(latent)

    def encode_blocks(self, cube: xr.DataArray) -> Iterator[Encoded]:
        """Read, screen, preprocess and encode a cube block by block.

        Raises
        ------
        ValueError
            If the axis of the cube is not that of the training.
        """
        cube = self.check_axis(cube)
        preprocess: Preprocess = self.config("preprocess")
        for block in blocks(cube):
            read = read_inputs(cube, block, preprocess, self.axis_)
            yield Encoded(*read, self._encode(read.inputs))

    def check_axis(self, cube: xr.DataArray) -> xr.DataArray:
        """Return the checked cube, if its axis is that of the training.

        Raises
        ------
        ValueError
            If it is not.
        """
        check_is_fitted(self)
        cube = check_cube(cube)
        check_channels(cube.sizes["channel"], len(self.axis_))
        axis = spectral_axis(cube)
        if not self.axis_.matches(axis):
            raise ValueError(
                "the cube's spectral axis is not the one that this model was trained on: "
                f"{axis_range(axis)} against {axis_range(self.axis_)}; train a model for this axis"
            )
        return cube

    def _encode(self, inputs: np.ndarray) -> np.ndarray:
        """Return latents; assumes checked inputs (n, input channel)."""
        return self._in_blocks(lambda block: self.model_.encode(block)[0], inputs)

    def _decode(self, latent: np.ndarray) -> np.ndarray:
        """Return decoded spectra; assumes checked latents."""
        return self._in_blocks(self.model_.decode, latent)

    @torch.no_grad()
    def _in_blocks(
        self, function: Callable[[torch.Tensor], torch.Tensor], rows: np.ndarray
    ) -> np.ndarray:
        """Apply a row-wise function in zero-padded blocks of ``ENCODE_ROWS`` rows."""
        device = self.device or "cpu"
        self.model_.eval()
        found = []
        block = torch.zeros(ENCODE_ROWS, rows.shape[1], device=device)
        for start in range(0, max(1, len(rows)), ENCODE_ROWS):
            part = rows[start : start + ENCODE_ROWS]
            block[: len(part)] = torch.from_numpy(part)
            block[len(part) :] = 0
            found.append(function(block)[: len(part)].cpu().numpy())
        return np.concatenate(found)

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

    def _assign(self, latent: np.ndarray, centers: np.ndarray) -> np.ndarray:
        device = self.device or "cpu"
        points = torch.from_numpy(np.ascontiguousarray(latent)).to(device)
        return assign(points, torch.from_numpy(np.array(centers)).to(device)).cpu().numpy()

    # --- files ---------------------------------------------------------------------------------

    def save(self, path: str | Path) -> None:
        """Write the model to one safetensors file (no pickle).

        Raises
        ------
        OSError
            If it cannot be written.
        """
        check_is_fitted(self)
        tensors = {f"model.{name}": each for name, each in self.weights().items()}
        tensors["cluster_centers"] = self.cluster_centers_
        for name in Choices._fields:
            tensors[f"choices.{name}"] = getattr(self.choices_, name)
        for name in LatentGroups._fields:
            tensors[f"latent_groups.{name}"] = getattr(self.latent_groups_, name)
        history = self.history_
        metadata = {
            "version": __version__,
            "settings": self.settings(),
            "axis": self.axis_.to_dict(),
            "output": self.output_,
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
        self.choices_ = Choices(*(tensors[f"choices.{name}"] for name in Choices._fields))
        groups = (tensors[f"latent_groups.{name}"] for name in LatentGroups._fields)
        self.latent_groups_ = LatentGroups(*groups)
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


def load(path: str | Path) -> SpectralSegmenter:
    """Read a model file that :meth:`SpectralSegmenter.save` wrote.

    Parameters
    ----------
    path : str or Path

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
    return SpectralSegmenter.load(path)
