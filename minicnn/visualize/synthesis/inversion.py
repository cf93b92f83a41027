"""Feature inversion: find an image that gives a layer the same activations as a photo.

The details in which the image differs from the photo are the information that the layer has lost.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from minicnn.arguments import Seed, require_generator, require_kind
from minicnn.array_likes import as_numbers
from minicnn.backend import Array, get_array_module, to_device, to_host
from minicnn.errors import InputError
from minicnn.images import psnr
from minicnn.losses import FeatureMatch, PNorm, TotalVariation
from minicnn.models.preprocessing import TORCHVISION, Preprocessing
from minicnn.network import Network
from minicnn.optimize import FourierSpectrum, Pixels, optimize_image
from minicnn.optimize.checkpoint import Checkpoint
from minicnn.optimize.progress import Progress
from minicnn.receptive_field import receptive_field
from minicnn.shown import html_fields, short_fields
from minicnn.visualize.arrays import as_picture, on_host
from minicnn.visualize.entry import (
    dtype_of,
    enter,
    require_layer,
    require_network,
    require_preprocessing,
    require_sides,
    require_watchers,
)
from minicnn.visualize.spectrum import draw_spectrum, parametrization_of
from minicnn.visualize.synthesis.inversion_settings import FOURIER, UPDATES, InversionSettings

PHOTO_RMS = 70.0  # root mean square distance of a photo from the mean colour, grey levels; mean of 25 ImageNet photos
ALEXNET = (51 / 227, 131 / 227)  # receptive fields of relu2 and relu4 of AlexNet, as shares of the picture's side


class Inverted(NamedTuple):
    """The errors of an inverted image."""

    error: float       # |phi - phi0|² / |phi0|² of the optimized image
    error_8bit: float  # the same for the 8-bit picture
    psnr: float        # peak signal-to-noise ratio of the 8-bit picture to the original, dB

    def __repr__(self) -> str:
        return short_fields(self)

    def _repr_html_(self) -> str:
        return html_fields(self)


def invert_features(net: Network, layer: str, target: Array, preprocessing: Preprocessing,
                    settings: InversionSettings = FOURIER, *, rng: Seed,
                    size: tuple[int, int] | None = None, callback: Callable | None = None,
                    checkpoint: Checkpoint | None = None) -> tuple[np.ndarray, list[Progress]]:
    """Return an image whose activations at `layer` are near `target`, (1, C, *size) on the host, and the history.

    The image z minimizes feature_weight |phi(z) - phi0|² + tv_weight TV_beta(z) + p_weight sum of |z|^p, starting from
    noise. With `normalized` settings, the first term is divided by |phi0|², and the other two by 2 sigma², where sigma
    is the norm of a photo. The learning rates are multiplied by sigma². This is the balance of the paper for any
    network and any size. With the parametrization "fourier", the steps change the spectrum of z, from a grey image on.

    Parameters
    ----------
    net : the network.
    layer : the name of a layer of maps; or of a later layer, if the image has the size of the network's input.
    target : phi0, the activations of one image at `layer`.
    preprocessing : of the network's weights.
    settings : the InversionSettings, such as a preset in INVERSION_PRESETS; by default, FOURIER.
    rng : the generator of the noise, or a seed.
    size : (H, W) of the image. By default, the size of the network's input.
    callback : called with (Progress, image) after each step. Progress.values holds the three terms of the network's
        input, without their weights.
    checkpoint : a Checkpoint for resuming an interrupted run.

    Raises
    ------
    InputError : if the target has another shape than the layer, if it is 0 everywhere, or if a power exceeds the range
        of float32.

    References
    ----------
    Mahendran and Vedaldi 2015 (arXiv:1412.0035), equations 1 to 5.

    Examples
    --------
    >>> target = net.predict(x, "relu2")
    >>> quick = InversionSettings(rates=((3, 4e-3),))
    >>> image, history = invert_features(net, "relu2", target, model.preprocessing, quick, rng=rng)
    >>> image.shape, history[-1].total < history[0].total
    ((1, 3, 64, 64), True)
    """
    layer, rng = require_layer(net, layer), require_generator(rng)
    require_preprocessing(preprocessing, net)
    require_kind("settings", settings, InversionSettings, "give InversionSettings(...)")
    require_watchers(callback, checkpoint)
    shape = (1, net.input_shape[0], *(net.input_shape[1:] if size is None else require_sides("size", size)))
    target = require_target(net, layer, target, shape)
    unit = preprocessing.unit / (1 if settings.normalized else TORCHVISION.unit)  # z = x / unit
    require_powers(settings, unit)
    parametrization = parametrization_of(settings.parametrization, preprocessing, shape[2:], net.device)
    restarts = Restarts(settings, unit, photo_norm(shape), callback)
    first = first_numbers(parametrization, shape, preprocessing, settings, unit, rng)
    z, history = optimize_image(
        net, to_device(first, net.device), inversion_terms(net, layer, target, settings, unit, shape),
        update=restarts.update, num_steps=settings.num_steps,
        project=(EarlyClamp(settings.clamp * unit, settings.clamp_until),) if settings.clamp else (),
        callback=restarts, checkpoint=checkpoint, parametrization=parametrization)
    return to_host(parametrization.forward(z)[0]), history


def inversion_terms(net: Network, layer: str, target: Array, settings: InversionSettings, unit: float,
                    shape: tuple[int, ...]) -> list[tuple[float, Any]]:
    """Return the terms of the objective, [(weight, loss), …], for the network's input x of `shape`, x = z * unit."""
    of_features, of_image = 1.0, 1.0
    if settings.normalized:
        of_features = 1 / float((target * target).sum())
        of_image = 1 / (2 * photo_norm(shape) ** 2)
    tv_weight = tv_weight_by_depth(net, layer, shape[2:], settings.tv_weight)
    # sum of |z|^p = sum of |x|^p / unit^p, and likewise for total variation
    return [(settings.feature_weight * of_features, FeatureMatch(layer, target)),
            (tv_weight * of_image / unit**settings.tv_beta, TotalVariation(settings.tv_beta)),
            (settings.p_weight * of_image / unit**settings.p, PNorm(settings.p))]


def photo_norm(shape: tuple[int, ...]) -> float:
    """Return sigma, the norm of a photo of `shape` (1, C, H, W) around the mean colour, in grey levels."""
    return PHOTO_RMS * (shape[1] * shape[2] * shape[3]) ** 0.5


def first_numbers(parametrization: Pixels | FourierSpectrum, shape: tuple[int, ...], preprocessing: Preprocessing,
                  settings: InversionSettings, unit: float, rng: np.random.Generator) -> np.ndarray:
    """Return the numbers from which the inversion starts, float32: a faint spectrum, or the noise of `first_image`."""
    if isinstance(parametrization, FourierSpectrum):
        return draw_spectrum(parametrization, 1, rng)
    return first_image(shape, preprocessing, settings, unit, rng)


def first_image(shape: tuple[int, ...], preprocessing: Preprocessing, settings: InversionSettings, unit: float,
                rng: np.random.Generator) -> np.ndarray:
    """Return the noise from which the inversion starts, of `shape`, float32."""
    if settings.noise == "uniform":
        return np.float32(unit) * rng.random(shape, dtype="float32")
    image = rng.standard_normal(shape, dtype="float32")
    image *= np.float32(preprocessing.unit * PHOTO_RMS / float((image * image).mean()) ** 0.5)
    return image


class Restarts:
    """The callback that restarts the update with the next learning rate after each stage of the settings' rates.

    update : the update of the first stage, changed in place. sigma : the norm of a photo, see `photo_norm`.
    """

    def __init__(self, settings: InversionSettings, unit: float, sigma: float, callback: Callable | None) -> None:
        self.settings, self.unit, self.sigma, self.callback = settings, unit, sigma, callback
        self.rates, steps = {}, 0  # step after which the stage starts -> its learning rate
        for num_steps, rate in settings.rates:
            self.rates[steps] = rate
            steps += num_steps
        self.update = self.new_update(self.rates.pop(0))

    def new_update(self, rate: float) -> Any:
        """Return a new update for a learning rate in z: a step rate * dE/dz in z is rate * unit² * dE/dx in x."""
        if self.settings.parametrization == "fourier":
            return UPDATES["adam"](rate)  # a spectrum has no unit
        if self.settings.update == "adam":
            return UPDATES["adam"](rate * self.unit)  # Adam's steps do not depend on the size of the gradient
        factor = self.sigma**2 if self.settings.normalized else 1
        return UPDATES[self.settings.update](rate * (factor * self.unit**2))

    def __call__(self, progress: Progress, image: Array) -> bool:
        if progress.step in self.rates:
            vars(self.update).update(vars(self.new_update(self.rates[progress.step])))
        return self.callback is not None and bool(self.callback(progress, image))


@dataclass(frozen=True)
class EarlyClamp:
    """Clamp the image to -bound … bound up to and including `last_step`."""

    bound: float
    last_step: int

    def __call__(self, image: Array, step: int) -> Array:
        return image if step > self.last_step else get_array_module(image).clip(image, -self.bound, self.bound)


def require_target(net: Network, layer: str, target: Array, shape: tuple[int, ...]) -> Array:
    """Return `target` on the network's device. Raises InputError unless `layer` can give it for an image of `shape`."""
    expected = net.trunk(layer).shapes(shape[1:])[layer]
    target = as_numbers("target", target)
    if tuple(target.shape) != tuple(expected):
        raise InputError(f"the target of {layer!r} has the shape {tuple(target.shape)}; for an image of "
                         f"{shape[2]}x{shape[3]} pixels it must have {tuple(expected)}")
    target = to_device(target, net.device).astype(dtype_of(net, target), copy=False)
    square_norm = float((target * target).sum())
    if not square_norm < float("inf"):
        raise InputError(f"the target of {layer!r} has values that are not finite")
    if square_norm == 0:
        raise InputError(f"the target of {layer!r} is 0 everywhere (a dead ReLU?): it holds no information about a "
                         "picture; choose another layer or photo")
    return target


def require_powers(settings: InversionSettings, unit: float) -> None:
    """Raise InputError if a power of the unit exceeds the range of float32."""
    for name, power in (("p", settings.p), ("tv_beta", settings.tv_beta)):
        if not 1e-38 < unit**power < 1e38:
            raise InputError(f"{name} is {power:g}: this power of a pixel exceeds the range of float32; give a smaller "
                             "one, for example p = 6 and tv_beta = 2 as in the paper")


def tv_weight_by_depth(net: Network, layer: str, size: tuple[int, ...],
                       weights: float | tuple[float, float, float]) -> float:
    """Return the weight of total variation for a layer.

    A single number is returned as it is. Three numbers are for early, middle and late layers. The receptive field of an
    early layer covers at most the same share of the picture, (H, W), as the receptive field of AlexNet's relu2; for a
    middle layer, AlexNet's relu4 sets the limit.
    """
    if not isinstance(weights, tuple | list):
        return weights
    early, middle, late = weights
    field = receptive_field(net, layer)
    share = field.size / min(size) if field else 1.0
    return early if share <= ALEXNET[0] else middle if share <= ALEXNET[1] else late


def feature_error(net: Network, layer: str, x: np.ndarray, target: Array) -> float:
    """Return |phi(x) - target|² / |target|² at `layer`, for an image x (1, C, H, W) on the host.

    >>> feature_error(net, "relu2", x, net.predict(x, "relu2"))
    0.0
    """
    x, layer = enter(net, x), require_layer(net, layer)
    phi = to_host(net.predict(x, layer)).astype(np.float64)
    target = on_host("target", target, str(phi.shape), phi.ndim).astype(np.float64)
    if target.shape != phi.shape or not target.any():
        raise InputError(f"the target has the shape {target.shape}; {layer!r} has {phi.shape}" if target.any() else
                         f"the target of {layer!r} is 0 everywhere, so that no error can be relative to it")
    return float(((phi - target) ** 2).sum() / (target ** 2).sum())


def inversion_report(net: Network, layer: str, image: np.ndarray, target: Array, original: np.ndarray,
                     preprocessing: Preprocessing) -> Inverted:
    """Return the Inverted of an image (1, C, H, W) on the host, compared with the original, uint8 (H, W, 3).

    >>> inversion_report(net, "relu2", x, net.predict(x, "relu2"), photo, model.preprocessing)
    Inverted(error=0.0, error_8bit=0.0, psnr=inf)
    """
    require_preprocessing(preprocessing, require_network(net))
    image, original = to_host(enter(net, image, "image")), to_host(as_picture("original", original))
    picture = preprocessing.to_image(image)
    return Inverted(feature_error(net, layer, image, target),
                    feature_error(net, layer, preprocessing.to_input(picture), target), psnr(picture, original))
