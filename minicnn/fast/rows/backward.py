"""The calls of a backward pass through a chain, to its input."""

from functools import partial
from typing import Any

import numpy as np

from minicnn.backend import Array
from minicnn.fast.rows import images, pools, products, winograd
from minicnn.fast.rows.bands import Band, Load, bands, winograd_load
from minicnn.fast.rows.space import WHOLE, Space, clear_border
from minicnn.fast.rows.stages import Part, Stage
from minicnn.fast.rows.steps import Chain, Rows, Step
from minicnn.fast.rows.tape import Calls, Scratch, Tape
from minicnn.fast.rows.weights import Weights
from minicnn.layers import DeconvReLU, GuidedReLU

Local = dict[tuple[str, int], Array]  # gradients that only this band has
EVERY = slice(None)
MANY_CHANNELS = 256  # on both sides of a 1x1 convolution, from which on it pays to look for unused ones


class Backward:
    """Writes down the calls of a backward pass in a space.

    chain : with the ReLUs whose rules count; they may be others than on the way forward.
    """

    def __init__(self, space: Space, chain: Chain, weights: dict[str, Weights]) -> None:
        self.space, self.chain, self.weights = space, chain, weights

    def record(self, steps: list[Step], scratches: list[Scratch]) -> Calls:
        """Return the calls of each step and thread."""
        calls: Calls = []
        for step in steps:
            calls += [self.space.transform(self.weights[name], len(scratches)) for name in step.unkept]
            tapes = [Tape(scratch) for scratch in scratches]
            block = self.weights[self.parts_into(step.stages[0])[0][2].name].block if step.blocks else 0
            for thread, tape in enumerate(tapes):
                self.begin(tape, step, thread)
                for band in bands(step, thread, self.loads(step), block):
                    if self.chain.is_first_back(step):
                        self.write_first(tape, step, band)
                    else:
                        self.write_band(tape, step, band)
            calls.append([tape.calls for tape in tapes])
        return calls

    def begin(self, tape: Tape, step: Step, thread: int) -> None:
        """Write down the zeros around the gradients that a thread computes."""
        for i, stage in enumerate(step.stages):
            rows = step.rows(i, step.shares[thread])
            for k in range(max(1, len(stage.parts))):
                bordered = self.space.gradients.get((stage.name, k))  # a part of a whole one has no border
                if bordered is not None and bordered.is_shared and rows[0] < rows[1]:
                    tape.calls.append(partial(clear_border, bordered, *rows))

    def parts_into(self, stage: Stage) -> list[tuple[Stage, int, Part]]:
        """Return (stage, number, part) of the convolutions that read a stage's map, the 1x1 ones first."""
        found = [(reader, k, part) for reader in self.chain.readers[stage.name]
                 for k, part in enumerate(reader.parts) if part.source == stage.name]
        return sorted(found, key=lambda each: not each[2].is_pointwise)

    def loads(self, step: Step) -> list[Load]:
        """Return what each stage of a step works on."""
        loads = []
        for stage, scale in zip(step.stages, step.scales, strict=True):
            _, W, C = stage.shape
            loads.append(Load(scale * W * C))
            for reader, _, part in self.parts_into(stage):
                F, channels, K, _ = part.layer.params["w"].shape
                m = self.weights[part.name].m if part.name in self.weights else 0
                if self.chain.planar and reader is self.chain.first:
                    loads.append(Load(scale * reader.shape[1] * max(F, channels * K * K) / part.layer.stride))
                else:
                    loads.append(winograd_load(m, W, max(F, channels), scale) if m else
                                 Load(scale * W * max(channels, F * K * K * (K > 1)),
                                      filters=F * channels if part.is_pointwise else 0))
        return loads

    def write_band(self, tape: Tape, step: Step, band: Band) -> None:
        """Write down the calls that compute the gradients to a band of all stages of a step."""
        with tape.frame():
            local: Local = {}
            for i, stage in enumerate(step.stages):
                rows = step.rows(i, band.rows)
                if rows[0] >= rows[1]:
                    continue
                if stage is self.chain.entry:
                    self.write_input(tape, i, rows, local)
                    continue
                target = self.target(tape, stage, rows, band, local)
                if stage is self.chain.last:
                    self.write_output(tape, stage, rows, band.channels, target)
                elif stage.pooled:
                    self.through_pool(tape, self.chain.readers[stage.name][0], rows, band.channels, target, local)
                elif stage.relu is None:
                    self.gather(tape, stage, rows, target, band, local)
                else:
                    gradient = tape.scratch(target.shape)
                    self.gather(tape, stage, rows, gradient, band, local)
                    self.through_relu(tape, stage, rows, band.channels, gradient, target)
                for k, part in enumerate(stage.parts if len(stage.parts) > 1 else ()):
                    if part.size > 1:  # the zeros around it belong to a map of its own
                        here, there = common(band.channels, part.channels, stage.shape[2])
                        tape.copy(target[..., here], self.space.gradients[stage.name, k].rows(*rows)[..., there])

    def target(self, tape: Tape, stage: Stage, rows: Rows, band: Band, local: Local) -> Array:
        """Return where the gradient to some rows goes: to a map that another step reads, or to this band alone."""
        key = stage.name, WHOLE if len(stage.parts) > 1 else 0
        if key in self.space.gradients:
            target = self.space.gradients[key].rows(*rows)[..., band.channels]
        else:
            width = len(range(stage.shape[2])[band.channels])
            target = tape.scratch((rows[1] - rows[0], stage.shape[1], width))
        if len(stage.parts) > 1 and not band.blocks:  # no other stage of a step of blocks reads it
            local.update(((stage.name, k), target[..., part.channels]) for k, part in enumerate(stage.parts))
        else:
            local[stage.name, 0] = target
        return target

    def through_relu(self, tape: Tape, stage: Stage, rows: Rows, channels: slice, gradient: Array,
                     target: Array) -> None:
        """Write down the gradient to a map before its ReLU, by the ReLU's rule."""
        if stage.relu is None:
            tape.copy(gradient, target)
        elif stage.relu is DeconvReLU:
            tape.do(np.maximum, gradient, self.space.zeros(target), target)
        else:
            tape.do(np.multiply, gradient, self.space.positive[stage.name][slice(*rows), :, channels], target)
            if stage.relu is GuidedReLU and not self.is_pooled(stage):
                tape.do(np.maximum, target, self.space.zeros(target), target)

    def is_pooled(self, stage: Stage) -> bool:
        """Return whether a stage is a pool whose ReLU comes before it in the network."""
        return stage.pool is not None and self.chain.by_name[stage.source].pooled

    def write_output(self, tape: Tape, stage: Stage, rows: Rows, channels: slice, target: Array) -> None:
        """Write down how the gradient to the chain's output is taken from the caller."""
        with tape.frame():
            taken = tape.scratch(target.shape)
            tape.calls.append(partial(take_gradient, self.space, rows, channels, taken))
            self.through_relu(tape, stage, rows, channels, taken, target)

    def through_pool(self, tape: Tape, stage: Stage, rows: Rows, channels: slice, target: Array, local: Local) -> None:
        """Write down the gradient to some rows of the map that a pool reads, in some of its channels."""
        pool, (OH, OW, _) = stage.pool, stage.shape
        W = self.chain.by_name[stage.source].shape[1]
        windows = pools.windows_over(pool, rows, OH)
        if (stage.name, 0) in local:
            dout = local[stage.name, 0]  # of the same windows, otherwise it would be another step
            dout = dout if dout.shape[2] == target.shape[2] else dout[..., channels]  # of one part of the map
        else:
            dout = self.space.gradients[stage.name, 0].rows(*windows)[..., channels]
        won_columns, won_rows = self.space.won[stage.name]
        with tape.frame():
            drows = tape.scratch((rows[1] - rows[0], *dout.shape[1:]))
            pools.spread(tape, dout, 0, pool, windows, OH, [won[slice(*windows), :, channels] for won in won_rows],
                         rows, drows)
            pools.spread(tape, drows, 1, pool, (0, OW), OW, [won[slice(*rows), :, channels] for won in won_columns],
                         (0, W), target)
            if self.is_pooled(stage) and stage.relu is GuidedReLU:
                tape.do(np.maximum, target, self.space.zeros(target), target)

    def gather(self, tape: Tape, stage: Stage, rows: Rows, out: Array, band: Band, local: Local) -> None:
        """Write down the sum of the gradients from all readers of a stage's map, in some rows."""
        more = None
        for reader, k, part in self.parts_into(stage):
            weights, pad = self.weights[part.name], part.size - 1 - part.layer.pad
            if part.is_pointwise:
                source = local.get((reader.name, k))
                source = self.space.gradients[reader.name, k].rows(*rows) if source is None else source
                matrix = weights.array[:, band.channels]
                if more is None and min(weights.shape) >= MANY_CHANNELS:
                    tape.calls.append(partial(products.mix_used, source, matrix, out))
                else:
                    products.mix(tape, source, matrix, out, more)
            elif band.blocks:
                winograd.convolve_by_blocks(tape, self.space.gradients[reader.name, k], pad, weights, band.blocks, out,
                                            more)
            elif weights.m:
                winograd.convolve(tape, self.space.gradients[reader.name, k], pad, self.space.filters(weights), rows[0],
                                  out, more)
            else:
                products.convolve(tape, self.space.gradients[reader.name, k], pad, weights.array, part.size, rows[0],
                                  out, more)
            more = out
        for reader in self.chain.readers[stage.name]:
            if reader.pool is not None:
                target = out if more is None else tape.scratch(out.shape)
                self.through_pool(tape, reader, rows, band.channels, target, local)
                if more is not None:
                    tape.do(np.add, out, target, out)
                more = out

    def write_input(self, tape: Tape, i: int, rows: Rows, local: Local) -> None:
        """Write down the gradient to some rows of the chain's input."""
        chain, first = self.chain, self.chain.first
        H, W, C = chain.entry.shape
        if chain.planar:
            part = first.parts[0]
            needed = outputs_over(part, rows, first.shape[0])
            found = tape.scratch((C, rows[1] - rows[0], W))
            self.spread(tape, self.space.gradients[first.name, 0].rows(*needed), part, needed, rows, found)
            found = found.transpose(1, 2, 0)
        else:
            found = tape.scratch((rows[1] - rows[0], W, C))
            self.gather(tape, chain.entry, rows, found, Band(rows), local)
        tape.calls.append(partial(give_gradient, self.space, found, rows))

    def write_first(self, tape: Tape, step: Step, band: Band) -> None:
        """Write down a band of the way through the first pool and the convolution of the image, without its map."""
        first, part = self.chain.first, self.chain.first.parts[0]
        rows, (_, W, C) = step.rows(1, band.rows), self.chain.entry.shape
        if rows[0] >= rows[1]:
            return
        needed = outputs_over(part, rows, first.shape[0])
        with tape.frame():
            found = tape.scratch((C, rows[1] - rows[0], W))
            gradient = tape.scratch((needed[1] - needed[0], *first.shape[1:]))
            if needed[0] < needed[1]:
                self.through_pool(tape, self.chain.readers[first.name][0], needed, EVERY, gradient, {})
            self.spread(tape, gradient, part, needed, rows, found)
            tape.calls.append(partial(give_gradient, self.space, found.transpose(1, 2, 0), rows))

    def spread(self, tape: Tape, gradient: Array, part: Part, needed: Rows, rows: Rows, found: Array) -> None:
        """Write down the gradient to some rows of the image from the gradient to the convolution's `needed` rows."""
        OW, F = gradient.shape[1:]
        images.spread(tape, gradient.reshape(-1, F), part.layer, needed, OW, rows, found)


def common(some: slice, others: slice, count: int) -> tuple[slice, slice]:
    """Return the channels, of `count`, that are in both ranges, counted from the beginning of each range."""
    first, second = range(count)[some], range(count)[others]
    begin, end = max(first.start, second.start), max(first.start, second.start, min(first.stop, second.stop))
    return slice(begin - first.start, end - first.start), slice(begin - second.start, end - second.start)


def outputs_over(part: Part, rows: Rows, count: int) -> Rows:
    """Return the rows of a convolution's map, of `count`, that depend on some rows of its input."""
    s, pad = part.layer.stride, part.layer.pad
    first = max(0, -(-(rows[0] + pad - part.size + 1) // s))
    return first, max(first, min(count, (rows[1] - 1 + pad) // s + 1))


def take_gradient(space: Space, rows: Rows, channels: slice, target: Any) -> None:
    """Copy some rows of the gradient to the output from the caller's array."""
    np.copyto(target, space.dout[rows[0]:rows[1], :, channels])


def give_gradient(space: Space, found: Array, rows: Rows) -> None:
    """Copy the gradient to some rows of the input to the caller's array."""
    np.copyto(space.dx[rows[0]:rows[1]], found)
