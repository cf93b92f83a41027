"""optimize_image: its order of operations, its results, its errors, and what it moves between host and device."""

import math

import numpy as np
import pytest
from optimization_problems import fresh, network

from minicnn.backend import to_device, to_host
from minicnn.errors import InputError
from minicnn.losses import L2, ClassScore, FeatureMatch, LayerNorm2, PNorm, TotalVariation, loss_and_gradient
from minicnn.models.preprocessing import Preprocessing
from minicnn.optimize import (
    LBFGS,
    Adam,
    Blur,
    Clamp,
    Decay,
    FirstOrder,
    GradientDescent,
    Jitter,
    Momentum,
    NormalizedStep,
    RMSProp,
    optimize_image,
)
from minicnn.visualize import class_visualization


@pytest.fixture
def start(rng):
    """A picture to begin with, on the host, float32."""
    return rng.standard_normal((1, 3, 8, 8), dtype="float32")


class Nothing(FirstOrder):
    """An update that subtracts nothing."""

    def delta(self, gradient):
        return 0 * gradient


def test_history_tells_each_term_before_each_step(xp, start):
    net, images = network(xp, "float32"), [xp.asarray(start)]
    terms = [(-1.0, ClassScore("fc", 1)), (0.01, L2())]
    image, history = optimize_image(net, images[0], terms, update=GradientDescent(0.1), num_steps=4,
                                    callback=lambda progress, image: images.append(image))
    assert [progress.step for progress in history] == [1, 2, 3, 4]
    for progress, at in zip(history, images, strict=False):
        score, square = float(net.predict(at)[0, 1]), float((at * at).sum())
        assert progress.values == pytest.approx([score, square], rel=1e-6)
        assert progress.total == pytest.approx(-score + 0.01 * square, rel=1e-6)
    assert image is images[-1]
    assert np.array_equal(to_host(images[0]), start)  # not written into


def test_each_step_is_the_gradient(xp, start):
    net, terms = network(xp), [(-1.0, ClassScore("fc", 1)), (0.5, LayerNorm2("relu1"))]
    x = xp.asarray(start.astype("float64"))
    image, _ = optimize_image(net, x, terms, update=GradientDescent(0.2), num_steps=2)
    for _ in range(2):
        x = x - 0.2 * loss_and_gradient(net, x, terms)[1]
    assert np.array_equal(to_host(image), to_host(x))


def test_settings_that_are_numpys_float64_leave_float32_what_it_is(xp, start, rng):
    half = np.float64(0.5)
    seen = []

    def compute(net, image, terms):
        found = loss_and_gradient(net, image, terms)
        seen.extend((image.dtype.name, found[1].dtype.name))
        return found

    image, _ = optimize_image(network(xp, "float32"), xp.asarray(start), [(half, L2()), (-half, ClassScore("fc", 1))],
                              update=Momentum(np.float64(0.1), half), project=(Clamp(-half, half), Decay(half)),
                              num_steps=3, compute=compute)
    assert image.dtype == "float32" and set(seen) == {"float32"}


def test_without_terms_there_is_nothing_to_do(start):
    with pytest.raises(InputError, match="there are no terms"):
        optimize_image(network(np), start, [], update=GradientDescent(0.1), num_steps=1)


def test_a_schedule_gives_each_step_its_learning_rate(xp, start):
    rates = [0.5, 0.25, 0.125]
    start = xp.asarray(start)
    images = []
    optimize_image(network(xp, "float32"), start, [(1.0, L2())], update=GradientDescent(7.0), num_steps=3,
                   schedule=rates.__getitem__, callback=lambda progress, image: images.append(image))
    for before, after, rate in zip([start, *images], images, rates, strict=False):  # L2's gradient is 2 x
        np.testing.assert_allclose(to_host(after), (1 - 2 * rate) * to_host(before), rtol=1e-6)


def test_callback_ends_the_loop(start):
    seen = []

    def stop_at_three(progress, image):
        seen.append((progress, image))
        return progress.step == 3
    image, history = optimize_image(network(np), start, [(1.0, L2())], update=GradientDescent(0.1), num_steps=10,
                                    callback=stop_at_three)
    assert [progress for progress, _ in seen] == history and len(history) == 3
    assert image is seen[-1][1]


def test_no_steps(start):
    image, history = optimize_image(network(np), start, [(1.0, L2())], update=GradientDescent(0.1), num_steps=0)
    assert image is start and history == []


@pytest.mark.parametrize("update", [GradientDescent(0.5), Momentum(0.1), NormalizedStep(0.3), Adam(0.02), RMSProp(0.02),
                                    LBFGS()], ids=lambda update: type(update).__name__)
def test_a_negative_weight_climbs(update, xp, start):
    """Lucid's assert_gradient_ascent: three steps must improve."""
    net = network(xp, "float32")
    terms = [(-1.0, ClassScore("fc", 2)), (1e-5, L2())]  # without L2 the score has no top, and L-BFGS no minimum
    image, history = optimize_image(net, xp.asarray(start), terms, update=fresh(update), num_steps=3)
    assert history[0].values[0] < history[1].values[0] < history[2].values[0] < float(net.predict(image)[0, 2])


class Recorded:
    """A transform or a projection that notes when it is called."""

    def __init__(self, name, calls):
        self.name, self.calls = name, calls

    def draw(self, rng):
        self.calls.append(f"draw {self.name}")
        return f"shift of {self.name}"

    def apply(self, image, shift):
        assert shift == f"shift of {self.name}"
        self.calls.append(f"apply {self.name}")
        return image * 1

    def undo(self, image, shift):
        assert shift == f"shift of {self.name}"
        self.calls.append(f"undo {self.name}")
        return image * 1

    def __call__(self, image, step):
        self.calls.append(f"{self.name} at {step}")
        return image * 1


def test_order_of_transforms_and_projections(start):
    calls = []
    a, b, clamp, blur = (Recorded(name, calls) for name in ("a", "b", "clamp", "blur"))
    optimize_image(network(np), start, [(1.0, L2())], update=Nothing(), num_steps=2, transforms=(a, b),
                   project=(clamp, blur), callback=lambda progress, image: calls.append("callback"))
    one_step = ["draw a", "draw b", "apply a", "apply b", "undo b", "undo a", "clamp at {}", "blur at {}", "callback"]
    assert calls == [call.format(step) for step in (1, 2) for call in one_step]


def test_projections_are_chained(start):
    double, add = (lambda image, step: 2 * image), (lambda image, step: image + step)
    image, _ = optimize_image(network(np), start, [(1.0, L2())], update=Nothing(), num_steps=2, project=(double, add))
    assert np.array_equal(image, 2 * (2 * start + 1) + 2)


def test_transforms_are_undone(xp, start, rng):
    images = []
    image, _ = optimize_image(network(xp, "float32"), xp.asarray(start), [(1.0, LayerNorm2("relu1"))],
                              update=Nothing(), num_steps=5, transforms=(Jitter(3), Jitter(2)), rng=rng,
                              callback=lambda progress, image: images.append(image))
    assert all(np.array_equal(to_host(seen), start) for seen in (image, *images))


def test_the_network_sees_the_jittered_image(start):
    net, terms = network(np), [(1.0, LayerNorm2("relu1"))]  # the border makes it feel the shift
    _, history = optimize_image(net, start, terms, update=Nothing(), num_steps=6, transforms=(Jitter(3),),
                                rng=np.random.default_rng(4))
    twin = np.random.default_rng(4)
    for progress in history:
        rolled = np.roll(start, twin.integers(-3, 4, 2), (2, 3))
        assert progress.total == pytest.approx(loss_and_gradient(net, rolled, terms)[0])


@pytest.mark.parametrize("update", [Momentum(0.05), Adam(0.05), LBFGS()], ids=lambda update: type(update).__name__)
def test_the_memory_of_an_update_is_not_shifted_by_the_jitter(update, start):
    """On a loss that no shift changes, the jitter makes no difference, whatever the update remembers."""
    net, terms = network(np), [(1.0, L2()), (1.0, PNorm(3.0))]
    still, _ = optimize_image(net, start, terms, update=fresh(update), num_steps=6)
    jittered, _ = optimize_image(net, start, terms, update=fresh(update), num_steps=6, transforms=(Jitter(3),),
                                 rng=np.random.default_rng(4))
    assert np.allclose(still, jittered, rtol=1e-9, atol=1e-12)


def full_loop(xp, start, seed, **changes):
    """Everything at once."""
    net = network(xp, "float32")
    settings = dict(update=NormalizedStep(0.5), num_steps=8, transforms=(Jitter(2),),
                    project=(Clamp(-1.5, 1.5), Blur(0.5, 3)), rng=np.random.default_rng(seed))
    return optimize_image(net, xp.asarray(start), [(-1.0, ClassScore("fc", 0)), (1e-3, L2())], **settings | changes)


def test_the_same_seed_gives_the_same_image(xp, start):
    image, history = full_loop(xp, start, seed=1)
    again, history_again = full_loop(xp, start, seed=1)
    assert to_host(image).tobytes() == to_host(again).tobytes() and history == history_again
    other, _ = full_loop(xp, start, seed=2)
    assert not np.array_equal(to_host(image), to_host(other))


def test_both_back_ends_make_the_same_image(strict_cupy, start):
    image, history = full_loop(np, start, seed=1)
    other, other_history = full_loop(strict_cupy, start, seed=1)
    assert np.allclose(image, to_host(other), atol=1e-5)
    assert [progress.total for progress in history] == pytest.approx([progress.total for progress in other_history],
                                                                     rel=1e-5)


@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid")
@pytest.mark.parametrize("update", [GradientDescent(1e8), Momentum(1e8)], ids=lambda update: type(update).__name__)
def test_divergence_names_the_step(update, xp, start):
    steps = []
    with pytest.raises(InputError) as refusal:
        optimize_image(network(xp, "float32"), xp.asarray(start), [(1.0, L2())], update=fresh(update),
                       num_steps=50, callback=lambda progress, image: steps.append(progress.step))
    # the image grows by 2e8 a step and its square overflows beyond 3e38: at the start of step 4
    assert steps == [1, 2, 3]
    assert str(refusal.value) == \
        "the loss is inf at step 4: the optimization diverged; lower the learning rate"


@pytest.mark.parametrize("update", [GradientDescent(0.1), LBFGS()], ids=lambda update: type(update).__name__)
def test_a_picture_of_nans(update, xp):
    with pytest.raises(InputError, match="^the loss is nan at step 1: the optimization diverged"):
        optimize_image(network(xp, "float32"), xp.full((1, 3, 8, 8), math.nan, "float32"), [(1.0, L2())],
                       update=fresh(update), num_steps=5)


def test_dead_relus_say_so(xp, start):
    net = network(xp, "float32")
    net.layer("conv1").params["b"] = net.layer("conv1").params["b"] - 1000
    with pytest.raises(InputError, match="the gradient is zero everywhere"):
        optimize_image(net, xp.asarray(start), [(-1.0, ClassScore("fc", 0))], update=NormalizedStep(1.0), num_steps=5)


# ---- what crosses between host and device ----------------------------------------------------------------------------

LOOPS = [NormalizedStep(0.5), NormalizedStep(0.5, "mean_abs"), GradientDescent(0.1), Momentum(0.1), Adam(0.1),
         RMSProp(0.1), LBFGS()]


@pytest.mark.parametrize("update", LOOPS, ids=lambda update: type(update).__name__)
def test_no_array_crosses_inside_the_loop(update, strict_cupy, start, rng):
    net, image = network(strict_cupy, "float32"), strict_cupy.asarray(start)
    colours = Preprocessing("RGB", 1 / 255, (0.4, 0.5, 0.6), (0.2, 0.3, 0.2), 8, 8).valid_range()
    low, high = (to_device(bound, "gpu") for bound in colours)
    target = net.predict(image, "conv1") + 1
    terms = [(-1.0, ClassScore("fc", 0)), (0.1, FeatureMatch("conv1", target)), (0.1, TotalVariation()), (1e-3, L2())]
    strict_cupy.record.reset()
    optimize_image(net, image, terms, update=fresh(update), num_steps=4, transforms=(Jitter(2),),
                   project=(Clamp(low, high), Clamp(-3, 3), Blur(0.5, 2)), rng=rng,
                   callback=lambda progress, image: False)
    assert strict_cupy.record.calls
    assert (strict_cupy.record.transfers_to_host, strict_cupy.record.transfers_to_device) == (0, 0)


@pytest.mark.parametrize("num_steps", [1, 6])
def test_class_visualization_moves_its_input_once_and_its_result_once(num_steps, strict_cupy, rng):
    net = network(strict_cupy, "float32")
    preprocessing = Preprocessing("BGR", 1.0, (104.0, 117.0, 123.0), (1.0, 1.0, 1.0), 8, 8)
    strict_cupy.record.reset()
    image, _ = class_visualization(net, 1, preprocessing, rng=rng, num_steps=num_steps, blur_every=2)
    assert isinstance(image, np.ndarray) and image.shape == (1, 3, 8, 8)
    assert strict_cupy.record.transfers_to_host == 1
    assert strict_cupy.record.transfers_to_device == 3  # the noise and the two ends of the colours
