"""The convolution of an image with few channels, and the way back to the image.

Patches of three channels are short runs of memory. Here the rows of the matrices are planes: the values that one weight
of the filters multiplies, over a band of the image. For a stride of s, a plane takes every s-th column. So the image
is first sorted into s phases: all columns 0, s, 2 s, …, then all columns 1, s + 1, …, and so on.
"""

from typing import NamedTuple

import numpy as np

from minicnn.backend import Array
from minicnn.fast.rows import products
from minicnn.fast.rows.tape import Tape, strided
from minicnn.layers import Conv2D


class Phases(NamedTuple):
    """Some rows of a padded image, from row `first` on, by the phase of the column: (C, rows, stride, columns)."""

    array: Array
    first: int


def phases_for(layer: Conv2D, size: tuple[int, int], rows: tuple[int, int]) -> Phases:
    """Return zeros for the part of an image (H, W) that some rows of the convolution's output depend on."""
    _, C, K, _ = layer.params["w"].shape
    s, (first, last) = layer.stride, rows
    shape = C, (last - first - 1) * s + K, s, -(-(size[1] + 2 * layer.pad) // s)
    return Phases(np.zeros(shape, np.float32), first * s)


def sort_image(image: Array, layer: Conv2D, phases: Phases) -> None:
    """Copy the image, (C, H, W), into the phases."""
    s, pad = layer.stride, layer.pad
    H, W = image.shape[1:]
    top = max(0, phases.first - pad)
    bottom = min(H, phases.first + phases.array.shape[1] - pad)
    for phase in range(s):
        begin = (phase - pad) % s  # the first column of the image in this phase
        columns = image[:, top:bottom, begin:W:s]
        place = (begin + pad) // s
        phases.array[:, top + pad - phases.first:bottom + pad - phases.first, phase,
                     place:place + columns.shape[2]] = columns


def convolve(tape: Tape, phases: Phases, layer: Conv2D, rows: tuple[int, int], out: Array) -> None:
    """Write down some rows of the convolution into `out`, (rows OW, F)."""
    w = layer.params["w"]
    F, C, K, _ = w.shape
    s, (first, last) = layer.stride, rows
    OW = len(out) // (last - first)
    with tape.frame():
        planes = tape.scratch((C, K, K, last - first, OW))
        sc, sy, sp, sx = phases.array.strides
        for j in range(K):
            begin = phases.array[:, first * s - phases.first:, j % s, j // s:]
            tape.copy(strided(begin, (C, K, last - first, OW), (sc, sy, s * sy, sx)), planes[:, :, j])
        matrix = tape.scratch((C * K * K, F))
        tape.copy(w.reshape(F, -1).T, matrix)
        products.multiply(tape, planes.reshape(C * K * K, -1).T, matrix, out)


def spread(tape: Tape, dout: Array, layer: Conv2D, rows: tuple[int, int], OW: int, pixels: tuple[int, int],
           dx: Array) -> None:
    """Write down the gradient to some rows of the image, dx (C, rows, W).

    dout : of the output's `rows`, (rows OW, F), all that depend on these rows of the image.
    """
    w = layer.params["w"]
    F, C, K, _ = w.shape
    count = rows[1] - rows[0]
    if not count:
        tape.fill(dx)
        return
    with tape.frame():
        planes = tape.scratch((C, K, K, count, OW))
        products.multiply(tape, dout, w.reshape(F, -1), planes.reshape(C * K * K, -1).T)
        add_planes(tape, planes, layer, rows, pixels, dx)


def add_planes(tape: Tape, planes: Array, layer: Conv2D, rows: tuple[int, int], pixels: tuple[int, int],
               dx: Array) -> None:
    """Write down the sum of planes (C, K, K, rows, OW), each shifted to the pixels that its weight multiplied."""
    C, K, _, count, _ = planes.shape
    s, W = layer.stride, dx.shape[2]
    for phase in range(s):  # of the columns of the image: first add the planes of a row of the filters,
        columns = range(phase, W, s)
        if not columns:
            continue
        line = tape.scratch((C, K, count, len(columns)))
        shifted = [(planes[:, :, j], (j - layer.pad - phase) // s)
                   for j in range(K) if (j - layer.pad - phase) % s == 0]
        add_shifted(tape, shifted, line, 3)
        for start in range(s):  # then, for each phase of the rows, the rows of the filters
            some = [y for y in range(*pixels) if y % s == start]
            if not some:
                continue
            target = dx[:, some[0] - pixels[0]::s, phase::s]
            shifted = [(line[:, i], (i - layer.pad - start) // s - (some[0] - start) // s + rows[0])
                       for i in range(K) if (i - layer.pad - start) % s == 0]
            if s > 1 and len(shifted) > 2:  # every s-th column is a slow place for sums
                total = tape.scratch(target.shape)
                add_shifted(tape, shifted, total, 1)
                tape.copy(total, target)
            else:
                add_shifted(tape, shifted, target, 1)


def add_shifted(tape: Tape, terms: list[tuple[Array, int]], out: Array, axis: int) -> None:
    """Write down the sum of arrays, given as (array, shift along an axis of `out`). What reaches beyond is cut off."""
    before, length = (slice(None),) * axis, out.shape[axis]
    inside = [(array, shift, max(0, shift), min(length, shift + array.shape[axis])) for array, shift in terms]
    inside = [term for term in inside if term[2] < term[3]]

    def part(term: tuple[Array, int, int, int], low: int, high: int) -> Array:
        index = *before, slice(low - term[1], high - term[1])
        return term[0][index]

    def target(low: int, high: int) -> Array:
        index = *before, slice(low, high)
        return out[index]

    if not inside:
        tape.fill(out)
        return
    begun, others = inside[:2], inside[2:]
    edges = sorted({0, length, *(term[2] for term in begun), *(term[3] for term in begun)})
    for low, high in zip(edges[:-1], edges[1:], strict=True):  # where two, one or none of the first two are
        here = [part(term, low, high) for term in begun if term[2] <= low and high <= term[3]]
        if len(here) == 2:
            tape.do(np.add, *here, target(low, high))
        elif here:
            tape.copy(here[0], target(low, high))
        else:
            tape.fill(target(low, high))
    for term in others:
        tape.do(np.add, target(*term[2:]), part(term, *term[2:]), target(*term[2:]))
