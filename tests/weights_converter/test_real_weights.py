"""Real weights: converted networks recognise real photos."""

import numpy as np
import pytest
from weight_cases import TRUNK

from minicnn.images import psnr
from minicnn.models import load_model
from minicnn.models.preprocessing import CAFFE_SQUEEZENET, CAFFE_VGG, TORCHVISION
from minicnn.models.weights import named_arrays
from weights_converter.__main__ import main


def converted(test_data, tmp_path, name, *options):
    path = tmp_path / "out.h5"
    assert main([str(test_data / "weights" / name), "-o", str(path), *options]) == 0
    return load_model(path, device="cpu")


@pytest.mark.parametrize("name, preprocessing, classes, logits, total", [
    ("squeezenet1_1", TORCHVISION, [388, 279, 384], [46.2923, 29.1878, 28.8394], 11215.317),
    ("squeezenet1_0_caffe", CAFFE_SQUEEZENET, [388, 222, 251], [37.2544, 18.2982, 17.9155], 4981.825),
])
def test_real_squeezenets(test_data, tmp_path, name, preprocessing, classes, logits, total):
    model = converted(test_data, tmp_path, f"{name}.npz")
    assert model.name == name and model.preprocessing == preprocessing
    photos = np.load(test_data / "photos" / "imagenet_25.npz")
    scores = model.net.predict(model.preprocessing.to_input(photos["X"])).reshape(25, 1000)
    best = np.argsort(-scores[0])[:3]
    assert best.tolist() == classes
    np.testing.assert_allclose(scores[0, best], logits, rtol=1e-5)
    np.testing.assert_allclose(scores[0].sum(dtype=np.float64), total, rtol=1e-5)
    assert (scores.argmax(axis=1) == photos["y"]).all()
    assert "giant panda" in model.labels[388]


def test_real_vgg16_trunk(test_data, tmp_path):
    name = "vgg16_conv1_1-conv2_2_caffe_bgr.npz"
    model = converted(test_data, tmp_path, name, *TRUNK)
    assert (model.name, model.net.output, model.preprocessing) == ("vgg16_caffe-relu2_2", "relu2_2", CAFFE_VGG)
    source = np.load(test_data / "weights" / name)
    for key, array in named_arrays(model.net).items():
        layer, _, parameter = key.partition("/")
        assert array.tobytes() == source[layer + {"w": ".weight", "b": ".bias"}[parameter]].tobytes()


def test_real_normalised_vgg19(test_data, tmp_path, capsys):
    model = converted(test_data, tmp_path, "vgg19_normalised_conv1_1-conv3_1.npz", "--features-only")
    assert "left out: 18 arrays of decoder1, decoder2, decoder3" in capsys.readouterr().out
    assert (model.name, model.net.output) == ("vgg19_normalised-relu3_1", "relu3_1")
    assert model.preprocessing == CAFFE_VGG
    assert "pad3_1" in model.net.layer_names()  # layers of reflection padding
    photos = np.load(test_data / "photos" / "imagenet_25.npz")["X"][:2]
    trace = model.net.forward(model.preprocessing.to_input(photos))
    for layer in ("relu1_1", "relu2_1", "relu3_1"):  # the mean activation that Gatys et al. scaled to
        assert 0.5 < trace.activations[layer].mean() < 2


def test_real_autoencoder(test_data, tmp_path, capsys):
    name = "vgg19_normalised_conv1_1-conv3_1.npz"
    model = converted(test_data, tmp_path, name)
    said = capsys.readouterr().out
    assert "28 arrays, 1,224,585 parameters" in said and "--features-only writes only the encoder" in said
    assert (model.name, model.net.output, model.preprocessing) == ("vgg19_autoencoder", "decoder3/conv1_1", CAFFE_VGG)
    encoder = named_arrays(converted(test_data, tmp_path, name, "--features-only", "--overwrite").net)
    arrays = named_arrays(model.net)
    assert all(arrays[key].tobytes() == array.tobytes() for key, array in encoder.items())
    source = np.load(test_data / "weights" / name)
    assert arrays["decoder3/conv2_2/w"].tobytes() == source["decoder3.5.weight"].tobytes()
    photos = np.load(test_data / "photos" / "imagenet_25.npz")["X"][:2]
    for layer, least in (("decoder1", 24), ("decoder2", 28), ("decoder3", 22)):  # dB
        rebuilt = model.preprocessing.to_images(model.net.predict(model.preprocessing.to_input(photos),
                                                                  f"{layer}/conv1_1"))
        assert min(psnr(*pair) for pair in zip(rebuilt, photos, strict=True)) > least


def test_real_preprocessing_is_the_first_layer_of_the_normalised_vgg19(test_data):
    source = np.load(test_data / "weights" / "vgg19_normalised_conv1_1-conv3_1.npz")
    image = np.load(test_data / "photos" / "imagenet_25.npz")["X"][0]
    rgb = np.moveaxis(image, 2, 0) / np.float32(255)
    theirs = np.einsum("oi,ihw->ohw", source["preproc.weight"][:, :, 0, 0], rgb)
    theirs += source["preproc.bias"][:, None, None]
    np.testing.assert_allclose(CAFFE_VGG.to_input(image)[0], theirs, atol=1e-4)


def test_real_compressed_file_equals_the_archive(test_data, tmp_path):
    decoded = converted(test_data, tmp_path, "compressed_SqueezeNet.net")
    source = np.load(test_data / "weights" / "squeezenet1_0_caffe.npz")
    arrays = named_arrays(decoded.net)
    assert len(source.files) == len(arrays) == 52
    for name in source.files:
        assert arrays[name.replace(".weight", "/w").replace(".bias", "/b")].tobytes() == source[name].tobytes()
    photos = np.load(test_data / "photos" / "imagenet_25.npz")
    scores = decoded.net.predict(decoded.preprocessing.to_input(photos["X"]))
    assert (scores.argmax(axis=1) == photos["y"]).all()
