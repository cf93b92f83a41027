"""Style transfer against published definitions and numbers, and against PyTorch."""

import dataclasses

import numpy as np
import pytest
from style_problems import PLAIN, STYLE, content, problem, style, transfer
from two_stages import network

from minicnn import models
from minicnn.images import load_image
from minicnn.losses import loss_and_gradient
from minicnn.models.preprocessing import TORCHVISION
from minicnn.visualize import transfer_style
from minicnn.visualize.style.problem import style_problem, term_names
from minicnn.visualize.style.settings import STYLE_PRESETS
from minicnn.visualize.style.terms import gram_targets
from minicnn.visualize.style.transfer import phases


def test_the_loss_of_neural_style():
    """ContentLoss, StyleLoss (Gram / elements, then MSE), and TVLoss, whose gradient belongs to half the squares."""
    preset = dataclasses.replace(STYLE_PRESETS["neural-style"], content_layers={"relu2": 1.0},
                                 style_layers=dict.fromkeys(STYLE, 1.0))
    net = network(np, "float64")
    posed = style_problem(net, content(), [style()], TORCHVISION, preset, 24)
    x = np.random.default_rng(1).standard_normal(posed.content.shape)
    mine, target, painted = (net.forward(array.astype("float64")).activations
                             for array in (x, posed.content, posed.styles[0]))

    def gram(features):
        flat = features.reshape(features.shape[1], -1)
        return flat @ flat.T / features.size
    expected = 5 * ((mine["relu2"] - target["relu2"])**2).mean()
    expected += sum(100 * ((gram(mine[layer]) - gram(painted[layer]))**2).mean() for layer in STYLE)
    expected += 1e-3 / 2 * (((x[:, :, 1:] - x[:, :, :-1])**2).sum() + ((x[..., 1:] - x[..., :-1])**2).sum())
    assert loss_and_gradient(net, x, posed.terms)[0] == pytest.approx(expected, rel=1e-6)


def test_the_loss_of_gatys():
    """1/2 sum (F - P)² and 1 / (4 N² M²) sum (G - A)², alpha / beta = 1e-3, arXiv:1508.06576, equations 1 to 7."""
    preset = dataclasses.replace(STYLE_PRESETS["gatys"], content_layers={"relu2": 1.0},
                                 style_layers=dict.fromkeys(STYLE, 0.2))
    net = network(np, "float64")
    posed = style_problem(net, content(), [style()], TORCHVISION, preset, 24)
    x = np.random.default_rng(1).standard_normal(posed.content.shape)
    averaged = net.with_pooling("avg")
    mine, target, painted = (averaged.forward(array.astype("float64")).activations
                             for array in (x, posed.content, posed.styles[0]))
    expected = 1e-3 / 2 * ((mine["relu2"] - target["relu2"])**2).sum()
    for layer in STYLE:
        N = mine[layer].shape[1]
        F, S = mine[layer].reshape(N, -1), painted[layer].reshape(N, -1)
        # the paper has one M for both pictures; if their sizes differ, each Gram matrix has its own M
        expected += 0.2 / 4 * ((F @ F.T / F.shape[1] - S @ S.T / S.shape[1])**2).sum() / N**2
    assert loss_and_gradient(posed.net, x, posed.terms)[0] == pytest.approx(expected, rel=1e-6)


def test_the_gradient_equals_pytorchs():
    torch = pytest.importorskip("torch", reason="PyTorch, the oracle, is not installed (the extra named peers)")
    net = network(np, "float64")
    posed = problem(net, reduction="sum", style_weight=50.0, tv_weight=0.3, pooling="max")
    start = np.random.default_rng(1).standard_normal(posed.content.shape)
    w1, b1, w2, b2 = (torch.from_numpy(net.layer(name).params[key])
                      for name in ("conv1", "conv2") for key in ("w", "b"))

    def activations(x):
        first = torch.relu(torch.nn.functional.conv2d(x, w1, b1, padding=1))
        pooled = torch.nn.functional.max_pool2d(first, 2)
        return {"relu1": first, "relu2": torch.relu(torch.nn.functional.conv2d(pooled, w2, b2, padding=1))}

    def gram(features):
        flat = features.flatten(2)
        return flat @ flat.transpose(1, 2) / features[0].numel()
    x = torch.from_numpy(start).requires_grad_()
    mine, target, painted = (activations(array) for array in
                             (x, torch.from_numpy(posed.content.astype("float64")),
                              torch.from_numpy(posed.styles[0].astype("float64"))))
    loss = ((mine["relu2"] - target["relu2"])**2).sum()
    loss = loss + 50 * sum(((gram(mine[layer]) - gram(painted[layer]))**2).sum() for layer in STYLE)
    loss = loss + 0.3 * (x.diff(dim=2).square().sum() + x.diff(dim=3).square().sum())
    loss.backward()
    total, gradient, _ = loss_and_gradient(net, start, posed.terms)
    assert total == pytest.approx(loss.item(), rel=1e-12)
    assert np.linalg.norm(gradient - x.grad.numpy()) < 1e-12 * np.linalg.norm(gradient)


def test_the_steps_of_the_cs231n_notebook():
    """The notebook clamps before each step while t < 190, and starts a new Adam with learning rate 0.1 at t = 180."""
    settings = dataclasses.replace(PLAIN, optimizer="adam", learning_rate=3.0, last_learning_rate=0.1, clamp=1.5,
                                   num_steps=200, size=8, pooling="max")
    posed = problem(network(np), size=8, pooling="max")
    result = transfer(np, **{field: getattr(settings, field) for field in (
        "optimizer", "learning_rate", "last_learning_rate", "clamp", "num_steps", "size", "pooling")})
    image, rate, m, v, count = posed.content, 3.0, 0, 0, 0
    for t in range(200):
        if t < 190:
            image = np.clip(image, -1.5, 1.5)
        _, gradient, _ = loss_and_gradient(posed.net, image, posed.terms)
        if t == 180:
            rate, m, v, count = 0.1, 0, 0, 0
        m, v, count = 0.9 * m + 0.1 * gradient, 0.999 * v + 0.001 * gradient**2, count + 1
        image = image - rate * (m / (1 - 0.9**count)) / (np.sqrt(v / (1 - 0.999**count)) + 1e-8)
    assert np.linalg.norm(result.image - image) < 1e-2 * np.linalg.norm(image)
    assert [steps for _, steps, _ in phases(settings, 200)] == [180, 20]


STYLE_CHECKS = {"": True, "-tf": False}  # file suffix, and whether the pools round up


def relative(ours, theirs):
    """Return the rel_error of CS231n."""
    return float((abs(ours - theirs) / np.maximum(1e-8, abs(ours) + abs(theirs))).max())


@pytest.mark.parametrize("framework", STYLE_CHECKS)
def test_the_published_values_of_cs231n(framework, test_data):
    """Each term alone, from the settings."""
    with np.load(test_data / "cs231n" / f"style-transfer-checks{framework}.npz") as file:
        answers = {key: np.squeeze(file[key]) for key in file.files}
    net = squeezenet(test_data, STYLE_CHECKS[framework])
    images = [load_image(test_data / "cs231n" / f"{name}.jpg") for name in ("tubingen", "starry_night")]
    settings = STYLE_PRESETS["starry-night"]
    posed = style_problem(net, images[0], [images[1]], TORCHVISION, settings, 192)
    assert posed.content.shape == (1, 3, 192, 256) and posed.styles[0].shape == (1, 3, 192, 242)
    names = term_names(settings)

    def value(x, kind):
        activations = net.features(x, [loss.layer for _, loss in posed.terms])
        return sum(weight * loss(activations)[0] for (weight, loss), name in zip(posed.terms, names, strict=True)
                   if name.startswith(kind))
    assert relative(value(np.zeros_like(posed.content), "content"), answers["cl_out"]) < 1e-3
    assert relative(value(posed.content, "style"), answers["sl_out"]) < 1e-3
    x = posed.content.astype("float64")  # the answer lacks the differences along the first row and column
    missing = 2e-2 * (((x[:, :, 0, 1:] - x[:, :, 0, :-1])**2).sum() + ((x[:, :, 1:, 0] - x[:, :, :-1, 0])**2).sum())
    assert relative(value(x, "TV") - missing, answers["tv_out"]) < 1e-5
    gram = gram_targets(net, posed.styles, ["5"])["pool3"][0]
    assert relative(gram, answers["gm_out"]) < 3e-3  # the weights are rounded to float16
    assert np.linalg.norm(gram - answers["gm_out"]) < 1e-3 * np.linalg.norm(answers["gm_out"])


def squeezenet(test_data, pool_ceil=True):
    """Return SqueezeNet 1.1 with its trained weights."""
    net = models.squeezenet1_1(seed=None, pool_ceil=pool_ceil)
    with np.load(test_data / "weights" / "squeezenet1_1.npz") as file:
        for alias, name in net.aliases.items():
            if f"{alias}.weight" in file:
                net.layer(name).params.update(w=file[f"{alias}.weight"], b=file[f"{alias}.bias"])
    return net


@pytest.mark.parametrize("preset, totals", [
    ("composition-vii", {1: 65511.7333, 10: 324651.780, 20: 69880.9051, 100: 8572.41358, 200: 7637}),
    ("the-scream", {1: 126503.0935, 10: 544730.857, 20: 113692.9662, 100: 20534.5514, 200: 7500}),
    ("starry-night", {1: 56696.1624, 10: 756761.053, 20: 127721.5940, 100: 7840.34843, 200: 6555})])
def test_the_presets_reach_their_recorded_totals(preset, totals, test_data):
    """The pictures have a third of the preset's size, which takes seconds.

    Steps of 3.0 amplify rounding errors a million times in 50 steps. Between two BLAS libraries, the totals differ by
    2e-2 after 10 steps in float32, and by 1e-9 after 100 steps in float64.
    """
    content, style = (load_image(test_data / "cs231n" / f"{name}.jpg")
                      for name in ("tubingen", preset.replace("-", "_")))
    result = transfer_style(squeezenet(test_data).astype("float64"), content, [style], TORCHVISION,
                            dataclasses.replace(STYLE_PRESETS[preset], size=64), rng=np.random.default_rng(0))
    for step, total in totals.items():
        assert result.history[step - 1].total == pytest.approx(total, rel=1e-7 if step <= 100 else 5e-2)
