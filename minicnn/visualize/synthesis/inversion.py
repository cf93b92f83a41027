"""Feature inversion: which picture would give a layer these activations? What is not in it, the layer has forgotten."""

from typing import NamedTuple

import numpy as np

from minicnn.backend import get_array_module, to_device, to_host
from minicnn.errors import InputError, unknown_name
from minicnn.images import psnr
from minicnn.losses import FeatureMatch, PNorm, TotalVariation
from minicnn.models.preprocessing import TORCHVISION
from minicnn.optimize import LBFGS, Adam, GuardedMomentum, Momentum, optimize_image
from minicnn.receptive_field import receptive_field

MAHENDRAN = {"normalized": True, "feature_weight": 1.0, "tv_weight": (1.0, 10.0, 100.0), "tv_beta": 2.0,
             "p_weight": 8e-10, "p": 6.0, "update": "guarded", "rates": ((100, 4e-3), (200, 4e-4), (100, 4e-5)),
             "noise": "normal", "clamp": 0.0, "clamp_until": 0}
# What invert_features takes, by the name of who published it: experiment_cnn.m and invert_nn.m of deep-goggle, the code
# of the paper, made for AlexNet; and CS231n's assignment on style transfer, without style, which inverts layer fire2.
# The paper's plain momentum diverges on SqueezeNet's fire9 for some photos: ours is guarded. "tuned" is the paper's
# with less smoothing of deep layers.
INVERSION_PRESETS = {
    "mahendran": MAHENDRAN,
    "cs231n": {"normalized": False, "feature_weight": 6e-2, "tv_weight": 2e-2, "tv_beta": 2.0, "p_weight": 0.0,
               "p": 6.0, "update": "adam", "rates": ((180, 3.0), (20, 0.1)), "noise": "uniform", "clamp": 1.5,
               "clamp_until": 189},
    "tuned": MAHENDRAN | {"tv_weight": (1.0, 10.0, 20.0)},
}
UPDATES = {"momentum": Momentum, "guarded": GuardedMomentum, "adam": Adam,  # from a learning rate
           "lbfgs": lambda learning_rate: LBFGS()}
NOISES = ("normal", "uniform")
PHOTO_RMS = 70.0  # levels of 255: how far photos are from the mean colour, root mean square, over 25 of ImageNet
ALEXNET = (51 / 227, 131 / 227)  # how much of the picture's side a unit of relu2 sees, and of relu4


class Inverted(NamedTuple):
    """How well a picture gives a layer its activations back, and how like the original it is."""

    error: float       # |phi - phi0|² / |phi0|² of the image as it was optimised
    error_8bit: float  # the same of the picture as an 8-bit file holds it
    psnr: float        # dB, of the 8-bit picture to the original


def invert_features(net, layer, target, preprocessing, *, rng, size=None, normalized=True, feature_weight=1.0,
                    tv_weight=(1.0, 10.0, 20.0), tv_beta=2.0, p_weight=8e-10, p=6.0, update="guarded",
                    rates=((100, 4e-3), (200, 4e-4), (100, 4e-5)), noise="normal", clamp=0.0, clamp_until=0,
                    callback=None, checkpoint=None):
    """An image, (1, C, *size) on the host, whose activations at `layer` are near `target`, and the history.

    Minimises feature_weight |phi - phi0|² + tv_weight TV_beta(z) + p_weight sum of |z|^p, from noise. z is the image in
    the unit of who published the weights, which the network's own input is converted from: its mean colour is 0, and 1
    is a level of 255 where `normalized`, else torchvision's unit, 57.6 levels. With `normalized` the first term is
    divided by |phi0|², the other two by 2 sigma², and the rates are multiplied by sigma², the squared norm of a photo:
    the paper's balance, for any network and any size. Mahendran and Vedaldi 2015 (arXiv:1412.0035), equations 1 to 5.

    target : phi0, what the network gives at `layer`, of one image; a layer of maps, or one after them, whose maps then
    have the network's own size. size : (H, W) of the image; left out, the network's own. tv_weight : a number,
    or three of which the depth of the layer decides, see `tv_weight_by_depth`. update : "momentum", or "guarded", which
    takes steps back that lead uphill; "adam"; or "lbfgs", which takes no rate. rates : ((steps, learning rate), …); the
    update begins anew at each. noise : "normal", of a photo's norm, or "uniform", z in 0 to 1. clamp : bounds of z, up
    to and with step `clamp_until`; 0 sets none. rng : numpy.random.Generator for the noise. callback : called with
    (Progress, image) after each step; Progress.values are the three terms without their weights, of x. checkpoint : a
    Checkpoint to go on from later.
    Raises InputError for a target that the layer cannot give, or that is 0 everywhere, for powers that float32 cannot
    hold, and for unknown names.
    """
    for kind, name, names in (("update", update, UPDATES), ("noise", noise, NOISES)):
        if name not in names:
            raise unknown_name(kind, name, names)
    layer = net.find(layer)
    shape = (1, net.input_shape[0], *(size or net.input_shape[1:]))
    target = checked_target(net, layer, target, shape)
    # z = x / unit, so sum of |z|^p = sum of |x|^p / unit^p; a step of rate * dE/dz in z is rate * unit² * dE/dx in x
    unit = preprocessing.unit / (1 if normalized else TORCHVISION.unit)
    for name, power in (("p", p), ("tv_beta", tv_beta)):
        if not 1e-38 < unit**power < 1e38:  # float32 ends there
            raise InputError(f"{name} is {power:g}: such a power of a pixel is more than numbers hold; give a smaller "
                             "one, the paper's are p = 6 and tv_beta = 2")
    phi0, sigma = float((target * target).sum()), PHOTO_RMS * (shape[1] * shape[2] * shape[3]) ** 0.5
    of_features, of_image, of_rate = (1 / phi0, 1 / (2 * sigma**2), sigma**2) if normalized else (1, 1, 1)
    tv_weight = tv_weight_by_depth(net, layer, shape[2:], tv_weight)
    terms = [(feature_weight * of_features, FeatureMatch(layer, target)),
             (tv_weight * of_image / unit**tv_beta, TotalVariation(tv_beta)),
             (p_weight * of_image / unit**p, PNorm(p))]

    def begin(rate):
        return UPDATES[update](rate * (unit if update == "adam" else of_rate * unit**2))  # Adam's steps know no slope
    step, change = 0, {}
    for num_steps, rate in rates:
        change[step] = rate
        step += num_steps
    method = begin(change.pop(0))

    def watch(progress, image):
        if progress.step in change:
            vars(method).update(vars(begin(change[progress.step])))
        return callback is not None and callback(progress, image)

    def keep(image, step):
        xp = get_array_module(image)
        return image if step > clamp_until else xp.minimum(xp.maximum(image, -clamp * unit), clamp * unit)

    if noise == "normal":
        image = rng.standard_normal(shape, dtype="float32")
        image *= np.float32(preprocessing.unit * PHOTO_RMS / float((image * image).mean()) ** 0.5)
    else:
        image = np.float32(unit) * rng.random(shape, dtype="float32")
    image, history = optimize_image(net, to_device(image, net.device), terms, update=method, num_steps=step,
                                    project=(keep,) if clamp else (), callback=watch, checkpoint=checkpoint)
    return to_host(image), history


def checked_target(net, layer, target, shape):
    """`target` on the network's device; InputError where `layer` does not give such for images of `shape`."""
    expected = net.shapes(shape[1:])[layer]
    if tuple(target.shape) != tuple(expected):
        raise InputError(f"the target of {layer!r} has the shape {tuple(target.shape)}; of an image of "
                         f"{shape[2]}x{shape[3]} pixels it is {tuple(expected)}")
    target = to_device(target, net.device)
    size = float((target * target).sum())
    if not size < float("inf"):
        raise InputError(f"the target of {layer!r} has values that are not finite")
    if size == 0:
        raise InputError(f"the target of {layer!r} is 0 everywhere (a dead ReLU?): it says nothing about a picture")
    return target


def tv_weight_by_depth(net, layer, size, weights):
    """`weights`, where it is one number; of three, the first for the layers whose units see at most as much of the side
    of the picture, (H, W), as those of AlexNet's relu2, the next up to relu4, the last beyond.
    """
    if not hasattr(weights, "__len__"):
        return weights
    near, middle, deep = weights
    field = receptive_field(net, layer)
    share = field.size / min(size) if field else 1.0
    return near if share <= ALEXNET[0] else middle if share <= ALEXNET[1] else deep


def feature_error(net, layer, x, target):
    """|phi(x) - target|² / |target|² at `layer`, for an image x (1, C, H, W) on the host."""
    phi = to_host(net.predict(to_device(x, net.device), layer)).astype(np.float64)
    return float(((phi - to_host(target)) ** 2).sum() / (to_host(target).astype(np.float64) ** 2).sum())


def inversion_report(net, layer, image, target, original, preprocessing):
    """The Inverted of an image (1, C, H, W) on the host, to the original, uint8 (H, W, 3)."""
    picture = preprocessing.to_image(image)
    return Inverted(feature_error(net, layer, image, target),
                    feature_error(net, layer, preprocessing.to_input(picture), target), psnr(picture, original))
