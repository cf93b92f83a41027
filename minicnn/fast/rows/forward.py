"""The calls of a forward pass through a chain."""

from functools import partial

import numpy as np

from minicnn.backend import Array
from minicnn.fast.rows import images, pools, products, winograd
from minicnn.fast.rows.bands import Band, Load, bands, winograd_load
from minicnn.fast.rows.space import Space, clear_border
from minicnn.fast.rows.stages import Part, Stage
from minicnn.fast.rows.steps import Rows, Step, shares, source_rows
from minicnn.fast.rows.tape import ZERO, Calls, Scratch, Tape, flat

Local = dict[str, tuple[Array, int]]  # maps that only this band has: its rows, and the number of the first one


class Forward:
    """Writes down the calls of a forward pass in a space."""

    def __init__(self, space: Space) -> None:
        self.space, self.chain, self.weights = space, space.chain, space.weights
        self.equal: dict[str, str] = {}  # a map, and the convolution whose equal windows give it equal values

    def record(self, steps: list[Step], scratches: list[Scratch]) -> Calls:
        """Return the calls of each step and thread."""
        calls: Calls = []
        if not self.chain.planar:
            shares_of_input = shares(self.chain.entry.shape[0], len(scratches))
            calls.append([[partial(copy_input, self.space, rows)] for rows in shares_of_input])
        for step in steps:
            calls += [self.space.transform(self.weights[name], len(scratches)) for name in step.unkept]
            calls.append([self.record_thread(step, thread, Tape(scratch)) for thread, scratch in enumerate(scratches)])
        if self.chain.last.name in self.equal:
            calls.append([[partial(copy_equal_output, self.space, thread, self.equal[self.chain.last.name], rows)]
                          for thread, rows in enumerate(shares(self.chain.last.shape[0], len(scratches)))])
        return calls

    def record_thread(self, step: Step, thread: int, tape: Tape) -> list:
        """Return the calls of a thread in a step."""
        share = step.shares[thread]
        if self.chain.planar and self.chain.first in step.stages and share[0] < share[1]:
            part = self.chain.first.parts[0]
            rows = self.first_rows(step, share) if self.chain.pooled_first else step.rows(0, share)
            self.phases = images.phases_for(part.layer, self.chain.entry.shape[:2], rows)  # of this thread
            tape.calls.append(partial(sort_image, self.space, part, self.phases))
        self.begin(tape, step, thread)
        block = self.weights[step.stages[0].parts[0].name].block if step.blocks else 0
        for band in bands(step, thread, self.loads(step), block):
            self.write_band(tape, step, band)
        return tape.calls

    def begin(self, tape: Tape, step: Step, thread: int) -> None:
        """Write down the work of a thread before its bands: zeros around maps, and the search for equal windows."""
        for i, stage in enumerate(step.stages):
            rows = step.rows(i, step.shares[thread])
            bordered = self.space.maps.get(stage.name)
            if bordered is not None and bordered.is_shared and rows[0] < rows[1]:
                tape.calls.append(partial(clear_border, bordered, *rows))
        first, source = step.stages[0], step.stages[0].sources[0]
        height = self.chain.by_name[source].shape[0]
        computed = (0, first.shape[0]) if step.blocks else step.rows(0, step.shares[thread])
        rows = source_rows(first, source, computed, height)
        own = shares(height, len(step.shares))[thread]
        equal = self.space.equal[thread]
        if source in self.equal:
            rows = min(rows[0], own[0]), max(rows[1], own[1])
            whole = self.space.maps[source].rows(0, height)
            tape.calls.append(partial(equal.copy, self.equal[source], rows, whole, self.space.positive.get(source)))
        if first.name in self.space.numbers:
            tape.calls.append(partial(equal.number, first.name, self.space.maps[source].rows(*own), own[0]))
            self.equal.update((stage.name, first.name) for stage in step.stages)

    def first_rows(self, step: Step, band: Rows) -> Rows:
        """Return the rows of the image's convolution that a pool's band needs; neighbours compute some of them, too."""
        pool = step.stages[1].pool
        first, last = step.rows(1, band)
        return first * pool.stride, min(self.chain.first.shape[0], (last - 1) * pool.stride + pool.kernel_size)

    def loads(self, step: Step) -> list[Load]:
        """Return what each stage of a step works on."""
        loads = []
        for stage, scale in zip(step.stages, step.scales, strict=True):
            _, W, C = stage.shape
            loads.append(Load(scale * W * C * (stage.pool.stride if stage.pool is not None else 1)))
            for part in stage.parts:
                F, channels, K, _ = part.layer.params["w"].shape
                m = self.weights[part.name].m if part.name in self.weights else 0
                loads.append(winograd_load(m, W, max(F, channels), scale) if m else
                             Load(scale * W * max(F, channels * K * K * (K > 1)),
                                  filters=F * channels if part.is_pointwise else 0))
        return loads

    def write_band(self, tape: Tape, step: Step, band: Band) -> None:
        """Write down the calls that compute a band of all stages of a step."""
        with tape.frame():
            local: Local = {}
            for i, stage in enumerate(step.stages):
                rows = step.rows(i, band.rows)
                if self.chain.pooled_first and stage is self.chain.first:
                    rows = self.first_rows(step, band.rows)
                if rows[1] <= rows[0]:
                    continue
                out = self.place(tape, i, stage, rows, band, local)
                for part in stage.parts:
                    self.write_part(tape, stage, part, rows, out, band, local)
                if len(stage.parts) > 1 and stage.bias:
                    tape.do(np.add, out, self.space.biases[stage.name], out)
                if stage.pool is not None:
                    self.write_pool(tape, stage, rows, out, band, local)
                if stage.relu is not None:
                    tape.do(np.maximum, out, self.space.zeros(out), out)
                    if stage.name in self.space.positive:
                        tape.do(np.greater, out, ZERO, self.space.positive[stage.name][slice(*rows), :, band.channels])
                if stage is self.chain.last:
                    tape.calls.append(partial(copy_output, self.space, out, rows, band.channels))

    def place(self, tape: Tape, i: int, stage: Stage, rows: Rows, band: Band, local: Local) -> Array:
        """Return where some rows of a stage's map are computed."""
        if stage.name in self.space.maps:
            return self.space.maps[stage.name].rows(*rows)[..., band.channels]
        _, W, C = stage.shape
        channels = len(range(C)[band.channels])
        local[stage.name] = tape.scratch((rows[1] - rows[0], W, channels)), rows[0]
        return local[stage.name][0]

    def rows_of(self, name: str, rows: Rows, channels: slice, local: Local) -> Array:
        """Return rows of a stage's map, from this band or from an earlier step."""
        if name in local:
            array, first = local[name]
            return array[rows[0] - first:rows[1] - first]
        return self.space.maps[name].rows(*rows)[..., channels]

    def write_part(self, tape: Tape, stage: Stage, part: Part, rows: Rows, out: Array, band: Band,
                   local: Local) -> None:
        """Write down the calls of a convolution, with its bias unless a pool comes first."""
        alone = len(stage.parts) == 1 and stage.bias
        bias = self.space.biases[stage.name] if alone else None  # in rows; otherwise it is added to the whole map
        target = out if band.blocks else out[..., part.channels]
        if self.chain.planar and stage is self.chain.first:
            self.write_image_part(tape, part, rows, target, bias)
            return
        weights, pad = self.weights[part.name], part.layer.pad
        if part.is_pointwise:
            source = self.rows_of(part.source, rows, slice(None), local)
            matrix = weights.array[:, band.channels]
            products.mix(tape, source, matrix, target, bias if bias is None else bias[:, band.channels])
            return
        source_map = self.space.maps[part.source]
        if band.blocks:
            winograd.convolve_by_blocks(tape, source_map, pad, weights, band.blocks, target,
                                        part.layer.params["b"][band.channels] if alone else None)
        elif weights.m:
            winograd.convolve(tape, source_map, pad, self.space.filters(weights), rows[0], target,
                              part.layer.params["b"] if alone else None)
        else:
            products.convolve(tape, source_map, pad, weights.array, part.size, rows[0], target, bias)

    def write_image_part(self, tape: Tape, part: Part, rows: Rows, target: Array, bias: Array | None) -> None:
        """Write down the calls of the convolution of an image."""
        pixels = flat(target)
        with tape.frame():
            if pixels is None:
                product = tape.scratch(target.shape)
                images.convolve(tape, self.phases, part.layer, rows, product.reshape(-1, target.shape[2]))
                tape.copy_or_add(product, bias, target)
            else:
                images.convolve(tape, self.phases, part.layer, rows, pixels)
                if bias is not None:
                    tape.do(np.add, target, bias, target)

    def write_pool(self, tape: Tape, stage: Stage, rows: Rows, out: Array, band: Band, local: Local) -> None:
        """Write down the calls of a max pool, and the bias that comes after it."""
        pool, (first, last), some = stage.pool, rows, band.channels
        H, W, _ = self.chain.by_name[stage.source].shape
        begin, end = first * pool.stride, min(H, (last - 1) * pool.stride + pool.kernel_size)
        x = self.rows_of(stage.source, (begin, end), some, local)
        won_columns, won_rows = self.space.won.get(stage.name, ([], []))
        with tape.frame():
            row_maxima = tape.scratch((end - begin, *out.shape[1:]))
            pools.maxima(tape, x, 1, pool, (0, stage.shape[1]), W, 0, [won[begin:end, :, some] for won in won_columns],
                         row_maxima)
            pools.maxima(tape, row_maxima, 0, pool, rows, H, begin, [won[first:last, :, some] for won in won_rows], out)
            if stage.bias:
                tape.do(np.add, out, self.space.biases[stage.name][:, some], out)


def copy_input(space: Space, rows: Rows) -> None:
    """Copy some rows of the input."""
    entry = space.maps[space.chain.entry.name]
    if entry.is_shared and rows[0] < rows[1]:
        clear_border(entry, *rows)
    np.copyto(entry.rows(*rows), space.x[slice(*rows)])


def sort_image(space: Space, part: Part, phases: images.Phases) -> None:
    """Sort the rows of the image that a thread needs."""
    images.sort_image(space.x.transpose(2, 0, 1), part.layer, phases)


def copy_equal_output(space: Space, thread: int, stage: str, rows: Rows) -> None:
    """Give pixels of the output that have equal windows the same values."""
    space.equal[thread].copy(stage, rows, space.out, space.positive.get(space.chain.last.name))


def copy_output(space: Space, found: Array, rows: Rows, channels: slice) -> None:
    """Copy some rows of the last map to the caller's array."""
    np.copyto(space.out[rows[0]:rows[1], :, channels], found)
