"""The plan of a chain for one size of images and one number of threads, and the memory of its passes."""

import weakref
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from minicnn.backend import Array
from minicnn.fast.rows.backward import Backward
from minicnn.fast.rows.bands import TRANSFORMED
from minicnn.fast.rows.forward import Forward
from minicnn.fast.rows.space import Space, nothing
from minicnn.fast.rows.stages import Part, Stage
from minicnn.fast.rows.steps import Chain, Rows, Step, is_wide, shares
from minicnn.fast.rows.tape import Calls
from minicnn.fast.rows.team import team
from minicnn.fast.rows.weights import Marks, Weights, WeightStore, tile_for
from minicnn.layers import Conv2D

FEW_TILES = 100       # with at most this many tiles, the filters fill the caches, not the maps
MANY_FILTERS = 2**20  # transformed values of a layer, from which on reading them takes time


class Plan:
    """The steps of a chain, forward and back, its weights, and the memory of its passes.

    stages : of the chain, with its input first. is_pooled : whether a max pool compares its output later.
    winograd : setting of the network. threads : that share the rows. store : of the weights.
    """

    def __init__(self, stages: Sequence[Stage], is_pooled: bool, winograd: Any, threads: int,
                 store: WeightStore) -> None:
        self.chain, self.winograd, self.threads, self.store = Chain(stages, is_pooled), winograd, threads, store
        self.spaces: list[Space] = []
        self.version = 0  # of the parameters' arrays
        self.read_parameters()
        self.forward_steps = [self.shared_out(step, step.stages[0].parts, self.weights)
                              for step in self.chain.forward_steps(threads)]
        self.backward_steps = [self.shared_out(step, self.parts_into(step.stages[0]), self.weights_back)
                               for step in self.chain.backward_steps(threads)]

    def read_parameters(self) -> None:
        """Take the arrays of the network's parameters."""
        self.version += 1
        self.parameters: list[tuple[Conv2D, str, Array]] = []
        self.weights: dict[str, Weights] = {}
        self.weights_back: dict[str, Weights] = {}
        self.biases: dict[str, Array] = {}
        for stage in self.chain.stages[1:]:
            if stage.bias:
                self.biases[stage.name] = np.tile(bias_of(stage), (stage.shape[1], 1))
            for part in stage.parts:
                self.parameters += [(part.layer, key, array) for key, array in part.layer.params.items()]
                if self.chain.planar and stage is self.chain.first:
                    continue
                (OH, OW, _), (H, W, _) = stage.shape, self.chain.by_name[part.source].shape
                self.weights[part.name] = self.store.get(part.layer, tile_for(part, self.winograd, OH * OW), False)
                self.weights_back[part.name] = self.store.get(part.layer, tile_for(part, self.winograd, H * W), True)
        self.marks, self.marks_back = Marks(self.weights.values()), Marks(self.weights_back.values())
        self.all_biases = every_bias(self.chain)

    def parts_into(self, stage: Stage) -> list[Part]:
        """Return the convolutions that read a stage's map."""
        return [part for reader in self.chain.readers[stage.name] for part in reader.parts if part.source == stage.name]

    def shared_out(self, step: Step, parts: Sequence[Part], weights: dict[str, Weights]) -> Step:
        """Return the step with the way in which the threads share the filters of its convolutions, `parts`."""
        transformed = [weights[part.name] for part in parts if part.name in weights and weights[part.name].m]
        back = weights is self.weights_back  # one convolution has the blocks, and pools do not mix channels
        alone = len(parts) == len(transformed) == 1 and step.stages[0] is not self.chain.entry and all(
            stage.pooled if back else stage.pool is not None for stage in step.stages[1:]) and all(
            len(stage.parts) <= 1 for stage in step.stages)
        if alone and transformed[0].size >= MANY_FILTERS:
            (H, W, _), m = step.stages[0].shape, transformed[0].m
            if -(-H // m) * -(-W // m) <= FEW_TILES:
                return replace(step, blocks=shares(transformed[0].blocks, self.threads))
        inside = len(parts) == 1 and self.chain.entry not in (step.stages[0], self.chain.by_name[parts[0].source])
        if inside and is_wide(parts[0], step.stages[0]):
            return replace(step, blocks=shares(weights[parts[0].name].blocks, self.threads))
        return replace(step, unkept=tuple(part.name for part in parts
                                          if part.name in weights and not weights[part.name].kept))

    # ---- passes ----------------------------------------------------------------------------------------------

    def refresh(self, back: bool) -> None:
        """Take over changes of the network's parameters, before a pass forward or back."""
        for layer, key, array in self.parameters:
            if layer.params.get(key) is not array:
                self.spaces.clear()  # their calls have the old arrays
                self.read_parameters()
                self.allocate_weights()  # passes that are open write down the calls of their way back again
                break
        marks = self.marks_back if back else self.marks
        if marks.differ():
            for weights in marks.weights:
                weights.refresh()
        if not back and not np.array_equal(self.all_biases, every_bias(self.chain)):
            self.all_biases = every_bias(self.chain)
            for name, rows in self.biases.items():
                rows[...] = bias_of(self.chain.by_name[name])

    def allocate_weights(self) -> None:
        """Make the arrays that the calls read."""
        for weights in (*self.weights.values(), *self.weights_back.values()):
            weights.allocate()

    def take_space(self, user: Any, differentiable: bool) -> Space:
        """Return memory that no open pass uses. It is in use as long as the object `user` lives."""
        for space in self.spaces:
            if space.user() is None and space.team is team() and space.differentiable >= differentiable:
                break
        else:
            space = self.make_space(differentiable)
            self.spaces.append(space)
        space.user = weakref.ref(user)
        return space

    def make_space(self, differentiable: bool) -> Space:
        """Return new memory, with the calls of both ways."""
        scratches = team().resize(self.threads)
        self.allocate_weights()
        space = Space(self.chain, self.weights, self.biases, team(), differentiable)
        space.make(self.forward_steps, self.backward_steps, self.weights_back)
        while True:
            before = team().growths()
            space.forward_calls = Forward(space).record(self.forward_steps, scratches)
            if differentiable:
                space.backward_calls.clear()
                self.calls_back(space, self.chain.stages)
            if team().growths() == before:  # otherwise the first calls are in memory that is too small for the last
                return space

    def calls_back(self, space: Space, stages: Sequence[Stage]) -> Calls:
        """Return the calls of the way back in a space, by the rules of the ReLUs of these stages."""
        key = self.version, *(stage.relu for stage in stages)
        if key not in space.backward_calls:
            chain = Chain(stages)
            steps = [replace(step, stages=tuple(chain.by_name[stage.name] for stage in step.stages))
                     for step in self.backward_steps]
            backward = Backward(space, chain, self.weights_back)
            space.backward_calls[key] = backward.record(steps, space.team.resize(self.threads))
        return space.backward_calls[key]

    def bytes(self, differentiable: bool) -> tuple[int, int]:
        """Return the bytes of the maps of one image that stay for the way back, and of its transient maps."""
        space = Space(self.chain, self.weights, self.biases, team(), differentiable, nothing)
        space.make(self.forward_steps, self.backward_steps, self.weights_back)
        return space.bytes, space.transient_bytes

    def table(self) -> list[str]:
        """Return lines that describe the plan: the steps, the rows of each thread, and the bytes of new maps."""
        space = Space(self.chain, self.weights, self.biases, team(), True, nothing)
        space.make(self.forward_steps, self.backward_steps, self.weights_back)
        meetings = [len(steps) + sum(len(step.unkept) for step in steps) - 1
                    for steps in (self.forward_steps, self.backward_steps)]
        meetings[0] += int(not self.chain.planar) + int(self.chain.is_pooled)  # the input is copied, equal outputs too
        lines = [f"{self.chain.entry.name} -> {self.chain.last.name}: in step on {self.threads} threads, which meet "
                 f"{meetings[0]} times forward and {meetings[1]} times back; "
                 f"maps {(space.bytes + space.transient_bytes) / 1e6:.1f} MB"]
        for way, steps in (("forward", self.forward_steps), ("back", self.backward_steps)):
            for number, step in enumerate(steps, 1):
                shares = " ".join(f"{first}-{last}" for first, last in step.blocks or step.shares)
                unit = "blocks" if step.blocks else "rows"
                nodes = [name for stage in step.stages for name in (stage.nodes or (stage.name,))]
                written = sum(space.bytes_of(stage, way == "forward") for stage in step.stages)
                lines.append(f"  {way:<7} {number:>2}  {unit:<6} {shares:<16} {written / 1e6:>6.2f} MB  "
                             + ", ".join(nodes))
        return lines

    def working_bytes(self, differentiable: bool) -> int:
        """Return about the bytes of the threads' working memory."""
        ways = [(self.forward_steps, self.weights)] + [(self.backward_steps, self.weights_back)] * differentiable
        scratch = 3 * TRANSFORMED
        for steps, weights in ways:
            for step in steps:
                for part in self.parts_of(step, weights is self.weights):
                    each = weights[part.name]
                    H, W, _ = step.stages[0].shape
                    if not each.m:
                        continue
                    m, channels = each.m, max(part.layer.params["w"].shape[:2])
                    across, down = -(-W // m), -(-H // m)
                    rows = down if step.blocks else max(1, int(TRANSFORMED / ((m + 2)**2 * across * channels)))
                    scratch = max(scratch, (3 if step.blocks else 2) * (m + 2)**2 * rows * across * channels)
        return 4 * self.threads * scratch

    def parts_of(self, step: Step, forward: bool) -> list[Part]:
        """Return the convolutions whose weights a step reads, without the convolution of an image."""
        parts = step.stages[0].parts if forward else self.parts_into(step.stages[0])
        return [part for part in parts if part.name in self.weights]

    def box(self, rows: Rows, columns: Rows) -> tuple[Rows, Rows]:
        """Return the rows and columns of the input on which these rows and columns of the output depend."""
        boxes: dict[str, tuple[Rows, Rows]] = {self.chain.last.name: (rows, columns)}
        for stage in self.chain.stages[:0:-1]:
            for source, size, stride, pad in stage.windows() if stage.name in boxes else ():
                (a, b), (c, d) = boxes[stage.name]
                up, down, left, right = (a * stride - pad, (b - 1) * stride - pad + size,
                                         c * stride - pad, (d - 1) * stride - pad + size)
                (e, f), (g, h) = boxes.get(source, ((up, down), (left, right)))
                boxes[source] = (min(up, e), max(down, f)), (min(left, g), max(right, h))
        (top, bottom), (left, right) = boxes[self.chain.entry.name]
        return (max(0, top), bottom), (max(0, left), right)


def every_bias(chain: Chain) -> Array:
    """Return the biases of all maps of a chain, one after the other."""
    biases = [layer.params["b"] for stage in chain.stages for layer in stage.bias]
    return np.concatenate([np.empty(0, np.float32), *biases])


def bias_of(stage: Stage) -> Array:
    """Return the biases of a map, which several convolutions may have written, (C,)."""
    return np.concatenate([layer.params["b"] for layer in stage.bias])
