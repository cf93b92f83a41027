"""The objective numbers of a class visualization: its class, its smoothness, and the pixels set to zero."""

from collections.abc import Sequence

import numpy as np

from minicnn.backend import to_device, to_host
from minicnn.losses import L2, TotalVariation
from minicnn.models.preprocessing import Preprocessing
from minicnn.network import Network
from minicnn.optimize.updates import TINY
from minicnn.visualize.check import Check, above, reported


def check_class_visualization(net: Network, image: np.ndarray, noise: np.ndarray, label: int,
                              preprocessing: Preprocessing, rng: np.random.Generator) -> list[Check]:
    """Return the numbers that tell how well an image shows its class; they are reported, `check_ascent` judges it.

    The rank and the score of its class are of the 8-bit picture. The score is compared with the first image and with a
    random change of the same length. The share of high frequencies is compared with the first image, or with white
    noise if the first image was 0. A hard class or few steps can make each of them small.

    image, noise : the image and the first image, (1, C, H, W) on the host.
    """
    random = rng.standard_normal(image.shape)
    control = noise + random * (np.linalg.norm(image - noise) / np.linalg.norm(random))
    picture = preprocessing.to_input(preprocessing.to_image(image))
    batch = np.concatenate([picture, noise, control]).astype(np.float32)
    scores, *others = to_host(net.predict(to_device(batch, net.device)))
    rank = 1 + int((scores > scores[label]).sum())
    white = noise if noise.any() else random
    share, noise_share = high_frequency_share(image), high_frequency_share(white)
    before, control_score = (float(other[label]) for other in others)
    return [reported("rank of the class for the 8-bit picture", rank, "1 is the best, and some classes stay behind"),
            reported("score of the class for the 8-bit picture", float(scores[label]),
                     f"{before:.2f} (first image) and {control_score:.2f} (random change of the same length)"),
            reported("share of the energy above half of the highest frequency", share,
                     f"{noise_share:.3f} ({'first image' if noise.any() else 'white noise'})")]


def check_zeroed(image: np.ndarray, percent: float) -> list[Check]:
    """Return the Check that at least `percent` of the pixels are exactly 0, after SmallNorm or SmallContribution.

    There are more if more than these did not contribute at all. image : (1, C, H, W).
    """
    share = float((image[0] == 0).all(axis=0).mean())
    return [above("share of the pixels that are exactly the mean colour", share,
                  percent / 100 - 1.5 / image[0, 0].size)]


def check_smoother(image: np.ndarray, score: float, plain: Sequence[np.ndarray],
                   scores: Sequence[float]) -> list[Check]:
    """Return how smooth a regularized image is, and the image by plain L2 with the same score; it is reported.

    The numbers are the energy at high frequencies, and the total variation at the same contrast.

    Parameters
    ----------
    image : the regularized image, (1, C, H, W).
    score : its score.
    plain : the images by plain L2, step by step.
    scores : their scores. If none reaches `score`, the image with the highest score is compared.
    """
    reached = [step for step, value in enumerate(scores) if value >= score]
    other = plain[reached[0]] if reached else plain[int(np.argmax(scores))]
    name = "plain L2 at the same score" if reached else "plain L2, which did not reach the score"
    share, plain_share = high_frequency_share(image), high_frequency_share(other)
    variation, plain_variation = relative_variation(image), relative_variation(other)
    return [reported("share of the energy above half of the highest frequency", share, f"{plain_share:.3f} ({name})"),
            reported("total variation over the deviation from the mean colour", variation,
                     f"{plain_variation:.3f} ({name})")]


def relative_variation(image: np.ndarray) -> float:
    """Return the root mean square of the differences between neighbours over the root mean square of the values.

    It is about 2 for white noise, 0 for an image of 0, and does not depend on the contrast. image : (N, C, H, W).
    """
    activations = {"input": image.astype(np.float64)}
    return float((TotalVariation()(activations)[0] / max(L2()(activations)[0], TINY)) ** 0.5)


def high_frequency_share(image: np.ndarray, cutoff: float = 0.5) -> float:
    """Return the share of the energy at frequencies above `cutoff` times the highest one, without the mean.

    It is 0 for one colour. image : (N, C, H, W).
    """
    image = image - image.mean(axis=(2, 3), keepdims=True)
    energy = np.abs(np.fft.fft2(image)) ** 2
    H, W = image.shape[2:]
    radius = np.hypot(np.fft.fftfreq(H)[:, None], np.fft.fftfreq(W)) / 0.5
    return float(energy[..., radius > cutoff].sum() / max(energy.sum(), TINY))
