"""The objective numbers of deletion and insertion curves, for one picture and for a set of pictures."""

from collections.abc import Mapping

import numpy as np

from minicnn.backend import Array, to_host
from minicnn.network import Network
from minicnn.visualize.attribution.deletion import RANDOM, area, blurred, deletion_insertion, mean_area
from minicnn.visualize.attribution.occlusion import class_probability
from minicnn.visualize.check import Check, below

ONE_PICTURE = "reported, not judged on one picture"

Curves = Mapping[str, Array]  # {method: (K, steps + 1)}, with RANDOM


def check_curves(net: Network, x: Array, label: int, deletion: Curves, insertion: Curves) -> list[Check]:
    """Return the Check that the curves of one image begin and end at the right probabilities, and report their areas.

    A deletion curve goes from the photo to the mean colour. An insertion curve goes from the blurred photo to the
    photo. x : (1, C, H, W).
    """
    x = to_host(x)
    photo, grey, soft = (float(class_probability(net, image, label)[0]) for image in (x, np.zeros_like(x), blurred(x)))
    errors = [abs(curve[:, end] - p).max() for curves, ends in ((deletion, (photo, grey)), (insertion, (soft, photo)))
              for curve in curves.values() for end, p in zip((0, -1), ends, strict=True)]
    checks = [below("curves: largest difference of their ends from the probability of the photo, of the mean colour "
                    "and of the blurred photo", max(errors), 1e-5)]
    for name, curves in (("deletion", deletion), ("insertion", insertion)):
        areas = {method: mean_area(curve) for method, curve in curves.items()}
        spread = np.std([area(curve) for curve in curves[RANDOM]])
        random = areas.pop(RANDOM)
        checks.append(Check(f"{name}: mean area of the methods", float(np.mean(list(areas.values()))),
                            f"{ONE_PICTURE}: in random order {random:.3f} ± {spread:.3f}", True))
    return checks


def check_mean_areas(net: Network, x: Array, labels: Array, maps: Mapping[str, Array], rng: np.random.Generator,
                     steps: int = 10) -> list[Check]:
    """Return the Checks that even the worst method's curves are better than random order, on the mean over pictures.

    x : pictures (N, C, H, W). labels : (N,). maps : {method: (N, H, W)}.
    """
    means = mean_areas(net, x, labels, maps, rng, steps)
    checks = []
    for kind, worst, sign in (("deletion", max, -1), ("insertion", min, 1)):
        areas = dict(means[kind])
        random = areas.pop(RANDOM)
        method = worst(areas, key=areas.__getitem__)
        checks.append(Check(f"{kind}: mean area over {len(x)} pictures, of the worst method, {method}",
                            areas[method], f"{'less' if sign < 0 else 'more'} than {random:.3f}, in random order",
                            sign * (areas[method] - random) > 0))
    return checks


def mean_areas(net: Network, x: Array, labels: Array, maps: Mapping[str, Array], rng: np.random.Generator,
               steps: int) -> dict[str, dict[str, float]]:
    """Return {"deletion" or "insertion": {method: mean over the pictures of the area under its curves}}."""
    areas: dict[str, list[dict[str, float]]] = {"deletion": [], "insertion": []}
    for n, label in enumerate(labels):
        image_maps = {method: values[n:n + 1] for method, values in maps.items()}
        both = deletion_insertion(net, x[n:n + 1], int(label), image_maps, rng, steps=steps, orders=2)
        for kind, curves in zip(areas, both, strict=True):
            areas[kind].append({method: mean_area(curve) for method, curve in curves.items()})
    return {kind: {method: float(np.mean([one[method] for one in pictures])) for method in pictures[0]}
            for kind, pictures in areas.items()}
