"""Tests of the gradient check: correct gradients pass, wrong ones fail, and kinks are handled as documented."""

import math

import numpy as np
import pytest

from minicnn.backend import to_host
from minicnn.errors import InputError
from minicnn.gradient_check import check_layer, directional_error, numerical_gradient, relative_error
from minicnn.layers import Layer

# ---- relative_error --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("a, b, error", [
    ([1.0, -4.0], [1.0, -4.0], 0), ([0.0, 0.0], [0.0, 0.0], 0),
    ([1.0, -4.0], [1.0, -5.0], 1 / 5), ([1.0, -5.0], [1.0, -4.0], 1 / 5),
    ([1.0, 2.0], [-1.0, 2.0], 1), ([0.0, 0.0], [0.0, 1e-9], 1), ([100.0, 1e-3], [100.0, 0.0], 1e-5),
])
def test_relative_error(a, b, error, xp):
    assert relative_error(xp.asarray(np.array(a)), xp.asarray(np.array(b))) == pytest.approx(error, rel=1e-12, abs=0)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_values_that_are_not_finite_have_no_small_error(bad, xp):
    good, bad = xp.asarray(np.array([1.0, 2.0])), xp.asarray(np.array([1.0, bad]))
    with np.errstate(invalid="ignore"):
        for a, b in ((good, bad), (bad, good), (bad, bad)):
            assert not relative_error(a, b) <= 1e6


def test_shapes_are_not_broadcast(xp):
    row, column = xp.ones((1, 3)), xp.ones(3)
    with pytest.raises(InputError, match=r"^a gradient of shape \(1, 3\) for an array of shape \(3,\)$"):
        relative_error(row, column)
    with pytest.raises(InputError, match=r"^a gradient of shape \(1, 3\) for an array of shape \(3,\)$"):
        directional_error(lambda x: float(x.sum()), column, row, np.random.default_rng(0))


# ---- numerical_gradient ----------------------------------------------------------------------------------------------

@pytest.mark.parametrize("shape", [(1,), (3,), (2, 1, 3, 2)])
def test_numerical_gradient_of_a_cubic(shape, xp, rng):
    weights, values = rng.standard_normal((2, *shape))
    w, x = xp.asarray(weights), xp.asarray(values)
    gradient = numerical_gradient(lambda x: float((w * x * x * x).sum()), x)
    assert gradient.shape == shape
    assert np.allclose(to_host(gradient), 3 * weights * values**2, rtol=0, atol=1e-8)
    assert np.array_equal(to_host(x), values)  # the argument is unchanged


def test_numerical_gradient_uses_central_differences_of_its_step():
    x = np.array([2.0])
    # ((x + h)³ - (x - h)³) / 2h = 3 x² + h²
    assert numerical_gradient(lambda x: float((x**3).sum()), x, step=0.5)[0] == pytest.approx(12.25, rel=1e-14)


# ---- check_layer -----------------------------------------------------------------------------------------------------

class Product(Layer):
    """out = a @ w + c * b, with two inputs (N, D) and (N, F), and w : (D, F), b : (F,)."""

    def __init__(self, xp, rng):
        super().__init__()
        self.params = {"w": xp.asarray(rng.standard_normal((3, 2))), "b": xp.asarray(rng.standard_normal(2))}

    def forward(self, a, c):
        return a @ self.params["w"] + c * self.params["b"], (a, c)

    def backward(self, dout, cache):
        return dout @ self.params["w"].T, dout * self.params["b"]

    def backward_params(self, dout, cache):
        a, c = cache
        return {"w": a.T @ dout, "b": (dout * c).sum(axis=0)}


def broken(method, change):
    """Return a subclass of Product with `change` applied to the result of `method`."""
    return type("Broken", (Product,), {method: lambda self, *args: change(getattr(Product, method)(self, *args))})


def inputs(xp, rng):
    return xp.asarray(rng.standard_normal((4, 3))), xp.asarray(rng.standard_normal((4, 2)))


def test_a_correct_layer(xp, rng):
    layer, xs = Product(xp, rng), inputs(xp, rng)
    before = [to_host(array).copy() for array in (*xs, *layer.params.values())]
    params = dict(layer.params)
    errors = check_layer(layer, *xs, rng=rng)
    assert list(errors) == ["x0", "x1", "w", "b"]
    assert max(errors.values()) <= 1e-9
    assert all(layer.params[key] is params[key] for key in params)  # the same arrays as before
    assert all(np.array_equal(to_host(array), old)
               for array, old in zip((*xs, *layer.params.values()), before, strict=True))


@pytest.mark.parametrize("method, change, wrong", [
    ("backward", lambda dxs: (1.001 * dxs[0], dxs[1]), {"x0"}),
    ("backward", lambda dxs: (dxs[0], -dxs[1]), {"x1"}),
    ("backward", lambda dxs: (dxs[0], 0 * dxs[1]), {"x1"}),
    ("backward", lambda dxs: (dxs[0][::-1], dxs[1]), {"x0"}),
    ("backward_params", lambda grads: grads | {"b": grads["b"] / 4}, {"b"}),  # the mean instead of the sum
    ("backward_params", lambda grads: {"w": grads["w"] + 0.01, "b": 2 * grads["b"]}, {"w", "b"}),
    ("forward", lambda out_and_cache: (2 * out_and_cache[0], out_and_cache[1]), {"x0", "x1", "w", "b"}),
])
def test_a_wrong_layer(method, change, wrong, xp, rng):
    errors = check_layer(broken(method, change)(xp, rng), *inputs(xp, rng), rng=rng)
    assert {name for name, error in errors.items() if not error <= 1e-7} == wrong
    assert all(errors[name] > 5e-4 for name in wrong)


@pytest.mark.parametrize("method, change, error", [
    ("backward_params", lambda grads: {"w": grads["w"]}, KeyError),
    ("backward", lambda dxs: dxs[0], ValueError),
    ("backward", lambda dxs: dxs[:1], ValueError),
    ("backward_params", lambda grads: grads | {"b": grads["b"][None]}, InputError),
    ("backward", lambda dxs: (dxs[0], dxs[1].sum(axis=0)), InputError),
])
def test_a_missing_gradient_or_one_of_another_shape_raises(method, change, error, xp, rng):
    with pytest.raises(error):
        check_layer(broken(method, change)(xp, rng), *inputs(xp, rng), rng=rng)


def test_a_gradient_of_nans(xp, rng):
    layer = broken("backward", lambda dxs: (dxs[0] * math.nan, dxs[1]))(xp, rng)
    assert not check_layer(layer, *inputs(xp, rng), rng=rng)["x0"] <= 1


# ---- directional_error -----------------------------------------------------------------------------------------------

def wavy(x):
    """A smooth function of x; `wavy_gradient` is its gradient."""
    return float((x * x * x).sum()) + 2 * float((x[0] * x[1]).sum())


def wavy_gradient(xp, x):
    gradient = 3 * x * x
    gradient[0] += 2 * x[1]
    gradient[1] += 2 * x[0]
    return gradient


def test_a_correct_gradient(xp, rng):
    values = rng.standard_normal((2, 3, 4))
    x = xp.asarray(values)
    assert directional_error(wavy, x, wavy_gradient(xp, x), rng) <= 1e-8
    assert np.array_equal(to_host(x), values)  # the argument is unchanged


@pytest.mark.parametrize("change, at_least", [
    (lambda gradient: 1.001 * gradient, 4e-4), (lambda gradient: -gradient, 0.5), (lambda gradient: 0 * gradient, 0.5),
    (lambda gradient: gradient + 0.01, 1e-4), (lambda gradient: gradient[::-1], 0.1),
])
def test_a_wrong_gradient(change, at_least, xp, rng):
    x = xp.asarray(rng.standard_normal((2, 3, 4)))
    assert directional_error(wavy, x, change(wavy_gradient(xp, x)), rng) > at_least


def test_one_wrong_element(xp, rng):
    x = xp.asarray(rng.standard_normal((2, 3, 4)))
    gradient = wavy_gradient(xp, x)
    gradient[1, 2, 3] += 0.1
    assert directional_error(wavy, x, gradient, rng) > 1e-3


def test_a_function_that_is_constant(xp, rng):
    x = xp.ones((2, 3))
    assert directional_error(lambda x: 7.0, x, 0 * x, rng) == 0
    assert directional_error(lambda x: 7.0, x, x, rng) == pytest.approx(0.5)  # |0 - g| / (|g| + |g|)


def test_nan_is_no_small_error(xp, rng):
    x = xp.ones((2, 3))
    holed = xp.ones((2, 3))
    holed[1, 1] = math.nan
    assert directional_error(lambda x: float(x.sum()), x, holed, rng) == math.inf
    assert directional_error(lambda x: math.nan, x, xp.ones((2, 3)), rng) == math.inf
    with np.errstate(invalid="ignore"):
        assert directional_error(lambda x: float(x.sum()), x, holed + math.inf, rng) == math.inf


def test_directions_are_drawn_on_the_host_and_have_length_one(xp):
    seen, x = [], xp.zeros((2, 5))

    def f(x):
        seen.append(to_host(x))
        return 0.0
    directional_error(f, x, x, np.random.default_rng(3), steps=(0.5,), directions=3)
    twin = np.random.default_rng(3)
    for ahead, behind in zip(seen[::2], seen[1::2], strict=True):
        v = twin.standard_normal((2, 5))
        assert np.allclose(ahead, 0.5 * v / np.linalg.norm(v), rtol=1e-14)
        assert np.array_equal(behind, -ahead)


def near_a_kink(xp):
    """Return the sum of |x|, a point 2e-6 from a kink, and the gradient there. The default steps are 1e-5 and 1e-6."""
    x = xp.asarray(np.array([2e-6, 0.5, -1.0, 2.0]))
    return lambda x: float(abs(x).sum()), x, xp.sign(x)


def test_a_smaller_step_avoids_a_kink(xp):
    f, x, gradient = near_a_kink(xp)
    assert directional_error(f, x, gradient, np.random.default_rng(0)) <= 1e-7
    assert directional_error(f, x, gradient, np.random.default_rng(0), steps=(1e-5,)) > 1e-2


def test_the_smaller_step_finds_a_wrong_gradient(xp, rng):
    f, x, gradient = near_a_kink(xp)
    assert directional_error(f, x, -gradient, rng) > 0.5
    gradient[0] = 0  # a common choice for the slope at the kink
    assert directional_error(f, x, gradient, rng) > 0.05


def test_a_kink_within_every_step_gives_a_large_error(xp, rng):
    x = xp.asarray(np.array([1e-9, 0.5]))
    assert directional_error(lambda x: float(abs(x).sum()), x, xp.sign(x), rng) > 0.05
