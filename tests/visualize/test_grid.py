"""The sheet of pictures: each tile is where tile_corners says."""

from minicnn.visualize.grid import tile_corners, tile_images


def test_tiles_are_where_tile_corners_says(rng):
    images = rng.random((7, 4, 5))
    sheet = tile_images(images, columns=3, gap=2, fill=-1)
    for image, (top, left) in zip(images, tile_corners(7, 4, 5, 3, gap=2), strict=True):
        assert (sheet[top:top + 4, left:left + 5] == image).all()
    assert (sheet == -1).sum() == sheet.size - images.size
