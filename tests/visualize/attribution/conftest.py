"""The fixtures of the tests of attribution."""

import numpy as np
import pytest
from attribution_networks import SHAPES_SEED

from minicnn.datasets.shapes import CLASSES, draw_shapes
from minicnn.models import load_model


@pytest.fixture
def oracle():
    """The networks in PyTorch; skips if it is not installed."""
    import torch_oracle
    return torch_oracle


@pytest.fixture(scope="module")
def drawn():
    """The network `shapes` and 108 new pictures: their images, x, labels and masks."""
    model, labels = load_model("shapes", "cpu"), np.arange(108) % len(CLASSES)
    images, masks = draw_shapes(labels, np.random.default_rng(SHAPES_SEED))
    return model.net, images, model.preprocessing.to_input(images), labels, masks


@pytest.fixture(scope="module")
def drawn_dozen():
    """The model `shapes` and 12 new pictures: x, labels and masks."""
    model, labels = load_model("shapes", "cpu"), np.arange(12)
    images, masks = draw_shapes(labels, np.random.default_rng(SHAPES_SEED))
    return model, model.preprocessing.to_input(images), labels, masks
