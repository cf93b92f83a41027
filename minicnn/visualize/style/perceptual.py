"""What a transform network is trained with: the losses of style transfer as a loss on its output, and crops of photos.

Johnson et al. 2016 (arXiv:1603.08155), section 3.2: the network that looks at the output is never changed.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from minicnn import images
from minicnn.backend import device_of, get_array_module, to_device
from minicnn.errors import InputError
from minicnn.losses import TotalVariation, loss_and_gradient
from minicnn.models.preprocessing import Preprocessing
from minicnn.network import Network
from minicnn.training.train import AUGMENT, STYLE
from minicnn.visualize.style.many_styles import with_style
from minicnn.visualize.style.terms import check_layers, check_size, content_terms, gram_targets, style_terms
from minicnn.visualize.style.transfer import STYLE_PRESETS, StyleSettings, enter_picture, sized

# StyleSettings to train with, by the loss network. A network learns strokes sooner than what is to be seen in a photo:
# with the weights of an optimisation little of the photo would be left.
FAST_PRESETS = {
    "squeezenet": STYLE_PRESETS["squeezenet"] | {"content_layers": {"fire3/concat": 1.0}, "content_weight": 5.0,
                                                 "style_weight": 4.0, "tv_weight": 0.1},
    "shapes": STYLE_PRESETS["shapes"] | {"content_weight": 5.0, "style_weight": 5.0},
    # fast-neural-style's for Caffe's VGG-16; of its total variation of 1e-6 it takes half of the squares.
    "johnson": STYLE_PRESETS["neural-style"] | {
        "content_layers": {"relu3_3": 1.0}, "content_weight": 1.0,
        "style_layers": dict.fromkeys(("relu1_2", "relu2_2", "relu3_3", "relu4_3"), 1.0), "style_weight": 5.0,
        "tv_weight": 1e-6 / 2, "size": 256},
}


@dataclass(frozen=True)
class PerceptualLoss:
    """The mean over pictures of what `transfer_style` minimises for each of them, for `train`.

    net : the loss network, with its pooling. targets : the Gram matrices of the style, {layer: (1, C, C)}.
    """

    net: Network
    settings: StyleSettings
    targets: dict

    def __call__(self, out, photos):
        """Painted pictures and the photos that they were, x (N, 3, H, W) both -> (value, gradient to `out`)."""
        value, gradient, _ = loss_and_gradient(self.net, out, self.terms(to_device(photos, device_of(out))))
        return value, gradient

    def terms(self, photos):
        """[(weight, loss), …] for a batch of photos, x (N, 3, H, W)."""
        content_layers, style_layers = self.settings.weighted_layers()
        reduction, N = self.settings.reduction, len(photos)
        share = 1 / N if reduction == "sum" else 1  # the others divide by the sum, or the number, of all N
        terms = content_terms(self.net, photos, content_layers, share * self.settings.content_weight, reduction)
        terms += style_terms(self.targets, style_layers, self.settings.style_weight / N, reduction)
        if self.settings.tv_weight:
            own = TotalVariation()({"input": photos})[0] if reduction == "relative" else N
            terms.append((self.settings.tv_weight / (own or 1.0), TotalVariation()))
        return terms


def perceptual_loss(net, style, preprocessing, settings):
    """The PerceptualLoss for a picture of a style, uint8 (H, W, 3), seen at the settings' size times its scale.

    Raises InputError for layers that are not there, weights without content or style, and a style too small.
    """
    settings.check()
    if net.input_shape[0] != 3:
        raise InputError("the loss network must take pictures in colour; this one takes "
                         f"{net.input_shape[0]} channels")
    if not all(settings.weighted_layers()):
        raise InputError("a transform network is trained for content and style: both need weights above 0")
    layers = check_layers(net, [*settings.content_layers, *settings.style_layers])
    renamed = {kind: {net.find(name): weight for name, weight in getattr(settings, kind).items()}
               for kind in ("content_layers", "style_layers")}
    settings = StyleSettings(**vars(settings) | renamed)
    net = net.with_pooling(settings.pooling).trunk(layers)
    x = enter_picture(net, sized(style, settings.style_size(settings.size), settings.side), preprocessing)
    check_size(net, x.shape[1:], layers, "the style")
    return PerceptualLoss(net, settings, gram_targets(net, [x], settings.weighted_layers()[1]))


@dataclass(frozen=True)
class PhotoCrops:
    """Batches (x, x) of random square crops of photos, half of them mirrored: what goes in, and what the loss compares
    with. Each is a function of the seed and the step.

    photos : paths, read when their turn comes, or pictures, uint8 (H, W, 3). size : pixels, a multiple of 4. largest :
    the short side of a photo is scaled to between `size` and this many times `size` before.
    """

    photos: list
    preprocessing: Preprocessing
    size: int = 96
    batch_size: int = 4
    seed: int = 0
    largest: float = 2.0

    def __call__(self, step):
        """Batch number `step`, from 0."""
        rng = np.random.default_rng([AUGMENT, self.seed, step])
        chosen = rng.choice(len(self.photos), self.batch_size, replace=len(self.photos) < self.batch_size)
        x = self.preprocessing.to_input(np.stack([self.crop(self.photos[index], rng) for index in chosen]))
        return x, x

    def crop(self, photo, rng):
        """One square, uint8 (size, size, 3)."""
        photo = photo if hasattr(photo, "shape") else images.load_image(photo)
        short = round(self.size * rng.uniform(1, self.largest))
        photo = images.resize_short_side(photo, short)
        top, left = (int(rng.integers(0, side - self.size + 1)) for side in photo.shape[:2])
        photo = photo[top:top + self.size, left:left + self.size]
        return photo[:, ::-1] if rng.integers(2) else photo


# ---- one network, many styles: Dumoulin et al. 2016 (arXiv:1610.07629) -----------------------------------------------

class StyledPhotos(NamedTuple):
    """A batch: photos, x (N, 3, H, W), and the style that each is to be painted in, (N, S), of ones and zeros."""

    photos: np.ndarray
    style: np.ndarray


@dataclass(frozen=True)
class StyledCrops:
    """Batches (x, StyledPhotos) of `crops`, every photo with a style of its own: a function of the seed and the step.

    Each style comes as often as the others, but for one, in a batch. num_styles : of the network. first : the styles
    before this one do not come, as they were learnt before.
    """

    crops: PhotoCrops
    num_styles: int
    first: int = 0

    def __call__(self, step):
        """Batch number `step`, from 0."""
        x, photos = self.crops(step)
        rng = np.random.default_rng([STYLE, self.crops.seed, step])
        order = rng.permutation(np.arange(self.first, self.num_styles))
        return x, StyledPhotos(photos, np.eye(self.num_styles, dtype=x.dtype)[np.resize(order, len(x))])


@dataclass(frozen=True)
class StyledLoss:
    """The mean over pictures of each one's PerceptualLoss, that of its own style, for `train`.

    losses : a PerceptualLoss per style; None for a style that no batch has.
    """

    losses: tuple

    def __call__(self, out, batch):
        """Painted pictures, x (N, 3, H, W), and the StyledPhotos that they were -> (value, gradient to `out`)."""
        N, total, gradient = len(out), 0.0, get_array_module(out).empty_like(out)
        for n, number in enumerate(batch.style.argmax(axis=1)):
            one = slice(n, n + 1)
            value, dout = self.losses[number](out[one], batch.photos[one])
            total += value / N
            gradient[one] = dout / N
        return total, gradient


def in_styles(net, batch):
    """The network that paints each of the StyledPhotos in its style: `variant` of `train`."""
    return with_style(net, batch.style)
