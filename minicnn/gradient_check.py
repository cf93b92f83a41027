"""Check gradients against central differences, in float64.

Keep away from kinks: at the zero of a ReLU, or at a tie in a pool, the slopes on both sides differ.
"""

from collections.abc import Callable, Sequence
from itertools import product
from typing import Any

from minicnn.backend import Array, Generator, device_of, to_device
from minicnn.errors import InputError

__all__ = ["check_layer", "directional_error", "numerical_gradient", "relative_error"]


def relative_error(a: Array, b: Array) -> float:
    """Return max |a - b| / max(|a|, |b|), with both maxima over all elements; 0 if both are zero, NaN if one has NaNs.

    >>> relative_error(np.array([1.0, 2.0]), np.array([1.0, 1.0]))
    0.5
    """
    require_same_shape(a, b)
    largest = max(float(abs(a).max()), float(abs(b).max()))
    return float(abs(a - b).max()) / largest if largest else 0.0


def numerical_gradient(f: Callable[[Array], float], x: Array, step: float = 1e-5) -> Array:
    """Return the gradient of `f` at `x` by central differences, with two calls of f per element.

    f : a function from an array like `x` to a number.

    >>> numerical_gradient(lambda x: float((x * x).sum()), np.array([1.0, 3.0])).round(6)
    array([2., 6.])
    """
    gradient = x * 0
    for index in product(*map(range, x.shape)):
        ahead, behind = x.copy(), x.copy()
        ahead[index] += step
        behind[index] -= step
        gradient[index] = (f(ahead) - f(behind)) / (2 * step)
    return gradient


def check_layer(layer: Any, *xs: Array, rng: Generator, step: float = 1e-5) -> dict[str, float]:
    """Return the relative errors of a layer's gradients, {"x0": error, …, "w": error, …}.

    xs : the inputs, float64, as the layer's parameters must be. The differentiated scalar is sum(out * dout) with a
    random dout drawn from `rng`.
    Raises an error if the gradient to an input or a parameter is missing or has another shape.

    >>> check_layer(minicnn.layers.ReLU(), rng.standard_normal((1, 2, 3, 3)), rng=rng)["x0"] < 1e-7
    True
    """
    out, cache = layer.forward(*xs)
    dout = to_device(rng.standard_normal(out.shape), device_of(out))
    dxs = layer.backward(dout, cache)
    dxs = dxs if isinstance(dxs, tuple) else (dxs,)
    errors = {}
    for i, (original, dx) in enumerate(zip(xs, dxs, strict=True)):
        def of_input(x: Array, i: int = i) -> float:
            return float((layer.forward(*xs[:i], x, *xs[i + 1:])[0] * dout).sum())
        errors[f"x{i}"] = relative_error(dx, numerical_gradient(of_input, original, step))
    gradients = layer.backward_params(dout, cache)
    for key, original in layer.params.items():
        def of_parameter(value: Array, key: str = key) -> float:
            layer.params[key] = value
            return float((layer.forward(*xs)[0] * dout).sum())
        errors[key] = relative_error(gradients[key], numerical_gradient(of_parameter, original, step))
        layer.params[key] = original
    return errors


def directional_error(f: Callable[[Array], float], x: Array, gradient: Array, rng: Generator,
                      steps: Sequence[float] = (1e-5, 1e-6), directions: int = 5) -> float:
    """Return the relative error of <gradient, v> against (f(x + step v) - f(x - step v)) / (2 step), in float64.

    v : random unit directions drawn from `rng`. The error is the largest difference, divided by the largest slope.
    For each direction, the step that agrees best counts: a smaller step avoids the kink of a ReLU or a pool, a larger
    one has less rounding error. The error is infinite if a value is not finite.

    >>> directional_error(lambda x: float((x * x).sum()), np.ones(4), 2 * np.ones(4), rng) < 1e-6
    True
    """
    require_same_shape(gradient, x)
    worst = largest = 0.0
    for _ in range(directions):
        v = rng.standard_normal(x.shape)
        v = to_device(v / (v * v).sum() ** 0.5, device_of(x))
        analytic = float((gradient * v).sum())
        differences = [abs((f(x + step * v) - f(x - step * v)) / (2 * step) - analytic) for step in steps]
        if not min(differences) < float("inf"):  # max() would lose a NaN
            return float("inf")
        worst, largest = max(worst, min(differences)), max(largest, abs(analytic) + min(differences))
    return worst / largest if largest else 0.0


def require_same_shape(gradient: Array, x: Array) -> None:
    """Raise InputError if the shapes differ, which broadcasting would hide."""
    if gradient.shape != x.shape:
        raise InputError(f"a gradient of shape {gradient.shape} for an array of shape {x.shape}")
