"""Total-variation denoising."""

import numpy as np
import pytest
from facet_pictures import on

from minicnn.backend import to_host
from minicnn.visualize.synthesis.denoise import DenoiseTV, denoise_tv


@pytest.mark.parametrize("weight", [0.05, 0.5])
def test_denoising_is_that_of_scikit_image(xp, rng, weight):
    restoration = pytest.importorskip("skimage.restoration", reason="scikit-image, the oracle, is not installed")
    x = rng.standard_normal((2, 3, 9, 7))
    found = to_host(denoise_tv(on(xp, x), weight, num_steps=8))
    for image, result in zip(x.reshape(6, 9, 7), found.reshape(6, 9, 7), strict=True):
        expected = restoration.denoise_tv_chambolle(image, weight, eps=0, max_num_iter=9)  # the first returns x
        assert np.abs(result - expected).max() < 1e-12


def test_denoising_lowers_what_it_minimises_and_keeps_the_mean(xp, rng):
    def cost(u, x):
        u = to_host(u)
        dy, dx = np.zeros_like(u), np.zeros_like(u)
        dy[:, :, :-1], dx[..., :-1] = np.diff(u, axis=2), np.diff(u, axis=3)
        return 0.3 * np.sqrt(dy**2 + dx**2).sum() + ((u - x) ** 2).sum() / 2
    x = rng.standard_normal((1, 2, 10, 12))
    results = [denoise_tv(on(xp, x), 0.3, num_steps=steps) for steps in (1, 10, 100, 1000)]
    costs = [cost(u, x) for u in results]
    assert cost(x, x) > costs[0] > costs[1] > costs[2] >= costs[3] and costs[2] == pytest.approx(costs[3], rel=1e-2)
    assert to_host(results[-1]).mean(axis=(2, 3)) == pytest.approx(x.mean(axis=(2, 3)))
    assert denoise_tv(on(xp, x.astype(np.float32)), 0.3).dtype == np.float32


def test_an_edge_stays_where_noise_goes(rng):
    x = np.zeros((1, 1, 16, 16))
    x[..., 8:] = 1
    u = denoise_tv(x + 0.1 * rng.standard_normal(x.shape), 0.3, num_steps=100)
    assert (u[..., 8] - u[..., 7]).mean() > 0.6 and u[..., :7].std() < 0.05


def test_denoising_gets_weaker(rng):
    x = rng.standard_normal((1, 3, 12, 12))
    step = DenoiseTV(0.1, 2.0, 10, 0.05)
    changes = [np.abs(step(x, t) - x).mean() for t in (1, 5, 10)]
    assert changes[0] > changes[1] > changes[2] > 0
    assert (step(x, 6) == denoise_tv(x, 0.05 / (0.1 + 2.0 * 5 / 10))).all()
