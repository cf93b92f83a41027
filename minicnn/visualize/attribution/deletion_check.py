"""The objective numbers of deletion and insertion curves, for one picture and for a set of pictures."""

from collections.abc import Mapping

import numpy as np

from minicnn.backend import Array, to_host
from minicnn.network import Network
from minicnn.visualize.attribution.deletion import RANDOM, area, blurred, deletion_insertion, mean_area
from minicnn.visualize.attribution.occlusion import class_probability
from minicnn.visualize.check import Check, below, reported

Curves = Mapping[str, Array]  # {method: (K, steps + 1)}, with RANDOM


def check_curves(net: Network, x: Array, label: int, deletion: Curves, insertion: Curves,
                 maps: Mapping[str, Array], grid: int = 14) -> list[Check]:
    """Return the Checks that the curves of one image are the probabilities of the right pictures; report their areas.

    A deletion curve goes from the photo to the mean colour. An insertion curve goes from the blurred photo to the
    photo. In between, one point of each curve is computed again. x : (1, C, H, W). maps : {method: (1, H, W)}. grid :
    of deletion_insertion.
    """
    x = to_host(x)
    grey, soft = np.zeros_like(x), blurred(x)
    ends = [float(class_probability(net, image, label)[0]) for image in (x, grey, soft)]
    errors = [abs(curve[:, end] - p).max()
              for curves, both in ((deletion, ends[:2]), (insertion, (ends[2], ends[0])))
              for curve in curves.values() for end, p in zip((0, -1), both, strict=True)]
    inside = [abs(float(curves[method][0, k]) - float(class_probability(net, exchanged(before, after, top), label)[0]))
              for method, values in maps.items() if (split := most_important(values[0], grid, curves_steps(deletion)))
              for k, top in [split] for curves, before, after in ((deletion, x, grey), (insertion, soft, x))]
    checks = [below("curves: largest difference of their ends from the probability of the photo, of the mean colour "
                    "and of the blurred photo", max(errors), 1e-4),
              below(f"curves: largest difference of {len(inside)} points between from the probability with the most "
                    "important blocks exchanged", max(inside, default=0.0), 1e-4)]
    for name, curves in (("deletion", deletion), ("insertion", insertion)):
        areas = {method: mean_area(curve) for method, curve in curves.items()}
        spread = np.std([area(curve) for curve in curves[RANDOM]])
        random = areas.pop(RANDOM)
        checks.append(reported(f"{name}: mean area of the methods", float(np.mean(list(areas.values()))),
                               f"in random order {random:.3f} ± {spread:.3f}"))
    return checks


def curves_steps(curves: Curves) -> int:
    """Return the number of steps of the curves."""
    return next(iter(curves.values())).shape[1] - 1


def most_important(values: Array, grid: int, steps: int) -> tuple[int, Array] | None:
    """Return (step, the pixels that are exchanged after this step, bool (H, W)), about in the middle of a curve.

    It is None if no step in question separates the blocks clearly: equal blocks are exchanged in random order.
    values : the map, (H, W).
    """
    H, W = values.shape
    rows, columns = np.arange(H) * grid // H, np.arange(W) * grid // W
    means = np.array([[values[np.ix_(rows == i, columns == j)].mean(dtype=np.float64) for j in range(grid)]
                      for i in range(grid)])
    order = np.sort(means.ravel())[::-1]
    for k in sorted(range(1, steps), key=lambda k: abs(k - steps / 3)):
        count = round(grid * grid * k / steps)
        if 0 < count < len(order) and order[count - 1] - order[count] > 1e-6 * np.abs(order).max():
            return k, (means >= order[count - 1])[np.ix_(rows, columns)]
    return None


def exchanged(before: Array, after: Array, pixels: Array) -> Array:
    """Return a copy of the image `before`, (1, C, H, W), with some pixels, bool (H, W), of the image `after`."""
    image = before.copy()
    image[:, :, pixels] = after[:, :, pixels]
    return image


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
