"""First-order updates against twins and PyTorch's optimizers, and on functions with known minima."""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pytest
from optimization_problems import SHAPE, Quadratic, fresh, run

from minicnn.backend import to_host
from minicnn.errors import InputError
from minicnn.optimize import (
    LBFGS,
    Adam,
    DesiredProgress,
    GradientDescent,
    GuardedMomentum,
    Momentum,
    NormalizedStep,
    RMSProp,
)

# ---- against twins -------------------------------------------------------------------------------
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


# ---- what they minimise ----------------------------------------------------------------------------------------------

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
