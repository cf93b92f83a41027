"""All attribution methods: both back ends, batches, wrong input, drawn objects, and the demo."""

import numpy as np
import pytest
from attribution_networks import (
    pictures,
    small_network,
)

from demos import attribution as demo
from demos.shared.inputs import load_photos
from minicnn.errors import InputError
from minicnn.models import load_model
from minicnn.visualize.attribution.grad_cam import grad_cam, guided_grad_cam, upsample_maps
from minicnn.visualize.attribution.gradients import (
    gradient_times_input,
    integrated_gradients,
    smooth_grad,
)
from minicnn.visualize.attribution.pointing_game_check import check_pointing_games

ATTRIBUTIONS = {
    "gradient_times_input": gradient_times_input,
    "smooth_grad": lambda net, x, label: smooth_grad(net, x, label, rng=np.random.default_rng(1), samples=3),
    "integrated_gradients": lambda net, x, label: integrated_gradients(net, x, label, steps=4),
    "guided_grad_cam": guided_grad_cam,
    "grad_cam": grad_cam}
EVERY = pytest.mark.parametrize("method", ATTRIBUTIONS.values(), ids=ATTRIBUTIONS)


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
    if method is ATTRIBUTIONS["smooth_grad"]:  # only the first image gets the same noise
        x, batch = x[:1], batch[:1]
    single = [method(net, x[n:n + 1], label) for n, label in zip(range(len(x)), (0, 2, 4), strict=False)]
    np.testing.assert_allclose(batch, np.concatenate(single), atol=1e-6)


@EVERY
def test_transfers_happen_only_at_the_edges(method, strict_cupy, rng):
    net = small_network(rng).to_device("gpu")
    strict_cupy.record.reset()
    method(net, pictures(rng), 1)
    assert strict_cupy.record.transfers_to_host == 1
    assert strict_cupy.record.transfers_to_device <= 4  # the image, the noise and the weights of the steps


@EVERY
@pytest.mark.parametrize(("x", "label", "message"), [
    (np.zeros((2, 16, 16), np.float32), 0, r"expected images of shape \(N, 3, H, W\), got \(2, 16, 16\)"),
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


def test_the_demo_draws_every_method_and_passes_its_checks(monkeypatch):
    model = load_model("shapes", "cpu")
    photos = load_photos(model, [])[:2]
    picture, = demo.pictures(model, photos)
    assert [axis.get_title() for axis in picture.figure.axes].count("SmoothGrad") == 2
    assert len(picture.figure.axes) == 16 and picture.array.shape == (2, 5, 3, 64, 64)
    assert len(picture.checks) == 13 and all(check.passed for check in picture.checks), picture.checks
    monkeypatch.setattr(demo, "STEPS", 5)
    other, = demo.pictures(model, photos[:1], label=3, layer="relu3")
    assert not np.allclose(other.array[0], picture.array[0])
