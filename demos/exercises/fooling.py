"""The exercise fooling: small steps that make a network see another class."""

from typing import Any

import numpy as np

from minicnn import plot
from minicnn.models import Model
from minicnn.network import Network

from ..shared.inputs import Photo
from ..shared.language import Translate, english
from .exercise import Case, Exercise, Function, Functions, Mistake, Panel
from .pictures import picture_panel
from .scored import (
    SIDE,
    network_text,
    numeric_gradient,
    score_gradient,
    seeded_gradient,
    softmax_seed,
    tiny_network,
)
from .total_variation import answer
from .twins import Array, normal

MOST_STEPS = 100


def naive_step(net: Network, x: Array, target: int, learning_rate: float) -> Array:
    """One step of length learning_rate along the gradient of the target's score."""
    return stepped(x, score_gradient(net, x, [target]), learning_rate)


def numeric_step(net: Network, x: Array, target: int, learning_rate: float) -> Array:
    """The same by finite differences."""
    return stepped(x, numeric_gradient(net, x, [target]), learning_rate)


def stepped(x: Array, dx: Array, learning_rate: float) -> Array:
    """Return x after a step of length learning_rate along dx."""
    return x + learning_rate * dx / np.sqrt((dx * dx).sum())


def naive_fooling(net: Network, x: Array, target: int, learning_rate: float, max_steps: int) -> tuple[Array, int]:
    """Steps until the target has the highest score."""
    for count in range(max_steps):
        if net.predict(x)[0].argmax() == target:
            return x, count
        x = naive_step(net, x, target, learning_rate)
    return x, max_steps


def exercise(_: Translate = english) -> Exercise:
    """Return the exercise in the chosen language."""
    net, x = tiny_network(), normal(110, 1, 3, SIDE, SIDE)
    order = np.argsort(net.predict(x)[0])
    best, second, last = int(order[-1]), int(order[-2]), int(order[0])
    image = (net, x)
    return Exercise(
        name="fooling",
        title=_("A fooling image"),
        task=_("A fooling image looks like the original, but the network sees another class in it (Szegedy et al. "
               "2013). It is made by gradient ascent on the score of the target class, which begins at the photo.\n\n")
        + network_text(_),
        functions=(
            Function("fooling_step(net, x, target, learning_rate)", ("image",), _(
                "Return the image after one step.\n\n"
                "    g = the gradient of scores[0, target] to x\n"
                "    image = x + learning_rate * g / |g|,  where |g| = sqrt(sum of g * g)\n\n"
                "x : one image, (1, C, H, W). target : a class. Return a new array of the shape of x."),
                ">>> from minicnn import load_model\n"
                ">>> fooling_step(load_model(\"shapes\").net, np.ones((1, 3, 64, 64), np.float32), 2, 0.5).shape\n"
                "(1, 3, 64, 64)"),
            Function("fooling_image(net, x, target, learning_rate, max_steps)", ("image", "steps"), _(
                "Return (image, steps): take steps until the target has the highest score.\n\n"
                "steps is the number of steps that were taken: 0 if the target has the highest score already, and at "
                "most max_steps."),
                ">>> from minicnn import load_model\n"
                ">>> net, x = load_model(\"shapes\").net, np.ones((1, 3, 64, 64), np.float32)\n"
                ">>> fooling_image(net, x, int(net.predict(x).argmax()), 0.5, 10)[1]\n0"),
        ),
        cases=(
            Case(_("against the gradient of the score"), "fooling_step", (*image, last, 0.5), naive_step),
            Case(_("against finite differences"), "fooling_step", (*image, second, 0.1), numeric_step),
            Case(_("until the target wins"), "fooling_image", (*image, second, 0.1, 100), naive_fooling),
            Case(_("the target wins already"), "fooling_image", (*image, best, 0.1, 100), naive_fooling),
            Case(_("at most three steps"), "fooling_image", (*image, last, 0.01, 3), naive_fooling),
        ),
        mistakes=(*step_mistakes(_), *loop_mistakes(_)),
        hints=(
            _("The seed is zero, except for a 1 at scores[0, target]."),
            _("Divide the gradient by its norm, a single number, so that all steps have one length."),
            _("In the loop, look at the scores before each step, and stop if scores[0].argmax() == target."),
        ),
        picture=picture,
        caption=_("a photo, and an image that fools it, by your steps"),
        solution="minicnn/visualize/synthesis/fooling.py",
        translate=_,
    )


def step_mistakes(_: Translate) -> tuple[Mistake, ...]:
    """Return the known mistakes in fooling_step."""
    def mistake(hint: str, wrong: Any) -> Mistake:
        """wrong : called with (g, net, x, target, learning_rate)."""
        return Mistake("fooling_step", hint, lambda net, x, target, rate: wrong(
            score_gradient(net, x, [target]), net, x, target, rate))
    return (
        mistake(_("The step goes down: the target's score must rise, so add the gradient."),
                lambda g, net, x, target, rate: stepped(x, -g, rate)),
        mistake(_("The gradient is not divided by its norm, so the steps have different lengths."),
                lambda g, net, x, target, rate: x + rate * g),
        mistake(_("The gradient is divided by its squared norm: take the square root of the sum."),
                lambda g, net, x, target, rate: x + rate * g / (g * g).sum()),
        mistake(_("The gradient is divided by its largest value. Divide it by its norm, sqrt(sum of g * g)."),
                lambda g, net, x, target, rate: x + rate * g / abs(g).max()),
        mistake(_("The gradient is divided by the sum of its absolute values. Divide it by sqrt(sum of g * g)."),
                lambda g, net, x, target, rate: x + rate * g / abs(g).sum()),
        mistake(_("The square root of a mean is used. The norm is the square root of a sum."),
                lambda g, net, x, target, rate: x + rate * g / np.sqrt((g * g).mean())),
        mistake(_("The step uses only the gradient's sign. Keep its direction, and divide it by its norm."),
                lambda g, net, x, target, rate: x + rate * np.sign(g)),
        mistake(_("Each channel is divided by its own norm. Divide by one number, over the whole image."),
                lambda g, net, x, target, rate: x + rate * g / np.sqrt((g * g).sum(axis=(2, 3), keepdims=True))),
        mistake(_("The step raises the score of the class that wins now. Raise the target's."),
                lambda g, net, x, target, rate: naive_step(net, x, int(net.predict(x)[0].argmax()), rate)),
        mistake(_("The step raises the sum of all scores: the seed is 1 at the target alone."),
                lambda g, net, x, target, rate: stepped(x, seeded_gradient(net, x, np.ones_like), rate)),
        mistake(_("The step raises the probability after a softmax. Raise the score itself."),
                lambda g, net, x, target, rate: stepped(x, seeded_gradient(
                    net, x, lambda scores: softmax_seed(scores, [target])), rate)),
        mistake(_("The result is the step alone: add it to x."),
                lambda g, net, x, target, rate: stepped(0 * x, g, rate)),
    )


def loop_mistakes(_: Translate) -> tuple[Mistake, ...]:
    """Return the known mistakes in fooling_image."""
    def last_step(net: Network, x: Array, target: int, rate: float, most: int) -> tuple[Array, int]:
        """One step more than needed: the step comes before the look at the scores."""
        for count in range(1, most + 1):
            x = naive_step(net, x, target, rate)
            if net.predict(x)[0].argmax() == target:
                return x, count
        return x, most

    def late(net: Network, x: Array, target: int, rate: float, most: int) -> tuple[Array, int]:
        """The scores are those before the last step."""
        for count in range(1, most + 1):
            won = net.predict(x)[0].argmax() == target
            x = naive_step(net, x, target, rate)
            if won:
                return x, count
        return x, most

    def never(net: Network, x: Array, target: int, rate: float, most: int) -> tuple[Array, int]:
        """All steps are taken."""
        for _count in range(most):
            x = naive_step(net, x, target, rate)
        return x, most

    def until_changed(net: Network, x: Array, target: int, rate: float, most: int) -> tuple[Array, int]:
        """The loop ends as soon as the class changes."""
        first = net.predict(x)[0].argmax()
        for count in range(most):
            if net.predict(x)[0].argmax() not in (first, *([] if first != target else [target])):
                return x, count
            x = naive_step(net, x, target, rate)
        return x, most
    hints = (
        (_("The step comes before the look at the scores. If the target wins already, no step is needed."), last_step),
        (_("One step too many is taken after the target has won: stop before the next step."), late),
        (_("The loop never stops early: stop when the target has the highest score."), never),
        (_("The loop stops when the class changes. It must stop when the target wins."), until_changed),
        (_("The loop stops after one step: is return inside the loop?"),
         lambda net, x, target, rate, most: naive_fooling(net, x, target, rate, 1)),
        (_("The original image comes back: does each step begin at the result of the step before?"),
         lambda *a: (a[1], naive_fooling(*a)[1])),
    )
    return tuple(Mistake("fooling_image", hint, wrong) for hint, wrong in hints)


def picture(functions: Functions, model: Model, photo: Photo) -> list[Panel]:
    """Return the photo, the learner's fooling image, and their difference, enlarged."""
    target = 6 if model.net.shapes()[model.net.output][1] == 1000 and photo.label != 6 else photo.top[-1][0]
    side = photo.x.shape[2]
    rate = side / 224 / (255 * float(np.mean(model.preprocessing.std)) * model.preprocessing.scale)
    x, steps = functions["fooling_image"](model.net, photo.x, target, rate, MOST_STEPS)
    change = model.preprocessing.to_image(x).astype(float) - photo.image
    enlarged, factor = plot.amplify(photo.image, change, least=0.0)
    return [picture_panel(f"{photo.name}: {answer(model, photo.x)}", model, photo.x),
            picture_panel(f"after {steps} steps: {answer(model, x)}", model, x),
            (f"difference x{factor:.3g}", enlarged / 255)]


