"""The exercise total_variation: the penalty that makes an optimized image smooth, and its gradient."""

from typing import Any

import numpy as np

from minicnn.backend import to_host
from minicnn.gradient_check import numerical_gradient
from minicnn.models import Model

from ..shared.inputs import Photo, short_label
from ..shared.language import Translate, english
from .exercise import Case, Exercise, Function, Functions, Mistake, Panel
from .pictures import picture_panel
from .twins import Array, normal

STEPS, RATE, SMOOTH = 60, 0.05, 1.0  # gradient descent in the picture: its steps, their length, the weight of TV


def naive_variation(x: Array) -> tuple[float, Array]:
    """The squared differences of all neighbours, one pixel after another."""
    total, dx = x.dtype.type(0), np.zeros_like(x)
    for n, c, i, j in np.ndindex(x.shape):
        for ahead in ((n, c, i + 1, j), (n, c, i, j + 1)):
            if ahead[2] < x.shape[2] and ahead[3] < x.shape[3]:
                difference = x[ahead] - x[n, c, i, j]
                total += difference**2
                dx[ahead] += 2 * difference
                dx[n, c, i, j] -= 2 * difference
    return total, dx


def numeric_variation(x: Array) -> tuple[float, Array]:
    """Finite differences of the loss."""
    return naive_variation(x)[0], numerical_gradient(lambda changed: naive_variation(changed)[0], x)


def exercise(_: Translate = english) -> Exercise:
    """Return the exercise in the chosen language."""
    x = normal(90, 2, 3, 4, 5)
    return Exercise(
        name="total_variation",
        title=_("Total variation and its gradient"),
        task=_("Total variation is the sum of the squared differences between neighbouring pixels. As a term of a loss "
               "it makes an optimized image smooth (Mahendran and Vedaldi 2015, with beta = 2)."),
        functions=(
            Function("total_variation(x)", ("loss", "dx"), _(
                "Return (loss, dx): the total variation of the images, a number, and its gradient (N, C, H, W).\n\n"
                "    loss = sum over n, c, i, j of (x[n, c, i + 1, j] - x[n, c, i, j])**2\n"
                "         + sum over n, c, i, j of (x[n, c, i, j + 1] - x[n, c, i, j])**2\n\n"
                "x : images, (N, C, H, W). Only neighbours inside the image count: the last row has none below it."),
                ">>> total_variation(np.array([[[[1.0, 4.0]]]]))[1]\narray([[[[-6.,  6.]]]])"),
        ),
        cases=(
            Case(_("against one pixel after another"), "total_variation", (x,), naive_variation),
            Case(_("against finite differences"), "total_variation", (normal(91, 1, 2, 3, 4),), numeric_variation),
            Case(_("one row"), "total_variation", (normal(92, 1, 1, 1, 6),), naive_variation),
            Case(_("a flat image"), "total_variation", (np.ones((1, 3, 4, 4)),), naive_variation),
        ),
        mistakes=mistakes(_),
        hints=(
            _("x[:, :, 1:] - x[:, :, :-1] holds the differences of each pixel to the one below it."),
            _("Each difference has two pixels. The loss grows with the difference, so the pixel ahead gets "
              "+2 * difference and the other one -2 * difference."),
            _("Begin with dx = np.zeros_like(x), and add to the two slices of dx for rows, and to two for columns."),
        ),
        picture=picture,
        caption=_("a noisy photo, smoothed by the gradient of your total variation"),
        solution="minicnn/losses/regularizers.py",
        translate=_,
    )


def mistakes(_: Translate) -> tuple[Mistake, ...]:
    """Return the known mistakes."""
    def mistake(hint: str, **changes: Any) -> Mistake:
        return Mistake("total_variation", hint, lambda x: variation(x, **changes))
    return (
        mistake(_("The loss is a mean. It is a sum over all pixels."), mean=True),
        mistake(_("Only differences between rows count in your loss: add those between columns."), columns=False),
        mistake(_("Only differences between columns count in your loss: add those between rows."), rows=False),
        mistake(_("The differences are not squared: use their squares."), power=1),
        mistake(_("The differences reach over the edge, as np.roll does: the last row has no neighbour below."),
                wrap=True),
        mistake(_("The differences run along the wrong axes: rows are axis 2 and columns axis 3."), axes=(1, 2)),
        mistake(_("The loss is half of what it should be: each squared difference counts in full."), scale=0.5),
        mistake(_("The factor 2 is missing in the gradient: the derivative of d**2 is 2 * d."), slope=1.0),
        mistake(_("Only the pixel ahead of each difference gets a gradient. The other one gets the opposite."),
                behind=0.0),
        mistake(_("Only one pixel of each difference gets a gradient. The pixel ahead gets the opposite."), ahead=0.0),
        mistake(_("Both pixels of a difference get the same sign. The pixel ahead gets +, the other one -."),
                behind=1.0),
    )


def variation(x: Array, mean: bool = False, rows: bool = True, columns: bool = True, power: int = 2,
              wrap: bool = False, axes: tuple[int, int] = (2, 3), scale: float = 1.0, slope: float = 2.0,
              ahead: float = 1.0, behind: float = -1.0) -> tuple[float, Array]:
    """Return (loss, dx), with the changes of a mistake."""
    total, dx = 0.0, np.zeros_like(x)
    for axis, counts in zip(axes, (rows, columns), strict=True):
        if not counts:
            continue
        following = np.roll(x, -1, axis) if wrap else np.delete(x, 0, axis)
        difference = following - (x if wrap else np.delete(x, -1, axis))
        total += float((abs(difference)**power).sum())
        gradient = slope * difference if power == 2 else np.sign(difference)
        edges: list[tuple[int, int]] = [(0, 0)] * x.ndim
        for first, factor in ((1, ahead), (0, behind)):
            edges[axis] = (first, 1 - first)
            dx += np.roll(factor * gradient, first, axis) if wrap else np.pad(factor * gradient, edges)
    size = x.size if mean else 1 / scale
    return total / size, dx / size


def picture(functions: Functions, model: Model, photo: Photo) -> list[Panel]:
    """Return the photo, the photo with noise, and the noisy one smoothed, each with the network's answer."""
    noise = np.random.default_rng(0).standard_normal(photo.x.shape).astype(np.float32)
    noisy = photo.x + 0.8 * noise
    x = noisy
    for _step in range(STEPS):  # of |x - noisy|^2 + SMOOTH * total variation
        _loss, dx = functions["total_variation"](x)
        x = x - RATE * (2 * (x - noisy) + SMOOTH * dx)
    return [picture_panel(f"{name}: {answer(model, image)}", model, image) for name, image in
            (("photo", photo.x), ("with noise", noisy), ("smoothed", x))]


def answer(model: Model, x: Array) -> str:
    """Return the network's best class for x, and the class's probability."""
    scores = to_host(model.net.predict(x))[0]
    exp = np.exp(scores - scores.max())
    return f"{short_label(model, int(scores.argmax()))} {exp.max() / exp.sum():.0%}"
