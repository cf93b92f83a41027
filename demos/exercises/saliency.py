"""The exercise saliency: the pixels that a class score depends on."""

from typing import Any

import numpy as np

from minicnn.models import Model
from minicnn.network import Network

from ..shared.inputs import Photo, short_label
from ..shared.language import Translate, english
from .exercise import Case, Exercise, Function, Functions, Mistake, Panel
from .pictures import photo_panel
from .scored import SIDE, network_text, numeric_gradient, score_gradient, seeded_gradient, softmax_seed, tiny_network
from .twins import Array, normal

Labels = tuple[int, ...]


def naive_map(net: Network, x: Array, labels: Labels) -> Array:
    """The largest absolute gradient of each pixel, one pixel after another."""
    return largest(score_gradient(net, x, labels))


def numeric_map(net: Network, x: Array, labels: Labels) -> Array:
    """The same from finite differences of the scores."""
    return largest(numeric_gradient(net, x, labels))


def largest(dx: Array) -> Array:
    """Return the largest absolute value over the channels, (N, C, H, W) -> (N, H, W)."""
    N, C, H, W = dx.shape
    out = np.zeros((N, H, W), dx.dtype)
    for n, c, i, j in np.ndindex(dx.shape):
        out[n, i, j] = max(out[n, i, j], abs(dx[n, c, i, j]))
    return out


def exercise(_: Translate = english) -> Exercise:
    """Return the exercise in the chosen language."""
    net, x = tiny_network(), normal(101, 2, 3, SIDE, SIDE)
    return Exercise(
        name="saliency",
        title=_("The saliency map of a class score"),
        task=_("A saliency map is bright where a small change of a pixel changes a class score much (Simonyan et al. "
               "2013). It takes one forward pass and one backward pass.\n\n") + network_text(_),
        functions=(
            Function("saliency_map(net, x, labels)", ("saliency",), _(
                "Return the saliency map of each image, (N, H, W).\n\n"
                "    dx = the gradient of scores[n, labels[n]], summed over all images n, to the images\n"
                "    saliency[n, i, j] = the largest |dx[n, c, i, j]| over the channels c\n\n"
                "x : images, (N, C, H, W). labels : one class for each image."),
                ">>> from minicnn import load_model\n"
                ">>> saliency_map(load_model(\"shapes\").net, np.ones((1, 3, 64, 64), np.float32), [0]).shape\n"
                "(1, 64, 64)"),
        ),
        cases=(
            Case(_("against one pixel after another"), "saliency_map", (net, x, (1, 3)), naive_map),
            Case(_("against finite differences"), "saliency_map", (net, x, (4, 0)), numeric_map),
            Case(_("a single image"), "saliency_map", (net, x[:1], (2,)), naive_map),
        ),
        mistakes=mistakes(_),
        hints=(
            _("The seed is the gradient of scores[n, labels[n]] to the scores: zeros of the shape of the scores, with "
              "a 1 at the label of each image."),
            _("net.backward(trace, {net.output: seed})[\"input\"] is dx."),
            _("Take the absolute value first, then the largest one along the axis of the channels."),
        ),
        picture=picture,
        caption=_("saliency of its best classes, by your function"),
        solution="minicnn/visualize/attribution/saliency.py",
        translate=_,
    )


def mistakes(_: Translate) -> tuple[Mistake, ...]:
    """Return the known mistakes."""
    def mistake(hint: str, wrong: Any) -> Mistake:
        """wrong : called with (dx, net, x, labels)."""
        return Mistake("saliency_map", hint, lambda net, x, labels: wrong(score_gradient(net, x, labels), net, x,
                                                                          labels))
    return (
        mistake(_("The absolute value is missing: a score that falls depends on the pixel, too."),
                lambda dx, net, x, labels: dx.max(axis=1)),
        mistake(_("The absolute value comes too late: take it before the maximum over the channels."),
                lambda dx, net, x, labels: abs(dx.max(axis=1))),
        mistake(_("The channels are averaged. The saliency of a pixel is the largest value of its channels."),
                lambda dx, net, x, labels: abs(dx).mean(axis=1)),
        mistake(_("The channels are added up. The saliency of a pixel is the largest value of its channels."),
                lambda dx, net, x, labels: abs(dx).sum(axis=1)),
        mistake(_("The maximum is taken over the wrong axis. The channels are axis 1."),
                lambda dx, net, x, labels: abs(dx).max(axis=2)),
        mistake(_("The maximum is taken over the wrong axis. The channels are axis 1."),
                lambda dx, net, x, labels: abs(dx).max(axis=0)),
        mistake(_("The seed is 1 for all classes, so the map shows the sum of all scores. It is 1 at the label "
                  "alone."),
                lambda dx, net, x, labels: largest(seeded_gradient(net, x, np.ones_like))),
        mistake(_("All images get the label of the first one. Image n has labels[n]."),
                lambda dx, net, x, labels: largest(score_gradient(net, x, [labels[0]] * len(x)))),
        mistake(_("That is the map of the probability after a softmax. The score is taken before the softmax."),
                lambda dx, net, x, labels: largest(seeded_gradient(net, x, lambda s: softmax_seed(s, labels)))),
        mistake(_("The seed holds the score itself instead of a 1: the derivative of a score to itself is 1."),
                lambda dx, net, x, labels: largest(seeded_gradient(
                    net, x, lambda s: s * np.eye(s.shape[1])[list(labels)]))),
        mistake(_("That is the map of the class with the highest score. Use the labels that are given."),
                lambda dx, net, x, labels: largest(score_gradient(net, x, net.predict(x).argmax(axis=1)))),
        mistake(_("The result is the gradient itself: take the largest absolute value over the channels."),
                lambda dx, net, x, labels: dx),
    )


def picture(functions: Functions, model: Model, photo: Photo) -> list[Panel]:
    """Return the photo and the learner's saliency maps of its three best classes."""
    labels = [label for label, _probability in photo.top[:3]]
    maps = functions["saliency_map"](model.net, np.repeat(photo.x, len(labels), axis=0), labels)
    return [photo_panel(model, photo),
            *((short_label(model, label), np.clip(one / (np.percentile(one, 99.7) or 1.0), 0, 1))
              for label, one in zip(labels, maps, strict=True))]
