"""The objective numbers behind a row of inverted features."""

import numpy as np
from scipy.stats import spearmanr

from minicnn.visualize.checks import Check, below
from minicnn.visualize.inversion import feature_error


def check_inversion(net, reports, targets, preprocessing, name, shape):
    """Reports {layer: Inverted} of one photo, in the order of depth, and the targets {layer: activations}: the pictures
    keep in 8 bits what they show, they have the activations better than a flat picture, (1, C, H, W), and the deeper
    the layer, the less is left of the photo. name : of the photo, for what is said.
    """
    flat = np.zeros(shape, np.float32)  # the mean colour
    rounded = max(report.error_8bit / report.error for report in reports.values())
    share = max(report.error / feature_error(net, layer, flat, targets[layer]) for layer, report in reports.items())
    checks = [below(f"{name}: feature error in 8 bits, as a multiple of the error before rounding, worst layer",
                    rounded, 2),
              below(f"{name}: feature error, as a share of a flat picture's, worst layer", share, 0.5)]
    if len(reports) > 2:
        errors, psnrs = ([getattr(report, key) for report in reports.values()] for key in ("error", "psnr"))
        checks += [rank_check(f"{name}: rank correlation of depth with the feature error", errors, 1),
                   rank_check(f"{name}: rank correlation of depth with the PSNR to the photo", psnrs, -1)]
    return checks


def rank_check(what, values, sign, bound=0.8):
    """The Check that the values, in the order of depth, rise (sign 1) or fall (-1) with it."""
    found = float(spearmanr(range(len(values)), values).statistic)
    return Check(what, found, f"at least {bound}" if sign > 0 else f"at most {-bound}", sign * found >= bound)
