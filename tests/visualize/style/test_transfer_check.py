"""The Checks of style transfer pass in the right order of the settings and fail in the reverse order."""

import dataclasses

import numpy as np
import pytest
from style_problems import PLAIN, content, problem, style, transfer
from two_stages import network

from minicnn.models.preprocessing import TORCHVISION
from minicnn.visualize.style import colour
from minicnn.visualize.style.pictures import resize_side
from minicnn.visualize.style.transfer_check import (
    check_blend,
    check_colours,
    check_content_sweep,
    check_scale_sweep,
    content_error,
)


def test_a_larger_content_weight_keeps_more_content():
    net = network(np)
    results = [transfer(np, content_weight=weight, num_steps=25) for weight in (0.01, 1, 100)]
    errors = [content_error(problem(net).net, result.image, problem(net).content, {"relu2": 1.0}) for result in results]
    assert sorted(errors, reverse=True) == errors and check_content_sweep(errors)[0].value == errors[-1]


def test_the_blend_check_fails_for_other_shares():
    settings = dataclasses.replace(PLAIN, blend=(3, 7))
    mixed = problem(network(np), ("strokes", "dots"), blend=(3, 7))
    assert check_blend(mixed, settings)[0].passed
    assert not check_blend(mixed, dataclasses.replace(PLAIN, blend=(7, 3)))[0].passed


def test_a_larger_style_gives_larger_strokes():
    pictures = [transfer(np, style_scale=scale, size=48, num_steps=30, init="noise", content_weight=0.0).picture
                for scale in (0.5, 1, 2)]
    frequencies = [check_scale_sweep([picture])[0].value for picture in pictures]
    assert sorted(frequencies, reverse=True) == frequencies


@pytest.mark.parametrize("colours", ["original", "luminance", "match"])
def test_the_colour_settings_pass_their_check(colours, xp):
    result, settings = transfer(xp, colours=colours, num_steps=5), dataclasses.replace(PLAIN, colours=colours)
    painted = TORCHVISION.to_image(result.image)
    checks = check_colours(result.picture, content(), [style()], settings, painted)
    assert len(checks) == (1 if colours == "match" else 2) and all(check.passed for check in checks)
    small = resize_side(content(), 24, "long")
    if colours != "match":
        assert np.abs(colour.to_yuv(result.picture) - colour.to_yuv(small))[..., 1:].max() < 1e-5
        assert not check_colours(result.picture[::-1], content(), [style()], settings)[0].passed
    else:
        posed = problem(network(np), colours=colours)
        shown = TORCHVISION.to_input(small)
        assert np.allclose(posed.styles[0].mean(axis=(2, 3)), shown.mean(axis=(2, 3)), atol=1e-4)
        assert np.allclose(np.cov(posed.styles[0][0].reshape(3, -1)), np.cov(shown[0].reshape(3, -1)), rtol=0.01)
