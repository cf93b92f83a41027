"""The perceptual loss: its value, its gradient, a training with it, and bad input."""

from dataclasses import replace

import numpy as np
import pytest
from fast_style_networks import SETTINGS, check_slopes, critic, device, painter, photo, strokes

from minicnn.backend import get_array_module, to_device
from minicnn.datasets.drawings import draw_scene
from minicnn.errors import InputError
from minicnn.losses import weighted_sum
from minicnn.models import digits, shapes, squeezenet1_1, vgg16
from minicnn.models.preprocessing import TORCHVISION
from minicnn.optimize import Adam
from minicnn.training.train import train
from minicnn.visualize import PerceptualLoss, PhotoCrops, perceptual_loss
from minicnn.visualize.style.perceptual import FAST_PRESETS
from minicnn.visualize.style.problem import style_problem


@pytest.mark.parametrize("reduction", ["relative", "mean", "sum"])
def test_the_loss_is_the_mean_of_the_style_transfer_losses(xp, reduction):
    settings = replace(SETTINGS, reduction=reduction)
    pictures = [draw_scene(24), draw_scene(24)[:, ::-1]]
    if reduction == "relative":  # divides by the sum of the batch, so both pictures need the same sum
        pictures[1] = pictures[0]
    loss = perceptual_loss(critic(xp), strokes(), TORCHVISION, settings)
    photos, out = TORCHVISION.to_input(np.stack(pictures)), TORCHVISION.to_input(photo(24, 24)).repeat(2, axis=0)
    value, gradient = loss(to_device(out, device(xp)), photos)
    singly = []
    for picture in pictures:
        problem = style_problem(critic(xp), picture, [strokes()], TORCHVISION, settings, 24)
        activations = problem.net.features(to_device(out[:1], device(xp)), [loss.layer for _, loss in problem.terms])
        singly.append(weighted_sum(problem.terms, activations)[0])
    assert value == pytest.approx(np.mean(singly), rel=1e-5)
    assert get_array_module(gradient) is xp and gradient.shape == out.shape


def test_the_gradients_of_the_parameters(xp, rng):
    net = painter(xp, "float64")
    loss = perceptual_loss(critic(xp, "float64"), strokes(), TORCHVISION, SETTINGS)
    targets = {name: gram.astype("float64") for name, gram in loss.targets.items()}
    loss = PerceptualLoss(loss.net, loss.settings, targets)
    photos = to_device(rng.standard_normal((2, 3, 16, 20)), device(xp))
    trace = net.forward_train(photos, rng, keep=(net.output,))
    _, dout = loss(trace.activations[net.output], photos)
    gradients = net.backward_train(trace, {net.output: dout})
    check_slopes(net, gradients, ("conv1", "in2", "res1/conv2", "res2/in1", "deconv1", "deconv3"),
                 lambda: loss(net.predict(photos), photos)[0], rng)


def test_a_resumed_training_ends_in_the_same_network(tmp_path):
    loss = perceptual_loss(critic(), strokes(), TORCHVISION, SETTINGS)
    crops = PhotoCrops([draw_scene(32)], TORCHVISION, size=16, batch_size=2)

    def training(checkpoint, stop=None):
        net = painter()
        history = train(net, crops, update=Adam(3e-3), num_steps=8, loss=loss, checkpoint=checkpoint,
                        callback=lambda step, value: step == stop)
        return net.predict(crops(0)[0]), history
    whole, history = training(tmp_path / "whole.npz")
    training(tmp_path / "parts.npz", stop=4)
    again, resumed = training(tmp_path / "parts.npz")
    np.testing.assert_array_equal(whole, again)
    assert history == resumed and len(history) == 8 and history[-1] < history[0]


def test_bad_input():
    for changed, words in (({"style_weight": 0.0}, "both need weights above 0"),
                           ({"content_layers": {"relu7": 1.0}}, "no layer 'relu7'"),
                           ({"size": 1}, "the style has 1x1 pixels, too few for 'relu2'")):
        with pytest.raises(InputError, match=words):
            perceptual_loss(critic(), strokes(), TORCHVISION, replace(SETTINGS, **changed))


def test_a_grey_loss_network_is_refused():
    with pytest.raises(InputError, match="in colour; this one takes 1 channels"):
        perceptual_loss(digits(seed=None), strokes(), TORCHVISION, SETTINGS)


def test_networks_have_the_layers_of_their_presets():
    for net, name in ((vgg16(seed=None), "johnson"), (squeezenet1_1(seed=None), "squeezenet"), (shapes(), "shapes")):
        settings = FAST_PRESETS[name]
        content, style = settings.weighted_layers()
        assert {*content, *style} <= set(net.layer_names())
