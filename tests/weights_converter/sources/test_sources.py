"""The tables of sources name every array of their networks, and agree with the networks' aliases."""

import pytest
from weight_cases import source_id, source_of

from minicnn.models import build_network, squeezenet1_0, squeezenet1_1
from minicnn.models.weights import named_arrays
from weights_converter.sources import SOURCES


@pytest.mark.parametrize("source", SOURCES, ids=source_id)
def test_table_names_every_array_of_its_network_once(source):
    net = build_network(source.architecture, **source.options)
    assert sorted(target.key for target in source.names.values()) == sorted(named_arrays(net))
    assert net.num_parameters() == source.num_parameters
    assert net.find(source.features) == source.features


def test_each_training_has_a_name_of_its_own():
    by_name = {}
    for source in SOURCES:
        by_name.setdefault(source.name, set()).add((source.architecture, source.preprocessing, source.publisher))
    shared = {name: sorted(publisher for *_, publisher in found) for name, found in by_name.items() if len(found) > 1}
    names = ["neural-style", "timm", "torchvision"]  # the same values, or the same names in another order
    assert shared == {"vgg16": names, "vgg19": names}


def test_torchvision_names_are_the_aliases_of_our_layers():
    found = [source for source in SOURCES if source.publisher == "torchvision"]
    assert {source.architecture for source in found} == {"vgg16", "vgg19", "squeezenet1_0", "squeezenet1_1",
                                                         "alexnet", "resnet18"}
    for source in found:
        net = build_network(source.architecture)
        for name, target in source.names.items():
            layer = name.rpartition(".")[0]
            assert layer == target.key.rpartition("/")[0] or net.find(layer) == target.key.rpartition("/")[0]


def test_keras_names_are_the_aliases_of_our_layers():
    for network in ("vgg16", "vgg19"):
        net = build_network(network)  # a Keras layer includes its ReLU
        for name, target in source_of(f"{network}_keras", "Keras").names.items():
            layer = target.key.partition("/")[0]
            relu = layer.replace("conv", "relu").replace("fc6", "relu6").replace("fc7", "relu7")
            assert net.find(name.partition("/")[0]) == relu


def test_conv10_is_padded_as_the_weights_need():
    assert squeezenet1_0(seed=None, **source_of("squeezenet1_0_caffe", "Caffe").options).layer("conv10").pad == 1
    assert squeezenet1_1(seed=None, **source_of("squeezenet1_1_caffe", "Caffe").options).layer("conv10").pad == 0
