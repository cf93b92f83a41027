"""The judged checks of the pictures of one photo, with few steps: what must not fail on any photo.

PICTURES holds for each demo a function (model, photo) -> its Checks.
"""

import numpy as np

from demos import (
    activations,
    agreement,
    attribution,
    class_maps,
    compare,
    guided_backprop,
    occlusion,
    relevance,
    saliency,
)
from demos.compare import Effort
from minicnn import images
from minicnn.visualize.check import Check

FEW = Effort(steps=3, orders=1, stages=1, draws=1, maps={"samples": 2, "steps": 16, "stride": 32, "window": 32})


def compared(model, photo):
    """Return the Checks of the comparison without the randomisation, which takes long: of its last stage alone."""
    return next(compare.pictures(model, [photo], effort=FEW)).checks


def saliency_of_the_best(model, photo):
    """Return the Checks of the saliency of the best class."""
    return next(saliency.pictures(model, [photo], photo.label)).checks


PICTURES = {
    "saliency": saliency_of_the_best,
    "guided_backprop": lambda model, photo: [check for picture in guided_backprop.pictures(model, [photo])
                                             for check in picture.checks],
    "attribution": lambda model, photo: next(attribution.pictures(model, [photo], steps=16)).checks,
    "occlusion": lambda model, photo: next(occlusion.pictures(model, [photo], window=32, stride=24)).checks,
    "activations": lambda model, photo: [check for picture in activations.pictures(model, [photo])
                                         for check in picture.checks],
    "agreement": lambda model, photo: next(agreement.pictures(model, [photo])).checks,
    "relevance": lambda model, photo: next(relevance.pictures(model, [photo])).checks,
    "class_maps": lambda model, photo: next(class_maps.pictures(model, [photo], channels=8, masks=16)).checks,
    "compare": compared,
}


def odd_pictures():
    """Yield (name, picture) of pictures without texture, with two colours, and of noise, uint8 (224, 224, 3)."""
    for name, colour in (("grey", 128), ("black", 0), ("white", 255), ("red", (255, 0, 0))):
        yield name, np.full((224, 224, 3), colour, np.uint8)
    halves = np.full((224, 224, 3), (20, 20, 200), np.uint8)
    halves[:, :100] = 200, 20, 20
    yield "two colours", halves
    yield "noise", np.random.default_rng(0).integers(0, 256, (224, 224, 3), dtype=np.uint8)


def caltech(folder, count, seed=0):
    """Yield (name, picture) of `count` photos in the folders of Caltech 101: one of each class, then a second one, …"""
    rng = np.random.default_rng(seed)
    classes = sorted(place for place in (folder / "photos" / "caltech101").iterdir() if place.is_dir())
    photos = [[files[k] for k in rng.permutation(len(files))] for files in
              (sorted(place.glob("*.jpg")) for place in (classes[k] for k in rng.permutation(len(classes))))]
    ordered = [files[k] for k in range(max(map(len, photos))) for files in photos if k < len(files)]
    for file in ordered[:count]:
        yield f"{file.parent.name}/{file.stem}", images.load_image(file)


def middle(model, photo, side):
    """Return the Photo of the middle side x side pixels of a Photo, to save time."""
    top = (photo.image.shape[0] - side) // 2
    image = np.ascontiguousarray(photo.image[top:top + side, top:top + side])
    x = model.preprocessing.to_input(image)
    best = np.argsort(-model.net.predict(x)[0])[:5]
    return photo._replace(image=image, x=x, top=[(int(label), 0.0) for label in best])


def failing(model, photo, names=tuple(PICTURES)):
    """Return (number of judged checks, [demo and Check of each that fails]) of one photo."""
    checks: list[tuple[str, Check]] = [(name, check) for name in names for check in PICTURES[name](model, photo)
                                       if check.judged]
    return len(checks), [(name, check) for name, check in checks if not check.passed]
