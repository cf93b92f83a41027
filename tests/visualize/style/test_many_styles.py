"""A transform network of many styles on both backends: mixtures, training, and Checks."""

import numpy as np
import pytest
from fast_style_networks import SETTINGS, check_slopes, critic, device, photo

from minicnn.backend import get_array_module, to_device, to_host
from minicnn.datasets.drawings import draw_scene, draw_style
from minicnn.errors import InputError
from minicnn.layers import ConditionalInstanceNorm2D, InstanceNorm2D
from minicnn.models import Model, load_model, transform_network
from minicnn.models.preprocessing import TORCHVISION
from minicnn.models.weights import Header, save_weights
from minicnn.optimize import Adam
from minicnn.training.train import train
from minicnn.visualize import (
    PerceptualLoss,
    PhotoCrops,
    StyledCrops,
    StyledLoss,
    blend_square,
    perceptual_loss,
    stylize,
    with_more_styles,
    with_style,
)
from minicnn.visualize.style.crops import StyledPhotos
from minicnn.visualize.style.many_styles import as_single_style, style_norms, style_parameters
from minicnn.visualize.style.many_styles_check import check_style_losses, check_style_pictures, check_styles
from minicnn.visualize.style.perceptual import in_styles
from minicnn.visualize.style.tiled_transform import predict_by_tiles

NAMES = ("strokes", "dots", "stripes")
SMALL = {"widths": (4, 6, 8), "num_blocks": 2}
MIXTURES = np.array([[0.5, 0.2, 0.3], [0, 1, 0]])


def painter(xp=np, dtype="float32", names=NAMES):
    """Return a network with different styles."""
    rng = np.random.default_rng(1)
    net = transform_network(1, **SMALL, styles=names)
    for layer in net.parameter_layers().values():
        if isinstance(layer, ConditionalInstanceNorm2D):
            layer.params = {key: values + 0.3 * rng.standard_normal(values.shape, np.float32)
                            for key, values in layer.params.items()}
    return net.astype(dtype).to_device(device(xp))


def losses(xp=np, dtype="float32", names=NAMES):
    """Return a PerceptualLoss for each style."""
    found = [perceptual_loss(critic(xp, dtype), draw_style(name, np.random.default_rng(0), 24), TORCHVISION, SETTINGS)
             for name in names]
    return tuple(PerceptualLoss(loss.net, loss.settings, {name: gram.astype(dtype)
                                                          for name, gram in loss.targets.items()}) for loss in found)


def parameters(net):
    """Return {"conv1/w": a copy on the host, …}."""
    return {f"{name}/{key}": to_host(values).copy() for name, layer in net.parameter_layers().items()
            for key, values in layer.params.items()}


# ---- mixtures of styles ----------------------------------------------------------------------------------------------

def test_styles_differ_only_in_the_normalizations():
    single, several = transform_network(1, **SMALL), painter()
    assert single.layer_names() == several.layer_names() and not style_norms(single)
    norms = [node.name for node in single.nodes if isinstance(node.layer, InstanceNorm2D)]
    assert list(style_norms(several)) == norms
    own = style_parameters(several)
    assert own == 2 * (4 + 6 + 8 + 4 * 8 + 6 + 4)  # two halvings, two blocks, two doublings
    assert several.num_parameters() == single.num_parameters() + 2 * own
    np.testing.assert_array_equal(single.layer("conv2").params["w"], several.layer("conv2").params["w"])


@pytest.mark.parametrize("mixtures", [MIXTURES, MIXTURES[:1], MIXTURES[0]])
def test_each_picture_has_its_mixture(xp, mixtures, rng):
    net = painter(xp, "float64")
    x = rng.standard_normal((2, 3, 16, 20))
    painted = to_host(with_style(net, mixtures).predict(to_device(x, device(xp))))
    for n, mixture in enumerate(np.broadcast_to(mixtures, (2, 3))):
        naive = transform_network(None, **SMALL).astype("float64")  # instance norms with weighted sums of the rows
        for name, layer in naive.parameter_layers().items():
            for key, values in net.layer(name).params.items():
                values = to_host(values)
                layer.params[key] = sum(share * row for share, row in zip(mixture, values, strict=True)) \
                    if name in style_norms(net) else values
        np.testing.assert_allclose(painted[n:n + 1], naive.predict(x[n:n + 1]), rtol=0, atol=1e-12)


def test_with_style_shares_the_parameters(xp, rng):
    net = painter(xp)
    x = to_device(rng.standard_normal((1, 3, 8, 12)).astype("float32"), device(xp))
    before = to_host(net.predict(x))
    dots = with_style(net, np.array([0, 1, 0]))
    assert dots.layer("in1").params is net.layer("in1").params and dots.layer("conv1") is net.layer("conv1")
    assert not np.array_equal(to_host(dots.predict(x)), before)
    np.testing.assert_array_equal(to_host(net.predict(x)), before)
    np.testing.assert_array_equal(to_host(with_style(net, np.array([1.0, 0, 0])).predict(x)), before)  # the first
    assert dots.predict(x).dtype == "float32" and get_array_module(dots.predict(x)) is xp


def test_bad_input():
    with pytest.raises(InputError, match="expected weights of 3 styles, got shape"):
        with_style(painter(), np.array([0.5, 0.5]))
    with pytest.raises(InputError, match="has a single style"):
        with_style(transform_network(None, **SMALL), np.array([1.0]))
    with pytest.raises(InputError, match="has a single style"):
        with_more_styles(transform_network(None, **SMALL), 1)


def test_tiles_of_a_blend_equal_the_whole_picture(xp, rng):
    net = with_style(painter(xp, "float64"), MIXTURES[0])
    x = rng.standard_normal((1, 3, 40, 28)) * np.linspace(0, 2, 28)
    whole = to_host(net.predict(to_device(x, device(xp))))
    np.testing.assert_allclose(predict_by_tiles(net, x, 24), whole, rtol=0, atol=1e-12 * abs(whole).max())
    np.testing.assert_array_equal(to_host(as_single_style(net).predict(to_device(x, device(xp)))), whole)


def test_a_square_of_blends_has_a_style_in_each_corner():
    square = blend_square(5, side=3)
    assert square.shape == (3, 3, 5)
    np.testing.assert_array_equal(square[[0, 0, 2, 2], [0, 2, 0, 2]], np.eye(5)[:4])
    np.testing.assert_array_equal(square[1, 1], [0.25, 0.25, 0.25, 0.25, 0])
    np.testing.assert_array_equal(square[0, 1], [0.5, 0.5, 0, 0, 0])
    np.testing.assert_array_equal(square.sum(axis=2), 1)
    np.testing.assert_array_equal(blend_square(4, side=3), square[..., :4])
    np.testing.assert_array_equal(blend_square(3, side=3), [[[1, 0, 0], [0.5, 0, 0.5], [0, 0, 1]]])


def test_a_weights_file_keeps_the_names_of_the_styles(tmp_path):
    net, options = painter(), {key: list(value) if key == "widths" else value for key, value in SMALL.items()}
    save_weights(tmp_path / "p.h5", net, Header("p", "transform_network", TORCHVISION,
                                                options=options | {"styles": list(NAMES)}))
    model = load_model(tmp_path / "p.h5", "cpu")
    assert model.styles == NAMES
    for style in (*np.eye(3), MIXTURES[0]):
        np.testing.assert_array_equal(stylize(with_style(model.net, style), photo(16, 24), TORCHVISION),
                                      stylize(with_style(net, style), photo(16, 24), TORCHVISION))
    save_weights(tmp_path / "q.h5", transform_network(0, **SMALL), Header("q", "transform_network", TORCHVISION,
                                                                          options=options))
    assert load_model(tmp_path / "q.h5", "cpu").styles == ()


def test_pytorch_has_the_same_pictures_and_gradients(rng):
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle")
    import torch_oracle as oracle

    net = painter(dtype="float64")
    x, dout = rng.standard_normal((2, 2, 3, 16, 20))
    trace = with_style(net, MIXTURES).forward_train(x, rng, keep=("deconv3",))
    ours = with_style(net, MIXTURES).backward_train(trace, {"deconv3": dout})
    names = oracle.transform_names(SMALL["num_blocks"])
    module = oracle.with_parameters_of(as_single_style(net), lambda: oracle.TransformerNet(*SMALL.values()), names)
    rows = {(path, kind): torch.from_numpy(net.layer(name).params[key]).requires_grad_()
            for path, name in names.items() if name in style_norms(net)
            for kind, key in (("weight", "gamma"), ("bias", "beta"))}
    weight = torch.from_numpy(net.layer("res1/conv1").params["w"]).requires_grad_()
    for n, mixture in enumerate(torch.from_numpy(MIXTURES)):  # one picture at a time
        changed = {f"{path}.{kind}": mixture @ values for (path, kind), values in rows.items()}
        changed["res1.conv1.conv2d.weight"] = weight
        painted = torch.func.functional_call(module, changed, torch.from_numpy(x[n:n + 1]))
        np.testing.assert_allclose(trace.activations["deconv3"][n], painted[0].detach(), rtol=0, atol=1e-10)
        (painted * torch.from_numpy(dout[n])).sum().backward()
    np.testing.assert_allclose(ours["res1/conv1"]["w"], weight.grad, rtol=1e-8, atol=1e-10)
    for (path, kind), values in rows.items():
        mine = ours[names[path]]["gamma" if kind == "weight" else "beta"]
        np.testing.assert_allclose(mine, values.grad, rtol=1e-8, atol=1e-10)


# ---- the training ----------------------------------------------------------------------------------------------------

def test_batches_depend_only_on_seed_and_step():
    crops = StyledCrops(PhotoCrops([draw_scene(24)], TORCHVISION, 16, 4, seed=1), 3)
    x, batch = crops(5)
    assert batch.photos is x and batch.style.shape == (4, 3) and batch.style.dtype == x.dtype
    np.testing.assert_array_equal(batch.style, crops(5)[1].style)
    np.testing.assert_array_equal(batch.style.sum(axis=1), 1)
    assert {*batch.style.ravel()} == {0, 1} and set(batch.style.sum(axis=0)) == {1, 2}
    assert len({crops(step)[1].style.tobytes() for step in range(20)}) > 4
    assert all(not StyledCrops(crops.crops, 3, first=1)(step)[1].style[:, 0].any() for step in range(5))


def test_the_loss_is_the_mean_over_photos_and_their_styles(xp):
    photos = TORCHVISION.to_input(np.stack([draw_scene(24), draw_scene(24)[:, ::-1], photo(24, 24)]))
    out, style = TORCHVISION.to_input(photo(24, 24)).repeat(3, axis=0), np.eye(3, dtype="float32")[[2, 0, 2]]
    ours = losses(xp)
    value, gradient = StyledLoss(ours)(to_device(out, device(xp)), StyledPhotos(photos, style))
    assert get_array_module(gradient) is xp and gradient.dtype == "float32"
    singly = [ours[number](to_device(out[n:n + 1], device(xp)), photos[n:n + 1]) for n, number in enumerate((2, 0, 2))]
    assert value == pytest.approx(np.mean([one for one, _ in singly]), rel=1e-6)
    for n, (_, one_gradient) in enumerate(singly):
        np.testing.assert_allclose(to_host(gradient)[n], to_host(one_gradient)[0] / 3, rtol=1e-6)
    np.testing.assert_array_equal(StyledLoss((None, None, ours[2]))(to_device(out[:1], device(xp)), StyledPhotos(
        photos[:1], style[:1]))[0], ours[2](to_device(out[:1], device(xp)), photos[:1])[0])


def test_the_gradients_of_the_parameters(xp, rng):
    net, loss = painter(xp, "float64"), StyledLoss(losses(xp, "float64"))
    photos = to_device(rng.standard_normal((2, 3, 16, 20)), device(xp))
    batch = StyledPhotos(photos, np.eye(3)[[2, 1]])

    def mixed(batch_style):
        return with_style(net, batch_style)
    network = mixed(MIXTURES)  # the losses do not depend on the mixtures
    trace = network.forward_train(photos, rng, keep=("deconv3",))
    _, dout = loss(trace.activations["deconv3"], batch)
    gradients = network.backward_train(trace, {"deconv3": dout})
    check_slopes(net, gradients, ("conv1", "in1", "res1/in1", "res2/conv1", "in5", "deconv3"),
                 lambda: loss(mixed(MIXTURES).predict(photos), batch)[0], rng)


def training(net, checkpoint=None, stop=None, first=0, only=None, steps=6, learning_rate=3e-3, xp=np):
    """Train the network in place and return the history."""
    S = len(net.layer("in1").params["gamma"])
    crops = StyledCrops(PhotoCrops([draw_scene(32)], TORCHVISION, size=16, batch_size=3), S, first)
    names = (*NAMES, "glass")[:S]
    loss = StyledLoss((None,) * first + losses(xp, names=names[first:]))
    return train(net, crops, update=Adam(learning_rate), num_steps=steps, loss=loss, checkpoint=checkpoint,
                 variant=in_styles, only=only, callback=lambda step, value: step == stop)


def test_a_resumed_training_ends_in_the_same_network(tmp_path):
    whole, again = painter(), painter()
    history = training(whole, tmp_path / "whole.npz")
    training(again, tmp_path / "parts.npz", stop=2)
    assert training(again := painter(), tmp_path / "parts.npz") == history and history[-1] < history[0]
    for name, values in parameters(whole).items():
        np.testing.assert_array_equal(values, parameters(again)[name])


def test_training_and_more_styles_on_both_backends(xp):
    net, host = painter(xp), painter()
    assert training(net, steps=2, xp=xp) == pytest.approx(training(host, steps=2), rel=1e-4)
    more = with_more_styles(net, 1)
    training(more, first=3, only=("gamma", "beta"), steps=1, xp=xp)
    for name, values in parameters(more).items():
        assert get_array_module(more.layer(name.rsplit("/", 1)[0]).params[name.rsplit("/", 1)[1]]) is xp
        np.testing.assert_array_equal(values[:3] if name.endswith(("gamma", "beta")) else values, parameters(net)[name])


def test_a_new_style_trains_only_its_scales_and_shifts(rng):
    net = painter()
    before, x = parameters(net), rng.standard_normal((1, 3, 16, 16)).astype("float32")
    more = with_more_styles(net, 1)
    np.testing.assert_array_equal(more.layer("in2").params["gamma"][3], net.layer("in2").params["gamma"].mean(axis=0))
    history = training(more, first=3, only=("gamma", "beta"), steps=24, learning_rate=1e-2)
    assert np.mean(history[-8:]) < 0.95 * np.mean(history[:8])
    for name, values in parameters(more).items():
        if values.shape == before[name].shape:
            np.testing.assert_array_equal(values, before[name])
        else:
            np.testing.assert_array_equal(values[:3], before[name])
            assert not np.array_equal(values[3], before[name].mean(axis=0))
    for row in np.eye(3):
        np.testing.assert_array_equal(with_style(more, np.append(row, 0)).predict(x), with_style(net, row).predict(x))


# ---- the Checks ------------------------------------------------------------------------------------------------------

def test_check_styles_finds_equal_styles(monkeypatch, rng):
    net, x = painter(), rng.standard_normal((1, 3, 16, 16)).astype("float32")
    assert all(check.passed for check in check_styles(net, x)) and check_styles(net, x)[0].value == 0
    for layer in style_norms(net).values():
        layer.params = {key: rows[[0, 0, 2]] for key, rows in layer.params.items()}  # two equal styles
    assert check_styles(net, x)[2].value == 0
    monkeypatch.setattr(ConditionalInstanceNorm2D, "with_style", lambda self, style: self)
    assert not check_styles(painter(), x)[0].passed


class Palette:
    """A network whose output depends only on the mixture, not on the photo."""

    def __init__(self, pictures, style=None):
        self.pictures, self.style = pictures, style


def test_check_style_pictures_finds_swapped_styles(monkeypatch):
    pictures = [draw_style(name, np.random.default_rng(0), 32) for name in NAMES]

    def check(order, mixture=np.asarray):
        monkeypatch.setattr("minicnn.visualize.style.many_styles_check.with_style",
                            lambda net, style: Palette(net.pictures, mixture(style)))
        monkeypatch.setattr("minicnn.visualize.style.many_styles_check.stylize",
                            lambda net, photo, preprocessing: np.rint(
            np.tensordot(net.style, np.array(net.pictures, float), 1)).astype(np.uint8))
        judge = Model(critic(), TORCHVISION, [], "critic")
        painter = Model(Palette([pictures[number] for number in order]), TORCHVISION, [], "palette", NAMES)
        return check_style_pictures(painter, photo(), pictures, judge, ["relu1", "relu2"])
    right, steady = check((0, 1, 2))
    assert right.value == 3 and steady.value == 8 and not (right.judged or steady.judged)
    right, steady = check((1, 0, 2))
    assert right.value == 1 and steady.value == 8
    right, steady = check((0, 1, 2), lambda style: np.eye(3)[style.argmax()])  # no blends, only one of the styles
    assert right.value == 3 and steady.value == 1
    right, steady = check((0, 1, 2), lambda style: np.eye(3)[0])
    assert right.value == 1 and steady.value == 0


def test_check_style_losses_finds_a_larger_loss():
    x, net = TORCHVISION.to_input(draw_scene(24)), painter()
    trained = painter()
    training(trained, steps=30)
    checks = check_style_losses(losses(), NAMES, trained, x)
    assert [check.what.rsplit(" ", 1)[1] for check in checks] == list(NAMES)
    assert all(check.value < before.value for check, before in zip(checks, check_style_losses(losses(), NAMES, net, x),
                                                                   strict=True))
    net.layer("deconv3").params["w"] *= 30  # far too bright
    assert all(check.value > float(check.expected.split(": ")[1].split(",")[0])
               for check in check_style_losses(losses(), NAMES, net, x))
