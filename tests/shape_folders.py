"""Folders of drawn shapes for the tests."""

from PIL import Image

from demos.shared.photo_folder import draw_photos


def write_shapes(folder, count=24, by_class=True):
    """Write drawn shapes as PNG files into the folder; if `by_class`, into a sub-folder for each class."""
    for n, photo in enumerate(draw_photos(count, 5)):
        path = folder / photo.label / f"{n}.png" if by_class else folder / f"{n:03d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(photo.image).save(path)
