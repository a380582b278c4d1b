"""The estimator, the door between numpy and torch: the only file that names a device."""

# Over 400 lines: the methods of one class, a few lines of code each, with their documentation.
from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from sklearn.base import BaseEstimator, ClusterMixin, TransformerMixin
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from spectessera._util.check import check_number
from spectessera.cube import check_cube
from spectessera.kmeans import Clusters
from spectessera.kmeans.parts import Points
from spectessera.kmeans.points import Clustering, Tried, cluster_points
from spectessera.kmeans.rule import Evidence, SplitCheck
from spectessera.network.checkpoint import Checkpoint
from spectessera.network.codec import Codec
from spectessera.network.modelfile import model_path
from spectessera.network.settings import Training
from spectessera.network.shape import Network
from spectessera.network.training import Progress
from spectessera.preprocess.frame import Frame
from spectessera.preprocess.intake import Intake, intake_of
from spectessera.preprocess.recipe import Preprocess
from spectessera.preprocess.training_spectra import as_cubes
from spectessera.settings import to_dict

from . import defaults
from ._blocks import encode_pixels
from ._file import read_trained, write_trained
from ._model import TrainedModel, fingerprint_of, weights_of
from ._training import fit_model, pretrain_model, recluster_model
from .frame import frame_of
from .novelty import Reference

if TYPE_CHECKING:
    from spectessera.synth.pairs import Simulation


class SpectralSegmenter(ClusterMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Deep spectral clustering: an autoencoder trained jointly with a differentiable k-means.

    Defaults are the settings that scored best in benchmarks/QUALITY.md: square roots of the values
    if they are noisy or non-negative, divided by their root sum of squares; latents that are the
    principal components, whitened on the unit sphere (those of counts and reflectances are
    half-whitened); no cluster term. Settings that are given are not changed.

    Parameters
    ----------
    preprocess : Preprocess, optional
    network : Network, optional
    clusters : Clusters, optional
    training : Training, optional
        Settings; by default those of :data:`spectessera.segmenter.defaults.DEFAULTS`, of which
        ``set_params(training__epochs=30)`` changes one. An object such as ``Training(epochs=30)``
        replaces all of its kind: what it does not name is as in the paper, so that this one trains
        the encoder, with a cluster term, which the defaults do not.
    device : str, optional
        Such as "cuda" or "mps"; by default the CPU.

    Attributes
    ----------
    n_clusters_ : int
        k, chosen for the latents of the training spectra.
    cluster_centers_ : array (k, latent), float32
        Numbered by size.
    labels_ : array (n,), int64
        Cluster of every row of the array, or of every pixel of the cube(s), flattened; -1 for
        pixels that are masked, unusable or were not drawn for training.
    choices_ : KCurves
        Silhouette and stability of every k.
    history_ : History
    axis_, input_axis_ : Axis
        Spectral axis of the spectra and of the network inputs.
    components_ : tuple of str
        Components whose shares a linear head of a pretrained network predicts.
    rule_ : Rule
        How a latent gets its label among the clusters of the training.
    model_ : Autoencoder
    expects_ : Expects
        What spectra it was trained on: as measured, or of lines at rest.
    n_features_in_ : int

    References
    ----------
    Bombini et al. 2024, arXiv 2401.17695.

    Examples
    --------
    >>> import numpy as np
    >>> import spectessera as spt
    >>> cube = spt.make_cube(np.random.default_rng(0).poisson(5, (8, 9, 40)))
    >>> segmenter = spt.SpectralSegmenter(training=spt.Training(epochs=2)).fit(cube)
    >>> segmenter.transform(cube).shape
    (72, 10)
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

    chosen_: defaults.Chosen
    n_features_in_: int
    # The clusterings of the fit, which `segment` on the same spectra only has to choose from.
    _tried: Tried | None

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the settings; with ``deep`` also every field, such as ``network__latent``."""
        params = super().get_params(deep=False)
        if deep:
            params |= defaults.field_params({n: self._setting(n) for n in defaults.CONFIGS})
        return params

    def set_params(self, **params: Any) -> SpectralSegmenter:
        """Change settings; ``network__latent=4`` changes one field of one of them."""
        for name, value in params.items():
            outer, nested, inner = name.partition("__")
            defaults.check_param(name, self._get_param_names())
            if nested:
                value = defaults.with_field(self._setting(outer), inner, value)
            setattr(self, outer, value)
        return self

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what only saves time in the process of the fit."""
        return dict(super().__getstate__()) | {"_tried": None}

    def _setting(self, name: str) -> Any:
        """Return a configuration as it was given, or the default one."""
        value = getattr(self, name)
        if value is None:
            return defaults.DEFAULTS[name]
        if not isinstance(value, defaults.CONFIGS[name]):
            raise TypeError(f"{name} must be a {defaults.CONFIGS[name].__name__}; got {value!r}")
        return value

    def config(self, name: str) -> Any:
        """Return a configuration, its open settings as chosen for the spectra of the training."""
        return defaults.filled(name, self._setting(name), self.__dict__.get("chosen_", {}))

    def _configs(self) -> dict[str, Any]:
        return {name: self.config(name) for name in defaults.CONFIGS}

    def settings(self) -> dict[str, Any]:
        """Return all settings as plain values, as they are written to files."""
        return {name: to_dict(config) for name, config in self._configs().items()}

    def __sklearn_tags__(self) -> Any:
        """Tell scikit-learn what this estimator is."""
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags

    def fit(
        self,
        X: Any,
        y: Any = None,  # noqa: ARG002 (part of scikit-learn's protocol)
        *,
        start: str | Path | SpectralSegmenter | None = None,
        checkpoint: Checkpoint | None = None,
        progress: Progress | None = None,
    ) -> SpectralSegmenter:
        """Train on spectra, and return the segmenter itself.

        Parameters
        ----------
        X : cube, array (n, channel), or sequence of cubes or arrays
            Of one spectral axis; masked and unusable pixels are left out. One array alone must be
            finite.
        y : ignored
        start : str, Path or SpectralSegmenter, optional
            A trained model to continue from (fine-tuning): a name such as "maxrf", a file or a
            model. Its network, preprocessing and spectral axis are used.
        checkpoint : Checkpoint, optional
            Save the state of the training in a file, and continue from it if it exists.
        progress : callable, optional
            See :func:`spectessera.network.training.train`.

        Raises
        ------
        ValueError
            If the spectra are too few, not finite, or on different axes.
        """
        origin = self.load(model_path(start)) if isinstance(start, (str, Path)) else start
        trained = None if origin is None else origin._trained()
        if origin is None or trained is None:
            self.chosen_ = {}
        else:
            given = {name: getattr(self, name) for name in defaults.CONFIGS}
            known = trained.configs | {"clusters": origin.clusters}
            self.set_params(**defaults.continued(given, known))
            self.chosen_ = defaults.chosen_of_trained(trained.rule.metric)
            self.n_features_in_ = len(trained.axis)
        configs = self._configs()  # wrong settings are refused before any work
        data = as_cubes(X)
        if data is None:
            least = configs["clusters"].k_min + 1
            data = validate_data(
                self, X, dtype=np.float32, ensure_min_samples=least, reset=trained is None
            )
        fitted = fit_model(data, configs, trained, self.device or "cpu", checkpoint, progress)
        self.chosen_ = self.chosen_ | fitted.chosen
        self._take(fitted.model)
        self._tried = fitted.tried
        some = isinstance(data, np.ndarray) and (fitted.labels < 0).any()
        self.labels_ = self.predict(X) if some else fitted.labels
        return self

    def pretrain(
        self,
        simulation: Simulation,
        *,
        checkpoint: Checkpoint | None = None,
        progress: Progress | None = None,
    ) -> SpectralSegmenter:
        """Train on simulated spectra, each used once, and return the segmenter itself.

        The network sees a simulated measurement and learns to decode the expectation of the same
        composition without noise, on one fixed instrument. An epoch is ``training.steps`` steps.
        The clusters of the model are those of the simulated spectra used for validation.

        Parameters
        ----------
        simulation : XrfSimulation or NebularSimulation
            See :mod:`spectessera.synth.pairs`, and :mod:`spectessera.segmenter.pretraining` for
            the settings.
        checkpoint, progress
            As for :meth:`fit`.

        Raises
        ------
        ValueError
            If the settings do not go together, see :func:`spectessera.network.training.train`.
        """
        self.chosen_ = defaults.chosen_of_trained("whitened-sphere")
        configs = self._configs()
        self._take(pretrain_model(simulation, configs, self.device or "cpu", checkpoint, progress))
        return self

    def recluster(self, simulation: Simulation) -> SpectralSegmenter:
        """Replace the clusters of a pretrained model, by its present settings; return it itself.

        Parameters
        ----------
        simulation : XrfSimulation or NebularSimulation
            That of the pretraining; the network is not trained again.
        """
        self._take(recluster_model(self._trained(), simulation, self.device or "cpu"))
        return self

    def _take(self, model: TrainedModel) -> None:
        """Become a trained model; settings are not changed."""
        self.axis_, self.components_ = model.axis, model.components
        self.input_axis_ = model.configs["preprocess"].input_axis(model.axis)
        self.n_features_in_ = len(model.axis)
        self.model_, self.history_ = model.network, model.history
        self.cluster_centers_, self.n_clusters_ = model.centers, len(model.centers)
        self.choices_, self.rule_ = model.curves, model.rule
        self.latent_groups_, self.typical_, _ = model.reference
        self.expects_ = model.expects
        self._tried = None

    def _trained(self) -> TrainedModel:
        """Return what was trained."""
        check_is_fitted(self)
        return TrainedModel(
            self._configs(), self.axis_, self.components_, self.model_, self.history_,
            self.cluster_centers_, self.choices_, self.rule_, self.reference, self.expects_,
        )  # fmt: skip

    def cluster(
        self,
        latent: np.ndarray | Points,
        clusters: Clusters | None = None,
        *,
        seed: int = 0,
        split_check: SplitCheck | None = None,
        evidence: Evidence | None = None,
    ) -> Clustering:
        """Cluster latent points (n, latent), by default with the settings of this segmenter.

        See :func:`spectessera.kmeans.points.cluster_points`.
        """
        settings = clusters or self.config("clusters")
        checks: dict[str, Any] = {"split_check": split_check, "evidence": evidence}
        checks["tried"] = self.__dict__.get("_tried")
        return cluster_points(latent, settings, seed=seed, device=self.device, **checks)

    def transform(self, X: Any) -> np.ndarray:
        """Return the latents (n, latent), float32, of an array (n, channel) or a cube (n = y*x).

        Masked and unusable pixels of a cube are NaN.
        """
        check_is_fitted(self)
        if isinstance(X, xr.DataArray):
            size = self.cluster_centers_.shape[1]
            return encode_pixels(check_cube(X), self.intake(X), self.codec, size)
        array = validate_data(self, X, dtype=np.float32, reset=False)
        return self.codec.encode(self.config("preprocess").apply(array, self.axis_).values)

    def predict(self, X: Any) -> np.ndarray:
        """Return the trained cluster (n,), int64 from 0; -1 for masked and unusable pixels."""
        latent = self.transform(X)
        usable = np.isfinite(latent).all(axis=1)
        labels = np.full(len(latent), -1, dtype=np.int64)
        labels[usable] = self.rule_.label(latent[usable], self.device)
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
        if cluster is not None:
            check_number("cluster", cluster, low=0, high=self.n_clusters_ - 1, integer=True)
        latent = self.latent_groups_.draw(n, cluster, np.random.default_rng(seed))
        return self.codec.decode(latent)

    def frame(
        self,
        cube: xr.DataArray,
        redshift: float | Frame | None = None,
        continuum: str | None = None,
    ) -> Frame:
        """Return redshift and continuum of a cube, found where they are not given.

        Arguments and errors as of :func:`spectessera.segmenter.frame.frame_of`; a model of spectra
        as they are measured needs neither. An earlier answer is returned as it is.
        """
        check_is_fitted(self)
        if isinstance(redshift, Frame):
            return redshift
        return frame_of(check_cube(cube), self.expects_, redshift=redshift, continuum=continuum)

    def intake(
        self, cube: xr.DataArray, *, frame: Frame | None = None, warn: bool = True
    ) -> Intake:
        """Return what turns a cube's spectra into network inputs, after a check of the cube.

        Another axis than that of the training is resampled by energy or wavelength, at rest if the
        model expects that (``frame``: of :meth:`frame`, by default what that finds); errors and
        warnings as :func:`spectessera.preprocess.intake.intake_of`.
        """
        check_is_fitted(self)
        return intake_of(
            check_cube(cube), self.config("preprocess"), self.axis_,
            frame=self.frame(cube) if frame is None else frame, expects=self.expects_, warn=warn,
        )  # fmt: skip

    @property
    def codec(self) -> Codec:
        """Encoder and decoder of the trained network."""
        return Codec(self.model_)

    @property
    def reference(self) -> Reference:
        """Training spectra, as novelty is measured against them."""
        return Reference(self.latent_groups_, self.typical_, self.expects_.parts)

    def weights(self) -> dict[str, np.ndarray]:
        """Return the weights, biases and buffers of the network by their names."""
        check_is_fitted(self)
        return weights_of(self.model_)

    def fingerprint(self) -> str:
        """Return a fingerprint of the network's weights; equal models have equal ones."""
        return fingerprint_of(self.weights())

    def save(self, path: str | Path, *, half: bool = False) -> None:
        """Write the model to one safetensors file (no pickle).

        Parameters
        ----------
        path : str or Path
        half : bool
            Write the weights of the layers as float16, in half the space; computations use float32
            all the same. Labels may change for pixels on the border of two clusters.

        Raises
        ------
        OSError
            If it cannot be written.
        ValueError
            If a weight is too large for float16.
        """
        write_trained(path, self._trained(), half=half)

    @classmethod
    def load(cls, path: str | Path) -> SpectralSegmenter:
        """Read a model that :meth:`save` wrote; errors as :func:`spectessera.load`."""
        model = read_trained(path)
        segmenter = cls(**model.configs)
        segmenter.chosen_ = defaults.chosen_of_trained(model.rule.metric)
        segmenter._take(model)
        return segmenter
