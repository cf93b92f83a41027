"""Is the backward pass the derivative of the forward pass? Central differences, in float64, know.

Keep away from kinks: at a ReLU's zero, or a tie in a pool, the two sides have different slopes.
"""

from itertools import product

from minicnn.backend import device_of, to_device
from minicnn.errors import InputError


def relative_error(a, b):
    """max |a - b| / max(|a|, |b|), both maxima over all elements; 0 where both are zero, NaN where one has a NaN."""
    check_shape(a, b)
    largest = max(float(abs(a).max()), float(abs(b).max()))
    return float(abs(a - b).max()) / largest if largest else 0.0


def numerical_gradient(f, x, step=1e-5):
    """The gradient at `x` of `f`, a function from an array like `x` to a number: two calls of f per element."""
    gradient = x * 0
    for index in product(*map(range, x.shape)):
        ahead, behind = x.copy(), x.copy()
        ahead[index] += step
        behind[index] -= step
        gradient[index] = (f(ahead) - f(behind)) / (2 * step)
    return gradient


def check_layer(layer, *xs, rng, step=1e-5):
    """The relative errors of a layer's gradients: {"x0": error, …, "w": error, …}; float64 inputs and parameters.

    The scalar differentiated is sum(out * dout) with a random dout drawn from `rng` (numpy.random.Generator).
    Raises an error where the gradient to an input or a parameter is missing or has another shape.
    """
    out, cache = layer.forward(*xs)
    dout = to_device(rng.standard_normal(out.shape), device_of(out))
    dxs = layer.backward(dout, cache)
    dxs = dxs if isinstance(dxs, tuple) else (dxs,)
    errors = {}
    for i, (original, dx) in enumerate(zip(xs, dxs, strict=True)):
        def of_input(x, i=i):
            return float((layer.forward(*xs[:i], x, *xs[i + 1:])[0] * dout).sum())
        errors[f"x{i}"] = relative_error(dx, numerical_gradient(of_input, original, step))
    gradients = layer.backward_params(dout, cache)
    for key, original in layer.params.items():
        def of_parameter(value, key=key):
            layer.params[key] = value
            return float((layer.forward(*xs)[0] * dout).sum())
        errors[key] = relative_error(gradients[key], numerical_gradient(of_parameter, original, step))
        layer.params[key] = original
    return errors


def directional_error(f, x, gradient, rng, steps=(1e-5, 1e-6), directions=5):
    """The relative error of <gradient, v> against (f(x + step v) - f(x - step v)) / (2 step), float64.

    v : random unit directions drawn from `rng`; the error is the largest difference over the largest slope. Of the
    steps, each direction takes the one that agrees best: where a kink of a ReLU or a pool lies nearer than a step,
    a smaller one still shows the derivative, and where none does, the larger one has less rounding. Infinite where
    a number is not finite.
    """
    check_shape(gradient, x)
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


def check_shape(gradient, x):
    """Raise InputError where they differ: broadcasting would hide it."""
    if gradient.shape != x.shape:
        raise InputError(f"a gradient of shape {gradient.shape} for an array of shape {x.shape}")
