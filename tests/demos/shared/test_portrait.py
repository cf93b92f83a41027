"""The portrait and the place of the face in it."""

import numpy as np
import pytest

from demos.shared.portrait import FACE, face_mask, head, portrait
from minicnn import images
from minicnn.models.preprocessing import TORCHVISION


@pytest.mark.parametrize(("resize", "crop"), [(144, 128), (256, 224), (128, 128)])
def test_the_mask_follows_the_networks_crop(resize, crop):
    mask = face_mask(TORCHVISION._replace(resize=resize, crop=crop))
    assert mask.shape == (crop, crop) and mask.dtype == bool
    top, bottom, left, right = FACE
    scale = resize / 360
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    assert len(rows) == pytest.approx((bottom - top) * scale, abs=1.5)
    assert len(columns) == pytest.approx((right - left) * scale, abs=1.5)
    assert len(rows) * len(columns) - 4 <= mask.sum()  # a resized corner may be less than half white


def test_the_box_holds_the_skin_and_not_the_cap_the_coat_or_the_sky():
    face, whole = portrait()[FACE[0]:FACE[1], FACE[2]:FACE[3]].astype(int), portrait().astype(int)

    def skin(pixels):
        red, green, blue = np.moveaxis(pixels, -1, 0)
        return ((red > 150) & (red > green + 20) & (green > blue) & (blue > 60)).mean()
    assert skin(face) > 0.4 and skin(whole[FACE[1]:]) < 0.1 and skin(whole[:FACE[0]]) < 0.05
    assert skin(images.fit(head(), 144, 128)[face_mask(TORCHVISION._replace(resize=144, crop=128))].astype(int)) > 0.4
