"""The portrait that demos show if no photo is given, and the place of the face in it."""

from pathlib import Path

import matplotlib
import numpy as np

from minicnn import images
from minicnn.models.preprocessing import Preprocessing

NAME = "grace_hopper"
# Top, bottom, left and right of the face in the 512x600 pixels of the file, found by looking at the portrait: from the
# brim of the cap to the chin, and from ear to ear.
FACE = (128, 338, 152, 380)


def portrait() -> np.ndarray:
    """Return matplotlib's portrait of Grace Hopper, uint8 (600, 512, 3)."""
    return images.load_image(Path(matplotlib.get_data_path(), "sample_data", f"{NAME}.jpg"))


def face_mask(preprocessing: Preprocessing) -> np.ndarray:
    """Return where the face is in the network's crop of the portrait, bool (H, W)."""
    top, bottom, left, right = FACE
    drawn = np.zeros_like(portrait())
    drawn[top:bottom, left:right] = 255
    return images.fit(drawn, preprocessing.resize, preprocessing.crop)[..., 0] > 127
