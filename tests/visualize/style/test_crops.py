"""The batches of photo crops."""

import numpy as np

from minicnn.datasets.drawings import draw_scene
from minicnn.images import save_image
from minicnn.models.preprocessing import TORCHVISION
from minicnn.visualize import PhotoCrops


def test_crops_depend_only_on_seed_and_step(tmp_path):
    save_image(tmp_path / "a.png", draw_scene(50))
    crops = PhotoCrops([str(tmp_path / "a.png"), draw_scene(40)[:30]], TORCHVISION, size=16, batch_size=3, seed=1)
    x, photos = crops(5)
    assert photos is x and x.shape == (3, 3, 16, 16) and x.dtype == np.float32
    np.testing.assert_array_equal(x, crops(5)[0])
    assert not np.array_equal(x, crops(6)[0])
    assert not np.array_equal(x, PhotoCrops(crops.photos, TORCHVISION, 16, 3, seed=2)(5)[0])
    whole = PhotoCrops([draw_scene(16)], TORCHVISION, 16, 8, largest=1.0)(0)[0]
    known = TORCHVISION.to_input(draw_scene(16))
    assert {np.array_equal(one, known[0]) for one in whole} == {True, False}  # unchanged, and mirrored
    assert all(np.array_equal(one, known[0]) or np.array_equal(one[..., ::-1], known[0]) for one in whole)
