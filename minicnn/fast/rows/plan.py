"""The plan of a chain for one size of images and one number of threads, and the memory of its passes."""

import weakref
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from minicnn.backend import Array, available_memory
from minicnn.fast.rows.backward import Backward
from minicnn.fast.rows.forward import Forward
from minicnn.fast.rows.space import Space, nothing
from minicnn.fast.rows.stages import Part, Stage
from minicnn.fast.rows.steps import Chain, Rows, Step, shares
from minicnn.fast.rows.tape import Calls
from minicnn.fast.rows.team import team
from minicnn.fast.rows.weights import BUDGET, Weights, tile_for
from minicnn.layers import Conv2D
from minicnn.network import Node

FEW_TILES = 100       # with at most this many tiles, the filters fill the caches, not the maps
MANY_FILTERS = 2**20  # transformed values of a layer, from which on reading them takes time
IDLE = 2**26          # bytes of the memory that unused plans keep
MOST = 32             # plans


class Plan:
    """The steps of a chain, forward and back, its weights, and the memory of its passes.

    stages : of the chain, with its input first. is_pooled : whether a max pool compares its output later. winograd : setting of the network. threads : that share the rows.
    """

    def __init__(self, stages: Sequence[Stage], is_pooled: bool, winograd: Any, threads: int,
                 store: "WeightStore") -> None:
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
        self.parameters: list[tuple[Conv2D, dict[str, Array]]] = []
        self.weights: dict[str, Weights] = {}
        self.weights_back: dict[str, Weights] = {}
        self.biases: dict[str, Array] = {}
        for stage in self.chain.stages[1:]:
            if stage.bias:
                self.biases[stage.name] = np.tile(bias_of(stage), (stage.shape[1], 1))
            for part in stage.parts:
                self.parameters.append((part.layer, dict(part.layer.params)))
                if self.chain.planar and stage is self.chain.first:
                    continue
                (OH, OW, _), (H, W, _) = stage.shape, self.chain.by_name[part.source].shape
                self.weights[part.name] = self.store.get(part.layer, tile_for(part, self.winograd, OH * OW), False)
                self.weights_back[part.name] = self.store.get(part.layer, tile_for(part, self.winograd, H * W), True)

    def parts_into(self, stage: Stage) -> list[Part]:
        """Return the convolutions that read a stage's map."""
        return [part for reader in self.chain.readers[stage.name] for part in reader.parts if part.source == stage.name]

    def shared_out(self, step: Step, parts: Sequence[Part], weights: dict[str, Weights]) -> Step:
        """Return the step with the way in which the threads share the filters of its convolutions, `parts`."""
        transformed = [weights[part.name] for part in parts if part.name in weights and weights[part.name].m]
        back = weights is self.weights_back  # the blocks are those of one convolution; pools do not mix channels
        alone = len(parts) == len(transformed) == 1 and step.stages[0] is not self.chain.entry and all(
            stage.pooled if back else stage.pool is not None for stage in step.stages[1:]) and all(
            len(stage.parts) <= 1 for stage in step.stages)
        if alone and transformed[0].size >= MANY_FILTERS:
            (H, W, _), m = step.stages[0].shape, transformed[0].m
            if -(-H // m) * -(-W // m) <= FEW_TILES:
                return replace(step, blocks=shares(transformed[0].shape[2], self.threads))
        return replace(step, unkept=tuple(part.name for part in parts
                                          if part.name in weights and not weights[part.name].kept))

    # ---- passes ----------------------------------------------------------------------------------------------

    def refresh(self, weights: dict[str, Weights]) -> None:
        """Take over what has changed in the network's parameters, before a pass in one direction."""
        for layer, known in self.parameters:
            if any(layer.params.get(key) is not array for key, array in known.items()):
                self.spaces.clear()  # their calls have the old arrays
                back = weights is self.weights_back
                self.read_parameters()
                weights = self.weights_back if back else self.weights
                break
        for each in weights.values():
            each.allocate()
            each.refresh()
        for name, rows in self.biases.items():
            bias = bias_of(self.chain.by_name[name])
            if not np.array_equal(rows[0], bias):
                rows[...] = bias

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
        for weights in (*self.weights.values(), *self.weights_back.values()):
            weights.allocate()
        while True:
            before = team().growths()
            space = Space(self.chain, self.weights, self.biases, team(), differentiable)
            space.make(self.forward_steps, self.backward_steps, self.weights_back)
            space.forward_calls = Forward(space).record(self.forward_steps, scratches)
            if differentiable:
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

    def bytes(self, differentiable: bool) -> int:
        """Return the bytes of the maps of a pass of one image."""
        space = Space(self.chain, self.weights, self.biases, team(), differentiable, nothing)
        space.make(self.forward_steps, self.backward_steps, self.weights_back)
        return space.bytes

    def box(self, rows: Rows, columns: Rows) -> tuple[Rows, Rows]:
        """Return the rows and columns of the input on which these rows and columns of the output depend."""
        boxes = {self.chain.last.name: (rows, columns)}
        for stage in self.chain.stages[:0:-1]:
            for source, size, stride, pad in stage.windows():
                for before in [boxes[stage.name]] if stage.name in boxes else []:
                    found = [(first * stride - pad, (last - 1) * stride - pad + size) for first, last in before]
                    known = boxes.get(source, found)
                    boxes[source] = tuple((min(a[0], b[0]), max(a[1], b[1])) for a, b in zip(found, known, strict=True))
        (top, bottom), (left, right) = boxes[self.chain.entry.name]
        return (max(0, top), bottom), (max(0, left), right)


def bias_of(stage: Stage) -> Array:
    """Return the biases of a map, which several convolutions may have written, (C,)."""
    return np.concatenate([layer.params["b"] for layer in stage.bias])


class WeightStore:
    """The weights of a network's convolutions in the order in which calls read them, one for all sizes of images."""

    def __init__(self) -> None:
        self.weights: dict[tuple[Conv2D, int, bool], Weights] = {}

    def get(self, layer: Conv2D, m: int, backward: bool) -> Weights:
        """Return the weights of a layer in one direction, for Winograd's F(m, 3), or 0."""
        found = self.weights.get((layer, m, backward))
        if found is None or found.w is not layer.params["w"]:
            budget = min(BUDGET, (available_memory("cpu") or BUDGET) // 4)
            kept = sum(each.bytes for each in self.weights.values())
            found = self.weights[layer, m, backward] = Weights(layer, m, backward, budget - kept)
        return found


class Plans:
    """The plans of a network and its siblings, the last used one at the end.

    Each keeps the memory of its passes for the next ones. Plans that are not used keep at most IDLE bytes in all.
    """

    def __init__(self) -> None:
        self.plans: dict[Any, Plan] = {}
        self.store = WeightStore()
        self.nodes: list[Node] = []  # that ran last

    def get(self, stages: tuple[Stage, ...], is_pooled: bool, winograd: Any, threads: int) -> Plan:
        """Return the plan of these stages."""
        key = stages, is_pooled, winograd, threads
        plan = self.plans.pop(key, None) or Plan(stages, is_pooled, winograd, threads, self.store)
        self.plans[key] = plan
        if len(self.plans) > MOST:
            del self.plans[next(iter(self.plans))]
        return plan

    def use(self, nodes: list[Node]) -> None:
        """Free memory of the plans that were not used for the longest time, but not of those of these nodes."""
        if nodes is self.nodes:
            return
        self.nodes, total = nodes, 0
        used = [node.layer.plan for node in nodes if hasattr(node.layer, "plan")]
        for plan in reversed(list(self.plans.values())):
            if plan not in used:
                total += sum(space.bytes for space in plan.spaces)
                if total > IDLE:
                    plan.spaces.clear()
