"""A small network and its Header, and the message of a refusal, for the tests of weights files."""

import pytest

from minicnn.errors import InputError
from minicnn.layers import BatchNorm2D, Conv2D, Flatten, Linear
from minicnn.models.preprocessing import CAFFE_SQUEEZENET
from minicnn.models.weights import Header
from minicnn.network import Network

HEADER = Header("small", "digits", CAFFE_SQUEEZENET, ["tench, Tinca tinca", "pâté"],
                {"last": "conv1", "conv10_pad": 1}, "made by a test", "none", "0123abcd")


def small_network(rng=None):
    net = Network((3, 6, 6))
    net.add("conv1", Conv2D(3, 4, 3, rng=rng))
    net.add("norm1", BatchNorm2D(4))
    net.add("flatten", Flatten())
    net.add("fc2", Linear(64, 5, rng))
    return net


def refusal(function, *arguments):
    """The message of the InputError that the call raises, one line."""
    with pytest.raises(InputError) as raised:
        function(*arguments)
    line = str(raised.value)
    assert "\n" not in line
    return line
