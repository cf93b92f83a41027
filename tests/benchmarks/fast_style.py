"""Compare one pass of the shipped network with the optimizer steps that reach the same loss, in number and time.

python tests/benchmarks/fast_style.py PHOTO [PHOTO …] [--model FILE] [--sizes 128 256]

The loss network, squeezenet1_1, is read from the cache folder. The photos must not be in the training set. The numbers
of steps are means over the photos: L-BFGS from white noise, as in Johnson et al. 2016; L-BFGS from the photo; Adam from
the photo with the settings of the CS231n notebook (learning rate 3, clamp 1.5).
"""

import argparse
import time

import numpy as np

from demos.fast_style import SHIPPED
from demos.train_fast_style import default_preset, drawn_style, each_style
from minicnn import images, load_model
from minicnn.optimize import Adam, Clamp
from minicnn.visualize import perceptual_loss
from minicnn.visualize.style.fast_style import mirrored
from minicnn.visualize.style.fast_style_check import optimiser_steps, painted, total_loss
from minicnn.visualize.style.perceptual import FAST_PRESETS

MOST = 200  # largest number of steps to try


def ways(x):
    """Return {name: (start, settings of `optimiser_steps`)} for one photo x, (1, 3, H, W)."""
    noise = np.random.default_rng(0).standard_normal(x.shape).astype(x.dtype)
    return {"L-BFGS from noise": (noise, {}), "L-BFGS from the photo": (x, {}),
            "CS231n's Adam": (x, {"update": Adam(3.0), "project": (Clamp(-1.5, 1.5),)})}


def measure(loss, net, photos):
    """Return the means over photos x, [(1, 3, H, W), …]: (loss of the photo, loss of the painting, ms of a pass,
    {way: (steps, ms of these steps)})."""
    rows = []
    for x in photos:
        net.predict(x)
        begun = time.perf_counter()
        out = painted(net, x)[0]
        spent = time.perf_counter() - begun
        row = [total_loss(loss, x, x), total_loss(loss, x, out), 1e3 * spent]
        for start, settings in ways(x).values():
            begun = time.perf_counter()
            steps = optimiser_steps(loss, x, start, row[1], MOST, **settings)
            row += [steps, 1e3 * (time.perf_counter() - begun)]
        rows.append(row)
    before, after, milliseconds, *found = np.mean(rows, axis=0)
    return before, after, milliseconds, dict(zip(ways(photos[0]), zip(found[::2], found[1::2], strict=True),
                                                 strict=True))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", nargs="+")
    parser.add_argument("--model", default=SHIPPED)
    parser.add_argument("--sizes", type=int, nargs="+", default=[128, 256])
    arguments = parser.parse_args()
    judge, painter = load_model("squeezenet1_1", "cpu").fast(), load_model(arguments.model, "cpu").fast()
    settings = FAST_PRESETS[default_preset(judge)]
    for size in arguments.sizes:
        photos = [painter.preprocessing.to_input(mirrored(images.resize_long_side(images.load_image(path), size)))
                  for path in arguments.photos]
        for name, net in each_style(painter.net, painter.styles).items():
            loss = perceptual_loss(judge.net, drawn_style(name), judge.preprocessing, settings)
            before, after, milliseconds, found = measure(loss, net, photos)
            print(f"{size} px, {name}: loss {before:.2f} -> {after:.2f} in {milliseconds:.0f} ms; "
                  + "; ".join(f"{way} {steps:.1f} steps, {spent:.0f} ms" for way, (steps, spent) in found.items()),
                  flush=True)
