"""The error of the fast network's float32 image gradient on pictures with flat areas: python tests/benchmarks/ties.py

Where windows of a picture are equal, a max pool has ties, and the first of the equal values gets the gradient. A
convolution whose rounding depends on the position breaks such ties in another way. The gradient may err at most 5
times as much as PyTorch's float32 gradient does, or by 1e-2. An error is the norm of the difference from the plain
network's float64 gradient, divided by the norm of that gradient; "of the largest value" divides the largest difference
by the largest value instead.

The pictures are the 25 ImageNet photos, 50 photos of Caltech 101, and the 10 pictures of tests/flat_pictures.py.
SqueezeNet 1.1 has its real weights, and its objective is the score of the top class. VGG has random weights and ends
at its last pool, and its objective is the sum of the output. Weights and photos come from $MINICNN_TEST_DATA.
Needs PyTorch.
"""

import argparse
import os
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parents[1])]

import torch_oracle as oracle  # noqa: E402
from false_alarms import caltech  # noqa: E402
from flat_pictures import flat_pictures  # noqa: E402
from real_weights import read_squeezenet1_1  # noqa: E402

from minicnn import images, models  # noqa: E402
from minicnn.models.preprocessing import TORCHVISION  # noqa: E402

TIMES_TORCH, SMALL = 5, 1e-2  # the bound: the larger of 5 times PyTorch's error and 1e-2


class Case(NamedTuple):
    """A plain float32 network, PyTorch's with the same weights, and {PyTorch's module: layer}."""

    net: object
    module: object
    names: dict


class Errors(NamedTuple):
    """The errors of both sides on one picture: (of the norm, of the largest value)."""

    name: str
    ours: tuple
    torch: tuple

    @property
    def is_broken(self):
        """Whether our error is beyond the bound."""
        return self.ours[0] > max(TIMES_TORCH * self.torch[0], SMALL)


def squeezenet1_1():
    """SqueezeNet 1.1 with its real weights."""
    net = read_squeezenet1_1(Path(os.environ["MINICNN_TEST_DATA"]))
    return Case(net, oracle.with_parameters_of(net, lambda: oracle.SqueezeNet("1_1"), oracle.SQUEEZENET1_1_NAMES),
                oracle.SQUEEZENET1_1_NAMES)


def vgg16():
    """VGG-16's trunk with random weights."""
    net = models.vgg16().trunk("pool5")
    return Case(net, oracle.with_parameters_of(net, lambda: oracle.vgg_features(oracle.VGG_D), oracle.VGG16_TRUNK),
                oracle.VGG16_TRUNK)


def vgg19():
    """VGG-19's trunk with random weights."""
    net = models.vgg19().trunk("pool5")
    return Case(net, oracle.with_parameters_of(net, lambda: oracle.vgg_features(oracle.VGG_E), oracle.VGG19_TRUNK),
                oracle.VGG19_TRUNK)


NETWORKS = {build.__name__: build for build in (squeezenet1_1, vgg16, vgg19)}


def pictures(side, imagenet, of_caltech):
    """{name of a set: {name: x}}, float32 x of shape (1, 3, side, side)."""
    folder = Path(os.environ["MINICNN_TEST_DATA"])
    with np.load(folder / "photos" / "imagenet_25.npz") as data:
        sets = {"ImageNet": {str(n): photo for n, photo in enumerate(data["X"][:imagenet])},
                "Caltech 101": dict(caltech(folder, of_caltech)), "flat areas": flat_pictures(side)}
    return {title: {name: TORCHVISION.to_input(images.fit(picture, side, side)) for name, picture in some.items()}
            for title, some in sets.items() if some}


def seeds_of(net, x):
    """{the last layer: the gradient to its output} of the top class's score, or of the sum if the output is a map."""
    out = net.predict(x)
    return {net.output: np.eye(out.shape[1])[out.argmax(axis=1)] if out.ndim == 2 else np.ones_like(out)}


def image_gradient(net, x, seeds):
    """The gradient to x."""
    trace = net.forward(x, keep=())
    return net.backward(trace, {name: seed.astype(x.dtype) for name, seed in seeds.items()}, release=True)["input"]


def torch_gradient(case, x, seeds):
    """PyTorch's float32 gradient to x."""
    seeds = {name: seed.astype(np.float32) for name, seed in seeds.items()}
    return oracle.gradients(case.module, case.names, x, seeds)["input"]


def error(gradient, exact):
    """(|difference| / |exact|, the largest difference / the largest value of the exact gradient)."""
    difference = gradient - exact
    return np.linalg.norm(difference) / np.linalg.norm(exact), abs(difference).max() / abs(exact).max()


def measure(case, winograd, sets):
    """Yield (name of a set, its list of Errors)."""
    fast, exact_net = case.net.fast(winograd), case.net.astype(np.float64)
    for title, some in sets.items():
        found = []
        for name, x in some.items():
            seeds = seeds_of(exact_net, x.astype(np.float64))
            exact = image_gradient(exact_net, x.astype(np.float64), seeds)
            found.append(Errors(name, error(image_gradient(fast, x, seeds), exact),
                                error(torch_gradient(case, x, seeds), exact)))
        yield title, found


def table_row(title, found):
    """One line of the table."""
    ours, torch = (np.array([getattr(errors, side) for errors in found]) for side in ("ours", "torch"))
    ratios = ours[:, 0] / torch[:, 0]
    cells = [f"{value:.1e}" for values in (ours[:, 0], torch[:, 0]) for value in (np.median(values), values.max())]
    cells += [f"{ours[:, 1].max():.1e}", f"{torch[:, 1].max():.1e}", f"{np.median(ratios):.1f}", f"{ratios.max():.1f}"]
    broken = [errors.name for errors in found if errors.is_broken]
    return f"{title:<12}" + "".join(f"{cell:>9}" for cell in cells) + f"{len(broken):>5} of {len(found)} {broken or ''}"


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", choices=NETWORKS, default="squeezenet1_1", help="default: squeezenet1_1")
    parser.add_argument("--winograd", choices=["4", "2", "off"], default="4", help="tile of 3x3 convolutions (default: "
                        "4)")
    parser.add_argument("--photos", type=int, default=75, metavar="N", help="number of photos, a third of ImageNet and "
                        "the others of Caltech 101 (default: 75)")
    parser.add_argument("--side", type=int, default=224, metavar="PIXELS", help="side of the pictures (default: 224)")
    arguments = parser.parse_args()
    winograd = arguments.winograd if arguments.winograd == "off" else int(arguments.winograd)
    sets = pictures(arguments.side, arguments.photos // 3, arguments.photos - arguments.photos // 3)
    print(f"{'':12}{'ours':>18}{'PyTorch':>18}{'of the largest':>18}{'ours / PyTorch':>18}{'beyond':>7}")
    print(f"{'':12}" + "".join(f"{cell:>9}" for cell in ("median", "largest", "median", "largest", "ours", "PyTorch",
                                                         "median", "largest")) + f"{'the bound':>12}")
    for title, found in measure(NETWORKS[arguments.network](), winograd, sets):
        print(table_row(title, found), flush=True)


if __name__ == "__main__":
    main()
