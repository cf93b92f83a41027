"""What proves style transfer."""

import numpy as np

from minicnn.backend import to_device, to_host
from minicnn.losses import TotalVariation, weighted_sum
from minicnn.visualize.check import Check, below
from minicnn.visualize.style import colour
from minicnn.visualize.style.terms import content_terms, gram_targets, relative_errors, style_terms
from minicnn.visualize.style.transfer import sized
from minicnn.visualize.texture.gram_check import middle, slope_error


def check_style(problem, image, settings, rng, side=40):
    """The image, (1, 3, H, W) on the host, for the last Problem: nearer to the style than the content was; with the
    content where it was, which a picture with all the same features elsewhere is not; and every term's gradient is its
    derivative, in float64, on `side` pixels."""
    content_layers, style_layers = settings.weighted_layers()
    net, at = problem.net, to_device(image, problem.net.device)
    start, end = (total_loss(problem, x) for x in (problem.content, at))
    checks = [Check("loss at the end", end, f"less than {start:.4g}, of the content itself", end < start)]
    if style_layers and len(problem.targets) == 1:
        before, after = (mean_style_error(net, x, problem.targets[0]) for x in (problem.content, at))
        checks.append(Check("mean relative error of the Gram matrices", after,
                            f"less than {before:.4g}, of the content itself", after < before))
    if content_layers:
        found = content_error(net, at, problem.content, content_layers)
        mirrored = content_error(net, at[..., ::-1].copy(), problem.content, content_layers)
        checks.append(Check("relative error of the content's features", found,
                            f"less than {mirrored:.4g}, of the same picture mirrored", found < mirrored))
    return [*checks, check_slopes(problem, image, content_layers, style_layers, rng, side)]


def total_loss(problem, x):
    """What is minimised, at x."""
    activations = problem.net.features(x, [loss.layer for _, loss in problem.terms])
    return weighted_sum(problem.terms, activations)[0]


def mean_style_error(net, x, targets):
    """The mean over layers of the relative errors of the Gram matrices."""
    return float(np.mean(list(relative_errors(net, x, targets).values())))


def content_error(net, x, content, layers):
    """The largest relative error of a content layer's features, |F - P| / |P|."""
    errors = []
    for layer, wanted in net.features(content, layers).items():
        difference = net.features(x, [layer])[layer] - wanted
        errors.append(float((difference * difference).sum() / ((wanted * wanted).sum() + 1e-30)) ** 0.5)
    return max(errors)


def check_slopes(problem, image, content_layers, style_layers, rng, side):
    """The Check that content, style and total variation each have the gradient that finite differences find."""
    exact = problem.net.astype("float64").to_device("cpu")
    content, x = (middle(to_host(array), side) for array in (problem.content, image))
    kinds = {"total variation": [(1.0, TotalVariation())]}
    if content_layers:
        kinds["content"] = content_terms(exact, content, {exact.find(name): 1.0 for name in content_layers}, 1.0)
    if style_layers:
        layers = {exact.find(name): 1.0 for name in style_layers}
        targets = gram_targets(exact, [middle(to_host(problem.styles[0]), side)], layers)
        kinds["style"] = style_terms(targets, layers, 1.0, "relative")
    errors = {kind: slope_error(exact, x, terms, rng) for kind, terms in kinds.items()}
    return below(f"slope of {', '.join(errors)} each along 5 random directions against the gradient, float64",
                 max(errors.values()), 1e-6)


def check_colours(picture, content, styles, settings):
    """The picture, uint8 (H, W, 3), has the content's U and V; or the styles had its colours, for that setting."""
    small = sized(content, settings.sizes()[-1], settings.side)
    if settings.colours in ("original", "luminance"):
        worst = np.abs(colour.to_yuv(picture) - colour.to_yuv(small))[..., 1:].max()
        # R, G and B are each rounded by up to 0.5, so B - Y by 0.886 of it twice at most, V likewise
        return [below("largest difference of U and V from the content's, grey levels", worst, 0.877)]
    if settings.colours == "match":
        mean, covariance = colour_statistics(small)
        worst = 0.0
        for style in styles:
            style = sized(style, settings.style_size(settings.sizes()[-1]), settings.side)
            matched_mean, matched_covariance = colour_statistics(colour.match_colours(style, small))
            worst = max(worst, np.abs(matched_mean - mean).max() / np.abs(mean).max(),
                        np.abs(matched_covariance - covariance).max() / np.abs(covariance).max())
        return [below("mean and covariance of the style's colours against the content's, relative error", worst, 1e-6)]
    return []


def colour_statistics(picture):
    """The mean colour (3,) and the covariance (3, 3) of a picture."""
    pixels = picture.reshape(-1, 3)
    return pixels.mean(axis=0), np.cov(pixels.T, bias=True)


def check_blend(problem, settings):
    """The target of several styles is the sum of their Gram matrices, each with its share."""
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


def check_content_sweep(errors):
    """The more the content weighs, the nearer its features. errors : in the order of the weights, ascending."""
    falls = all(after < before for before, after in zip(errors, errors[1:], strict=False))
    return [Check("relative error of the content at the largest weight", errors[-1], "each weight less than the one "
                  "before: " + ", ".join(f"{error:.3g}" for error in errors), falls)]


def check_scale_sweep(pictures):
    """The larger the style, the larger what it paints: the mean spatial frequency falls. pictures : one texture painted
    alone, by style scale, ascending, uint8 (H, W, 3)."""
    frequencies = [mean_frequency(picture) for picture in pictures]
    falls = all(after < before for before, after in zip(frequencies, frequencies[1:], strict=False))
    return [Check("mean spatial frequency of drawn strokes at the largest style scale, cycles a pixel", frequencies[-1],
                  "each scale less than the one before: " + ", ".join(f"{value:.3g}" for value in frequencies), falls)]


def mean_frequency(picture):
    """The centre of the spectrum of its luminance: the mean of |frequency|, weighted by amplitude², cycles a pixel."""
    y = colour.luminance(picture)
    energy = np.abs(np.fft.fft2(y - y.mean())) ** 2
    radius = np.hypot(np.fft.fftfreq(y.shape[0])[:, None], np.fft.fftfreq(y.shape[1]))
    return float((energy * radius).sum() / energy.sum())
