"""The objective numbers behind a fooling image."""

import numpy as np

from minicnn.backend import to_device, to_host
from minicnn.visualize.check import Check, above, below
from minicnn.visualize.synthesis.fooling import target_margin

SEEN = 30.0  # dB of PSNR; less can be seen at a second look


def check_fooling(net, original, picture, report, target, preprocessing, rng, name, epsilon=0):
    """A picture and its original, uint8 (H, W, 3): it is taken for the target as 8 bits hold it, which a random change
    as long does not bring about, and it looks the same. name : of the picture, for what is said.
    """
    noise = rng.standard_normal(original.shape)
    random = np.clip(np.rint(original + noise * (report.l2 / np.linalg.norm(noise))), 0, 255).astype(np.uint8)
    control = target_margin(net, random, target, preprocessing)
    bound = [below(f"largest change of a colour in {name}, levels of 255", report.linf, epsilon)] if epsilon else []
    return [Check(f"margin of the target's score in {name}, 8 bits, after {report.steps} steps", report.margin,
                  "more than 0", report.survived and target_margin(net, picture, target, preprocessing) > 0),
            below(f"the same after a random change as long, {report.l2:.0f}", control, 0.0),
            above(f"PSNR of {name} to the original, dB", report.psnr, SEEN), *bound]


def transfer(net, preprocessing, originals, pictures, targets):
    """(how many pictures change the answer of another network, how many make it answer the target).

    originals, pictures : uint8 (N, H, W, 3), shown as they are, not resized: that alone can undo a small change.
    """
    before, after = (to_host(net.predict(to_device(preprocessing.to_input(images), net.device))).argmax(axis=1)
                     for images in (originals, pictures))
    return int((before != after).sum()), int((after == np.asarray(targets)).sum())


def check_transfer(name, net, preprocessing, originals, pictures, targets):
    """The same as Checks, reported and not judged; name : of the other network."""
    changed, hit = transfer(net, preprocessing, originals, pictures, targets)
    return [Check(f"pictures for which {name} changes its answer too", changed,
                  f"reported, not judged: of {len(pictures)}", True),
            Check(f"pictures that {name} takes for the target too", hit,
                  f"reported, not judged: of {len(pictures)}", True)]
