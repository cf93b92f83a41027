"""Count the judged checks that fail on right pictures: python tests/benchmarks/false_alarms.py [--caltech 200]

It makes the pictures of tests/false_alarms.py of the 25 ImageNet photos, of photos of Caltech 101, and of pictures
without texture, by default with SqueezeNet 1.1 from the cache folder. The photos are those of $MINICNN_TEST_DATA.
"""

import argparse
import os
import pathlib
import sys
import time

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))
from false_alarms import PICTURES, caltech, failing, middle, odd_pictures  # noqa: E402

from demos.shared.inputs import classify  # noqa: E402
from minicnn import load_model  # noqa: E402


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--caltech", type=int, default=200, metavar="N", help="photos of Caltech 101 (default: 200)")
    parser.add_argument("--side", type=int, default=224, metavar="PIXELS", help="side of the middle of each picture, "
                        "which is used to save time (default: 224, the whole picture)")
    parser.add_argument("--model", default="squeezenet1_1", help="name of the network (default: squeezenet1_1)")
    parser.add_argument("--demos", nargs="+", choices=PICTURES, default=list(PICTURES), help="demos (default: all)")
    arguments = parser.parse_args()
    folder = pathlib.Path(os.environ["MINICNN_TEST_DATA"])
    model = load_model(arguments.model, "cpu").fast()
    with np.load(folder / "photos" / "imagenet_25.npz") as data:
        photos = [(f"imagenet {n}", picture) for n, picture in enumerate(data["X"])]
    pictures = [*odd_pictures(), *photos, *caltech(folder, arguments.caltech)]
    total, alarms, start = 0, 0, time.perf_counter()
    for n, (name, picture) in enumerate(pictures, 1):
        count, failed = failing(model, middle(model, classify(model, name, picture), arguments.side), arguments.demos)
        total, alarms = total + count, alarms + len(failed)
        for demo, check in failed:
            print(f"{name}, {demo}: {check.what}: {check.value:.4g} (expected {check.expected})", flush=True)
        print(f"\r{n} of {len(pictures)} pictures, {alarms} of {total}", end="", file=sys.stderr)
    print(f"{alarms} false alarms of {total} judged checks on {len(pictures)} pictures, "
          f"{time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
