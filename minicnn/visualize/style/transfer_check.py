"""The objective numbers of style transfer."""

from collections.abc import Mapping, Sequence

import numpy as np

from minicnn.backend import Array, to_device, to_host
from minicnn.losses import TotalVariation, weighted_sum
from minicnn.network import Network
from minicnn.visualize.check import Check, below
from minicnn.visualize.style import colour
from minicnn.visualize.style.pictures import resize_side
from minicnn.visualize.style.problem import Problem
from minicnn.visualize.style.settings import StyleSettings
from minicnn.visualize.style.terms import content_terms, gram_targets, relative_errors, style_terms
from minicnn.visualize.texture.gram_check import middle, slope_error


def check_style(problem: Problem, image: np.ndarray, settings: StyleSettings, rng: np.random.Generator,
                side: int = 40) -> list[Check]:
    """Return the Checks of a result: the loss and the style errors fell, and the content is in its place.

    The control for the content is the mirrored image, which has the same features in other places. The gradient of
    every term is its derivative, in float64.

    Parameters
    ----------
    problem : the Problem of the last size.
    image : (1, 3, H, W) on the host.
    side : side in pixels of the middle of the image, where the gradients are checked.
    """
    content_layers, style_layers = settings.weighted_layers()
    net, x = problem.net, to_device(image, problem.net.device)
    start, end = total_loss(problem, problem.content), total_loss(problem, x)
    checks = [Check("loss at the end", end, f"less than {start:.4g}, the loss of the content itself", end < start)]
    if style_layers and len(problem.targets) == 1:
        before, after = (mean_style_error(net, array, problem.targets[0]) for array in (problem.content, x))
        checks.append(Check("mean relative error of the Gram matrices", after,
                            f"less than {before:.4g}, the error of the content itself", after < before))
    if content_layers:
        found = content_error(net, x, problem.content, content_layers)
        mirrored = content_error(net, x[..., ::-1].copy(), problem.content, content_layers)
        checks.append(Check("relative error of the content's features", found,
                            f"less than {mirrored:.4g}, the error of the mirrored image", found < mirrored))
    return [*checks, check_slopes(problem, image, content_layers, style_layers, rng, side)]


def total_loss(problem: Problem, x: Array) -> float:
    """Return the loss of the problem at x."""
    activations = problem.net.features(x, [loss.layer for _, loss in problem.terms])
    return weighted_sum(problem.terms, activations)[0]


def mean_style_error(net: Network, x: Array, targets: Mapping[str, Array]) -> float:
    """Return the mean over layers of the relative errors of the Gram matrices."""
    return float(np.mean(list(relative_errors(net, x, targets).values())))


def content_error(net: Network, x: Array, content: Array, layers: Mapping[str, float]) -> float:
    """Return the largest relative error of a content layer's features, |F - P| / |P|."""
    errors = []
    for layer, target in net.features(content, layers).items():
        difference = net.features(x, [layer])[layer] - target
        errors.append(float((difference * difference).sum() / ((target * target).sum() + 1e-30)) ** 0.5)
    return max(errors)


def check_slopes(problem: Problem, image: np.ndarray, content_layers: Mapping[str, float],
                 style_layers: Mapping[str, float], rng: np.random.Generator, side: int) -> Check:
    """Return the Check that the gradients of content, style and total variation agree with finite differences."""
    exact = problem.net.astype("float64").to_device("cpu")
    content, x = (middle(to_host(array), side) for array in (problem.content, image))
    kinds: dict[str, list] = {"total variation": [(1.0, TotalVariation())]}
    if content_layers:
        kinds["content"] = content_terms(exact, content, {exact.find(name): 1.0 for name in content_layers}, 1.0)
    if style_layers:
        layers = {exact.find(name): 1.0 for name in style_layers}
        targets = gram_targets(exact, [middle(to_host(problem.styles[0]), side)], layers)
        kinds["style"] = style_terms(targets, layers, 1.0, "relative")
    errors = {kind: slope_error(exact, x, terms, rng) for kind, terms in kinds.items()}
    return below(f"slopes of {', '.join(errors)} along 5 random directions against the gradient, float64",
                 max(errors.values()), 1e-6)


def check_colours(picture: np.ndarray, content: np.ndarray, styles: Sequence[np.ndarray],
                  settings: StyleSettings) -> list[Check]:
    """Return the Check of the setting `colours`, or [] for "style".

    For "original" and "luminance", the picture, uint8 (H, W, 3), has the content's U and V. For "match", the styles
    have the mean and the covariance of the content's colours.
    """
    small = resize_side(content, settings.size, settings.side)
    if settings.colours in ("original", "luminance"):
        worst = np.abs(colour.to_yuv(picture) - colour.to_yuv(small))[..., 1:].max()
        # R, G and B are rounded by up to 0.5 each, so B - Y by up to twice 0.886 of it, and R - Y less
        return [below("largest difference of U and V from the content's, grey levels", worst, 0.877)]
    if settings.colours == "match":
        mean, covariance = colour_statistics(small)
        worst = 0.0
        for style in styles:
            style = resize_side(style, settings.style_size(settings.size), settings.side)
            matched_mean, matched_covariance = colour_statistics(colour.match_colours(style, small))
            worst = max(worst, np.abs(matched_mean - mean).max() / np.abs(mean).max(),
                        np.abs(matched_covariance - covariance).max() / np.abs(covariance).max())
        return [below("mean and covariance of the style's colours against the content's, relative error", worst, 1e-6)]
    return []


def colour_statistics(picture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean colour (3,) and the covariance (3, 3) of a picture."""
    pixels = picture.reshape(-1, 3)
    return pixels.mean(axis=0), np.cov(pixels.T, bias=True)


def check_blend(problem: Problem, settings: StyleSettings) -> list[Check]:
    """Return the Check that the target of several styles is the weighted sum of their Gram matrices, or []."""
    _, style_layers = settings.weighted_layers()
    if len(problem.styles) < 2 or len(problem.targets) != 1 or not style_layers:
        return []
    blend = np.ones(len(problem.styles)) if settings.blend is None else np.asarray(settings.blend, float)
    worst = 0.0
    for layer, target in problem.targets[0].items():
        alone = [to_host(gram_targets(problem.net, [style], [layer])[layer]) for style in problem.styles]
        mixed = np.tensordot(blend / blend.sum(), np.stack(alone), 1)
        worst = max(worst, float(np.linalg.norm(mixed - to_host(target)) / np.linalg.norm(mixed)))
    return [below("Gram matrices of the blend against the weighted sum of each style's, relative error", worst, 1e-6)]


def check_content_sweep(errors: Sequence[float]) -> list[Check]:
    """Return the Check that the content's features come nearer as the content weight grows.

    errors : the content errors, by ascending weight.
    """
    falls = all(after < before for before, after in zip(errors, errors[1:], strict=False))
    return [Check("relative error of the content at the largest weight", errors[-1], "each weight less than the one "
                  "before: " + ", ".join(f"{error:.3g}" for error in errors), falls)]


def check_scale_sweep(pictures: Sequence[np.ndarray]) -> list[Check]:
    """Return the Check that a larger style gives larger structures: the mean spatial frequency falls.

    pictures : a texture without content at ascending style scales, uint8 (H, W, 3).
    """
    frequencies = [mean_frequency(picture) for picture in pictures]
    falls = all(after < before for before, after in zip(frequencies, frequencies[1:], strict=False))
    return [Check("mean spatial frequency of drawn strokes at the largest style scale, cycles per pixel",
                  frequencies[-1], "each scale less than the one before: "
                  + ", ".join(f"{value:.3g}" for value in frequencies), falls)]


def mean_frequency(picture: np.ndarray) -> float:
    """Return the mean of |frequency| of the picture's luminance, weighted by amplitude², in cycles per pixel."""
    y = colour.luminance(picture)
    energy = np.abs(np.fft.fft2(y - y.mean())) ** 2
    radius = np.hypot(np.fft.fftfreq(y.shape[0])[:, None], np.fft.fftfreq(y.shape[1]))
    return float((energy * radius).sum() / energy.sum())
