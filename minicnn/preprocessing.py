"""From a picture to the numbers that a network was trained on, and back."""

from typing import NamedTuple

import numpy as np

from minicnn.errors import InputError

LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601: how bright R, G and B look


class Preprocessing(NamedTuple):
    """x = (pixel * scale - mean) / std with pixels in 0..255. It belongs to the weights and is stored with them.

    channel_order : "RGB", "BGR" or "L" (grey). mean, std : a number per channel, in that order.
    resize : the short side before the crop; crop : the side of the square that the network sees; pixels.
    """

    channel_order: str
    scale: float
    mean: tuple
    std: tuple
    resize: int
    crop: int

    def to_input(self, image):
        """Picture of shape (H, W, 3) or (N, H, W, 3), RGB in 0..255, to x of shape (N, C, H, W), float32.

        Raises InputError for another shape and for values that are not finite.
        """
        image = np.asarray(image)
        if image.ndim not in (3, 4) or image.shape[-1] != 3:
            raise InputError(f"expected a picture of shape (H, W, 3) or (N, H, W, 3), got {image.shape}")
        if not np.isfinite(image).all():
            raise InputError("the picture has values that are not finite")
        image = image.astype(np.float32).reshape(-1, *image.shape[-3:])
        if self.channel_order == "L":
            image = (image @ LUMA)[..., None]
        elif self.channel_order == "BGR":
            image = image[..., ::-1]
        x = (image * np.float32(self.scale) - self._per_channel(self.mean)) / self._per_channel(self.std)
        return np.ascontiguousarray(x.transpose(0, 3, 1, 2))

    def to_images(self, x):
        """The inverse of `to_input` for a batch: x of shape (N, C, H, W) to uint8 (N, H, W, 3), clipped."""
        pixels = (x.transpose(0, 2, 3, 1) * self._per_channel(self.std) + self._per_channel(self.mean)) / self.scale
        if self.channel_order == "L":
            pixels = np.repeat(pixels, 3, axis=3)
        elif self.channel_order == "BGR":
            pixels = pixels[..., ::-1]
        return np.clip(np.rint(pixels), 0, 255).astype(np.uint8)

    def to_image(self, x):
        """x of shape (C, H, W) or (1, C, H, W) to one picture, uint8 (H, W, 3)."""
        return self.to_images(x.reshape(1, *x.shape[-3:]))[0]

    def to_pixel_directions(self, dx):
        """A gradient of shape (N, C, H, W) with its channels in RGB order, (N, 3, H, W): for showing colours."""
        if self.channel_order == "L":
            return np.repeat(dx, 3, axis=1)
        return dx[:, ::-1] if self.channel_order == "BGR" else dx

    def valid_range(self):
        """(lowest, highest) x of a real picture: two arrays of shape (C, 1, 1), float32."""
        black, white = ((np.float32(pixel * self.scale) - self._per_channel(self.mean)) / self._per_channel(self.std)
                        for pixel in (0, 255))
        return black[:, None, None], white[:, None, None]

    def _per_channel(self, values):
        return np.asarray(values, np.float32)


TORCHVISION = Preprocessing("RGB", 1 / 255, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), 256, 224)
CAFFE_VGG = Preprocessing("BGR", 1.0, (103.939, 116.779, 123.68), (1.0, 1.0, 1.0), 256, 224)
CAFFE_SQUEEZENET = Preprocessing("BGR", 1.0, (104.0, 117.0, 123.0), (1.0, 1.0, 1.0), 256, 227)
