"""The objective numbers of a transform network of many styles."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from minicnn.backend import Array, to_device, to_host
from minicnn.models import Model
from minicnn.models.preprocessing import Preprocessing
from minicnn.network import Network
from minicnn.visualize.check import Check, below, reported
from minicnn.visualize.style.fast_style import stylize
from minicnn.visualize.style.fast_style_check import LEVELS, mixed_norm, painted, painted_again, total_loss
from minicnn.visualize.style.many_styles import style_norms, with_style
from minicnn.visualize.style.perceptual import PerceptualLoss
from minicnn.visualize.style.pictures import network_input
from minicnn.visualize.style.terms import gram_targets
from minicnn.visualize.style.transfer_check import mean_style_error

BLENDS = 9  # mixtures from one style to another


def check_styles(net: Network, x: np.ndarray) -> list[Check]:
    """Return the Checks of a network of several styles: a pure mixture is its style, and a blend is the mean.

    The control is a network of one style, whose scales and shifts are the rows of this style, or the mean of the first
    and the last row. How much the styles differ is reported. x : photos, (N, 3, H, W); the sides are multiples of 4.
    """
    norms, x = style_norms(net), to_device(x, net.device)
    S = len(next(iter(norms.values())).params["gamma"])

    def difference(mixture: np.ndarray) -> tuple[np.ndarray, float]:
        alone = net.with_layers({name: mixed_norm(layer, mixture) for name, layer in norms.items()})
        picture, control = (to_host(one.predict(x)) for one in (with_style(net, mixture), alone))
        return picture, float(abs(picture - control).max())
    pure, differences = zip(*map(difference, np.eye(S)), strict=True)
    apart = min((float(abs(a - b).mean()) for n, a in enumerate(pure) for b in pure[:n]), default=0.0)
    return [below(f"mixtures of 1 and 0 against each of the {S} styles alone, largest difference", max(differences), 0),
            below("blend of the first style and the last, half each, against their mean scales and shifts, largest "
                  "difference in x", difference(np.eye(S)[[0, -1]].mean(axis=0))[1], 1e-2),
            reported("mean difference between the outputs of the two most similar styles, in x", apart)]


def check_mixtures(net: Network, photo: np.ndarray, preprocessing: Preprocessing, pictures: np.ndarray,
                   mixtures: np.ndarray) -> Check:
    """Return the Check that the first, the middle and the last painted picture belong to their mixtures.

    photo : uint8 (H, W, 3). pictures : uint8 (K, H, W, 3). mixtures : (K, S).
    """
    chosen = sorted({0, len(pictures) // 2, len(pictures) - 1})
    worst = max(int(abs(painted_again(net, photo, preprocessing, mixture=mixtures[number]).astype(int)
                        - pictures[number]).max()) for number in chosen)
    return below(f"{len(chosen)} of {len(pictures)} blends against the weighted sums of the styles' scales and shifts, "
                 "grey levels", worst, LEVELS)


def check_style_losses(losses: Sequence[PerceptualLoss], names: Sequence[str], net: Network,
                       x: np.ndarray) -> list[Check]:
    """Return the style's loss for each style, for painted photos that were not in the training; it is reported.

    losses : a PerceptualLoss for each style, in the order of the network's styles. names : the names of the styles.
    x : the photos, (N, 3, H, W); the sides are multiples of 4.
    """
    checks = []
    for name, loss, row in zip(names, losses, np.eye(len(names)), strict=True):
        before, after = (float(np.mean([total_loss(loss, *pair) for pair in zip(x[:, None], images, strict=True)]))
                         for images in (x[:, None], painted(with_style(net, row), x)))
        checks.append(reported(f"perceptual loss of photos that were not in the training, painted in {name}", after,
                               f"{before:.4g}, the loss of the photos themselves"))
    return checks


def check_style_pictures(painter: Model, photo: np.ndarray, pictures: Sequence[np.ndarray], judge: Model,
                         layers: Iterable[str]) -> list[Check]:
    """Return how many styles paint nearest to their own picture, and how steadily a blend changes; it is reported.

    The distance is the mean relative error of the Gram matrices of a network, the judge. In a blend of the first two
    styles, the share of the distance to the first painting grows from 0 to 1 with each step.

    Parameters
    ----------
    painter, judge : Models.
    photo : uint8 (H, W, 3).
    pictures : the picture of each style, uint8 (H, W, 3), in the order of the painter's styles.
    layers : the judge's layers.
    """
    layers = list(layers)

    def grams(picture: np.ndarray) -> dict[str, Array]:
        return gram_targets(judge.net, [network_input(judge.net, picture, judge.preprocessing)], layers)

    def paint(style: np.ndarray) -> np.ndarray:
        return stylize(with_style(painter.net, style), photo, painter.preprocessing)

    def distances(picture: np.ndarray, targets: Sequence[Mapping[str, Array]]) -> list[float]:
        x = network_input(judge.net, picture, judge.preprocessing)
        return [mean_style_error(judge.net, x, target) for target in targets]
    styles = np.eye(len(pictures))
    paintings, targets = [paint(style) for style in styles], [grams(picture) for picture in pictures]
    right = sum(int(np.argmin(distances(painting, targets)) == number) for number, painting in enumerate(paintings))
    ends, shares = [grams(painting) for painting in paintings[:2]], []
    for share in np.linspace(0, 1, BLENDS):
        first, second = distances(paint(share * styles[1] + (1 - share) * styles[0]), ends)
        shares.append(first / max(first + second, 1e-30))
    steady = int((np.diff(shares) > 0).sum())
    return [reported("styles whose paintings are nearest to their own picture, by Gram matrices", right,
                     f"of {len(pictures)}"),
            reported(f"steps, of {BLENDS - 1}, of a blend from the first style to the second that increase the share "
                     "of the distance to the first painting", steady)]
