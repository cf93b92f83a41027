"""Style transfer: the content of one picture, painted as others are (Gatys et al. 2015, arXiv:1508.06576)."""

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from minicnn import images
from minicnn.backend import Array, to_device, to_host
from minicnn.errors import InputError, unknown_name
from minicnn.losses import TotalVariation
from minicnn.network import Network
from minicnn.optimize import LBFGS, Adam, Clamp, Progress, optimize_image
from minicnn.visualize.style import colour
from minicnn.visualize.style.terms import (
    as_weights,
    check_layers,
    check_maps,
    check_size,
    check_weight,
    content_terms,
    gram_targets,
    layer_masks,
    style_terms,
)

COLOURS = ("style", "original", "luminance", "match")
VGG_STYLE = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")


def _cs231n(content_weight, style_weights, tv_weight, style_size):
    """A preset of the course's notebook for SqueezeNet 1.1: sizes are short sides, Adam, clamped, 200 steps."""
    layers = ("relu_conv1", "fire3/concat", "fire4/concat", "fire5/concat")  # its numbers 1, 4, 6, 7; 3 is fire2
    return {"content_layers": {"fire2/concat": 1.0}, "content_weight": content_weight,
            "style_layers": dict(zip(layers, style_weights, strict=True)), "style_weight": 1.0, "tv_weight": tv_weight,
            "reduction": "sum", "pooling": "max", "size": 192, "side": "short", "style_scale": style_size / 192,
            "optimizer": "adam", "learning_rate": 3.0, "last_learning_rate": 0.1, "clamp": 1.5, "num_steps": 200,
            "init": "content", "noise": 1.0}


# What StyleSettings takes, by who published it, or by the network that it is for.
STYLE_PRESETS = {
    "composition-vii": _cs231n(5e-2, (20000, 500, 12, 1), 5e-2, 512),
    "the-scream": _cs231n(3e-2, (200000, 800, 12, 1), 2e-2, 224),
    "starry-night": _cs231n(6e-2, (300000, 1000, 15, 3), 2e-2, 192),
    # Of its total variation of 1e-3, neural-style takes half of the squares.
    "neural-style": {
        "content_layers": {"relu4_2": 1.0}, "content_weight": 5.0, "style_layers": dict.fromkeys(VGG_STYLE, 1.0),
        "style_weight": 100.0, "tv_weight": 1e-3 / 2, "reduction": "mean", "pooling": "max", "size": 512,
        "side": "long", "style_scale": 1.0, "optimizer": "lbfgs", "learning_rate": 10.0, "last_learning_rate": None,
        "clamp": None, "num_steps": 1000, "init": "noise", "noise": 1e-3},
    # The paper: alpha / beta = 1e-3, alpha on half of the squares, beta on a quarter (style_terms.py), layers 1/5 each.
    # Where Caffe says conv4_2 its ReLU has already been there.
    "gatys": {
        "content_layers": {"relu4_2": 1.0}, "content_weight": 1e-3 / 2, "style_layers": dict.fromkeys(VGG_STYLE, 0.2),
        "style_weight": 1 / 4, "tv_weight": 0.0, "reduction": "sum", "pooling": "avg", "size": 512, "side": "long",
        "style_scale": 1.0, "optimizer": "lbfgs", "learning_rate": 10.0, "last_learning_rate": None, "clamp": None,
        "num_steps": 500, "init": "noise", "noise": 1.0},
    "squeezenet": {
        "content_layers": {"fire4/concat": 1.0}, "content_weight": 2.0,
        "style_layers": dict.fromkeys(("relu_conv1", "fire2/concat", "fire3/concat", "fire4/concat", "fire5/concat"),
                                      1.0),
        "style_weight": 10.0, "tv_weight": 0.05, "reduction": "relative", "pooling": "avg", "size": 256, "side": "long",
        "style_scale": 1.0, "optimizer": "lbfgs", "learning_rate": 0.1, "last_learning_rate": None, "clamp": None,
        "num_steps": 200, "init": "content", "noise": 1.0},
    "shapes": {
        "content_layers": {"relu3": 1.0}, "content_weight": 1.0,
        "style_layers": dict.fromkeys(("relu1", "relu2", "relu3"), 1.0),
        "style_weight": 20.0, "tv_weight": 0.1, "reduction": "relative", "pooling": "avg", "size": 96, "side": "long",
        "style_scale": 1.0, "optimizer": "lbfgs", "learning_rate": 0.1, "last_learning_rate": None, "clamp": None,
        "num_steps": 60, "init": "content", "noise": 1.0},
}


@dataclass(frozen=True)
class StyleSettings:
    """How much of what, and how it is found.

    content_layers, style_layers : {layer: its weight}; content_weight, style_weight multiply them, tv_weight is for
    total variation. reduction : how squares are summed up, see style_terms.py. pooling : "max" or "avg".
    size : pixels of the `side`, "long" or "short". coarse : begin at this size and go up by sqrt 2, `fine_steps` each.
    style_scale : the style's size as a part of that. blend : a weight per style.
    colours : "style"; "original", the content's afterwards; "luminance", the style's brightness alone; "match", the
    style's colours changed to the content's before. init : "content", "noise" (of standard deviation `noise`, in x) or
    a picture, uint8 (H, W, 3). optimizer : "lbfgs" or "adam", whose learning rate is `last_learning_rate` for the last
    tenth. clamp : x stays within +- this, but for the last twentieth of Adam's steps.
    """

    content_layers: dict
    style_layers: dict
    content_weight: float = 1.0
    style_weight: float = 1.0
    tv_weight: float = 0.0
    reduction: str = "sum"
    pooling: str = "max"
    size: int = 512
    side: str = "long"
    coarse: int | None = None
    fine_steps: int = 100
    style_scale: float = 1.0
    blend: tuple | None = None
    colours: str = "style"
    init: Any = "content"
    noise: float = 1.0
    optimizer: str = "lbfgs"
    num_steps: int = 500
    learning_rate: float = 1.0
    last_learning_rate: float | None = None
    clamp: float | None = None

    def check(self):
        """Raise InputError for what cannot be meant."""
        for name in ("content_weight", "style_weight", "tv_weight"):
            check_weight(f"the {name.replace('_', ' ')}", getattr(self, name))
        for kind, name, known in (("colours", self.colours, COLOURS), ("side", self.side, ("long", "short")),
                                  ("optimizer", self.optimizer, ("lbfgs", "adam"))):
            if name not in known:
                raise unknown_name(kind, name, known)
        if isinstance(self.init, str) and self.init not in ("content", "noise"):
            raise unknown_name("init", self.init, ["content", "noise"])
        if not 0 < self.style_scale < math.inf:
            raise InputError(f"the style scale is {self.style_scale}; a number above 0 is expected")
        if not self.weighted_layers():
            raise InputError("all weights are 0: neither content nor style would be kept")

    def weighted_layers(self):
        """(content layers, style layers) as {layer: weight}, those that count; both empty only where nothing does."""
        content, style = as_weights(self.content_layers, "content"), as_weights(self.style_layers, "style")
        content = {layer: weight for layer, weight in content.items() if weight and self.content_weight}
        style = {layer: weight for layer, weight in style.items() if weight and self.style_weight}
        return (content, style) if content or style else ()

    def sizes(self):
        """The sizes to work at, ascending, the last one `size`."""
        sizes = [self.size]
        while self.coarse and round(self.size / 2 ** (len(sizes) / 2)) >= self.coarse:
            sizes.insert(0, round(self.size / 2 ** (len(sizes) / 2)))
        return sizes

    def style_size(self, size):
        """neural-style's: the style's size for one of the picture; what a float rounds up by is not meant."""
        return math.ceil(self.style_scale * size - 1e-9)


class Problem(NamedTuple):
    """What is minimised at one size. net : with its pooling. content, styles : x, (1, 3, H, W) each. terms : [(weight,
    loss), …]. targets : the Gram matrices, {layer: (1, C, C)}, of the whole picture or of each masked part."""

    net: Network
    content: Array
    styles: list
    terms: list
    targets: list


class Stylized(NamedTuple):
    """The result: the picture as it is to be seen, uint8 (H, W, 3); x before that, (1, 3, H, W) on the host; and every
    step."""

    picture: np.ndarray
    image: np.ndarray
    history: list


def transfer_style(net, content, styles, preprocessing, settings, *, rng, masks=None, callback=None, checkpoint=None):
    """`content` painted as `styles` are -> Stylized. Pictures are uint8 (H, W, 3), styles a list of them.

    settings : StyleSettings. masks : for each style where in the content it goes, uint8 (H, W) from 0 to 255 of the
    content's size. rng : numpy.random.Generator, for noise. callback : called with (Progress, image) after each step,
    of all sizes together; a true answer ends it all. checkpoint : see `optimize_image`.
    Raises InputError for layers that are not there, pictures too small for them, weights that are all 0, and a mask of
    another size.
    """
    settings.check()
    image, history, enough = None, [], False
    for size in settings.sizes():
        problem = style_problem(net, content, styles, preprocessing, settings, size, masks)
        image = first_image(settings, problem, preprocessing, rng) if image is None \
            else resized(image, problem, preprocessing)
        steps = settings.num_steps if not history else settings.fine_steps
        for number, (update, num_steps, project) in enumerate(phases(settings, steps)):
            before, part = len(history), checkpoint and checkpoint.part(f"{size}-{number}")

            def counted(progress, image, before=before):
                nonlocal enough
                enough = callback(progress._replace(step=before + progress.step), image)
                return enough
            image, more = optimize_image(
                problem.net, image, problem.terms, update=update, num_steps=num_steps, project=project,
                callback=callback and counted, rng=rng, checkpoint=part)
            history += [Progress(before + step, total, values) for step, total, values in more]
            if enough or part and part.stopped:  # now, or in the run that is gone on with
                return Stylized(finish(to_host(image), content, preprocessing, settings), to_host(image), history)
    return Stylized(finish(to_host(image), content, preprocessing, settings), to_host(image), history)


def style_problem(net, content, styles, preprocessing, settings, size, masks=None):
    """The Problem at one size; the Grams of the styles are computed here, once."""
    content_layers, style_layers = settings.weighted_layers()
    deepest = check_layers(net, [*content_layers, *style_layers])
    check_maps(net, style_layers)
    content_layers = {net.find(layer): weight for layer, weight in content_layers.items()}
    style_layers = {net.find(layer): weight for layer, weight in style_layers.items()}
    if not styles and style_layers:
        raise InputError("there is no picture of a style")
    net = net.with_pooling(settings.pooling)
    small = sized(content, size, settings.side)
    small_styles = [sized(style, settings.style_size(size), settings.side) for style in styles]
    x = enter_picture(net, coloured(small, small, settings.colours), preprocessing)
    x_styles = [enter_picture(net, coloured(style, small, settings.colours), preprocessing) for style in small_styles]
    check_size(net, x.shape[1:], deepest, "the content")
    for n, style in enumerate(x_styles if style_layers else (), 1):
        check_size(net, style.shape[1:], list(style_layers), f"style {n}")
    terms = content_terms(net, x, content_layers, settings.content_weight, settings.reduction) if content_layers else []
    targets = []
    if style_layers:
        for styles_here, blend, weight, mask in parts(x_styles, settings.blend, masks, content):
            targets.append(gram_targets(net, styles_here, style_layers, blend))
            maps = None if mask is None else layer_masks(mask, net, x.shape[1:], style_layers)
            terms += style_terms(targets[-1], style_layers, weight * settings.style_weight, settings.reduction, maps)
    if settings.tv_weight:
        own = TotalVariation()({"input": x})[0] if settings.reduction == "relative" else 1.0
        terms.append((settings.tv_weight / (own or 1.0), TotalVariation()))
    return Problem(net, x, x_styles, terms, targets)


def term_names(settings, num_masks=0):
    """What the values of a step are: "content relu4_2", "style relu1_1", …, "TV", in their order."""
    content_layers, style_layers = settings.weighted_layers()
    labels = [f" {n}" for n in range(1, num_masks + 1)] or [""]
    return [*(f"content {layer}" for layer in content_layers),
            *(f"style{label} {layer}" for label in labels for layer in style_layers),
            *(["TV"] if settings.tv_weight else [])]


def parts(x_styles, blend, masks, content):
    """[(styles, their blend weights, weight, mask or None)]: the whole picture at once, or each masked part."""
    blend = [1.0] * len(x_styles) if blend is None else list(blend)
    if masks is None:
        return [(x_styles, blend, 1.0, None)]
    if not len(masks) == len(x_styles) == len(blend):
        raise InputError(f"{len(masks)} masks and {len(blend)} blend weights for {len(x_styles)} pictures of style; "
                         "each style needs its own")
    for n, (weight, mask) in enumerate(zip(blend, masks, strict=True), 1):
        check_weight("a blend weight", weight)
        if mask.shape != content.shape[:2]:
            raise InputError(f"mask {n} has {mask.shape[1]}x{mask.shape[0]} pixels, the content picture "
                             f"{content.shape[1]}x{content.shape[0]}; they must be of one size")
        if not mask.any():
            raise InputError(f"mask {n} is black everywhere: its style would be nowhere")
    if not sum(blend):
        raise InputError("all blend weights are 0: there is no style to take")
    return [([style], [1.0], weight * len(blend) / sum(blend), mask)
            for style, weight, mask in zip(x_styles, blend, masks, strict=True)]


def phases(settings, num_steps):
    """[(update, steps, project)]: one; or of Adam, where the learning rate falls at the end, two."""
    if settings.optimizer == "lbfgs":
        within = None if settings.clamp is None else Clamp(-settings.clamp, settings.clamp)
        return [(LBFGS(memory=20, within=within), num_steps, ())]
    last = settings.last_learning_rate
    first_steps = num_steps if last is None else round(0.9 * num_steps)
    clamped = round(0.95 * num_steps)  # CS231n clamps before a step, so after this many less one

    def project(done):
        return () if settings.clamp is None else (ClampUntil(settings.clamp, clamped - done),)
    return [(Adam(settings.learning_rate), first_steps, project(0))] + (
        [(Adam(last), num_steps - first_steps, project(first_steps))] if num_steps > first_steps else [])


@dataclass(frozen=True)
class ClampUntil:
    """Keeps x within +- `size` before step number `step`."""

    size: float
    step: int

    def __call__(self, image, step):
        return Clamp(-self.size, self.size)(image, step) if step < self.step else image


def first_image(settings, problem, preprocessing, rng):
    """What the optimisation begins with, (1, 3, H, W) on the network's device."""
    if isinstance(settings.init, str):
        x = problem.content
        if settings.init == "noise":
            noise = settings.noise * rng.standard_normal(x.shape, dtype="float32")
            x = to_device(noise.astype(str(x.dtype)), problem.net.device)
    else:
        picture = images.resize(settings.init, *problem.content.shape[2:])
        x = enter_picture(problem.net, coloured(picture, picture, settings.colours), preprocessing)
    return x if settings.clamp is None else Clamp(-settings.clamp, settings.clamp)(x, 0)


def resized(image, problem, preprocessing):
    """The result of the size before, as the first image of this one."""
    picture = images.resize(preprocessing.to_image(to_host(image)), *problem.content.shape[2:])
    return enter_picture(problem.net, picture, preprocessing)


def sized(picture, size, side):
    """The picture in proportion, its long or short side `size` pixels."""
    return (images.resize_long_side if side == "long" else images.resize_short_side)(picture, size)


def coloured(picture, content, colours):
    """A picture, the content itself or a style, as it is shown to the network for these colours."""
    if colours == "luminance":
        return colour.grey(picture) if picture is content else colour.match_luminance(picture, content)
    return colour.match_colours(picture, content) if colours == "match" and picture is not content else picture


def enter_picture(net, picture, preprocessing):
    """x, (1, 3, H, W), on the network's device."""
    return to_device(preprocessing.to_input(picture), net.device)


def finish(image, content, preprocessing, settings):
    """x, (1, 3, H, W) on the host, as the picture to be seen, uint8 (H, W, 3): with the colours that were asked for."""
    picture = preprocessing.to_image(image)
    if settings.colours not in ("original", "luminance"):
        return picture
    return colour.keep_colours(picture, images.resize(content, *picture.shape[:2]))
