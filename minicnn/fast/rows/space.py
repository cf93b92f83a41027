"""The memory of one pass of one image through a chain."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from minicnn.backend import Array
from minicnn.fast.rows import winograd
from minicnn.fast.rows.equal import EqualWindows
from minicnn.fast.rows.slots import Need, share
from minicnn.fast.rows.stages import Part, Stage
from minicnn.fast.rows.steps import Chain, Step, shares
from minicnn.fast.rows.tape import Bordered, Calls, part_of
from minicnn.fast.rows.team import Team
from minicnn.fast.rows.weights import Weights

LARGE = 2**18  # bytes; smaller arrays do not share memory

WHOLE = 10**6    # the number of a gradient to all parts of a stage together

Key = tuple[str, int]  # a map: its stage and -1; a gradient: the stage and the number of the part, or WHOLE


class Wanted(NamedTuple):
    """A map, or a gradient to it: its shape, the zeros around it (top, bottom, left, right), and the steps that need
    it."""

    shape: tuple[int, int, int]
    border: tuple[int, int, int, int]
    first: int
    last: int

    @property
    def size(self) -> tuple[int, int, int]:
        """The shape of the array with its border."""
        (H, W, C), (top, bottom, left, right) = self.shape, self.border
        return H + top + bottom, W + left + right, C


class Space:
    """The maps of one pass of one image, in the order (H, W, C), and the calls that compute them.

    x, out, dout, dx : the caller's arrays in the pass that runs.
    maps : of the stages that another step reads. positive : where the maps behind ReLUs are. won : of the pools, which
    elements have won, over columns and over rows.
    gradients : to the maps, for each part of a stage. transformed : filters that are not kept.
    user : a weak reference to the cache that needs them.
    bytes : of all of these, without the transient ones: large arrays that only one of the two ways needs, and filters.
    As one pass runs at a time, the transient arrays of all spaces are in the same memory. allocate : a function
    (shape, dtype) that makes arrays, filled with zeros.
    """

    def __init__(self, chain: Chain, weights: dict[str, Weights], biases: dict[str, Array], team: Team,
                 differentiable: bool, allocate: Callable[..., Array] = np.zeros) -> None:
        self.chain, self.weights, self.biases, self.team = chain, weights, biases, team
        self.differentiable, self.allocate = differentiable, allocate
        self.maps: dict[str, Bordered] = {}
        self.positive: dict[str, Array] = {}
        self.won: dict[str, tuple[list[Array], list[Array]]] = {}
        self.gradients: dict[Key, Bordered] = {}
        self.transformed: dict[Weights, Array] = {}
        self.numbers: dict[str, Array] = {}  # of the pixels that the convolutions of some stages read
        self.equal: list[EqualWindows] = []  # of each thread
        self.forward_calls: Calls = []
        self.backward_calls: dict[tuple[Any, ...], Calls] = {}  # by the classes of the ReLUs
        self.zero_rows: dict[tuple[int, ...], Array] = {}
        self.user: Callable[[], Any] = nobody
        self.bytes = self.transient_bytes = 0
        self.forget()

    def forget(self) -> None:
        """Let go of the caller's arrays."""
        self.x = self.out = self.dout = self.dx = np.empty((0, 0, 0), np.float32)

    def make(self, forward: list[Step], backward: list[Step], weights_back: dict[str, Weights]) -> None:
        """Make all maps and gradients. Large transient ones, and filters that are not kept, share memory where no step
        needs both."""
        wanted = self.wanted_maps(forward, len(forward) + len(backward))
        if self.differentiable:
            wanted |= self.wanted_gradients(backward, len(forward), weights_back)
        sharing = [Need(key, 4 * math.prod(each.size), each.first, each.last) for key, each in wanted.items()
                   if 4 * math.prod(each.size) >= LARGE]
        unkept = self.unkept_filters(forward, backward if self.differentiable else [], weights_back)
        sharing += unkept.values()
        self.make_numbers(forward)
        begins, self.transient_bytes = share(sharing)
        memory = (self.team.transient if self.allocate is not nothing else nothing)(self.transient_bytes // 4)
        self.transformed = {each: part_of(memory[begins[each] // 4:], each.shape) for each in unkept}
        for key, each in wanted.items():
            size, (top, _, left, _) = each.size, each.border
            if key in begins:
                whole = part_of(memory[begins[key] // 4:], size)
            else:
                whole = self.allocate(size, np.float32)
                self.bytes += whole.nbytes
            bordered = Bordered(whole, top, left, *each.shape[:2], key in begins and any(each.border))
            if key[1] < 0:
                self.maps[key[0]] = bordered
            else:
                self.gradients[key] = bordered
        for name, k in list(self.gradients):
            for number, part in enumerate(self.chain.by_name[name].parts if k == WHOLE else ()):
                self.gradients.setdefault((name, number), Bordered(
                    self.gradients[name, k].whole[..., part.channels], 0, 0, *self.chain.by_name[name].shape[:2]))

    def unkept_filters(self, forward: list[Step], backward: list[Step],
                       weights_back: dict[str, Weights]) -> dict[Weights, Need]:
        """Return the Needs of the transformed filters that are not kept."""
        steps: dict[Weights, list[int]] = {}
        for i, step in enumerate([*forward, *backward]):
            for name in step.unkept:
                steps.setdefault((self.weights if i < len(forward) else weights_back)[name], []).append(i)
        return {weights: Need(weights, 4 * weights.size, min(of_it), max(of_it)) for weights, of_it in steps.items()}

    def make_numbers(self, steps: list[Step]) -> None:
        """Make the numbers of pixels for the steps whose outputs a max pool compares later."""
        pads = {}
        for i, step in enumerate(steps):
            first, source = step.stages[0], step.stages[0].sources[0]
            tiled = [part for part in first.parts if part.name in self.weights and self.weights[part.name].m]
            compared = self.chain.is_pooled or any(stage.pool is not None for later in steps[i + 1:]
                                                   for stage in later.stages)
            if tiled and compared and len(set(first.sources)) == len({part.layer.pad for part in tiled}) == 1:
                H, W, _ = self.chain.by_name[source].shape
                self.numbers[first.name] = self.allocate((H, W), np.uint64)
                self.bytes += 8 * H * W
                pads[first.name] = tiled[0].layer.pad
        self.equal = [EqualWindows(self.numbers, pads) for _ in steps[0].shares]

    def wanted_maps(self, steps: list[Step], end: int) -> dict[Key, Wanted]:
        """Return the maps that outlive a band, as another step reads them; make the booleans for the way back."""
        chain, wanted = self.chain, {}
        step_of = {stage.name: i for i, step in enumerate(steps) for stage in step.stages}
        for stage in chain.stages:
            if stage is chain.entry and chain.planar:
                continue
            written = step_of.get(stage.name, 0)
            read = [step_of[reader.name] for reader in chain.readers[stage.name]]
            if stage is chain.last or stage is chain.entry or any(step > written for step in read):
                wanted[stage.name, -1] = Wanted(stage.shape, self.border_of(stage), written, max(read, default=written))
            if stage.relu is not None and self.differentiable:
                self.positive[stage.name] = self.allocate(stage.shape, bool)
                self.bytes += math.prod(stage.shape)
            if stage.pool is not None and self.differentiable:
                self.won[stage.name] = self.winners(stage, chain.by_name[stage.source].shape[0])
        return wanted

    def border_of(self, stage: Stage) -> tuple[int, int, int, int]:
        """Return the zeros around a stage's map that convolutions read."""
        needs = [border(stage.shape, part.size, part.layer.pad, self.weights[part.name].m)
                 for reader in self.chain.readers[stage.name] for part in reader.parts
                 if part.source == stage.name and part.size > 1 and part.name in self.weights]
        top, bottom, left, right = (max((0, *(need[side] for need in needs))) for side in range(4))
        return top, bottom, left, right

    def wanted_gradients(self, steps: list[Step], begin: int, weights: dict[str, Weights]) -> dict[Key, Wanted]:
        """Return the gradients that another step reads: to what each part of a stage wrote, before bias and ReLU."""
        wanted = {}
        step_of = {stage.name: begin + i for i, step in enumerate(steps) for stage in step.stages}
        for stage in self.chain.stages[1:]:
            written, last = step_of[stage.name], max(map(step_of.__getitem__, stage.sources))
            if len(stage.parts) > 1 and last > written:
                wanted[stage.name, WHOLE] = Wanted(stage.shape, (0, 0, 0, 0), written, last)
            for k, part in enumerate(stage.parts or (None,)):
                read = step_of[part.source if part else stage.source]
                shape, border = self.gradient_form(stage, part, weights)
                if read > written and (len(stage.parts) <= 1 or any(border)):
                    wanted[stage.name, k] = Wanted(shape, border, written, read)
        return wanted

    def gradient_form(self, stage: Stage, part: Part | None,
                      weights: dict[str, Weights]) -> tuple[tuple[int, int, int], tuple[int, int, int, int]]:
        """Return (shape, border) of the gradient to the channels of a part, or of a pool."""
        H, W, C = stage.shape
        if part is None:
            return (H, W, C), (0, 0, 0, 0)
        shape = H, W, part.layer.params["w"].shape[0]
        if part.size == 1 or (self.chain.planar and stage is self.chain.first):
            return shape, (0, 0, 0, 0)
        return shape, border(shape, part.size, part.size - 1 - part.layer.pad, weights[part.name].m)

    def filters(self, weights: Weights) -> Array:
        """Return the memory of transformed filters."""
        return weights.array if weights.kept else self.transformed[weights]

    def transform(self, weights: Weights, threads: int) -> list[list[Callable[[], Any]]]:
        """Return the calls, of each thread, that transform filters which are not kept."""
        u = self.filters(weights)
        return [[partial(weights.transform_blocks, u, range(*some))] for some in shares(weights.shape[2], threads)]

    def zeros(self, rows: Array) -> Array:
        """Return zeros for one of some rows, (W, C). NumPy's maximum is four times faster with them than with a number.
        """
        shape = rows.shape[1:]
        if shape not in self.zero_rows:
            self.zero_rows[shape] = np.zeros(shape, np.float32)
        return self.zero_rows[shape]

    def bytes_of(self, stage: Stage, forward: bool) -> int:
        """Return the bytes of a stage's map and booleans, or of the gradients to it."""
        if not forward:
            parts = {self.gradients[key].whole.nbytes for key in self.gradients if key == (stage.name, WHOLE)}
            return sum(parts) or sum(each.whole.nbytes for key, each in self.gradients.items() if key[0] == stage.name)
        kept = [array for arrays in self.won.get(stage.name, ()) for array in arrays]
        kept += [self.maps[stage.name].whole] if stage.name in self.maps else []
        kept += [self.positive[stage.name]] if stage.name in self.positive else []
        return sum(array.nbytes for array in kept)

    def winners(self, stage: Stage, height: int) -> tuple[list[Array], list[Array]]:
        """Return the booleans of a max pool over a map of this height: over columns, and over rows."""
        OH, OW, C = stage.shape
        count = stage.pool.kernel_size - 1
        self.bytes += count * (height + OH) * OW * C
        return ([self.allocate((height, OW, C), bool) for _ in range(count)],
                [self.allocate((OH, OW, C), bool) for _ in range(count)])


def nothing(shape: int | tuple[int, ...], dtype: Any = np.float32) -> Array:
    """Return an array of this shape without memory: to add up sizes."""
    return np.broadcast_to(np.zeros((), dtype), shape)


def nobody() -> None:
    """Return None, as a weak reference does whose object was deleted."""


def border(shape: tuple[int, int, int], kernel: int, pad: int, m: int) -> tuple[int, int, int, int]:
    """Return the zeros (top, bottom, left, right) around a map that a convolution reads."""
    return winograd.borders(shape[:2], pad, m) if m else (pad, pad, pad, pad)


def clear_border(bordered: Bordered, first: int, last: int) -> None:
    """Write the zeros around some rows of a map whose memory was used for another one."""
    whole, top, left = bordered.whole, bordered.top, bordered.left
    begin = 0 if first == 0 else top + first
    end = len(whole) if last == bordered.H else top + last
    whole[begin:top + first] = 0
    whole[top + last:end] = 0
    whole[begin:end, :left] = 0
    whole[begin:end, left + bordered.W:] = 0
