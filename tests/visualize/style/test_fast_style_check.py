"""The Checks of fast style transfer."""

import numpy as np
import pytest
from fast_style_networks import SETTINGS, critic, painter, photo, strokes

from minicnn.datasets.drawings import draw_scene
from minicnn.layers import InstanceNorm2D
from minicnn.models.preprocessing import TORCHVISION
from minicnn.optimize import LBFGS, optimize_image
from minicnn.visualize import perceptual_loss, stylize
from minicnn.visualize.style.fast_style_check import (
    check_against_optimiser,
    check_painting,
    optimiser_steps,
    total_loss,
)


class FixedOutputs:
    """A network with a fixed output for each photo, {bytes of the photo: painted}."""

    device = "cpu"

    def __init__(self, painted):
        self.painted = painted

    def predict(self, x):
        return self.painted[bytes(x)]


def test_optimiser_steps():
    loss = perceptual_loss(critic(), strokes(), TORCHVISION, SETTINGS)
    x = TORCHVISION.to_input(draw_scene(24))
    seen = []
    optimize_image(loss.net, x, loss.terms(x), update=LBFGS(memory=20), num_steps=6,
                   callback=lambda progress, image: seen.append((progress.total, image.copy())))
    assert optimiser_steps(loss, x, x, goal=total_loss(loss, x, x)) == 0
    assert seen[4][0] == pytest.approx(total_loss(loss, x, seen[3][1]), rel=1e-5)  # the image after four steps
    assert optimiser_steps(loss, x, x, goal=seen[4][0]) == 4
    assert optimiser_steps(loss, x, x, goal=seen[5][0], most=3) == 3  # the largest number of steps


def test_the_comparison_with_the_optimizer(rng):
    loss = perceptual_loss(critic(), strokes(), TORCHVISION, SETTINGS)
    x = TORCHVISION.to_input(np.stack([draw_scene(24), draw_scene(24)[:, ::-1]]))
    noise = np.random.default_rng(5).standard_normal((2, 1, 3, 24, 24)).astype(x.dtype)
    images, steps = [], 16

    def keep(progress, image):
        images.append(image.copy())
    for one, start in zip(x[:, None], noise, strict=True):
        optimize_image(loss.net, start, loss.terms(one), update=LBFGS(memory=20), num_steps=steps, callback=keep)
    # the images after 12 and after 14 steps
    net = FixedOutputs(dict(zip(map(bytes, x), (images[11], images[steps + 13]), strict=True)))
    less, from_noise, from_photo = check_against_optimiser(loss, net, x, np.random.default_rng(5))
    assert less.value == pytest.approx(np.mean([total_loss(loss, photo, net.predict(photo)) for photo in x[:, None]]))
    assert less.value < np.mean([total_loss(loss, photo, photo) for photo in x[:, None]])
    assert from_noise.value == 13 and 0 < from_photo.value < 13  # the photo is a nearer start
    grey = FixedOutputs({bytes(one): 0 * x[:1] + 5 for one in x})
    others = check_against_optimiser(loss, grey, x, rng)
    assert not any(check.judged for check in others) and others[0].value > less.value and others[1].value < 6


def test_the_checks_of_a_painting_find_faults(rng, monkeypatch):
    net, picture = painter(), photo(40, 48)
    painted = stylize(net, picture, TORCHVISION)
    assert all(check.passed for check in check_painting(net, picture, painted, TORCHVISION, rng))
    assert not check_painting(net, picture, painted[::-1], TORCHVISION, rng)[0].passed
    monkeypatch.setattr(InstanceNorm2D, "backward", lambda self, dout, cache: dout)
    assert not check_painting(net, picture, painted, TORCHVISION, rng)[2].passed
