"""Random changes of the image before the network sees it: jitter, scale, rotation, and a crop.

Each transform is a linear map: `apply` is the map A of the parameters that `draw` returned, and `undo` is its adjoint,
so that <A x, y> = <x, undo(y)>. Places outside the image count as 0, the mean colour.
Olah, Mordvintsev and Schubert 2017, "Feature Visualization" (https://distill.pub/2017/feature-visualization).
"""

from dataclasses import dataclass
from itertools import groupby
from math import ceil, floor, radians, sin, tan
from typing import Any

from minicnn.backend import Array, Generator, get_array_module


@dataclass(frozen=True)
class Jitter:
    """Show the network the image rolled by up to `pixels` in each direction (Mordvintsev et al. 2015)."""

    pixels: int

    def draw(self, rng: Generator) -> tuple[int, int]:
        """Return a random shift (y, x)."""
        y, x = rng.integers(-self.pixels, self.pixels + 1, 2).tolist()
        return y, x

    def apply(self, image: Array, shift: tuple[int, int]) -> Array:
        """Return the rolled image, of shape (N, C, H, W)."""
        return get_array_module(image).roll(image, shift, axis=(2, 3))

    def undo(self, gradient: Array, shift: tuple[int, int]) -> Array:
        """Return the gradient to the image, from the gradient to the rolled image: it is rolled back."""
        return get_array_module(gradient).roll(gradient, (-shift[0], -shift[1]), axis=(2, 3))


@dataclass(frozen=True)
class Scale:
    """Show the network the image enlarged by a factor from 1 - share to 1 + share, about its centre, in its own size.
    """

    share: float

    def draw(self, rng: Generator) -> float:
        """Return a random factor."""
        return float(rng.uniform(1 - self.share, 1 + self.share))

    def apply(self, image: Array, factor: float) -> Array:
        """Return the enlarged image, (N, C, H, W): each pixel is read between its neighbours, linearly."""
        # pixel j of the result lies at (j - centre) / factor + centre in the image
        return added_up(added_up(image, 2, 1 / factor, 1.0), 3, 1 / factor, 1.0)

    def undo(self, gradient: Array, factor: float) -> Array:
        """Return the gradient to the image: each pixel collects from the pixels of the result that were read from it.
        """
        return added_up(added_up(gradient, 3, factor, factor), 2, factor, factor)


@dataclass(frozen=True)
class Rotation:
    """Show the network the image turned by up to `degrees` about its centre.

    The rotation is three shears (Paeth 1986): each moves every row, or every column, by a distance of its own.
    """

    degrees: float

    def draw(self, rng: Generator) -> float:
        """Return a random angle in degrees."""
        return float(rng.uniform(-self.degrees, self.degrees))

    def apply(self, image: Array, angle: float) -> Array:
        """Return the turned image, (N, C, H, W)."""
        across, down = -tan(radians(angle) / 2), sin(radians(angle))
        turned = sheared(sheared(image, across).swapaxes(2, 3), down).swapaxes(2, 3)
        return sheared(turned, across)

    def undo(self, gradient: Array, angle: float) -> Array:
        """Return the gradient to the image: the adjoint of a shear is the shear back, so it is turned back."""
        return self.apply(gradient, -angle)


@dataclass(frozen=True)
class Crop:
    """Show the network the central `size` of the `full` pixels of each side of the image. Nothing is random."""

    full: int
    size: int

    def draw(self, rng: Generator) -> None:
        """Return None, and draw nothing from `rng`."""

    def apply(self, image: Array, drawn: None = None) -> Array:
        """Return the centre, (N, C, size, size)."""
        inside = slice(self._border, self._border + self.size)
        return image[:, :, inside, inside]

    def undo(self, gradient: Array, drawn: None = None) -> Array:
        """Return the gradient to the image, (N, C, full, full): 0 outside the centre."""
        near, far = self._border, self.full - self.size - self._border
        return get_array_module(gradient).pad(gradient, ((0, 0), (0, 0), (near, far), (near, far)))

    @property
    def _border(self) -> int:
        return (self.full - self.size) // 2


def added_up(x: Array, axis: int, step: float, reach: float) -> Array:
    """Return the rows (axis 2) or columns (axis 3) of x (N, C, H, W) added up as Scale does, or as its adjoint does.

    Place i of the result lies at p = (i - centre) * step + centre in x. The weights of the places of x fall linearly
    from 1 at p to 0 at the distance `reach`.
    """
    xp, side = get_array_module(x), x.shape[axis]
    centre = (side - 1) / 2
    places = (xp.arange(side) - centre) * step + centre
    first = xp.floor(places - reach).astype(int) + 1
    out: Any = None
    for tap in range(ceil(2 * reach)):
        place = first + tap
        weight = xp.maximum(1 - abs(place - places) / reach, 0) * ((place >= 0) & (place < side))
        part = xp.take(x, xp.clip(place, 0, side - 1), axis=axis)
        part *= weight.astype(x.dtype).reshape(-1, *[1] * (x.ndim - 1 - axis))
        out = part if tap == 0 else xp.add(out, part, out=out)
    return out


def sheared(x: Array, slope: float) -> Array:
    """Return x (N, C, H, W) with each row moved to the left by slope * (its distance below the centre) pixels.

    A row is read between its pixels, linearly, and counts as 0 outside.
    """
    xp, (H, W) = get_array_module(x), x.shape[2:]
    moves = [slope * (row - (H - 1) / 2) for row in range(H)]
    room = ceil(max(map(abs, moves))) + 1
    wide = xp.pad(x, ((0, 0), (0, 0), (0, 0), (room, room)))
    share = xp.asarray([move - floor(move) for move in moves], x.dtype)[:, None]
    out = xp.empty(x.shape, x.dtype)
    for whole, group in groupby(range(H), key=lambda row: floor(moves[row])):  # rows that move by as many whole pixels
        rows = list(group)
        top, bottom, left = rows[0], rows[-1] + 1, room + whole
        near, far = (wide[:, :, top:bottom, start:start + W] for start in (left, left + 1))
        out[:, :, top:bottom] = near + share[top:bottom] * (far - near)
    return out
