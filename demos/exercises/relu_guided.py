"""The exercise relu_guided: guided backprop's rule for the backward pass of a ReLU."""

import numpy as np

from minicnn.models import Model

from ..shared.inputs import Photo
from ..shared.language import Translate, english
from .exercise import Case, Exercise, Function, Functions, Mistake, Panel
from .pictures import rule_panels
from .relu import numeric_backward
from .twins import Array, normal


def naive_backward(dout: Array, x: Array) -> Array:
    """The gradient passes where the input and the gradient are positive, one element after another."""
    dx = np.zeros_like(dout)
    for place in np.ndindex(x.shape):
        if x[place] > 0 and dout[place] > 0:
            dx[place] = dout[place]
    return dx


def exercise(_: Translate = english) -> Exercise:
    """Return the exercise in the chosen language."""
    x, dout = normal(20, 2, 3, 4, 5), normal(21, 2, 3, 4, 5)
    return Exercise(
        name="relu_guided",
        title=_("Guided backprop's rule for a ReLU"),
        task=_("Guided backprop (Springenberg et al. 2014) lets a gradient pass a ReLU only where it would raise an "
               "active neuron. The remaining gradient shows clean outlines."),
        functions=(
            Function("guided_relu_backward(dout, x)", ("dx",), _(
                "Return the signal that guided backprop passes on.\n\n"
                "    dx = dout where x > 0 and dout > 0, and 0 elsewhere\n\n"
                "dout, x : arrays of one shape. Return a new array of that shape; do not change dout."),
                ">>> guided_relu_backward(np.array([5.0, 3.0]), np.array([-1.0, 4.0]))\narray([0., 3.])"),
        ),
        cases=(
            Case(_("against one element after another"), "guided_relu_backward", (dout, x), naive_backward),
            Case(_("positive dout: finite differences"), "guided_relu_backward", (abs(dout), x), numeric_backward),
            Case(_("positive x: the deconvnet's rule"), "guided_relu_backward", (dout, abs(x)), naive_backward),
        ),
        mistakes=(
            Mistake("guided_relu_backward", _("That is the gradient. Guided backprop drops negative dout, too."),
                    lambda dout, x: dout * (x > 0)),
            Mistake("guided_relu_backward", _("That is the deconvnet's rule. Guided backprop also drops dout where the "
                                              "input x was negative."),
                    lambda dout, x: dout * (dout > 0)),
            Mistake("guided_relu_backward", _("The masks are missing: dout passes only where x and dout are positive."),
                    lambda dout, x: dout),
            Mistake("guided_relu_backward", _("One condition is enough for your mask. Both must hold: use &, not |."),
                    lambda dout, x: dout * ((x > 0) | (dout > 0))),
            Mistake("guided_relu_backward", _("The upstream gradient is missing: multiply both masks by dout."),
                    lambda dout, x: ((x > 0) & (dout > 0)) * np.ones_like(dout)),
            Mistake("guided_relu_backward", _("Your mask asks whether x * dout is positive. That also holds where both "
                                              "are negative."),
                    lambda dout, x: dout * (x * dout > 0)),
        ),
        hints=(
            _("Guided backprop is the gradient's mask and the deconvnet's mask together."),
            _("Two arrays of True and False are joined by &, or multiplied."),
        ),
        picture=picture,
        caption=_("the class score by the gradient and by your guided rule"),
        solution="minicnn/layers/relu.py",
        translate=_,
    )


def picture(functions: Functions, model: Model, photo: Photo) -> list[Panel]:
    """Return the gradient of the class score, and the result of the learner's rule."""
    return rule_panels(functions["guided_relu_backward"], "your guided backprop", model, photo)
