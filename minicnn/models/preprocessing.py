"""From an image to the numbers that a network was trained on, and back."""

from typing import Any, NamedTuple

import numpy as np

from minicnn.array_likes import as_numbers
from minicnn.backend import Array, to_host
from minicnn.errors import InputError

LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # weights of R, G and B in the brightness (ITU-R BT.601)
CHANNELS = {"RGB": 3, "BGR": 3, "L": 1}  # channel_order -> number of channels
TINY = 1e-30  # smaller values can be 0 in float32
LARGEST_SIDE = 4096  # pixels; limits the memory that a weights file can ask for


class Preprocessing(NamedTuple):
    """x = (pixel * scale - mean) / std, with pixels in 0..255. Each weights file stores its own.

    channel_order : "RGB", "BGR" or "L" (grey).
    mean, std : one number per channel, in that order.
    resize : short side of the image before the crop, in pixels.
    crop : side of the square that the network takes, in pixels.
    """

    channel_order: str
    scale: float
    mean: tuple[float, ...]
    std: tuple[float, ...]
    resize: int
    crop: int

    def require_valid(self) -> None:
        """Raise InputError if a value is impossible, as in a damaged or forged weights file."""
        channels = CHANNELS.get(self.channel_order) if isinstance(self.channel_order, str) else None
        if channels is None:
            raise InputError(f"the channel order {str(self.channel_order)[:50]!r} is none of {', '.join(CHANNELS)}")
        if not _is_number(self.scale) or not self.scale > TINY:
            raise InputError(f"the scale of the pixels is {str(self.scale)[:50]}, not a number above 0")
        for name, values in (("mean", self.mean), ("std", self.std)):
            if len(values) != channels or not all(map(_is_number, values)):
                raise InputError(f"{name} is {str(values)[:100]}, not {channels} numbers, one per channel of "
                                 f"{self.channel_order}")
        if not all(value > TINY for value in self.std):
            raise InputError(f"std is {str(self.std)[:100]}: it must be above 0")
        sides = (self.resize, self.crop)
        if not all(type(side) is int for side in sides) or not 0 < self.crop <= self.resize <= LARGEST_SIDE:
            raise InputError(f"images are cropped to {str(self.crop)[:20]} from {str(self.resize)[:20]} pixels: "
                             f"expected two whole numbers up to {LARGEST_SIDE:,}, the first not above the second")

    def to_input(self, image: Any) -> Array:
        """Return the network's input, float32 of shape (N, C, H, W), for an image (H, W, 3) or images (N, H, W, 3).

        image : RGB with values in 0..255 of any type: an array, a tensor, a PIL image or nested lists.
        Raises InputError if the shape is another one, if a value is not finite, or if the values are from 0 to 1.
        """
        image = image.convert("RGB") if hasattr(image, "getbands") else image  # a PIL image, such as one of a palette
        image = to_host(as_numbers("image", image))
        if image.ndim not in (3, 4) or image.shape[-1] != 3:
            raise InputError(f"expected an image of shape (H, W, 3) or images of shape (N, H, W, 3), got {image.shape}")
        if not np.isfinite(image).all():
            raise InputError("the image has values that are not finite")
        if image.dtype.kind in "iu" and image.size and not 0 <= image.min() <= image.max() <= 255:
            raise InputError(f"the image has values from {image.min()} to {image.max()}; expected 0 to 255")
        if image.dtype.kind == "f" and image.size and 0 <= image.min() and 1e-3 < image.max() <= 1 \
                and abs(image - np.rint(image)).max() > 1e-3:
            raise InputError(f"the image has values from {image.min():g} to {image.max():g}; expected 0 to 255: give "
                             "255 * image")
        image = image.astype(np.float32).reshape(-1, *image.shape[-3:])
        if self.channel_order == "L":
            image = (image @ LUMA)[..., None]
        elif self.channel_order == "BGR":
            image = image[..., ::-1]
        x = (image * np.float32(self.scale) - self._per_channel(self.mean)) / self._per_channel(self.std)
        return np.ascontiguousarray(x.transpose(0, 3, 1, 2))

    def to_images(self, x: Array) -> Array:
        """Return x of shape (N, C, H, W) as uint8 images (N, H, W, 3), clipped: the inverse of `to_input`."""
        x = to_host(as_numbers("x", x))
        if x.ndim != 4 or x.shape[1] != len(self.std):
            raise InputError(f"expected images of shape (N, {len(self.std)}, H, W), got {x.shape}")
        pixels = (x.transpose(0, 2, 3, 1) * self._per_channel(self.std) + self._per_channel(self.mean)) / self.scale
        if self.channel_order == "L":
            pixels = np.repeat(pixels, 3, axis=3)
        elif self.channel_order == "BGR":
            pixels = pixels[..., ::-1]
        return np.clip(np.rint(pixels), 0, 255).astype(np.uint8)

    def to_image(self, x: Array) -> Array:
        """Return x of shape (C, H, W) or (1, C, H, W) as one uint8 image (H, W, 3)."""
        x = as_numbers("x", x)
        if x.ndim not in (3, 4) or x.ndim == 4 and len(x) != 1:
            raise InputError(f"expected one image of shape (C, H, W) or (1, C, H, W), got {x.shape}")
        return self.to_images(x.reshape(1, *x.shape[-3:]))[0]

    def to_pixel_directions(self, dx: Array) -> Array:
        """Return a gradient (N, C, H, W) with its channels in RGB order, (N, 3, H, W), to show it in colour."""
        if self.channel_order == "L":
            return np.repeat(dx, 3, axis=1)
        return dx[:, ::-1] if self.channel_order == "BGR" else dx

    def valid_range(self) -> tuple[Array, Array]:
        """Return the x of black and of white, two float32 arrays of shape (C, 1, 1): the bounds of real images."""
        black, white = ((np.float32(pixel * self.scale) - self._per_channel(self.mean)) / self._per_channel(self.std)
                        for pixel in (0, 255))
        return black[:, None, None], white[:, None, None]

    @property
    def unit(self) -> float:
        """The size of one grey level in x, averaged over the channels. Step lengths are published in this unit."""
        return self.scale * len(self.std) / sum(self.std)

    def _per_channel(self, values: tuple[float, ...]) -> Array:
        return np.asarray(values, np.float32)


def _is_number(value: Any) -> bool:
    """Return whether the value is a number that is finite in float32 too."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1 / TINY


TORCHVISION = Preprocessing("RGB", 1 / 255, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), 256, 224)
CAFFE_VGG = Preprocessing("BGR", 1.0, (103.939, 116.779, 123.68), (1.0, 1.0, 1.0), 256, 224)
CAFFE_SQUEEZENET = Preprocessing("BGR", 1.0, (104.0, 117.0, 123.0), (1.0, 1.0, 1.0), 256, 227)
PREPROCESSINGS = {  # the names that users choose by
    "torchvision": TORCHVISION,
    "caffe": CAFFE_VGG,
    "caffe-rgb": Preprocessing("RGB", 1.0, CAFFE_VGG.mean[::-1], (1.0, 1.0, 1.0), 256, 224),
    "unit": Preprocessing("RGB", 1 / 255, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), 256, 224),  # 0..1
    "minus1-1": Preprocessing("RGB", 1 / 127.5, (1.0, 1.0, 1.0), (1.0, 1.0, 1.0), 256, 224),  # -1..1
    "tf": Preprocessing("RGB", 1 / 127.5, (1.0, 1.0, 1.0), (1.0, 1.0, 1.0), 256, 224),  # Keras's name of minus1-1
    "none": Preprocessing("RGB", 1.0, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), 256, 224),  # 0..255
}
