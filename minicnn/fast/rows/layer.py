"""A chain of nodes as one layer of a network, computed in step by several threads."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from minicnn.backend import Array
from minicnn.fast.conv import support
from minicnn.fast.memory import channels_last
from minicnn.fast.rows.plan import Plan
from minicnn.fast.rows.space import Space, nobody
from minicnn.fast.rows.stages import Stage
from minicnn.fast.rows.team import run, team
from minicnn.layers import Layer


class Passage:
    """The cache of a chain: the spaces that hold the maps of a batch, one for each image."""

    def __init__(self, plan: Plan, spaces: list[Space]) -> None:
        self.plan, self.spaces = plan, spaces


class ChainLayer(Layer):
    """The nodes of a chain as one layer, (N, C, H, W) -> (N, F, OH, OW), for one size of images.

    stages : of the chain. plan : of these stages; networks that differ only in their ReLUs' way back may share it.
    """

    def __init__(self, stages: Sequence[Stage], plan: Plan) -> None:
        super().__init__()
        self.stages, self.plan = tuple(stages), plan

    def has_form_of(self, other: "ChainLayer") -> bool:
        """Return whether both chains are equal, apart from the rules of their ReLUs."""
        return [replace(stage, relu=None) for stage in self.stages] == [
            replace(stage, relu=None) for stage in other.stages] and (
            [stage.relu is None for stage in self.stages] == [stage.relu is None for stage in other.stages])

    def forward(self, x: Array) -> tuple[Array, Any]:
        return self.run_forward(x, differentiable=True)

    def predict(self, x: Array) -> Array:
        """Return the output, without a cache."""
        return self.run_forward(x, differentiable=False)[0]

    def run_forward(self, x: Array, differentiable: bool) -> tuple[Array, Any]:
        """Return (output, Passage). The Passage is empty if no way back follows."""
        (OH, OW, F), N = self.plan.chain.last.shape, len(x)
        out = channels_last(np, (N, F, OH, OW), x.dtype)
        passage = Passage(self.plan, [])
        with team().lock:
            self.plan.refresh(back=False)
            for n in range(N):
                space = self.plan.take_space(passage, differentiable)
                space.x, space.out = x[n].transpose(1, 2, 0), out[n].transpose(1, 2, 0)
                for equal in space.equal:
                    equal.begin()
                try:
                    run(space.forward_calls)
                finally:
                    space.forget()
                if differentiable:
                    passage.spaces.append(space)
                else:
                    space.user = nobody
        return out, passage

    def backward(self, dout: Array, cache: Passage) -> Array:
        plan = cache.plan
        (H, W, C), N = plan.chain.entry.shape, len(dout)
        dx = np.empty((N, C, H, W), dout.dtype) if plan.chain.planar else channels_last(np, (N, C, H, W), dout.dtype)
        with team().lock:
            plan.refresh(back=True)
            for n, space in enumerate(cache.spaces):
                space.dout, space.dx = dout[n].transpose(1, 2, 0), dx[n].transpose(1, 2, 0)
                try:
                    run(plan.calls_back(space, self.stages))
                finally:
                    space.forget()
                self.clear_outside(dout[n:n + 1], dx[n])
        return dx

    def clear_outside(self, dout: Array, dx: Array) -> None:
        """Set dx, (C, H, W), to zero outside the receptive field of the neurons at which dout is not zero.

        Rounding in Winograd's sums leaves small values there.
        """
        top, bottom, left, right = support(dout)
        if (bottom - top, right - left) == dout.shape[2:]:
            return
        if top == bottom:
            dx[...] = 0
            return
        rows, columns = self.plan.box((top, bottom), (left, right))
        dx[:, :rows[0]] = 0
        dx[:, rows[1]:] = 0
        dx[:, :, :columns[0]] = 0
        dx[:, :, columns[1]:] = 0
