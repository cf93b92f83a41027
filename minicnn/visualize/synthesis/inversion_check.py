"""The objective numbers behind a row of inverted features."""

import numpy as np

from minicnn.visualize.check import Check, below
from minicnn.visualize.synthesis.inversion import feature_error


def check_inversion(net, reports, targets, name, shape):
    """Reports {layer: Inverted} of one photo, in the order of depth, and the targets {layer: activations}: the pictures
    keep in 8 bits what they show, they have the activations better than a flat picture, (1, C, H, W), and the deeper
    the layer, the less is left of the photo, but for half a decibel. name : of the photo, for what is said.

    The feature error is no measure of that: few numbers are more easily matched than many, and with one smoothing for
    all layers it falls with the depth; where deep layers are smoothed more, it goes up and down. Each is only bounded.
    A zebra in six layers of SqueezeNet, by "tuned": 18.1, 12.7, 12.2, 10.3, 9.9, 9.7 dB; 7, 8, 6, 13, 6, 4 % of error.
    """
    flat = np.zeros(shape, np.float32)  # the mean colour
    rounded = max(report.error_8bit / report.error for report in reports.values())
    share = max(report.error / feature_error(net, layer, flat, targets[layer]) for layer, report in reports.items())
    errors, psnrs = ([getattr(report, key) for report in reports.values()] for key in ("error", "psnr"))
    checks = [below(f"{name}: feature error in 8 bits, as a multiple of the error before rounding, worst layer",
                    rounded, 2),
              below(f"{name}: feature error, worst layer", max(errors), 0.25),
              below(f"{name}: feature error, as a share of a flat picture's, worst layer", share, 0.5)]
    if len(reports) > 1:
        checks += [below(f"{name}: largest rise of the PSNR to the photo from a layer to a deeper one, dB",
                         max(deeper - min(psnrs[:n + 1]) for n, deeper in enumerate(psnrs[1:])), 0.5),
                   Check(f"{name}: feature error of the deepest layer over the first one's", errors[-1] / errors[0],
                         "reported, not judged: how smooth a picture has to be differs from layer to layer", True)]
    return checks
