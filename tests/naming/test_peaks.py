"""Simulated peaks are detected at their positions, and nothing else is."""

import numpy as np
import pytest

from spectessera.axis import Axis
from spectessera.naming.candidates import Line
from spectessera.naming.peaks import SIGNIFICANT, differing_peaks, find_peaks

AXIS = Axis(np.linspace(1.0, 21.0, 1000), "keV")
WIDTH = 0.2


def gaussian(position: float, area: float, width: float = WIDTH) -> np.ndarray:
    sigma = width / 2.3548
    step = AXIS.values[1] - AXIS.values[0]
    shape = np.exp(-(((AXIS.values - position) / sigma) ** 2) / 2)
    return area * step * shape / (np.sqrt(2 * np.pi) * sigma)


def curved() -> np.ndarray:
    return 400 * np.exp(-AXIS.values / 8) + 50


def counted(expected: np.ndarray, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    counts = np.random.default_rng(seed).poisson(expected).astype(float)
    return counts, np.sqrt(counts)


def test_position_area_and_width_of_peaks_on_a_curved_background():
    truth = {4.0: 5000.0, 8.0: 20000.0, 15.0: 2000.0}
    expected = curved() + sum(gaussian(*each) for each in truth.items())
    peaks = find_peaks(*counted(expected), AXIS, width=WIDTH)
    assert len(peaks) == 3
    for peak, (position, area) in zip(peaks, truth.items(), strict=True):
        assert abs(peak.position - position) < 5 * peak.error < 0.05
        assert peak.area == pytest.approx(area, rel=0.1)
        assert peak.width == pytest.approx(WIDTH, rel=0.15)
        assert peak.significance > SIGNIFICANT


def test_positions_deviate_from_the_truth_by_about_their_errors():
    away = []
    for seed in range(40):
        (peak,) = find_peaks(*counted(curved() + gaussian(8.03, 6000), seed), AXIS, width=WIDTH)
        away.append((peak.position - 8.03) / peak.error)
    assert 0.6 < np.std(away) < 1.6
    assert abs(np.mean(away)) < 0.6


@pytest.mark.parametrize("apart", [1.0, 1.3, 2.0])
def test_overlapping_peaks_are_resolved(apart):
    second = 8.0 + apart * WIDTH
    expected = curved() + gaussian(8.0, 1e5) + gaussian(second, 6e4)
    peaks = find_peaks(*counted(expected), AXIS, width=WIDTH)
    assert len(peaks) == 2
    assert [peak.position for peak in peaks] == pytest.approx([8.0, second], abs=0.03)
    assert [peak.area for peak in peaks] == pytest.approx([1e5, 6e4], rel=0.15)


@pytest.mark.parametrize("level", [1.0, 100.0, 1e6, 1e9])
def test_noise_has_no_peaks(level):
    found = [
        find_peaks(*counted(level * curved() / 100, seed), AXIS, width=WIDTH) for seed in range(10)
    ]
    assert sum(map(len, found)) <= 1


def test_ripples_of_a_background_are_not_peaks_for_any_number_of_photons():
    smooth = 1e8 * curved() * (1 + 0.02 * np.sin(AXIS.values))
    assert find_peaks(smooth, np.sqrt(smooth), AXIS, width=WIDTH) == ()


def test_absorption_has_negative_areas():
    expected = 10 * curved() - gaussian(5.0, 3000) + gaussian(9.0, 3000)
    counts = counted(expected)
    lower, upper = find_peaks(*counts, AXIS, width=WIDTH, sign="both")
    assert lower.position == pytest.approx(5.0, abs=0.05)
    assert lower.area < 0 < upper.area
    assert find_peaks(*counts, AXIS, width=WIDTH, sign="absorption") == (lower,)
    assert find_peaks(*counts, AXIS, width=WIDTH) == (upper,)


def test_a_falling_axis_gives_the_same_peaks_in_reverse_order():
    counts, error = counted(curved() + gaussian(4.0, 5000) + gaussian(9.0, 9000))
    rising = find_peaks(counts, error, AXIS, width=WIDTH)
    falling = Axis(AXIS.values[::-1], "keV")
    assert find_peaks(counts[::-1], error[::-1], falling, width=WIDTH) == rising[::-1]


def test_the_scale_does_not_change_the_peaks():
    counts, error = counted(curved() + gaussian(4.0, 5000))
    (one,) = find_peaks(counts, error, AXIS, width=WIDTH)
    (two,) = find_peaks(1e-17 * counts, 1e-17 * error, AXIS, width=WIDTH)
    assert two.area == pytest.approx(1e-17 * one.area, rel=1e-6)
    assert two.significance == pytest.approx(one.significance, rel=1e-6)


def test_invalid_spectra_give_no_peaks_or_a_clear_error():
    zero = np.zeros(len(AXIS))
    assert find_peaks(zero, zero, AXIS, width=WIDTH) == ()
    one = Axis([1.0], "keV")
    assert find_peaks(np.ones(1), np.ones(1), one, width=WIDTH) == ()
    bad = zero.copy()
    bad[3] = np.nan
    with pytest.raises(ValueError, match="not finite"):
        find_peaks(bad, zero, AXIS, width=WIDTH)
    with pytest.raises(ValueError, match="negative"):
        find_peaks(zero, zero - 1, AXIS, width=WIDTH)
    with pytest.raises(ValueError, match="the axis"):
        find_peaks(zero[1:], zero, AXIS, width=WIDTH)
    with pytest.raises(ValueError, match="width"):
        find_peaks(zero, zero, AXIS, width=0.0)
    with pytest.raises(ValueError, match="above 0"):
        differing_peaks(zero, zero, zero, zero, AXIS, width=WIDTH)


def test_a_differing_line_is_reported_and_brightness_is_not():
    common = curved() + gaussian(4.0, 5000)
    first, first_error = counted(common)
    second, second_error = counted(3 * (common + gaussian(10.55, 4000)), seed=1)
    known = (Line("Pb La", 10.54, None), Line("Ca Ka", 4.0, None))
    found = differing_peaks(
        first, second, first_error, second_error, AXIS, width=WIDTH, lines=known
    )
    line, significance = found[0]
    assert line.name == "Pb La"
    assert line.note == "stronger in the second"
    assert significance < -SIGNIFICANT
    same, same_error = counted(3 * common, seed=2)
    assert differing_peaks(first, same, first_error, same_error, AXIS, width=WIDTH) == ()
