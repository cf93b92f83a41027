"""The exercise relu: the ReLU and its backward pass."""

import numpy as np

from minicnn.layers import ReLU
from minicnn.models import Model

from ..shared.inputs import Photo
from ..shared.language import Translate, english
from .exercise import Case, Exercise, Function, Functions, Mistake, Panel
from .pictures import gradient_and_saliency
from .twins import Array, normal, slope


def naive_forward(x: Array) -> Array:
    """max(x, 0), one element after another."""
    out = np.zeros_like(x)
    for place in np.ndindex(x.shape):
        if x[place] > 0:
            out[place] = x[place]
    return out


def naive_backward(dout: Array, x: Array) -> Array:
    """The gradient passes where the input was positive, one element after another."""
    dx = np.zeros_like(x)
    for place in np.ndindex(x.shape):
        if x[place] > 0:
            dx[place] = dout[place]
    return dx


def numeric_backward(dout: Array, x: Array) -> Array:
    """Finite differences."""
    return slope(naive_forward, x, dout)


def exercise(_: Translate = english) -> Exercise:
    """Return the exercise in the chosen language."""
    x, dout = normal(0, 2, 3, 4, 5), normal(1, 2, 3, 4, 5)
    with_zeros = np.where(normal(2, 4, 6) > 0.5, 0.0, normal(3, 4, 6))
    return Exercise(
        name="relu",
        title=_("The ReLU and its backward pass"),
        task=_("The ReLU sets negative numbers to zero. Its backward pass gets dout, the gradient of the loss to the "
               "output, and returns dx, the gradient of the loss to the input."),
        functions=(
            Function("relu_forward(x)", ("out",), _(
                "Return out = max(x, 0), element by element.\n\n"
                "x : array of any shape. Return an array of the same shape."),
                ">>> relu_forward(np.array([-1.0, 2.0]))\narray([0., 2.])"),
            Function("relu_backward(dout, x)", ("dx",), _(
                "Return the gradient to x.\n\n"
                "    dx = dout where x > 0, and 0 elsewhere\n\n"
                "dout : array of the shape of x. Return a new array of that shape; do not change dout."),
                ">>> relu_backward(np.array([5.0, -7.0]), np.array([-1.0, 2.0]))\narray([ 0., -7.])"),
        ),
        cases=(
            Case(_("against one element after another"), "relu_forward", (x,), naive_forward),
            Case(_("against one element after another"), "relu_backward", (dout, x), naive_backward),
            Case(_("against finite differences"), "relu_backward", (dout, x), numeric_backward),
            Case(_("inputs that are exactly zero"), "relu_backward", (normal(4, 4, 6), with_zeros), naive_backward),
        ),
        mistakes=mistakes(_),
        hints=(
            _("The derivative of max(x, 0) is 1 where x is positive and 0 where it is negative."),
            _("By the chain rule, dx is that derivative times dout, element by element."),
            _("x > 0 is an array of True and False. Multiplied by an array of numbers, it counts as 1 and 0."),
        ),
        picture=picture,
        caption=_("the gradient of its class score, through your ReLU"),
        solution="minicnn/layers/relu.py",
        translate=_,
    )


def mistakes(_: Translate) -> tuple[Mistake, ...]:
    """Return the known mistakes."""
    return (
        Mistake("relu_forward", _("The forward pass returns x itself: negative numbers must become zero."),
                lambda x: x),
        Mistake("relu_forward", _("The forward pass returns the absolute value: negative numbers must become zero."),
                lambda x: abs(x)),
        Mistake("relu_forward", _("The forward pass keeps the negative numbers and drops the positive ones."),
                lambda x: np.minimum(x, 0)),
        Mistake("relu_backward", _("The mask is missing: dout must not pass where the input was negative."),
                lambda dout, x: dout),
        Mistake("relu_backward", _("The upstream gradient is missing: multiply the mask by dout."),
                lambda dout, x: (x > 0) * np.ones_like(dout)),
        Mistake("relu_backward", _("The mask is made of dout. That is the deconvnet's rule; the gradient's mask is "
                                   "made of the input x."),
                lambda dout, x: dout * (dout > 0)),
        Mistake("relu_backward", _("The mask is made of dout, too. That is guided backprop's rule; the gradient's mask "
                                   "is made of the input x alone."),
                lambda dout, x: dout * (dout > 0) * (x > 0)),
        Mistake("relu_backward", _("dout is multiplied by the output. The derivative is 1 where the output is "
                                   "positive, not the output itself."),
                lambda dout, x: dout * np.maximum(x, 0)),
        Mistake("relu_backward", _("The mask is the wrong way round: the gradient passes where x is positive."),
                lambda dout, x: dout * (x < 0)),
        Mistake("relu_backward", _("Where x is exactly zero, the gradient is 0 here, as in the library: the mask is "
                                   "x > 0, not x >= 0."),
                lambda dout, x: dout * (x >= 0)),
    )


class LearnersReLU(ReLU):
    """A ReLU layer that computes with the learner's functions."""

    def __init__(self, functions: Functions) -> None:
        super().__init__()
        self.functions = functions

    def forward(self, x: Array) -> tuple[Array, Array]:
        return self.functions["relu_forward"](x), x

    def backward(self, dout: Array, x: Array) -> Array:
        return self.functions["relu_backward"](dout, x)


def picture(functions: Functions, model: Model, photo: Photo) -> list[Panel]:
    """Return the gradient of the class score, and the saliency map, of a network with the learner's ReLUs."""
    return gradient_and_saliency(model, photo, model.net.plain().with_relu(LearnersReLU(functions)))
