"""The exercise relu_deconv: the deconvnet's rule for the backward pass of a ReLU."""

import numpy as np

from minicnn.models import Model

from ..shared.inputs import Photo
from ..shared.language import Translate, english
from .exercise import Case, Exercise, Function, Functions, Mistake, Panel
from .pictures import rule_panels
from .twins import Array, normal


def naive_backward(dout: Array, x: Array) -> Array:
    """The gradient passes where it is positive itself, one element after another."""
    dx = np.zeros_like(dout)
    for place in np.ndindex(x.shape):
        if dout[place] > 0:
            dx[place] = dout[place]
    return dx


def exercise(_: Translate = english) -> Exercise:
    """Return the exercise in the chosen language."""
    x, dout = normal(10, 2, 3, 4, 5), normal(11, 2, 3, 4, 5)
    return Exercise(
        name="relu_deconv",
        title=_("The deconvnet's rule for a ReLU"),
        task=_("The deconvnet of Zeiler and Fergus (2014) goes back through a network to show which pixels excite a "
               "neuron. At a ReLU it does not use the gradient. It applies a ReLU to dout, which comes from above."),
        functions=(
            Function("deconv_relu_backward(dout, x)", ("dx",), _(
                "Return the signal that the deconvnet passes on.\n\n"
                "    dx = dout where dout > 0, and 0 elsewhere\n\n"
                "dout, x : arrays of one shape. Return a new array of that shape; do not change dout."),
                ">>> abs(deconv_relu_backward(np.array([5.0, -7.0]), np.array([-1.0, 2.0])))\narray([5., 0.])"),
        ),
        cases=(
            Case(_("against one element after another"), "deconv_relu_backward", (dout, x), naive_backward),
            Case(_("positive dout passes everywhere"), "deconv_relu_backward", (abs(dout), x), naive_backward),
            Case(_("positive x changes nothing"), "deconv_relu_backward", (dout, abs(x)), naive_backward),
        ),
        mistakes=(
            Mistake("deconv_relu_backward", _("That is the gradient: its mask is made of x. The deconvnet's mask is "
                                              "made of dout."),
                    lambda dout, x: dout * (x > 0)),
            Mistake("deconv_relu_backward", _("That is guided backprop, whose mask is made of x and of dout. The "
                                              "deconvnet's mask is made of dout alone."),
                    lambda dout, x: dout * (x > 0) * (dout > 0)),
            Mistake("deconv_relu_backward", _("The mask is missing: negative numbers in dout must become zero."),
                    lambda dout, x: dout),
            Mistake("deconv_relu_backward", _("Negative numbers in dout must become zero, not positive."),
                    lambda dout, x: abs(dout)),
            Mistake("deconv_relu_backward", _("The upstream gradient is missing: multiply the mask by dout."),
                    lambda dout, x: (dout > 0) * np.ones_like(dout)),
            Mistake("deconv_relu_backward", _("The mask is the wrong way round: the deconvnet keeps positive numbers."),
                    lambda dout, x: dout * (dout < 0)),
        ),
        hints=(
            _("The rule looks only at dout. The argument x is there so that all three rules are called alike."),
            _("It is the forward pass of the ReLU, applied to dout."),
        ),
        picture=picture,
        caption=_("the class score by the gradient and by your deconvnet rule"),
        solution="minicnn/layers/relu.py",
        translate=_,
    )


def picture(functions: Functions, model: Model, photo: Photo) -> list[Panel]:
    """Return the gradient of the class score, and the result of the learner's rule."""
    return rule_panels(functions["deconv_relu_backward"], "your deconvnet rule", model, photo)
