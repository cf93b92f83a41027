"""False alarms: judged checks that fail on right pictures: python tests/benchmarks/false_alarms_synthesis.py

The per-photo demos of synthesis, texture and style run at a small size and with few steps, on the 25 ImageNet photos, a
share of Caltech 101, a flat grey picture, two colours, and noise. Every judged check must pass. Needs
MINICNN_TEST_DATA, and the network in the cache folder; any_style needs vgg19_autoencoder there.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from demos import (
    any_style,
    deepdream,
    fast_style,
    fooling,
    inversion,
    pgd,
    semantic_grid,
    style_transfer,
    texture_gram,
    texture_pixels,
)
from demos.shared.inputs import Photo
from demos.shared.preset_choice import default_style, default_texture, style_presets, texture_presets
from demos.shared.style_inputs import Sources
from minicnn import images
from minicnn.backend import to_host
from minicnn.datasets.drawings import draw_style
from minicnn.errors import InputError
from minicnn.models import Model, load_model
from minicnn.visualize.check import Check
from minicnn.visualize.style.any_style import STROKES
from minicnn.visualize.synthesis.deepdream import DreamSettings
from minicnn.visualize.synthesis.fooling import FoolingSettings
from minicnn.visualize.synthesis.inversion_settings import FOURIER, TUNED
from minicnn.visualize.synthesis.pgd import LINF

TUNED_RATES, FOURIER_RATES = ((4, 4e-3), (2, 4e-4)), ((6, 0.05), (2, 0.01))


def checks_of(pictures: Iterator) -> list[Check]:
    """Return the Checks of a demo's Pictures."""
    return [check for picture in pictures for check in picture.checks]


def fitted(model: Model, photo: np.ndarray) -> Photo:
    """Return the demos' Photo of a picture, uint8 (H, W, 3)."""
    image = images.fit(photo, model.preprocessing.resize, model.preprocessing.crop)
    x = model.preprocessing.to_input(image)
    scores = to_host(model.net.predict(x))[0]
    return Photo("photo", image, x, [(int(label), 0.0) for label in np.argsort(-scores)[:5]])


def dream(model: Model, photo: np.ndarray) -> list[Check]:
    """Return the Checks of a dream of two octaves."""
    settings = DreamSettings(num_octaves=2, num_steps=2)
    small, layer = images.resize_long_side(photo, 160), deepdream.default_layers(model.net)[0]
    return checks_of(deepdream.pictures(model, "photo", small, [deepdream.Dream(layer)], settings=settings))


def invert(model: Model, photo: np.ndarray) -> list[Check]:
    """Return the Checks of two inverted layers, each from the pixels and from waves."""
    given, (_, early, *_, late) = [fitted(model, photo)], inversion.default_layers(model.net)
    return [check for settings in (replace(TUNED, rates=TUNED_RATES), replace(FOURIER, rates=FOURIER_RATES))
            for check in checks_of(inversion.pictures(model, given, (early, late), settings=settings))]


def fool(model: Model, photo: np.ndarray) -> list[Check]:
    """Return the Checks of a fooling image within a bound, of up to 20 steps."""
    return checks_of(fooling.pictures(model, [fitted(model, photo)], settings=FoolingSettings(num_steps=20, epsilon=4)))


def attack(model: Model, photo: np.ndarray) -> list[Check]:
    """Return the Checks of an attack within a ball."""
    return checks_of(pgd.attacked(model, [fitted(model, photo)], replace(LINF, num_steps=4), None, 0, None))


def draw_places(model: Model, photo: np.ndarray) -> list[Check]:
    """Return the Checks of a semantic grid of four places."""
    return checks_of(semantic_grid.pictures(model, fitted(model, photo), cells=2))


def transfer(model: Model, photo: np.ndarray) -> list[Check]:
    """Return the Checks of a photo in drawn strokes, with its own colours."""
    sources = Sources(photo, [draw_style("strokes", np.random.default_rng(0), 96)], ["photo", "strokes"], None)
    settings = replace(style_presets(model)[default_style(model)], size=96, num_steps=4, colours="original")
    return checks_of(style_transfer.pictures(model, sources, settings))


def paint(model: Model, photo: np.ndarray) -> list[Check]:
    """Return the Checks of a photo painted by the shipped transform network, in its first style."""
    painter = load_model("styles", model.net.device).fast()
    painted = fast_style.paint(painter, "photo", images.resize_long_side(photo, 128))
    return checks_of(fast_style.pictures(painter, [painted], mixture=np.eye(len(painter.styles))[0]))


def any_painting(model: Model, photo: np.ndarray) -> list[Check]:
    """Return the Checks of a photo painted by the decoders of VGG-19, and of its reconstructions by each of them."""
    painter, small = load_model("vgg19_autoencoder", model.net.device).fast(), images.resize_long_side(photo, 96)
    sources = Sources(small, [draw_style("strokes", np.random.default_rng(0), 96)], ["photo", "strokes"], None)
    return [*checks_of(any_style.pictures(painter, sources, replace(STROKES, size=96))),
            *checks_of(any_style.inversion_pictures(painter, "photo", small))]


def gram_texture(model: Model, photo: np.ndarray) -> list[Check]:
    """Return the Checks of a texture with the Gram matrices of two layers."""
    source = texture_gram.Source("photo", images.resize_short_side(photo, 96))
    settings = texture_presets(model)[default_texture(model)]
    settings = replace(settings, num_steps=4, layers=dict(list(settings.layers.items())[:2]))
    return checks_of(texture_gram.pictures(model, source, settings, (2,)))


def pixel_texture(model: Model, photo: np.ndarray) -> list[Check]:
    """Return the Checks of the textures of a crop of 32x32 pixels, copied pixel by pixel."""
    top, left = ((side - 32) // 2 for side in photo.shape[:2])
    sample = np.ascontiguousarray(photo[top:top + 32, left:left + 32])
    return checks_of(texture_pixels.pictures(sample, "crop", size=24, window=7, sweep=()))


DEMOS: dict[str, Callable[[Model, np.ndarray], list[Check]]] = {
    "deepdream": dream, "inversion": invert, "fooling": fool, "style_transfer": transfer, "fast_style": paint,
    "texture_gram": gram_texture, "texture_pixels": pixel_texture, "pgd": attack, "semantic_grid": draw_places,
    "any_style": any_painting}


def hard_pictures() -> dict[str, np.ndarray]:
    """Return {name: uint8 (H, W, 3)} of a flat grey picture, two colours, and noise."""
    flat = np.full((180, 224, 3), 128, np.uint8)
    two = flat.copy()
    two[:70] = (20, 200, 60)
    return {"flat": flat, "two colours": two,
            "noise": np.random.default_rng(0).integers(0, 256, flat.shape).astype(np.uint8)}


def photos_of(folder: Path, share: int) -> Iterator[tuple[str, np.ndarray]]:
    """Yield (name, uint8 (H, W, 3)) of the hard pictures, the 25 ImageNet photos, and `share` photos of Caltech 101."""
    yield from hard_pictures().items()
    with np.load(folder / "photos" / "imagenet_25.npz") as file:
        yield from ((f"imagenet {n}", photo) for n, photo in enumerate(file["X"]))
    files = sorted((folder / "photos" / "caltech101").glob("*/*.jpg"))
    for file in files[::max(1, len(files) // max(1, share))][:share]:
        yield f"{file.parent.name}/{file.name}", images.load_image(file)


def run(demo: str, model: Model, name: str, photo: np.ndarray, count: list) -> None:
    """Run a demo on a photo, print the judged checks that fail, and add to `count`."""
    start = time.perf_counter()
    try:
        judged = [check for check in DEMOS[demo](model, photo) if check.judged]
    except InputError as problem:
        print(f"{demo}, {name}: {problem}", flush=True)
        judged, count[3] = [], count[3] + 1
    failed = [check for check in judged if not check.passed]
    for check in failed:
        print(f"FAIL {demo}, {name}: {check.what}: {check.value:.4g}, expected {check.expected}", flush=True)
    count[0], count[1], count[2] = count[0] + 1, count[1] + len(judged), count[2] + len(failed)
    count[4] += time.perf_counter() - start


def main() -> None:
    """Print the judged checks that fail, and a line of counts for each demo. Exit with 1 if one fails."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--caltech", type=int, default=200, help="photos of Caltech 101 (default: 200)")
    parser.add_argument("--model", default="squeezenet1_1", help="name of the network (default: squeezenet1_1)")
    parser.add_argument("--demo", action="append", choices=DEMOS, help="only these demos")
    arguments = parser.parse_args()
    model = load_model(arguments.model, "cpu").fast()
    counts = {name: [0, 0, 0, 0, 0.0] for name in arguments.demo or DEMOS}  # photos, judged, failed, refused, seconds
    try:
        for name, photo in photos_of(Path(os.environ["MINICNN_TEST_DATA"]), arguments.caltech):
            for demo, count in counts.items():
                run(demo, model, name, photo, count)
    except KeyboardInterrupt:
        print("interrupted: the counts until now")
    for demo, (photos, judged, failed, refused, seconds) in counts.items():
        print(f"{demo:15} {photos:4} photos, {judged:5} judged checks, {failed} failed, {refused} refused, "
              f"{seconds / max(1, photos):.2f} s a photo")
    sys.exit(any(count[2] for count in counts.values()))


if __name__ == "__main__":
    main()
