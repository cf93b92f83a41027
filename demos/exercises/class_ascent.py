"""The exercise class_ascent: an image that a class scores highest."""

from typing import Any

import numpy as np

from minicnn.models import Model
from minicnn.network import Network
from minicnn.optimize import Blur, Clamp

from ..shared.inputs import Photo, short_label
from ..shared.language import Translate, english
from .exercise import Case, Exercise, Function, Functions, Mistake, Panel
from .pictures import picture_panel
from .scored import SIDE, network_text, numeric_gradient, score_gradient, seeded_gradient, softmax_seed, tiny_network
from .twins import Array, normal

STEPS, JITTER, L2_REG = 100, 16, 1e-3  # of CS231n, at 224 pixels
CLASSES = (76, 130, 9)  # tarantula, flamingo, ostrich of ImageNet


def ascent_step(net: Network, x: Array, label: int, learning_rate: float, l2_reg: float, shift: tuple[int, int],
                gradient: Any = score_gradient) -> Array:
    """Shift, one step along the gradient of score minus penalty, and shift back."""
    shifted = np.roll(x, shift, axis=(2, 3))
    g = gradient(net, shifted, [label]) - 2 * l2_reg * shifted
    stepped = shifted + learning_rate * g / np.sqrt((g * g).sum())
    return np.roll(stepped, (-shift[0], -shift[1]), axis=(2, 3))


def numeric_step(net: Network, x: Array, label: int, learning_rate: float, l2_reg: float, shift: tuple[int, int]
                 ) -> Array:
    """The same with finite differences of the score."""
    return ascent_step(net, x, label, learning_rate, l2_reg, shift, numeric_gradient)


def exercise(_: Translate = english) -> Exercise:
    """Return the exercise in the chosen language."""
    net, x = tiny_network(), normal(120, 1, 3, SIDE, SIDE)
    return Exercise(
        name="class_ascent",
        title=_("Class visualization by gradient ascent"),
        task=_("Class visualization begins with noise and changes it, step by step, so that the score of a class rises "
               "(Simonyan et al. 2013). A penalty keeps the pixels small, and a random shift in each step keeps the "
               "image from fitting the network's grid.\n\n") + network_text(_),
        functions=(
            Function("class_ascent_step(net, x, label, learning_rate, l2_reg, shift)", ("image",), _(
                "Return the image after one step.\n\n"
                "    shifted = x, rolled by shift[0] pixels along axis 2 and by shift[1] pixels along axis 3\n"
                "    g       = the gradient of scores[0, label] - l2_reg * (sum of shifted**2) to shifted\n"
                "    stepped = shifted + learning_rate * g / |g|,  where |g| = sqrt(sum of g * g)\n"
                "    image   = stepped, rolled back\n\n"
                "x : one image, (1, C, H, W). Return a new array of that shape."),
                ">>> from minicnn import load_model\n"
                ">>> x = np.ones((1, 3, 64, 64), np.float32)\n"
                ">>> class_ascent_step(load_model(\"shapes\").net, x, 2, 0.5, 1e-3, (1, -2)).shape\n"
                "(1, 3, 64, 64)"),
        ),
        cases=(
            Case(_("without a shift"), "class_ascent_step", (net, x, 1, 0.5, 0.0, (0, 0)), ascent_step),
            Case(_("with the penalty"), "class_ascent_step", (net, x, 3, 0.5, 0.1, (0, 0)), ascent_step),
            Case(_("with a shift"), "class_ascent_step", (net, x, 3, 0.5, 0.1, (2, -1)), ascent_step),
            Case(_("against finite differences"), "class_ascent_step", (net, x, 2, 1.0, 0.2, (-1, 3)), numeric_step),
        ),
        mistakes=mistakes(_),
        hints=(
            _("np.roll(x, (2, -1), axis=(2, 3)) shifts by 2 rows down and 1 column to the left, around the edges."),
            _("The derivative of l2_reg * x**2 is 2 * l2_reg * x. It is subtracted from the gradient of the score."),
            _("Shift back by (-shift[0], -shift[1]) at the end."),
        ),
        picture=picture,
        caption=_("images that its classes score highest, by your steps"),
        solution="minicnn/visualize/synthesis/ascent.py",
        translate=_,
    )


def mistakes(_: Translate) -> tuple[Mistake, ...]:
    """Return the known mistakes."""
    def by(gradient: Any) -> Any:
        """Return the step with another gradient, called with (net, shifted, label)."""
        return lambda net, x, label, rate, l2, shift: ascent_step(
            net, x, label, rate, l2, shift, lambda net, shifted, labels: gradient(net, shifted, labels[0]))

    def with_length(length: Any) -> Any:
        """Return the step divided by another length, called with g."""
        def wrong(net: Network, x: Array, label: int, rate: float, l2: float, shift: tuple[int, int]) -> Array:
            shifted = np.roll(x, shift, axis=(2, 3))
            g = score_gradient(net, shifted, [label]) - 2 * l2 * shifted
            return np.roll(shifted + rate * g / length(g), (-shift[0], -shift[1]), axis=(2, 3))
        return wrong
    step = "class_ascent_step"
    return (
        Mistake(step, _("The shift is not undone: roll the result back by (-shift[0], -shift[1])."),
                lambda net, x, label, rate, l2, shift: np.roll(ascent_step(net, x, label, rate, l2, shift), shift,
                                                               axis=(2, 3))),
        Mistake(step, _("The shift is made twice instead of undone: roll back by the negative shift."),
                lambda net, x, label, rate, l2, shift: np.roll(
                    ascent_step(net, x, label, rate, l2, shift), (2 * shift[0], 2 * shift[1]), axis=(2, 3))),
        Mistake(step, _("The image is not shifted: roll it before the gradient is computed."),
                lambda net, x, label, rate, l2, shift: ascent_step(net, x, label, rate, l2, (0, 0))),
        Mistake(step, _("Rows and columns of the shift are exchanged: shift[0] belongs to axis 2."),
                lambda net, x, label, rate, l2, shift: ascent_step(net, x, label, rate, l2, shift[::-1])),
        Mistake(step, _("The image is shifted the wrong way: np.roll with a positive number moves rows down."),
                lambda net, x, label, rate, l2, shift: ascent_step(net, x, label, rate, l2, (-shift[0], -shift[1]))),
        Mistake(step, _("The penalty is missing: subtract 2 * l2_reg * shifted from the gradient."),
                lambda net, x, label, rate, l2, shift: ascent_step(net, x, label, rate, 0.0, shift)),
        Mistake(step, _("The penalty has the wrong sign: it makes the pixels smaller, so it is subtracted."),
                lambda net, x, label, rate, l2, shift: ascent_step(net, x, label, rate, -l2, shift)),
        Mistake(step, _("The factor 2 is missing in the penalty: the derivative of x**2 is 2 * x."),
                lambda net, x, label, rate, l2, shift: ascent_step(net, x, label, rate, l2 / 2, shift)),
        Mistake(step, _("The step goes down: the score must rise, so add the step."),
                lambda net, x, label, rate, l2, shift: ascent_step(net, x, label, -rate, l2, shift)),
        Mistake(step, _("The gradient is not divided by its norm, so the steps have different lengths."),
                with_length(lambda g: 1.0)),
        Mistake(step, _("The gradient is divided by its squared norm: take the square root of the sum."),
                with_length(lambda g: (g * g).sum())),
        Mistake(step, _("The gradient is divided by its largest value. Divide it by its norm, sqrt(sum of g * g)."),
                with_length(lambda g: abs(g).max())),
        Mistake(step, _("The step raises the probability after a softmax. Raise the score itself."),
                by(lambda net, shifted, label: seeded_gradient(net, shifted, lambda s: softmax_seed(s, [label])))),
        Mistake(step, _("The step raises the sum of all scores: the seed is 1 at the label alone."),
                by(lambda net, shifted, label: seeded_gradient(net, shifted, np.ones_like))),
    )


def picture(functions: Functions, model: Model, photo: Photo) -> list[Panel]:
    """Return images of three classes, made from noise by the learner's steps."""
    side, unit = model.net.input_shape[1], model.preprocessing.unit / (1 / 255 / 0.226)
    classes = CLASSES if len(model.labels) == 1000 else [label for label, _probability in photo.top[:3]]
    blur, clamp = Blur(0.5, 10), Clamp(*model.preprocessing.valid_range())
    panels = []
    for label in classes:
        rng = np.random.default_rng(label)
        x = (unit * rng.standard_normal((1, *model.net.input_shape))).astype(np.float32)
        for step in range(1, STEPS + 1):
            reach = max(1, JITTER * side // 224)
            shift = tuple(map(int, rng.integers(-reach, reach + 1, 2)))
            x = functions["class_ascent_step"](model.net, x, label, 25 * unit * side / 224, L2_REG / unit, shift)
            x = blur(clamp(x, step), step)
        panels.append(picture_panel(short_label(model, label), model, x))
    return panels
