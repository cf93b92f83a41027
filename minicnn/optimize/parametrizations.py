"""Parametrizations: the loop changes numbers z, from which the image is made: pixels, a spectrum, or a code.

Each has `forward(z) -> (image, cache)` and `backward(dimage, cache) -> dz`, as a layer has.
"""

from typing import Any, Protocol

from minicnn.backend import Array, get_array_module, get_fft
from minicnn.network import Network, Trace

REFERENCE = 1 / 16  # periods per pixel of the waves whose size no power changes


class Parametrization(Protocol):
    """The image of the numbers z, and the gradient to z from the gradient to the image."""

    def forward(self, z: Array) -> tuple[Array, Any]: ...
    def backward(self, dimage: Array, cache: Any) -> Array: ...


class Pixels:
    """The numbers are the pixels themselves."""

    def forward(self, z: Array) -> tuple[Array, None]:
        """Return (the image, None)."""
        return z, None

    def backward(self, dimage: Array, cache: None) -> Array:
        """Return the gradient to the pixels."""
        return dimage

    def inverse(self, image: Array) -> Array:
        """Return the image."""
        return image


class FourierSpectrum:
    """Waves of decorrelated colours: image = low + (high - low) * sigmoid(colours @ irfft2(z / frequency)).

    Photos have as much contrast in coarse waves as in fine ones, and their colours vary together. A step of the same
    length in each number of z therefore changes an image as photos differ: at all sizes, and mostly in brightness.
    The numbers are the real and the imaginary parts of the spectrum, (N, C, H, W // 2 + 1, 2).

    size : (H, W) of the image in pixels, or the side of a square one. low, high : the limits of the image's values,
    (C, 1, 1). colours : (C, C), whose columns are the decorrelated colours. All are arrays on the image's device, of
    its type.
    power : of the frequency, by which waves are divided. 1 as published; with 2, coarse waves change the most, and the
    image is smoother. Waves of REFERENCE periods per pixel keep their length.
    Olah, Mordvintsev and Schubert 2017, "Feature Visualization" (https://distill.pub/2017/feature-visualization),
    appendix "Preconditioning".
    """

    def __init__(self, size: int | tuple[int, ...], low: Array, high: Array, colours: Array,
                 power: float = 1.0) -> None:
        xp, waves = get_array_module(low), get_fft(low)
        H, W = self.size = (size, size) if isinstance(size, int) else size
        self.low, self.span, self.colours = low, high - low, colours
        rows, columns = waves.fftfreq(H)[:, None], waves.rfftfreq(W)  # periods per pixel
        frequency = xp.maximum(xp.sqrt(rows * rows + columns * columns), 1 / max(H, W))
        length = frequency * (frequency / REFERENCE)**(power - 1)
        self.gain = ((H * W)**0.5 / 4 / length).astype(low.dtype)  # (H, W // 2 + 1)
        # each column stands for two waves; the first one, and the last one of an even width, stand for one
        self.single = [0] if W % 2 else [0, W // 2]
        both = xp.full(len(columns), 2.0)
        for column in self.single:
            both[column] = 1
        self.adjoint_gain = (self.gain * both / (H * W)).astype(low.dtype)

    def shape(self, count: int) -> tuple[int, ...]:
        """Return the shape of z for `count` images."""
        H, W = self.size
        return count, len(self.colours), H, W // 2 + 1, 2

    def forward(self, z: Array) -> tuple[Array, Array]:
        """Return (images (N, C, H, W), the values of the sigmoid, for `backward`)."""
        xp = get_array_module(z)
        values = 1 / (1 + xp.exp(-mixed(self.colours, self.planes(z))))
        return self.low + self.span * values, values

    def backward(self, dimage: Array, values: Array) -> Array:
        """Return the gradient to z, from the gradient to the images."""
        # d sigmoid(v) / dv = sigmoid(v) * (1 - sigmoid(v))
        return self.adjoint(mixed(self.colours.T, dimage * self.span * (values * (1 - values))))

    def planes(self, z: Array) -> Array:
        """Return irfft2(z / frequency), (N, C, H, W): a linear map of z."""
        fft = get_fft(z)
        spectrum = z.view(f"c{2 * z.itemsize}")[..., 0] * self.gain
        columns = fft.ifft(spectrum, axis=2)
        for column in self.single:  # its wave is its own mirror image, so it has no imaginary part
            columns[..., column] = columns[..., column].real
        return fft.irfft(columns, n=self.size[1], axis=3)

    def adjoint(self, dplanes: Array) -> Array:
        """Return the gradient to z from the gradient to its planes: <planes(z), d> = <z, adjoint(d)>."""
        dspectrum = get_fft(dplanes).rfft2(dplanes) * self.adjoint_gain
        return dspectrum.view(dplanes.dtype).reshape(*dspectrum.shape, 2)

    def inverse(self, image: Array) -> Array:
        """Return the z of images (N, C, H, W); values close to low or high, or beyond, are moved inside."""
        xp = get_array_module(image)
        values = xp.clip((image - self.low) / self.span, 0.01, 0.99)
        planes = mixed(xp.linalg.inv(self.colours), xp.log(values / (1 - values)))
        spectrum = get_fft(planes).rfft2(planes) / self.gain
        return spectrum.view(planes.dtype).reshape(*spectrum.shape, 2)


class Decoded:
    """The numbers are the code from which a decoder makes the picture (Nguyen et al. 2016, arXiv:1605.09304)."""

    def __init__(self, decoder: Network) -> None:
        self.decoder = decoder

    def forward(self, z: Array) -> tuple[Array, Trace]:
        """Return (the decoder's pictures, the Trace for `backward`)."""
        trace = self.decoder.forward(z)
        return trace.activations[self.decoder.output], trace

    def backward(self, dimage: Array, trace: Trace) -> Array:
        """Return the gradient to the code, from the gradient to the pictures."""
        return self.decoder.backward(trace, {self.decoder.output: dimage})["input"]


class Shown:
    """The last image of a Parametrization, which is made once: to be shown after a step and changed in the next."""

    def __init__(self, parametrization: Parametrization) -> None:
        self.parametrization = parametrization
        self.z: Array | None = None
        self.made: Any = None  # (image, cache)

    def forward(self, z: Array) -> tuple[Array, Any]:
        """Return (image, cache) of z."""
        if z is not self.z:
            self.z, self.made = z, self.parametrization.forward(z)
        image, cache = self.made
        return image, cache


def mixed(colours: Array, planes: Array) -> Array:
    """Return colours @ planes for each pixel: (C, C) and (N, C, H, W) -> (N, C, H, W)."""
    N, C, H, W = planes.shape
    return (colours @ planes.reshape(N, C, H * W)).reshape(N, C, H, W)
