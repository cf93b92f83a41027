"""Steps of an optimization done again by their published formulas, to compare with the images that were kept.

The formulas stand here a second time, in plain NumPy, without the code of `optimize` and `losses`. A wrong sign, a
missing blur or a wrong layer in the technique gives another image after the same step. This holds for every picture, so
it can be judged. The network's own passes are used: they have checks of their own.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from minicnn.backend import to_device, to_host
from minicnn.network import Network
from minicnn.optimize.progress import Progress
from minicnn.visualize.check import Check, below, reported

TOLERANCE = 2e-3  # largest difference between two images of the same step, relative to the change by the step
ROUNDING = 1e-6   # difference that float32 explains, relative to the image itself
RESOLVED = 1e-3   # size of a gradient relative to the largest one, below which rounding can turn its sign

Seeds = Callable[[Mapping[str, np.ndarray]], Mapping[str, np.ndarray]]  # {layer: activations} -> {layer: gradient}


class Redone(NamedTuple):
    """One step: its number, the images before and after it, and the image that the formulas give."""

    step: int
    before: np.ndarray
    after: np.ndarray
    expected: np.ndarray

    @property
    def error(self) -> float:
        """The distance from `after` to `expected` beyond rounding, relative to the change by the step."""
        change, distance = (float(np.linalg.norm(np.asarray(x, np.float64) - self.expected))
                            for x in (self.before, self.after))
        distance = max(0.0, distance - ROUNDING * float(np.linalg.norm(self.expected)))
        return distance / change if change else 0.0 if distance == 0 else float("inf")


def check_redone(steps: Iterable[Redone], name: str = "") -> Check:
    """Return the Check that the steps, done again by their formulas, give the images that were kept.

    Without steps, for example after a run that was stopped, nothing is judged. name : of the picture, for the Check.
    """
    steps, prefix = list(steps), f"{name}: " if name else ""
    if not steps:
        return reported(f"{prefix}steps done again by the formulas", 0, "the images before and after were not kept")
    numbers = ", ".join(str(number) for number in sorted({step.step for step in steps}))
    return below(f"{prefix}step {numbers} done again by the formulas: difference relative to the step",
                 max(step.error for step in steps), TOLERANCE)


def down_the_gradient(step: int, before: np.ndarray, after: np.ndarray, gradient: np.ndarray,
                      low: np.ndarray | float = -np.inf, high: np.ndarray | float = np.inf) -> Redone:
    """Return the first step of L-BFGS, Redone: it goes straight down the gradient, some length that it chose itself.

    The length is fitted. Values that the step moved to the bounds low and high do not count.
    """
    free = (after > low) & (after < high)
    downhill = np.where(free, -gradient, 0.0)
    square = float((downhill * downhill).sum())
    length = float((downhill * (after - before.astype(np.float64))).sum()) / square if square else 0.0
    return Redone(step, before, after, np.where(free, before + max(0.0, length) * downhill, after))


def redo_adam(images: Mapping[int, np.ndarray], start: int, count: int, rate: Callable[[int], float],
              gradient: Callable[[np.ndarray], np.ndarray], project: Callable[[np.ndarray, int], np.ndarray],
              beta2: float = 0.999) -> list[Redone]:
    """Return `count` steps of Adam (Kingma and Ba 2014, algorithm 1) after the image of step `start`, Redone.

    Adam's first steps hardly depend on the size of a gradient. So values do not count if their gradient is below
    RESOLVED of the largest one, and may be rounding alone.
    images : {step: image}; with a missing one, there are none. rate : the learning rate of the step from 1.
    project : (image, step) -> image, applied after the step.
    """
    if any(step not in images for step in range(start, start + count + 1)):
        return []
    mean = square = np.zeros(images[start].shape)
    redone, counted = [], np.ones(images[start].shape, bool)
    for step in range(1, count + 1):
        before, after = images[start + step - 1], images[start + step]
        slope = gradient(before)
        counted &= abs(slope) >= RESOLVED * abs(slope).max()
        mean, square = 0.9 * mean + 0.1 * slope, beta2 * square + (1 - beta2) * slope**2
        change = mean / (1 - 0.9**step) / (np.sqrt(square / (1 - beta2**step)) + 1e-8)
        expected = project(before.astype(np.float64) - rate(step) * change, step)
        redone.append(Redone(start + step, before, after, np.where(counted, expected, after)))
    return redone


def check_no_rise(total: float, history: Sequence[Progress], name: str = "", floor: float = 0.0) -> Check:
    """Return the Check that the last step of L-BFGS, which never goes uphill, ended at no more than the loss before.

    total : the objective of the result by the formulas. history : all steps. floor : what rounding alone gives.
    """
    prefix, before = f"{name}: " if name else "", history[-1].total
    return below(f"{prefix}objective of the result by the formulas, against the one before the last step", total,
                 before + 2e-3 * abs(before) + 1e-6 * abs(history[0].total) + floor)


def check_recorded(history: Sequence[Progress], step: int, weights: Sequence[float], values: Sequence[float],
                   name: str = "", floors: Sequence[float] = ()) -> Check:
    """Return the Check that the objective recorded at a step is the one of the image before this step.

    history : all steps. weights, values : of each term, by the formulas. floors : for each term, the value that
    rounding alone gives. The errors are relative to the value, plus a millionth of its first value, plus its floor.
    """
    recorded, first = history[step - 1], history[0]
    floors = floors or [0.0] * len(values)
    found = [recorded.total, *recorded.values]
    right, lowest = [float(np.dot(weights, values)), *values], [float(np.dot(weights, floors)), *floors]
    error = max(abs(a - b) / max(max(abs(a), abs(b)) + 1e-6 * abs(start) + floor, 1e-30)
                for a, b, start, floor in zip(found, right, [first.total, *first.values], lowest, strict=True))
    prefix = f"{name}: " if name else ""
    return below(f"{prefix}objective recorded at step {step} against the formulas, relative error", error, 1e-2)


def check_last_frame(image: np.ndarray, last: np.ndarray | None, name: str = "") -> list[Check]:
    """Return the Check that the result is the image after the last step; [] if that image was not kept."""
    if last is None or last.shape != image.shape:
        return []
    prefix = f"{name}: " if name else ""
    return [below(f"{prefix}largest difference of the result from the image after the last step",
                  float(abs(image - last).max()), 0.0)]


def input_gradient(net: Network, x: np.ndarray, layers: Iterable[str], seeds: Seeds) -> np.ndarray:
    """Return the gradient to the input x (N, C, H, W), on the host in float64. seeds : of the layers' activations."""
    layers = [net.find(layer) for layer in layers]
    trace = net.forward(to_device(np.asarray(x, np.float32), net.device), upto=layers, keep=layers)
    out = {layer: to_host(trace.activations[layer]) for layer in layers}
    given = {layer: to_device(np.asarray(seed, np.float32), net.device) for layer, seed in seeds(out).items()}
    return to_host(net.backward(trace, given, release=True)["input"]).astype(np.float64)


def jittered_gradient(gradient: Callable[[np.ndarray], np.ndarray], x: np.ndarray,
                      shift: tuple[int, int]) -> np.ndarray:
    """Return the gradient at the image x rolled by shift (y, x), rolled back (Mordvintsev et al. 2015)."""
    y, across = shift
    found = gradient(np.roll(np.roll(x, y, axis=2), across, axis=3))
    return np.roll(np.roll(found, -y, axis=2), -across, axis=3)


def draw_shift(rng: np.random.Generator, pixels: int) -> tuple[int, int]:
    """Return the next shift (y, x) of a jitter by up to this number of pixels."""
    y, x = rng.integers(-pixels, pixels + 1, 2).tolist()
    return y, x


def variation_gradient(x: np.ndarray, beta: float = 2.0) -> np.ndarray:
    """Return the gradient of the sum of (dy² + dx²)^(beta / 2) over pixels (Mahendran and Vedaldi 2015, equation 4)."""
    dy, dx = np.diff(x, axis=2, append=x[:, :, -1:]), np.diff(x, axis=3, append=x[..., -1:])
    slope = beta * np.maximum(dy * dy + dx * dx, 1e-12) ** (beta / 2 - 1) if beta != 2 else 2.0
    dy, dx = slope * dy, slope * dx
    return np.roll(dy, 1, axis=2) - dy + np.roll(dx, 1, axis=3) - dx  # the last differences are 0, so nothing wraps


def variation(x: np.ndarray, beta: float = 2.0) -> float:
    """Return the sum of (dy² + dx²)^(beta / 2) over pixels of x (N, C, H, W)."""
    dy, dx = np.diff(x, axis=2, append=x[:, :, -1:]), np.diff(x, axis=3, append=x[..., -1:])
    return float(((dy * dy + dx * dx) ** (beta / 2)).sum())


def check_range(image: np.ndarray, low: np.ndarray | float, high: np.ndarray | float, what: str) -> Check:
    """Return the Check that no value of an image lies outside low … high, up to rounding."""
    beyond = float(np.maximum(low - image, image - high).max())
    size = float(np.max(np.abs(np.stack(np.broadcast_arrays(low, high)))))
    return below(f"largest distance of a value outside {what}", max(0.0, beyond), 1e-5 * size)
