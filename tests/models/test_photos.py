"""The architecture `photos` and the folding of its normalizations."""

import numpy as np
import pytest
from torch_oracle import he_weights
from training_cases import arrays_of, same, tiny_net

from minicnn.layers import BatchNorm2D, Conv2D
from minicnn.models import fold_norms, photos
from minicnn.network import Network


def test_the_folded_network_computes_the_same():
    net = he_weights(photos(num_classes=5, batch_norm=True), np.random.default_rng(0)).astype("float64")
    x = np.random.default_rng(1).standard_normal((2, 3, 64, 64))
    before, folded = arrays_of(net), fold_norms(net)
    assert folded.layer_names() == photos().layer_names()
    trace, other = net.forward(x), folded.forward(x)
    for name in folded.layer_names():
        if name.startswith(("relu", "pool", "conv9")) or name.endswith("concat"):
            assert np.allclose(other.activations[name], trace.activations[name], rtol=1e-9, atol=1e-9), name
    seed = {net.output: np.random.default_rng(2).standard_normal((2, 5))}
    assert np.allclose(folded.backward(other, seed)["input"], net.backward(trace, seed)["input"], atol=1e-9)
    assert same(arrays_of(net), before)


def test_a_convolution_without_bias_and_on_the_other_device(xp):
    net = tiny_net(xp)
    del net.layer("conv1").params["b"]
    net.layer("norm1").buffers["mean"] += 0.5
    x = xp.ones((1, 2, 6, 6), "float32")
    folded = fold_norms(net)
    assert "norm1" not in folded.positions and type(folded.layer("conv1").params["w"]) is type(x)
    assert float(abs(folded.predict(x) - net.predict(x)).max()) < 1e-5


@pytest.mark.parametrize("case", ["another reader", "a shared convolution", "no convolution"])
def test_a_normalization_that_cannot_be_folded_stays(case):
    rng = np.random.default_rng(0)
    net, conv = Network((2, 4, 4)), Conv2D(2, 2, 3, pad=1, rng=rng)
    if case != "no convolution":
        net.add("conv", conv)
    net.add("norm", BatchNorm2D(2))
    net.layer("norm").buffers["var"] *= 4
    if case == "another reader":
        net.add("again", Conv2D(2, 2, 1, rng=rng), "conv")
    if case == "a shared convolution":
        net.add("again", conv)
    folded, x = fold_norms(net), rng.standard_normal((1, 2, 4, 4), np.float32)
    assert folded.layer_names() == net.layer_names()
    assert np.array_equal(folded.predict(x), net.predict(x))
