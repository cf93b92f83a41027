"""VGG-19's first layers with their decoders: the shapes, and each decoder as a network of its own."""

import numpy as np
import pytest

from minicnn.backend import to_device, to_host
from minicnn.errors import InputError
from minicnn.gradient_check import directional_error
from minicnn.models import build_network, decoder_of, load_model, vgg19_autoencoder
from minicnn.models.autoencoder import DECODED, decoder_output
from minicnn.models.preprocessing import CAFFE_VGG
from minicnn.models.weights import Header, save_weights


def test_each_decoder_returns_to_the_size_of_the_image():
    net = vgg19_autoencoder(seed=None)
    assert net.num_parameters() == 1_224_585 and net.output == "decoder3/conv1_1"
    shapes = net.shapes((3, 24, 36))
    assert [shapes[layer][1:] for layer in DECODED] == [(64, 24, 36), (128, 12, 18), (256, 6, 9)]
    assert all(shapes[decoder_output(layer)] == (1, 3, 24, 36) for layer in DECODED)
    encoder = build_network("vgg19", "relu3_1", padding="reflect")
    assert net.layer_names()[:len(encoder.nodes)] == encoder.layer_names()  # the names and order of VGG-19's layers


@pytest.mark.parametrize("layer", DECODED)
def test_a_decoder_alone_computes_the_same(layer, xp, rng):
    net = vgg19_autoencoder(1).to_device("cpu" if xp is np else "gpu")
    x = to_device(rng.standard_normal((1, 3, 8, 12)).astype("float32"), net.device)
    whole = net.features(x, [layer, decoder_output(layer)])
    decoder = decoder_of(net, layer)
    assert decoder.layer(decoder.output) is net.layer(decoder_output(layer))  # shared
    np.testing.assert_array_equal(to_host(decoder.predict(whole[layer])), to_host(whole[decoder_output(layer)]))
    fast = decoder_of(net.fast(), layer)
    assert type(fast).__name__ == "FastNetwork"
    np.testing.assert_allclose(to_host(fast.predict(whole[layer])), to_host(whole[decoder_output(layer)]), atol=1e-3)


def test_the_gradient_of_a_decoder(rng):
    decoder = decoder_of(vgg19_autoencoder(1).astype("float64"), "relu2_1")
    x, dout = rng.standard_normal((1, 128, 3, 4)), rng.standard_normal((1, 3, 6, 8))
    trace = decoder.forward(x)
    dx = decoder.backward(trace, {decoder.output: dout})["input"]
    assert directional_error(lambda x: float((decoder.predict(x) * dout).sum()), x, dx, rng) < 1e-6


def test_other_networks_have_no_decoders():
    for net in (build_network("vgg19", "relu3_1"), vgg19_autoencoder(seed=None).trunk("relu3_1")):
        with pytest.raises(InputError, match="no decoder of 'relu2_1'"):
            decoder_of(net, "relu2_1")
    with pytest.raises(InputError, match="no decoder of 'relu4_1'.*relu1_1, relu2_1, relu3_1"):
        decoder_of(vgg19_autoencoder(seed=None), "relu4_1")


def test_a_weights_file_of_it(tmp_path):
    save_weights(tmp_path / "a.h5", vgg19_autoencoder(1), Header("a", "vgg19_autoencoder", CAFFE_VGG))
    model = load_model(tmp_path / "a.h5", "cpu")
    assert repr(model) == "<Model a: Network of 44 layers>" and model.num_classes() == 0
