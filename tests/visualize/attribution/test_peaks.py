"""The peak of a map, and the checks that it lies on the object."""

import numpy as np
import pytest

from minicnn.errors import InputError
from minicnn.visualize import map_peaks
from minicnn.visualize.attribution.peaks_check import check_peaks, report_peaks


def bump(y, x, side=64, width=5.0):
    """Return a map (side, side) with a smooth hill around (y, x)."""
    rows, columns = np.mgrid[:side, :side]
    return np.exp(-((rows - y)**2 + (columns - x)**2) / (2 * width**2))


def test_the_peak_is_the_top_of_each_hill():
    assert map_peaks(np.stack([bump(20, 41), bump(50, 7)])).tolist() == [[20, 41], [50, 7]]


def test_one_pixel_of_noise_is_no_peak():
    noisy = bump(20, 41)
    noisy[60, 3] = 2
    assert np.abs(map_peaks(noisy[None]) - (20, 41)).max() <= 1


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float16])
def test_maps_of_other_types_are_blurred_as_numbers(dtype):
    assert map_peaks((100 * bump(20, 41))[None].astype(dtype)).tolist() == [[20, 41]]


@pytest.mark.parametrize("maps", [np.zeros((4, 4)), "map", None])
def test_what_is_no_stack_of_maps_is_refused(maps):
    with pytest.raises(InputError, match="maps"):
        map_peaks(maps)


@pytest.fixture
def mask():
    mask = np.zeros((64, 64), bool)
    mask[8:30, 30:56] = True
    return mask


def test_a_peak_in_the_mask_passes(mask):
    checks = check_peaks({"one": bump(20, 41), "other": bump(12, 50)}, mask, "the box")
    assert [check.passed for check in checks] == [True] * 4 and [check.value for check in checks[::2]] == [0, 0]


@pytest.mark.parametrize("broken", [np.flipud, np.fliplr, np.transpose, lambda values: -values,
                                    lambda values: np.roll(values, 30, axis=0)])
def test_a_map_that_is_moved_or_has_the_wrong_sign_fails(mask, broken):
    peak, share = check_peaks({"one": broken(bump(20, 41))}, mask, "the box")
    assert peak.judged and not peak.passed and peak.value > 0 and not share.passed


def test_peaks_without_a_mask_are_only_reported():
    report, = report_peaks({"one": bump(20, 41), "other": bump(20, 9)})
    assert not report.judged and report.value == pytest.approx(32 / 64)
