"""A band of a max pool. Booleans say which element of a window has won; the map itself is not kept for the way back.

The maximum goes over the columns of a window and then over its rows: 3 + 3 comparisons instead of 9. A later element
wins only if it is larger, so on a tie the first one wins, row by row.
"""

import numpy as np

from minicnn.backend import Array
from minicnn.fast.rows.tape import Tape
from minicnn.layers import MaxPool2D


def at(axis: int, where: slice) -> tuple[slice, ...]:
    """Return the index that cuts axis 0 or 1."""
    return (slice(None),) * axis + (where,)


def members(i: int, windows: tuple[int, int], stride: int, size: int, first: int) -> tuple[slice, slice]:
    """Return (windows, pixels): the windows of a range that have an i-th pixel inside the map, and these pixels.

    size : the map's pixels along the side. first : the number of the first pixel that is at hand. Slices count from the
    first window of the range, and from the first pixel at hand.
    """
    begin, end = windows
    last = min(end, -(-(size - i) // stride))
    start = begin * stride + i - first
    stop = start + (last - begin - 1) * stride + 1 if last > begin else start
    return slice(0, last - begin), slice(start, stop, stride)


def maxima(tape: Tape, x: Array, axis: int, layer: MaxPool2D, windows: tuple[int, int], size: int, first: int,
           won: list[Array], out: Array) -> None:
    """Write down the maxima over the windows of a range along one axis.

    x : the pixels from `first` on. won : for each position in a window but the first, whether its pixel has won, in
    the shape of `out`; [] to keep no choice.
    """
    before = x[at(axis, members(0, windows, layer.stride, size, first)[1])]
    if layer.kernel_size == 1:
        tape.copy(before, out)
    for i in range(1, layer.kernel_size):
        some, pixels = members(i, windows, layer.stride, size, first)
        some_out, later = out[at(axis, some)], x[at(axis, pixels)]
        best = before[at(axis, some)] if i == 1 else some_out
        if won:
            tape.do(np.greater, later, best, won[i - 1][at(axis, some)])
        tape.do(np.maximum, best, later, some_out)
        if i == 1 and some.stop < out.shape[axis]:
            rest = at(axis, slice(some.stop, None))
            tape.copy(before[rest], out[rest])


def spread(tape: Tape, dout: Array, axis: int, layer: MaxPool2D, windows: tuple[int, int], count: int,
           won: list[Array], pixels: tuple[int, int], dx: Array) -> None:
    """Write down the gradient to dx, a range of pixels along one axis, from the gradient to the maxima.

    dout, won : of the `windows` that contain these pixels. count : of all windows of the map.
    """
    s, (low, high) = layer.stride, pixels
    with tape.frame():
        if high > max(low, s * count):  # these pixels begin no window
            tape.fill(dx[at(axis, slice(max(low, s * count) - low, None))])
        overlapping: list[tuple[Array, Array]] = []
        for (first, last), places in alike(layer, windows, pixels):
            some = at(axis, slice(first - windows[0], last - windows[0]))
            targets = {i: dx[at(axis, slice(first * s + i - low, (last - 1) * s + i - low + 1, s))] for i in places}
            overlapping += give(tape, s, dout[some], [each[some] for each in won], targets)
        for given, target in overlapping:
            tape.do(np.add, target, given, target)


def give(tape: Tape, stride: int, left: Array, won: list[Array],
         targets: dict[int, Array]) -> list[tuple[Array, Array]]:
    """Write down what each position of windows gets of their gradient, `left`, from the last position to the first.

    targets : {position: its pixels}. Return [(gradient, pixels)] of positions that the next window begins before: these
    are added in the end.
    """
    overlapping = []
    for i in range(len(won), 0, -1):
        if not any(j <= i for j in targets):
            break
        direct = i in targets and i < stride
        given = targets[i] if direct else tape.scratch(left.shape)
        tape.do(np.multiply, left, won[i - 1], given)
        if i in targets and not direct:
            overlapping.append((given, targets[i]))
        if any(j < i for j in targets):
            rest = targets[0] if i == 1 else tape.scratch(left.shape)
            tape.do(np.subtract, left, given, rest)
            left = rest
    if 0 in targets and left is not targets[0]:
        tape.copy(left, targets[0])
    return overlapping


def alike(layer: MaxPool2D, windows: tuple[int, int],
          pixels: tuple[int, int]) -> list[tuple[tuple[int, int], list[int]]]:
    """Return [(windows with the same positions, the positions in them whose pixels are in the range)]."""
    groups: list[tuple[tuple[int, int], list[int]]] = []
    for window in range(*windows):
        places = [i for i in range(layer.kernel_size) if pixels[0] <= window * layer.stride + i < pixels[1]]
        if groups and groups[-1][1] == places:
            groups[-1] = (groups[-1][0][0], window + 1), places
        elif places:
            groups.append(((window, window + 1), places))
    return groups


def windows_over(layer: MaxPool2D, pixels: tuple[int, int], count: int) -> tuple[int, int]:
    """Return the range of windows, of `count` in all, that contain some of these pixels."""
    low, high = pixels
    first = max(0, -(-(low - layer.kernel_size + 1) // layer.stride))
    return first, max(first, min(count, (high - 1) // layer.stride + 1))
