"""The list of exercises, in the order in which to do them."""

from collections.abc import Callable

from minicnn.errors import unknown_name

from ..shared.language import Translate, english
from . import (
    class_ascent,
    concat,
    conv_im2col,
    conv_naive,
    feature_inversion,
    fooling,
    gram,
    linear,
    max_pool,
    relu,
    relu_deconv,
    relu_guided,
    saliency,
    style_loss,
    total_variation,
)
from .exercise import Exercise

EXERCISES: dict[str, Callable[[Translate], Exercise]] = {
    "relu": relu.exercise,
    "relu_deconv": relu_deconv.exercise,
    "relu_guided": relu_guided.exercise,
    "linear": linear.exercise,
    "conv_naive": conv_naive.exercise,
    "conv_im2col": conv_im2col.exercise,
    "max_pool": max_pool.exercise,
    "concat": concat.exercise,
    "saliency": saliency.exercise,
    "fooling": fooling.exercise,
    "class_ascent": class_ascent.exercise,
    "total_variation": total_variation.exercise,
    "feature_inversion": feature_inversion.exercise,
    "gram": gram.exercise,
    "style_loss": style_loss.exercise,
}


def exercise_of(name: str, _: Translate = english) -> Exercise:
    """Return the exercise of this name, its sentences translated by `_`. Raises UnknownNameError if there is none."""
    if name not in EXERCISES:
        raise unknown_name("exercise", name, ["list", *EXERCISES])
    return EXERCISES[name](_)
