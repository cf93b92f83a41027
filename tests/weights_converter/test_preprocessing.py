"""The preprocessing of a file: as asked, as published, by the values of its first filters, or refused."""

import numpy as np
import pytest
from weight_cases import announced, source_of

from minicnn.errors import InputError
from minicnn.models import load_model
from minicnn.models.preprocessing import CAFFE_SQUEEZENET, CAFFE_VGG, PREPROCESSINGS, TORCHVISION
from minicnn.models.weights import read_header
from weights_converter.__main__ import PREPROCESSING_NAMES, main
from weights_converter.convert import convert
from weights_converter.match import find_source
from weights_converter.preprocessing import by_values, take_preprocessing
from weights_converter.sources.known_filters import KNOWN

CAFFE_RGB = PREPROCESSINGS["caffe-rgb"]


@pytest.fixture
def caffe16(test_data):
    """The first filters of Caffe's VGG-16, BGR."""
    with np.load(test_data / "weights" / "vgg16_conv1_1-conv2_2_caffe_bgr.npz") as arrays:
        return arrays["conv1_1.weight"]


@pytest.fixture
def caffe19(test_data):
    """The first filters of Caffe's VGG-19, BGR, each scaled by Gatys."""
    with np.load(test_data / "weights" / "vgg19_normalised_conv1_1-conv3_1.npz") as arrays:
        return arrays["conv1_1.weight"]


def ported(network):
    """The arrays of a PyTorch port of Caffe's VGG, with its classifier at .1, .4 and .6."""
    return announced(source_of(network, "neural-style"))


def taken(arrays, first, **options):
    found = take_preprocessing(find_source("x", arrays), first, "", **options)
    return found.match.source, found.line


@pytest.mark.parametrize("classifier", [".1/.4/.6", ".0/.3/.6"])
def test_caffes_vgg_under_torchvisions_names(caffe16, classifier):
    arrays = ported("vgg16") if classifier == ".1/.4/.6" else announced(source_of("vgg16", "torchvision"))
    source, line = taken(arrays, caffe16)
    assert (source.name, source.preprocessing) == ("vgg16_caffe", CAFFE_VGG) and "Oxford" in source.origin
    assert line == ("preprocessing: BGR, pixels 0..255, mean 103.939 116.779 123.68, std 1 1 1 (caffe); by its values: "
                    "the first filters are those of vgg16_caffe")
    source, _ = taken(arrays, caffe16[:, ::-1])
    assert (source.name, source.preprocessing) == ("vgg16_caffe_rgb", CAFFE_RGB)


def test_vgg19(caffe19):
    source, _ = taken(ported("vgg19"), caffe19)
    assert (source.name, source.preprocessing) == ("vgg19_caffe", CAFFE_VGG)


def test_fine_tuned_and_rescaled_filters(caffe16, rng):
    tuned = caffe16 + 0.03 * rng.standard_normal(caffe16.shape)
    source, _ = taken(ported("vgg16"), tuned)
    assert source.preprocessing == CAFFE_VGG
    source, _ = taken(ported("vgg16"), 255 * caffe16)  # for pixels 0..1
    assert (source.preprocessing.channel_order, source.preprocessing.scale) == ("BGR", 1 / 255)
    np.testing.assert_allclose(source.preprocessing.mean, np.array(CAFFE_VGG.mean) / 255, atol=1e-5)
    scaled = 255 * caffe16[:, ::-1] * np.array(TORCHVISION.std).reshape(3, 1, 1)
    source, line = taken(announced(source_of("vgg16", "torchvision")), scaled.astype(np.float32))
    assert source.preprocessing[:4] == TORCHVISION[:4]


def test_squeezenet_values_under_the_other_names(test_data):
    with np.load(test_data / "weights" / "squeezenet1_0_caffe.npz") as arrays:
        caffe = arrays["conv1.weight"]
    with np.load(test_data / "weights" / "squeezenet1_1.npz") as arrays:
        torchvision = arrays["features.0.weight"]
    source, _ = taken(announced(source_of("squeezenet1_0", "torchvision")), caffe)
    assert (source.name, source.preprocessing) == ("squeezenet1_0_caffe", CAFFE_SQUEEZENET)
    assert source.options == {"input_size": 227, "conv10_pad": 1}
    source, _ = taken(announced(source_of("squeezenet1_1_caffe", "Caffe")), torchvision)
    assert (source.name, source.preprocessing, source.options) == ("squeezenet1_1", TORCHVISION, {})
    source, line = taken(announced(source_of("squeezenet1_0_caffe", "Caffe")), caffe)
    assert source.name == "squeezenet1_0_caffe"
    assert "as published for squeezenet1_0_caffe, and its first filters" in line


def test_unknown_values(rng):
    first = rng.standard_normal((64, 3, 3, 3), np.float32)
    with pytest.raises(InputError) as refusal:
        taken(ported("vgg16"), first)
    assert str(refusal.value).endswith("choose the preprocessing with --preprocessing torchvision|caffe|caffe-rgb|unit|"
                                       "minus1-1|tf|none")
    source, line = taken(ported("vgg16"), None, asked="unit")
    assert source.preprocessing == PREPROCESSINGS["unit"] and line.endswith("as asked")
    source, line = taken(announced(source_of("vgg16", "torchvision")), first)
    assert source.preprocessing == TORCHVISION
    assert "the usual one for torchvision's names, as the values are not known here" in line
    for odd in (np.zeros_like(first), np.full_like(first, np.nan), np.full_like(first, np.inf)):
        assert by_values(odd) is None


def test_every_known_training_is_itself_in_both_orders():
    for known in KNOWN:
        first = np.zeros(known.shape)
        first[:len(known.filters())] = known.filters()
        other = {"RGB": "BGR", "BGR": "RGB"}[known.order]
        if known.norm is None:
            continue
        first *= known.norm / np.sqrt((first[:len(known.filters())]**2).sum((1, 2, 3))).mean()
        for values, order in ((first, known.order), (first[:, ::-1], other)):
            found = by_values(values)
            assert found and found[0] == known and found[1].channel_order == order


def test_caffes_values_are_converted_with_caffes_preprocessing(caffe16, tmp_path, capsys):
    """A trunk under torchvision's names, through the command line and load_model."""
    np.savez(tmp_path / "a.npz", **{"features.0.weight": caffe16, "features.0.bias": np.zeros(64, np.float32)})
    trunk = [str(tmp_path / "a.npz"), "--features-only", "--network", "vgg16"]
    assert main([*trunk, "-o", str(tmp_path / "a.h5")]) == 0
    assert "by its values" in capsys.readouterr().out
    assert load_model(tmp_path / "a.h5", "cpu").preprocessing == CAFFE_VGG
    assert main(["inspect", *trunk]) == 0
    assert "by its values" in capsys.readouterr().out
    for name in PREPROCESSINGS:
        assert main([*trunk, "-o", str(tmp_path / "a.h5"), "--overwrite", "--preprocessing", name]) == 0
        assert "as asked" in capsys.readouterr().out
        assert read_header(tmp_path / "a.h5").preprocessing == PREPROCESSINGS[name]
        first = [trunk[0], "--first-layer", "-o", str(tmp_path / "a.h5"), "--overwrite"]
        assert main([*first, "--preprocessing", name]) == 0
        assert "as given by --preprocessing" in capsys.readouterr().out
        assert read_header(tmp_path / "a.h5").preprocessing == PREPROCESSINGS[name]


def test_the_crop_stays_that_of_the_network(squeezenet_file, tmp_path):
    path = convert(squeezenet_file[0], tmp_path / "a.h5", preprocessing="caffe", say=lambda line: None)
    assert read_header(path).preprocessing == CAFFE_VGG


def test_the_option_has_the_names_of_the_library():
    assert tuple(PREPROCESSINGS) == PREPROCESSING_NAMES
    for preprocessing in PREPROCESSINGS.values():
        preprocessing.require_valid()
    black, white = PREPROCESSINGS["minus1-1"].valid_range()
    assert black.ravel().tolist() == [-1, -1, -1] and white.ravel().tolist() == [1, 1, 1]
