"""The portrait that demos show if no photo is given, and the place of the face in it."""

from pathlib import Path

import matplotlib
import numpy as np

from minicnn import images
from minicnn.models.preprocessing import Preprocessing

NAME = "grace_hopper"
# Top, bottom, left and right in the 512x600 pixels of the file, found by looking at the portrait. The head is a square
# as wide as the shoulders. The face goes from the brim of the cap to the chin, and from ear to ear.
HEAD = (50, 410, 110, 470)
FACE = (128, 338, 152, 380)


def portrait() -> np.ndarray:
    """Return matplotlib's portrait of Grace Hopper, uint8 (600, 512, 3)."""
    return images.load_image(Path(matplotlib.get_data_path(), "sample_data", f"{NAME}.jpg"))


def head() -> np.ndarray:
    """Return the head in the portrait, uint8 (360, 360, 3): the network `photos` knows faces as large as this."""
    return np.ascontiguousarray(portrait()[HEAD[0]:HEAD[1], HEAD[2]:HEAD[3]])


def portrait_for(network: str) -> np.ndarray:
    """Return what a network of this name is shown of the portrait: `photos` the head, others everything."""
    return head() if network == "photos" else portrait()


def face_mask(preprocessing: Preprocessing) -> np.ndarray:
    """Return where the face is in the network's crop of the head, bool (H, W)."""
    top, bottom, left, right = FACE
    drawn = np.zeros_like(portrait())
    drawn[top:bottom, left:right] = 255
    drawn = drawn[HEAD[0]:HEAD[1], HEAD[2]:HEAD[3]]
    return images.fit(drawn, preprocessing.resize, preprocessing.crop)[..., 0] > 127
