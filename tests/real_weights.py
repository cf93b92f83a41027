"""Read the real weights of the test data."""

import numpy as np
import torch_oracle as oracle

from minicnn import models


def read_weights(path, net, names):
    """Set the parameters of `net` from an npz of <name>.weight, <name>.bias; `names`: {name there: layer}."""
    filled = set()
    with np.load(path) as arrays:
        for key in arrays.files:
            name, part = key.rsplit(".", 1)
            if name in names:
                key_here, params = {"weight": "w", "bias": "b"}[part], net.layer(names[name]).params
                assert params[key_here].shape == arrays[key].shape
                params[key_here] = arrays[key]
                filled.add((names[name], key_here))
    assert filled == {(name, key) for name, layer in net.parameter_layers().items() for key in layer.params}
    return net


def read_squeezenet1_1(test_data, pool_ceil=True):
    return read_weights(test_data / "weights" / "squeezenet1_1.npz",
                        models.squeezenet1_1(seed=None, pool_ceil=pool_ceil), oracle.SQUEEZENET1_1_NAMES)
