"""Style transfer on both backends: the result, the steps, resuming, and bad input."""

import dataclasses
import math

import numpy as np
import pytest
from style_problems import PLAIN, content, halves, problem, style, transfer
from two_stages import network

from minicnn.backend import to_device, to_host
from minicnn.errors import InputError, UnknownNameError
from minicnn.images import resize_short_side
from minicnn.losses import FeatureMatch, loss_and_gradient
from minicnn.models import load_model
from minicnn.models.preprocessing import TORCHVISION
from minicnn.optimize import LBFGS, optimize_image
from minicnn.optimize.checkpoint import Checkpoint
from minicnn.visualize import transfer_style
from minicnn.visualize.style.settings import STYLE_PRESETS
from minicnn.visualize.style.terms import relative_errors
from minicnn.visualize.style.transfer import phases
from minicnn.visualize.style.transfer_check import check_style


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
    others = check_style(problem(net), 3 * noise, PLAIN, np.random.default_rng(0), 12)
    assert [check.judged for check in others] == [False, False, False, True]
    assert all(right.value < other.value for right, other in zip(checks[:3], others[:3], strict=True))


def test_both_backends_give_the_same_picture(strict_cupy):
    on_cpu, on_gpu = (transfer(xp, num_steps=8).image for xp in (np, strict_cupy))
    assert np.linalg.norm(on_cpu - on_gpu) < 1e-3 * np.linalg.norm(on_cpu)


@pytest.mark.parametrize("more", [{}, {"optimizer": "adam", "last_learning_rate": 0.01, "clamp": 1.5},
                                  {"coarse": 12, "fine_steps": 4, "init": "noise"},
                                  {"coarse": 12, "fine_steps": 4, "parametrization": "fourier"}], ids=str)
def test_a_resumed_run_ends_in_the_same_picture(more, xp, tmp_path):
    def stop(progress, image):
        if progress.step == 11:
            raise KeyboardInterrupt
    whole = transfer(xp, **more)
    with pytest.raises(KeyboardInterrupt):
        transfer(xp, callback=stop, checkpoint=Checkpoint(tmp_path / "state.npz", every=2), **more)
    again = transfer(xp, checkpoint=Checkpoint(tmp_path / "state.npz", every=2, resume=True), **more)
    assert again.image.tobytes() == whole.image.tobytes() and again.history == whole.history


def test_a_spectrum_is_painted_in_valid_colours_and_its_loss_falls(xp):
    made = transfer(xp, num_steps=20, parametrization="fourier", styles=("strokes", "dots"), masks=halves(),
                    blend=(1, 2))
    low, high = TORCHVISION.valid_range()
    assert made.image.dtype == np.float32 and (made.image >= low).all() and (made.image <= high).all()
    assert made.history[-1].total < 0.5 * made.history[0].total


@pytest.mark.parametrize("last", [5, 6])  # in the middle of a size, and with its last step
def test_the_callback_can_end_the_run(last, xp, tmp_path):
    def run(resume, last):
        return transfer(xp, coarse=12, num_steps=6, callback=lambda progress, image: progress.step == last,
                        checkpoint=Checkpoint(tmp_path / "state.npz", resume=resume))
    stopped = [run(False, last), run(True, 0)]
    assert [len(result.history) for result in stopped] == [last, last]
    assert stopped[0].image.shape == (1, 3, 9, 12) and np.array_equal(stopped[0].image, stopped[1].image)


def test_a_seed_repeats_the_picture_bit_for_bit(xp):
    one, two, other = (transfer(xp, init="noise", num_steps=3, seed=seed).image for seed in (1, 1, 2))
    assert one.tobytes() == two.tobytes() and one.tobytes() != other.tobytes()


def test_inversion_without_style_and_texture_without_content(xp):
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


def test_a_blend_of_one_style_is_this_style_bit_for_bit(xp):
    alone = transfer(xp, num_steps=4)
    assert transfer(xp, num_steps=4, blend=(1.0,)).image.tobytes() == alone.image.tobytes()
    assert transfer(xp, num_steps=4, blend=(5.0,)).image.tobytes() == alone.image.tobytes()
    blended = transfer(xp, ("strokes", "dots"), num_steps=4, blend=(1, 0))
    assert blended.image.tobytes() == alone.image.tobytes()
    assert transfer(xp, ("strokes", "dots"), num_steps=4).image.tobytes() != alone.image.tobytes()


def test_a_white_mask_changes_nothing(xp):
    white = np.full((36, 48), 255, np.uint8)
    assert transfer(xp, num_steps=4, masks=[white]).image.tobytes() == transfer(xp, num_steps=4).image.tobytes()


def test_masks_give_each_half_its_style():
    net = network(np).with_pooling("avg")
    image = transfer(np, ("stripes", "dots"), masks=halves(), num_steps=60, content_weight=0.01).image
    each = [problem(net, (name,)).targets[0] for name in ("stripes", "dots")]
    left, right = image[..., :12], image[..., 12:]

    def error(part, targets):
        return sum(relative_errors(net, part, targets).values())
    assert error(left, each[0]) < 0.5 * error(right, each[0])
    assert error(right, each[1]) < 0.5 * error(left, each[1])


def test_each_size_starts_from_the_smaller_one():
    seen = []
    transfer(np, coarse=12, num_steps=6, fine_steps=1, callback=lambda progress, image: seen.append(image))
    assert [image.shape[3] for image in seen] == [12] * 6 + [17, 24]

    def loss(size, image):
        posed = problem(network(np), size=size)
        return loss_and_gradient(posed.net, image, posed.terms)[0]
    assert loss(24, seen[-1]) < 0.5 * loss(24, problem(network(np)).content)


def test_steps_count_through_all_sizes_and_phases(xp):
    result = transfer(xp, coarse=12, num_steps=10, fine_steps=3, optimizer="adam", last_learning_rate=0.01)
    assert [progress.step for progress in result.history] == list(range(1, len(result.history) + 1))
    assert len(result.history) > 13


def test_adam_clamps_until_the_last_twentieth():
    settings = dataclasses.replace(PLAIN, optimizer="adam", last_learning_rate=0.1, clamp=1.5)
    far, done, clamped = np.full((1, 3, 2, 2), 9.0), 0, []
    for _, steps, project in phases(settings, 200):
        clamped += [done + step for step in range(1, steps + 1) if project[0](far, step).max() == 1.5]
        done += steps
    assert clamped == list(range(1, 190))


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
    ({"parametrization": "fourier", "clamp": 1.5}, "clamp is 1.5, and the colours .* are valid without it"),
    ({"styles": ()}, "there is no style picture")], ids=lambda value: str(value)[:60])
def test_bad_input(settings, message, xp):
    with pytest.raises(InputError, match=message):
        transfer(xp, **settings)


@pytest.mark.parametrize("settings, message", [
    ({"colours": "orginal"}, "did you mean original"), ({"init": "contents"}, "did you mean content"),
    ({"optimizer": "bfgs"}, "did you mean lbfgs"), ({"side": "longer"}, "did you mean long"),
    ({"parametrization": "fouier"}, "did you mean fourier"),
    ({"pooling": "average"}, "no pooling 'average'"), ({"reduction": "means"}, "did you mean mean")], ids=str)
def test_unknown_names(settings, message):
    with pytest.raises(UnknownNameError, match=message):
        transfer(np, **settings)


def test_style_transfer_with_the_shipped_network():
    model = load_model("shapes", "cpu")
    settings = dataclasses.replace(STYLE_PRESETS["shapes"], size=48, num_steps=15)
    result = transfer_style(model.net, content(), [style()], model.preprocessing, settings,
                            rng=np.random.default_rng(0))
    assert result.history[-1].total < 0.2 * result.history[0].total
    assert resize_short_side(content(), 36).shape == result.picture.shape
