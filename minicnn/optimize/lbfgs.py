"""Limited-memory BFGS: an update that looks along a line before it takes a step."""

from typing import Any

from minicnn.backend import Array
from minicnn.optimize.image_steps import Clamp
from minicnn.optimize.updates import Evaluate

Point = tuple[float, float, float, Any]  # (length of the step, value there, slope there, evaluation there)


class LBFGS:
    """L-BFGS with a line search for the strong Wolfe conditions. One step takes one or more evaluations.

    Nocedal and Wright 2006, algorithms 7.4 (two loops), 3.5 and 3.6.
    memory : number of past steps that describe the curvature.
    max_evaluations : limit for one line search. c1, c2 : constants of the Wolfe conditions.
    within : a Clamp with the bounds of the array. A value at a bound stays there while its gradient points outwards,
    and the search follows the projected path (Bertsekas 1982). Clamping after each step instead would cost a second
    evaluation and a step that the search did not choose.
    """

    not_kept = ("at", "known", "known_by", "within")  # not in a checkpoint: one evaluation finds them again

    def __init__(self, memory: int = 20, max_evaluations: int = 20, c1: float = 1e-4, c2: float = 0.9,
                 within: Clamp | None = None) -> None:
        self.memory, self.max_evaluations, self.c1, self.c2 = memory, max_evaluations, c1, c2
        self.within = within
        self.steps: list[Array] = []  # differences of x between the last steps
        self.changes: list[Array] = []  # differences of the gradient between the last steps
        self.at: Array | None = None  # the point where the last line search ended
        self.known: Any = None  # the evaluation there
        self.known_by: Any = None  # the function that was evaluated; after another jitter it is another function

    def step(self, x: Array, evaluate: Evaluate) -> tuple[Array, float, list[float]]:
        """Take one step from `x` and return (new x, total, values). evaluate(x) returns (total, gradient, values)."""
        known = self.at is x and self.known_by is evaluate
        total, gradient, values = self.known if known else evaluate(x)
        free = self._free(x, gradient)
        downhill = gradient * free
        direction = self._direction(downhill) * free
        slope = dot(direction, gradient)
        if slope >= 0:  # not a descent direction: forget the curvature and start again
            self.steps, self.changes = [], []
            direction, slope = -downhill, -dot(downhill, downhill)
        if slope == 0:
            return x, total, values
        first = 1.0 if self.steps else self._first_length(total, downhill, slope)
        length, after = self._line_search(x, direction, total, slope, first, evaluate)
        if after is None:  # no step along this line lowers the total
            self.steps, self.changes = [], []
            return x, total, values
        new = self._inside(x + length * direction)
        self._remember(new - x, after[1] - gradient)
        self.at, self.known, self.known_by = new, after, evaluate
        return new, total, values

    def _first_length(self, total: float, downhill: Array, slope: float) -> float:
        """Return the first length to try along -downhill while the curvature is unknown.

        It moves all pixels together by 1 at most, but at least far enough to lower the total by a thousandth: a
        smaller change may be lost in float32 rounding.
        """
        return max(min(1.0, 1 / float(abs(downhill).sum())), 1e-3 * abs(total) / -slope)

    def _inside(self, x: Array) -> Array:
        """Return x within the bounds."""
        return x if self.within is None else self.within(x, None)

    def _free(self, x: Array, gradient: Array) -> Any:
        """Return False where x is at a bound and a step against the gradient would leave it; 1 without bounds."""
        if self.within is None:
            return 1
        return ~((x <= self.within.low) & (gradient > 0) | (x >= self.within.high) & (gradient < 0))

    def _direction(self, gradient: Array) -> Array:
        """Return -H gradient, where H is the inverse Hessian that the remembered steps suggest."""
        q, alphas = gradient, []
        for s, y in zip(reversed(self.steps), reversed(self.changes), strict=True):
            alphas.append(dot(s, q) / dot(s, y))
            q = q - alphas[-1] * y
        if self.steps:
            q = q * (dot(self.steps[-1], self.changes[-1]) / dot(self.changes[-1], self.changes[-1]))
        for s, y, alpha in zip(self.steps, self.changes, reversed(alphas), strict=True):
            q = q + (alpha - dot(y, q) / dot(s, y)) * s
        return -q

    def _remember(self, s: Array, y: Array) -> None:
        if dot(s, y) > 1e-10 * dot(y, y):  # only a positive curvature keeps H positive definite
            self.steps = [*self.steps, s][-self.memory:]
            self.changes = [*self.changes, y][-self.memory:]

    def _line_search(self, x: Array, direction: Array, total: float, slope: float, length: float,
                     evaluate: Evaluate) -> tuple[float, Any]:
        """Return (length, evaluation there) that meets the strong Wolfe conditions, or else the best that descends.

        total, slope : at x. length : the first one to try. `low` is the best length yet, `high` the other end of the
        bracket around the minimum, once there is one.
        """
        low: Point = (0.0, total, slope, None)
        high: Point | None = None
        for _ in range(self.max_evaluations):
            there = x + length * direction
            after = evaluate(self._inside(there))
            moving = direction if self.within is None else direction * (self._inside(there) == there)
            here: Point = (length, after[0], dot(moving, after[1]), after)
            if not (here[1] <= total + self.c1 * length * slope) or here[1] >= low[1]:
                high = here  # too far: the value is not low enough, or NaN
            elif abs(here[2]) <= -self.c2 * slope:
                return length, after
            else:
                if here[2] * ((high[0] if high else float("inf")) - low[0]) >= 0:
                    high = low  # past the minimum, which lies between here and low
                low = here
            length = low[0] * 2 if high is None else between(low, high)
        return low[0], low[3]


def between(low: Point, high: Point) -> float:
    """Return the minimum of the cubic through two points, kept away from both; the middle if there is no minimum.

    Nocedal and Wright 2006, equation 3.59.
    """
    a, fa, ga = low[:3]
    b, fb, gb = high[:3]
    middle, margin = (a + b) / 2, 0.1 * abs(b - a)
    d1 = ga + gb - 3 * (fa - fb) / (a - b)
    inside = d1 * d1 - ga * gb
    if not inside >= 0:
        return middle
    d2 = inside**0.5 * (1 if b > a else -1)
    if gb - ga + 2 * d2 == 0:
        return middle
    best = b - (b - a) * (gb + d2 - d1) / (gb - ga + 2 * d2)
    return best if min(a, b) + margin <= best <= max(a, b) - margin else middle


def dot(a: Array, b: Array) -> float:
    """Return the sum of products of all elements."""
    return float((a * b).sum())
