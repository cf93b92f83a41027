"""Which network and which pictures a demo works on, and why."""

import sys
from pathlib import Path
from typing import NamedTuple

import matplotlib
import numpy as np

from minicnn import images
from minicnn.backend import available_memory, gpu_problem, to_device, to_host
from minicnn.datasets.shapes import CLASSES, draw_shape
from minicnn.errors import InputError
from minicnn.fast.forecast import largest_size, peak_memory
from minicnn.models import cache_folder, load_model
from minicnn.models.load import cached_models

PRETRAINED = ("squeezenet1_1", "squeezenet1_0", "squeezenet1_0_caffe", "squeezenet1_1_caffe", "squeezenet1_1_onnx",
              "squeezenet1_1_keras")


class Photo(NamedTuple):
    """A picture as the network sees it: its name, uint8 (H, W, 3), the input x (1, C, H, W), and its top classes."""

    name: str
    image: np.ndarray
    x: np.ndarray
    top: list[tuple[int, float]]  # (class, probability), the best five

    @property
    def label(self):
        """The class that the network takes it for."""
        return self.top[0][0]


def pretrained():
    """The names of the SqueezeNet weights in the cache folder, the best first."""
    cached = cached_models()
    return [name for name in PRETRAINED if name in cached]


def choose_model(name, device):
    """(Model, one line that says which it is, why, and where it runs)."""
    cached = pretrained()
    if name:
        why = "as asked for"
    elif cached:
        name, why = cached[0], f"pretrained weights found in {cache_folder()}"
    else:
        name, why = "shapes", ("the small network that is shipped: no pretrained SqueezeNet weights in the cache "
                               "folder (python -m weights_converter fetch squeezenet1_1 puts them there)")
    model = load_model(name, device)
    if model.net.input_shape[0] not in (1, 3):
        raise InputError(f"{model.name} does not look at pictures: its input has {model.net.input_shape[0]} channels")
    where = model.net.device
    if device == "auto" and where == "cpu":
        where = f"cpu ({gpu_problem()})"
    return model, f"model: {model.name}, {why}; device: {where}"


def load_photos(model, paths, seed=0):
    """The Photos at `paths`; without any, matplotlib's portrait of Grace Hopper, or drawn shapes for `shapes`."""
    if paths:
        pictures = [(Path(path).stem, images.load_image(path)) for path in paths]
        if model.name == "shapes":
            print("note: this network has learnt drawn shapes, and nothing of photos: of one it shows the method alone")
    elif model.name == "shapes":
        rng = np.random.default_rng(seed)
        chosen = (0, 4, 8, 9, 11)  # one of each shape, and each texture
        pictures = [(CLASSES[label], draw_shape(label, rng)[0]) for label in chosen]
    else:
        pictures = [("grace_hopper", images.load_image(Path(matplotlib.get_data_path(),
                                                            "sample_data", "grace_hopper.jpg")))]
    warn_about_memory(model.net, (len(pictures), *model.net.input_shape))
    return [see(model, name, picture) for name, picture in pictures]


def warn_about_memory(net, shape):
    """Say so on the error stream where a pass there and back of pictures of this shape, (N, C, H, W), takes more memory
    than there is."""
    free = available_memory(net.device)
    try:
        needed = peak_memory(net, shape)
    except InputError:
        return  # pictures that the network cannot take at all: the pass says why
    if free is None or needed <= free:
        return
    size = "x".join(map(str, shape[:1] + shape[2:]))
    fitting = largest_size(net, free)
    way_out = f"one picture of {fitting}x{fitting} pixels would fit" if fitting else "nothing that is useful would fit"
    print(f"warning: {size} pixels take about {needed / 1e9:.2f} GB of memory, and {free / 1e9:.2f} GB are free; "
          f"{way_out}", file=sys.stderr)


def refuse_too_large(net, size, layers, backward=True):
    """Raise InputError where a picture of `size`, (H, W), will not fit into memory, naming the size that would.

    layers : where losses look; backward : whether a way back follows, as in an optimisation.
    """
    free = available_memory(net.device)
    options = {"keep": layers, "upto": layers, "seeds": layers if backward else ()}
    try:
        needed = peak_memory(net, (1, net.input_shape[0], *size), **options)
    except InputError:
        return  # what the network cannot take at all: the pass says why
    if free is None or needed <= free:
        return
    fitting = largest_size(net, free, **options)
    raise InputError(f"{size[1]}x{size[0]} pixels take about {needed / 1e9:.2f} GB of memory, and {free / 1e9:.2f} GB "
                     f"are free; " + (f"{fitting}x{fitting} would fit: give a smaller --size" if fitting else
                                      "nothing that is useful would fit: take layers that come earlier"))


def see(model, name, picture):
    """The Photo of a picture, uint8 (H, W, 3), resized and cropped as the network wants it."""
    if min(picture.shape[:2]) < 2:
        raise InputError(f"{name} is too small to look at: {picture.shape[1]}x{picture.shape[0]} pixels")
    image = images.fit(picture, model.preprocessing.resize, model.preprocessing.crop)
    x = model.preprocessing.to_input(image)
    scores = to_host(model.net.predict(to_device(x, model.net.device)))[0]
    if scores.ndim != 1:
        raise InputError(f"{model.name} is a trunk without a classifier: it gives no class scores")
    exp = np.exp(scores - scores.max())
    probabilities = exp / exp.sum()
    best = np.argsort(-scores, kind="stable")[:5]
    return Photo(name, image, x, [(int(label), float(probabilities[label])) for label in best])


def short_label(model, label):
    """The first of a class's names."""
    return model.labels[label].split(", ")[0] if label < len(model.labels) else f"class {label}"
