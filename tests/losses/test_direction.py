"""The objective of a direction: against PyTorch, against finite differences, and on the stand-in for CuPy."""

import numpy as np
import pytest

from minicnn.backend import to_host
from minicnn.losses import Direction


@pytest.fixture
def acts(rng):
    """Activations (3, 5, 4, 4) and vectors (3, 5), some of them pointing away from each other."""
    return rng.random((3, 5, 4, 4)) - 0.3, rng.random((3, 5)) - 0.2


@pytest.mark.parametrize("position", [None, (1, 2)])
@pytest.mark.parametrize("power", [0.0, 1.0, 2.5, 4.0])
def test_the_objective_and_its_gradient_are_those_of_pytorch(xp, acts, power, position):
    torch = pytest.importorskip("torch")
    out, vectors = acts
    value, seeds = Direction("relu", xp.asarray(vectors), power, position)({"relu": xp.asarray(out)})
    a, v = torch.tensor(out, requires_grad=True), torch.tensor(vectors)[:, :, None, None]
    dot = torch.einsum("nchw,ncij->nhw", a, v)
    cosine = dot / (a.norm(dim=1) + 1e-4) / (v.norm(dim=1) + 1e-4)
    objective = dot * cosine.clamp(min=0.1) ** power
    total = (objective.mean(dim=(1, 2)) if position is None else objective[:, 1, 2]).sum()
    total.backward()
    assert value == pytest.approx(total.item(), rel=1e-12)
    assert seeds.keys() == {"relu"}
    np.testing.assert_allclose(to_host(seeds["relu"]), a.grad.numpy(), rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("position", [None, (0, 3)])
def test_the_gradient_is_the_finite_difference(acts, rng, position):
    out, vectors = acts
    objective = Direction("relu", vectors, 2.0, position)
    way = rng.standard_normal(out.shape)
    up, down = (objective({"relu": out + step * way})[0] for step in (1e-6, -1e-6))
    assert (objective({"relu": out})[1]["relu"] * way).sum() == pytest.approx((up - down) / 2e-6, rel=1e-6)


def test_float32_stays_float32_and_zeros_give_finite_numbers(xp):
    out = xp.asarray(np.zeros((2, 5, 3, 3), np.float32))
    value, seeds = Direction("relu", xp.asarray(np.ones((2, 5), np.float32)))({"relu": out})
    assert value == 0 and seeds["relu"].dtype == np.float32
    np.testing.assert_allclose(to_host(seeds["relu"]), 0.01 / 9, rtol=1e-6)  # the least cosine, 0.1, squared
