"""The autoencoder: its layers and its blocks.

arXiv 2401.17695, section 2: an encoder from a spectrum to a few latent numbers and a decoder that
mirrors it, of MLP blocks (Linear, ReLU, Dropout) or self-normalising ones (Linear, SELU,
AlphaDropout; Klambauer et al. 2017), optionally variational (two heads; Kingma & Welling 2014).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from spectessera._util.check import check_choice
from spectessera._util.memory import available_bytes

from .dropout import AlphaDropout, Dropout, DroppedRelu
from .principal import decode_linearly, principal_axes
from .shape import OUTPUTS, Network

BYTES_PER_WEIGHT = 16  # float32: the weight, its gradient and the two moments of Adam
# Factor of the decoder's last weights at the start: the first reconstruction is then the mean
# spectrum rather than noise around it, which would teach the decoder to ignore the latent.
LAST_LAYER = 0.1
# Factor of the weights before a layer normalisation. Their size changes nothing but how fast they
# rotate in training: large weights rotate slowly.
NORMED = 3**-0.5
# Tolerance for rounding in the division by the maximum.
ABOVE_ONE = 1e-5


class Autoencoder(nn.Module):
    """Encoder and decoder of single spectra.

    The input is centred and scaled by two buffers that are not trained, and the decoder starts at
    the mean spectrum: whatever the unit of the data, the network learns how spectra differ from it.

    Parameters
    ----------
    network : Network
    channels : int
        Channels of an input spectrum.
    output : "identity", "sigmoid", "softmax", "root-softmax" or "softplus"
        See :func:`resolve_output`.
    generator : torch.Generator or None
        Source of the initial weights; None for a network without memory (device "meta").
    """

    center: Tensor
    scale: Tensor
    encoder: nn.Sequential
    decoder: nn.Sequential
    mean_head: nn.Linear
    log_variance_head: nn.Linear | None
    linear: nn.Linear | None
    composition: nn.Linear | None

    def __init__(
        self, network: Network, channels: int, output: str, *, generator: torch.Generator | None
    ) -> None:
        super().__init__()
        check_choice("output", output, OUTPUTS[1:])
        self.network = network
        self.channels = channels
        self.output = output
        down = (channels, *network.encoder_widths(channels))
        up = (network.latent, *network.decoder_widths(channels))
        if generator is not None:
            _check_memory(network, down, up)
        # A layer draws weights from the global generator when it is made; they are replaced below.
        with torch.random.fork_rng(devices=[]):
            self.encoder = nn.Sequential(*_blocks(down, network, network.encoding_activation))
            self.mean_head = nn.Linear(down[-1], network.latent)
            self.log_variance_head = (
                nn.Linear(down[-1], network.latent) if network.variational else None
            )
            self.linear = (
                nn.Linear(channels, network.latent, bias=False) if network.linear_path else None
            )
            self.decoder = nn.Sequential(*_blocks(up, network, None), nn.Linear(up[-1], channels))
            self.composition = (
                nn.Linear(network.latent, 2 * network.components) if network.components else None
            )
        self.register_buffer("center", torch.zeros(channels))
        self.register_buffer("scale", torch.ones(()))
        if not self.center.is_meta:  # without memory there are no weights to draw
            _initialise(self, network, generator)

    def _last_layer(self) -> nn.Linear:
        last = self.decoder[-1]
        assert isinstance(last, nn.Linear)
        return last

    def start_from(self, spectra: Tensor, *, whiten: bool = True) -> None:
        """Set the buffers, the last bias of the decoder and the linear path from training spectra.

        Parameters
        ----------
        spectra : tensor (n, channel)
        whiten : bool
            Whether the linear path gives principal components of unit variance; if not, the mean of
            their variances is 1.
        """
        center = spectra.mean(0)
        spread = (spectra - center).square_().mean().sqrt()  # in place: spectra may be many
        self.center.copy_(center)
        self.scale.copy_(spread if spread > 0 else torch.ones_like(spread))
        last = self._last_layer()
        with torch.no_grad():
            if self.output == "sigmoid":
                last.bias.copy_(torch.logit(center, eps=1e-3))
            elif self.output in ("softmax", "root-softmax"):
                share = center if self.output == "softmax" else center.square()
                last.bias.copy_(torch.log(share.clamp(min=1e-3 / self.channels)))
            elif self.output == "softplus":
                last.bias.copy_(torch.log(torch.expm1(center.clamp(min=1e-3))))
            if self.linear is not None:
                inputs = (spectra - center).div_(self.scale)
                axes = principal_axes(inputs, self.network.latent, whiten=whiten)
                self.linear.weight.copy_(axes)

    def decodes_linearly(self) -> bool:
        """Return whether the decoder can begin with the map back from principal components."""
        linear = self.linear is not None and self.network.latent_activation is None
        plain = self.output == "identity" and self.network.block == "mlp"
        hidden = [each.out_features for each in self._decoder_layers()[:-1]]
        wide = all(width >= 2 * self.network.latent for width in hidden)
        return linear and plain and wide and self.log_variance_head is None

    def decode_linearly(self) -> None:
        """Begin with the map back from the principal components, of all linear ones the best.

        Assumes that :meth:`decodes_linearly`, and that the latents still are those of
        :meth:`start_from`.
        """
        assert self.linear is not None  # see decodes_linearly
        decode_linearly(self._decoder_layers(), self.linear.weight)

    def _decoder_layers(self) -> list[nn.Linear]:
        return [each for each in self.decoder if isinstance(each, nn.Linear)]

    def freeze_encoder(self) -> None:
        """Exclude the encoder from the training."""
        for part in (self.encoder, self.mean_head, self.log_variance_head, self.linear):
            if part is not None:
                part.requires_grad_(False)

    def encode(self, spectra: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return the latent mean (n, latent) and its log-variance (None unless variational)."""
        inputs = (spectra - self.center) / self.scale
        if self.linear is not None and self._hidden_layers_add_nothing():
            return self.linear(inputs), None
        hidden = self.encoder(inputs)
        mean = self.mean_head(hidden)
        if self.linear is not None:
            mean = mean + self.linear(inputs)
        if self.network.latent_activation is not None:
            mean = _ACTIVATIONS[self.network.latent_activation](mean)
        if self.log_variance_head is None:
            return mean, None
        # exp(+-20) is beyond any useful variance; without bounds one bad batch could overflow.
        return mean, self.log_variance_head(hidden).clamp(-20.0, 20.0)

    def _hidden_layers_add_nothing(self) -> bool:
        """Return whether they add 0, as at the start: without them the latent has the same bits."""
        head, other = self.mean_head, (self.network.latent_activation, self.log_variance_head)
        trained = torch.is_grad_enabled() and head.weight.requires_grad
        more = trained or any(each is not None for each in other)
        return not (more or head.weight.any() or head.bias.any())

    def decode(self, latent: Tensor) -> Tensor:
        """Return spectra (n, channel) of latent points (n, latent)."""
        decoded = self.decoder(latent)
        if self.output == "identity":
            return torch.addcmul(self.center, self.scale, decoded)
        return _ACTIVATIONS[self.output](decoded)

    def forward(self, spectra: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the reconstruction, the latent mean and the latent that was decoded.

        The last two differ only in the training of a variational network, where the latent is
        mean + sigma * noise.
        """
        mean, log_variance = self.encode(spectra)
        drawn = mean
        if log_variance is not None and self.training:
            drawn = mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean)
        return self.decode(drawn), mean, drawn


def _check_memory(network: Network, down: Sequence[int], up: Sequence[int]) -> None:
    """Raise ValueError if a network with these widths of layers cannot be trained in the memory."""
    widths = (*down, network.latent), (*up, down[0])
    weights = sum(a * b for each in widths for a, b in pairwise(each))
    free = available_bytes()
    if BYTES_PER_WEIGHT * weights > free:
        raise ValueError(
            f"a network with latent = {network.latent} and layers of {max(*down, *up)} has "
            f"{weights:.3g} weights; its training needs {BYTES_PER_WEIGHT * weights:.3g} bytes of "
            f"memory, and {free:.3g} are available; choose a smaller latent or smaller layers"
        )


_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "softplus": nn.functional.softplus,
    "softmax": lambda decoded: torch.softmax(decoded, 1),
    # By the logarithm: the gradient of a root is infinite at a share of 0.
    "root-softmax": lambda decoded: torch.exp(0.5 * torch.log_softmax(decoded, 1)),
}


def _blocks(widths: tuple[int, ...], network: Network, last: str | None) -> list[nn.Module]:
    """Return linear, normalisation, activation, dropout for each two widths; ``last`` ends them."""
    activations = {"mlp": nn.ReLU, "snn": nn.SELU, "normed": nn.SiLU}
    # As many modules in every block: their numbers are names of weights in a model file.
    dropping: dict[str, Callable[[float], list[nn.Module]]] = {
        "mlp": lambda p: [nn.Identity(), DroppedRelu(p)],
        "snn": lambda p: [nn.SELU(), AlphaDropout(p)],
        "normed": lambda p: [nn.SiLU(), Dropout(p)],
    }
    layers: list[nn.Module] = []
    for place, (before, after) in enumerate(pairwise(widths), start=2):
        layers.append(nn.Linear(before, after))
        if last and place == len(widths):
            kinds = {"tanh": nn.Tanh, "sigmoid": nn.Sigmoid, "softplus": nn.Softplus}
            return [*layers, kinds[last]()]
        if network.block == "normed":
            layers.append(nn.LayerNorm(after))
        if network.dropout > 0:
            layers += dropping[network.block](network.dropout)
        else:
            layers.append(activations[network.block]())
    return layers


def _initialise(model: Autoencoder, network: Network, generator: torch.Generator | None) -> None:
    """Draw all weights: He (2015) for ReLU, LeCun (1998) for SELU; biases start at 0."""
    he = network.block == "mlp" or network.init == "kaiming"
    for layer in model.modules():
        if isinstance(layer, nn.Linear):
            # "linear" has gain 1: the standard deviation 1/sqrt(fan-in) of LeCun.
            nn.init.kaiming_normal_(
                layer.weight, nonlinearity="relu" if he else "linear", generator=generator
            )
            if network.block == "normed" and not he:
                with torch.no_grad():
                    layer.weight.mul_(NORMED)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    with torch.no_grad():
        model._last_layer().weight.mul_(LAST_LAYER)
        if model.linear is not None:
            model.mean_head.weight.zero_()  # the latent starts at the principal components


def resolve_output(
    network: Network, smallest: float, largest: float, normalise: str | None, loss: str
) -> str:
    """Return the output activation that "auto" stands for.

    Parameters
    ----------
    network : Network
    smallest, largest : float
        Smallest and largest value of the training inputs.
    normalise : str or None
        How the inputs were normalised.
    loss : str
        The reconstruction loss.

    Raises
    ------
    ValueError
        If the loss is a likelihood of counts and the inputs are negative, or it is not defined for
        the output; or if the inputs are outside the range of the output.
    """
    output = network.output
    if output == "auto":
        if loss == "multinomial" or (smallest >= 0 and normalise == "total"):
            output = "root-softmax" if normalise == "l2" else "softmax"
        elif loss == "poisson":
            output = "softplus"
        else:
            output = "sigmoid" if smallest >= 0 and normalise == "max" else "identity"
    check_loss(loss, output, smallest)
    if output == "sigmoid" and (smallest < 0 or largest > 1 + ABOVE_ONE):
        raise ValueError(
            f"the output sigmoid has values from 0 to 1, but the inputs reach from {smallest:g} to "
            f"{largest:g}: use Preprocess(normalise='max') on non-negative spectra, or another "
            "output"
        )
    return output


def check_loss(loss: str, output: str, smallest: float) -> None:
    """Raise ValueError if a likelihood of counts is used with negative inputs or a wrong output.

    Parameters
    ----------
    loss, output : str
    smallest : float
        Of the inputs.
    """
    if loss not in ("poisson", "multinomial"):
        return
    if smallest < 0:
        raise ValueError(f"the {loss} loss is for counts; some inputs are negative ({smallest:g})")
    shares = output in ("softmax", "root-softmax")
    if (loss == "multinomial") != shares or output == "identity":
        wanted = "softmax or root-softmax" if loss == "multinomial" else "softplus or sigmoid"
        raise ValueError(f"the {loss} loss needs the output {wanted}; got {output!r}")
