"""L-BFGS against its theory, dense BFGS and SciPy."""

import math

import numpy as np
import pytest
import scipy.optimize
from optimization_problems import SHAPE, Quadratic, network, rosenbrock, rosenbrock_start, run

from minicnn.backend import to_host
from minicnn.losses import FeatureMatch, TotalVariation
from minicnn.optimize import LBFGS, Clamp, GradientDescent, optimize_image
from minicnn.optimize.lbfgs import between, dot


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
