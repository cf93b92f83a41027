"""Every demo bears odd pictures: of one colour, of four pixels, very long, grey, transparent; or says why not."""

import numpy as np
import pytest
from demo_runs import exit_code
from PIL import Image

from demos import (
    activations,
    attribution,
    compare,
    deepdream,
    fast_style,
    fooling,
    guided_backprop,
    inversion,
    occlusion,
    patches,
    pgd,
    saliency,
    style_transfer,
    texture_gram,
    texture_pixels,
)

pytestmark = pytest.mark.usefixtures("empty_cache")
NOISE = np.random.default_rng(0).integers(0, 256, (2, 2000, 3), dtype=np.uint8)
PICTURES = {"flat": np.full((60, 60, 3), (90, 120, 40), np.uint8), "black": np.zeros((64, 64, 3), np.uint8),
            "white": np.full((50, 70, 3), 255, np.uint8), "two": NOISE[:, :2], "long": NOISE,
            "tall": NOISE.swapaxes(0, 1), "grey": NOISE[0, :1600, 0].reshape(40, 40),
            "clear": np.zeros((40, 40, 4), np.uint8)}
DEMOS = [(saliency, []), (activations, []), (guided_backprop, []), (attribution, []), (occlusion, []), (patches, []),
         (compare, ["--stages", "1", "--draws", "1", "--pictures", "0"]), (fooling, ["--steps", "5"]),
         (pgd, ["--steps", "2", "--radii", "4"]),
         (inversion, ["--rates", "2x0.004"]), (deepdream, ["--steps", "1"]), (texture_gram, ["--steps", "2"]),
         (style_transfer, ["--steps", "2"]), (fast_style, ["--size", "48"])]


def run(module, options, picture, folder, capsys):
    """Run the demo on the picture. It makes its pictures, or refuses the photo in one line."""
    Image.fromarray(PICTURES[picture]).save(folder / "photo.png")
    code = exit_code(module, folder / "photo.png", *options, "--device", "cpu", "--out", folder / "out")
    error = capsys.readouterr().err
    assert code == 0 and list((folder / "out").glob("*.png")) or code == 2 and error.count("\n") == 1, error
    return code


@pytest.mark.parametrize("picture", ["flat", "long"])
@pytest.mark.parametrize(("module", "options"), DEMOS, ids=lambda value: getattr(value, "__name__", "")[6:])
def test_flat_and_long_pictures(module, options, picture, tmp_path, capsys):
    model = [] if module is fast_style else ["--model", "shapes"]
    code = run(module, [*options, *model], picture, tmp_path, capsys)
    assert code == 0 or picture == "long" and module in (deepdream, texture_gram, style_transfer, fast_style)


@pytest.mark.parametrize("picture", PICTURES)
@pytest.mark.parametrize(("module", "options"), [(saliency, []), (guided_backprop, [])],
                         ids=lambda value: getattr(value, "__name__", "")[6:])
def test_every_odd_picture(module, options, picture, tmp_path, capsys):
    assert run(module, [*options, "--model", "shapes"], picture, tmp_path, capsys) == 0


@pytest.mark.parametrize("picture", PICTURES)
def test_a_texture_of_every_odd_picture(picture, tmp_path, capsys):
    code = run(texture_pixels, ["--size", "16", "--window", "5", "--windows"], picture, tmp_path, capsys)
    assert code == 0 or picture in ("two", "long", "tall")  # smaller than the window


@pytest.mark.parametrize("picture", ["flat", "black", "two"])
def test_a_comparison_of_odd_pictures(picture, tmp_path, capsys):
    assert run(compare, ["--model", "shapes", "--stages", "1", "--draws", "1", "--pictures", "0"], picture, tmp_path,
               capsys) == 0
