"""The photos that the explorer offers: the files of the command line, or examples."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from minicnn import images
from minicnn.datasets.shapes import CLASSES, draw_shape
from minicnn.errors import one_line

from ..shared import portrait
from ..shared.default_network import SHAPES
from ..shared.photo_files import shown_name
from .networks import Networks
from .session import Photo

DRAWN = (0, 4, 8, 9, 11)  # classes of the drawn examples: each shape and each texture at least once


def offered_photos(networks: Networks, paths: Sequence[str]) -> dict[str, Photo]:
    """Return {identifier: Photo} of the files, or of examples: a portrait, and drawn shapes for the network `shapes`.

    Raises InputError if a file cannot be read.
    """
    if paths:
        photos = [Photo(shown_name(path), images.load_image(path), one_line(Path(path).name, 100)) for path in paths]
    else:
        rng = np.random.default_rng(0)
        photos = [Photo(portrait.NAME.replace("_", " "), portrait.portrait_for(networks.default))]
        drawn = [Photo(CLASSES[label], draw_shape(label, rng)[0]) for label in DRAWN]
        photos = drawn + photos if networks.default == SHAPES else photos + drawn
    return {f"p{number}": photo for number, photo in enumerate(photos)}
