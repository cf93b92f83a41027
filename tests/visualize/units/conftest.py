"""The fixture of the tests of patches."""

import numpy as np
import pytest

from minicnn.datasets.shapes import draw_shapes
from minicnn.models import load_model


@pytest.fixture(scope="module")
def drawn():
    """(the network `shapes`, 40 inputs)."""
    images, _ = draw_shapes(np.arange(40) % 12, np.random.default_rng(5))
    model = load_model("shapes", "cpu")
    return model.net, model.preprocessing.to_input(images)
