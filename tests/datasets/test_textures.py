"""The drawn textures."""

import numpy as np

from minicnn.datasets.textures import TEXTURES, draw_texture


def test_a_seed_repeats_a_drawn_texture():
    for name in TEXTURES:
        one, two, other = (draw_texture(name, np.random.default_rng(seed), 37) for seed in (1, 1, 2))
        assert one.shape == (37, 37, 3) and one.dtype == np.uint8 and one.std() > 20
        assert (one == two).all() and (one != other).any()
