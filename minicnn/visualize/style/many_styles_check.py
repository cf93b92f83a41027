"""The objective numbers of a transform network of many styles."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from minicnn.backend import Array, to_device, to_host
from minicnn.layers import ConditionalInstanceNorm2D
from minicnn.models import Model
from minicnn.network import Network
from minicnn.visualize.check import Check, above, below
from minicnn.visualize.style.fast_style import stylize
from minicnn.visualize.style.fast_style_check import painted, total_loss
from minicnn.visualize.style.many_styles import as_single_style, style_norms, with_style
from minicnn.visualize.style.perceptual import PerceptualLoss
from minicnn.visualize.style.pictures import network_input
from minicnn.visualize.style.terms import gram_targets
from minicnn.visualize.style.transfer_check import mean_style_error

BLENDS = 9  # mixtures from one style to another


def check_styles(net: Network, x: np.ndarray) -> list[Check]:
    """Return the Checks of a network of several styles: a pure mixture is its style, and no two styles are alike.

    The control is a network that has no other style. x : photos, (N, 3, H, W); the sides are multiples of 4.
    """
    norms, x = style_norms(net), to_device(x, net.device)
    S = len(next(iter(norms.values())).params["gamma"])
    pictures: list[np.ndarray] = []
    differences = []
    for number, row in enumerate(np.eye(S)):
        pictures.append(to_host(with_style(net, row).predict(x)))
        alone = as_single_style(net.with_layers({name: only_style(layer, number) for name, layer in norms.items()}))
        differences.append(abs(to_host(alone.predict(x)) - pictures[-1]).max())
    apart = min(float(abs(a - b).mean()) for n, a in enumerate(pictures) for b in pictures[:n])
    return [below(f"mixtures of 1 and 0 against each of the {S} styles alone, largest difference", max(differences), 0),
            above("mean difference between the outputs of the two most similar styles, in x", apart, 0.1)]


def check_style_losses(losses: Sequence[PerceptualLoss], names: Sequence[str], net: Network,
                       x: np.ndarray) -> list[Check]:
    """Return a Check for each style: painting lowers the style's loss for photos that were not in the training.

    losses : a PerceptualLoss for each style, in the order of the network's styles. names : the names of the styles.
    x : the photos, (N, 3, H, W); the sides are multiples of 4.
    """
    checks = []
    for name, loss, row in zip(names, losses, np.eye(len(names)), strict=True):
        before, after = (float(np.mean([total_loss(loss, *pair) for pair in zip(x[:, None], images, strict=True)]))
                         for images in (x[:, None], painted(with_style(net, row), x)))
        checks.append(Check(f"perceptual loss of photos that were not in the training, painted in {name}", after,
                            f"less than {before:.4g}, the loss of the photos themselves", after < before))
    return checks


def only_style(layer: ConditionalInstanceNorm2D, number: int) -> ConditionalInstanceNorm2D:
    """Return the layer with only one of its rows."""
    alone = ConditionalInstanceNorm2D(layer.params["gamma"].shape[1], 1, layer.eps)
    alone.params = {key: rows[number:number + 1] for key, rows in layer.params.items()}
    return alone


def check_style_pictures(painter: Model, photo: np.ndarray, pictures: Sequence[np.ndarray], judge: Model,
                         layers: Iterable[str]) -> list[Check]:
    """Return the Checks that each style paints nearest to its own picture, and that a blend changes steadily.

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
    return [Check("styles whose paintings are nearest to their own picture, by Gram matrices", right,
                  f"{len(pictures)}, all of them", right == len(pictures)),
            Check(f"steps, of {BLENDS - 1}, of a blend from the first style to the second that increase the share of "
                  "the distance to the first painting", steady, f"{BLENDS - 1}, all of them", steady == BLENDS - 1)]
