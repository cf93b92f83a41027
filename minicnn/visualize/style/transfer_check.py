"""The objective numbers of style transfer."""

from collections.abc import Mapping, Sequence

import numpy as np

from minicnn.backend import Array, to_device, to_host
from minicnn.losses import TotalVariation, weighted_sum
from minicnn.models.preprocessing import LUMA
from minicnn.network import Network
from minicnn.visualize.check import Check, below, reported
from minicnn.visualize.style import colour
from minicnn.visualize.style.pictures import resize_side
from minicnn.visualize.style.problem import Problem
from minicnn.visualize.style.settings import StyleSettings
from minicnn.visualize.style.terms import content_terms, gram_targets, relative_errors, style_terms
from minicnn.visualize.texture.gram_check import DIRECTIONS, SLOPE_ERROR, middle, slope_error


def check_style(problem: Problem, image: np.ndarray, settings: StyleSettings, rng: np.random.Generator,
                side: int = 40) -> list[Check]:
    """Return the Checks of a result: the gradient of every term is its derivative, in float64.

    The loss, the style errors and the content error are reported beside those of the content itself and of the mirrored
    image, which has the same features in other places. How far they fall depends on the pictures, the weights and the
    number of steps; `check_style_steps` judges how the image was made.

    Parameters
    ----------
    problem : the Problem of the last size.
    image : (1, 3, H, W) on the host.
    side : side in pixels of the middle of the image, where the gradients are checked.
    """
    content_layers, style_layers = settings.weighted_layers()
    net, x = problem.net, to_device(image, problem.net.device)
    start, end = total_loss(problem, problem.content), total_loss(problem, x)
    checks = [reported("loss at the end", end, f"{start:.4g} (the content itself)")]
    if style_layers and len(problem.targets) == 1:
        before, after = (mean_style_error(net, array, problem.targets[0]) for array in (problem.content, x))
        checks.append(reported("mean relative error of the Gram matrices", after, f"{before:.4g} (the content itself)"))
    if content_layers:
        found = content_error(net, x, problem.content, content_layers)
        mirrored = content_error(net, x[..., ::-1].copy(), problem.content, content_layers)
        checks.append(reported("relative error of the content's features", found,
                               f"{mirrored:.4g} (the mirrored image)"))
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
    return below(f"slopes of {', '.join(errors)} along {DIRECTIONS} random directions against the gradient, float64, "
                 "median error", max(errors.values()), SLOPE_ERROR)


def check_colours(picture: np.ndarray, content: np.ndarray, styles: Sequence[np.ndarray],
                  settings: StyleSettings, painted: np.ndarray | None = None) -> list[Check]:
    """Return the Checks of the setting `colours`, or [] for "style".

    For "original" and "luminance", the picture, uint8 (H, W, 3), has the content's U and V, and the brightness of
    `painted`, the optimized image as uint8 (H, W, 3), where the colours allow it. For "match", the styles have the mean
    and the covariance of the content's colours; a style that lacks a direction of colours, such as a grey one, cannot.
    """
    small = resize_side(content, settings.size, settings.side)
    if settings.colours in ("original", "luminance"):
        worst = np.abs(colour.to_yuv(picture) - colour.to_yuv(small))[..., 1:].max()
        # R, G and B are rounded by up to 0.5 each, so B - Y by up to twice 0.886 of it, and R - Y less
        checks = [below("largest difference of U and V from the content's, grey levels", worst, 0.877)]
        if painted is not None:
            checks.append(below("largest difference of the brightness from the painted image's where it can be kept, "
                                "grey levels", brightness_error(picture, small, painted), 1.0))
        return checks
    if settings.colours == "match":
        mean, covariance = colour_statistics(small)
        worst, poor = 0.0, 0
        for style in styles:
            style = resize_side(style, settings.style_size(settings.size), settings.side)
            spread = np.linalg.eigvalsh(colour_statistics(style)[1])
            if spread.min() <= 1e-6 * max(float(spread.max()), 1.0):
                poor += 1
                continue
            matched_mean, matched_covariance = colour_statistics(colour.match_colours(style, small))
            worst = max(worst, np.abs(matched_mean - mean).max() / max(1.0, np.abs(mean).max()),
                        np.abs(matched_covariance - covariance).max() / max(1.0, np.abs(covariance).max()))
        what = "mean and covariance of the style's colours against the content's, relative error"
        return [reported(what, worst, "no style has colours in all directions") if poor == len(styles)
                else below(what, worst, 1e-6)]
    return []


def brightness_error(picture: np.ndarray, content: np.ndarray, painted: np.ndarray) -> float:
    """Return the largest difference of the brightness of the picture and of the painted one, uint8 (H, W, 3) each.

    Only pixels count for which the content's U and V with the painted brightness are a valid colour.
    """
    wanted = painted.astype(np.float64) @ LUMA
    colours = content - (content.astype(np.float64) @ LUMA)[..., None] + wanted[..., None]
    possible = ((colours >= 0) & (colours <= 255)).all(axis=-1)
    return float(abs(picture.astype(np.float64) @ LUMA - wanted)[possible].max(initial=0.0))


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
        worst = max(worst, float(np.linalg.norm(mixed - to_host(target)) / max(float(np.linalg.norm(mixed)), 1e-30)))
    return [below("Gram matrices of the blend against the weighted sum of each style's, relative error", worst, 1e-5)]


def check_content_sweep(errors: Sequence[float]) -> list[Check]:
    """Return the content errors by ascending content weight, reported: the content's features come nearer."""
    return [reported("relative error of the content at the largest weight", errors[-1],
                     "by ascending weight " + ", ".join(f"{error:.3g}" for error in errors))]


def check_scale_sweep(pictures: Sequence[np.ndarray]) -> list[Check]:
    """Return the mean spatial frequency by ascending style scale, reported: a larger style gives larger structures.

    pictures : a texture without content at ascending style scales, uint8 (H, W, 3).
    """
    frequencies = [mean_frequency(picture) for picture in pictures]
    return [reported("mean spatial frequency of drawn strokes at the largest style scale, cycles per pixel",
                     frequencies[-1], "by ascending scale " + ", ".join(f"{value:.3g}" for value in frequencies))]


def mean_frequency(picture: np.ndarray) -> float:
    """Return the mean of |frequency| of the picture's luminance, weighted by amplitude², in cycles per pixel."""
    y = colour.luminance(picture)
    energy = np.abs(np.fft.fft2(y - y.mean())) ** 2
    radius = np.hypot(np.fft.fftfreq(y.shape[0])[:, None], np.fft.fftfreq(y.shape[1]))
    return float((energy * radius).sum() / max(float(energy.sum()), 1e-30))
