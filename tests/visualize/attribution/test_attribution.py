"""Attribution: what each method's paper promises, autograd as the oracle, both array modules, and the edges."""

import numpy as np
import pytest

from demos import attribution as demo
from demos.shared.inputs import load_photos
from minicnn.backend import to_host
from minicnn.datasets.shapes import CLASSES, draw_shapes
from minicnn.errors import InputError, UnknownNameError
from minicnn.gradient_check import numerical_gradient
from minicnn.layers import Conv2D, GlobalAvgPool2D, Linear, MaxPool2D, ReLU
from minicnn.models import load_model, resnet18, squeezenet1_1, vgg16
from minicnn.models.preprocessing import TORCHVISION
from minicnn.network import Network
from minicnn.visualize.attribution.grad_cam import grad_cam, guided_grad_cam, last_maps, upsample_maps
from minicnn.visualize.attribution.grad_cam_check import check_grad_cam, check_guided_grad_cam, class_activation_map
from minicnn.visualize.attribution.gradients import (
    BATCH,
    class_gradient,
    completeness_gap,
    gradient_times_input,
    integrated_gradients,
    smooth_grad,
)
from minicnn.visualize.attribution.gradients_check import (
    check_gradient_times_input,
    check_integrated_gradients,
    check_smooth_grad,
    roughness,
)
from minicnn.visualize.attribution.guided_backprop import guided_backprop
from minicnn.visualize.attribution.pointing_game_check import check_pointing_games
from minicnn.visualize.attribution.saliency import saliency_map
from minicnn.visualize.attribution.segment import (
    fit_mixture,
    intersection_over_union,
    largest_component,
    log_density,
    outline,
    saliency_segment,
)
from minicnn.visualize.attribution.segment_check import check_segmentation

SHAPES_SEED = 20_000_000  # far from every seed that training uses


def small_network(rng, relu=True, bias=True):
    """Two stages, the mean over positions, five scores; without ReLUs and pooling it is linear."""
    net = Network((3, 16, 16))
    net.add("conv1", Conv2D(3, 6, 3, pad=1, rng=rng))
    if relu:
        net.add("relu1", ReLU())
        net.add("pool1", MaxPool2D(2))
    net.add("conv2", Conv2D(6, 8, 3, rng=rng))
    if relu:
        net.add("relu2", ReLU())
    net.add("pool2", GlobalAvgPool2D())
    net.add("fc3", Linear(8, 5, rng=rng))
    for layer in net.parameter_layers().values():
        layer.params["b"] = rng.normal(0, 0.3 * bias, layer.params["b"].shape).astype(np.float32)
    return net


def on(xp, net):
    return net.to_device("cpu" if xp is np else "gpu")


def pictures(rng, count=2, dtype="float32"):
    return rng.standard_normal((count, 3, 16, 16)).astype(dtype)


def score(net, x, label):
    return float(net.predict(x)[:, label].sum())


ATTRIBUTIONS = {
    "gradient_times_input": gradient_times_input,
    "smooth_grad": lambda net, x, label: smooth_grad(net, x, label, rng=np.random.default_rng(1), samples=3),
    "integrated_gradients": lambda net, x, label: integrated_gradients(net, x, label, steps=4),
    "guided_grad_cam": guided_grad_cam,
    "grad_cam": grad_cam}
EVERY = pytest.mark.parametrize("method", ATTRIBUTIONS.values(), ids=ATTRIBUTIONS)


# ---- what all of them do alike ---------------------------------------------------------------------------------------


@EVERY
def test_both_back_ends_agree_and_the_type_stays(method, strict_cupy, rng):
    net, x = small_network(rng), pictures(rng, 3)
    found = method(net.to_device("gpu"), x, [0, 2, 4])
    assert isinstance(found, np.ndarray) and found.dtype == np.float32
    assert found.shape == (x.shape if found.ndim == 4 else (3, 6, 6))
    np.testing.assert_allclose(found, method(net, x, [0, 2, 4]), atol=1e-6)
    assert method(net.astype("float64"), x.astype("float64"), 1).dtype == np.float64


@EVERY
def test_a_batch_equals_single_images_and_leaves_them_as_they_are(method, rng):
    net, x = small_network(rng), pictures(rng, 3)
    before = x.copy()
    batch = method(net, x, [0, 2, 4])
    assert (x == before).all()
    if method is ATTRIBUTIONS["smooth_grad"]:  # where the noise of the first image is the same
        x, batch = x[:1], batch[:1]
    single = [method(net, x[n:n + 1], label) for n, label in zip(range(len(x)), (0, 2, 4), strict=False)]
    np.testing.assert_allclose(batch, np.concatenate(single), atol=1e-6)


@EVERY
def test_transfers_happen_only_at_the_edges(method, strict_cupy, rng):
    net = small_network(rng).to_device("gpu")
    strict_cupy.record.reset()
    method(net, pictures(rng), 1)
    assert strict_cupy.record.transfers_to_host == 1
    assert strict_cupy.record.transfers_to_device <= 4  # the image, and what goes along with it


@EVERY
@pytest.mark.parametrize(("x", "label", "message"), [
    (np.zeros((3, 16, 16), np.float32), 0, r"expected images of shape \(N, 3, H, W\), got \(3, 16, 16\)"),
    (np.full((1, 3, 16, 16), np.inf, np.float32), 0, "not finite"),
    (np.zeros((1, 3, 16, 16), np.float32), 5, "no class 5: the network has 5"),
    (np.zeros((1, 3, 16, 16), np.float32), -1, "no class -1: the network has 5"),
    (np.zeros((2, 3, 16, 16), np.float32), [1, 2, 3], "3 labels for 2 images")])
def test_bad_input_is_refused_in_one_line(method, x, label, message, rng):
    with pytest.raises(InputError, match=message) as caught:
        method(small_network(rng), x, label)
    assert "\n" not in str(caught.value)


@EVERY
def test_a_network_without_a_classifier_is_refused(method, rng):
    with pytest.raises(InputError, match="'relu2' has no class scores but an output of"):
        method(small_network(rng).trunk("relu2"), pictures(rng), 0)


# ---- gradient x input, SmoothGrad ------------------------------------------------------------------------------------


def test_gradient_times_input_against_finite_differences(rng):
    net = small_network(rng).astype("float64")
    x = rng.standard_normal((1, 3, 8, 7))
    expected = x * numerical_gradient(lambda values: score(net, values, 3), x, 1e-6)
    np.testing.assert_allclose(gradient_times_input(net, x, 3), expected, atol=1e-7)


def test_without_biases_the_products_add_up_to_the_score(rng):
    """ReLUs and max pools are positively homogeneous: Euler's theorem."""
    net, x = small_network(rng, bias=False).astype("float64"), pictures(rng, dtype="float64")
    found = gradient_times_input(net, x, 2)
    np.testing.assert_allclose(found.sum(axis=(1, 2, 3)), net.predict(x)[:, 2], rtol=1e-12)
    np.testing.assert_allclose(integrated_gradients(net, x, 2, steps=3), found, atol=1e-14)
    assert check_gradient_times_input(net, x, 2)[0].passed


def test_the_check_of_gradient_times_input_sees_a_broken_backward(rng):
    net, x = small_network(rng), pictures(rng, 1)
    assert check_gradient_times_input(net, x, 1)[0].passed

    class Leaky(ReLU):
        def backward(self, dout, out):
            return dout * (out > 0.05)
    assert not check_gradient_times_input(net.with_relu(Leaky()), x, 1)[0].passed


def test_smooth_grad_without_noise_is_exactly_the_gradient(xp, rng):
    net, x = on(xp, small_network(rng)), pictures(rng, 1)
    found = smooth_grad(net, x, 1, rng=rng, noise=0)
    assert (np.abs(found).max(axis=1) == saliency_map(net, x, 1)).all()


def test_smooth_grad_is_the_mean_over_noisy_copies(rng):
    net, x = small_network(rng).astype("float64"), pictures(rng, 1, "float64")
    samples = BATCH + 3  # more than one batch
    found = smooth_grad(net, x, 1, rng=np.random.default_rng(4), samples=samples, noise=0.2)
    noise = np.random.default_rng(4).standard_normal((samples, 3, 16, 16)) * 0.2 * np.ptp(x)
    expected = sum(class_gradient(net, x + values, 1) for values in noise) / samples
    np.testing.assert_allclose(found, expected, atol=1e-14)
    assert not np.allclose(found, smooth_grad(net, x, 1, rng=np.random.default_rng(5), samples=samples), atol=1e-3)


def test_smooth_grad_of_a_linear_network_is_the_gradient(rng):
    net, x = small_network(rng, relu=False).astype("float64"), pictures(rng, dtype="float64")
    np.testing.assert_allclose(smooth_grad(net, x, 1, rng=rng), class_gradient(net, x, 1), atol=1e-14)


@pytest.mark.parametrize("settings", [{"samples": 0}, {"noise": -0.1}, {"noise": float("nan")}])
def test_settings_of_smooth_grad_that_make_no_sense(settings, rng):
    with pytest.raises(InputError, match="at least 1 sample and noise from 0 on"):
        smooth_grad(small_network(rng), pictures(rng), 0, rng=rng, **settings)


@pytest.mark.parametrize("method", [
    lambda net, x: smooth_grad(net, x, 0, rng=np.random.default_rng(0), samples=50),
    lambda net, x: integrated_gradients(net, x, 0, steps=50)], ids=["smooth_grad", "integrated_gradients"])
def test_batches_are_bounded(method, rng, monkeypatch):
    net, sizes = small_network(rng), []
    forward = Network.forward
    monkeypatch.setattr(Network, "forward", lambda self, x, **rest: sizes.append(len(x)) or forward(self, x, **rest))
    method(net, pictures(rng, 3))
    assert max(sizes) == BATCH and sum(sizes) == 3 * 50


# ---- integrated gradients --------------------------------------------------------------------------------------------


def test_integrated_gradients_of_a_linear_network_are_gradient_times_input(rng):
    net, x = small_network(rng, relu=False).astype("float64"), pictures(rng, dtype="float64")
    found = integrated_gradients(net, x, [1, 3], steps=1)
    np.testing.assert_allclose(found, gradient_times_input(net, x, [1, 3]), atol=1e-14)
    assert np.abs(completeness_gap(net, x, [1, 3], found)).max() < 1e-12


@pytest.mark.parametrize("baseline", [0.0, -1.5, np.full((3, 1, 1), 0.5), np.linspace(-1, 1, 256).reshape(16, 16)],
                         ids=["zero", "number", "colour", "picture"])
def test_completeness_from_any_baseline(xp, baseline, rng):
    net, x = on(xp, small_network(rng).astype("float64")), pictures(rng, dtype="float64")
    found = integrated_gradients(net, x, [0, 4], baseline=baseline, steps=100)
    gap = completeness_gap(net, x, [0, 4], found, baseline=baseline)
    host = net.to_device("cpu")
    difference = host.predict(x) - host.predict(np.broadcast_to(baseline, x.shape))
    np.testing.assert_allclose(found.sum(axis=(1, 2, 3)), (1 + gap) * difference[[0, 1], [0, 4]], rtol=1e-9)
    assert (np.abs(gap * difference[[0, 1], [0, 4]]) < 2e-3 * np.abs(found).sum(axis=(1, 2, 3))).all()
    half = completeness_gap(net, x, [0, 4], found / 2, baseline=baseline)
    np.testing.assert_allclose(half, (1 + gap) / 2 - 1, atol=1e-9)


def test_nothing_is_attributed_on_no_way(rng):
    net, x = small_network(rng), pictures(rng)
    found = integrated_gradients(net, x, 0, baseline=x, steps=2)
    assert (found == 0).all() and (completeness_gap(net, x, 0, found, baseline=x) == 0).all()


def test_pixels_that_do_not_matter_get_nothing(rng):
    """Sensitivity, the paper's other axiom: here the third channel is not connected."""
    net, x = small_network(rng), pictures(rng)
    net.layer("conv1").params["w"][:, 2] = 0
    assert (integrated_gradients(net, x, 0)[:, 2] == 0).all()


def test_settings_of_integrated_gradients_that_make_no_sense(rng):
    net, x = small_network(rng), pictures(rng)
    with pytest.raises(InputError, match="at least 1 step, not 0"):
        integrated_gradients(net, x, 0, steps=0)
    with pytest.raises(InputError, match=r"a baseline of shape \(5,\) does not fit images of shape \(2, 3, 16, 16\)"):
        integrated_gradients(net, x, 0, baseline=np.zeros(5))


# ---- Grad-CAM --------------------------------------------------------------------------------------------------------


def test_grad_cam_is_cam_where_a_network_ends_in_the_mean_and_a_linear_layer(xp, rng):
    net, x = small_network(rng), pictures(rng, 3)
    heat = grad_cam(on(xp, net), x, [0, 1, 2])
    maps = net.predict(x, "relu2")
    weights = net.layer("fc3").params["w"][[0, 1, 2]]
    expected = np.maximum(np.einsum("nk,nkyx->nyx", weights, maps), 0)
    np.testing.assert_allclose(heat * maps[0, 0].size, expected, atol=1e-5)
    np.testing.assert_allclose(class_activation_map(on(xp, net), x, [0, 1, 2]), expected, atol=1e-5)
    assert all(check.passed for check in check_grad_cam(on(xp, net), x, [0, 1, 2], heat))
    assert not check_grad_cam(net, x, [0, 1, 2], heat ** 2)[1].passed


def test_grad_cam_is_zero_where_nothing_speaks_for_the_class(rng):
    net, x = small_network(rng), pictures(rng)
    net.layer("fc3").params["w"][2] = -abs(net.layer("fc3").params["w"][2])
    assert (grad_cam(net, x, 2) == 0).all() and (guided_grad_cam(net, x, 2) == 0).all()


def test_grad_cam_of_a_deep_layer_by_finite_differences(rng):
    """A channel's weight is the slope of the score while the whole map of that channel rises, over its positions."""
    net, x = small_network(rng).astype("float64"), pictures(rng, 1, "float64")
    rest = Network((6, 8, 8))
    for node in net.nodes[3:]:
        rest.add(node.name, node.layer)
    maps = net.predict(x, "pool1")
    weights = numerical_gradient(lambda rise: score(rest, maps + rise, 4), np.zeros((1, 6, 1, 1)), 1e-6) / 64
    np.testing.assert_allclose(grad_cam(net, x, 4, "pool1"), np.maximum((weights * maps).sum(axis=1), 0), atol=1e-8)


def test_the_last_layer_with_maps():
    names = {build: last_maps(build(seed=None)) for build in (squeezenet1_1, vgg16, resnet18)}
    assert list(names.values()) == ["relu_conv10", "relu5_3", "relu5b"]
    assert [last_maps(load_model(name, "cpu").net) for name in ("shapes", "digits")] == ["relu5", "relu3"]
    flat = Network((3, 1, 1))
    flat.add("conv1", Conv2D(3, 2, 1))
    with pytest.raises(InputError, match="no layer of the network has maps"):
        last_maps(flat)


def test_layers_that_are_not_there_or_have_no_maps_are_refused(rng):
    net, x = small_network(rng), pictures(rng)
    with pytest.raises(InputError, match=r"layer 'pool2' has no maps: its output is \(2, 8\); the last with maps is "
                                         "'relu2'"):
        grad_cam(net, x, 0, "pool2")
    with pytest.raises(UnknownNameError, match="no layer 'relu3'; did you mean"):
        guided_grad_cam(net, x, 0, "relu3")


def test_upsampled_maps_keep_their_values_and_bounds(xp, rng):
    maps = xp.asarray(rng.random((3, 13, 7)))
    large = to_host(upsample_maps(maps, 224, 97))
    maps = to_host(maps)
    assert large.shape == (3, 224, 97)
    for one, upsampled in zip(maps, large, strict=True):
        assert one.min() - 1e-12 <= upsampled.min() < upsampled.max() <= one.max() + 1e-12
    hand = to_host(upsample_maps(xp.asarray(np.array([[[0.0, 4.0]]])), 1, 4))
    assert hand.tolist() == [[[0, 1, 3, 4]]]
    np.testing.assert_allclose(to_host(upsample_maps(xp.asarray(maps), 13, 7)), maps, atol=1e-12)


def test_guided_grad_cam_is_the_product(xp, rng):
    net, x = small_network(rng), pictures(rng, 1)
    heat = grad_cam(net, x, 1)
    found = guided_grad_cam(on(xp, net), x, 1)
    guided = guided_backprop(net, x, "fc3", 1)
    np.testing.assert_allclose(found, upsample_maps(heat, 16, 16)[:, None] * guided, atol=1e-6)
    heat[:, :3] = 0
    found = upsample_maps(heat, 16, 16)[:, None] * guided
    assert check_guided_grad_cam(heat, found)[0].passed and (found[:, :, :6] == 0).all()
    assert not check_guided_grad_cam(heat, guided)[0].passed


# ---- against PyTorch's autograd --------------------------------------------------------------------------------------


@pytest.fixture
def oracle():
    """The networks in PyTorch; skips where it is not installed."""
    import torch_oracle
    return torch_oracle


def squeezenet_twins(oracle, net, test_data):
    """The trained SqueezeNet 1.1 `net` in both libraries, float64, and two small crops of photos."""
    net = net.astype("float64")
    module = oracle.with_parameters_of(net, lambda: oracle.SqueezeNet("1_1"), oracle.SQUEEZENET1_1_NAMES)
    x, labels = real_photos(test_data)
    return net, module, x[[0, 3], :, 40:137, 50:131].astype("float64"), labels[[0, 3]]


def real_photos(test_data):
    with np.load(test_data / "photos" / "imagenet_25.npz") as photos:
        return TORCHVISION.to_input(photos["X"]), photos["y"]


def test_integrated_gradients_against_autograd(oracle, real_squeezenet, test_data):
    net, module, x, labels = squeezenet_twins(oracle, real_squeezenet, test_data)
    ours = integrated_gradients(net, x, labels, baseline=0.25, steps=10)
    torch = oracle.torch
    for n, label in enumerate(labels.tolist()):
        image, baseline = torch.from_numpy(x[n:n + 1]), torch.full((1, *x.shape[1:]), 0.25, dtype=torch.float64)
        total = torch.zeros_like(image)
        for step in range(10):
            left, right = (step / 10) ** 2, ((step + 1) / 10) ** 2
            point = (baseline + (left + right) / 2 * (image - baseline)).requires_grad_(True)
            total += (right - left) * torch.autograd.grad(module(point)[0, label], point)[0]
        expected = ((image - baseline) * total).numpy()
        assert np.linalg.norm(ours[n] - expected[0]) < 1e-9 * np.linalg.norm(expected)


@pytest.mark.parametrize("layer", [None, "fire9/concat", "pool5", "fire3/relu_expand3x3"])
def test_grad_cam_against_autograd(oracle, real_squeezenet, test_data, layer):
    net, module, x, labels = squeezenet_twins(oracle, real_squeezenet, test_data)
    heat = grad_cam(net, x, labels, layer)
    torch = oracle.torch
    kept = oracle.activations(module, oracle.SQUEEZENET1_1_NAMES, torch.from_numpy(x).requires_grad_(True))
    scores, maps = kept["pool10"], kept[layer or "relu_conv10"]
    gradient, = torch.autograd.grad(scores[[0, 1], labels].sum(), maps)
    expected = torch.relu((gradient.mean(dim=(2, 3), keepdim=True) * maps).sum(dim=1))
    assert np.linalg.norm(heat - expected.detach().numpy()) < 1e-9 * expected.norm().item()
    large = oracle.F.interpolate(expected[:, None], size=x.shape[2:], mode="bilinear")[:, 0].detach().numpy()
    np.testing.assert_allclose(upsample_maps(heat, *x.shape[2:]), large, atol=1e-12 * large.max())
    guided = oracle.gradients(module, oracle.SQUEEZENET1_1_NAMES, x, {"pool10": np.eye(1000)[labels]}, rule="guided")
    product = large[:, None] * guided["input"]
    assert np.linalg.norm(guided_grad_cam(net, x, labels, layer) - product) < 1e-9 * np.linalg.norm(product)


# ---- on trained networks ---------------------------------------------------------------------------------------------


def test_completeness_on_squeezenet(real_squeezenet, test_data):
    net = real_squeezenet
    x, labels = real_photos(test_data)
    x, labels = x[11:12, :, ::3, ::3], labels[11:12]  # small: to save time
    found = integrated_gradients(net, x, labels, steps=400)
    assert check_integrated_gradients(net, x, labels, found)[0].passed
    assert not check_integrated_gradients(net, x, labels, gradient_times_input(net, x, labels))[0].passed


def test_grad_cam_on_squeezenet_is_its_class_map(real_squeezenet, test_data):
    """conv10 of fire9's maps is the class's own map: both layers show the same, but for conv10's bias."""
    net = real_squeezenet
    x, labels = real_photos(test_data)
    x, labels = x[:1], labels[:1]
    heat = grad_cam(net, x, labels)
    assert all(check.passed for check in check_grad_cam(net, x, labels, heat)) and heat.shape == (1, 13, 13)
    deeper = grad_cam(net, x, labels, "fire9/concat")
    assert np.corrcoef(heat.ravel(), deeper.ravel())[0, 1] > 0.99


@pytest.fixture(scope="module")
def drawn():
    """The shapes network and 108 fresh pictures: their images, x, labels and masks."""
    model, labels = load_model("shapes", "cpu"), np.arange(108) % len(CLASSES)
    images, masks = draw_shapes(labels, np.random.default_rng(SHAPES_SEED))
    return model.net, images, model.preprocessing.to_input(images), labels, masks


def test_every_method_points_at_the_object(drawn):
    net, _, x, labels, masks = drawn
    x, labels, masks = x[:24], labels[:24], masks[:24]
    maps = {
        "gradient x input": np.abs(gradient_times_input(net, x, labels).sum(axis=1)),
        "SmoothGrad": np.abs(smooth_grad(net, x, labels, rng=np.random.default_rng(0), samples=8)).max(axis=1),
        "integrated gradients": np.abs(integrated_gradients(net, x, labels, steps=8).sum(axis=1)),
        "Grad-CAM": upsample_maps(grad_cam(net, x, labels), 64, 64),
        "guided Grad-CAM": np.abs(guided_grad_cam(net, x, labels)).max(axis=1)}
    checks = check_pointing_games(maps, masks, np.random.default_rng(0))
    assert len(checks) == 6 and all(check.passed for check in checks), checks
    corner = np.zeros_like(masks, dtype=float)
    corner[:, 0, 0] = 1
    assert not check_pointing_games({"the corner": corner}, masks, np.random.default_rng(0))[0].passed


def test_smooth_grad_is_smoother_than_the_gradient(drawn):
    net, _, x, labels, _ = drawn
    x, labels = x[:6], labels[:6]
    found = smooth_grad(net, x, labels, rng=np.random.default_rng(0))
    assert all(check.passed for check in check_smooth_grad(net, x, labels, found, np.random.default_rng(0)))
    plain = class_gradient(net, x, labels)
    assert not check_smooth_grad(net, x, labels, plain, np.random.default_rng(0))[1].passed


def test_roughness_of_a_flat_a_dotted_and_a_black_map():
    dots = np.zeros((1, 9, 9))
    dots[:, 1::3, 1::3] = 2
    assert roughness(np.ones((1, 9, 9))) == 0 and roughness(dots) == 4 and roughness(np.zeros((1, 9, 9))) == 0


# ---- segmentation ----------------------------------------------------------------------------------------------------


def test_the_segmentation_finds_the_drawn_objects(drawn):
    net, images, x, labels, masks = drawn
    saliency = saliency_map(net, x, labels)
    check = check_segmentation(images, saliency, masks)[0]
    assert check.passed, check
    noise = np.random.default_rng(0).random((12, 64, 64))
    assert not check_segmentation(images[:12], noise, masks[:12])[0].passed


def painted(rng):
    """A red and green object on blue, and a map that marks a part of it."""
    mask = np.zeros((40, 50), bool)
    mask[10:30, 15:35] = True
    image = rng.integers(0, 20, (40, 50, 3), dtype=np.uint8)
    image[..., 2] += 150
    stripes = mask & (np.arange(50) // 3 % 2 == 0)
    image[mask] = [20, 200, 20]
    image[stripes] = [200, 20, 20]
    saliency = 0.1 * rng.random((40, 50))
    saliency[14:26, 20:30] += 1
    return image, saliency, mask


def test_the_segmentation_grows_from_a_part_to_the_object(rng):
    image, saliency, mask = painted(rng)
    found = saliency_segment(image, saliency)
    assert found.dtype == bool and intersection_over_union(found[None], mask[None])[0] > 0.95
    assert (saliency_segment(image, 1000 * saliency + 5) == found).all()  # the quantiles count, not the values


def test_nothing_is_found_where_all_is_alike(rng):
    image, saliency, _ = painted(rng)
    assert not saliency_segment(image, np.zeros((40, 50))).any()
    assert saliency_segment(np.zeros((40, 50, 3), np.uint8), saliency).shape == (40, 50)


@pytest.mark.parametrize(("shape", "value", "settings", "message"), [
    ((40, 49), 0, {}, r"expected a picture \(H, W, 3\) and a map \(H, W\), got \(40, 50, 3\) and \(40, 49\)"),
    ((40, 50), np.nan, {}, "the saliency map has values that are not finite"),
    ((40, 50), 0, {"foreground": 0.3}, "0 <= background < foreground <= 1, not 0.3 and 0.3"),
    ((40, 50), 0, {"foreground": 1.5}, "expected quantiles"),
    ((40, 50), 0, {"background": -0.1}, "expected quantiles")])
def test_the_segmentation_refuses_what_does_not_fit(shape, value, settings, message, rng):
    with pytest.raises(InputError, match=message):
        saliency_segment(painted(rng)[0], np.full(shape, value, float), **settings)


def test_the_largest_component_without_its_holes():
    mask = np.zeros((8, 12), bool)
    mask[1:6, 1:6] = True
    mask[3, 3] = False
    mask[2:5, 8:11] = True
    found = largest_component(mask)
    assert found.sum() == 25 and found[3, 3] and not found[:, 7:].any()
    assert not largest_component(np.zeros((3, 3), bool)).any()


def test_the_mixture_is_a_density_and_finds_its_colours(rng):
    centres = np.array([[0.2, 0.2, 0.8], [0.9, 0.1, 0.1], [0.2, 0.9, 0.3]])
    colours = centres[rng.integers(3, size=900)] + 0.03 * rng.standard_normal((900, 3))
    mixture = fit_mixture(colours, components=3)
    assert np.abs(np.sort(mixture.means, axis=0) - np.sort(centres, axis=0)).max() < 0.01
    grid = np.stack(np.meshgrid(*[np.linspace(-0.2, 1.2, 71)] * 3), axis=-1).reshape(-1, 3)
    assert np.exp(log_density(mixture, grid)).sum() * 0.02 ** 3 == pytest.approx(1, abs=0.01)
    assert np.isfinite(log_density(fit_mixture(np.zeros((3, 3))), grid[:5])).all()  # fewer colours than components


def test_overlap_and_outline_by_hand():
    mask, truth = np.zeros((2, 4, 6), bool)
    mask[1:3, 1:3] = truth[1:3, 2:4] = True
    assert intersection_over_union(mask[None], truth[None]).tolist() == [1 / 3]
    image = np.zeros((4, 6, 3), np.uint8)
    drawn = outline(image, mask, (1, 2, 3))
    assert (drawn.any(axis=2).sum(), image.any()) == (8, False) and not drawn[mask].any()


# ---- the demo --------------------------------------------------------------------------------------------------------


def test_the_demo_draws_every_method_and_passes_its_checks(monkeypatch):
    model = load_model("shapes", "cpu")
    photos = load_photos(model, [])[:2]
    picture, = demo.pictures(model, photos)
    assert [axis.get_title() for axis in picture.figure.axes].count("SmoothGrad") == 2
    assert len(picture.figure.axes) == 16 and picture.array.shape == (2, 5, 3, 64, 64)
    assert len(picture.checks) == 7 and all(check.passed for check in picture.checks), picture.checks
    monkeypatch.setattr(demo, "STEPS", 5)
    other, = demo.pictures(model, photos[:1], label=3, layer="relu3")
    assert not np.allclose(other.array[0], picture.array[0])
