"""Style transfer on both back ends: against its published definitions, an independent implementation, and itself."""

import dataclasses
import math

import numpy as np
import pytest
from two_stages import network

from minicnn import models
from minicnn.backend import to_device, to_host
from minicnn.datasets.drawings import draw_scene, draw_style
from minicnn.errors import InputError, UnknownNameError
from minicnn.images import load_image, resize_short_side
from minicnn.losses import FeatureMatch, loss_and_gradient
from minicnn.models import load_model
from minicnn.models.preprocessing import TORCHVISION
from minicnn.optimize import LBFGS, optimize_image
from minicnn.optimize.checkpoint import Checkpoint
from minicnn.visualize import StyleSettings, transfer_style
from minicnn.visualize.style import colour
from minicnn.visualize.style.pictures import resize_side
from minicnn.visualize.style.problem import style_problem, term_names
from minicnn.visualize.style.settings import STYLE_PRESETS
from minicnn.visualize.style.terms import content_terms, gram_targets, relative_errors
from minicnn.visualize.style.transfer import phases
from minicnn.visualize.style.transfer_check import (
    check_blend,
    check_colours,
    check_content_sweep,
    check_scale_sweep,
    check_style,
    content_error,
)

STYLE = ("relu1", "relu2")
PLAIN = StyleSettings(content_layers={"relu2": 1.0}, style_layers=dict.fromkeys(STYLE, 1.0), style_weight=10.0,
                      reduction="relative", pooling="avg", size=24, num_steps=12)


def content():
    return draw_scene(48)[:36]  # wider than high


def style(name="strokes"):
    return draw_style(name, np.random.default_rng(0), 40)


def transfer(xp, styles=("strokes",), masks=None, callback=None, checkpoint=None, seed=0, **settings):
    return transfer_style(network(xp), content(), [style(name) for name in styles], TORCHVISION,
                          dataclasses.replace(PLAIN, **settings), rng=np.random.default_rng(seed), masks=masks,
                          callback=callback, checkpoint=checkpoint)


def problem(net, styles=("strokes",), size=24, masks=None, **settings):
    return style_problem(net, content(), [style(name) for name in styles], TORCHVISION,
                         dataclasses.replace(PLAIN, **settings), size, masks)


def halves():
    left = np.zeros((36, 48), np.uint8)
    left[:, :24] = 255
    return [left, 255 - left]


# ---- what comes out --------------------------------------------------------------------------------------------------


def test_the_content_is_painted_in_the_style(xp):
    result = transfer(xp, num_steps=30)
    assert result.picture.dtype == np.uint8 and result.picture.shape == (18, 24, 3)
    assert isinstance(result.image, np.ndarray) and result.image.shape == (1, 3, 18, 24)
    assert result.image.dtype == "float32" and [entry.step for entry in result.history] == list(range(1, 31))
    net = network(xp)
    checks = check_style(problem(net), result.image, PLAIN, np.random.default_rng(0), side=12)
    assert all(check.passed for check in checks), checks
    assert [check.what.split()[0] for check in checks] == ["loss", "mean", "relative", "slopes"]
    noise = np.random.default_rng(5).standard_normal(result.image.shape, np.float32)
    checks = check_style(problem(net), 3 * noise, PLAIN, np.random.default_rng(0), 12)
    assert [check.passed for check in checks][:2] == [False, False]


def test_both_back_ends_paint_the_same_picture(strict_cupy):
    on_cpu, on_gpu = (transfer(xp, num_steps=8).image for xp in (np, strict_cupy))
    assert np.linalg.norm(on_cpu - on_gpu) < 1e-3 * np.linalg.norm(on_cpu)


@pytest.mark.parametrize("more", [{}, {"optimizer": "adam", "last_learning_rate": 0.01, "clamp": 1.5},
                                  {"coarse": 12, "fine_steps": 4, "init": "noise"}], ids=str)
def test_an_interrupted_transfer_goes_on_to_the_same_picture(more, xp, tmp_path):
    def stop(progress, image):
        if progress.step == 11:
            raise KeyboardInterrupt
    whole = transfer(xp, **more)
    with pytest.raises(KeyboardInterrupt):
        transfer(xp, callback=stop, checkpoint=Checkpoint(tmp_path / "state.npz", every=2), **more)
    again = transfer(xp, checkpoint=Checkpoint(tmp_path / "state.npz", every=2, resume=True), **more)
    assert again.image.tobytes() == whole.image.tobytes() and again.history == whole.history


@pytest.mark.parametrize("last", [5, 6])  # in the middle of a size, and with its last step
def test_a_true_answer_of_the_callback_ends_it_all(last, xp, tmp_path):
    def run(resume, last):
        return transfer(xp, coarse=12, num_steps=6, callback=lambda progress, image: progress.step == last,
                        checkpoint=Checkpoint(tmp_path / "state.npz", resume=resume))
    stopped = [run(False, last), run(True, 0)]
    assert [len(result.history) for result in stopped] == [last, last]
    assert stopped[0].image.shape == (1, 3, 9, 12) and np.array_equal(stopped[0].image, stopped[1].image)


def test_a_seed_repeats_it_bit_for_bit(xp):
    one, two, other = (transfer(xp, init="noise", num_steps=3, seed=seed).image for seed in (1, 1, 2))
    assert one.tobytes() == two.tobytes() and one.tobytes() != other.tobytes()


# ---- content and style, in what shares -------------------------------------------------------------------------------


def test_the_more_the_content_weighs_the_nearer_it_is():
    net = network(np)
    results = [transfer(np, content_weight=weight, num_steps=25) for weight in (0.01, 1, 100)]
    errors = [content_error(problem(net).net, result.image, problem(net).content, {"relu2": 1.0}) for result in results]
    assert check_content_sweep(errors)[0].passed and not check_content_sweep(errors[::-1])[0].passed


def test_without_style_it_is_inversion_and_without_content_a_texture(xp):
    net = network(xp)
    inversion, texture = problem(net, style_weight=0.0), problem(net, content_weight=0.0)
    assert [type(loss).__name__ for _, loss in inversion.terms] == ["FeatureMatch"]
    assert [type(loss).__name__ for _, loss in texture.terms] == ["GramMatch"] * 2
    result = transfer(xp, style_weight=0.0, init="noise", num_steps=20)
    noise = np.random.default_rng(0).standard_normal(inversion.content.shape, "float32")
    target = inversion.net.predict(inversion.content, "relu2")
    inverted, _ = optimize_image(
        inversion.net, to_device(noise, net.device), update=LBFGS(), num_steps=20,
        terms=[(1 / float((target * target).sum()), FeatureMatch("relu2", target))])
    assert result.image.tobytes() == to_host(inverted).tobytes()
    assert result.history[-1].total < 0.05 * result.history[0].total
    result = transfer(xp, content_weight=0.0, init="noise", noise=0.5, num_steps=40)
    errors = relative_errors(texture.net, to_device(result.image, net.device), texture.targets[0])
    assert max(errors.values()) < 0.05


def test_one_style_of_weight_1_is_that_style_alone_bit_for_bit(xp):
    alone = transfer(xp, num_steps=4)
    assert transfer(xp, num_steps=4, blend=(1.0,)).image.tobytes() == alone.image.tobytes()
    assert transfer(xp, num_steps=4, blend=(5.0,)).image.tobytes() == alone.image.tobytes()
    blended = transfer(xp, ("strokes", "dots"), num_steps=4, blend=(1, 0))
    assert blended.image.tobytes() == alone.image.tobytes()
    assert transfer(xp, ("strokes", "dots"), num_steps=4).image.tobytes() != alone.image.tobytes()


def test_the_blend_check_knows_the_shares():
    settings = dataclasses.replace(PLAIN, blend=(3, 7))
    mixed = problem(network(np), ("strokes", "dots"), blend=(3, 7))
    assert check_blend(mixed, settings)[0].passed
    assert not check_blend(mixed, dataclasses.replace(PLAIN, blend=(7, 3)))[0].passed


def test_a_white_mask_is_none_bit_for_bit(xp):
    white = np.full((36, 48), 255, np.uint8)
    assert transfer(xp, num_steps=4, masks=[white]).image.tobytes() == transfer(xp, num_steps=4).image.tobytes()


def test_each_half_gets_its_own_style():
    net = network(np).with_pooling("avg")
    image = transfer(np, ("stripes", "dots"), masks=halves(), num_steps=60, content_weight=0.01).image
    each = [problem(net, (name,)).targets[0] for name in ("stripes", "dots")]
    left, right = image[..., :12], image[..., 12:]

    def error(part, targets):
        return sum(relative_errors(net, part, targets).values())
    assert error(left, each[0]) < 0.5 * error(right, each[0])
    assert error(right, each[1]) < 0.5 * error(left, each[1])


def test_a_larger_style_paints_larger_strokes():
    pictures = [transfer(np, style_scale=scale, size=48, num_steps=30, init="noise", content_weight=0.0).picture
                for scale in (0.5, 1, 2)]
    assert check_scale_sweep(pictures)[0].passed and not check_scale_sweep(pictures[::-1])[0].passed


# ---- sizes -----------------------------------------------------------------------------------------------------------


def test_sizes_go_up_by_the_square_root_of_2():
    assert dataclasses.replace(PLAIN, size=512, coarse=128).sizes() == [128, 181, 256, 362, 512]
    assert dataclasses.replace(PLAIN, size=512, coarse=400).sizes() == [512] == StyleSettings({"a": 1.0}, {}).sizes()


def test_the_styles_size_is_rounded_up_and_cs231ns_are_its_own():
    assert dataclasses.replace(PLAIN, style_scale=0.3).style_size(101) == math.ceil(30.3)
    for name, size in (("composition-vii", 512), ("the-scream", 224), ("starry-night", 192)):
        assert STYLE_PRESETS[name].style_size(192) == size


def test_long_and_short_sides():
    for side, size in (("long", (18, 24)), ("short", (24, 32))):
        assert problem(network(np), side=side).content.shape[2:] == size


def test_coarse_to_fine_begins_where_the_smaller_size_ended():
    seen = []
    transfer(np, coarse=12, num_steps=6, fine_steps=1, callback=lambda progress, image: seen.append(image))
    assert [image.shape[3] for image in seen] == [12] * 6 + [17, 24]

    def loss(size, image):
        posed = problem(network(np), size=size)
        return loss_and_gradient(posed.net, image, posed.terms)[0]
    assert loss(24, seen[-1]) < 0.5 * loss(24, problem(network(np)).content)


# ---- as published ----------------------------------------------------------------------------------------------------


def test_neural_style_is_means_of_squares():
    """Its ContentLoss, StyleLoss (Gram / elements, then MSE) and TVLoss, whose gradient is that of half the squares."""
    preset = dataclasses.replace(STYLE_PRESETS["neural-style"], content_layers={"relu2": 1.0},
                                 style_layers=dict.fromkeys(STYLE, 1.0))
    net = network(np, "float64")
    posed = style_problem(net, content(), [style()], TORCHVISION, preset, 24)
    x = np.random.default_rng(1).standard_normal(posed.content.shape)
    mine, wanted, painted = (net.forward(array.astype("float64")).activations
                             for array in (x, posed.content, posed.styles[0]))

    def gram(features):
        flat = features.reshape(features.shape[1], -1)
        return flat @ flat.T / features.size
    expected = 5 * ((mine["relu2"] - wanted["relu2"])**2).mean()
    expected += sum(100 * ((gram(mine[layer]) - gram(painted[layer]))**2).mean() for layer in STYLE)
    expected += 1e-3 / 2 * (((x[:, :, 1:] - x[:, :, :-1])**2).sum() + ((x[..., 1:] - x[..., :-1])**2).sum())
    assert loss_and_gradient(net, x, posed.terms)[0] == pytest.approx(expected, rel=1e-6)


def test_a_masked_style_weighs_as_its_part_and_its_blend_do(xp):
    whole = problem(network(xp), style_weight=1.0, content_weight=0.0)
    left, right = halves()
    right[:, 24:36] = 0  # a quarter
    posed = problem(network(xp), ("strokes", "strokes"), masks=[left, right], blend=(1.0, 3.0), style_weight=1.0,
                    content_weight=0.0)
    for n, (part, blend) in enumerate([(1 / 2, 2 / 4), (1 / 4, 6 / 4)]):
        weight, loss = posed.terms[n * len(STYLE)]
        assert weight / whole.terms[0][0] == pytest.approx(part * blend, rel=0.05)  # edges of a mask are soft
        assert float((loss.mask * loss.mask).mean()) == pytest.approx(1, rel=1e-5)


def test_steps_count_on_through_sizes_and_phases(xp):
    result = transfer(xp, coarse=12, num_steps=10, fine_steps=3, optimizer="adam", last_learning_rate=0.01)
    assert [progress.step for progress in result.history] == list(range(1, len(result.history) + 1))
    assert len(result.history) > 13


def test_the_last_clamp_of_adam_is_before_the_step_at_19_of_20():
    settings = dataclasses.replace(PLAIN, optimizer="adam", last_learning_rate=0.1, clamp=1.5)
    far, done, clamped = np.full((1, 3, 2, 2), 9.0), 0, []
    for _, steps, project in phases(settings, 200):
        clamped += [done + step for step in range(1, steps + 1) if project[0](far, step).max() == 1.5]
        done += steps
    assert clamped == list(range(1, 190))


def test_a_relative_total_variation_is_1_at_the_content(xp):
    posed = problem(network(xp), tv_weight=0.5)
    weight, loss = posed.terms[-1]
    assert weight * loss({"input": posed.content})[0] == pytest.approx(0.5, rel=1e-5)


def test_gatys_is_half_the_squares_and_a_quarter_over_n_and_m():
    """1/2 sum (F - P)² and 1 / (4 N² M²) sum (G - A)², alpha / beta = 1e-3, arXiv:1508.06576, equations 1 to 7."""
    preset = dataclasses.replace(STYLE_PRESETS["gatys"], content_layers={"relu2": 1.0},
                                 style_layers=dict.fromkeys(STYLE, 0.2))
    net = network(np, "float64")
    posed = style_problem(net, content(), [style()], TORCHVISION, preset, 24)
    x = np.random.default_rng(1).standard_normal(posed.content.shape)
    averaged = net.with_pooling("avg")
    mine, wanted, painted = (averaged.forward(array.astype("float64")).activations
                             for array in (x, posed.content, posed.styles[0]))
    expected = 1e-3 / 2 * ((mine["relu2"] - wanted["relu2"])**2).sum()
    for layer in STYLE:
        N = mine[layer].shape[1]
        F, S = mine[layer].reshape(N, -1), painted[layer].reshape(N, -1)
        # the paper's M is one for both pictures; where they differ in size, each Gram has its own
        expected += 0.2 / 4 * ((F @ F.T / F.shape[1] - S @ S.T / S.shape[1])**2).sum() / N**2
    assert loss_and_gradient(posed.net, x, posed.terms)[0] == pytest.approx(expected, rel=1e-6)


def test_the_gradient_is_torchs():
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
    mine, wanted, painted = (activations(array) for array in
                             (x, torch.from_numpy(posed.content.astype("float64")),
                              torch.from_numpy(posed.styles[0].astype("float64"))))
    loss = ((mine["relu2"] - wanted["relu2"])**2).sum()
    loss = loss + 50 * sum(((gram(mine[layer]) - gram(painted[layer]))**2).sum() for layer in STYLE)
    loss = loss + 0.3 * (x.diff(dim=2).square().sum() + x.diff(dim=3).square().sum())
    loss.backward()
    total, gradient, _ = loss_and_gradient(net, start, posed.terms)
    assert total == pytest.approx(loss.item(), rel=1e-12)
    assert np.linalg.norm(gradient - x.grad.numpy()) < 1e-12 * np.linalg.norm(gradient)


def test_adam_goes_as_in_cs231ns_notebook():
    """Clamped before each step while t < 190, another Adam of rate 0.1 at t = 180; written as the notebook is."""
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


STYLE_CHECKS = {"": True, "-tf": False}  # which file, and whether its pools round up


def relative(ours, theirs):
    """CS231n's rel_error."""
    return float((abs(ours - theirs) / np.maximum(1e-8, abs(ours) + abs(theirs))).max())


@pytest.mark.parametrize("framework", STYLE_CHECKS)
def test_cs231ns_published_values(framework, test_data):
    """Each term by itself, through the settings."""
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
    x = posed.content.astype("float64")  # the answer leaves out the differences along the first row and column
    left_out = 2e-2 * (((x[:, :, 0, 1:] - x[:, :, 0, :-1])**2).sum() + ((x[:, :, 1:, 0] - x[:, :, :-1, 0])**2).sum())
    assert relative(value(x, "TV") - left_out, answers["tv_out"]) < 1e-5
    gram = gram_targets(net, posed.styles, ["5"])["pool3"][0]
    assert relative(gram, answers["gm_out"]) < 3e-3  # rounding of the weights to float16
    assert np.linalg.norm(gram - answers["gm_out"]) < 1e-3 * np.linalg.norm(answers["gm_out"])


def squeezenet(test_data, pool_ceil=True):
    """SqueezeNet 1.1 with its real weights."""
    net = models.squeezenet1_1(seed=None, pool_ceil=pool_ceil)
    with np.load(test_data / "weights" / "squeezenet1_1.npz") as file:
        for alias, name in net.aliases.items():
            if f"{alias}.weight" in file:
                net.layer(name).params.update(w=file[f"{alias}.weight"], b=file[f"{alias}.bias"])
    return net


@pytest.mark.parametrize("reduction", ["sum", "mean", "relative"])
def test_content_layers_have_weights(reduction):
    net = network(np, np.float64)
    x = np.random.default_rng(0).standard_normal((1, 3, 12, 12))
    layers = {"relu1": 2.0, "relu2": 0.5}
    for (weight, loss), (layer, own) in zip(content_terms(net, x, layers, 3.0, reduction), layers.items(), strict=True):
        features = net.predict(x, layer)
        by = {"sum": 1, "mean": features.size, "relative": (features**2).sum()}[reduction]
        assert loss.layer == layer and weight == pytest.approx(3 * own / by, rel=1e-12)


@pytest.mark.parametrize("preset, totals", [
    ("composition-vii", {1: 65511.7333, 10: 324651.780, 20: 69880.9051, 100: 8572.41358, 200: 7637}),
    ("the-scream", {1: 126503.0935, 10: 544730.857, 20: 113692.9662, 100: 20534.5514, 200: 7500}),
    ("starry-night", {1: 56696.1624, 10: 756761.053, 20: 127721.5940, 100: 7840.34843, 200: 6555})])
def test_the_presets_end_where_they_did(preset, totals, test_data):
    """At a third of their size, so that it takes seconds. Steps of 3.0 let rounding grow a millionfold in 50 steps: in
    float32, from one BLAS to another, the totals differ by 2e-2 after 10 steps; in float64 by 1e-9 after 100."""
    content, style = (load_image(test_data / "cs231n" / f"{name}.jpg")
                      for name in ("tubingen", preset.replace("-", "_")))
    result = transfer_style(squeezenet(test_data).astype("float64"), content, [style], TORCHVISION,
                            dataclasses.replace(STYLE_PRESETS[preset], size=64), rng=np.random.default_rng(0))
    for step, total in totals.items():
        assert result.history[step - 1].total == pytest.approx(total, rel=1e-7 if step <= 100 else 5e-2)


def test_terms_are_named_by_their_layers_and_masks():
    assert term_names(PLAIN) == ["content relu2", "style relu1", "style relu2"]
    assert term_names(dataclasses.replace(PLAIN, tv_weight=1.0), 2) == [
        "content relu2", "style 1 relu1", "style 1 relu2", "style 2 relu1", "style 2 relu2", "TV"]


def test_every_network_has_the_layers_of_its_presets():
    nets = {"squeezenet1_1": ("composition-vii", "the-scream", "starry-night", "squeezenet"),
            "squeezenet1_0": ("composition-vii", "the-scream", "starry-night", "squeezenet"),
            "vgg19": ("neural-style", "gatys"), "vgg16": ("neural-style", "gatys"), "shapes": ("shapes",)}
    for name, presets in nets.items():
        net = models.build_network(name)
        for preset in presets:
            settings = STYLE_PRESETS[preset]
            assert all(layer in net.positions for kind in settings.weighted_layers() for layer in kind)


# ---- colours ---------------------------------------------------------------------------------------------------------


def test_kept_colours_have_the_contents_u_and_v(rng):
    painted, photo = rng.integers(0, 256, (2, 20, 30, 3), dtype=np.uint8)
    kept = colour.keep_colours(painted, photo)
    assert kept.dtype == np.uint8
    assert np.abs(colour.to_yuv(kept) - colour.to_yuv(photo))[..., 1:].max() < 1e-5
    y, wanted = colour.luminance(kept), colour.luminance(painted)
    inside = np.abs(y - wanted) < 0.6  # of a grey level: rounding
    assert inside.mean() > 0.2  # elsewhere there is no such colour
    assert ((kept[~inside].min(axis=-1) <= 1) | (kept[~inside].max(axis=-1) >= 254)).all()
    assert (colour.keep_colours(photo, photo) == photo).all()


def test_matched_colours_have_the_contents_mean_and_covariance(rng):
    style, photo = rng.uniform(0, 255, (2, 20, 30, 3)) * [1, 0.5, 0.7] + [0, 20, 40]
    photo = photo @ rng.standard_normal((3, 3)) / 3 + 60
    matched = colour.match_colours(style, photo)
    assert np.allclose(matched.reshape(-1, 3).mean(axis=0), photo.reshape(-1, 3).mean(axis=0), rtol=1e-9)
    assert np.allclose(np.cov(matched.reshape(-1, 3).T), np.cov(photo.reshape(-1, 3).T), rtol=1e-9)
    grey = colour.match_colours(colour.grey(style), photo)
    assert np.isfinite(grey).all() and np.allclose(grey.mean(axis=(0, 1)), photo.mean(axis=(0, 1)))


def test_matched_luminance_is_grey_of_the_contents_mean_and_contrast(rng):
    style, photo = rng.uniform(0, 255, (2, 9, 8, 3)) * 0.4 + 30
    matched = colour.match_luminance(style, photo)
    assert (matched[..., 0] == matched[..., 2]).all()
    assert matched.mean() == pytest.approx(colour.luminance(photo).mean())
    assert matched.std() == pytest.approx(colour.luminance(photo).std())
    assert np.isfinite(colour.match_luminance(np.full((4, 4, 3), 9.0), photo)).all()


@pytest.mark.parametrize("colours", ["original", "luminance", "match"])
def test_colours_of_a_transfer(colours, xp):
    result, settings = transfer(xp, colours=colours, num_steps=5), dataclasses.replace(PLAIN, colours=colours)
    checks = check_colours(result.picture, content(), [style()], settings)
    assert len(checks) == 1 and checks[0].passed
    small = resize_side(content(), 24, "long")
    if colours != "match":
        assert np.abs(colour.to_yuv(result.picture) - colour.to_yuv(small))[..., 1:].max() < 1e-5
        assert not check_colours(result.picture[::-1], content(), [style()], settings)[0].passed
    else:
        posed = problem(network(np), colours=colours)
        shown = TORCHVISION.to_input(small)
        assert np.allclose(posed.styles[0].mean(axis=(2, 3)), shown.mean(axis=(2, 3)), atol=1e-4)
        assert np.allclose(np.cov(posed.styles[0][0].reshape(3, -1)), np.cov(shown[0].reshape(3, -1)), rtol=0.01)


# ---- refused ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("settings, message", [
    ({"content_weight": 0.0, "style_weight": 0.0}, "all weights are 0"),
    ({"content_layers": {"relu2": 0}, "style_layers": {"relu1": 0}}, "all weights are 0"),
    ({"tv_weight": math.inf}, "the tv weight is inf"),
    ({"style_layers": {"relu1": -1}}, "the weight of style layer 'relu1' is -1"),
    ({"style_layers": {"relu1": 1, "relu5_1": 1}}, "no layer 'relu5_1': .* ends at 'pool2'; there are relu1, pool1"),
    ({"size": 3, "content_layers": {"pool2": 1}}, "the content has 3x2 pixels, too few for 'pool2'.*4 a side"),
    ({"style_scale": 0.1, "size": 30, "style_layers": {"pool2": 1}}, "style 1 has 3x3 pixels, too few for 'pool2'"),
    ({"blend": (1, 2)}, "2 blend weights for 1 pictures"), ({"blend": (0,)}, "all blend weights are 0"),
    ({"blend": (-1,)}, "a blend weight is -1"),
    ({"masks": [np.full((5, 6), 255, np.uint8)]}, "mask 1 has 6x5 pixels, the content picture 48x36"),
    ({"masks": [np.zeros((36, 48), np.uint8)]}, "mask 1 is black everywhere"),
    ({"masks": halves()}, "2 masks and 1 blend weights for 1 pictures of style"),
    ({"styles": ()}, "there is no style picture")], ids=lambda value: str(value)[:60])
def test_bad_input(settings, message, xp):
    with pytest.raises(InputError, match=message):
        transfer(xp, **settings)


@pytest.mark.parametrize("settings, message", [
    ({"colours": "orginal"}, "did you mean original"), ({"init": "contents"}, "did you mean content"),
    ({"optimizer": "bfgs"}, "did you mean lbfgs"), ({"side": "longer"}, "did you mean long"),
    ({"pooling": "average"}, "no pooling 'average'"), ({"reduction": "means"}, "did you mean mean")], ids=str)
def test_unknown_names(settings, message):
    with pytest.raises(UnknownNameError, match=message):
        transfer(np, **settings)


def test_the_shipped_network_paints():
    model = load_model("shapes", "cpu")
    settings = dataclasses.replace(STYLE_PRESETS["shapes"], size=48, num_steps=15)
    result = transfer_style(model.net, content(), [style()], model.preprocessing, settings,
                            rng=np.random.default_rng(0))
    assert result.history[-1].total < 0.2 * result.history[0].total
    assert resize_short_side(content(), 36).shape == result.picture.shape
