"""Wrappers are taken off by fitting names and shapes, in every container, and arrays outside the network are listed."""

import numpy as np
import pytest
import weight_writers
from weight_cases import announced, source_of

from minicnn.errors import InputError
from minicnn.models import load_model
from weights_converter.convert import convert
from weights_converter.formats.stored import StoredArray
from weights_converter.match import find_source
from weights_converter.wrappers import NameIndex


def renamed(arrays, rename):
    return [array._replace(name=rename(array.name)) for array in arrays]


def extra(name, *shape, dtype=np.float32):
    return StoredArray(name, shape, np.dtype(dtype), None)


WRAPPED = {  # a function from torchvision's name to the name in the file, and what is taken off
    "DataParallel": (lambda name: f"module.{name}", "module."),
    "DataParallel on a part": (lambda name: name.replace("features.", "features.module."), "features.module."),
    "both": (lambda name: "module." + name.replace("features.", "features.module."),
             "module.features.module., module."),
    "a backbone": (lambda name: f"backbone.{name}", "backbone."),
    "deep": (lambda name: f"generator.state_dict.net.encoder.{name}", "generator.state_dict.net.encoder."),
    "compiled": (lambda name: f"_orig_mod.module.{name}", "_orig_mod.module."),
    "groups of HDF5 or npz": (lambda name: "model/" + name.replace(".", "/"), "model/"),
    "only groups": (lambda name: name.replace(".", "/"), None),
    "colons": (lambda name: f"params:{name}", "params:"),
    "TensorFlow's suffix": (lambda name: f"net/{name}:0", "net/"),
    "underscores": (lambda name: name.replace(".", "_"), None),
    "Lightning": (lambda name: f"state_dict.model.{name}", "state_dict.model."),
    "EMA": (lambda name: f"params_ema.{name}", "params_ema."),
    "a classifier in a Sequential": (lambda name: name.replace("classifier.1.", "classifier.1.1."), "classifier.1."),
    "a classifier elsewhere": (lambda name: f"backbone.{name}" if "features" in name else f"head.{name}",
                               "backbone., head."),
    "every convolution wrapped": (lambda name: name.rpartition(".")[0] + ".module." + name.rpartition(".")[2], None),
}


@pytest.mark.parametrize("kind", WRAPPED)
@pytest.mark.parametrize("network", ["squeezenet1_1", "vgg16", "alexnet"])
def test_wrapped_names(kind, network):
    rename, removed = WRAPPED[kind]
    if network == "vgg16" and kind == "a classifier in a Sequential":
        return  # VGG has no classifier.1
    given = renamed(announced(source_of(network, "torchvision")), rename)
    match = find_source("x", given)
    assert (match.source.name, match.last, match.problems) == (network, None, [])
    assert len(match.arrays) == len(given) and not match.outside and not match.left_out
    if removed is not None:
        assert {*match.choice.removed} == {*removed.split(", ")}


@pytest.mark.parametrize("name, publisher, wrapper", [
    ("resnet18", "torchvision", "model.backbone."), ("vgg16_caffe", "Caffe", "net."),
    ("vgg19_keras", "Keras", "vgg19/"),
    ("squeezenet1_0_caffe", "Caffe", "module."), ("vgg16_matconvnet", "MatConvNet", "net/"),
    ("fast_neural_style", "fast_neural_style", "module."), ("vgg16", "timm", "state_dict."),
    ("vgg19_normalised", "Caffe", "vgg."), ("caffenet", "Caffe", "a.b.c.d."),
    ("squeezenet1_1_onnx", "the ONNX model zoo", "m.")])
def test_any_wrapper_around_any_publishers_names(name, publisher, wrapper):
    given = renamed(announced(source_of(name, publisher)), lambda name: wrapper + name)
    match = find_source("x", given)
    assert (match.source.name, match.source.publisher, match.choice.removed) == (name, publisher, [wrapper])


def test_resnet_with_wrapped_stages():
    given = renamed(announced(source_of("resnet18", "torchvision")),
                    lambda name: name.replace("layer1.", "layer1.module.").replace("conv2.", "conv2.module."))
    match = find_source("x", given)
    assert match.source.name == "resnet18" and len(match.arrays) == len(given)


@pytest.mark.parametrize("network", ["vgg16", "vgg19", "alexnet", "squeezenet1_0", "squeezenet1_1"])
@pytest.mark.parametrize("wrapper", ["", "features.", "encoder.", "module.", "state_dict.net."])
def test_the_bare_state_dict_of_a_trunk(network, wrapper):
    source = source_of(network, "torchvision")
    given = [array._replace(name=wrapper + array.name.removeprefix("features.")) for array in announced(source)
             if array.name.startswith("features.")]
    match = find_source("x", given)
    assert (match.source.name, match.last, len(match.arrays)) == (network, source.features, len(given))


def test_a_trunk_in_slices():
    """Loss networks cut torchvision's VGG-16 into slices that keep its numbers: slice1.0, slice1.2, slice2.5, …"""
    def slice_of(name):
        number = int(name.split(".")[1])
        return f"slice{1 + sum(number > end for end in (3, 8, 15, 22))}.{name.removeprefix('features.')}"

    given = [array._replace(name=slice_of(array.name)) for array in announced(source_of("vgg16", "torchvision"))
             if array.name.startswith("features.")]
    match = find_source("x", given, features_only=True)
    assert (match.source.name, match.last, len(match.arrays)) == ("vgg16", "pool5", 26)


OUTSIDE = [extra("criterion.weight", 1000), extra("loss"), extra("optimizer.state.0.exp_avg", 64, 3, 3, 3),
           extra("discriminator.features.0.weight", 32, 3, 3, 3), extra("head.weight", 5, 7),
           extra("epoch", dtype=np.int64)]


@pytest.mark.parametrize("wrapper", ["", "model.", "module.net."])
def test_arrays_outside_the_network_are_listed(wrapper):
    given = renamed(announced(source_of("squeezenet1_1", "torchvision")), lambda name: wrapper + name)
    match = find_source("x", OUTSIDE[:3] + given + OUTSIDE[3:])
    assert len(match.arrays) == 52
    assert match.outside == [array.name for array in OUTSIDE[:5]]


@pytest.mark.parametrize("stranger", [extra("features.13.weight", 64, 64, 3, 3), extra("classifier.3.weight", 10, 10),
                                      extra("features.3.attention.weight", 4, 4)])
def test_arrays_inside_the_network_are_not_passed_over(stranger):
    given = announced(source_of("squeezenet1_1", "torchvision"))
    with pytest.raises(InputError, match=f"not known: {stranger.name}"):
        find_source("x", [*given, stranger])
    with pytest.raises(InputError, match=f"not known: module.{stranger.name}"):
        find_source("x", renamed([*given, stranger], lambda name: f"module.{name}"))


def test_a_sibling_with_a_gap_is_not_taken_for_the_shorter_network():
    given = [array for array in announced(source_of("vgg19_caffe", "Caffe")) if array.name != "conv3_4.bias"]
    with pytest.raises(InputError, match="does not fit vgg19_caffe .*missing: conv3_4.bias"):
        find_source("x", given)


def test_several_copies_of_a_network():
    given = announced(source_of("squeezenet1_1", "torchvision"))
    copies = [array for wrapper in ("optimizer.exp_avg.", "params_ema.", "params.", "ema.net.")
              for array in renamed(given, lambda name, wrapper=wrapper: wrapper + name)]
    match = find_source("x", copies)
    assert match.choice.removed == ["params."]
    assert set(match.choice.others) == {"params_ema.", "ema.net.", "optimizer.exp_avg."}
    assert find_source("x", copies, prefix="params_ema.").choice.removed == ["params_ema."]
    with pytest.raises(InputError, match="no array whose name begins with 'teacher.'; its names begin with optim"):
        find_source("x", copies, prefix="teacher.")


def test_an_average_alone_is_taken():
    given = renamed(announced(source_of("squeezenet1_1", "torchvision")), lambda name: f"state_dict_ema.{name}")
    small = [extra("state_dict.features.0.weight", 32, 3, 3, 3)]
    assert find_source("x", small + given).choice.removed == ["state_dict_ema."]


def test_thousands_of_names_take_little_time():
    given = [extra(".".join(["module"] * 20 + [f"features.{n}.weight"]), 64, 3, 3, 3) for n in range(20_000)]
    assert len(NameIndex([source_of("vgg16", "torchvision")]).fits(given)[0]) < 1000


# ---- through the containers --------------------------------------------------------------------------------

def nested(tensors):
    """{"generator": {"state_dict": …}} with other contents of a checkpoint."""
    return {"epoch": 3, "lr": 0.1, "optimizer": {"state": {0: {"step": 5}}, "param_groups": [{"params": [0]}]},
            "generator": {"state_dict": tensors, "name": "x"}}


def write_nested_pth(path, arrays, stream=False):
    import torch

    torch.save(nested(weight_writers.tensors(arrays)), path, _use_new_zipfile_serialization=not stream)


def write_groups(path, arrays):
    import h5py

    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            file[name.replace(".", "/")] = array


@pytest.mark.parametrize("write", [
    weight_writers.write_npz, weight_writers.write_pth_zip, weight_writers.write_pth_stream,
    weight_writers.write_pth_tar, weight_writers.write_safetensors, weight_writers.write_onnx, write_groups,
    write_nested_pth, lambda path, arrays: write_nested_pth(path, arrays, stream=True)],
    ids=["npz", "pth zip", "pth stream", "pth tar", "safetensors", "onnx", "hdf5", "nested zip", "nested stream"])
def test_wrapped_names_in_every_container(squeezenet, tmp_path, write):
    if write not in (weight_writers.write_npz, weight_writers.write_pth_tar):
        pytest.importorskip("torch")
        pytest.importorskip("safetensors")
        pytest.importorskip("onnx")
    wrapped = {f"net.module.{name}": array for name, array in squeezenet.items()}
    wrapped["criterion.weight"] = np.ones(4, np.float32)
    write(tmp_path / "a", wrapped)
    lines = []
    convert(tmp_path / "a", tmp_path / "a.h5", say=lines.append)
    said = "\n".join(lines)
    assert "taken off the names: " in said and "module" in said
    assert "left out: 1 arrays outside the network: " in said and "criterion" in said
    net = load_model(tmp_path / "a.h5", "cpu").net
    np.testing.assert_array_equal(net.layer("conv1").params["w"], squeezenet["features.0.weight"])
    np.testing.assert_array_equal(net.layer("conv10").params["b"], squeezenet["classifier.1.bias"])


def test_keras_network_inside_a_network(tmp_path, rng):
    arrays = {"block1_conv1/kernel": rng.standard_normal((3, 3, 3, 64), np.float32),
              "block1_conv1/bias": rng.standard_normal(64, np.float32)}
    import h5py

    with h5py.File(tmp_path / "a", "w") as file:
        layer = file.create_group("vgg16")
        layer.attrs["weight_names"] = [f"{name}:0" for name in arrays]
        for name, array in arrays.items():
            layer[f"{name}:0"] = array
        dense = file.create_group("dense")
        dense.attrs["weight_names"] = ["dense/kernel:0"]
        dense["dense/kernel:0"] = np.ones((4, 4), np.float32)
    lines = []
    convert(tmp_path / "a", tmp_path / "a.h5", "vgg16", features_only=True, say=lines.append)
    assert "taken off the names: vgg16/" in lines and "outside the network: dense/kernel" in "\n".join(lines)
    w = load_model(tmp_path / "a.h5", "cpu").net.layer("conv1_1").params["w"]
    np.testing.assert_array_equal(w, arrays["block1_conv1/kernel"].transpose(3, 2, 0, 1))


def test_matconvnet_network_in_a_struct(tmp_path, rng):
    scipy_io = pytest.importorskip("scipy.io")
    w, b = rng.standard_normal((3, 3, 3, 64)).astype(np.float32), rng.standard_normal((1, 64)).astype(np.float32)
    weights = np.empty((1, 2), object)
    weights[0] = [w, b]
    cells = np.empty((1, 1), object)
    cells[0, 0] = {"name": "conv1_1", "type": "conv", "weights": weights}
    for compress in (False, True):
        variables = {"info": {"train": 1.0}, "net": {"layers": cells}}
        scipy_io.savemat(tmp_path / "a.mat", variables, do_compression=compress)
        path = convert(tmp_path / "a.mat", tmp_path / "a.h5", "vgg16", features_only=True, overwrite=True,
                       say=lambda line: None)
        np.testing.assert_array_equal(load_model(path, "cpu").net.layer("conv1_1").params["w"], w.transpose(3, 2, 0, 1))
