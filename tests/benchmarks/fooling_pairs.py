"""Fooling images of 25 photos with two targets each: python tests/benchmarks/fooling_pairs.py [--preset margin]

It also counts the results that fool another network, in both directions. Needs squeezenet1_1 and squeezenet1_0_caffe in
the cache folder, and the photos in $MINICNN_TEST_DATA.
"""

import argparse
import os
import pathlib
from dataclasses import replace

import numpy as np

from minicnn import load_model
from minicnn.backend import to_device, to_host
from minicnn.visualize.synthesis.fooling import FOOLING_PRESETS, fooling_image
from minicnn.visualize.synthesis.fooling_check import transfer

STINGRAY = 6


def fool_all(model, photos, preset, margin):
    """Return (pictures, targets): each photo with the target stingray, then with its least likely class.

    Print a line for each of the two.
    """
    x = model.preprocessing.to_input(photos)
    least = [int(to_host(model.net.predict(to_device(image[None], model.net.device)))[0].argmin()) for image in x]
    pictures, all_targets = [], []
    for name, targets in (("stingray", [STINGRAY] * len(x)), ("least likely", least)):
        made = [fooling_image(model.net, image[None], target, model.preprocessing,
                              replace(FOOLING_PRESETS[preset], margin=margin))
                for image, target in zip(x, targets, strict=True)]
        pictures += [picture for picture, *_ in made]
        all_targets += targets
        reports = [report for _, report, _ in made]
        columns = {key: [getattr(report, key) for report in reports]
                   for key in ("steps", "linf", "l2", "psnr", "margin")}
        print(f"{model.name}, {preset}, {name}: {sum(report.survived for report in reports)} of {len(x)} fooled; "
              + "; ".join(f"{key} {min(values):.4g} / {np.median(values):.4g} / {max(values):.4g}"
                          for key, values in columns.items()), flush=True)
    return np.stack(pictures), all_targets


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--preset", default="margin", help="margin or cs231n (default: margin)")
    parser.add_argument("--margin", type=float, default=0.0,
                        help="margin of the target over all other classes that ends the steps (default: 0)")
    arguments = parser.parse_args()
    photos = np.load(pathlib.Path(os.environ["MINICNN_TEST_DATA"], "photos", "imagenet_25.npz"))["X"]
    print("smallest / median / largest; sizes of the change in levels of 255")
    models = [load_model(name).fast() for name in ("squeezenet1_1", "squeezenet1_0_caffe")]
    for model, other in (models, models[::-1]):
        pictures, targets = fool_all(model, photos, arguments.preset, arguments.margin)
        changed, hit = transfer(other.net, other.preprocessing, np.tile(photos, (2, 1, 1, 1)), pictures, targets)
        print(f"{other.name} changes its answer for {changed} of these {len(pictures)}, and classifies {hit} as the "
              "target")
