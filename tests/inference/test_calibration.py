"""Confidence against measurements that are repeated."""

import numpy as np
import pytest

from spectessera import Clusters, Preprocess, SpectralSegmenter, Training, make_cube, segment
from spectessera.cube import spectral_axis
from spectessera.inference.calibration import (
    Repeated,
    agreement,
    calibration_of,
    grown,
    growth_of_model,
    offsets_for,
    shape_of,
)
from spectessera.inference.confidence import (
    Calibration,
    fit_mixture,
    line_of,
    normal_draws,
    same_label_probability,
)
from spectessera.inference.job import Job
from spectessera.inference.parts import pieces_of
from spectessera.kmeans.rule import Rule
from spectessera.preprocess.intake import intake_of

COUNTS, GROUPS = 25, 4


def expected() -> np.ndarray:
    """Return spectra (48, 48, 60) of four groups whose lines overlap, of unequal brightness."""
    generator = np.random.default_rng(0)
    lines = np.exp(-np.square((np.arange(60) - 12 * (1 + np.arange(GROUPS)[:, None])) / 5))
    spectra = (0.4 + lines)[generator.integers(0, GROUPS, (48, 48))]
    bright = COUNTS * generator.uniform(0.5, 2, (48, 48, 1))
    return bright * spectra / spectra.sum(axis=2, keepdims=True)


def measured(seed: int, kind: str):
    generator = np.random.default_rng(seed)
    if kind == "counts":
        return make_cube(generator.poisson(expected()).astype(np.uint16), energy=(1.0, 20.0))
    noise = 0.6 * generator.standard_normal((48, 48, 62)).astype(np.float32)
    smooth = (noise[..., :-2] + noise[..., 1:-1] + noise[..., 2:]) / np.sqrt(3)
    return make_cube(expected() + smooth, variance=np.full((48, 48, 60), 0.36))


@pytest.mark.parametrize(
    ("kind", "k", "most"), [("counts", 4, 0.05), ("counts", 8, 0.1), ("variance", 4, 0.05)]
)
def test_repeated_measurements_agree_as_often_as_the_confidence_says(kind, k, most):
    """Without calibration the errors are 0.08, 0.28 and 0.15.

    (Of more clusters than groups and a network trained on these pixels it is not at most 0.05.)
    """
    cube = measured(1, kind)
    segmenter = SpectralSegmenter(
        clusters=Clusters(k, k), training=Training(gamma=0.0, epochs=5)
    ).fit(cube)
    result = segment(cube, segmenter, k, neighbours=0, keep=["latent"])
    label, sure = (result[name].values.ravel() for name in ("label", "confidence"))
    latent = result["latent_cube"].values.reshape(label.size, -1)
    rule = segmenter.cluster(
        latent, Clusters(k, k, metric=segmenter.config("clusters").metric), seed=0
    ).rule
    np.testing.assert_array_equal(rule.label(latent) + 1, label)
    same = np.mean(
        [rule.label(segmenter.transform(measured(seed, kind))) + 1 == label for seed in (2, 3, 4)],
        axis=0,
    )
    place = np.minimum((10 * sure).astype(int), 9)
    error = sum(
        abs(sure[place == each].mean() - same[place == each].mean()) * (place == each).mean()
        for each in np.unique(place)
    )
    assert same.mean() < 0.9  # there is something to be unsure of
    assert error <= most


def gaussian_parts(seed: int, apart: float) -> tuple[Repeated, np.ndarray, Rule]:
    """Return two groups of points on a line with unit noise, and a new measurement of them."""
    generator = np.random.default_rng(seed)
    truth = apart * np.repeat([-0.5, 0.5], 1500)[:, None] * [1, 0]

    def split(points: np.ndarray, variance: float) -> tuple[np.ndarray, np.ndarray]:
        noise = np.sqrt(variance) * generator.standard_normal(points.shape)
        return points + noise, points - noise

    whole, again = truth + generator.standard_normal((2, 3000, 2))
    halves = [split(whole, 1.0) for _ in range(3)]
    one, three = (split(half, 2.0) for half in halves[0])
    quarters = [(one[0], three[0]), (one[1], three[1])]
    ends = max(apart / 2, 0.8)
    rule = Rule("plain", np.zeros(2), np.eye(2), np.array([[-ends, 0], [ends, 0]]))
    return Repeated(whole, halves, quarters, np.ones(3000)), again, rule


def labels_of(points: np.ndarray) -> np.ndarray:
    return (points[:, 0] > 0).astype(int)


@pytest.mark.parametrize("apart", [0.0, 1.5, 3.0])
@pytest.mark.parametrize("seed", [1, 2])
def test_clusters_are_as_sure_as_a_new_measurement_agrees(seed, apart):
    """Without groups half of the labels are the same, however sure the model of clusters is."""
    parts, again, rule = gaussian_parts(seed, apart)
    own = labels_of(parts.whole)
    # A model that sees a tenth of the noise: its mean probability is 0.9 and more.
    mixture = fit_mixture(parts.whole, own, np.stack([0.1 * np.eye(2)] * 2))
    draws = normal_draws(2, np.random.default_rng(0))
    found = calibration_of(parts, rule, mixture, draws)
    model = same_label_probability(parts.whole, own, rule.centers, mixture, draws)
    sure = found.apply(model, own)
    share = (labels_of(again) == own).mean()
    assert model.mean() - share > 0.05
    assert sure.mean() == pytest.approx(share, abs=0.05)


def test_a_small_map_without_its_middle_is_calibrated_too():
    """Neighbours are measured in parts where there are any."""
    generator, mask = np.random.default_rng(1), np.zeros((130, 70), bool)
    mask[35:95] = True  # 58 rows are measured in parts
    spectra = 1 + 3 * np.exp(-np.square((np.arange(20) - [[7], [11]]) / 4))
    counts = generator.poisson(spectra[generator.integers(0, 2, mask.shape)])
    cube = make_cube(counts.astype(np.uint16), energy=(1.0, 20.0), mask=mask)
    intake = intake_of(cube, Preprocess(), spectral_axis(cube))
    job = Job(cube, SpectralSegmenter(), 2, 0, (), means=False)
    pieces = pieces_of(job, intake, counted=True)
    assert pieces.usable.shape == (1, 58, 70)
    assert pieces.usable.sum() == 35 * 70


def test_too_few_labels_that_differ_change_nothing():
    parts, _, rule = gaussian_parts(3, 30.0)
    own = labels_of(parts.whole)
    mixture = fit_mixture(parts.whole, own, np.stack([np.eye(2)] * 2))
    draws = normal_draws(2, np.random.default_rng(0))
    assert calibration_of(parts, rule, mixture, draws) is None


def test_the_shape_raises_and_lowers_probabilities_without_changing_their_order():
    generator = np.random.default_rng(1)
    sure, label = generator.uniform(0.4, 1, 20_000), np.zeros(20_000, int)
    for power in (0.5, 2.0):
        same = generator.uniform(size=len(sure)) < sure**power
        shape = shape_of(sure, label, np.where(same, 0, 1), np.ones(len(sure)), 2)
        mean = np.array([(sure**power).mean(), 0.5])
        offset = offsets_for(mean, line_of(sure) @ shape, label)
        some = np.linspace(0.4, 0.95, 12)
        found = Calibration(offset, *shape).apply(some, np.zeros(12, int))
        assert (np.diff(found) > 0).all()
        np.testing.assert_allclose(found, some**power, atol=0.05)


def test_no_shape_falls_where_the_model_rises():
    """The model is wrong: the surer it is, the less labels agree."""
    generator = np.random.default_rng(2)
    sure, label = generator.uniform(0.1, 0.99, 4000), np.zeros(4000, int)
    same = generator.uniform(size=4000) > sure
    shape = shape_of(sure, label, np.where(same, 0, 1), np.ones(4000), 2)
    found = line_of(np.linspace(0.01, 0.99, 99)) @ shape
    assert (np.diff(found) > -1e-9).all()


def test_the_weights_are_those_of_pixels():
    """A pixel of a cluster of which a tenth is drawn counts ten times."""
    one, other = np.zeros(2000, int), np.arange(2000) % 2
    other[1000:] = np.arange(1000) % 10 == 0
    weight = np.repeat([10.0, 1.0], 1000)
    # 5,900 of 11,000, seen from the first; all of the first cluster that the second finds
    assert agreement([(one, other)], weight, 2)[0] == pytest.approx(2 * 5900 / 16900, abs=0.01)


def test_a_cluster_without_pixels_agrees_as_all_others_do():
    one, other = np.zeros(100, int), np.arange(100) % 2
    found = agreement([(one, other)], np.ones(100), 3)
    assert found[2] == pytest.approx(0.5, abs=0.01)
    offset = offsets_for(found, np.zeros(4), np.zeros(4, int))
    assert np.isfinite(offset).all()


def test_a_model_that_is_not_right_about_halves_says_nothing_of_the_whole():
    assert growth_of_model((0.3, 0.5, 0.8), (0.3, 0.5)) > 0.5
    assert growth_of_model((0.3, 0.5, 0.8), (0.3, 0.4)) == 0
    assert growth_of_model((0.5, 0.5, 0.5), (0.5, 0.5)) == 0
    assert (grown(np.full(2, 0.5), np.full(2, 0.6), 0.5) > grown(*np.full((2, 2), 0.6))).all()
