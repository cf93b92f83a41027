"""Equal windows of a map get equal outputs, as in a convolution that is computed as it is defined.

Winograd's rounding depends on the place in a tile. In a flat part of a picture, where windows are equal, the outputs
then differ by rounding, and a max pool would choose among equals by chance: the gradient to the picture would go to
other pixels than by the definition, where the first one wins. So equal windows are found, and the output of the first
one is copied to all others.

To find them, each pixel gets a 64-bit number that depends on its channels. Each 3x3 window gets a number that depends
on its pixels' numbers. In most photos all windows differ. If all windows of the first such map differ, the pass looks
at no other map.
"""

import numpy as np

from minicnn.backend import Array

ODD = np.random.default_rng(0).integers(0, 2**63, 4096, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
HALF = np.uint64(32)  # bits
PART, MOST_BITS = 2**16, 18  # labels that are compared at a time, and bits of a group: their counts stay in the cache


def number_pixels(rows: Array, numbers: Array) -> None:
    """Write a number for each pixel of some rows, (rows, W, C), into `numbers`, (rows, W)."""
    C = rows.shape[2]
    values = rows.view(np.uint64 if C % 2 == 0 else np.uint32)
    np.einsum("hwc,c->hw", values, ODD[:values.shape[2]], out=numbers)
    numbers ^= numbers >> HALF  # the lower bits of a product do not depend on the upper bits of its factors


def equal_windows(numbers: Array, pad: int) -> tuple[Array, Array] | None:
    """Return (pixels, sources): outputs whose windows are equal to an earlier one's, and the first with this window.

    Both count the pixels of the output row by row. A source is never among the pixels. None if all windows differ.
    numbers : of the pixels of the input, (H, W).
    """
    labels = number_windows(numbers, pad).ravel()
    if all_differ(labels):
        return None
    first = first_with_same_label(labels)
    pixels = np.flatnonzero(first != np.arange(len(first)))
    return pixels, first[pixels]


def number_windows(numbers: Array, pad: int) -> Array:
    """Return a number for each 3x3 window of the padded numbers."""
    H, W = numbers.shape
    h = np.zeros((H + 2 * pad, W + 2 * pad), numbers.dtype)
    h[pad:pad + H, pad:pad + W] = numbers
    h = h[:, :-2] * ODD[0] + h[:, 1:-1] * ODD[1] + h[:, 2:] * ODD[2]
    h ^= h >> HALF
    h = h[:-2] * ODD[3] + h[1:-1] * ODD[4] + h[2:] * ODD[5]
    h ^= h >> HALF
    return h


def all_differ(labels: Array) -> bool:
    """Return whether no two of the 64-bit labels are equal. Only labels with equal upper bits are sorted."""
    lower = (1 << max(0, (len(labels) - 1).bit_length() - PART.bit_length() + 1)) - 1  # bits that differ between parts
    return all(_differ(labels[labels & np.uint64(lower) == part] if lower else labels) for part in range(lower + 1))


def _differ(labels: Array) -> bool:
    """Return whether no two of some labels are equal."""
    bits = min(MOST_BITS, (8 * len(labels)).bit_length())  # enough groups that few different labels share one
    groups = (labels >> np.uint64(64 - bits)).view(np.intp)
    grouped = np.sort(labels[np.bincount(groups, minlength=1 << bits)[groups] > 1])
    return not (grouped[1:] == grouped[:-1]).any()


def first_with_same_label(labels: Array) -> Array:
    """Return, for each of the 64-bit labels, the index of the first one that equals it. A hash table, without sorting.
    """
    count = len(labels)
    first = left = np.arange(count)
    here, bits = labels, (2 * count).bit_length()
    table = np.empty(1 << bits, np.intp)  # slot -> index; only slots that were written to are read
    for shift in range(64 - bits, 0, -5):  # labels whose slot belongs to another one try other bits
        slots = (here >> np.uint64(shift)).view(np.intp) & (len(table) - 1)
        table[slots[::-1]] = left[::-1]  # NumPy assigns in order, so the first index is written last
        owner = table[slots]
        same = labels[owner] == here
        if left is first:
            first = np.where(same, owner, left)
        else:
            first[left[same]] = owner[same]
        left, here = left[~same], here[~same]
        if not len(left):
            break
    return first


def copy_equal_outputs(x: Array, out: Array, pad: int) -> None:
    """Give outputs of a 3x3 convolution, (N, F, OH, OW), with equal windows of x, (N, C, H, W), the same values."""
    for image, values in zip(x.transpose(0, 2, 3, 1), out.transpose(0, 2, 3, 1), strict=True):
        numbers = np.empty(image.shape[:2], np.uint64)
        number_pixels(np.ascontiguousarray(image), numbers)
        found = equal_windows(numbers, pad)
        if found is not None:
            copy_pixels(values, *found)


def copy_pixels(values: Array, pixels: Array, sources: Array) -> None:
    """Copy the values of some pixels of a map, (H, W, C), to others. Both count the pixels row by row."""
    y, x = np.divmod(pixels, values.shape[1])
    from_y, from_x = np.divmod(sources, values.shape[1])
    values[y, x] = values[from_y, from_x]


class EqualWindows:
    """What one thread knows of the equal windows of the pass that runs: {convolution: (pixels, sources) or None}.

    Every thread finds them for itself, which costs less than to wait for another thread.
    """

    def __init__(self, numbers: dict[str, Array], pads: dict[str, int]) -> None:
        self.numbers, self.pads = numbers, pads
        self.begin()

    def begin(self) -> None:
        """Forget the last pass."""
        self.found: dict[str, tuple[Array, Array] | None] = {}
        self.all_differ = False

    def number(self, stage: str, rows: Array, first: int) -> None:
        """Number some rows of the map that the convolutions of a stage read, from the `first` on."""
        if not self.all_differ:
            number_pixels(rows, self.numbers[stage][first:first + len(rows)])

    def copy(self, stage: str, rows: tuple[int, int], whole: Array, positive: Array | None = None) -> None:
        """Copy the outputs of first windows to equal ones in some rows of a map (H, W, C) that the stage computed.

        positive : where the map is positive; the same is done to it.
        """
        if self.all_differ:
            return
        if stage not in self.found:
            known = bool(self.found)
            self.found[stage] = equal_windows(self.numbers[stage], self.pads[stage])
            if not known and self.found[stage] is None:
                self.all_differ = True
        found = self.found[stage]
        if found is None:
            return
        pixels, sources = found
        W = whole.shape[1]
        some = slice(*np.searchsorted(pixels, (rows[0] * W, rows[1] * W)))
        copy_pixels(whole, pixels[some], sources[some])
        if positive is not None:
            copy_pixels(positive, pixels[some], sources[some])
