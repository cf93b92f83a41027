"""The objective numbers behind a row of inverted features."""

import numpy as np
from scipy.stats import spearmanr

from minicnn.visualize.checks import Check, below
from minicnn.visualize.inversion import feature_error


def check_inversion(net, reports, targets, name, shape):
    """Reports {layer: Inverted} of one photo, in the order of depth, and the targets {layer: activations}: the pictures
    keep in 8 bits what they show, they have the activations better than a flat picture, (1, C, H, W), and the deeper
    the layer, the less is left of the photo; of four layers, two neighbours may change places (-0.8). name : of the
    photo, for what is said.
    """
    flat = np.zeros(shape, np.float32)  # the mean colour
    rounded = max(report.error_8bit / report.error for report in reports.values())
    share = max(report.error / feature_error(net, layer, flat, targets[layer]) for layer, report in reports.items())
    checks = [below(f"{name}: feature error in 8 bits, as a multiple of the error before rounding, worst layer",
                    rounded, 2),
              below(f"{name}: feature error, as a share of a flat picture's, worst layer", share, 0.5)]
    if len(reports) > 2:
        errors, psnrs = ([getattr(report, key) for report in reports.values()] for key in ("error", "psnr"))
        rises, falls = (float(spearmanr(range(len(values)), values).statistic) for values in (errors, psnrs))
        checks += [Check(f"{name}: rank correlation of depth with the feature error", rises,
                         "reported, not judged: the error depends on how smooth the pictures are made too", True),
                   below(f"{name}: rank correlation of depth with the PSNR to the photo", falls, -0.7)]
    return checks
