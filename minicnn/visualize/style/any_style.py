"""Paint a photo in any style at once: no optimization, and no training for the style.

An encoder computes the features of a photo and of the style. A transform gives the photo's features the style's
statistics, and a decoder computes an image from them. This is repeated from the coarse layer to the fine ones.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from minicnn import images
from minicnn.arguments import describe, require_choice, require_fields, require_kind, require_number
from minicnn.backend import Array, get_array_module, to_host
from minicnn.errors import InputError, one_line
from minicnn.models.autoencoder import DECODED, decoder_of, decoder_output
from minicnn.models.preprocessing import Preprocessing
from minicnn.network import Network
from minicnn.visualize.arrays import as_picture, as_pictures
from minicnn.visualize.entry import require_network, require_preprocessing, require_side, require_watchers
from minicnn.visualize.style.fast_style import mirrored
from minicnn.visualize.style.feature_transforms import adaptive_instance_norm, whiten_and_colour
from minicnn.visualize.style.masks import require_masks
from minicnn.visualize.style.pictures import finished_picture, network_input, recoloured, resize_side
from minicnn.visualize.style.settings import COLOURS, as_blend
from minicnn.visualize.style.terms import layer_masks

METHODS = ("wct", "adain")


@dataclass(frozen=True)
class AnyStyleSettings:
    """The settings of `any_style`. Raises InputError if a name is unknown or a number is out of range."""

    method: str = "wct"                             # "wct": whitening and colouring; "adain": channel by channel
    strength: float = 1.0                           # 0: the photo as the decoders reconstruct it; 1: the whole style
    layers: Sequence[str] = DECODED[::-1]           # layers to transform, from coarse to fine
    blend: Sequence[float] | None = None            # weight of each style; None: equal weights
    size: int = 512                                 # length of the picture's `side`, pixels
    side: str = "long"                              # side that `size` measures: "long" or "short"
    style_scale: float = 1.0                        # size of the style, relative to `size`: larger strokes above 1
    colours: str = "style"                          # "style", "original", "luminance" or "match"; see StyleSettings

    def __post_init__(self) -> None:
        for kind, name, known in (("method", self.method, METHODS), ("side", self.side, ("long", "short")),
                                  ("colours", self.colours, COLOURS)):
            require_choice(kind, name, known)
        require_number("the strength", self.strength, 0, 1)
        require_number("the style scale", self.style_scale, above=0)
        require_side("size", self.size)
        require_fields(self)
        layers = [self.layers] if isinstance(self.layers, str) else self.layers
        if not isinstance(layers, (list, tuple)) or not layers:
            raise InputError(f"layers is {describe(self.layers)}; expected a list of {', '.join(DECODED)}")
        object.__setattr__(self, "layers", tuple(require_choice("layer", layer, DECODED) for layer in layers))
        if self.blend is not None:
            object.__setattr__(self, "blend", as_blend(self.blend))


WCT = AnyStyleSettings()
ADAIN = replace(WCT, method="adain")
# The published decoders end at relu3_1, and Li et al. begin at relu5_1, whose features are larger. Repeating the
# coarsest layer paints longer strokes.
STROKES = replace(WCT, layers=("relu3_1", "relu3_1", "relu3_1", "relu2_1", "relu1_1"))
ANY_STYLE_PRESETS = {"wct": WCT, "adain": ADAIN, "strokes": STROKES}


def any_style(net: Network, content: Any, styles: Any, preprocessing: Preprocessing, settings: AnyStyleSettings = WCT,
              *, masks: Any = None, callback: Callable[[str, Array, Array], Any] | None = None) -> np.ndarray:
    """Return the content painted in the styles, uint8 (H, W, 3): Li et al. 2017; Huang and Belongie 2017.

    Parameters
    ----------
    net, preprocessing : of load_model("vgg19_autoencoder"), an encoder with decoders.
    content : the photo, uint8 (H, W, 3).
    styles : pictures, uint8 (H, W, 3), or a single one.
    masks : the part of the content for each style, white where it is painted, as for `transfer_style`. Each part has
        its own statistics. Outside of all masks, the result is a reconstruction of the content.
    callback : called with (layer, its transformed features, the image decoded from them), one layer after another.

    Raises InputError if the network has no decoders, or if a picture, a mask or the blend does not fit.

    >>> painter = minicnn.models.vgg19_autoencoder()  # with random weights
    >>> any_style(painter, photo, [photo], model.preprocessing, AnyStyleSettings(size=32)).shape
    (32, 32, 3)
    """
    require_network(net)
    require_preprocessing(preprocessing, net)
    require_kind("settings", settings, AnyStyleSettings, "give AnyStyleSettings, such as ANY_STYLE_PRESETS['wct']")
    require_watchers(callback)
    content, styles = to_host(as_picture("content", content)), [to_host(one) for one in as_pictures("styles", styles)]
    blend = blend_of(settings, len(styles))
    decoders = {layer: decoder_of(net, layer) for layer in settings.layers}
    masks = require_masks(masks, content)
    if masks is not None and len(masks) != len(styles):
        raise InputError(f"there are {len(masks)} masks and {len(styles)} styles; give one mask for each style")
    x, style_inputs = any_style_inputs(net, content, styles, preprocessing, settings)
    H, W = resize_side(content, settings.size, settings.side).shape[:2]
    masks = [fitted_mask(mask, (H, W)) for mask in masks or ()]
    for layer in settings.layers:
        features = net.predict(x, layer)
        targets = [net.predict(style, layer) for style in style_inputs]
        at_layer = [layer_masks(mask, net, x.shape[1:], [layer], str(features.dtype))[layer] for mask in masks]
        features = styled_features(features, targets, blend, settings, at_layer)
        x = decoders[layer].predict(features)
        if callback is not None:
            callback(layer, features, x)
    return finished_picture(to_host(x)[..., :H, :W], content, preprocessing, settings.colours)


def styled_features(content: Array, styles: Sequence[Array], blend: Sequence[float], settings: AnyStyleSettings,
                    masks: Sequence[Array] = ()) -> Array:
    """Return the content's features moved towards those with each style's statistics, by the strength.

    content, styles : features of a layer, (1, C, H, W). blend : the weight of each style. masks : of each style, (H, W)
    from 0 to 1.
    """
    transform = whiten_and_colour if settings.method == "wct" else adaptive_instance_norm
    shares = style_shares(blend, masks)
    out = content
    for number, (style, share) in enumerate(zip(styles, shares, strict=True)):
        mask = masks[number] if masks else None
        if mask is None or bool(mask.any()):  # a thin mask may vanish at a coarse layer
            out = out + settings.strength * share * (transform(content, style, mask) - content)
    return out


def style_shares(blend: Sequence[float], masks: Sequence[Array]) -> list[Any]:
    """Return the share of each style, a number, or an array (H, W) with masks. The content has the rest of 1.

    Where masks overlap, the weights of the blend divide the place.
    """
    if not masks:
        return [weight / sum(blend) for weight in blend]
    xp = get_array_module(masks[0])
    total = sum(weight * mask for weight, mask in zip(blend, masks, strict=True))
    covered = xp.minimum(sum(masks), 1)
    return [covered * weight * mask / xp.where(total > 0, total, 1) for weight, mask in zip(blend, masks, strict=True)]


def any_style_inputs(net: Network, content: np.ndarray, styles: Sequence[np.ndarray], preprocessing: Preprocessing,
                     settings: AnyStyleSettings) -> tuple[Array, list[Array]]:
    """Return the network's input for the content and for each style, (1, 3, H, W); the sides are multiples of 4."""
    style_size = max(1, round(settings.style_scale * settings.size))
    small = resize_side(content, settings.size, settings.side)
    seen = [recoloured(resize_side(style, style_size, settings.side), small, settings.colours) for style in styles]
    first = recoloured(small, small, settings.colours)
    return (network_input(net, mirrored(first), preprocessing),
            [network_input(net, mirrored(style), preprocessing) for style in seen])


def learnt_inversion(net: Network, picture: Any, preprocessing: Preprocessing) -> dict[str, np.ndarray]:
    """Return {layer: picture, uint8 (H, W, 3)}, reconstructed from the features of each layer by its decoder.

    The decoders were trained to invert the features. `invert_features` finds such a picture by optimization.
    Source: Li et al. 2017 (arXiv:1705.08086), section 3.1; Dosovitskiy and Brox 2016 (arXiv:1506.02753).
    net, preprocessing : of load_model("vgg19_autoencoder"). Raises InputError if the network has no decoders.

    >>> list(learnt_inversion(minicnn.models.vgg19_autoencoder(), photo, model.preprocessing))
    ['relu1_1', 'relu2_1', 'relu3_1']
    """
    require_network(net)
    require_preprocessing(preprocessing, net)
    picture = to_host(as_picture("picture", picture))
    for layer in DECODED:
        decoder_of(net, layer)
    H, W = picture.shape[:2]
    outputs = {layer: decoder_output(layer) for layer in DECODED}
    found = net.features(network_input(net, mirrored(picture), preprocessing), outputs.values())
    return {layer: preprocessing.to_image(to_host(found[output])[..., :H, :W]) for layer, output in outputs.items()}


# ---- validation ------------------------------------------------------------------------------------------------------


def blend_of(settings: AnyStyleSettings, count: int) -> list[float]:
    """Return the weight of each style. Raises InputError if there are no styles, or other weights than they need."""
    if not count:
        raise InputError("there are no styles; give at least one picture")
    blend = [1.0] * count if settings.blend is None else list(settings.blend)
    if len(blend) != count:
        raise InputError(f"blend has {len(blend)} weights for {count} styles; give one for each")
    if not any(blend):
        raise InputError(f"all weights of the blend are 0, {one_line(str(blend), 60)}; give one above 0")
    return blend


def fitted_mask(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return a mask, uint8, resized to `size`, (H, W), and extended as the picture is by `mirrored`."""
    return mirrored(images.resize(np.repeat(mask[..., None], 3, axis=2), *size))[..., 0]
