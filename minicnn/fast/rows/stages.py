"""The maps that a chain of layers computes: several nodes of a network become one stage.

A stage is one map in memory and everything that is done to it before the next window looks at it. The convolutions of
a Fire module write their channels of one map side by side, so the concatenation is no work of its own. Bias and ReLU
belong to the map as well. If only a max pool reads the map, they come after the pool, where the map is smaller:
max(x) + b = max(x + b), and relu(max(x)) = max(relu(x)).
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from minicnn.layers import AvgPool2D, Concat, Conv2D, DeconvReLU, Dropout, GuidedReLU, MaxPool2D, ReLU
from minicnn.network import Node

FEW = 4  # channels of an image
RELUS = (ReLU, GuidedReLU, DeconvReLU)


@dataclass(frozen=True)
class Part:
    """A convolution that writes the channels of a stage's map from `start` on."""

    name: str
    layer: Conv2D
    source: str  # the name of the stage that it reads
    start: int

    @property
    def size(self) -> int:
        """The side of the filters."""
        return int(self.layer.params["w"].shape[2])

    @property
    def is_pointwise(self) -> bool:
        """Whether it reads only the pixel that it writes."""
        return self.size == 1 and self.layer.stride == 1 and self.layer.pad == 0

    @property
    def channels(self) -> slice:
        """The channels of the map that it writes."""
        return slice(self.start, self.start + len(self.layer.params["w"]))


@dataclass(frozen=True)
class Stage:
    """A map of shape (H, W, C), computed by convolutions (`parts`) or by a pool from the map of another stage.

    name : of the last node, whose activation the map is in the end. nodes : all nodes of the stage.
    bias : the convolutions whose biases are added to the map, in the order of their channels; () for none.
    relu : the class of its ReLU, or None. pooled : whether its bias and ReLU come after the pool that reads it.
    """

    name: str
    nodes: tuple[str, ...]
    shape: tuple[int, int, int]
    parts: tuple[Part, ...] = ()
    pool: Any = None
    source: str = ""
    bias: tuple[Conv2D, ...] = ()
    relu: Any = None
    pooled: bool = False

    @property
    def sources(self) -> list[str]:
        """The names of the stages that it reads."""
        return [part.source for part in self.parts] if self.parts else [self.source]

    def windows(self) -> list[tuple[str, int, int, int]]:
        """Return (stage that it reads, size, stride, pad) of its windows."""
        if self.pool is not None:
            return [(self.source, self.pool.kernel_size, self.pool.stride, 0)]
        return [(part.source, part.size, part.layer.stride, part.layer.pad) for part in self.parts]


def is_supported(layer: Any, first: bool) -> bool:
    """Return whether a chain can hold this layer. first : whether it reads the chain's input."""
    if any(not isinstance(array, np.ndarray) or array.dtype != np.float32 for array in layer.params.values()):
        return False
    if type(layer) is Conv2D:
        _, C, KH, KW = layer.params["w"].shape
        if layer.groups > 1 or KH != KW:
            return False
        return (first and C <= FEW and layer.pad < KH) or (layer.stride == 1 and layer.pad < KH)
    if type(layer) is MaxPool2D:
        return layer.pad == 0 and layer.stride <= layer.kernel_size <= 2 * layer.stride
    return type(layer) in (*RELUS, Concat, Dropout)


def stages_of(nodes: Sequence[Node], shapes: dict[str, tuple[int, ...]]) -> list[Stage] | None:
    """Return the stages of a chain of nodes, the map that it reads first, or None if the nodes do not form one.

    All nodes but the last may be read only inside the chain, and only one map from outside.
    shapes : {name: (1, C, H, W)} of all nodes and of the input.
    """
    entry = nodes[0].inputs[0]
    own: dict[str, str] = {entry: entry}  # a node, and the stage that holds its activation
    readers = Counter(source for node in nodes for source in node.inputs)
    stages: dict[str, Stage] = {entry: Stage(entry, (), map_shape(shapes[entry]))}
    for node in nodes:
        sources = [own.get(source) for source in node.inputs]
        if None in sources or not is_supported(node.layer, sources[0] == entry):
            return None
        stage = joined(node, [stages[str(source)] for source in sources], entry, readers, map_shape(shapes[node.name]))
        if stage is None:
            return None
        for source in sources if isinstance(node.layer, (*RELUS, Concat)) else ():
            del stages[str(source)]
        for other, place in own.items():
            if place not in stages and place != stage.name:
                own[other] = stage.name
        own[node.name] = stage.name
        stages[stage.name] = stage
    found = list(stages.values())
    return behind_pools(found) if own[nodes[-1].name] == found[-1].name else None


def map_shape(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Return (H, W, C) of an activation (N, C, H, W); (1, 1, C) of one without a map."""
    _, C, *size = shape
    H, W = size or (1, 1)
    return H, W, C


def joined(node: Node, sources: list[Stage], entry: str, readers: Counter[str],
           shape: tuple[int, int, int]) -> Stage | None:
    """Return the stage that the node begins or joins, or None if it fits neither."""
    layer, source = node.layer, sources[0]
    if isinstance(layer, Conv2D):
        part = Part(node.name, layer, source.name, 0)
        return Stage(node.name, (node.name,), shape, (part,), bias=(layer,) if "b" in layer.params else ())
    if isinstance(layer, MaxPool2D | AvgPool2D):
        return Stage(node.name, (node.name,), shape, pool=layer, source=source.name)
    if isinstance(layer, Dropout):
        return source if source.name != entry else None
    alone = all(stage.name != entry and readers[name] == 1
                for stage, name in zip(sources, node.inputs, strict=True))
    if not alone:
        return None
    if isinstance(layer, ReLU):
        return None if source.relu else replace(source, name=node.name, nodes=(*source.nodes, node.name),
                                                relu=type(layer))
    return side_by_side(node.name, sources, shape)


def side_by_side(name: str, stages: list[Stage], shape: tuple[int, int, int]) -> Stage | None:
    """Return the stage of a concatenation: the convolutions of the stages write into one map."""
    relus, biased = {stage.relu for stage in stages}, {bool(stage.bias) for stage in stages}
    if len(relus) > 1 or len(biased) > 1 or not all(stage.parts for stage in stages):
        return None
    if len({stage.name for stage in stages}) < len(stages):
        return None
    parts: list[Part] = []
    nodes: list[str] = []
    start = 0
    for stage in stages:
        parts += [replace(part, start=start + part.start) for part in stage.parts]
        nodes += stage.nodes
        start += stage.shape[2]
    bias = tuple(layer for stage in stages for layer in stage.bias)
    return Stage(name, (*nodes, name), shape, tuple(parts), bias=bias, relu=relus.pop())


def behind_pools(stages: list[Stage]) -> list[Stage]:
    """Move the bias and the ReLU of each stage that only a max pool reads behind that pool.

    With the rule of the deconvnet they stay: it gives gradients to windows without a positive value, too.
    """
    readers = Counter(source for stage in stages[1:] for source in stage.sources)
    by_name = {stage.name: stage for stage in stages}
    for stage in stages:
        before = by_name.get(stage.source)
        if (isinstance(stage.pool, MaxPool2D) and before is not None and before.parts and stage.relu is None
                and readers[before.name] == 1 and before.relu in (ReLU, GuidedReLU)):
            by_name[stage.name] = replace(stage, bias=before.bias, relu=before.relu)
            by_name[before.name] = replace(before, bias=(), relu=None, pooled=True)
    return list(by_name.values())
