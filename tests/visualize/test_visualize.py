"""The visualizations: their objective checks on small networks, on both array modules, and at their edges."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.ndimage
from small_networks import PUBLISHED_FIELDS, on, small_network

from minicnn.backend import device_of, to_device, to_host
from minicnn.errors import InputError, UnknownNameError
from minicnn.layers import Conv2D, GuidedReLU, ReLU
from minicnn.models import alexnet, build_network, vgg16
from minicnn.models.preprocessing import TORCHVISION, Preprocessing
from minicnn.network import Network
from minicnn.optimize import Clamp
from minicnn.receptive_field import ReceptiveField
from minicnn.visualize import (
    class_visualization,
    deconvnet,
    feature_maps,
    filter_grid,
    filter_weights,
    guided_backprop,
    neuron_gradient,
    receptive_field,
    saliency_map,
)
from minicnn.visualize.attribution.guided_backprop_check import check_neuron_gradient, count_relus
from minicnn.visualize.attribution.pointing_game import dilated, pointing_game
from minicnn.visualize.attribution.saliency_check import check_saliency
from minicnn.visualize.grid import tile_corners, tile_images
from minicnn.visualize.synthesis.ascent_settings import CS231N, MARGIN
from minicnn.visualize.synthesis.class_visualization_check import check_class_visualization, high_frequency_share
from minicnn.visualize.units.activations import scale_maps, strongest_neurons
from minicnn.visualize.units.activations_check import check_feature_maps
from minicnn.visualize.units.filters import (
    colour_filters,
    grey_filter_grid,
    mean_colour_share,
    signed_filters,
    stack_filters,
)
from minicnn.visualize.units.filters_check import check_filter_grid, check_filter_responses, check_signed_filters

PLAIN = Preprocessing("RGB", 1 / 255, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25), 16, 16)


def scored_network(rng):
    """small_network with five class scores."""
    from minicnn.layers import GlobalAvgPool2D
    net = small_network(rng)
    net.add("scores", GlobalAvgPool2D())
    return net


# ---- filters ---------------------------------------------------------------------------------------------------------


def test_first_layer_filters_fill_the_range_and_read_back(rng):
    w = rng.standard_normal((10, 3, 5, 5)).astype(np.float32)
    colours = colour_filters(w)
    assert colours.shape == (10, 5, 5, 3)
    assert np.allclose(colours.min(axis=(1, 2, 3)), 0) and np.allclose(colours.max(axis=(1, 2, 3)), 1)
    assert all(check.passed for check in check_filter_grid(w, rng))


def test_same_scale_keeps_a_weak_filter_weak(rng):
    w = rng.standard_normal((4, 3, 5, 5)).astype(np.float32)
    w[0] *= 0.01
    assert np.ptp(colour_filters(w, same_scale=True)[0]) < 0.02
    assert np.ptp(colour_filters(w)[0]) == pytest.approx(1)


def test_a_flat_filter_is_no_division_by_zero():
    assert np.isfinite(colour_filters(np.ones((2, 3, 3, 3), np.float32))).all()
    assert (signed_filters(np.zeros((2, 4, 3, 3), np.float32)) == 0.5).all()


def test_signed_filters_put_zero_at_half_grey(rng):
    w = rng.standard_normal((4, 6, 3, 3)).astype(np.float32)
    maps = signed_filters(w)
    assert np.allclose(np.sign(maps - 0.5), np.sign(w)) and maps.min() >= 0 and maps.max() <= 1
    assert all(check.passed for check in check_signed_filters(w))


def test_filter_grid_has_a_tile_a_filter_or_a_row_a_filter(rng):
    assert filter_grid(rng.standard_normal((64, 3, 7, 7)), zoom=2).shape == (8 * 15 - 1, 8 * 15 - 1, 3)
    assert filter_grid(rng.standard_normal((5, 16, 3, 3))).shape == (5 * 4 - 1, 16 * 4 - 1)


def test_mean_colour_share_is_one_for_a_flat_and_zero_for_a_balanced_filter():
    flat = np.ones((1, 3, 4, 4))
    edge = np.ones((1, 3, 4, 4))
    edge[..., :2] = -1
    assert mean_colour_share(flat)[0] == pytest.approx(1) and mean_colour_share(edge)[0] == pytest.approx(0)


def test_the_check_of_the_grid_sees_filters_that_are_missing_or_changed(rng, monkeypatch):
    from minicnn.visualize.units import filters_check as checks_filters
    w = rng.standard_normal((10, 3, 5, 5)).astype(np.float32)
    plain = checks_filters.filter_grid
    for spoil in (lambda sheet: np.maximum(sheet, np.arange(sheet.shape[0])[:, None, None] >= 12),  # no last row
                  lambda sheet: sheet[:, ::-1], lambda sheet: sheet ** 1.1):
        monkeypatch.setattr(checks_filters, "filter_grid", lambda w, spoil=spoil: spoil(plain(w)))
        assert not all(check.passed for check in check_filter_grid(w, rng))
    monkeypatch.undo()
    assert len(check_filter_grid(w, rng)) == 4 and all(check.passed for check in check_filter_grid(w, rng))


@pytest.mark.parametrize(("kernel", "stride", "pad"), [(3, 1, 1), (7, 2, 0), (11, 4, 2), (5, 3, 4)])
def test_a_filter_answers_most_to_its_own_picture(xp, rng, kernel, stride, pad):
    net = Network((3, 32, 32))
    net.add("conv1", Conv2D(3, 8, kernel, stride, pad, rng=rng))
    net.layer("conv1").params["b"] += 3
    net.add("relu1", ReLU())
    own, others = check_filter_responses(on(xp, net), "conv1")
    assert own.passed and own.value < 1e-12 and others.passed and others.value == pytest.approx(1)


def test_the_check_of_the_answers_sees_a_convolution_that_turns_its_filters_round(rng):
    class Turned(Conv2D):
        def forward(self, x):
            return super().forward(x[:, :, ::-1, ::-1])
    net = Network((3, 8, 8))
    net.add("conv1", Conv2D(3, 8, 3, rng=rng))
    net.layer("conv1").__class__ = Turned
    assert not all(check.passed for check in check_filter_responses(net, "conv1"))


def test_grey_maps_are_signed_also_of_three_channels(rng):
    w = rng.standard_normal((5, 3, 3, 3)).astype(np.float32)
    sheet = grey_filter_grid(w)
    assert sheet.shape == (5 * 4 - 1, 3 * 4 - 1)
    assert (sheet[4:7, 8:11] == signed_filters(w)[1, 2]).all()


def test_filters_of_several_layers_become_one_array(rng):
    one, two = rng.standard_normal((4, 3, 7, 7)), rng.standard_normal((6, 2, 3, 3))
    both = stack_filters([one, two])
    assert both.shape == (2, 6, 3, 7, 7)
    assert (both[0, :4] == one).all() and (both[1, :, :2, :3, :3] == two).all()
    assert np.count_nonzero(both) == one.size + two.size


def test_filters_of_a_bgr_network_are_shown_in_rgb(rng):
    net = small_network(rng)
    bgr = PLAIN._replace(channel_order="BGR")
    assert (filter_weights(net, "conv1", bgr) == filter_weights(net, "conv1")[:, ::-1]).all()


def test_filters_of_a_relu_are_refused_by_name(rng):
    with pytest.raises(InputError, match="'relu1' is a ReLU and has no filters; convolutions: conv1, conv2a"):
        filter_weights(small_network(rng), "relu1")


def test_tiles_stand_where_tile_corners_says(rng):
    images = rng.random((7, 4, 5))
    sheet = tile_images(images, columns=3, gap=2, fill=-1)
    for image, (top, left) in zip(images, tile_corners(7, 4, 5, 3, gap=2), strict=True):
        assert (sheet[top:top + 4, left:left + 5] == image).all()
    assert (sheet == -1).sum() == sheet.size - images.size


# ---- activations -----------------------------------------------------------------------------------------------------


def test_feature_maps_are_the_activations_on_the_host(xp, rng):
    net = small_network(rng)
    x = rng.standard_normal((2, 3, 16, 16)).astype(np.float32)
    maps = feature_maps(on(xp, net), x, "concat")
    assert isinstance(maps, np.ndarray) and maps.dtype == np.float32
    assert np.allclose(maps, net.forward(x).activations["concat"], atol=1e-6)
    assert all(check.passed for check in check_feature_maps(maps[0], 3))


def test_black_stays_black_per_layer_and_every_channel_fills_the_range_per_channel(rng):
    maps = np.maximum(rng.standard_normal((4, 6, 6)), 0)
    maps[0] *= 0.01
    assert ((scale_maps(maps) == 0) == (maps == 0)).all() and scale_maps(maps)[0].max() < 0.05
    assert np.allclose(scale_maps(maps, "channel").max(axis=(1, 2)), 1)
    assert (scale_maps(np.zeros((2, 3, 3))) == 0).all()


def test_layers_without_maps_and_unknown_layers_are_refused(rng):
    net = scored_network(rng)
    x = np.zeros((1, 3, 16, 16), np.float32)
    with pytest.raises(InputError, match="'scores' has no maps"):
        feature_maps(net, x, "scores")
    with pytest.raises(UnknownNameError, match="no layer 'conv2c'; did you mean conv2"):
        feature_maps(net, x, "conv2c")


def test_strongest_neurons_are_whole_distinct_and_in_order(rng):
    maps = rng.random((5, 8, 8))
    maps[2, 0, 0] = 10  # at the border: it sees padding
    maps[3, 4, 4], maps[1, 4, 4] = 5, 4  # the same place twice
    field = ReceptiveField(3, 1, -1)
    chosen = strongest_neurons(maps, 3, field, 8, 8)
    assert chosen[0] == (3, 4, 4) and (4, 4) not in [place[1:] for place in chosen[1:]]
    assert all(field.fits(y, x, 8, 8) for _, y, x in chosen)


# ---- receptive fields ------------------------------------------------------------------------------------------------

# (network, layer, size, stride): measured elsewhere, on torchvision's and Caffe's networks
@pytest.mark.parametrize(("build", "layer", "size", "stride"), PUBLISHED_FIELDS,
                         ids=[f"{build.__name__}-{layer}" for build, layer, *_ in PUBLISHED_FIELDS])
def test_receptive_fields_are_the_published_ones(build, layer, size, stride):
    field = receptive_field(build(seed=None), layer)
    assert (field.size, field.stride) == (size, stride)


def test_units_behind_a_global_layer_see_everything():
    net = alexnet(seed=None)
    assert receptive_field(net, "fc6") is None and receptive_field(net, "fc8") is None


@pytest.mark.parametrize("position", [(0, 0), (2, 3), (5, 5)])
def test_guided_backprop_is_exactly_zero_outside_the_receptive_field(xp, rng, position):
    net = small_network(rng, positive=True)
    x = np.abs(rng.standard_normal((1, 3, 16, 16))).astype(np.float32)
    guided = guided_backprop(on(xp, net), x, "relu3", 1, position)[0]
    top, bottom, left, right = receptive_field(net, "relu3").box(*position, 16, 16)
    outside = guided.copy()
    outside[:, top:bottom, left:right] = 0
    assert (outside == 0).all()
    # every weight is positive and the pool passes the gradient on somewhere in each window: the box is tight
    rows, columns = np.nonzero(guided.any(axis=0))
    assert rows.min() <= top + 1 and rows.max() >= bottom - 2
    assert columns.min() <= left + 1 and columns.max() >= right - 2


def test_the_gradient_of_one_unit_fills_the_receptive_field_of_squeezenet(rng):
    net = build_network("squeezenet1_1")
    for layer in net.parameter_layers().values():
        layer.params = {key: np.full_like(values, 0.01) for key, values in layer.params.items()}
    x = np.abs(rng.standard_normal((1, 3, 224, 224))).astype(np.float32)
    for layer, position in (("fire3", (20, 30)), ("fire5", (13, 13))):
        support = guided_backprop(net, x, layer, 0, position)[0].any(axis=0)
        rows, columns = np.nonzero(support)
        found = rows.min(), rows.max() + 1, columns.min(), columns.max() + 1
        wanted = receptive_field(net, layer).box(*position, 224, 224)
        # a max pool passes the gradient to one pixel a window, so the last row or two may be left out
        assert all(abs(a - b) <= 8 for a, b in zip(found, wanted, strict=True))
        assert found[0] >= wanted[0] and found[1] <= wanted[1] and found[2] >= wanted[2] and found[3] <= wanted[3]


# ---- saliency and the three ReLUs ------------------------------------------------------------------------------------


def test_saliency_is_the_largest_absolute_gradient_over_colours(xp, rng):
    net = scored_network(rng)
    x = rng.standard_normal((3, 3, 16, 16)).astype(np.float32)
    saliency = saliency_map(on(xp, net), x, [0, 2, 4])
    assert saliency.shape == (3, 16, 16) and saliency.dtype == np.float32 and (saliency >= 0).all()
    trace = net.forward(x)
    seed = np.zeros((3, 5), np.float32)
    seed[[0, 1, 2], [0, 2, 4]] = 1
    assert np.allclose(saliency, np.abs(net.backward(trace, {"scores": seed})["input"]).max(axis=1), atol=1e-6)


def test_a_batch_of_saliency_maps_equals_single_ones(xp, rng):
    net = on(xp, scored_network(rng))
    x = rng.standard_normal((4, 3, 16, 16)).astype(np.float32)
    batch = saliency_map(net, x, [0, 1, 2, 3])
    single = np.concatenate([saliency_map(net, x[n:n + 1], n) for n in range(4)])
    assert np.allclose(batch, single, atol=1e-7)


def test_the_saliency_check_passes_and_fails_with_a_broken_backward(rng):
    net = scored_network(rng)
    x = rng.standard_normal((1, 3, 16, 16)).astype(np.float32)
    label = int(net.predict(x)[0].argmax())
    assert all(check.passed for check in check_saliency(net, x, [label], rng)[:2])

    class Leaky(ReLU):
        def backward(self, dout, out):
            return dout * (out > 0.05)
    assert not check_saliency(net.with_relu(Leaky()), x, [label], rng)[1].passed


def test_only_classes_that_are_seen_are_deleted(xp, rng):
    host = scored_network(rng)
    net, x = on(xp, host), rng.standard_normal((3, 3, 16, 16)).astype(np.float32)
    order = np.argsort(-host.predict(x), axis=1)
    alone = check_saliency(net, x[:1], [order[0, 0]], np.random.default_rng(0))[2]
    among = check_saliency(net, x[[0, 0, 0]], order[0, :3], np.random.default_rng(0))[2]
    assert alone.value == pytest.approx(among.value, abs=0.02) and among.expected.startswith("less than ")
    unseen = check_saliency(net, x, order[:, 3], np.random.default_rng(0))[2]
    assert unseen.passed and unseen.expected.startswith("reported, not judged: the network predicts another class")


def test_the_three_rules_have_hand_values(xp):
    net = Network((1, 1, 2))
    net.add("conv1", Conv2D(1, 2, 1))
    net.add("relu1", ReLU())
    net.add("conv2", Conv2D(2, 1, 1))
    net.layer("conv1").params["w"] = np.array([1.0, -1.0], np.float32).reshape(2, 1, 1, 1)
    net.layer("conv2").params["w"] = np.array([2.0, -3.0], np.float32).reshape(1, 2, 1, 1)
    x = np.array([[[[1.0, -1.0]]]], np.float32)
    net = on(xp, net)
    # at x = 1 the first unit is alive (gradient 2), at x = -1 the second (gradient -3, which guided cuts off)
    assert neuron_gradient(net, x, "conv2", 0, (0, 0)).ravel().tolist() == [2, 0]
    assert neuron_gradient(net, x, "conv2", 0, (0, 1)).ravel().tolist() == [0, 3]
    assert guided_backprop(net, x, "conv2", 0, (0, 0)).ravel().tolist() == [2, 0]
    assert guided_backprop(net, x, "conv2", 0, (0, 1)).ravel().tolist() == [0, 0]
    assert deconvnet(net, x, "conv2", 0, (0, 1)).ravel().tolist() == [0, 2]


def test_with_positive_weights_guided_backprop_is_the_plain_gradient(rng):
    net = small_network(rng, positive=True)
    x = np.abs(rng.standard_normal((1, 3, 16, 16))).astype(np.float32)
    assert (guided_backprop(net, x, "relu3", 0, (2, 2)) == neuron_gradient(net, x, "relu3", 0, (2, 2))).all()


def test_the_network_keeps_its_relus_also_after_an_error(rng):
    net = small_network(rng)
    x = rng.standard_normal((1, 3, 16, 16)).astype(np.float32)
    plain = neuron_gradient(net, x, "relu3", 0, (2, 2))
    with pytest.raises(InputError):
        guided_backprop(net, x, "relu3", 0, (99, 0))
    assert all(type(node.layer) is ReLU for node in net.nodes if isinstance(node.layer, ReLU))
    assert (neuron_gradient(net, x, "relu3", 0, (2, 2)) == plain).all()


def test_every_relu_on_the_path_obeys_the_rule(rng):
    calls = []

    class Counting(GuidedReLU):
        def backward(self, dout, out):
            calls.append(dout.shape)
            return super().backward(dout, out)
    net = build_network("squeezenet1_1")
    x = rng.standard_normal((1, 3, 224, 224)).astype(np.float32)
    neuron_gradient(net, x, net.output, 5, None, Counting)
    assert len(calls) == 26 and count_relus(net, net.output) == (26, 26)
    calls.clear()
    neuron_gradient(net, x, "fire3", 5, (3, 3), Counting)
    assert len(calls) == 7 and count_relus(net, "fire3") == (7, 7)
    assert count_relus(vgg16(seed=None), "fc8") == (15, 15)  # the classifier's two among them


def test_the_strongest_neuron_is_chosen_where_none_is_named(rng):
    net = small_network(rng)
    x = rng.standard_normal((2, 3, 16, 16)).astype(np.float32)
    out = net.forward(x).activations["relu3"]
    for n in range(2):
        channel, y, column = np.unravel_index(out[n].argmax(), out[n].shape)
        one = guided_backprop(net, x[n:n + 1], "relu3", int(channel), (int(y), int(column)))
        assert np.allclose(guided_backprop(net, x, "relu3")[n], one[0], atol=1e-7)


@pytest.mark.parametrize(("arguments", "message"), [
    ((99, None), "has channels 0 to 4, not 99"), ((-1, None), "has channels 0 to 4, not -1"),
    ((0, (6, 0)), r"has positions \(y, x\) up to \(5, 5\), not \(6, 0\)"), ((0, (1,)), "has positions")])
def test_neurons_that_do_not_exist_are_refused(rng, arguments, message):
    with pytest.raises(InputError, match=message):
        guided_backprop(small_network(rng), np.zeros((1, 3, 16, 16), np.float32), "relu3", *arguments)


@pytest.mark.parametrize(("x", "message"), [
    (np.zeros((3, 16, 16), np.float32), r"expected images of shape \(N, 3, H, W\), got \(3, 16, 16\)"),
    (np.zeros((1, 1, 16, 16), np.float32), r"expected images of shape \(N, 3, H, W\)"),
    (np.zeros((0, 3, 16, 16), np.float32), r"expected images of shape \(N, 3, H, W\)"),
    (np.full((1, 3, 16, 16), np.nan, np.float32), "not finite"), (np.zeros((1, 3, 2, 2), np.float32), "too small")])
def test_images_that_do_not_fit_are_refused_in_one_line(rng, x, message):
    with pytest.raises(InputError, match=message) as caught:
        saliency_map(scored_network(rng), x, 0)
    assert "\n" not in str(caught.value)


def test_classes_that_do_not_exist_are_refused(rng):
    with pytest.raises(InputError, match="no class 5: the network has 5"):
        saliency_map(scored_network(rng), np.zeros((1, 3, 16, 16), np.float32), 5)


def test_the_checks_of_a_neuron_pass_and_see_a_leak(rng):
    net = small_network(rng, positive=True)
    x = np.abs(rng.standard_normal((1, 3, 16, 16))).astype(np.float32)
    assert all(check.passed for check in check_neuron_gradient(net, x, "relu3", 0, (2, 2), rng))

    class Leak(Conv2D):
        def backward(self, dout, x):
            return super().backward(dout, x) + 1e-6
    net.layer("conv1").__class__ = Leak
    assert not check_neuron_gradient(net, x, "relu3", 0, (2, 2), rng)[0].passed


def test_the_pointing_game_counts_hits():
    maps, masks = np.zeros((4, 3, 5)), np.zeros((4, 3, 5), bool)
    masks[:, 1, 2:4] = True
    for n, place in enumerate([(1, 2), (1, 3), (1, 4), (0, 2)]):  # two inside, two beside
        maps[n][place] = 1
    assert pointing_game(maps, masks) == 0.5


@pytest.mark.parametrize("margin", [0, 1, 2])
def test_masks_are_widened_in_steps_across_or_down(margin, rng):
    masks = rng.random((3, 9, 11)) < 0.05
    steps = abs(np.arange(-margin, margin + 1))
    diamond = steps[:, None] + steps <= margin
    expected = [scipy.ndimage.binary_dilation(mask, diamond) for mask in masks]
    np.testing.assert_array_equal(dilated(masks, margin), expected)


# ---- class visualization ---------------------------------------------------------------------------------------------


def test_class_visualization_raises_the_score_and_stays_in_range(xp, rng):
    net = on(xp, scored_network(rng))
    start, progress = None, []

    def watch(step, image):
        progress.append(step)
        assert device_of(image) == net.device
    image, history = class_visualization(net, 3, PLAIN, replace(MARGIN, num_steps=30), rng=np.random.default_rng(1),
                                         callback=watch)
    assert isinstance(image, np.ndarray) and image.dtype == np.float32 and image.shape == (1, 3, 16, 16)
    assert len(history) == len(progress) == 30
    scores = to_host(net.predict(to_device(image, net.device)))[0]
    assert scores[3] > history[0].values[0] and start is None
    low, high = PLAIN.valid_range()
    assert (image >= low - 1e-6).all() and (image <= high + 1e-6).all()
    checks = check_class_visualization(net, image, rng.standard_normal(image.shape), 3, PLAIN, rng)
    assert checks[1].passed and checks[2].passed


def test_class_visualization_is_the_same_for_the_same_seed_on_either_back_end(xp, rng):
    net = scored_network(rng)
    quick = replace(MARGIN, num_steps=5)
    one, _ = class_visualization(on(xp, net), 3, PLAIN, quick, rng=np.random.default_rng(1))
    other, _ = class_visualization(net, 3, PLAIN, quick, rng=np.random.default_rng(1))
    different, _ = class_visualization(net, 3, PLAIN, quick, rng=np.random.default_rng(2))
    assert np.allclose(one, other, atol=1e-5) and not np.allclose(one, different, atol=1e-2)


def test_the_recipe_is_cs231ns(rng):
    """The same loop as in the notebook, written out with NumPy."""
    net = scored_network(rng)
    net.input_shape = (3, 224, 224)  # so that no setting is scaled
    label, steps, size = 2, 3, 224
    from scipy.ndimage import gaussian_filter1d
    generator = np.random.default_rng(9)
    image = generator.standard_normal((1, 3, size, size), dtype="float32")
    for t in range(1, steps + 1):
        oy, ox = generator.integers(-16, 17, 2)
        image = np.roll(np.roll(image, oy, 2), ox, 3)
        trace = net.forward(image)
        seed = np.zeros((1, 5), np.float32)
        seed[0, label] = 1
        gradient = net.backward(trace, {net.output: seed})["input"] - 1e-3 * 2 * image
        image = image + 25 * gradient / np.linalg.norm(gradient)
        image = np.roll(np.roll(image, -ox, 3), -oy, 2)
        for c in range(3):
            image[:, c] = np.clip(image[:, c], (0 - TORCHVISION.mean[c]) / TORCHVISION.std[c],
                                  (1 - TORCHVISION.mean[c]) / TORCHVISION.std[c])
        if t % 2 == 0:
            image = gaussian_filter1d(gaussian_filter1d(image, 0.5, axis=2), 0.5, axis=3)
    ours, _ = class_visualization(net, label, TORCHVISION, replace(CS231N, num_steps=steps, blur_every=2),
                                  rng=np.random.default_rng(9))
    assert np.abs(ours - image).max() < 1e-3


def test_transfers_happen_only_at_the_edges(strict_cupy, rng):
    net = scored_network(rng).to_device("gpu")
    record, x = strict_cupy.record, rng.standard_normal((2, 3, 16, 16)).astype(np.float32)
    for call in (lambda: saliency_map(net, x, 1), lambda: guided_backprop(net, x, "relu3", 1, (2, 2)),
                 lambda: feature_maps(net, x, "concat")):
        record.reset()
        call()
        assert (record.transfers_to_device, record.transfers_to_host) == (1, 1)
    record.reset()
    class_visualization(net, 1, PLAIN, replace(MARGIN, num_steps=3), rng=np.random.default_rng(0))
    few = record.transfers_to_device, record.transfers_to_host
    record.reset()
    class_visualization(net, 1, PLAIN, replace(MARGIN, num_steps=9), rng=np.random.default_rng(0))
    assert (record.transfers_to_device, record.transfers_to_host) == few and few[0] <= 3 and few[1] == 1


def test_high_frequency_share_tells_noise_from_a_ramp(rng):
    ramp = np.broadcast_to(np.sin(np.linspace(0, 2 * np.pi, 64, endpoint=False)), (1, 3, 64, 64))
    assert high_frequency_share(ramp) < 1e-6 < 0.75 < high_frequency_share(rng.standard_normal((1, 3, 64, 64)))


def test_clamp_keeps_the_type():
    assert Clamp(-1.0, 1.0)(np.ones((1, 1, 2, 2), np.float32) * 3, 1).dtype == np.float32
