"""--first-layer converts the filters of the first convolution of any network."""

import numpy as np
import pytest
import weight_writers
from weight_cases import bfloat16_file

from demos import filters
from minicnn.models import build_network, load_model
from minicnn.models.preprocessing import CAFFE_SQUEEZENET, CAFFE_VGG, TORCHVISION
from minicnn.models.weights import named_arrays, read_header
from weights_converter.__main__ import main
from weights_converter.sources import SOURCES


def test_first_layer_of_another_network(resnet, cache, capsys):
    path, arrays = resnet
    assert main([str(path), "--first-layer"]) == 0
    found, warning, wrote = capsys.readouterr().out.splitlines()
    assert found.endswith("conv1.weight (64, 3, 7, 7), 64 filters of 7x7, channels in the order RGB, the default "
                          "(if this is wrong: --channels BGR)")
    assert warning.startswith("warning: no published file")
    assert wrote.endswith("minicnn filters --model resnet101_v2-first_layer draws them")
    model = load_model("resnet101_v2-first_layer", device="cpu")
    assert model.preprocessing == TORCHVISION and model.net.layer_names() == ["conv1"]
    np.testing.assert_array_equal(model.net.layer("conv1").params["w"], arrays["conv1.weight"])
    assert read_header(cache / "resnet101_v2-first_layer.h5").origin == "conv1.weight of resnet101-v2.npz"


def test_the_filters_are_drawn(resnet, tmp_path, cache, capsys):
    path, arrays = resnet
    assert main([str(path), "--first-layer", "-o", str(tmp_path / "first.h5")]) == 0
    assert f"minicnn filters --model {tmp_path / 'first.h5'} draws" in capsys.readouterr().out
    model = load_model(tmp_path / "first.h5", device="cpu")
    pictures = list(filters.pictures([model]))
    assert [picture.name for picture in pictures] == ["filters"]
    np.testing.assert_array_equal(pictures[0].array, arrays["conv1.weight"])


def test_first_layer_before_the_source(resnet, tmp_path):
    assert main(["--first-layer", str(resnet[0]), "-o", str(tmp_path / "a.h5")]) == 0
    assert load_model(tmp_path / "a.h5", device="cpu").net.layer_names() == ["conv1"]


def test_first_layer_by_name_and_in_bgr(resnet, tmp_path, capsys):
    path, arrays = resnet
    assert main([str(path), "--first-layer", "--array", "layer1.0.conv3.weight", "--channels", "BGR",
                 "-o", str(tmp_path / "a.h5")]) == 0
    assert "channels in the order BGR, as given by --channels\n" in capsys.readouterr().out
    model = load_model(tmp_path / "a.h5", device="cpu")
    assert model.preprocessing == CAFFE_VGG
    picture = next(filters.pictures([model]))
    np.testing.assert_array_equal(picture.array, arrays["layer1.0.conv3.weight"][:, ::-1])  # pictures are RGB


def test_first_layer_of_a_caffe_model_is_bgr(resnet, tmp_path, capsys):
    pytest.importorskip("google.protobuf")
    weight_writers.write_caffemodel(tmp_path / "a", {"conv1.weight": resnet[1]["conv1.weight"]})
    assert main([str(tmp_path / "a"), "--first-layer", "-o", str(tmp_path / "a.h5")]) == 0
    assert "channels in the order BGR, as usual in Caffe" in capsys.readouterr().out
    assert load_model(tmp_path / "a.h5", device="cpu").preprocessing == CAFFE_VGG


def first_layer_of(arrays, folder, capsys, *options, write=weight_writers.write_npz):
    """Return (Preprocessing of the first layer of a file with these arrays, the reason in the report)."""
    write(folder / "source", arrays)
    assert main([str(folder / "source"), "--first-layer", "-o", str(folder / "first.h5"), "--overwrite", *options]) == 0
    said = capsys.readouterr().out.splitlines()[0]
    return load_model(folder / "first.h5", device="cpu").preprocessing, said.partition("channels in the order ")[2]


def beginning(source):
    """The first arrays of a source, with random values."""
    net = build_network(source.architecture, **source.options)
    ours = named_arrays(net)
    names = list(source.names)[:6]
    shapes = {name: source.names[name].layout.source_shape(ours[source.names[name].key].shape) for name in names}
    return {name: np.random.default_rng(1).standard_normal(shape, np.float32) for name, shape in shapes.items()}


@pytest.mark.parametrize("source", [source for source in SOURCES if not source.file_digest],
                         ids=lambda source: f"{source.name}-{source.publisher}")
def test_first_layer_of_a_known_network_has_its_preprocessing(source, tmp_path, capsys):
    expected = source.preprocessing
    found, reason = first_layer_of({**beginning(source), **source.constants}, tmp_path, capsys)
    assert found == expected and reason.startswith(f"{expected.channel_order}, as published for ")
    other = {"RGB": "BGR", "BGR": "RGB"}[expected.channel_order]
    found, reason = first_layer_of(beginning(source), tmp_path, capsys, "--channels", other)
    assert found.channel_order == other and reason == f"{other}, as given by --channels"


def test_channels_option_that_agrees_with_the_source(tmp_path, capsys):
    source = next(source for source in SOURCES if source.name == "squeezenet1_1_keras")
    found, reason = first_layer_of(beginning(source), tmp_path, capsys, "--channels", "BGR",
                                   write=weight_writers.write_keras)
    assert found == source.preprocessing and reason == "BGR, as given by --channels"


def test_a_common_name_and_shape_does_not_identify_a_network(tmp_path, rng, capsys):
    """conv1.weight (64, 3, 3, 3) is in Caffe's SqueezeNet 1.1 and in many small networks."""
    shapes = {"conv1.weight": (64, 3, 3, 3), "bn1.weight": (64,), "conv2.weight": (64, 64, 3, 3), "fc.weight": (10, 64)}
    arrays = {name: rng.standard_normal(shape, np.float32) for name, shape in shapes.items()}
    assert first_layer_of(arrays, tmp_path, capsys) == (
        TORCHVISION, "RGB, the default (if this is wrong: --channels BGR)")


@pytest.mark.parametrize("name, preprocessing", [
    ("compressed_SqueezeNet.net", CAFFE_SQUEEZENET), ("squeezenet1_0_caffe.npz", CAFFE_SQUEEZENET),
    ("vgg16_conv1_1-conv2_2_caffe_bgr.npz", CAFFE_VGG), ("vgg19_normalised_conv1_1-conv3_1.npz", CAFFE_VGG),
    ("squeezenet1_1.npz", TORCHVISION)])
def test_real_first_layers(test_data, tmp_path, name, preprocessing):
    assert main([str(test_data / "weights" / name), "--first-layer", "-o", str(tmp_path / "a.h5")]) == 0
    model = load_model(tmp_path / "a.h5", device="cpu")
    assert model.preprocessing == preprocessing
    assert model.net.input_shape == (3, preprocessing.crop, preprocessing.crop)


@pytest.mark.parametrize("shape, fits", [((4096, 3, 2, 2), True), ((1, 3, 64, 64), True), ((0, 3, 7, 7), False),
                                         ((4097, 3, 2, 2), False), ((1, 3, 65, 65), False), ((4, 3, 1, 1), False),
                                         ((4, 3, 7, 5), False), ((7, 7, 3, 0), False), ((7, 7, 3, 4096), True)])
def test_which_shapes_can_be_filters(tmp_path, capsys, shape, fits):
    np.savez(tmp_path / "a.npz", w=np.zeros(shape, np.float16))
    arguments = (tmp_path / "a.npz", "--first-layer", "-o", tmp_path / "a.h5")
    if fits:
        assert main([str(argument) for argument in arguments]) == 0
        assert load_model(tmp_path / "a.h5", device="cpu").net.layer_names() == ["conv1"]
    else:
        line = refused(capsys, *arguments)
        assert f"(k, k, 3, F) with F up to 4,096 and k from 2 to 64; it has w {shape}" in line


def test_first_layer_of_hwio(resnet, tmp_path):
    theirs = np.ascontiguousarray(resnet[1]["conv1.weight"].transpose(2, 3, 1, 0))
    weight_writers.write_keras(tmp_path / "a", {"conv1_conv/kernel": theirs})
    assert main([str(tmp_path / "a"), "--first-layer", "-o", str(tmp_path / "a.h5")]) == 0
    w = load_model(tmp_path / "a.h5", device="cpu").net.layer("conv1").params["w"]
    np.testing.assert_array_equal(w, resnet[1]["conv1.weight"])


def refused(capsys, *arguments):
    """Return the line of the error."""
    assert main([str(argument) for argument in arguments]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    return error


def test_a_missing_first_layer(resnet, tmp_path, capsys):
    path, _ = resnet
    output = ("-o", tmp_path / "a.h5")
    assert "did you mean conv1.weight" in refused(capsys, path, "--first-layer", "--array", "conv1.weigth", *output)
    np.savez(tmp_path / "b.npz", w=np.zeros((4, 3, 1, 1), np.float32), v=np.zeros((4, 3, 3), np.int8))
    line = refused(capsys, tmp_path / "b.npz", "--first-layer", *output)
    assert "no filters over three channels, (F, 3, k, k) or (k, k, 3, F)" in line
    assert "it has w (4, 3, 1, 1), v (4, 3, 3)" in line
    np.savez(tmp_path / "c.npz", w=np.full((4, 3, 3, 3), np.nan, np.float32))
    assert "not finite in w" in refused(capsys, tmp_path / "c.npz", "--first-layer", *output)
    assert not (tmp_path / "a.h5").exists()


def test_first_layer_of_another_type(tmp_path, capsys):
    output = ("-o", tmp_path / "a.h5")
    assert main([str(bfloat16_file(tmp_path)), "--first-layer", "-o", str(tmp_path / "bfloat16.h5")]) == 0
    assert (load_model(tmp_path / "bfloat16.h5", "cpu").net.layer("conv1").params["w"] == 1).all()
    capsys.readouterr()
    np.savez(tmp_path / "c.npz", w=np.zeros((4, 3, 3, 3), np.int32))
    line = refused(capsys, tmp_path / "c.npz", "--first-layer", *output)
    assert line.endswith("w (4, 3, 3, 3) is int32 instead of float64, float32 or a type that float32 holds exactly; "
                         "save it as float32\n")
    np.savez(tmp_path / "b.npz", w=np.zeros((4, 3, 3, 3), np.int32), v=np.zeros((5, 3, 3, 3), np.float16))
    line = refused(capsys, tmp_path / "b.npz", "--first-layer", "--array", "w", *output)
    assert "w (4, 3, 3, 3) is int32 instead of float64" in line
    assert main([str(tmp_path / "b.npz"), "--first-layer", "-o", str(tmp_path / "a.h5")]) == 0  # takes v, as w is int32
    assert "v (5, 3, 3, 3)" in capsys.readouterr().out


@pytest.mark.parametrize("options, words", [
    (["--channels", "BGR"], "--array and --channels need --first-layer"),
    (["--array", "conv1.weight"], "--array and --channels need --first-layer"),
    (["--first-layer", "--network", "resnet18"], "leave out --network and --features-only"),
    (["--first-layer", "--features-only"], "leave out --network and --features-only"),
    (["--first-layer", "--channels", "GRB"], "invalid choice: 'GRB'"),
    (["--first-layer", "--array", ""], "argument --array: expected a name, not ''"),
    (["-o", ""], "argument -o/--output: expected a name, not ''"),
    (["--bgr"], "unrecognized arguments: --bgr"),
])
def test_options_that_exclude_each_other(resnet, cache, capsys, options, words):
    with pytest.raises(SystemExit) as end:
        main([str(resnet[0]), *options])
    said = capsys.readouterr()
    assert end.value.code == 2 and said.out == "" and said.err.count("\n") == 1 and words in said.err
    assert not cache.exists()


def test_first_layer_overwrites_only_with_overwrite(resnet, tmp_path, capsys):
    path, _ = resnet
    (tmp_path / "a.h5").write_bytes(b"old")
    line = refused(capsys, path, "--first-layer", "-o", tmp_path / "a.h5")
    assert "already exists" in line and "--overwrite" in line
    assert "the source itself" in refused(capsys, path, "--first-layer", "-o", path, "--overwrite")
    assert (tmp_path / "a.h5").read_bytes() == b"old"
