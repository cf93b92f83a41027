"""The steps of a chain: stages that run band by band, without waiting for another thread in between.

A stage joins the step of the stage that it reads if it only needs the same rows: behind a 1x1 convolution, or a pool
whose windows do not overlap. Then a band of rows goes through all stages of the step while it is in the cache. Before a
3x3 convolution, whose windows also need a row of the neighbours, the threads meet, and a new step begins.
The way back has steps of its own: there a stage stands for the gradient to its map.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from minicnn.fast.rows.stages import FEW, Part, Stage

# With at most these outputs and at least these weights, the threads share the filters of a 1x1 convolution.
WIDE_PIXELS, WIDE_WEIGHTS = 2**8, 2**18
Rows = tuple[int, int]  # first row, row after the last


@dataclass(frozen=True)
class Step:
    """Stages that run in the same bands; on the way back, stages whose gradients are computed in the same bands.

    scales : for each stage, its rows for one row of the smallest map, which has `height` rows.
    shares : the rows of the smallest map that each thread computes.
    blocks : of filters. Where a map is small and has many channels, each thread computes all rows of the channels that
    its blocks write. No other stage of the step mixes channels.
    unkept : convolutions whose filters are transformed before the step, as they are not kept.
    """

    stages: tuple[Stage, ...]
    scales: tuple[int, ...]
    height: int
    shares: tuple[Rows, ...]
    blocks: tuple[Rows, ...] = ()
    unkept: tuple[str, ...] = ()

    def rows(self, i: int, band: Rows) -> Rows:
        """Return the rows of the i-th stage in a band of the smallest map."""
        first, last = band
        height = self.stages[i].shape[0]
        return self.scales[i] * first, height if last == self.height else min(height, self.scales[i] * last)


class Chain:
    """The stages of a chain, with the stages that read each one.

    is_pooled : whether a max pool compares the chain's output later.
    """

    def __init__(self, stages: Sequence[Stage], is_pooled: bool = False) -> None:
        self.stages, self.is_pooled = tuple(stages), is_pooled
        self.entry, self.first, self.last = stages[0], stages[1], stages[-1]
        self.by_name = {stage.name: stage for stage in stages}
        self.readers: dict[str, list[Stage]] = {stage.name: [] for stage in stages}
        for stage in stages[1:]:
            for source in dict.fromkeys(stage.sources):
                self.readers[source].append(stage)
        # how many rows of the input belong to one row of each map
        self.strides = {self.entry.name: 1}
        for stage in stages[1:]:
            stride = stage.pool.stride if stage.pool is not None else stage.parts[0].layer.stride
            self.strides[stage.name] = stride * self.strides[stage.sources[0]]
        # whether the first convolution reads an image
        self.planar = len(self.first.parts) == 1 and self.entry.shape[2] <= FEW and (
            self.readers[self.entry.name] == [self.first])
        # whether only a pool reads it: then both run in one step, in which neighbouring bands compute some rows twice
        self.pooled_first = self.planar and self.first.pooled

    def forward_steps(self, threads: int) -> list[Step]:
        """Return the steps of a forward pass."""
        groups: list[list[Stage]] = []
        for stage in self.stages[1:]:
            if groups and self.joins(stage, groups[-1]):
                groups[-1].append(stage)
            else:
                groups.append([stage])
        return [self.step(group, threads) for group in groups]

    def joins(self, stage: Stage, group: list[Stage]) -> bool:
        """Return whether the stage can run in the step of this group on the way forward."""
        if stage.pool is not None:  # equal windows are copied before a pool, see equal.py
            return self.pooled_first and stage.source == self.first.name
        inside = [other for other in group if other.name in stage.sources]
        if any(is_wide(part, each) for each in (*group, stage) for part in each.parts):
            return False
        return bool(inside) and all(scale(stage, other.name) for other in inside)

    def backward_steps(self, threads: int) -> list[Step]:
        """Return the steps of a backward pass. The first one begins with the gradient to the output."""
        groups: list[list[Stage]] = [[self.last]]
        for stage in self.stages[-2::-1]:
            if self.joins_back(stage, groups[-1]):
                groups[-1].append(stage)
            else:
                groups.append([stage])
        return [self.step(group, threads) for group in groups]

    def joins_back(self, stage: Stage, group: list[Stage]) -> bool:
        """Return whether the gradient to the stage's map can be computed in the step of this group."""
        if self.planar and stage is self.entry:
            return self.pooled_first
        if self.pooled_first and stage is self.first:
            return False
        inside = [reader for reader in self.readers[stage.name] if reader in group]
        if any(is_wide(part, reader) for each in (*group, stage) for reader in self.readers[each.name]
               for part in reader.parts):
            return False
        return bool(inside) and all(scale(reader, stage.name) for reader in inside)

    def is_first_back(self, step: Step) -> bool:
        """Return whether a step back is that through the first pool and the convolution of the image."""
        return self.pooled_first and step.stages[0] is self.first

    def step(self, group: list[Stage], threads: int) -> Step:
        """Return the step of a group of stages. The threads share the rows of its smallest map evenly."""
        smallest = max(group, key=lambda stage: self.strides[stage.name])
        if self.pooled_first and group[0] is self.first:
            smallest = self.readers[self.first.name][0]  # its rows decide which rows of the image a thread computes
        scales = tuple(self.strides[smallest.name] // self.strides[stage.name] for stage in group)
        height = smallest.shape[0]
        return Step(tuple(group), scales, height, shares(height, threads))


def is_wide(part: Part, stage: Stage) -> bool:
    """Return whether the threads share the filters of a 1x1 convolution, not the rows of a stage's map.

    stage : the one whose map it writes, or, on the way back, reads. In a small map with many channels, as in a
    classifier, each thread would otherwise read all filters for a few pixels.
    """
    H, W, _ = stage.shape
    return part.is_pointwise and H * W <= WIDE_PIXELS and part.layer.params["w"].size >= WIDE_WEIGHTS


def scale(stage: Stage, source: str) -> int:
    """Return how many rows of `source` belong to one row of the stage, and to no other row; 0 if windows overlap."""
    if stage.pool is not None:
        return int(stage.pool.stride) if stage.pool.stride == stage.pool.kernel_size else 0
    return int(all(part.is_pointwise for part in stage.parts if part.source == source))


def shares(count: int, threads: int) -> tuple[Rows, ...]:
    """Cut a number of rows, or of blocks, into one range for each thread."""
    cuts = [-(-count * i // threads) for i in range(threads + 1)]
    return tuple(zip(cuts[:-1], cuts[1:], strict=True))


def source_rows(stage: Stage, source: str, rows: Rows, height: int) -> Rows:
    """Return the rows of the source's map, which has this height, on which some rows of the stage's map depend."""
    first, last = rows
    spans = [(first * stride - pad, (last - 1) * stride - pad + size)
             for name, size, stride, pad in stage.windows() if name == source]
    return max(0, min(begin for begin, _ in spans)), min(height, max(end for _, end in spans))
