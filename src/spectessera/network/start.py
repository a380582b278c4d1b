"""Where a training begins, and when it has ended.

The latents of an encoder that is not trained are principal components. The best linear decoder of
these is known without a training: the map back. It is already better than the decoder that a
training from random weights ends with wherever the spectra are mixtures, and the training only adds
what is not linear. So the decoder starts there, and the training ends as soon as it gains little.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from .autoencoder import Autoencoder
from .batches import BatchSource
from .checkpoint import TrainingState
from .settings import Training

# Epochs without a better validation loss, unless their number is given.
PATIENCE = 60
# The training of a decoder that starts at the best linear one ends when so many epochs together
# lower the validation loss by less than this share of it.
SETTLED_EPOCHS, SETTLED_SHARE = 3, 0.005


def first_state(
    model: Autoencoder, source: BatchSource, training: Training, trained: bool
) -> TrainingState:
    """Return the state before the first step, the model adapted to the spectra if it is new.

    Raises
    ------
    ValueError
        If more layers are frozen than there are.
    """
    _freeze(model, training)
    state = TrainingState(
        model,
        learning_rate=training.learning_rate or (1e-4 if trained else 1e-3),
        factor=training.factor,
        plateau=training.plateau,
        seed=training.seed,
    )
    if not trained:
        model.start_from(source.start, whiten=training.train_encoder is not False)
        if starts_linear(model, training):
            model.decode_linearly()
    return state


def starts_linear(model: Autoencoder, training: Training) -> bool:
    """Return whether the decoder of a new model starts at the best linear one.

    It does where that is the one of the least loss: of the squared error alone, of spectra as they
    are, and with all units.
    """
    fixed = training.train_encoder is False and training.loss == "squared"
    alone = not (training.gamma or training.beta or training.denoise or training.thinning)
    return fixed and alone and model.network.dropout == 0 and model.decodes_linearly()


def _freeze(model: Autoencoder, training: Training) -> None:
    """Exclude the first hidden layers of the encoder, or all of it, from the training.

    Raises
    ------
    ValueError
        If there are fewer.
    """
    layers, frozen = training.freeze, 0
    linear = [each for each in model.encoder if isinstance(each, torch.nn.Linear)]
    if layers > len(linear):
        raise ValueError(f"freeze={layers}, but the encoder has {len(linear)} hidden layers")
    for each in model.encoder:
        frozen += isinstance(each, torch.nn.Linear)
        each.requires_grad_(frozen > layers)
    if training.train_encoder is False:
        model.freeze_encoder()


def has_ended(state: TrainingState, training: Training, settled: int) -> bool:
    """Return whether the training ends before its last epoch.

    Parameters
    ----------
    state : TrainingState
    training : Training
    settled : int
        Epoch from which on the losses can be compared.
    """
    epoch = len(state.history.rows)  # the next one
    start = state.history.start
    if start and training.patience is None:
        losses = [row["validation_total"] for row in state.history.rows]
        return has_settled([start["total"], *losses])
    patience = PATIENCE if training.patience is None else training.patience
    return epoch > settled and epoch - 1 - state.best.epoch >= patience


def has_settled(losses: Sequence[float]) -> bool:
    """Return whether the last three epochs together hardly lowered the loss.

    Examples
    --------
    >>> has_settled([1.0, 0.999, 0.998, 0.996]), has_settled([1.0, 0.999, 0.998, 0.99])
    (True, False)
    """
    before, recent = losses[:-SETTLED_EPOCHS], losses[-SETTLED_EPOCHS:]
    return bool(before) and min(recent) > (1 - SETTLED_SHARE) * min(before)
