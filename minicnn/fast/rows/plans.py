"""The plans that a network keeps."""

from typing import Any

from minicnn.fast.rows.layer import ChainLayer
from minicnn.fast.rows.plan import Plan
from minicnn.fast.rows.stages import Stage
from minicnn.fast.rows.weights import WeightStore
from minicnn.network import Node

IDLE = 2**26  # bytes of the memory that unused plans keep
MOST = 32     # plans


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
        """Free memory of the plans that were not used for the longest time, but keep the plans of these nodes."""
        if nodes is self.nodes:
            return
        self.nodes, total = nodes, 0
        used = [node.layer.plan for node in nodes if isinstance(node.layer, ChainLayer)]
        for plan in reversed(list(self.plans.values())):
            if plan not in used:
                total += sum(space.bytes for space in plan.spaces)
                if total > IDLE:
                    plan.spaces.clear()
