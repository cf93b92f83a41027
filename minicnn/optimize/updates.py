"""Updates that need the gradient alone: each turns a gradient into a `delta` to subtract.

An update object holds the memory of one array, such as its momentum. Its attributes can be read in the debugger, saved
and restored.
"""

from collections.abc import Callable
from typing import Any

from minicnn.backend import Array, get_array_module
from minicnn.errors import InputError

TINY = 1e-30  # lower bound of every divisor
NOTHING_TO_CLIMB = ("the gradient is zero everywhere: the objective does not depend on the image (dead ReLUs?); "
                    "start from another image or from a layer before the ReLU")

Evaluate = Callable[[Array], tuple[float, Array, list[float]]]  # x -> (total, gradient, values of the terms)


class FirstOrder:
    """The base of updates that use only the gradient. `gradient` is the gradient of the last step, for projections."""

    gradient: Array
    learning_rate: float
    not_kept: tuple[str, ...] = ("gradient",)  # attributes that a checkpoint leaves out: each step sets them again

    def step(self, x: Array, evaluate: Evaluate) -> tuple[Array, float, list[float]]:
        """Take one step from `x` and return (new x, total, values). evaluate(x) returns (total, gradient, values)."""
        total, self.gradient, values = evaluate(x)
        return self.moved(x), total, values

    def moved(self, x: Array) -> Array:
        """Return x after the step, in the type of x and the gradient, even if a setting is a NumPy float64."""
        return (x - self.delta(self.gradient)).astype(
            get_array_module(x).result_type(x, self.gradient), copy=False)

    def delta(self, gradient: Array) -> Array:
        """Return the array to subtract, of the gradient's shape."""
        raise NotImplementedError


class GradientDescent(FirstOrder):
    """delta = learning_rate * gradient."""

    def __init__(self, learning_rate: float) -> None:
        self.learning_rate = learning_rate

    def delta(self, gradient: Array) -> Array:
        return self.learning_rate * gradient


class Momentum(FirstOrder):
    """velocity = momentum * velocity + gradient; delta = learning_rate * velocity (Polyak 1964)."""

    def __init__(self, learning_rate: float, momentum: float = 0.9) -> None:
        self.learning_rate, self.momentum = learning_rate, momentum
        self.velocity: Array | None = None

    def delta(self, gradient: Array) -> Array:
        self.velocity = gradient if self.velocity is None else self.momentum * self.velocity + gradient
        return self.learning_rate * self.velocity


class GuardedMomentum(Momentum):
    """Momentum that takes back steps uphill.

    If the loss exceeds `tolerance` times its lowest value, the array returns to where the loss was lowest, with zero
    velocity and half the learning rate. The loss must not be negative. A learning rate that was published for another
    network may be too large for this one; if it is not, this is Momentum. Battiti's "bold driver" (1989) accepts no
    rise at all, but momentum needs some.
    """

    def __init__(self, learning_rate: float, momentum: float = 0.9, tolerance: float = 1.5) -> None:
        super().__init__(learning_rate, momentum)
        self.tolerance = tolerance
        self.lowest: float | None = None
        self.values: tuple[float, ...] = ()
        self.best: list[Array] = []  # the array and the gradient at the lowest loss

    def step(self, x: Array, evaluate: Evaluate) -> tuple[Array, float, list[float]]:
        total, self.gradient, values = evaluate(x)
        if self.lowest is None or total < self.lowest:
            self.lowest, self.values, self.best = total, tuple(values), [x, self.gradient]
        elif not total <= self.tolerance * self.lowest:  # also if the total is NaN
            total, values = self.lowest, list(self.values)
            (x, self.gradient), self.velocity, self.learning_rate = self.best, None, self.learning_rate / 2
        return self.moved(x), total, values


class NormalizedStep(FirstOrder):
    """delta = learning_rate * gradient / norm: all steps have the same length, as in CS231n's notebooks.

    norm : "l2", the Euclidean norm of the whole gradient, or "mean_abs", the mean of |gradient|, as in DeepDream.
    per_image : whether each image of a batch takes a step of that length. An image with a zero gradient stays.
    """

    def __init__(self, learning_rate: float, norm: str = "l2", per_image: bool = False) -> None:
        if norm not in ("l2", "mean_abs"):
            raise InputError(f"norm must be 'l2' or 'mean_abs', not {norm!r}")
        self.learning_rate, self.norm, self.per_image = learning_rate, norm, per_image

    def delta(self, gradient: Array) -> Array:
        if self.per_image:
            return self._delta_of_each(gradient)
        size = float((gradient * gradient).sum()) ** 0.5 if self.norm == "l2" else float(abs(gradient).mean())
        if size == 0:
            raise InputError(NOTHING_TO_CLIMB)
        return gradient * (self.learning_rate / size)

    def _delta_of_each(self, gradient: Array) -> Array:
        xp, axes = get_array_module(gradient), tuple(range(1, gradient.ndim))
        if self.norm == "l2":
            size = xp.sqrt((gradient * gradient).sum(axis=axes, keepdims=True))
        else:
            size = abs(gradient).mean(axis=axes, keepdims=True)
        if not bool(size.any()):
            raise InputError(NOTHING_TO_CLIMB)
        return gradient * (self.learning_rate / xp.maximum(size, TINY))


class DesiredProgress(FirstOrder):
    """delta = rate * gradient, with the rate at which each image's loss would fall by `progress` if it were linear.

    rate = min(max_rate, progress / |gradient|²), the learning rate policy "progress" of Yosinski et al. 2015
    (arXiv:1506.06579).
    """

    def __init__(self, progress: float, max_rate: float) -> None:
        self.progress, self.max_rate = progress, max_rate

    def delta(self, gradient: Array) -> Array:
        xp = get_array_module(gradient)
        square = (gradient * gradient).sum(axis=tuple(range(1, gradient.ndim)), keepdims=True)
        return gradient * xp.minimum(self.progress / xp.maximum(square, TINY), self.max_rate)


class FadingStep(NormalizedStep):
    """A NormalizedStep whose learning rate falls linearly from `first`, at the first step, to `last` after `num_steps`.

    Nguyen et al. 2016 (arXiv:1605.09304), whose last rate is close to zero.
    """

    def __init__(self, first: float, last: float, num_steps: int, norm: str = "l2") -> None:
        super().__init__(first, norm)
        self.first, self.last, self.num_steps, self.count = first, last, num_steps, 0

    def delta(self, gradient: Array) -> Array:
        self.learning_rate = self.first + (self.last - self.first) * min(1.0, self.count / self.num_steps)
        self.count += 1
        return super().delta(gradient)


class Adam(FirstOrder):
    """Kingma and Ba 2014 (arXiv:1412.6980), algorithm 1."""

    def __init__(self, learning_rate: float, beta1: float = 0.9, beta2: float = 0.999, eps: float = 1e-8) -> None:
        self.learning_rate, self.beta1, self.beta2, self.eps = learning_rate, beta1, beta2, eps
        self.count = 0
        self.mean: Any = None
        self.square: Any = None

    def delta(self, gradient: Array) -> Array:
        xp = get_array_module(gradient)
        if self.mean is None:
            self.mean, self.square = xp.zeros_like(gradient), xp.zeros_like(gradient)
        self.count += 1
        self.mean = self.beta1 * self.mean + (1 - self.beta1) * gradient
        self.square = self.beta2 * self.square + (1 - self.beta2) * gradient * gradient
        mean = self.mean / (1 - self.beta1**self.count)  # both averages start at 0, which this corrects
        square = self.square / (1 - self.beta2**self.count)
        return self.learning_rate * mean / (xp.sqrt(square) + self.eps)


class RMSProp(FirstOrder):
    """delta = learning_rate * gradient / sqrt(running mean of gradient²) (Tieleman and Hinton 2012).

    smoothing : the weight of the earlier mean in the running mean, 0 to 1.
    """

    def __init__(self, learning_rate: float, smoothing: float = 0.99, eps: float = 1e-8) -> None:
        self.learning_rate, self.smoothing, self.eps = learning_rate, smoothing, eps
        self.square: Any = None

    def delta(self, gradient: Array) -> Array:
        xp = get_array_module(gradient)
        if self.square is None:
            self.square = xp.zeros_like(gradient)
        self.square = self.smoothing * self.square + (1 - self.smoothing) * gradient * gradient
        return self.learning_rate * gradient / (xp.sqrt(self.square) + self.eps)
