"""The shape of the autoencoder: its settings, which need no torch."""

from __future__ import annotations

from dataclasses import dataclass

from spectessera._util.check import check_choice, check_number

OUTPUTS = ("auto", "identity", "sigmoid", "softmax", "root-softmax", "softplus")
BLOCKS = ("mlp", "snn", "normed")
LATENT_ACTIVATIONS = (None, "tanh", "sigmoid", "softplus")
MAX_WIDTH = 1_000_000


@dataclass(frozen=True)
class Network:
    """The shape of the autoencoder.

    What is not named is as in the paper, and not as in the defaults of a segmenter, of which
    ``SpectralSegmenter().set_params(network__latent=4)`` changes one setting.

    Parameters
    ----------
    latent : int
        Number of latent dimensions.
    depth : int
        Number of hidden layers of the encoder, unless ``encoder`` lists their widths.
    widths : "halving" or "harmonic"
        Widths of the hidden layers, from the number of channels D: D//2, D//4, D//8, ... or
        D//2, D//3, D//4, ...; never below the latent size.
    encoder, decoder : tuple of int, optional
        Widths of the hidden layers, from the input on and from the latent on. By default the
        decoder mirrors the encoder. ``encoder=(512, 256, 32), decoder=(128, 256)`` is the network
        of the paper's astronomical experiment.
    block : "mlp", "snn" or "normed"
        Linear, ReLU, Dropout; Linear, SELU, AlphaDropout; or Linear, layer normalisation (Ba et
        al. 2016), SiLU, Dropout.
    dropout : float
        Probability of dropping a hidden unit in training, in [0, 1).
    init : "auto" or "kaiming"
        "auto": He initialisation (fan-in) for "mlp", LeCun for "snn", LeCun divided by sqrt(3) for
        "normed"; "kaiming": He for all blocks, as in the paper.
    variational : bool
        Two heads, mean and log-variance. In training the latent is drawn from them; clustering
        uses the mean.
    encoding_activation : None, "tanh", "sigmoid" or "softplus"
        In place of normalisation, activation and dropout of the encoder's last layer ("tanh" in
        the code that the authors of the paper released).
    latent_activation : None, "tanh", "sigmoid" or "softplus"
        Applied to the latent (to its mean in a variational network).
    linear_path : bool
        Add a linear map to the encoder that starts at the whitened principal components of the
        inputs: latent = W x + f(x), with f(x) = 0 at first. On inputs that are square roots and
        normalised to a root sum of squares, an untrained network clustered in the metric
        "whitened-sphere" is then the method :func:`spectessera.baselines.linear`.
    output : "auto", "identity", "sigmoid", "softmax", "root-softmax" or "softplus"
        Last step of the decoder. "auto" depends on the loss and the inputs. For the multinomial
        loss: the root of a softmax if inputs are normalised to a root sum of squares (their squares
        are then shares of the counts), else softmax. For the other losses: softmax if inputs are
        non-negative and normalised to a total, softplus for the Poisson loss, sigmoid if inputs are
        non-negative and normalised to their maximum, else identity.
    components : int
        Number of known components whose shares, and logits of the shares, a linear head on the
        latent learns in training on simulated spectra (0: no such head).

    Examples
    --------
    >>> Network(latent=3, encoder=(512, 256)).latent
    3
    """

    latent: int = 3
    depth: int = 3
    widths: str = "halving"
    encoder: tuple[int, ...] | None = None
    decoder: tuple[int, ...] | None = None
    block: str = "mlp"
    dropout: float = 0.0
    init: str = "auto"
    variational: bool = False
    encoding_activation: str | None = None
    latent_activation: str | None = None
    linear_path: bool = False
    output: str = "auto"
    components: int = 0

    def __post_init__(self) -> None:
        check_number("latent", self.latent, low=1, high=MAX_WIDTH, integer=True)
        check_number("depth", self.depth, low=0, high=100, integer=True)
        check_choice("widths", self.widths, ("halving", "harmonic"))
        check_choice("block", self.block, BLOCKS)
        check_choice("init", self.init, ("auto", "kaiming"))
        check_choice("output", self.output, OUTPUTS)
        for name in ("encoding_activation", "latent_activation"):
            check_choice(name, getattr(self, name), LATENT_ACTIVATIONS)
        check_number("dropout", self.dropout, low=0.0, high=0.99)
        check_number("components", self.components, low=0, high=10_000, integer=True)
        for name in ("variational", "linear_path"):  # a string such as "no" would be true
            check_choice(name, getattr(self, name), (True, False))
        for name in ("encoder", "decoder"):
            widths = getattr(self, name)
            if widths is None:
                continue
            if not isinstance(widths, (tuple, list)):
                raise TypeError(f"{name} is a list of widths, such as (512, 64); got {widths!r}")
            for width in widths:
                check_number(f"a width of the {name}", width, low=1, high=MAX_WIDTH, integer=True)
            object.__setattr__(self, name, tuple(int(width) for width in widths))

    def encoder_widths(self, channels: int) -> tuple[int, ...]:
        """Return the widths of the encoder's hidden layers for an input of ``channels``."""
        if self.encoder is not None:
            return self.encoder
        divisors = range(1, self.depth + 1)
        if self.widths == "halving":
            widths = [channels // 2**i for i in divisors]
        else:
            widths = [channels // (i + 1) for i in divisors]
        return tuple(max(self.latent, width) for width in widths)

    def decoder_widths(self, channels: int) -> tuple[int, ...]:
        """Return the widths of the decoder's hidden layers, from the latent on."""
        return self.encoder_widths(channels)[::-1] if self.decoder is None else self.decoder
