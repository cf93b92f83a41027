"""The drawn styles and the drawn scene."""

import numpy as np
import pytest

from minicnn.datasets.drawings import STYLES, draw_scene, draw_style
from minicnn.errors import UnknownNameError


@pytest.mark.parametrize("name", STYLES)
def test_a_seed_repeats_a_drawn_style(name):
    one, two = (draw_style(name, np.random.default_rng(4), 40) for _ in range(2))
    assert one.dtype == np.uint8 and one.shape == (40, 40, 3) and one.std() > 20 and (one == two).all()


def test_the_drawn_scene_and_an_unknown_style():
    assert draw_scene(50).shape == (50, 50, 3) and len(np.unique(draw_scene(50).reshape(-1, 3), axis=0)) > 50
    with pytest.raises(UnknownNameError, match="no drawn style 'stroke'; did you mean strokes"):
        draw_style("stroke", np.random.default_rng(0))
