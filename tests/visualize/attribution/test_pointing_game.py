"""The pointing game: hits counted by hand, masks with a margin, and the bound of each method."""


import numpy as np
import pytest
import scipy.ndimage
from scipy.ndimage import binary_dilation

from minicnn.visualize.attribution.pointing_game import dilated, pointing_game
from minicnn.visualize.attribution.pointing_game_check import check_pointing_games


def test_the_pointing_game_counts_hits():
    maps, masks = np.zeros((4, 3, 5)), np.zeros((4, 3, 5), bool)
    masks[:, 1, 2:4] = True
    for n, place in enumerate([(1, 2), (1, 3), (1, 4), (0, 2)]):  # two inside, two outside
        maps[n][place] = 1
    assert pointing_game(maps, masks) == 0.5


@pytest.mark.parametrize("margin", [0, 1, 2])
def test_masks_are_dilated_in_steps_across_or_down(margin, rng):
    masks = rng.random((3, 9, 11)) < 0.05
    steps = abs(np.arange(-margin, margin + 1))
    diamond = steps[:, None] + steps <= margin
    expected = [scipy.ndimage.binary_dilation(mask, diamond) for mask in masks]
    np.testing.assert_array_equal(dilated(masks, margin), expected)


def test_masks_with_a_margin(rng):
    masks = rng.random((3, 12, 15)) < 0.05
    for margin in range(4):
        expected = [binary_dilation(mask, iterations=margin) if margin else mask for mask in masks]
        assert (dilated(masks, margin) == expected).all()


def test_the_pointing_game_with_a_margin():
    masks, maps = np.zeros((2, 8, 8), bool), np.zeros((2, 8, 8))
    masks[:, 3:5, 3:5] = True
    maps[0, 4, 6] = maps[1, 0, 0] = 1
    assert [pointing_game(maps, masks, margin) for margin in (0, 1, 2)] == [0, 0, 0.5]


def test_every_method_has_its_bound(rng):
    masks = np.zeros((40, 8, 8), bool)
    masks[:, :4] = True
    maps = np.zeros((40, 8, 8))
    maps[:30, 0, 0] = maps[30:, 7, 7] = 1  # 75 %
    checks = check_pointing_games({"saliency": maps, "deconvnet": maps}, masks, rng)
    assert [check.passed for check in checks[:2]] == [False, True] and checks[2].expected.startswith("about 0.50")
