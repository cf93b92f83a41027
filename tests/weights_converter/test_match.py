"""A file is recognised by the names and shapes of its arrays; otherwise one line lists all differences."""

import zipfile
from io import BytesIO

import numpy as np
import pytest
from weight_cases import TRUNK, announced, source_id, source_of

from minicnn.errors import InputError
from weights_converter.match import FLOATS, find_source
from weights_converter.sources import SOURCES


@pytest.mark.parametrize("source", SOURCES, ids=source_id)
def test_complete_file_is_recognised_by_names_and_shapes(source):
    match = find_source("x", announced(source), sha256=source.file_digest)
    assert match.source is source and match.model_name == source.name
    if source.classifier:
        assert match.last is None and match.left_out == []
    else:
        assert match.last == source.features and len(match.left_out) == 6


def test_timm_features_are_those_of_torchvision():
    arrays = [array for array in announced(source_of("vgg16", "timm")) if array.name.startswith("features")]
    match = find_source("x", arrays, features_only=True)
    assert (match.source.name, match.source.publisher, match.last) == ("vgg16", "torchvision", "pool5")


def test_a_network_can_be_named_by_its_training_or_its_architecture():
    arrays = announced(source_of("squeezenet1_0_caffe", "Caffe"))
    for network in ("auto", "squeezenet1_0", "squeezenet1_0_caffe"):
        assert find_source("x", arrays, network).source.name == "squeezenet1_0_caffe"


def test_the_file_without_classifier_values_is_known_by_its_digest():
    arrays = announced(source_of("vgg16", "torchvision"))
    assert find_source("x", arrays).source.name == "vgg16"
    assert find_source("x", arrays, sha256="397923af8e79").source.name == "vgg16"
    assert find_source("x", arrays, sha256="88682ab5ffff").source.name == "vgg16_features"
    assert find_source("x", arrays, "vgg16", sha256="88682ab5ffff").source.name == "vgg16_features"
    assert find_source("x", arrays, "vgg16_features").last == "pool5"


def test_features_end_where_a_fire_module_ends():
    arrays = [array for array in announced(source_of("squeezenet1_0", "torchvision"))
              if array.name.startswith(("features.0.", "features.3.", "features.4."))]
    match = find_source("x", arrays, features_only=True)
    assert (match.source.name, match.last) == ("squeezenet1_0", "fire3/concat")


def test_pool_belongs_to_complete_features():
    arrays = [array for array in announced(source_of("vgg19", "torchvision")) if array.name.startswith("features")]
    match = find_source("x", arrays, features_only=True)
    assert (match.source.name, match.last) == ("vgg19", "pool5")


def test_one_line_lists_all_differences(squeezenet, refused):
    arrays = dict(squeezenet)
    del arrays["features.3.squeeze.bias"], arrays["classifier.1.weight"]
    arrays["features.13.weight"] = np.zeros(3, np.float32)
    arrays["epoch"] = np.zeros((), np.int64)  # integers are not weights and are not converted
    arrays["loss"] = np.zeros(())
    arrays["features.0.weight"] = arrays["features.0.weight"].transpose(2, 3, 1, 0)
    arrays["features.4.squeeze.bias"] = np.zeros(16, np.int32)
    line = refused(arrays)
    for part in ("does not fit squeezenet1_1 with torchvision's names",
                 "missing: features.3.squeeze.bias, classifier.1.weight;",
                 "not known: features.13.weight;",  # loss is outside the network
                 "of another shape: features.0.weight (3, 3, 3, 64) instead of (64, 3, 3, 3);",
                 "int32 instead of float64, float32 or a type that float32 holds exactly: features.4.squeeze.bias"):
        assert part in line
    assert "--features-only" not in line  # the option would not help


def test_each_wrong_type_is_named_once():
    packed = np.dtype([("F6_E2M3", "u1")])  # as the readers represent it
    arrays = [array._replace(dtype=packed) for array in announced(source_of("squeezenet1_1", "torchvision"))]
    arrays[-1] = arrays[-1]._replace(dtype=np.dtype(np.complex64))
    with pytest.raises(InputError) as refusal:
        find_source("x", arrays)
    line = str(refusal.value)
    assert f": F6_E2M3 instead of {FLOATS}: features.0.weight, features.0.bias, " in line
    assert line.endswith(f"; complex64 instead of {FLOATS}: classifier.1.bias")
    assert line.count("F6_E2M3") == 1 and "u1" not in line


def test_a_repeated_name(two_layers, refused):
    buffer = BytesIO()
    np.savez(buffer, **two_layers)
    with zipfile.ZipFile(buffer, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("conv1_1.bias.npy", archive.read("conv1_1.bias.npy"))
    assert "there twice: conv1_1.bias" in refused(buffer.getvalue(), *TRUNK)


def test_a_trunk_needs_features_only(two_layers, refused):
    line = refused(two_layers, "--network", "vgg16")
    assert "missing: conv2_1.weight, conv2_1.bias" in line and "fc8.bias" in line
    assert "add --features-only" in line


def test_a_trunk_that_fits_several_networks(two_layers, refused):
    line = refused(two_layers, "--features-only")
    assert "fits vgg16_caffe and vgg19_caffe equally well; choose one, as in --network vgg16_caffe" in line


def test_a_trunk_with_a_gap(two_layers, refused):
    del two_layers["conv1_1.bias"]
    assert "missing: conv1_1.bias\n" in refused(two_layers, *TRUNK)


def test_weights_and_biases_of_different_numbers_of_classes(squeezenet, refused):
    arrays = {**squeezenet, "classifier.1.weight": np.zeros((10, 512, 1, 1), np.float32)}
    assert "classifier.1.bias (1000,) instead of (10,)" in refused(arrays)


def test_an_unknown_network(refused):
    arrays = {f"layer{i}.weight": np.zeros((3, 3), np.float32) for i in range(5)}
    line = refused(arrays)
    assert "5 arrays (layer0.weight, layer1.weight, layer2.weight, layer3.weight, …)" in line
    assert "torchvision (vgg16, vgg19, squeezenet1_0, squeezenet1_1, alexnet, resnet18)" in line
    assert "Caffe (vgg16_caffe, " in line


def test_an_unknown_network_name_suggests(two_layers, refused):
    assert "did you mean vgg19 or vgg16" in refused(two_layers, "--network", "vgg61")
