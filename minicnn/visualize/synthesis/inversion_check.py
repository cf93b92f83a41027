"""The objective numbers of inverted features, over the depth of the network."""

from collections.abc import Mapping

import numpy as np

from minicnn.backend import Array
from minicnn.network import Network
from minicnn.visualize.check import Check, below
from minicnn.visualize.synthesis.inversion import Inverted, feature_error


def check_inversion(net: Network, reports: Mapping[str, Inverted], targets: Mapping[str, Array], name: str,
                    shape: tuple[int, ...]) -> list[Check]:
    """Return the Checks of the inverted images of one photo at several layers.

    Rounding to 8 bits does not change the features much. The features are nearer to the target than the features of a
    flat picture. A deeper layer does not give an image more like the photo than an earlier layer, with a tolerance of
    0.5 dB.

    The feature error does not measure the loss of information: a few numbers are easier to match than many. With the
    same smoothing at all layers it falls with the depth. If late layers are smoothed more, it varies. So each error is
    only bounded. Example, a zebra in six layers of SqueezeNet by TUNED: 18.1, 12.7, 12.2, 10.3, 9.9, 9.7 dB; errors of
    7, 8, 6, 13, 6, 4 %.

    Parameters
    ----------
    net : the network.
    reports : {layer: Inverted}, from early to late layers.
    targets : {layer: activations}.
    name : the photo's name, for the Checks.
    shape : (1, C, H, W) of the image.
    """
    flat = np.zeros(shape, np.float32)  # the mean colour
    rounded = max(report.error_8bit / report.error for report in reports.values())
    share = max(report.error / feature_error(net, layer, flat, targets[layer]) for layer, report in reports.items())
    errors, psnrs = ([getattr(report, key) for report in reports.values()] for key in ("error", "psnr"))
    checks = [below(f"{name}: feature error of the 8-bit picture over the error before rounding, worst layer", rounded,
                    2),
              below(f"{name}: feature error, worst layer", max(errors), 0.25),
              below(f"{name}: feature error over the error of a flat picture, worst layer", share, 0.5)]
    if len(reports) > 1:
        checks += [below(f"{name}: largest rise of the PSNR to the photo from a layer to a deeper one, dB",
                         max(deeper - min(psnrs[:n + 1]) for n, deeper in enumerate(psnrs[1:])), 0.5),
                   Check(f"{name}: feature error of the deepest layer over the error of the first",
                         errors[-1] / errors[0], "reported, not judged: layers need different smoothing", True)]
    return checks
