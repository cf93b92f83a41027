"""Which nodes of a network run as chains, and in which order all of them run."""

from collections.abc import Iterable, Sequence
from typing import Any

from minicnn.fast.rows.layer import ChainLayer
from minicnn.fast.rows.plans import Plans
from minicnn.fast.rows.stages import Stage, is_supported, stages_of
from minicnn.layers import Conv2D, Dropout, MaxPool2D
from minicnn.network import Node

LEAST_WORK = 2**22  # multiply-adds of an image in a chain that is worth its calls
IN_BATCHES = 2**4   # times as many in a batch: ordinary layers compute small images of a batch together


def chain_up(nodes: Sequence[Node], shapes: dict[str, tuple[int, ...]], boundaries: Iterable[str], images: int,
             winograd: Any, threads: int, plans: Plans) -> list[Node]:
    """Return the nodes, with each chain of them as one node that has the name of the chain's last one.

    shapes : {name: (1, C, H, W)}, of the input, too. boundaries : names whose activations are kept, or that gradients
    start from or go to: no chain goes beyond them. images : in a batch.
    """
    readers: dict[str, int] = {}  # the last node that reads an activation
    for i, node in enumerate(nodes):
        readers.update(dict.fromkeys(node.inputs, i))
    boundaries, least = set(boundaries), LEAST_WORK * (IN_BATCHES if images > 1 else 1)
    scheduled, i = [], 0
    while i < len(nodes):
        found = chain_from(nodes, i, shapes, readers, boundaries, least)
        if found is None:
            scheduled.append(nodes[i])
            i += 1
            continue
        stages, end = found
        is_pooled = any(isinstance(node.layer, MaxPool2D) for node in nodes[end + 1:])
        layer = ChainLayer(stages, plans.get(tuple(stages), is_pooled, winograd, threads))
        scheduled.append(Node(nodes[end].name, layer, (stages[0].name,)))
        i = end + 1
    return scheduled


def chain_from(nodes: Sequence[Node], start: int, shapes: dict[str, tuple[int, ...]], readers: dict[str, int],
               boundaries: set[str], least: int) -> tuple[list[Stage], int] | None:
    """Return (stages, number of the last node) of the longest chain that begins at a node, or None."""
    if not isinstance(nodes[start].layer, Conv2D | MaxPool2D):
        return None
    entry, reach, ends = nodes[start].inputs[0], start, []
    inside: set[str] = set()
    for end in range(start, len(nodes)):
        node = nodes[end]
        if not is_supported(node.layer, entry in node.inputs) or not inside.union({entry}).issuperset(node.inputs):
            break
        if reach <= end:  # nothing but this node's own output is read by later nodes
            ends.append(end)
        if node.name in boundaries:
            break
        inside.add(node.name)
        reach = max(reach, readers.get(node.name, end))
    for end in reversed(ends):
        stages = stages_of(nodes[start:end + 1], shapes)
        if stages is not None and is_worthwhile(stages, nodes[end], shapes, least):
            return stages, end
    return None


def plan_table(nodes: Sequence[Node], shapes: dict[str, tuple[int, ...]]) -> list[str]:
    """Return lines that say how nodes run: the steps of each chain, or the layer alone."""
    lines = []
    for node in nodes:
        if isinstance(node.layer, ChainLayer):
            lines += node.layer.plan.table()
        else:
            lines.append(f"{node.name}: {node.layer!r} alone")
    return lines


def is_worthwhile(stages: list[Stage], last: Node, shapes: dict[str, tuple[int, ...]], least: int) -> bool:
    """Return whether a chain is worth its calls. least : multiply-adds of an image."""
    parts = [part for stage in stages for part in stage.parts]
    if len(stages) < 3 or isinstance(last.layer, Dropout) or all(part.is_pointwise for part in parts):
        return False
    work = sum(part.layer.multiply_adds(shapes[part.name], shapes[part.name]) for part in parts)
    return work >= least
