"""The updates against twins, L-BFGS against its theory and SciPy, and the loop that optimises an image."""

import copy
import math
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pytest
import scipy.ndimage
import scipy.optimize

from minicnn.backend import to_device, to_host
from minicnn.errors import InputError
from minicnn.layers import Conv2D, GlobalAvgPool2D, Linear, ReLU
from minicnn.losses import L2, ClassScore, FeatureMatch, LayerNorm2, PNorm, TotalVariation, loss_and_gradient
from minicnn.models.preprocessing import Preprocessing
from minicnn.network import Network
from minicnn.optimize import (
    LBFGS,
    Adam,
    Blur,
    Clamp,
    Decay,
    DesiredProgress,
    FirstOrder,
    GradientDescent,
    GuardedMomentum,
    Jitter,
    Momentum,
    NormalizedStep,
    RMSProp,
    SmallContribution,
    SmallNorm,
    optimize_image,
)
from minicnn.optimize.lbfgs import between, dot
from minicnn.visualize import class_visualization
from minicnn.visualize.synthesis.ascent_settings import MARGIN


def fresh(update):
    """A copy of a parameter of a test: an update remembers one array, and the next test has another."""
    return copy.deepcopy(update)


# ---- first-order updates against twins -------------------------------------------------------------------------------
# A twin is a generator of what to subtract, given a sequence of gradients, each a list of numbers.


def gradient_descent_twin(gradients, rate):
    for gradient in gradients:
        yield [rate * g for g in gradient]


def progress_twin(gradients, progress, max_rate):
    for gradient in gradients:
        yield [min(max_rate, progress / math.fsum(g * g for g in gradient)) * g for g in gradient]


def momentum_twin(gradients, rate, momentum):
    for t in range(len(gradients)):  # the velocity written out as a sum over the past
        yield [rate * sum(momentum ** (t - past) * gradients[past][i] for past in range(t + 1))
               for i in range(len(gradients[0]))]


def normalized_twin(gradients, rate, norm):
    for gradient in gradients:
        size = math.hypot(*gradient) if norm == "l2" else math.fsum(map(abs, gradient)) / len(gradient)
        yield [rate * g / size for g in gradient]


def adam_twin(gradients, rate, beta1, beta2, eps):
    """The averages as sums over the past, weighted by (1 - beta) beta^age / (1 - beta^t)."""
    for t in range(1, len(gradients) + 1):
        delta = []
        for i in range(len(gradients[0])):
            mean = sum((1 - beta1) * beta1 ** (t - k) * gradients[k - 1][i] for k in range(1, t + 1))
            square = sum((1 - beta2) * beta2 ** (t - k) * gradients[k - 1][i] ** 2 for k in range(1, t + 1))
            delta.append(rate * mean / (1 - beta1**t) / (math.sqrt(square / (1 - beta2**t)) + eps))
        yield delta


def rmsprop_twin(gradients, rate, decay, eps):
    for t in range(len(gradients)):
        yield [rate * gradients[t][i]
               / (math.sqrt(sum((1 - decay) * decay ** (t - k) * gradients[k][i] ** 2 for k in range(t + 1))) + eps)
               for i in range(len(gradients[0]))]


class Case(NamedTuple):
    """An update, its twin's deltas for some gradients, and torch's optimizer for some parameters, if it has one."""

    make: Callable
    twin: Callable
    torch: Callable | None = None


UPDATES = {
    "gradient descent": Case(lambda: GradientDescent(0.3), lambda g: gradient_descent_twin(g, 0.3),
                             lambda torch, x: torch.optim.SGD([x], 0.3)),
    "momentum": Case(lambda: Momentum(0.2), lambda g: momentum_twin(g, 0.2, 0.9),
                     lambda torch, x: torch.optim.SGD([x], 0.2, momentum=0.9)),
    "momentum 0.5": Case(lambda: Momentum(0.2, 0.5), lambda g: momentum_twin(g, 0.2, 0.5),
                         lambda torch, x: torch.optim.SGD([x], 0.2, momentum=0.5)),
    "normalized, l2": Case(lambda: NormalizedStep(0.7), lambda g: normalized_twin(g, 0.7, "l2")),
    "normalized, mean_abs": Case(lambda: NormalizedStep(0.7, "mean_abs"), lambda g: normalized_twin(g, 0.7, "mean")),
    "normalized, l2, each image": Case(lambda: NormalizedStep(0.7, per_image=True),
                                       lambda g: normalized_twin(g, 0.7, "l2")),
    "normalized, mean_abs, each image": Case(lambda: NormalizedStep(0.7, "mean_abs", per_image=True),
                                             lambda g: normalized_twin(g, 0.7, "mean")),
    "desired progress": Case(lambda: DesiredProgress(0.3, 0.1), lambda g: progress_twin(g, 0.3, 0.1)),
    "Adam": Case(lambda: Adam(0.1), lambda g: adam_twin(g, 0.1, 0.9, 0.999, 1e-8),
                 lambda torch, x: torch.optim.Adam([x], 0.1)),
    "Adam, other settings": Case(lambda: Adam(0.1, 0.7, 0.8, 0.3), lambda g: adam_twin(g, 0.1, 0.7, 0.8, 0.3),
                                 lambda torch, x: torch.optim.Adam([x], 0.1, (0.7, 0.8), 0.3)),
    "RMSProp": Case(lambda: RMSProp(0.1), lambda g: rmsprop_twin(g, 0.1, 0.99, 1e-8),
                    lambda torch, x: torch.optim.RMSprop([x], 0.1, 0.99, 1e-8)),
    "RMSProp, other settings": Case(lambda: RMSProp(0.1, 0.6, 0.2), lambda g: rmsprop_twin(g, 0.1, 0.6, 0.2),
                                    lambda torch, x: torch.optim.RMSprop([x], 0.1, 0.6, 0.2)),
}
each_update = pytest.mark.parametrize("name", UPDATES)
SHAPE = (1, 2, 2, 3)


@pytest.fixture
def gradients(rng):
    """Seven gradients of very different sizes."""
    return [size * rng.standard_normal(SHAPE) for size in (1, 3, 0.01, 0.2, 100, 1, 1e-3)]


@each_update
def test_update_equals_its_twin(name, xp, gradients):
    make, twin, _ = UPDATES[name]
    update, kept = make(), [xp.asarray(gradient) for gradient in gradients]
    deltas = [to_host(update.delta(gradient)) for gradient in kept]
    for delta, expected in zip(deltas, twin([gradient.ravel().tolist() for gradient in gradients]), strict=True):
        assert delta.shape == SHAPE
        assert np.allclose(delta.ravel(), expected, rtol=1e-12, atol=0)
    for gradient, original in zip(kept, gradients, strict=True):
        assert np.array_equal(to_host(gradient), original)  # not written into


@pytest.mark.parametrize("name", [name for name, case in UPDATES.items() if case.torch])
def test_update_equals_torchs(name, xp, rng, gradients):
    torch = pytest.importorskip("torch", reason="PyTorch, the oracle, is not installed (the extra named peers)")
    make, _, optimizer = UPDATES[name]
    update, start = make(), rng.standard_normal(SHAPE)
    x, theirs = xp.asarray(start), torch.tensor(start, requires_grad=True)
    optimizer = optimizer(torch, theirs)
    for gradient in gradients:
        x, _, _ = update.step(x, lambda x, gradient=gradient: (0.0, xp.asarray(gradient), []))
        theirs.grad = torch.tensor(gradient)
        optimizer.step()
        assert np.allclose(to_host(x), theirs.detach().numpy(), rtol=1e-12, atol=1e-13)


@each_update
def test_update_keeps_float32(name, xp, gradients):
    update, x = UPDATES[name].make(), xp.ones(SHAPE, "float32")
    for gradient in gradients:
        gradient = xp.asarray(gradient.astype("float32"))
        x, _, _ = update.step(x, lambda x, gradient=gradient: (0.0, gradient, []))
        assert x.dtype == "float32"


@each_update
def test_step_subtracts_delta_from_a_new_array(name, xp):
    x, gradient = xp.full(SHAPE, 5.0), xp.full(SHAPE, 2.0)
    new, total, values = UPDATES[name].make().step(x, lambda at: (float(at.sum()), gradient, ["seen"]))
    assert (total, values) == (60.0, ["seen"])
    assert np.array_equal(to_host(x), np.full(SHAPE, 5.0))
    assert np.array_equal(to_host(new), 5.0 - to_host(UPDATES[name].make().delta(gradient)))


def test_normalized_steps_have_one_length(xp, gradients):
    for gradient in map(xp.asarray, gradients):
        assert np.linalg.norm(to_host(NormalizedStep(0.7).delta(gradient))) == pytest.approx(0.7)
        assert np.abs(to_host(NormalizedStep(0.7, "mean_abs").delta(gradient))).mean() == pytest.approx(0.7)


def test_unknown_norm():
    with pytest.raises(InputError, match="^norm must be 'l2' or 'mean_abs', not 'max'$"):
        NormalizedStep(1.0, "max")


@pytest.mark.parametrize("norm", ["l2", "mean_abs"])
def test_normalized_step_of_a_zero_gradient(norm, xp):
    with pytest.raises(InputError) as refusal:
        NormalizedStep(1.0, norm).delta(xp.zeros(SHAPE))
    assert str(refusal.value) == (
        "the gradient is zero everywhere: the objective does not depend on the image (dead ReLUs?); start from "
        "another image or from a layer before the ReLU")


@pytest.mark.parametrize("make", [lambda: NormalizedStep(0.7, per_image=True), lambda: DesiredProgress(0.3, 5.0),
                                  lambda: NormalizedStep(0.7, "mean_abs", per_image=True)])
def test_each_image_of_a_batch_takes_the_step_that_it_would_take_alone(make, xp, rng):
    gradient = rng.standard_normal((3, 2, 4, 5)) * np.array([1, 100, 1e-3]).reshape(3, 1, 1, 1)
    together = to_host(make().delta(xp.asarray(gradient)))
    for n in range(3):
        assert np.allclose(together[n:n + 1], to_host(make().delta(xp.asarray(gradient[n:n + 1]))), rtol=1e-12)
    gradient[1] = 0  # this one stays, the others go on
    deltas = to_host(make().delta(xp.asarray(gradient)))
    assert not deltas[1].any() and np.array_equal(deltas[0], together[0]) and deltas[2].any()


def test_all_zero_gradients_of_a_batch(xp):
    with pytest.raises(InputError, match="the gradient is zero everywhere"):
        NormalizedStep(1.0, per_image=True).delta(xp.zeros((2, 1, 3, 3)))


def test_desired_progress_is_made_where_the_loss_is_linear(xp, rng):
    slope = xp.asarray(rng.standard_normal(SHAPE))
    x = xp.zeros(SHAPE)
    for _ in range(3):
        x, total, _ = DesiredProgress(0.25, 1e9).step(x, lambda at: (float((at * slope).sum()), slope, []))
    assert float((x * slope).sum()) == pytest.approx(-0.75)


# ---- Yosinski's regularizers -----------------------------------------------------------------------------------------


def zeroed_twin(image, sizes, percent):
    """Each image's pixels sorted by size, one number at a time; the smallest `percent` of them are set to zero."""
    out = image.copy()
    N, _, H, W = image.shape
    for n in range(N):
        order = sorted((sizes[n, y, x], y, x) for y in range(H) for x in range(W))
        for _, y, x in order[:round(percent / 100 * H * W)]:
            out[n, :, y, x] = 0
    return out


@pytest.mark.parametrize("percent", [0, 20, 50, 90])
def test_small_norm_zeroes_that_percentage_of_the_pixels_of_each_image(percent, xp, rng):
    image = rng.standard_normal((2, 3, 8, 10)) * np.array([1, 50]).reshape(2, 1, 1, 1)
    got = to_host(SmallNorm(percent)(xp.asarray(image), 1))
    assert np.array_equal(got, zeroed_twin(image, np.sqrt((image**2).sum(axis=1)), percent))


@pytest.mark.parametrize("percent", [0, 50, 90])
def test_small_contribution_zeroes_what_the_loss_would_miss_least(percent, xp, rng):
    image, gradient = rng.standard_normal((2, 2, 3, 8, 10))
    update = GradientDescent(0.0)
    update.step(xp.asarray(image), lambda x: (0.0, xp.asarray(gradient), []))
    got = to_host(SmallContribution(percent, update)(xp.asarray(image), 1))
    assert np.array_equal(got, zeroed_twin(image, np.abs((-image * gradient).sum(axis=1)), percent))


@pytest.mark.parametrize("step", [SmallNorm(50.0), Decay(0.3)], ids=str)
def test_regularizers_keep_float32_and_their_argument(step, xp, rng):
    image = xp.asarray(rng.standard_normal((1, 3, 6, 6), dtype="float32"))
    before = to_host(image).copy()
    assert step(image, 1).dtype == "float32"
    assert np.array_equal(to_host(image), before)


def test_decay_is_a_share(xp):
    assert to_host(Decay(0.25)(xp.full((1, 1, 1, 2), 4.0), 1)).ravel().tolist() == [3, 3]


# ---- what they minimise ----------------------------------------------------------------------------------------------

class Quadratic:
    """f(x) = 1/2 sum of d (x - m)², a bowl `condition` times as steep one way as another; counts its calls."""

    def __init__(self, xp, n, condition):
        self.d = xp.asarray(np.geomspace(1, condition, n).reshape(1, 1, 1, n))
        self.m = xp.asarray(np.linspace(-1, 2, n).reshape(1, 1, 1, n))
        self.start = xp.zeros((1, 1, 1, n))
        self.calls = 0

    def __call__(self, x):
        self.calls += 1
        pull = self.d * (x - self.m)
        return float((pull * (x - self.m)).sum()) / 2, pull, []


def rosenbrock(x):
    """Sum of 100 (x[i+1] - x[i]²)² + (1 - x[i])², a curved valley with its end at 1; x of shape (1, 1, 1, n)."""
    head, tail = x[..., :-1], x[..., 1:]
    climb, along = tail - head * head, 1 - head
    gradient = 0 * x
    gradient[..., 1:] += 200 * climb
    gradient[..., :-1] += -400 * climb * head - 2 * along
    return float((100 * climb * climb + along * along).sum()), gradient, []


def rosenbrock_start(xp, n, dtype="float64"):
    return xp.asarray(np.resize([-1.2, 1.0], (1, 1, 1, n)).astype(dtype))


@pytest.mark.parametrize("update, num_steps, target", [
    (GradientDescent(2 / 101), 600, 1e-6),  # 2 / (1 + condition) is the best rate: the error falls by 99/101 a step
    (Momentum(0.033, 0.67), 60, 1e-6),      # Polyak's best settings: by 9/11
    (NormalizedStep(0.01), 600, 1e-2), (NormalizedStep(0.01, "mean_abs"), 600, 1e-2),
    (Adam(0.1), 400, 1e-4), (RMSProp(0.01), 600, 1e-2), (LBFGS(), 25, 1e-10),
], ids=lambda value: type(value).__name__ if hasattr(value, "step") else None)
def test_minimises_an_ill_conditioned_bowl(update, num_steps, target, xp):
    bowl = Quadratic(xp, 6, condition=100)
    x, before, update = bowl.start, bowl(bowl.start)[0], fresh(update)
    for _ in range(num_steps):
        x, _, _ = update.step(x, bowl)
    assert bowl(x)[0] < target * before


def test_guarded_momentum_is_momentum_where_that_goes_down(xp):
    bowl = Quadratic(xp, 6, condition=100)
    points, totals = run(GuardedMomentum(0.002, 0.67), bowl, bowl.start, 40)
    expected, same = run(Momentum(0.002, 0.67), bowl, bowl.start, 40)
    assert totals == same and all(bool((a == b).all()) for a, b in zip(points, expected, strict=True))


@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid")
@pytest.mark.parametrize("rate", [0.2, 10.0, 1e6])  # from 0.038 on, momentum grows without end
def test_guarded_momentum_takes_back_what_leads_uphill(rate, xp):
    bowl, update = Quadratic(xp, 6, condition=100), GuardedMomentum(rate)
    before = bowl(bowl.start)[0]
    points, totals = run(update, bowl, bowl.start, 200)
    assert max(totals[:-1]) <= 1.5 * before and totals[-1] < 1e-3 * before
    halved = math.log2(rate / update.learning_rate)
    assert halved == round(halved) > 0 and update.learning_rate < 0.038
    assert run(Momentum(rate), bowl, bowl.start, 30)[1][-1] > 1e3 * before


def test_guarded_momentum_comes_back_from_what_is_no_number(xp):
    bowl = Quadratic(xp, 3, condition=2)

    def evaluate(x):
        total, gradient, values = bowl(x)
        return (total, gradient, values) if total < 10 else (math.nan, gradient * math.nan, values)
    assert run(GuardedMomentum(1e3), evaluate, bowl.start, 60)[1][-1] < 1e-2


# ---- L-BFGS ----------------------------------------------------------------------------------------------------------

def run(update, evaluate, x, num_steps):
    """The points and totals along the way, both with the end."""
    points, totals = [x], []
    for _ in range(num_steps):
        x, total, _ = update.step(x, evaluate)
        points.append(x)
        totals.append(total)
    return points, [*totals, evaluate(x)[0]]


@pytest.mark.parametrize("n, num_steps", [(2, 40), (10, 80)])
def test_lbfgs_solves_rosenbrock(n, num_steps, xp):
    calls = []

    def counted(x):
        calls.append(x)
        return rosenbrock(x)

    points, totals = run(LBFGS(), counted, rosenbrock_start(xp, n), num_steps)
    assert totals[-1] <= 1e-8
    assert np.abs(to_host(points[-1]) - 1).max() <= 1e-4
    assert all(after <= before for before, after in zip(totals, totals[1:], strict=False))
    assert len(calls) <= 1.7 * num_steps
    for rate in (1e-4, 3e-4, 1e-3):  # gradient descent with as many evaluations is nowhere near
        _, slow = run(GradientDescent(rate), rosenbrock, rosenbrock_start(np, n), len(calls))
        assert slow[-1] > 1e-2


@pytest.mark.parametrize("c1, c2", [(1e-4, 0.9), (1e-4, 0.1), (0.2, 0.3)])
def test_every_accepted_step_meets_the_strong_wolfe_conditions(c1, c2, xp):
    update, x = LBFGS(c1=c1, c2=c2), rosenbrock_start(xp, 6)
    for _ in range(30):
        before, gradient, _ = rosenbrock(x)
        new, total, _ = update.step(x, rosenbrock)
        after, new_gradient, _ = rosenbrock(new)
        assert total == before
        slope, new_slope = dot(gradient, new - x), dot(new_gradient, new - x)  # per step taken
        assert slope < 0
        assert after <= before + c1 * slope * (1 - 1e-9)
        assert abs(new_slope) <= c2 * abs(slope) * (1 + 1e-9)
        x = new
        if after < 1e-20:  # beyond it rounding decides
            break


@pytest.mark.parametrize("steepness, moved", [(1e6, 1.0), (1e-3, 12e-3)])
def test_the_first_step_of_lbfgs_is_careful(steepness, moved, xp):
    """Nothing is known of the curvature: it tries the gradient itself, but moves by 1 at most, all pixels together."""
    tried = []

    def slope(x):
        tried.append(to_host(x))
        return float(x.sum()) * steepness, xp.full(SHAPE, steepness), []
    LBFGS(max_evaluations=1).step(xp.zeros(SHAPE), slope)
    assert np.allclose(tried[1], -moved / 12, rtol=1e-12)


def test_lbfgs_gets_away_where_gradients_are_tiny(xp):
    """In float32 nothing is lost by a step of the gradient itself, nor by twice as much: the total is rounded off."""
    def flat(x):
        rest = np.float32(1e-4) * x - 1
        return float((rest * rest).sum()), np.float32(2e-4) * rest, []
    x = xp.zeros(SHAPE, "float32")
    assert flat(x - flat(x)[1])[0] == flat(x)[0]
    points, totals = run(LBFGS(), flat, x, 3)
    assert totals[-1] < 1e-6 * totals[0] and np.allclose(to_host(points[-1]), 1e4, rtol=1e-3)


class Line:
    """A function of one number as one of arrays of shape (1, 1, 1, 1); `seen` is where it was asked."""

    def __init__(self, xp, value, slope):
        self.xp, self.value, self.slope = xp, value, slope
        self.seen = []

    def __call__(self, x):
        t = float(x.sum())
        self.seen.append(t)
        return self.value(t), self.xp.full((1, 1, 1, 1), self.slope(t)), []

    def search(self, update, length):
        """(length, evaluation there) of the line search from 0 upwards, `length` being tried first."""
        zero, one = self.xp.zeros((1, 1, 1, 1)), self.xp.ones((1, 1, 1, 1))
        return update._line_search(zero, one, self.value(0), self.slope(0), length, self)


def test_line_search_takes_no_minimum_that_is_too_high(xp):
    """t / 2 - sin(2 pi t) has a minimum in every period, the first at 0.237; from the third on they are above 0."""
    line = Line(xp, lambda t: t / 2 - math.sin(2 * math.pi * t),
                lambda t: 0.5 - 2 * math.pi * math.cos(2 * math.pi * t))
    third = 2 + math.acos(0.25 / math.pi) / (2 * math.pi)
    assert line.value(third) > 0 and abs(line.slope(third)) < 1e-12
    update = LBFGS(c2=0.1)
    length, after = line.search(update, third)
    assert 0 < length < third and after[0] == line.value(length)
    assert after[0] <= 1e-4 * length * line.slope(0) and abs(line.slope(length)) <= 0.1 * abs(line.slope(0))


def bumpy_lines(count):
    """Lines with hills and valleys that go down at 0."""
    rng = np.random.default_rng(7)
    while count:
        sizes, speeds = rng.uniform(0, 1, 3), rng.uniform(0.5, 8, 3)
        phases = rng.uniform(0, 2 * math.pi, 3)

        def value(t, sizes=sizes, speeds=speeds, phases=phases):
            return 0.05 * t * t + float((sizes * np.sin(speeds * t + phases)).sum())

        def slope(t, sizes=sizes, speeds=speeds, phases=phases):
            return 0.1 * t + float((sizes * speeds * np.cos(speeds * t + phases)).sum())
        if slope(0) < 0:
            count -= 1
            yield Line(np, value, slope)


@pytest.mark.parametrize("first", [0.01, 0.3, 1.0, 5.0, 40.0])
@pytest.mark.parametrize("c1, c2", [(1e-4, 0.9), (1e-4, 0.05), (0.3, 0.35)])
def test_line_search_on_bumpy_lines(first, c1, c2):
    for line in bumpy_lines(30):
        length, after = line.search(LBFGS(c1=c1, c2=c2), first)
        assert line.value(length) <= line.value(0) + c1 * length * line.slope(0)
        assert abs(line.slope(length)) <= c2 * abs(line.slope(0))
        assert after[0] == line.value(length) and len(line.seen) <= 20


@pytest.mark.parametrize("max_evaluations", [1, 2, 3, 4])
def test_line_search_out_of_patience_returns_the_best_that_it_saw(max_evaluations):
    for line in bumpy_lines(60):
        length, after = line.search(LBFGS(max_evaluations=max_evaluations, c1=0.1, c2=0.11), 3.0)
        low_enough = [t for t in line.seen if line.value(t) <= line.value(0) + 0.1 * t * line.slope(0)]
        assert len(line.seen) <= max_evaluations
        if low_enough:
            assert length == min(low_enough, key=line.value) and after[0] == line.value(length)
        else:
            assert (length, after) == (0, None)


@pytest.mark.parametrize("first", [0.1, 0.9, 2.5, 8.0])
def test_line_search_finds_the_minimum_of_a_cubic_at_once(first, xp):
    """Two trials fix a cubic. (t - 1)² (t + 4) has its minimum at 1, and its maximum behind the start."""
    line = Line(xp, lambda t: (t - 1) ** 2 * (t + 4), lambda t: (t - 1) * (3 * t + 7))
    length, _ = line.search(LBFGS(c2=1e-9), first)
    assert length == pytest.approx(1, abs=1e-9)
    assert len(line.seen) <= 2 + max(0, math.ceil(-math.log2(first)))  # from below it doubles first


def test_lbfgs_direction_is_that_of_dense_bfgs(xp, rng):
    """Nocedal and Wright 2006, equation 6.17: the inverse Hessian as a matrix, one rank-two update a pair."""
    n, memory = 5, 4
    curvature = rng.standard_normal((n, n))
    curvature = curvature @ curvature.T + np.eye(n)
    steps = rng.standard_normal((6, n))
    changes, gradient = steps @ curvature, rng.standard_normal(n)
    update = LBFGS(memory)
    for s, y in zip(steps, changes, strict=True):
        update._remember(xp.asarray(s), xp.asarray(y))
    assert len(update.steps) == len(update.changes) == memory
    s, y = steps[-1], changes[-1]
    H = np.eye(n) * (s @ y) / (y @ y)
    for s, y in zip(steps[-memory:], changes[-memory:], strict=True):
        left = np.eye(n) - np.outer(s, y) / (s @ y)
        H = left @ H @ left.T + np.outer(s, s) / (s @ y)
    assert np.allclose(to_host(update._direction(xp.asarray(gradient))), -H @ gradient, rtol=1e-10)


def test_lbfgs_needs_about_as_many_iterations_as_scipy():
    bowl = Quadratic(np, 30, condition=1000)
    target = 1e-8 * bowl(bowl.start)[0]
    _, totals = run(LBFGS(memory=10), bowl, bowl.start, 100)
    ours = next(step for step, total in enumerate(totals) if total <= target)
    values = []

    def flat(x):
        total, gradient, _ = bowl(x.reshape(bowl.start.shape))
        return total, gradient.ravel()
    scipy.optimize.minimize(flat, bowl.start.ravel(), jac=True, method="L-BFGS-B", options={"maxcor": 10, "ftol": 0},
                            callback=lambda x: values.append(flat(x)[0]))
    theirs = 1 + next(step for step, total in enumerate(values) if total <= target)
    assert ours <= 1.3 * theirs + 3


def test_lbfgs_within_bounds_ends_where_scipy_does(xp):
    bowl = Quadratic(np, 12, condition=100)
    bounds = np.sort(np.random.default_rng(1).standard_normal((2, *bowl.start.shape)), axis=0)
    low, high = bounds[0] - 0.1, bounds[1] + 0.1

    def flat(x):
        total, gradient, _ = bowl(x.reshape(bowl.start.shape))
        return total, gradient.ravel()
    start = np.clip(bowl.start, low, high)
    found = scipy.optimize.minimize(flat, start.ravel(), jac=True, method="L-BFGS-B",
                                    options={"gtol": 1e-9, "ftol": 0},
                                    bounds=scipy.optimize.Bounds(low.ravel(), high.ravel()))
    at_bounds = (found.x <= low.ravel()) | (found.x >= high.ravel())
    assert 2 < at_bounds.sum() < 10  # so that some are free, and some are not
    on_device, seen = Quadratic(xp, 12, condition=100), []

    def watched(x):
        seen.append(to_host(x))
        return on_device(x)
    points, totals = run(LBFGS(within=Clamp(xp.asarray(low), xp.asarray(high))), watched, xp.asarray(start), 60)
    assert np.abs(to_host(points[-1]).ravel() - found.x).max() < 1e-6
    assert all(((x >= low) & (x <= high)).all() for x in seen)
    assert all(after <= before for before, after in zip(totals, totals[1:], strict=False))
    reached = next(i for i, x in enumerate(seen) if bowl(x)[0] <= found.fun + 1e-8 * (bowl(start)[0] - found.fun))
    assert reached <= 1.5 * found.nfev


def test_bounds_that_are_never_met_change_nothing(xp):
    wide = LBFGS(within=Clamp(-1e3, 1e3))
    for bounded, plain in zip(run(wide, rosenbrock, rosenbrock_start(xp, 6), 30),
                              run(LBFGS(), rosenbrock, rosenbrock_start(xp, 6), 30), strict=True):
        assert all(np.array_equal(np.asarray(to_host(a) if hasattr(a, "shape") else a),
                                  np.asarray(to_host(b) if hasattr(b, "shape") else b))
                   for a, b in zip(bounded, plain, strict=True))


def test_lbfgs_leaves_a_bound_again(xp):
    points, _ = run(LBFGS(within=Clamp(-1.2, 2.0)), rosenbrock, rosenbrock_start(xp, 2), 60)  # it begins at the bound
    assert np.abs(to_host(points[-1]) - 1).max() < 1e-4


def test_lbfgs_sees_no_slope_in_what_a_bound_holds_back(xp):
    """The search ends where what may still move is flat, however much the rest would like to go on."""
    at, lowest = [], xp.asarray([5.0, 0.1])

    def evaluate(x):
        at.append(to_host(x).tolist())
        return float(((x - lowest) ** 2).sum()), 2 * (x - lowest), []
    LBFGS(within=Clamp(-1.0, 1.0)).step(xp.asarray([0.9, 0.0]), evaluate)
    assert [x[0] for x in at] == [0.9, 1.0]


def test_lbfgs_evaluates_no_point_twice(xp):
    seen = []

    def watched(x):
        seen.append(to_host(x).tobytes())
        return rosenbrock(x)
    update, x = LBFGS(), rosenbrock_start(xp, 4)
    for _ in range(15):
        x, _, _ = update.step(x, watched)
    assert len(set(seen)) == len(seen)
    moved = x + 0.1  # a point that it has not been to, as after a clamp
    _, total, _ = update.step(moved, watched)
    assert total == rosenbrock(moved)[0]


def test_lbfgs_in_float32(xp):
    points, totals = run(LBFGS(), rosenbrock, rosenbrock_start(xp, 4, "float32"), 60)
    assert all(point.dtype == "float32" for point in points)
    assert all(after <= before for before, after in zip(totals, totals[1:], strict=False))
    assert totals[-1] < 1e-6


def test_lbfgs_restarts_when_its_memory_points_uphill(xp):
    update, x = LBFGS(), rosenbrock_start(xp, 2)
    before, gradient, _ = rosenbrock(x)
    update.steps, update.changes = [gradient], [-gradient]  # a curvature below zero
    assert dot(update._direction(gradient), gradient) > 0
    new, _, _ = update.step(x, rosenbrock)
    assert rosenbrock(new)[0] < before
    cosine = -dot(new - x, gradient) / (dot(new - x, new - x) * dot(gradient, gradient)) ** 0.5
    assert cosine == pytest.approx(1)  # straight down
    assert len(update.steps) == len(update.changes) == 1 and dot(update.steps[0], new - x) > 0


def test_lbfgs_remembers_no_negative_curvature(xp):
    update, s = LBFGS(), xp.ones(SHAPE)
    for y in (-s, 0 * s, s * xp.asarray(np.resize([1.0, -1.0], SHAPE))):
        update._remember(s, y)
        assert update.steps == update.changes == []


def test_lbfgs_stays_at_a_minimum(xp):
    bowl = Quadratic(xp, 3, 10)
    x, total, _ = LBFGS().step(bowl.m, bowl)
    assert x is bowl.m and total == 0 and bowl.calls == 1


def test_lbfgs_stays_where_nothing_is_lower(xp):
    """A gradient that lies: every way is up. The memory is dropped, the point stays, and so it ends."""
    update, x = LBFGS(max_evaluations=5), xp.ones(SHAPE)

    def lying(at):
        return float((at * at).sum()), -2 * at, []
    update.steps, update.changes = [x], [x]
    new, total, _ = update.step(x, lying)
    assert new is x and total == 12 and update.steps == update.changes == []


@pytest.mark.parametrize("beyond", [math.nan, math.inf])
def test_lbfgs_backs_off_from_where_there_is_no_number(beyond, xp):
    """f(x) = sum of x - log(x), which ends at 0: the first steps from 4 would go far beyond."""
    def barrier(x):
        if float(x.min()) <= 0:
            return beyond, x * beyond, []
        return float((x - xp.log(x)).sum()), 1 - 1 / x, []
    update = LBFGS()
    update.steps, update.changes = [xp.full(SHAPE, 4.0)], [xp.full(SHAPE, 0.1)]  # asks for a first step of 30
    points, totals = run(update, barrier, xp.full(SHAPE, 4.0), 10)
    assert totals[-1] == pytest.approx(12, abs=1e-9)
    assert all(math.isfinite(total) for total in totals)


def network(xp, dtype="float64"):
    """A convolution with its ReLU, pooled, and three classes; for pictures of 3 channels."""
    rng = np.random.default_rng(3)
    net = Network((3, 8, 8))
    net.add("conv1", Conv2D(3, 4, 3, pad=1, rng=rng))
    net.add("relu1", ReLU())
    net.add("pool1", GlobalAvgPool2D())
    net.add("fc", Linear(4, 3, rng))
    return net.astype(dtype).to_device("cpu" if xp is np else "gpu")


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_lbfgs_on_a_network_falls_monotonically(dtype, xp, rng):
    net = network(xp, dtype)
    target = net.predict(xp.asarray(rng.standard_normal((1, 3, 6, 5)).astype(dtype)), "relu1")
    start = xp.asarray(rng.standard_normal((1, 3, 6, 5)).astype(dtype))
    image, history = optimize_image(net, start, [(1.0, FeatureMatch("relu1", target)), (1e-3, TotalVariation())],
                                    update=LBFGS(), num_steps=15)
    totals = [progress.total for progress in history]
    assert all(after < before for before, after in zip(totals, totals[1:], strict=False))
    assert totals[-1] < 0.02 * totals[0]
    assert image.dtype == dtype


# ---- the line search's interpolation ---------------------------------------------------------------------------------

@pytest.mark.parametrize("seed", range(10))
def test_between_finds_the_minimum_of_a_cubic(seed):
    rng = np.random.default_rng(seed)
    at = rng.uniform(-2, 2)                      # f'(t) = k (t - at) (t - top)
    top = at + rng.choice([-1, 1]) * rng.uniform(3, 5)
    k = rng.uniform(0.5, 2) / (at - top)         # f''(at) = k (at - top) > 0

    def end(t):
        return t, k * (t**3 / 3 - (at + top) * t**2 / 2 + at * top * t) + 7, k * (t - at) * (t - top), "the rest"
    a, b = at - rng.uniform(0.5, 1), at + rng.uniform(0.5, 1)
    assert between(end(a), end(b)) == pytest.approx(at, abs=1e-12)
    assert between(end(b), end(a)) == pytest.approx(at, abs=1e-12)


def test_between_finds_the_minimum_of_a_parabola():
    def end(t):
        return t, 5 * (t - 1.7) ** 2 - 3, 10 * (t - 1.7)
    assert between(end(1), end(3)) == pytest.approx(1.7, abs=1e-12)
    assert between(end(2.5), end(0)) == pytest.approx(1.7, abs=1e-12)


@pytest.mark.parametrize("low, high", [
    ((1, 0.0, -1.0), (3, -2.0, -1.0)),                    # a straight line
    ((1, 0.0, -1.0), (3, -10.0, -1.0)),                   # down all the way, the minimum beyond
    ((1, 0.0, -1.0), (3, math.nan, math.nan)), ((1, 0.0, -1.0), (3, math.inf, 1.0)),
    ((1, 0.0, -1e-3), (3, 100.0, 100.0)),                # the minimum within a tenth of the end
    ((3, 0.0, 1e-3), (1, 100.0, -100.0)),
])
def test_between_takes_the_middle_otherwise(low, high):
    assert between(low, high) == 2


# ---- jitter, clamp, blur ---------------------------------------------------------------------------------------------

@pytest.mark.parametrize("pixels", [0, 1, 3, 20])
def test_jitter_is_undone_exactly(pixels, xp, rng):
    x = rng.standard_normal((2, 3, 7, 10))
    image, jitter = xp.asarray(x), Jitter(pixels)
    for _ in range(5):
        shift = jitter.draw(rng)
        rolled = jitter.apply(image, shift)
        assert np.array_equal(to_host(rolled), np.roll(x, shift, (2, 3)))
        assert np.array_equal(to_host(jitter.undo(rolled, shift)), x)
    assert np.array_equal(to_host(image), x)


def test_jitter_draws_on_the_host():
    """The same numbers on both back ends: those of the generator's `integers`."""
    twin, rng = np.random.default_rng(8), np.random.default_rng(8)
    for _ in range(20):
        assert Jitter(5).draw(rng) == tuple(twin.integers(-5, 6, 2).tolist())


def test_jitter_goes_every_way(rng):
    shifts = {Jitter(2).draw(rng) for _ in range(400)}
    assert shifts == {(y, x) for y in range(-2, 3) for x in range(-2, 3)}


def test_clamp_between_numbers(xp, rng):
    x = rng.standard_normal((2, 3, 4, 5)).astype("float32")
    image = xp.asarray(x)
    clamped = Clamp(-0.5, 1.25)(image, 1)
    assert clamped.dtype == "float32"
    assert np.array_equal(to_host(clamped), np.clip(x, -0.5, 1.25))
    assert np.array_equal(to_host(image), x)


def test_clamp_between_colours(xp, rng):
    x, low, high = rng.standard_normal((2, 3, 4, 5)), np.array([-1, 0, -0.2]), np.array([0.5, 1, 0.1])
    clamped = to_host(Clamp(*(xp.asarray(bound.reshape(3, 1, 1)) for bound in (low, high)))(xp.asarray(x), 1))
    for channel in range(3):
        assert np.array_equal(clamped[:, channel], np.clip(x[:, channel], low[channel], high[channel]))


def test_blur_is_scipys_on_every_map_alone(xp, rng):
    x = rng.standard_normal((2, 3, 9, 12))
    blurred = to_host(Blur(1.3)(xp.asarray(x), 1))
    for n in range(2):
        for c in range(3):
            assert np.allclose(blurred[n, c], scipy.ndimage.gaussian_filter(x[n, c], 1.3, mode="reflect"), rtol=1e-12)


@pytest.mark.parametrize("sigma", [0.5, 2, 9])
def test_blur_preserves_the_mean(sigma, xp, rng):
    x = 3 + rng.standard_normal((1, 2, 9, 12))  # what would leave at the border is mirrored back
    blurred = to_host(Blur(sigma)(xp.asarray(x), 1))
    assert np.allclose(blurred.mean((2, 3)), x.mean((2, 3)), rtol=1e-13)
    assert blurred.std() < x.std()


def test_blur_at_every_fourth_step_alone(xp):
    image = xp.asarray(np.eye(6, dtype="float32")[None, None])
    for step in range(1, 13):
        blurred = Blur(0.8, every=4)(image, step)
        assert blurred.dtype == "float32"
        assert (blurred is image) == (step not in (4, 8, 12))


# ---- the loop --------------------------------------------------------------------------------------------------------

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
    image, _ = class_visualization(net, 1, preprocessing, replace(MARGIN, num_steps=num_steps, blur_every=2), rng=rng)
    assert isinstance(image, np.ndarray) and image.shape == (1, 3, 8, 8)
    assert strict_cupy.record.transfers_to_host == 1
    assert strict_cupy.record.transfers_to_device == 3  # the noise and the two ends of the colours
