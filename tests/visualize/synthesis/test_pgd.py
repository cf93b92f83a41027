"""Attacks within a ball: the ball after the round trip through 8 bits, PyTorch's steps, and sweeps."""

from dataclasses import replace

import numpy as np
import pytest

from minicnn import images
from minicnn.errors import InputError
from minicnn.layers import Conv2D, GlobalAvgPool2D, Linear, MaxPool2D, ReLU
from minicnn.models.preprocessing import CAFFE_VGG, TORCHVISION, Preprocessing
from minicnn.network import Network
from minicnn.optimize.checkpoint import Checkpoint
from minicnn.visualize.synthesis.ball import into_ball, norm_of, round_in_ball
from minicnn.visualize.synthesis.epsilon_sweep import epsilon_sweep
from minicnn.visualize.synthesis.pgd import L2, LINF, MADRY, PGD_PRESETS, PGDSettings, pgd_attack
from minicnn.visualize.synthesis.pgd_check import check_attack, check_sweep, largest_fall

GREY = Preprocessing("L", 1 / 255, (0.5,), (0.25,), 16, 16)
PREPROCESSINGS = {"RGB": TORCHVISION, "BGR": CAFFE_VGG, "grey": GREY}
SMALL = PGDSettings(epsilon=6, num_steps=8)


def small_network(rng, preprocessing=TORCHVISION):
    """Return a network for pictures of 16x16 with four class scores; its input has the unit of the preprocessing."""
    channels = len(preprocessing.mean)
    net = Network((channels, 16, 16))
    net.add("conv1", Conv2D(channels, 6, 3, pad=1, rng=rng))
    net.add("relu1", ReLU())
    net.add("pool1", MaxPool2D(2))
    net.add("pool2", GlobalAvgPool2D())
    net.add("fc", Linear(6, 4, rng))
    net.layer("conv1").params["w"] /= np.float32(preprocessing.unit / TORCHVISION.unit)
    return net


def on(xp, net):
    return net.to_device("cpu" if xp is np else "gpu")


@pytest.fixture
def photos(rng):
    """Four pictures with black and white regions, uint8 (4, 16, 16, 3)."""
    made = rng.integers(0, 256, (4, 16, 16, 3), dtype=np.uint8)
    made[:, :3], made[:, -3:] = 0, 255
    return made


# ---- the ball --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("epsilon", [0.4, 1, 2.5, 3.7, 12, 40.3])
@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("kind", PREPROCESSINGS)
def test_the_file_lies_in_the_ball(kind, norm, epsilon, photos, rng, tmp_path):
    preprocessing = PREPROCESSINGS[kind]
    x = preprocessing.to_input(photos)
    net = small_network(rng, preprocessing)
    made, reports, history = pgd_attack(net, x, preprocessing, PGDSettings(norm, epsilon, num_steps=4))
    images.save_image(tmp_path / "one.png", made[1])
    change = images.load_image(tmp_path / "one.png").astype(float) - preprocessing.to_images(x)[1]
    size = abs(change).max() if norm == "linf" else np.linalg.norm(change)
    assert size <= epsilon and made.dtype == np.uint8 and len(history) == 4
    assert reports[1].l2 == pytest.approx(np.linalg.norm(change)) and reports[1].linf == abs(change).max()
    if epsilon >= 1 and norm == "linf":
        assert reports[1].linf == int(epsilon)  # the corner of the ball
    if epsilon == 40.3 and norm == "l2":
        assert size > 0.9 * epsilon
    answers = net.predict(preprocessing.to_input(made)).argmax(axis=1)
    assert [report.answer for report in reports] == answers.tolist()
    assert [report.label for report in reports] == net.predict(x).argmax(axis=1).tolist()


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_rounding_stays_in_the_ball_and_near(norm, rng):
    for epsilon in rng.uniform(0.3, 60, 30):
        change = into_ball(30 * rng.standard_normal((3, 3, 6, 7)), norm, epsilon)
        rounded = round_in_ball(change, norm, epsilon)
        assert (norm_of(rounded, norm) <= epsilon).all() and (rounded == np.rint(rounded)).all()
        assert abs(rounded - change).max() < 1
    inside = 0.45 + np.arange(24).reshape(2, 3, 2, 2)
    assert (round_in_ball(inside, norm, 1000) == np.rint(inside)).all()  # nothing to take back


def test_the_projection_is_the_nearest_change(xp, rng):
    change = rng.standard_normal((2, 3, 4, 4))
    change[1] *= 1e-3  # inside of the ball
    device = xp.asarray(change)
    assert np.allclose(into_ball(device, "linf", 0.5).tolist(), np.clip(change, -0.5, 0.5))
    l2 = np.array(into_ball(device, "l2", 0.5).tolist())
    assert np.allclose(l2[0], 0.5 * change[0] / np.linalg.norm(change[0])) and np.array_equal(l2[1], change[1])


# ---- the steps -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("objective", ["margin", "cross-entropy"])
@pytest.mark.parametrize("target", [None, 3], ids=["untargeted", "targeted"])
@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_the_steps_equal_pytorchs(norm, target, objective, rng):
    photos = rng.choice([0, 30, 90, 150, 255], (4, 16, 16, 3)).astype(np.uint8)  # no flat parts, where maxima are ties
    torch = pytest.importorskip("torch")
    settings = PGDSettings(norm, 3 if norm == "linf" else 60, 6, 3.0, objective, random_start=False)
    net = small_network(rng).astype("float64")
    seen = []
    pgd_attack(net, TORCHVISION.to_input(photos), TORCHVISION, settings, target,
               callback=lambda progress, image: seen.append(image.copy()))
    mean, std = (torch.tensor(values, dtype=torch.float64)[:, None, None]
                 for values in (TORCHVISION.mean, TORCHVISION.std))
    weights = {name: {key: torch.tensor(value) for key, value in layer.params.items()}
               for name, layer in net.parameter_layers().items()}

    def scores(levels):
        x = (levels / 255 - mean) / std
        x = torch.relu(torch.nn.functional.conv2d(x, weights["conv1"]["w"], weights["conv1"]["b"], padding=1))
        x = torch.nn.functional.max_pool2d(x, 2).mean(dim=(2, 3))
        return torch.nn.functional.linear(x, weights["fc"]["w"], weights["fc"]["b"])
    original = torch.tensor(photos.transpose(0, 3, 1, 2).astype(np.float64))
    levels, rows = original.clone(), torch.arange(4)
    wanted = scores(levels).argmax(dim=1) if target is None else torch.full((4,), target)
    length = settings.step * settings.epsilon / settings.num_steps
    for found in seen:
        levels.requires_grad_()
        out = scores(levels)
        if objective == "cross-entropy":
            loss = -torch.nn.functional.cross_entropy(out, wanted, reduction="sum")
        else:
            others = out.scatter(1, wanted[:, None], -torch.inf)
            loss = (out[rows, wanted] - others.amax(dim=1)).sum()
        gradient, = torch.autograd.grad(-loss if target is None else loss, levels)
        norms = gradient.flatten(1).norm(dim=1)[:, None, None, None]
        step = gradient.sign() if norm == "linf" else gradient / norms
        change = levels.detach() + length * step - original
        if norm == "linf":
            change = change.clamp(-settings.epsilon, settings.epsilon)
        else:
            sizes = change.flatten(1).norm(dim=1)[:, None, None, None]
            change = change * torch.clamp((1 - 1e-6) * settings.epsilon / sizes, max=1)
        levels = (original + change).clamp(0, 255)
        expected = ((levels / 255 - mean) / std).numpy()
        assert abs(found - expected).max() < 2e-6  # the pictures go through float32 once


@pytest.mark.parametrize("preset", PGD_PRESETS)
def test_presets_on_both_devices(preset, xp, photos, rng):
    net, x = small_network(rng), TORCHVISION.to_input(photos)
    settings = replace(PGD_PRESETS[preset], num_steps=3)
    made, reports, _ = pgd_attack(on(xp, net), x, TORCHVISION, settings, rng=4)
    host, _, _ = pgd_attack(net, x, TORCHVISION, settings, rng=4)
    assert type(made) is np.ndarray and (made != host).mean() < 0.01
    assert all(report.margin > 0 for report in reports if report.fooled)


def test_a_target_is_reached_and_others_are_left(photos, rng):
    net, x = small_network(rng), TORCHVISION.to_input(photos)
    targets = net.predict(x).argsort(axis=1)[:, -2]
    _, reports, _ = pgd_attack(net, x, TORCHVISION, PGDSettings(epsilon=60, num_steps=20), targets)
    assert all(report.fooled and report.margin > 0 for report in reports)
    assert [report.answer for report in reports] == targets.tolist()
    _, reports, _ = pgd_attack(net, x, TORCHVISION, PGDSettings(epsilon=60, num_steps=20))
    assert all(report.fooled and report.answer != report.label for report in reports)


def test_the_gradient_of_cross_entropy_dies_where_the_margin_works(photos, rng):
    net, x = small_network(rng), TORCHVISION.to_input(photos)
    for key, value in net.layer("fc").params.items():
        net.layer("fc").params[key] = value * np.float32(1e4)  # the same answers, certain beyond float32
    with pytest.raises(InputError, match="gradient is zero everywhere"):
        pgd_attack(net, x, TORCHVISION, replace(MADRY, random_start=False))
    _, reports, _ = pgd_attack(net, x, TORCHVISION, PGDSettings(epsilon=60))
    assert all(report.fooled for report in reports)


@pytest.mark.parametrize("stop", [2, 5])
def test_an_interrupted_attack_ends_as_the_uninterrupted_one(stop, photos, rng, tmp_path):
    net, x = small_network(rng), TORCHVISION.to_input(photos)

    def attack(checkpoint=None, callback=None):
        return pgd_attack(net, x, TORCHVISION, SMALL, rng=7, checkpoint=checkpoint, callback=callback)

    def interrupt(progress, image):
        if progress.step == stop:
            raise KeyboardInterrupt
    whole, reports, history = attack()
    with pytest.raises(KeyboardInterrupt):
        attack(Checkpoint(tmp_path / "run.npz", every=2), interrupt)
    again = attack(Checkpoint(tmp_path / "run.npz", every=2, resume=True))
    assert (again[0] == whole).all() and again[1:] == (reports, history)


# ---- the sweep -------------------------------------------------------------------------------------------------------


def test_a_sweep_counts_what_single_attacks_and_noise_reach(xp, photos, rng):
    net, x = small_network(rng), TORCHVISION.to_input(photos)
    steps = []
    swept = epsilon_sweep(on(xp, net), x, TORCHVISION, [0.5, 4, 60], replace(SMALL, num_steps=10), batch_size=3,
                          callback=lambda progress, image: steps.append(progress.step))
    assert steps == list(range(1, 3 * 2 * 10 + 1))
    assert not swept.fooled[0].any() and not swept.noise[0].any()  # half a level does not survive the rounding
    assert swept.fooled[2].all() and swept.fooled.sum(axis=1).tolist() == sorted(swept.fooled.sum(axis=1))
    assert (swept.sizes.max(axis=1) == [0, 4, 60]).all()
    assert all(check.passed for check in check_sweep(swept, "linf"))
    assert not check_sweep(swept._replace(fooled=swept.noise, noise=swept.fooled), "linf")[1].passed
    assert not check_sweep(swept._replace(noise=swept.fooled), "linf")[2].passed
    assert not check_sweep(swept._replace(sizes=1.1 * swept.sizes), "linf")[0].passed
    assert largest_fall([0.1, 0.5, 0.2, 0.9]) == pytest.approx(0.3) and largest_fall([0.5]) == 0


# ---- checks and bad input --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("settings", [SMALL, PGDSettings("l2", 90), replace(MADRY, num_steps=5)],
                         ids=["linf", "l2", "madry"])
@pytest.mark.parametrize("kind", PREPROCESSINGS)
@pytest.mark.parametrize("target", [None, 2])
def test_the_checks_pass_for_right_pictures_and_fail_for_others(target, kind, settings, photos, rng):
    preprocessing = PREPROCESSINGS[kind]
    net, x, frames = small_network(rng, preprocessing), preprocessing.to_input(photos)[:1], {}
    made, (report,), _ = pgd_attack(net, x, preprocessing, settings, target,
                                    callback=lambda progress, image: frames.update({progress.step: image}))
    original = preprocessing.to_images(x)[0]

    def failed(picture, report, frames=frames, settings=settings):
        checks = check_attack(net, original, picture, report, target, preprocessing, settings, frames,
                              np.random.default_rng(0), "it")
        return [check.what for check in checks if not check.passed]
    assert failed(made[0], report) == []
    assert "over epsilon" in failed(made[0], report, settings=replace(settings, epsilon=settings.epsilon / 2))[0]
    assert "stated" in failed(made[0], report._replace(margin=report.margin + 1))[0]
    assert "step 2" in failed(made[0], report, {1: frames[1], 2: frames[1] - (frames[2] - frames[1])})[0]


def test_wrong_arguments_are_named(photos, rng):
    net, x = small_network(rng), TORCHVISION.to_input(photos)
    for name, value in (("norm", "l1"), ("objective", "score"), ("epsilon", 0), ("epsilon", float("nan")),
                        ("num_steps", 0), ("step", -1), ("random_start", 2), ("epsilon", "2")):
        with pytest.raises(InputError, match=name):
            replace(LINF, **{name: value})
    with pytest.raises(InputError, match="no class 4"):
        pgd_attack(net, x, TORCHVISION, target=4)
    with pytest.raises(InputError, match="2 labels for 4 images"):
        pgd_attack(net, x, TORCHVISION, target=[1, 2])
    with pytest.raises(InputError, match="no class scores"):
        pgd_attack(net.trunk("relu1"), x, TORCHVISION)
    with pytest.raises(InputError, match="give PGDSettings"):
        pgd_attack(net, x, TORCHVISION, 8)
    with pytest.raises(InputError, match="list of epsilons is empty"):
        epsilon_sweep(net, x, TORCHVISION, [])
    with pytest.raises(InputError, match="epsilon is 0"):
        epsilon_sweep(net, x, TORCHVISION, [1, 0])
    assert L2.norm == "l2"
