"""The exercise concat: join two branches, and add up the gradients where an activation went into both."""

import numpy as np

from minicnn.layers import Concat, Conv2D, GuidedReLU
from minicnn.losses import one_hot
from minicnn.models import Model
from minicnn.network import Network

from ..shared.inputs import Photo
from ..shared.language import Translate, english
from .exercise import Case, Exercise, Function, Functions, Mistake, Panel
from .pictures import gradient_panel, photo_panel
from .twins import Array, normal, slope


def naive_forward(left: Array, right: Array) -> Array:
    """The channels of `left`, then the channels of `right`, one after another."""
    (N, C, H, W), others = left.shape, right.shape[1]
    out = np.zeros((N, C + others, H, W), left.dtype)
    for channel in range(C):
        out[:, channel] = left[:, channel]
    for channel in range(others):
        out[:, C + channel] = right[:, channel]
    return out


def naive_backward(dout: Array, channels: int) -> tuple[Array, Array]:
    """Each channel goes back to where it came from, one channel after another."""
    dleft, dright = np.zeros_like(dout[:, :channels]), np.zeros_like(dout[:, channels:])
    for channel in range(dout.shape[1]):
        if channel < channels:
            dleft[:, channel] = dout[:, channel]
        else:
            dright[:, channel - channels] = dout[:, channel]
    return dleft, dright


def numeric_backward(dout: Array, channels: int) -> tuple[Array, Array]:
    """Finite differences."""
    left, right = np.zeros_like(dout[:, :channels]), np.zeros_like(dout[:, channels:])
    return (slope(lambda changed: naive_forward(changed, right), left, dout),
            slope(lambda changed: naive_forward(left, changed), right, dout))


def naive_fan_out(dleft: Array, dright: Array) -> Array:
    """The sum, one element after another."""
    dx = np.zeros_like(dleft)
    for place in np.ndindex(dx.shape):
        dx[place] = dleft[place] + dright[place]
    return dx


def numeric_fan_out(dleft: Array, dright: Array) -> Array:
    """Finite differences of two branches of x, whose gradients to x are dleft and dright."""
    return slope(lambda x: dleft * x + dright * x, np.zeros_like(dleft), np.ones_like(dleft))


def exercise(_: Translate = english) -> Exercise:
    """Return the exercise in the chosen language."""
    left, right, dout = normal(70, 2, 3, 4, 5), normal(71, 2, 2, 4, 5), normal(72, 2, 5, 4, 5)
    return Exercise(
        name="concat",
        title=_("Two branches: concatenation and fan-out"),
        task=_("In SqueezeNet's Fire module, one activation x goes into two convolutions, and the channels of both "
               "results are joined. On the way back, the gradient is first split between the two branches. Then x gets "
               "a gradient from each branch. The loss depends on x by both ways, so the two gradients add up."),
        functions=(
            Function("concat_forward(left, right)", ("out",), _(
                "Return the channels of `left`, then the channels of `right`.\n\n"
                "left : (N, C1, H, W). right : (N, C2, H, W). Return (N, C1 + C2, H, W)."),
                ">>> concat_forward(np.ones((1, 1, 1, 1)), np.zeros((1, 2, 1, 1)))[0, :, 0, 0]\narray([1., 0., 0.])"),
            Function("concat_backward(dout, channels)", ("dleft", "dright"), _(
                "Return (dleft, dright), the gradients to the two inputs of concat_forward.\n\n"
                "    dleft = the first `channels` channels of dout, dright = the others\n\n"
                "dout : (N, C1 + C2, H, W). channels : C1."),
                ">>> concat_backward(np.arange(3.0).reshape(1, 3, 1, 1), 1)[1][0, :, 0, 0]\narray([1., 2.])"),
            Function("fan_out_backward(dleft, dright)", ("dx",), _(
                "Return the gradient to an activation x that went into two branches.\n\n"
                "dleft, dright : the gradients to x that come back from the branches, of one shape. Return a new array "
                "of that shape."),
                ">>> fan_out_backward(np.array([1.0]), np.array([2.0]))\narray([3.])"),
        ),
        cases=(
            Case(_("against one channel after another"), "concat_forward", (left, right), naive_forward),
            Case(_("as many channels on both sides"), "concat_forward", (left, dout[:, :3]), naive_forward),
            Case(_("against one channel after another"), "concat_backward", (dout, 3), naive_backward),
            Case(_("against finite differences"), "concat_backward", (dout, 2), numeric_backward),
            Case(_("against one element after another"), "fan_out_backward", (left, dout[:, :3]), naive_fan_out),
            Case(_("against finite differences"), "fan_out_backward", (right, dout[:, 3:]), numeric_fan_out),
        ),
        mistakes=mistakes(_),
        hints=(
            _("np.concatenate joins arrays along an axis. The channels are axis 1."),
            _("concat_backward is two slices of dout along axis 1."),
            _("fan_out_backward: a small change of x changes the loss through the left branch and through the right "
              "one. Both changes count."),
        ),
        picture=picture,
        caption=_("guided backprop of its class score, through your branches"),
        solution="minicnn/layers/merge.py",
        translate=_,
    )


def mistakes(_: Translate) -> tuple[Mistake, ...]:
    """Return the known mistakes."""
    return (
        Mistake("concat_forward", _("The inputs are joined along the wrong axis. The channels are axis 1."),
                lambda left, right: np.concatenate([left, right], axis=0)),
        Mistake("concat_forward", _("The two inputs are in the wrong order: `left` comes first."),
                lambda left, right: np.concatenate([right, left], axis=1)),
        Mistake("concat_backward", _("The two gradients are in the wrong order: dleft has the first channels."),
                lambda dout, channels: (dout[:, -channels:], dout[:, :-channels])),
        Mistake("concat_backward", _("The two gradients are exchanged: return dleft first."),
                lambda dout, channels: (dout[:, channels:], dout[:, :channels])),
        Mistake("concat_backward", _("dout is cut in two halves. The first `channels` channels belong to the left "
                                     "input, which may be more or less than half."),
                lambda dout, channels: (dout[:, :dout.shape[1] // 2], dout[:, dout.shape[1] // 2:])),
        Mistake("concat_backward", _("dout is cut along the wrong axis. The channels are axis 1."),
                lambda dout, channels: (dout[:channels], dout[channels:])),
        Mistake("concat_backward", _("Each input gets all of dout. It gets only its own channels."),
                lambda dout, channels: (dout, dout)),
        Mistake("fan_out_backward", _("The gradient of the left branch alone comes back. Gradients of all branches "
                                      "add up."),
                lambda dleft, dright: dleft),
        Mistake("fan_out_backward", _("The gradient of the right branch alone comes back: was the left one "
                                      "overwritten? Gradients of all branches add up."),
                lambda dleft, dright: dright),
        Mistake("fan_out_backward", _("The result is the mean of the two gradients. It is their sum."),
                lambda dleft, dright: (dleft + dright) / 2),
        Mistake("fan_out_backward", _("The gradients are multiplied. They add up."),
                lambda dleft, dright: dleft * dright),
        Mistake("fan_out_backward", _("The larger of the two gradients comes back. They add up."),
                lambda dleft, dright: np.maximum(dleft, dright)),
    )


class LearnersConcat(Concat):
    """A layer that joins two inputs with the learner's functions."""

    def __init__(self, functions: Functions) -> None:
        super().__init__()
        self.functions = functions

    def forward(self, *xs: Array) -> tuple[Array, list[int]]:
        return self.functions["concat_forward"](*xs), [x.shape[1] for x in xs]

    def backward(self, dout: Array, channels: list[int]) -> tuple[Array, ...]:
        return tuple(self.functions["concat_backward"](dout, channels[0]))


def branched(net: Network) -> Network:
    """Return the same network with its second convolution cut into two branches, if it has no branches."""
    if any(isinstance(node.layer, Concat) for node in net.nodes):
        return net
    cut = [node.name for node in net.nodes if isinstance(node.layer, Conv2D)][1]
    made = Network(net.input_shape)
    for name, layer, inputs in net.nodes:
        if name != cut or not isinstance(layer, Conv2D):
            made.add(name, layer, *inputs)
            continue
        half = len(layer.params["w"]) // 2
        for part, filters in ((f"{name}_left", slice(None, half)), (f"{name}_right", slice(half, None))):
            made.add(part, with_filters(layer, filters), *inputs)
        made.add(name, Concat(), f"{name}_left", f"{name}_right")
    return made


def with_filters(conv: Conv2D, filters: slice) -> Conv2D:
    """Return the convolution with some of its filters."""
    w, b = conv.params["w"][filters], conv.params["b"][filters]
    part = Conv2D(w.shape[1], len(w), w.shape[2], conv.stride, conv.pad)
    part.params = {"w": w, "b": b}
    return part


def picture(functions: Functions, model: Model, photo: Photo) -> list[Panel]:
    """Return guided backprop of the class score through the learner's branches, and the same without fan-out."""
    net = branched(model.net.plain())
    two = [node.name for node in net.nodes if isinstance(node.layer, Concat) and len(node.inputs) == 2]
    learners = net.with_relu(GuidedReLU()).with_layers({name: LearnersConcat(functions) for name in two})
    trace = learners.forward(photo.x)
    seed = {net.output: one_hot(trace.activations[net.output], photo.label)}
    gradient = learners.backward(trace, seed, add=functions["fan_out_backward"])["input"]
    one_branch = learners.backward(trace, seed, add=lambda a, b: a)["input"]
    return [photo_panel(model, photo), gradient_panel("guided backprop", model, gradient),
            gradient_panel("wrong: gradients of one branch alone", model, one_branch)]
