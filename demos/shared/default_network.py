"""The network that a demo uses if none is named. This module is the only place that decides it."""

from minicnn.errors import one_line
from minicnn.models import cache_folder
from minicnn.models.load import cached_models

PRETRAINED = ("squeezenet1_1", "squeezenet1_0", "squeezenet1_0_caffe", "squeezenet1_1_caffe", "squeezenet1_1_onnx",
              "squeezenet1_1_keras")  # the best first
PHOTOS = "photos"  # the shipped network of photographs
SHAPES = "shapes"  # the shipped network of drawn shapes, whose pictures can be drawn by the hundred, with exact masks


def pretrained() -> list[str]:
    """Return the names of the SqueezeNet weights in the cache folder, the best first."""
    cached = cached_models()
    return [name for name in PRETRAINED if name in cached]


def default_network() -> tuple[str, str]:
    """Return (name, reason): SqueezeNet if its weights are in the cache folder, else the shipped network `photos`."""
    found = pretrained()
    if found:
        return found[0], f"pretrained weights found in {one_line(cache_folder(), 300)}"
    return PHOTOS, ("the shipped network of photographs: there are no pretrained SqueezeNet weights in the cache "
                    "folder (minicnn fetch squeezenet1_1 fetches them)")


def network_for(named: str | None, has_photos: bool) -> str | None:
    """Return the network of a demo that needs hundreds of pictures: `named`, or `shapes` if the pictures are drawn.

    has_photos : whether the user gives photos. Returns None for the default network.
    """
    return named or (None if has_photos else SHAPES)
