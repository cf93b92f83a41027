"""A small network with random values, and its weights file."""

import numpy as np
import pytest
from weights_files import HEADER, small_network

from minicnn.models.weights import save_weights


@pytest.fixture
def net(rng):
    net = small_network(rng)
    for node in net.nodes:
        for values in (node.layer.params, node.layer.buffers):
            for key in values:
                values[key] = rng.standard_normal(values[key].shape).astype(np.float32)
    return net


@pytest.fixture
def saved(net, tmp_path):
    path = tmp_path / "small.h5"
    save_weights(path, net, HEADER)
    return path
