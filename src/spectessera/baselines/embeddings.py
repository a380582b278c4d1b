"""The embeddings of the baselines: points (n, d) of spectra (n, channel), numpy in and out."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from sklearn.decomposition import NMF, PCA
from sklearn.manifold import TSNE
from sklearn.utils.validation import check_array
from threadpoolctl import threadpool_limits

from spectessera._util.check import check_channels, check_choice, check_number
from spectessera._util.constants import MAD_TO_SIGMA
from spectessera.preprocess.steps import scale_of, stabilise

Rows = Callable[[np.ndarray], np.ndarray]

NEIGHBOURS = 15  # of UMAP, its default
PERPLEXITY = 30.0  # of t-SNE, the default of scikit-learn


class Embedding(NamedTuple):
    """Points that represent spectra.

    Attributes
    ----------
    points : array (n, d), float32
    seconds : float
        Duration of the fit. (In every process, the first UMAP also compiles its code.)
    transform : callable (m, channel) -> (m, d), or None
        Places new spectra among the points; None if the method has no such map (t-SNE).
    inverse : callable (m, d) -> (m, channel), or None
        Turns points into spectra; None if the method has no such map. That of UMAP is slow, and
        unreliable for points far from the fitted ones.
    by_row : bool
        Whether ``transform`` places each spectrum independently, so that it can be called with a
        few spectra at a time. (NMF and UMAP place all spectra of a call together.)
    """

    points: np.ndarray
    seconds: float
    transform: Rows | None
    inverse: Rows | None
    by_row: bool = False


# --- the embeddings ----------------------------------------------------------------------------


class _Task(NamedTuple):
    """Arguments of an embedding; ``spectra (n, channel)`` are checked."""

    spectra: np.ndarray
    dimensions: int  # at most n and the number of channels
    state: int  # a seed in the range of scikit-learn


class _Fitted(NamedTuple):
    """As :class:`Embedding`, with numbers of any type."""

    points: np.ndarray
    transform: Rows | None
    inverse: Rows | None


def _identity(rows: np.ndarray) -> np.ndarray:
    return rows


def _non_negative(method: str, spectra: np.ndarray, why: str) -> np.ndarray:
    """Return the spectra if no value is negative; the error says what to do otherwise."""
    lowest = float(spectra.min())
    if lowest < 0:
        raise ValueError(
            f'method "{method}" needs non-negative data, but the smallest value is {lowest:.3g}: '
            f'{why}; use another method, such as "asinh" or "pca"'
        )
    return spectra


def _raw(task: _Task) -> _Fitted:
    return _Fitted(task.spectra, _identity, _identity)


def _sqrt(task: _Task) -> _Fitted:
    def transform(rows: np.ndarray) -> np.ndarray:
        return np.sqrt(_non_negative("sqrt", rows, "a negative number has no square root"))

    def inverse(points: np.ndarray) -> np.ndarray:
        return np.square(np.maximum(points, 0))

    return _Fitted(transform(task.spectra), transform, inverse)


def _asinh(task: _Task) -> _Fitted:
    """Linear below the noise and logarithmic above; the noise is from the median deviation."""
    deviation = np.abs(task.spectra - np.median(task.spectra))
    scale = MAD_TO_SIGMA * float(np.median(deviation)) or float(task.spectra.std()) or 1.0

    def transform(rows: np.ndarray) -> np.ndarray:
        return np.arcsinh(rows / np.float32(scale))

    def inverse(points: np.ndarray) -> np.ndarray:
        return np.sinh(points) * np.float32(scale)

    return _Fitted(transform(task.spectra), transform, inverse)


def _pca(task: _Task, *, whiten: bool = False) -> _Fitted:
    model = PCA(task.dimensions, whiten=whiten, random_state=task.state)
    with np.errstate(invalid="ignore"):  # for equal spectra the explained share is 0/0
        model.fit(task.spectra.astype(np.float64))  # means are not exact in float32
    return _Fitted(model.transform(task.spectra), model.transform, model.inverse_transform)


def _whitened_pca(task: _Task) -> _Fitted:
    return _pca(task, whiten=True)


def _linear(task: _Task) -> _Fitted:
    """Square root and L2 (equal noise, equal total); whitened components on the unit sphere."""

    def inputs(rows: np.ndarray) -> np.ndarray:
        roots = stabilise(rows, "sqrt")
        return roots / scale_of(roots, "l2")[:, None]

    fitted = _pca(task._replace(spectra=inputs(task.spectra)), whiten=True)

    def on_sphere(points: np.ndarray) -> np.ndarray:
        length = np.linalg.norm(points, axis=1, keepdims=True)
        return points / np.where(length > 0, length, 1.0)

    def transform(rows: np.ndarray) -> np.ndarray:
        assert fitted.transform is not None
        return on_sphere(fitted.transform(inputs(rows)))

    return _Fitted(on_sphere(fitted.points), transform, None)


def _nmf(task: _Task) -> _Fitted:
    why = "negative values are no sum of non-negative parts"
    model = NMF(
        task.dimensions,
        init="nndsvda",
        tol=1e-3,  # 1e-4 reduces the error by less than 0.5 %, with up to 50 times the steps
        max_iter=20_000,
        random_state=task.state,
    )
    model.fit(_non_negative("nmf", task.spectra, why))

    def transform(rows: np.ndarray) -> np.ndarray:
        return model.transform(_non_negative("nmf", rows, why))

    return _Fitted(transform(task.spectra), transform, model.inverse_transform)


def _umap(task: _Task) -> _Fitted:
    try:
        from umap import UMAP
    except ImportError as error:
        raise ImportError(
            'method "umap" needs the package umap-learn, which is not installed: '
            'pip install "spectessera[umap]"'
        ) from error
    n = len(task.spectra)
    model = UMAP(
        n_neighbors=min(NEIGHBOURS, n - 1),
        n_components=task.dimensions,
        # The spectral initialisation needs more points than dimensions.
        init="spectral" if n > task.dimensions + 1 else "random",
        n_jobs=1,  # with a seed, UMAP uses one thread
        random_state=task.state,
        transform_seed=task.state,
    )
    points = model.fit_transform(task.spectra)
    invertible = 2 <= task.dimensions < 8  # UMAP triangulates the points
    return _Fitted(points, model.transform, model.inverse_transform if invertible else None)


def _tsne(task: _Task) -> _Fitted:
    varied = bool(np.ptp(task.spectra, axis=0).any())
    model = TSNE(
        task.dimensions,
        perplexity=min(PERPLEXITY, (len(task.spectra) - 1) / 3),
        init="pca" if varied else "random",
        method="barnes_hut" if task.dimensions <= 3 else "exact",
        random_state=task.state,
    )
    return _Fitted(model.fit_transform(task.spectra), None, None)


_EMBEDDINGS: dict[str, Callable[[_Task], _Fitted]] = {
    "raw": _raw,
    "sqrt": _sqrt,
    "asinh": _asinh,
    "pca": _pca,
    "whitened-pca": _whitened_pca,
    "linear": _linear,
    "nmf": _nmf,
    "umap": _umap,
    "tsne": _tsne,
    "gmm": _pca,
}
METHODS = tuple(_EMBEDDINGS)
_BY_ROW = frozenset(METHODS) - {"nmf", "umap", "tsne"}


def embed(spectra: np.ndarray, method: str, *, dimensions: int = 3, seed: int = 0) -> Embedding:
    """Embed spectra in few dimensions.

    Parameters
    ----------
    spectra : array (n, channel)
        Network inputs, such as ``Preprocess.apply`` makes; at least 3.
    method : str
        "raw": the spectra themselves. "sqrt": their square roots, for counts. "asinh": linear
        below the noise and logarithmic above, for signed data; the noise is estimated from the
        median absolute deviation of all values. "pca" and "whitened-pca": principal components,
        the latter with unit variance. "linear": principal components, with unit variance, of
        square roots (negative values count as 0) divided by their root sum of squares, projected
        to the unit sphere; the best linear method for counts. "nmf": weights of non-negative
        parts. "umap": needs the extra ``umap``. "tsne": has no map for new spectra. "gmm": as
        "pca".
    dimensions : int
        Of the points, if the method has a choice; at most the number of spectra or channels.
    seed : int
        The same seed gives the same points. One thread is used, because several threads add up
        sums in another order, and small differences grow. UMAP gives new spectra the same points
        only if they are in the same order.

    Returns
    -------
    Embedding

    Raises
    ------
    ValueError, TypeError
        If the method is not known, or the spectra are too few, not finite, or negative for a
        method that needs non-negative ones ("sqrt", "nmf").
    ImportError
        If UMAP is not installed and the method is "umap".

    Examples
    --------
    >>> spectra = np.random.default_rng(0).random((20, 8), dtype=np.float32)
    >>> embedding = embed(spectra, "pca", dimensions=2)
    >>> embedding.points.shape
    (20, 2)
    >>> embedding.transform(spectra[:3]).shape
    (3, 2)
    """
    check_choice("method", method, METHODS)
    check_number("dimensions", dimensions, low=1, integer=True)
    check_number("seed", seed, low=0, high=2**63 - 1, integer=True)
    spectra = check_array(spectra, dtype=np.float32, ensure_min_samples=3, input_name="spectra")
    channels = spectra.shape[1]
    state = int(np.random.SeedSequence(seed).generate_state(1)[0])
    start = time.perf_counter()
    with threadpool_limits(1):
        fitted = _EMBEDDINGS[method](_Task(spectra, min(dimensions, *spectra.shape), state))
    seconds = time.perf_counter() - start
    points = np.asarray(fitted.points, dtype=np.float32)
    return Embedding(
        points,
        seconds,
        _checked(fitted.transform, channels),
        _checked(fitted.inverse, points.shape[1]),
        method in _BY_ROW,
    )


def _checked(function: Rows | None, columns: int) -> Rows | None:
    """Return the function with checked rows (n, columns) and a float32 result."""
    if function is None:
        return None

    def safe(rows: np.ndarray) -> np.ndarray:
        checked = check_array(rows, dtype=np.float32)
        check_channels(checked.shape[1], columns)
        with threadpool_limits(1):
            return np.asarray(function(checked), dtype=np.float32)

    return safe
