"""The network and the pictures that a demo works on, and the reason for the choice."""

import sys
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from minicnn import images
from minicnn.backend import available_memory, gpu_problem, to_device, to_host
from minicnn.datasets.shapes import CLASSES, draw_shape
from minicnn.errors import InputError, one_line
from minicnn.fast.forecast import largest_size, peak_memory
from minicnn.models import Model, load_model
from minicnn.network import Network

from . import portrait
from .default_network import default_network
from .layers import has_scores
from .photo_files import shown_name

WHOLE = 512  # long side in pixels
NO_SCORES = ("this network has no classifier, so it gives no class scores, and this picture needs them; choose another "
             "--model")


class Photo(NamedTuple):
    """A picture, resized and cropped for the network, with the network's input and its five best classes.

    name : the file's name without its suffix. image : uint8 (H, W, 3). x : float32 (1, C, H, W), on the host.
    top : (class, probability), the best first; empty if the network is a trunk without a classifier.
    whole : the whole picture, uint8, with a long side of at most WHOLE pixels; None: the same as `image`.
    """

    name: str
    image: np.ndarray
    x: np.ndarray
    top: list[tuple[int, float]]
    whole: np.ndarray | None = None

    @property
    def picture(self) -> np.ndarray:
        """The whole picture, uint8 (H, W, 3)."""
        return self.image if self.whole is None else self.whole

    @property
    def label(self) -> int:
        """The best class. Raises InputError if the network gives no class scores."""
        if not self.top:
            raise InputError(NO_SCORES)
        return self.top[0][0]


def choose_model(name: str | None, device: str, scores: bool = False) -> tuple[Model, str]:
    """Return the Model with its fast network, and one line that says which it is, why, and where it runs.

    name : a network's name or a weights file. By default, see `default_network`.
    scores : whether the demo needs class scores.
    Raises InputError if the network's input is not a picture, or if it gives no class scores and the demo needs them.
    """
    name, reason = (name, "chosen by --model") if name else default_network()
    model = load_model(name, device).fast()
    model = model._replace(name=one_line(model.name, 60))  # it comes from the file, and is printed and drawn
    if model.net.input_shape[0] not in (1, 3):
        raise InputError(f"{model.name} does not take pictures: its input has {model.net.input_shape[0]} channels; "
                         "choose another --model")
    if scores:
        require_scores(model)
    place = model.net.device
    if device == "auto" and place == "cpu":
        place = f"cpu ({gpu_problem()})"
    return model, f"model: {model.name}, {reason}; device: {place}"


def load_photos(model: Model, paths: Sequence[str], seed: int = 0) -> list[Photo]:
    """Return the Photos at these paths.

    Without paths: matplotlib's portrait of Grace Hopper, of which the network `photos` gets the head, or five drawn
    shapes for the network `shapes`.
    """
    if paths:
        pictures = [(shown_name(path), images.load_image(path)) for path in paths]
        if model.name == "shapes":
            print("note: this network was trained on drawn shapes, not on photos; its pictures of a photo show how "
                  "the technique works and say little about the photo")
    elif model.name == "shapes":
        rng = np.random.default_rng(seed)
        chosen = (0, 4, 8, 9, 11)  # each shape and each texture at least once
        pictures = [(CLASSES[label], draw_shape(label, rng)[0]) for label in chosen]
    else:
        pictures = [(portrait.NAME, portrait.portrait_for(model.name))]
    warn_about_memory(model.net, (len(pictures), *model.net.input_shape))
    return [classify(model, name, picture) for name, picture in pictures]


def classify(model: Model, name: str, picture: np.ndarray) -> Photo:
    """Return the Photo of a picture, uint8 (H, W, 3). It has no classes if the network gives no class scores."""
    if min(picture.shape[:2]) < 2:
        raise InputError(f"{name} is too small: it has {picture.shape[1]}x{picture.shape[0]} pixels, and at least 2x2 "
                         "are needed")
    image = images.fit(picture, model.preprocessing.resize, model.preprocessing.crop)
    whole = images.resize_long_side(picture, min(WHOLE, max(picture.shape)))
    x = model.preprocessing.to_input(image)
    if not has_scores(model.net):
        return Photo(name, image, x, [], whole)
    scores = to_host(model.net.predict(to_device(x, model.net.device)))[0]
    return Photo(name, image, x, best_classes(scores), whole)


def best_classes(scores: np.ndarray) -> list[tuple[int, float]]:
    """Return (class, probability) of the five classes with the highest of the scores, (classes,), the best first."""
    exp = np.exp(scores - scores.max())
    probabilities = exp / exp.sum()
    best = np.argsort(-scores, kind="stable")[:5]
    return [(int(label), float(probabilities[label])) for label in best]


def require_scores(model: Model) -> None:
    """Raise InputError if the network is a trunk without a classifier."""
    if not has_scores(model.net):
        raise InputError(f"{model.name}: {NO_SCORES}")


def caption(model: Model, photo: Photo) -> str:
    """Return the photo's name, and its class if the network gives class scores."""
    return f"{photo.name}: {short_label(model, photo.label)}" if photo.top else photo.name


def short_label(model: Model, label: int) -> str:
    """Return the first of a class's names, safe to print and not too long for a caption."""
    name = one_line(model.labels[label].split(", ")[0], 60) if label < len(model.labels) else ""
    return name or f"class {label}"


# ---- memory ----------------------------------------------------------------------------------------------------------


def warn_about_memory(net: Network, shape: tuple[int, ...]) -> None:
    """Print a warning if a forward and a backward pass of pictures of `shape` (N, C, H, W) exceed the free memory."""
    free = available_memory(net.device)
    try:
        needed = peak_memory(net, shape)
    except InputError:
        return  # the network cannot take pictures of this shape: the pass raises the error
    if free is None or needed <= free:
        return
    size = "x".join(map(str, shape[:1] + shape[2:]))
    side = largest_size(net, free)
    advice = f"one picture of {side}x{side} pixels would fit" if side else "no useful size would fit"
    print(f"warning: {size} pixels take about {needed / 1e9:.2f} GB of memory, and {free / 1e9:.2f} GB are free; "
          f"{advice}", file=sys.stderr)


def require_memory(net: Network, size: tuple[int, int], layers: Sequence[str], backward: bool = True) -> None:
    """Raise InputError if a picture of `size` (H, W) exceeds the free memory. The message names the size that fits.

    layers : the layers of the loss. backward : whether a backward pass follows, as in an optimization.
    """
    free = available_memory(net.device)
    options: dict[str, Any] = {"keep": layers, "upto": layers, "seeds": layers if backward else ()}
    try:
        needed = peak_memory(net, (1, net.input_shape[0], *size), **options)
    except InputError:
        return  # the network cannot take pictures of this size: the pass raises the error
    if free is None or needed <= free:
        return
    side = largest_size(net, free, **options)
    advice = (f"{side}x{side} would fit: give a smaller --size" if side
              else "no useful size would fit: choose earlier layers")
    raise InputError(f"{size[1]}x{size[0]} pixels take about {needed / 1e9:.2f} GB of memory, and {free / 1e9:.2f} GB "
                     f"are free; {advice}")
