"""What the paper and its released code leave open, and what is used here: one table each.

What they state is in :mod:`spectessera.studies.published`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from spectessera.network.schedule import Schedule


class Choice(NamedTuple):
    """A setting that the paper and its released code leave open.

    Attributes
    ----------
    value : object
        What is used here.
    why : str
    varies : str
        What changes with it.
    """

    value: Any
    why: str
    varies: str


ASTRO = {
    "runs": Choice(
        ((100.0, 0.0), (100.0, 0.05), (30.0, 0.05)),
        "signal-to-noise ratio, and share of spectra of noise alone in the training. The ratio is "
        "not stated; the published mean square error falls to 1.3e-4 of a maximum of 1, so the "
        "noise is about 1 % of the peak or less. The paper says that the background is not in the "
        "training data; the released function that draws training pixels adds 5 % of noise",
        "k and the scores, see the sweeps",
    ),
    "unit": Choice(
        1.0,
        "flux of H beta before reddening in the unit of x in log(1 + x), not stated. With 1 the "
        "error of the training is about that of the published log, with 10 it is six times as "
        "large",
        "see the sweep of this flux",
    ),
    "background": Choice(
        "noise, and none",
        "the paper has noise in the background; the released notebook reads a cube without noise, "
        "and names one with noise in a comment. The same network segments both",
        "without noise the background is one point",
    ),
    "models": Choice(
        "a zone model for every spectrum",
        "the grid of photoionisation models of the paper is not available",
        "see the sweep of the models per class",
    ),
    "channels": Choice(
        1024,
        "the width of the network; spectra are made with this number of channels from 4750 to 9350 "
        "angstrom instead of being rebinned",
        "only the time; a range that ends at 7310 angstrom is part of the sweep",
    ),
    "init": Choice(
        "kaiming",
        "as in the paper; the released code draws from a normal distribution of width "
        "1/sqrt(outputs)",
        "see the sweep of the start",
    ),
    "restarts": Choice(10, "the released code starts k-means once", "only chance"),
    "image": Choice((96, 128), "clouds of the three colours on black", "the standard error"),
}
HERITAGE = {
    "pages": Choice(
        (96, 72),
        "all pixels of 16 procedural pages of this size, 110,592 spectra, or of the pictures of "
        "the user; the paper has 17 paintings of unknown size",
        "the variety of the training spectra",
    ),
    "spectra": Choice(
        207_002,
        "of more pixels, this number is drawn at random, as many as in the astronomical training",
        "the time and the memory",
    ),
    "colours of a page": Choice(
        (3, 10),
        "range in which the silhouette chooses their number; the scan of a page has one mixture of "
        "pigments for each",
        "the number of mixtures",
    ),
    "held out": Choice(
        4,
        "colours of the page that is segmented: the first one that is not used for training and "
        "in which k-means finds this number, as in the paper, in the range 3 to 5",
        "the number of groups to be found",
    ),
    "threshold": Choice(
        (0.2, 0.8),
        "0.2 as in the paper: nearly all pigments are in every colour. With 0.8, a colour has one "
        "to four pigments",
        "whether the groups can be told apart by their counts at all, see the sweep",
    ),
    "layers": Choice(
        "512, 256, 128, 32 and 64, 128, 256, 512",
        "the paper has 4 + 1 and 4 layers of unknown width",
        "the details that are decoded",
    ),
    "dropout, encoding layer, start": Choice(
        "0.1, tanh, kaiming", "those of the astronomical network", "see the sweep"
    ),
    "latent": Choice(3, "that of the astronomical network", "see the sweep"),
    "batch, epochs, learning rate, patience, validation": Choice(
        "512, 100, 1e-3, 25, 0.22", "those of the astronomical training", "the time"
    ),
    "beta": Choice(
        Schedule(0.0, 1.0, 10, 30),
        "the paper has a rising schedule; these are the epochs that are the defaults of the "
        "released trainer. The best epoch is chosen after the schedule has ended",
        "the latent is nearer to a normal distribution if it is larger, see the sweep",
    ),
    "bandwidth": Choice(
        "latent / sqrt(2)", "that of our discrepancy", "how near the latent is to its prior"
    ),
    "gamma": Choice(
        0.002,
        "the paper has a schedule that is not stated; constant, as in the astronomical network",
        "only the selected epoch, since the term has no gradient",
    ),
    "stabilise": Choice(
        "log", "log(1 + x) divided by the maximum, as in the released code", "weak lines count more"
    ),
    "k": Choice(
        (3, 5),
        "the range of the segmentation of the astronomical cube, for the picture as well",
        "see the column of k from 2",
    ),
}
