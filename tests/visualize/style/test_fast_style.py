"""Fast style transfer on both back ends: pictures of any size, tiles that are the whole, and the training."""

from dataclasses import replace

import numpy as np
import pytest
from fast_style_networks import SETTINGS, check_slopes, critic, device, painter, photo, strokes

from minicnn.backend import get_array_module, to_device
from minicnn.datasets.drawings import draw_scene
from minicnn.errors import InputError
from minicnn.fast.forecast import peak_memory
from minicnn.images import save_image
from minicnn.layers import InstanceNorm2D, ReLU
from minicnn.losses import weighted_sum
from minicnn.models import digits, shapes, squeezenet1_1, transform_network, vgg16
from minicnn.models.preprocessing import TORCHVISION
from minicnn.optimize import LBFGS, Adam, optimize_image
from minicnn.training.train import train
from minicnn.visualize import PerceptualLoss, PhotoCrops, perceptual_loss, stylize
from minicnn.visualize.style import tiled_transform
from minicnn.visualize.style.fast_style import mirrored
from minicnn.visualize.style.fast_style_check import (
    check_against_optimiser,
    check_painting,
    optimiser_steps,
    total_loss,
)
from minicnn.visualize.style.perceptual import FAST_PRESETS
from minicnn.visualize.style.problem import style_problem
from minicnn.visualize.style.tiled_transform import mean_and_variance, predict_by_tiles, reach, tile_that_fits

# ---- a picture in, a picture out -------------------------------------------------------------------------------------

def test_a_picture_of_fitting_size_is_what_the_network_makes_of_it(xp):
    net, picture = painter(xp), photo(16, 24)
    painted = stylize(net, picture, TORCHVISION)
    assert isinstance(painted, np.ndarray) and painted.dtype == np.uint8
    expected = TORCHVISION.to_image(painter().predict(TORCHVISION.to_input(picture)))
    assert abs(painted.astype(int) - expected).max() <= 1


@pytest.mark.parametrize("size", [(37, 44), (8, 8), (2, 31), (1, 1), (9, 6)])
def test_any_size_is_painted_as_if_its_mirror_image_went_on(size):
    picture = photo(*size)
    whole = mirrored(picture)
    assert whole.shape[0] % 4 == whole.shape[1] % 4 == 0 and min(whole.shape[:2]) >= 8
    assert max(whole.shape[0] - size[0], whole.shape[1] - size[1]) < 8
    np.testing.assert_array_equal(whole[:size[0], :size[1]], picture)
    if size == (37, 44):
        np.testing.assert_array_equal(whole[37:], picture[35:32:-1])
    painted = stylize(painter(), picture, TORCHVISION)
    np.testing.assert_array_equal(painted, stylize(painter(), whole, TORCHVISION)[:size[0], :size[1]])


@pytest.mark.parametrize("net", [shapes(seed=None), critic(), transform_network(None, (2, 2, 2), 1).trunk("relu5")])
def test_a_network_that_paints_nothing_is_refused(net):
    with pytest.raises(InputError, match="paints no pictures"):
        stylize(net, photo(), TORCHVISION)


# ---- tiles -----------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("tile", [8, 17, 40, 1000])
def test_tiles_are_the_whole_picture(tile, rng):
    net = painter(dtype="float64")
    x = rng.standard_normal((1, 3, 84, 60)) * np.linspace(0, 2, 60)  # unlike from tile to tile
    whole = net.predict(x)
    calls = []
    tiled = predict_by_tiles(net, x, tile, lambda done, total: calls.append((done, total)))
    np.testing.assert_allclose(tiled, whole, rtol=0, atol=1e-12 * abs(whole).max())
    assert calls == [(n + 1, len(calls)) for n in range(len(calls))]
    assert len(calls) == 10 * -(-84 // (tile // 4 * 4)) * -(-60 // (tile // 4 * 4))  # nine norms, and the painting


def test_tiles_on_both_back_ends_and_in_odd_sizes(xp):
    picture = photo(53, 35)
    whole, tiled = (stylize(painter(xp), picture, TORCHVISION, tile=tile) for tile in (None, 24))
    assert tiled.shape == picture.shape
    assert abs(whole.astype(int) - tiled).max() <= 1


def test_each_tile_for_itself_would_be_another_picture(rng):
    net = painter(dtype="float64")
    x = rng.standard_normal((1, 3, 32, 64)) * np.linspace(0, 2, 64)
    halves = np.concatenate([net.predict(x[..., :32]), net.predict(x[..., 32:])], axis=3)
    assert abs(halves - net.predict(x)).max() > 0.1 * abs(halves).max()


def test_no_pixel_depends_on_more_than_the_reach(rng):
    net = painter(dtype="float64")
    known = {node.name: tiled_transform.with_statistics(node.layer, np.zeros(len(node.layer.params["beta"])),
                                                   np.ones(len(node.layer.params["beta"])))
             for node in net.nodes if isinstance(node.layer, InstanceNorm2D)}
    fixed = net.with_layers(known)
    x = rng.standard_normal((1, 3, 8, 160))
    trace = fixed.forward(x)
    for column in range(80, 84):
        seed = np.zeros_like(x)
        seed[..., column] = 1
        seen = np.flatnonzero(fixed.backward(trace, {net.output: seed})["input"].any(axis=(0, 1, 2)))
        assert column - reach(net) <= seen[0] and seen[-1] <= column + reach(net)
        assert seen[-1] - seen[0] > reach(net)  # and it is not much too far


def test_the_median_of_each_window_and_channel():
    net, picture = painter(), photo(20, 22)
    plain, found = (stylize(net, picture, TORCHVISION, median=median) for median in (1, 3))
    for (y, x, c), value in np.ndenumerate(found[1:-1, 1:-1]):
        assert value == np.median(plain[y:y + 3, x:x + 3, c])
    for wrong in (4, 33, -1):
        with pytest.raises(InputError, match=f"median is {wrong}; expected an odd number of pixels up to 31"):
            stylize(net, picture, TORCHVISION, median=wrong)


def test_mean_and_variance_of_parts_are_those_of_the_whole(rng):
    whole = 1e4 + rng.standard_normal((1, 3, 8, 10))
    mean, variance = mean_and_variance([whole[:, :, :5], whole[:, :, 5:, :3], whole[:, :, 5:, 3:]])
    np.testing.assert_allclose(mean, whole.mean(axis=(0, 2, 3)), rtol=1e-14)
    np.testing.assert_allclose(variance, whole.var(axis=(0, 2, 3)), rtol=1e-10)


def test_tiles_are_taken_where_memory_is_short(monkeypatch):
    net = painter()
    needed = peak_memory(net, (1, 3, 2000, 2000), seeds=())
    without_margin = 2 * peak_memory(net, (1, 3, 1024, 1024), seeds=())
    for free, expected in ((None, None), (3 * needed, None), (needed, 1024), (without_margin, 512),
                           (0, tiled_transform.TILES[-1])):
        monkeypatch.setattr(tiled_transform, "available_memory", lambda device, free=free: free)
        assert tile_that_fits(net, (1999, 1998)) == expected


def test_layers_can_be_exchanged_by_name():
    net, other = critic(), ReLU()
    changed = net.with_layers({"relu1": other})
    assert changed.layer("relu1") is other and net.layer("relu1") is not other
    assert changed.layer("conv1") is net.layer("conv1") and changed.layer_names() == net.layer_names()
    with pytest.raises(InputError, match="no layer 'relu3'"):
        net.with_layers({"relu3": other})


# ---- the training ----------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("reduction", ["relative", "mean", "sum"])
def test_the_loss_is_the_mean_of_what_style_transfer_minimises(xp, reduction):
    settings = replace(SETTINGS, reduction=reduction)
    pictures = [draw_scene(24), draw_scene(24)[:, ::-1]]
    if reduction == "relative":  # which weighs by a batch's own sum: so of pictures of the same sums
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


def test_the_gradient_of_every_parameter_is_the_slope_of_the_loss(xp, rng):
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


def test_crops_are_a_function_of_seed_and_step(tmp_path):
    save_image(tmp_path / "a.png", draw_scene(50))
    crops = PhotoCrops([str(tmp_path / "a.png"), draw_scene(40)[:30]], TORCHVISION, size=16, batch_size=3, seed=1)
    x, photos = crops(5)
    assert photos is x and x.shape == (3, 3, 16, 16) and x.dtype == np.float32
    np.testing.assert_array_equal(x, crops(5)[0])
    assert not np.array_equal(x, crops(6)[0])
    assert not np.array_equal(x, PhotoCrops(crops.photos, TORCHVISION, 16, 3, seed=2)(5)[0])
    whole = PhotoCrops([draw_scene(16)], TORCHVISION, 16, 8, largest=1.0)(0)[0]
    known = TORCHVISION.to_input(draw_scene(16))
    assert {np.array_equal(one, known[0]) for one in whole} == {True, False}  # as it is, and mirrored
    assert all(np.array_equal(one, known[0]) or np.array_equal(one[..., ::-1], known[0]) for one in whole)


def test_a_resumed_training_ends_where_the_uninterrupted_one_does(tmp_path):
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


def test_a_loss_without_style_or_with_layers_that_are_not_there_is_refused():
    for changed, words in (({"style_weight": 0.0}, "both need weights above 0"),
                           ({"content_layers": {"relu7": 1.0}}, "no layer 'relu7'"),
                           ({"size": 1}, "the style has 1x1 pixels, too few for 'relu2'")):
        with pytest.raises(InputError, match=words):
            perceptual_loss(critic(), strokes(), TORCHVISION, replace(SETTINGS, **changed))


# ---- what proves it --------------------------------------------------------------------------------------------------

class Known:
    """A network that paints of each photo what it was told, {bytes of the photo: painted}."""

    device = "cpu"

    def __init__(self, painted):
        self.painted = painted

    def predict(self, x):
        return self.painted[bytes(x)]


def test_the_optimiser_is_counted_in_steps_to_the_same_loss():
    loss = perceptual_loss(critic(), strokes(), TORCHVISION, SETTINGS)
    x = TORCHVISION.to_input(draw_scene(24))
    seen = []
    optimize_image(loss.net, x, loss.terms(x), update=LBFGS(memory=20), num_steps=6,
                   callback=lambda progress, image: seen.append((progress.total, image.copy())))
    assert optimiser_steps(loss, x, x, goal=total_loss(loss, x, x)) == 0
    assert seen[4][0] == pytest.approx(total_loss(loss, x, seen[3][1]), rel=1e-5)  # the image after four steps
    assert optimiser_steps(loss, x, x, goal=seen[4][0]) == 4
    assert optimiser_steps(loss, x, x, goal=seen[5][0], most=3) == 3  # as many as were tried


def test_painting_is_compared_with_the_optimiser_from_noise_and_from_the_photo(rng):
    loss = perceptual_loss(critic(), strokes(), TORCHVISION, SETTINGS)
    x = TORCHVISION.to_input(np.stack([draw_scene(24), draw_scene(24)[:, ::-1]]))
    noise = np.random.default_rng(5).standard_normal((2, 1, 3, 24, 24)).astype(x.dtype)
    images, steps = [], 16

    def keep(progress, image):
        images.append(image.copy())
    for one, start in zip(x[:, None], noise, strict=True):
        optimize_image(loss.net, start, loss.terms(one), update=LBFGS(memory=20), num_steps=steps, callback=keep)
    net = Known(dict(zip(map(bytes, x), (images[11], images[steps + 13]), strict=True)))  # after 12 and after 14 steps
    less, from_noise, from_photo = check_against_optimiser(loss, net, x, np.random.default_rng(5))
    assert less.passed and less.value == pytest.approx(np.mean([total_loss(loss, photo, net.predict(photo))
                                                                for photo in x[:, None]]))
    assert from_noise.passed and from_noise.value == 13 and 0 < from_photo.value < 13  # the photo is nearer
    grey = Known({bytes(one): 0 * x[:1] + 5 for one in x})
    assert not any(check.passed for check in check_against_optimiser(loss, grey, x, rng))


def test_a_painting_is_proved_by_tiles_and_slopes(rng, monkeypatch):
    net, picture = painter(), photo(40, 48)
    painted = stylize(net, picture, TORCHVISION)
    assert all(check.passed for check in check_painting(net, picture, painted, TORCHVISION, rng))
    assert not check_painting(net, picture, painted[::-1], TORCHVISION, rng)[0].passed
    monkeypatch.setattr(InstanceNorm2D, "backward", lambda self, dout, cache: dout)
    assert not check_painting(net, picture, painted, TORCHVISION, rng)[1].passed


def test_a_loss_network_of_grey_pictures_is_refused():
    with pytest.raises(InputError, match="in colour; this one takes 1 channels"):
        perceptual_loss(digits(seed=None), strokes(), TORCHVISION, SETTINGS)


def test_the_presets_name_layers_of_their_networks():
    for net, name in ((vgg16(seed=None), "johnson"), (squeezenet1_1(seed=None), "squeezenet"), (shapes(), "shapes")):
        settings = FAST_PRESETS[name]
        content, style = settings.weighted_layers()
        assert {*content, *style} <= set(net.layer_names())
