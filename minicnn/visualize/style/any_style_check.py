"""The objective numbers of any style at once."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from minicnn import images
from minicnn.backend import Array, to_device, to_host
from minicnn.models.autoencoder import decoder_of
from minicnn.models.preprocessing import Preprocessing
from minicnn.network import Network
from minicnn.visualize.check import Check, below, reported
from minicnn.visualize.style.any_style import AnyStyleSettings, any_style
from minicnn.visualize.style.pictures import finished_picture, recoloured, resize_side

LEVELS = 2     # grey levels by which two ways of computing the same 8-bit picture may differ
ERROR = 1e-3   # relative error of means and covariances
SMALL = 192    # pixels: the largest size of the pictures whose features are checked
ZERO = 1e-9    # of the largest mean square of the features: a smaller variance is rounding
ROUNDING = 1e-6  # relative error of float32 features after several layers


def check_any_style(net: Network, content: np.ndarray, styles: Sequence[np.ndarray], preprocessing: Preprocessing,
                    settings: AnyStyleSettings, painted: np.ndarray,
                    masks: Sequence[np.ndarray] | None = None) -> list[Check]:
    """Return the Checks of a painted picture: its features have each style's statistics, and strength 0 has no effect.

    content, styles : uint8 (H, W, 3). painted : the result of `any_style` with these settings. masks : uint8 (H, W).
    """
    small = replace(settings, size=min(settings.size, SMALL), strength=1.0, blend=None, colours="style")
    errors = [statistics_errors(net, content, style, preprocessing, small) for style in styles]
    missing = max(error[1] for error in errors)
    kind = "mean and covariance" if settings.method == "wct" else "mean and variances"
    return [check_painted_again(net, content, styles, preprocessing, settings, painted, masks),
            below(f"{kind} of the transformed features against the style's, before decoding, largest relative error "
                  f"of {len(styles)} x {len(settings.layers)} styles and layers", max(error[0] for error in errors),
                  ERROR),
            reported("largest share of a style's covariance in directions in which the content's features do not vary",
                     missing),
            check_strength_zero(net, content, styles, preprocessing, replace(small, strength=0.0))]


def check_painted_again(net: Network, content: np.ndarray, styles: Sequence[np.ndarray], preprocessing: Preprocessing,
                        settings: AnyStyleSettings, painted: np.ndarray, masks: Sequence[np.ndarray] | None) -> Check:
    """Return the Check of a painted picture against the same steps written out.

    In a picture with few colours, whitening enlarges variances that are as small as rounding. Where rounding alone
    changes the picture, the number is reported.
    """
    what = "painted picture against the same steps written out by singular values, grey levels"
    again = painted_again(net, content, styles, preprocessing, settings, masks)
    error = largest_difference(painted, again)
    if error <= LEVELS:
        return below(what, error, LEVELS)
    rounded = painted_again(net, content, styles, preprocessing, settings, masks, ROUNDING)
    noise = largest_difference(rounded, again)
    if noise <= LEVELS:
        return below(what, error, LEVELS)
    return reported(what, error, f"features that differ by {ROUNDING:g}, as by rounding, change it by {noise}")


def largest_difference(one: np.ndarray, other: np.ndarray) -> int:
    """Return the largest difference of two pictures, grey levels; 255 if their shapes differ."""
    return int(abs(one.astype(int) - other).max()) if one.shape == other.shape else 255


def check_strength_zero(net: Network, content: np.ndarray, styles: Sequence[np.ndarray], preprocessing: Preprocessing,
                        settings: AnyStyleSettings) -> Check:
    """Return the Check that strength 0 equals the decoders' output for the unchanged features, bit for bit."""
    made: list[Array] = []
    any_style(net, content, styles, preprocessing, settings, callback=lambda layer, features, x: made.append(x))
    x = prepared(net, resize_side(content, settings.size, settings.side), preprocessing)
    for layer in settings.layers:
        x = decoder_of(net, layer).predict(net.predict(x, layer))
    return below("strength 0 against the decoded features of the content, largest difference",
                 float(abs(to_host(made[-1]) - to_host(x)).max()), 0)


def statistics_errors(net: Network, content: np.ndarray, style: np.ndarray, preprocessing: Preprocessing,
                      settings: AnyStyleSettings) -> tuple[float, float]:
    """Return (largest relative error of the mean and covariance at the layers, largest share that cannot be reached).

    AdaIN promises the variances only. A direction in which the content's features do not vary cannot be coloured, so
    the goal is the style's covariance without it.
    """
    inputs, errors, missing = [], [], []
    found: list[tuple[str, np.ndarray]] = []

    def record(layer: str, features: Array, x: Array) -> None:
        found.append((layer, to_host(features)))
        inputs.append(x)
    first = prepared(net, resize_side(content, settings.size, settings.side), preprocessing)
    any_style(net, content, [style], preprocessing, settings, callback=record)
    style_size = max(1, round(settings.style_scale * settings.size))
    target_x = prepared(net, resize_side(style, style_size, settings.side), preprocessing)
    for (layer, features), x in zip(found, [first, *inputs], strict=False):
        source, target, result = (moments(one) for one in (
            to_host(net.predict(x, layer)), to_host(net.predict(target_x, layer)), features))
        goal = reachable(source, target, settings.method)
        covariance = result[1] if settings.method == "wct" else np.diag(np.diag(result[1]))
        errors += [relative(result[0], target[0]), relative(covariance, goal, zero_variance(target))]
        missing.append(relative(goal, target[1] if settings.method == "wct" else np.diag(np.diag(target[1]))))
    return max(errors), max(missing)


def reachable(source: tuple[np.ndarray, np.ndarray], target: tuple[np.ndarray, np.ndarray], method: str) -> np.ndarray:
    """Return the covariance that the transformed features must have, from (mean, covariance) of content and style."""
    least = zero_variance(source)
    if method == "adain":
        return np.diag(np.where(source[1].diagonal() > least, target[1].diagonal(), 0))
    vectors, values, _ = np.linalg.svd(source[1], hermitian=True)
    seen = vectors[:, values > least]
    u, s, _ = np.linalg.svd(target[1], hermitian=True)
    root = (u * np.sqrt(s)) @ u.T
    return root @ seen @ seen.T @ root


def painted_again(net: Network, content: np.ndarray, styles: Sequence[np.ndarray], preprocessing: Preprocessing,
                  settings: AnyStyleSettings, masks: Sequence[np.ndarray] | None = None,
                  noise: float = 0.0) -> np.ndarray:
    """Return the painted picture, uint8 (H, W, 3), with the transforms written out here, in float64 on the host.

    noise : the relative standard deviation of an error that the content's features get.
    """
    rng = np.random.default_rng(0)
    small = resize_side(content, settings.size, settings.side)
    H, W = small.shape[:2]
    sizes = max(1, round(settings.style_scale * settings.size))
    seen = [recoloured(resize_side(style, sizes, settings.side), small, settings.colours) for style in styles]
    x = prepared(net, recoloured(small, small, settings.colours), preprocessing)
    style_inputs = [prepared(net, style, preprocessing) for style in seen]
    weights = np.array(settings.blend if settings.blend is not None else [1.0] * len(styles))
    wide = [extended(images.resize(np.stack([mask] * 3, axis=2), H, W)) for mask in masks or ()]
    for layer in settings.layers:
        features = to_host(net.predict(x, layer)).astype(np.float64)[0]
        features *= 1 + noise * rng.standard_normal(features.shape)
        h, w = features.shape[1:]
        parts = np.array([images.resize(mask, h, w)[..., 0] / 255 for mask in wide] or [np.ones((h, w))] * len(styles))
        new = [repainted(features, to_host(net.predict(style, layer))[0], part, settings.method)
               for style, part in zip(style_inputs, parts, strict=True)]
        weighted = weights[:, None, None] * parts
        shares = weighted / np.maximum(weighted.sum(axis=0), 1e-12) * np.minimum(parts.sum(axis=0), 1)
        styled = sum(share * one for share, one in zip(shares, new, strict=True)) + (1 - shares.sum(axis=0)) * features
        mixed = settings.strength * styled + (1 - settings.strength) * features
        decoder = decoder_of(net, layer)
        x = decoder.predict(to_device(mixed[None].astype(x.dtype), net.device))
    return finished_picture(to_host(x)[..., :H, :W], content, preprocessing, settings.colours)


def repainted(features: np.ndarray, style: np.ndarray, part: np.ndarray, method: str) -> np.ndarray:
    """Return features, (C, h, w), with the mean and covariance, or variances, of the style's. part : (h, w)."""
    if not part.any():
        return features
    mean, covariance = moments(features[None], part)
    new_mean, new_covariance = moments(style[None])
    least = zero_variance((mean, covariance))
    if method == "adain":
        old = covariance.diagonal()
        matrix = np.diag(np.sqrt(np.where(old > least, new_covariance.diagonal() / np.maximum(old, least), 0)))
    else:
        u, s, _ = np.linalg.svd(covariance, hermitian=True)
        v, t, _ = np.linalg.svd(new_covariance, hermitian=True)
        matrix = (v * np.sqrt(t)) @ v.T @ (u * np.where(s > least, 1 / np.sqrt(np.maximum(s, least)), 0)) @ u.T
    return np.tensordot(matrix, features - mean[:, None, None], 1) + new_mean[:, None, None]


def moments(features: np.ndarray, part: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean, (C,), and the covariance, (C, C), of features (1, C, h, w), weighted by the part (h, w)."""
    rows = features[0].reshape(features.shape[1], -1).astype(np.float64)
    weights = None if part is None else part.ravel()
    return np.average(rows, axis=1, weights=weights), np.atleast_2d(np.cov(rows, aweights=weights, ddof=0))


def zero_variance(found: tuple[np.ndarray, np.ndarray]) -> float:
    """Return the variance that counts as zero for features of this (mean, covariance)."""
    return float(ZERO * (found[1].diagonal().max() + (found[0] ** 2).max()))


def relative(value: np.ndarray, goal: np.ndarray, least: float = 0.0) -> float:
    """Return |value - goal| / |goal|. A goal smaller than `least` counts as `least`."""
    return float(np.linalg.norm(value - goal) / (max(float(np.linalg.norm(goal)), least) or 1.0))


def prepared(net: Network, picture: np.ndarray, preprocessing: Preprocessing) -> Array:
    """Return the network's input for a picture, extended by its mirror image to multiples of 4 pixels, at least 8."""
    return to_device(preprocessing.to_input(extended(picture)), net.device)


def extended(picture: np.ndarray) -> np.ndarray:
    """Return the picture, (H, W, 3), with its mirror image to the right and below, to multiples of 4, at least 8."""
    rows, columns = (max(8, side + -side % 4) - side for side in picture.shape[:2])
    return np.pad(picture, ((0, rows), (0, columns), (0, 0)), "reflect")


def check_learnt_inversion(net: Network, picture: np.ndarray, reconstructions: dict[str, np.ndarray],
                           preprocessing: Preprocessing) -> list[Check]:
    """Return the Checks of the layers' reconstructions: each is its decoder's output. The PSNR is reported.

    reconstructions : {layer: uint8 (H, W, 3)} of `learnt_inversion`.
    """
    H, W = picture.shape[:2]
    x, worst = prepared(net, picture, preprocessing), 0
    for layer, made in reconstructions.items():
        again = decoder_of(net, layer).predict(net.predict(x, layer))
        image = preprocessing.to_image(to_host(again)[..., :H, :W])
        worst = max(worst, int(abs(image.astype(int) - made).max()))
    return [below("reconstructions against the decoders' outputs for the features of their layers, grey levels", worst,
                  LEVELS)] + [
        reported(f"PSNR of the picture that the decoder makes of {layer}, dB", images.psnr(made, picture))
        for layer, made in reconstructions.items()]
