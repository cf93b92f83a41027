"""What proves a transform network of many styles."""

import numpy as np

from minicnn.backend import to_device, to_host
from minicnn.layers import ConditionalInstanceNorm2D
from minicnn.visualize.check import Check, above, below
from minicnn.visualize.style.fast_style import stylize
from minicnn.visualize.style.fast_style_check import painted, total_loss
from minicnn.visualize.style.many_styles import as_single_style, style_norms, with_style
from minicnn.visualize.style.terms import gram_targets
from minicnn.visualize.style.transfer import enter_picture
from minicnn.visualize.style.transfer_check import mean_style_error

BLENDS = 9  # from one style to another


def check_styles(net, x):
    """A network of several styles, and photos x, (N, 3, H, W) with sides of multiples of 4: a mixture that is all of
    one style is that style exactly, as a network without the others has it; and no two styles paint alike."""
    norms, x = style_norms(net), to_device(x, net.device)
    S = len(next(iter(norms.values())).params["gamma"])
    pictures, differences = [], []
    for number, row in enumerate(np.eye(S)):
        pictures.append(to_host(with_style(net, row).predict(x)))
        alone = as_single_style(net.with_layers({name: only_style(layer, number) for name, layer in norms.items()}))
        differences.append(abs(to_host(alone.predict(x)) - pictures[-1]).max())
    apart = min(float(abs(a - b).mean()) for n, a in enumerate(pictures) for b in pictures[:n])
    return [below(f"mixtures of 1 and 0 against each of the {S} styles alone, largest difference", max(differences), 0),
            above("mean difference, in x, of the two styles that paint most alike", apart, 0.1)]


def check_style_losses(losses, names, net, x):
    """Photos x, (N, 3, H, W), that the training has not seen have less of each style's PerceptualLoss when painted in
    it. losses : in the order of the network's styles, called `names`."""
    checks = []
    for name, loss, row in zip(names, losses, np.eye(len(names)), strict=True):
        before, after = (float(np.mean([total_loss(loss, *pair) for pair in zip(x[:, None], images, strict=True)]))
                         for images in (x[:, None], painted(with_style(net, row), x)))
        checks.append(Check(f"perceptual loss of photos that the training has not seen, painted in {name}", after,
                            f"less than {before:.4g}, of the photos themselves", after < before))
    return checks


def only_style(layer, number):
    """The ConditionalInstanceNorm2D with one of its rows alone."""
    alone = ConditionalInstanceNorm2D(layer.params["gamma"].shape[1], 1, layer.eps)
    alone.params = {key: rows[number:number + 1] for key, rows in layer.params.items()}
    return alone


def check_style_pictures(painter, photo, pictures, judge, layers):
    """How many of the styles paint nearest to their own picture, by the Gram matrices of a network; and that a blend of
    the first two goes steadily from one painting to the other: of the distances to both, that to the first is an ever
    larger share, from 0 to 1.

    painter, judge : Models. photo : uint8 (H, W, 3). pictures : of each style, in the order of the painter's, as that.
    layers : of the judge, whose mean relative error is the distance.
    """
    def grams(picture):
        return gram_targets(judge.net, [enter_picture(judge.net, picture, judge.preprocessing)], layers)

    def paint(style):
        return stylize(with_style(painter.net, style), photo, painter.preprocessing)

    def distances(picture, to):
        x = enter_picture(judge.net, picture, judge.preprocessing)
        return [mean_style_error(judge.net, x, target) for target in to]
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
            Check(f"of {BLENDS - 1} steps of a blend from the first style's painting to the second's, those that lead "
                  "away from the one, as a share of both distances", steady, f"{BLENDS - 1}, all of them",
                  steady == BLENDS - 1)]
