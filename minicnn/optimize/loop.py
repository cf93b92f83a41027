"""The one loop behind every image that is optimised: image <- image - step, again and again."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from minicnn.backend import Array, Generator
from minicnn.errors import InputError
from minicnn.losses import Terms, loss_and_gradient
from minicnn.network import Network, warn_if_slow
from minicnn.optimize.checkpoint import Checkpoint
from minicnn.optimize.parametrizations import Parametrization, Pixels, Shown
from minicnn.optimize.progress import Progress

Projection = Callable[[Array, int], Array]  # (image, step) -> image
Compute = Callable[[Network, Array, Terms], tuple[float, Array, list[float]]]


class DivergedError(InputError):
    """The loss or the image became NaN or infinite at `step`.

    image : the last finite image. history : the steps up to it.
    """

    def __init__(self, message: str, step: int, image: Array, history: list[Progress]) -> None:
        super().__init__(message)
        self.step, self.image, self.history = step, image, history


def optimize_image(net: Network, image: Array, terms: Terms, *, update: Any, num_steps: int,
                   schedule: Callable[[int], float] | None = None, transforms: Sequence[Any] = (),
                   project: Sequence[Projection] = (), callback: Callable[[Progress, Array], Any] | None = None,
                   rng: Generator | None = None, checkpoint: Checkpoint | None = None,
                   compute: Compute = loss_and_gradient,
                   parametrization: Parametrization | None = None) -> tuple[Array, list[Progress]]:
    """Minimise the sum of weight * loss over `terms` by changing the image. Return (image, history).

    Parameters
    ----------
    image : Array of shape (N, C, H, W), on the network's device.
    terms : [(weight, loss), …]. Gradient ascent is a negative weight.
    update : an object with a method `step`, such as Adam or LBFGS.
    num_steps : number of steps.
    schedule : a function from the step's number, from 0, to the update's learning rate. By default the rate stays.
    transforms : objects such as Jitter, drawn from `rng` at each step. The network sees the transformed image, and the
        gradient is transformed back.
    project : functions (image, step) -> image, called one after another after each step, such as Clamp or Blur.
    callback : called with (Progress, image) after each step. If it returns a true value, the loop ends.
    rng : the random generator of the transforms.
    checkpoint : a Checkpoint that is written during the run. If it holds an earlier part of the run, the loop
        continues from there.
    compute : a function (net, image, terms) -> (total, gradient, values) other than `loss_and_gradient`.
    parametrization : a FourierSpectrum or another Parametrization. Then `image` and the result are its numbers z, which
        `update` and `project` change, and the callback is given the image of z. By default, the pixels themselves.

    Raises
    ------
    DivergedError if a value is not finite. InputError if the gradient is zero everywhere.

    >>> terms, update = [(1.0, minicnn.losses.L2())], minicnn.optimize.GradientDescent(0.1)
    >>> image, history = optimize_image(net, x, terms, update=update, num_steps=3)
    >>> history[2].total < history[0].total
    True
    """
    history: list[Progress] = []
    if checkpoint is not None:
        image, history = checkpoint.restore(image, update, rng)
        if checkpoint.stopped:
            return image, history
    warn_if_slow(net, num_steps - len(history))
    shown = Shown(parametrization or Pixels())
    evaluate = partial(transformed_loss, net, terms, (), compute=compute, shown=shown)
    for step in range(len(history) + 1, num_steps + 1):
        if transforms:
            drawn = [(transform, transform.draw(rng)) for transform in transforms]
            evaluate = partial(transformed_loss, net, terms, drawn, compute=compute, shown=shown)
        if schedule is not None:
            update.learning_rate = schedule(step - 1)
        before = image
        image, total, values = update.step(image, evaluate)
        image = projected(image, project, step)
        if not is_finite(total) or not is_finite(float(image.sum())):
            problem = "the image has values that are not finite" if is_finite(total) else f"the loss is {total}"
            raise DivergedError(f"{problem} at step {step}: the optimization diverged; lower the learning rate",
                                step, shown.parametrization.forward(before)[0], history)
        history.append(Progress(step, total, values))
        stop = callback is not None and callback(history[-1], shown.forward(image)[0])
        if checkpoint is not None and (step % checkpoint.every == 0 or step == num_steps or stop):
            checkpoint.save(image, update, rng, history, stopped=bool(stop))
        if stop:
            break
    return image, history


def projected(image: Array, project: Sequence[Projection], step: int) -> Array:
    """Return the image after all projections, in its own type, even if a setting is a NumPy float64."""
    dtype = image.dtype
    for projection in project:
        image = projection(image, step)
    return image.astype(dtype, copy=False)


def is_finite(number: float) -> bool:
    """Return whether a Python float is neither infinite nor NaN."""
    return number - number == 0


def transformed_loss(net: Network, terms: Terms, drawn: Sequence[tuple[Any, Any]], z: Array,
                     compute: Compute = loss_and_gradient, shown: Shown | None = None
                     ) -> tuple[float, Array, list[float]]:
    """Return `compute` of the transformed image of z, with the gradient to z itself.

    drawn : [(transform, its random parameters), …]. shown : the Shown that makes the image; by default, z is the image.
    Raises InputError, with the reason, if the gradient is zero everywhere and the image is not at a minimum.
    """
    shown = shown or Shown(Pixels())
    image, cache = shown.forward(z)
    for transform, parameters in drawn:
        image = transform.apply(image, parameters)
    total, gradient, values = compute(net, image, terms)
    if not bool(gradient.any()) and (total != 0 or any(weight < 0 for weight, _ in terms)):
        raise InputError(f"the gradient is zero everywhere: {why_zero(net, terms, image)}; start from another image or "
                         "from a layer before the ReLU")
    for transform, parameters in reversed(drawn):
        gradient = transform.undo(gradient, parameters)
    return total, shown.parametrization.backward(gradient, cache), values


def why_zero(net: Network, terms: Terms, image: Array) -> str:
    """Return, in words, which ReLU on the way from the image to the objective is dead."""
    layers = [loss.layer for _, loss in terms if loss.layer != "input"] or [net.output]
    activations = net.forward(image, upto=layers).activations
    for name, out in activations.items():
        if name != "input" and not bool(out.any()):
            return f"every value of {name!r} is 0 for this image (its ReLU is dead)"
    return f"every path from {layers[0]!r} to the image passes a ReLU that is 0 for this image"
