"""Pictures on their way into a network and out of it: their size and their colours in style transfer."""

import numpy as np

from minicnn import images
from minicnn.backend import Array, to_device
from minicnn.models.preprocessing import Preprocessing
from minicnn.network import Network
from minicnn.visualize.style import colour


def resize_side(picture: np.ndarray, size: int, side: str) -> np.ndarray:
    """Return the picture scaled so that its long or short side, as named by `side`, has `size` pixels."""
    return (images.resize_long_side if side == "long" else images.resize_short_side)(picture, size)


def recoloured(picture: np.ndarray, content: np.ndarray, colours: str) -> np.ndarray:
    """Return a picture as the network sees it under the setting `colours`: the content itself, or a style."""
    if colours == "luminance":
        return colour.grey(picture) if picture is content else colour.match_luminance(picture, content)
    return colour.match_colours(picture, content) if colours == "match" and picture is not content else picture


def network_input(net: Network, picture: np.ndarray, preprocessing: Preprocessing) -> Array:
    """Return the picture, (H, W, 3), as the network's input, (1, 3, H, W), on its device."""
    return to_device(preprocessing.to_input(picture), net.device)


def finished_picture(image: np.ndarray, content: np.ndarray, preprocessing: Preprocessing, colours: str) -> np.ndarray:
    """Return an image, (1, 3, H, W) on the host, as a picture, uint8 (H, W, 3), with the colours of the setting."""
    picture = preprocessing.to_image(image)
    if colours not in ("original", "luminance"):
        return picture
    return colour.keep_colours(picture, images.resize(content, *picture.shape[:2]))
