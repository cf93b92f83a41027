"""The objective numbers of inverted features, over the depth of the network."""

from collections.abc import Mapping

import numpy as np

from minicnn.backend import Array, to_device, to_host
from minicnn.images import psnr
from minicnn.models.preprocessing import Preprocessing
from minicnn.network import Network
from minicnn.optimize.updates import TINY
from minicnn.visualize.check import Check, below, reported
from minicnn.visualize.synthesis.inversion import Inverted

HIGHEST = 100.0  # dB; stands for an infinite PSNR, of equal pictures


def check_inversion(net: Network, reports: Mapping[str, Inverted], images: Mapping[str, np.ndarray],
                    targets: Mapping[str, Array], original: np.ndarray, preprocessing: Preprocessing,
                    name: str) -> list[Check]:
    """Return the Checks of the inverted images of one photo at several layers.

    The stated errors and PSNRs are computed again from the images and their 8-bit pictures. The rest is reported: the
    errors, compared with a flat picture, the effect of rounding, and the PSNR over the depth.

    No bound of the errors holds for every photo, layer and number of steps. A few numbers are easier to match than
    many. With the same smoothing at all layers the error falls with the depth. If late layers are smoothed more, it
    varies. Example, a zebra in six layers of SqueezeNet by TUNED: 18.1, 12.7, 12.2, 10.3, 9.9, 9.7 dB; errors of 7, 8,
    6, 13, 6, 4 %.

    Parameters
    ----------
    net, preprocessing : of the inversion.
    reports : {layer: Inverted}, from early to late layers.
    images : {layer: image (1, C, H, W) on the host}.
    targets : {layer: activations}.
    original : the photo, uint8 (H, W, 3).
    name : the photo's name, for the Checks.
    """
    flat = np.zeros_like(next(iter(images.values())))  # the mean colour
    wrong = max(report_error(net, layer, report, images[layer], targets[layer], original, preprocessing)
                for layer, report in reports.items())
    rounded = max(report.error_8bit / max(report.error, TINY) for report in reports.values())
    share = max(report.error / max(distance(net, layer, flat, targets[layer]), TINY)
                for layer, report in reports.items())
    errors = [report.error for report in reports.values()]
    psnrs = [min(report.psnr, HIGHEST) for report in reports.values()]
    checks = [below(f"{name}: stated errors and PSNRs against the 8-bit pictures, relative difference", wrong, 1e-3),
              reported(f"{name}: feature error of the 8-bit picture over the error before rounding, worst layer",
                       rounded),
              reported(f"{name}: feature error, worst layer", max(errors)),
              reported(f"{name}: feature error over the error of a flat picture, worst layer", share)]
    if len(reports) > 1:
        checks += [reported(f"{name}: largest rise of the PSNR to the photo from a layer to a deeper one, dB",
                            max(deeper - min(psnrs[:n + 1]) for n, deeper in enumerate(psnrs[1:])),
                            "a deeper layer loses more, if all are matched as well"),
                   reported(f"{name}: feature error of the deepest layer over the error of the first",
                            errors[-1] / max(errors[0], TINY), "layers need different smoothing")]
    return checks


def report_error(net: Network, layer: str, report: Inverted, image: np.ndarray, target: Array, original: np.ndarray,
                 preprocessing: Preprocessing) -> float:
    """Return the largest relative difference of an Inverted from the numbers of its image and its 8-bit picture."""
    picture = preprocessing.to_image(image)
    found = (distance(net, layer, image, target), distance(net, layer, preprocessing.to_input(picture), target),
             min(psnr(picture, original), HIGHEST))
    stated = (report.error, report.error_8bit, min(report.psnr, HIGHEST))
    return max(abs(a - b) / max(abs(a), abs(b), 1e-6) for a, b in zip(found, stated, strict=True))


def distance(net: Network, layer: str, x: np.ndarray, target: Array) -> float:
    """Return |phi(x) - phi0|² / |phi0|² for an image x (1, C, H, W) and the activations phi0 of `layer`."""
    phi0 = to_host(target).astype(np.float64)
    phi = to_host(net.predict(to_device(np.asarray(x, np.float32), net.device), layer))
    return float(np.square(phi - phi0).sum() / max(np.square(phi0).sum(), TINY))
