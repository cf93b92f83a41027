"""The objective numbers of fooling images: the network's answer, the size of the change, and other networks."""

from collections.abc import Sequence

import numpy as np

from minicnn.backend import to_device, to_host
from minicnn.models.preprocessing import Preprocessing
from minicnn.network import Network
from minicnn.visualize.check import Check, above, below
from minicnn.visualize.synthesis.fooling import Fooled, target_margin

LEAST_PSNR = 30.0  # dB; smaller values can be seen in a direct comparison


def check_fooling(net: Network, original: np.ndarray, picture: np.ndarray, report: Fooled, target: int,
                  preprocessing: Preprocessing, rng: np.random.Generator, name: str, epsilon: int = 0) -> list[Check]:
    """Return the Checks of a fooling image.

    The network classifies the 8-bit picture as the target, but not after a random change of the same length. The
    picture looks like the original.

    Parameters
    ----------
    net, target, preprocessing : as in `fooling_image`.
    original, picture : uint8 (H, W, 3).
    report : the Fooled of the picture.
    rng : the generator of the random change.
    name : the picture's name, for the Checks.
    epsilon : the largest change of a colour, in levels of 255; 0: no bound.
    """
    noise = rng.standard_normal(original.shape)
    random = np.clip(np.rint(original + noise * (report.l2 / np.linalg.norm(noise))), 0, 255).astype(np.uint8)
    control = target_margin(net, random, target, preprocessing)
    bound = [below(f"largest change of a colour in {name}, levels of 255", report.linf, epsilon)] if epsilon else []
    return [Check(f"margin of the target's score in {name}, 8 bits, after {report.steps} steps", report.margin,
                  "more than 0", report.survived and target_margin(net, picture, target, preprocessing) > 0),
            below(f"margin after a random change of the same length, {report.l2:.0f} levels", control, 0.0),
            above(f"PSNR of {name} to the original, dB", report.psnr, LEAST_PSNR), *bound]


def transfer(net: Network, preprocessing: Preprocessing, originals: np.ndarray, pictures: np.ndarray,
             targets: Sequence[int]) -> tuple[int, int]:
    """Return how many pictures change the answer of another network, and how many it classifies as their target.

    originals, pictures : uint8 (N, H, W, 3). They are not resized, as resizing alone can remove a small change.
    """
    before, after = (to_host(net.predict(to_device(preprocessing.to_input(images), net.device))).argmax(axis=1)
                     for images in (originals, pictures))
    return int((before != after).sum()), int((after == np.asarray(targets)).sum())


def check_transfer(name: str, net: Network, preprocessing: Preprocessing, originals: np.ndarray, pictures: np.ndarray,
                   targets: Sequence[int]) -> list[Check]:
    """Return the numbers of `transfer` as Checks that are reported and not judged. name : of the other network."""
    changed, hit = transfer(net, preprocessing, originals, pictures, targets)
    return [Check(f"pictures for which {name} changes its answer too", changed,
                  f"reported, not judged: of {len(pictures)}", True),
            Check(f"pictures that {name} classifies as the target too", hit,
                  f"reported, not judged: of {len(pictures)}", True)]
