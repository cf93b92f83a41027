"""A decoder trained on a folder of photos, and the generator prior with it."""

import json

import numpy as np
import pytest
from demo_runs import exit_code
from shape_folders import write_shapes

from demos import generator_prior, train_decoder
from demos.shared.decoders import code_layers, photos_source
from minicnn.errors import InputError
from minicnn.models import load_model, photo_decoder, photo_encoder, shapes, squeezenet1_1
from minicnn.models.photo_decoder import code_grid
from minicnn.models.weights import Header, read_header, save_weights, weights_digest
from minicnn.training import Likeness

SHAPES = load_model("shapes", "cpu")


@pytest.fixture
def trained(tmp_path, empty_cache, capsys):
    """(a weights file of a network of another name, its decoder after two steps, the folder of photos, the output)."""
    save_weights(tmp_path / "other.h5", SHAPES.net, Header("other", "shapes", SHAPES.preprocessing, SHAPES.labels))
    write_shapes(tmp_path / "photos", 36)
    assert exit_code(train_decoder, "--photos", tmp_path / "photos", "--model", tmp_path / "other.h5", "--steps", "2",
                     "--batch-size", "3", "-o", tmp_path / "decoder.h5") == 0
    return tmp_path / "other.h5", tmp_path / "decoder.h5", tmp_path / "photos", capsys.readouterr().out


def test_a_decoder_fits_a_network_of_any_usual_size():
    assert [code_grid(size) for size in (64, 96, 128, 160, 224, 256)] == [4, 6, 4, 5, 7, 4]
    for net, grid in ((shapes(), 4), (squeezenet1_1(), 7)):
        layers = code_layers(net)
        encoder = photo_encoder(net, layers)
        code = encoder.shapes()["code"]
        assert code == (1, sum(net.shapes()[layer][1] for layer in layers), grid, grid)
        decoder = photo_decoder(code_channels=code[1], size=net.input_shape[1])
        assert tuple(decoder.shapes()["picture"][1:]) == net.input_shape
        assert decoder.num_parameters() < 500_000  # 1 MB in half precision
    with pytest.raises(InputError, match="cannot make pictures of 227x227 pixels"):
        code_grid(227)
    with pytest.raises(InputError, match="relu5 has maps of 8x8|has maps of"):
        photo_encoder(shapes(), ["relu1", shapes().output])


def test_the_code_is_the_mean_over_parts_of_the_picture(rng):
    x = rng.standard_normal((2, 3, 64, 64), np.float32)
    code = photo_encoder(SHAPES.net, ["relu1", "relu5"]).predict(x)
    parts = [SHAPES.net.predict(x, layer) for layer in ("relu1", "relu5")]
    expected = [part.reshape(2, part.shape[1], 4, part.shape[2] // 4, 4, -1).mean(axis=(3, 5)) for part in parts]
    np.testing.assert_allclose(code, np.concatenate(expected, axis=1), atol=1e-5)


def test_the_decoder_against_pytorch(rng):
    torch = pytest.importorskip("torch")
    F = torch.nn.functional
    net = photo_decoder(seed=3, code_channels=10, size=32)
    code = rng.standard_normal((2, 10, 4, 4), np.float32)

    def array(name, key):
        layer = net.layer(name)
        return torch.from_numpy({**layer.params, **layer.buffers}[key])

    def normalized(name, x):
        return F.batch_norm(x, *(array(name, key) for key in ("mean", "var", "gamma", "beta")), eps=1e-5)
    x = F.relu(F.conv2d(normalized("norm0", torch.from_numpy(code)), array("conv0", "w"), array("conv0", "b")))
    for number in (1, 2, 3):
        x = F.interpolate(x, scale_factor=2) if number > 1 else x
        x = F.conv2d(x, array(f"conv{number}", "w"), array(f"conv{number}", "b"), padding=1)
        x = F.relu(normalized(f"norm{number}", x))
    x = F.conv2d(F.interpolate(x, scale_factor=2), array("picture", "w"), array("picture", "b"), padding=1)
    np.testing.assert_allclose(net.predict(code), x.numpy(), atol=1e-5)


def test_a_decoder_is_trained_on_photos_and_belongs_to_its_weights(trained):
    _, decoder, _, said = trained
    header = read_header(decoder)
    assert header.architecture == "photo_decoder" and header.source_sha256 == weights_digest(SHAPES.net)
    assert "33 photos" in header.origin and "other" in header.origin
    assert "3 held-out photos, decoded from their features" in said and "of a photo's variance" in said


def test_the_loss_of_photos_falls(trained):
    network, _, folder, _ = trained
    encoder = photo_encoder(SHAPES.net, code_layers(SHAPES.net))
    likeness = Likeness(encoder, train_decoder.photo_blocks(load_model(network, "cpu")))
    x = SHAPES.preprocessing.to_input(train_decoder.photo_images(SHAPES, folder, 8))
    assert likeness(x, likeness.features(x))[0] == 0 < likeness(-x, likeness.features(x))[0]


def test_the_generator_prior_on_photos(trained, tmp_path, capsys):
    network, decoder, folder, _ = trained
    options = ["--model", network, "--device", "cpu", "--decoder", decoder, "--steps", "4", "--photos", folder]
    assert exit_code(generator_prior, *options, "--class", "2", "--out", tmp_path / "out") == 0
    card = json.loads((tmp_path / "out" / "generator_prior.json").read_text())
    assert all(check["passed"] for check in card["checks"])
    assert any("nearest photo's" in check["what"] for check in card["checks"]) and "photos" in card["explanation"]
    assert not any("drawn" in check["what"] + check["expected"] for check in card["checks"])
    assert set(card["times"]) == {"by codes", "by pixels"} and card["parameters"]["learning_rate"] > 0
    assert np.load(tmp_path / "out" / "generator_prior.npy").shape == (1, 3, 64, 64)
    source = photos_source(load_model(network, "cpu"), str(decoder), folder)
    assert len(generator_prior.default_labels(SHAPES, source)) == 6


def test_a_decoder_of_other_weights_is_refused(trained, tmp_path, capsys):
    network, decoder, folder, _ = trained
    save_weights(tmp_path / "changed.h5", shapes(seed=5), Header("changed", "shapes", SHAPES.preprocessing,
                                                                 SHAPES.labels))
    for model, file, message in (
            (tmp_path / "changed.h5", decoder, "was trained on features of other weights, not of changed"),
            (network, "shapes", "is no decoder for other, whose codes have the shape"),
            (network, tmp_path / "none.h5", "none.h5")):
        assert exit_code(generator_prior, "--model", model, "--device", "cpu", "--decoder", file, "--photos", folder,
                         "--out", tmp_path / "out") == 2
        error = capsys.readouterr().err
        assert message in error and error.count("\n") == 1 and not (tmp_path / "out").exists()
    assert exit_code(generator_prior, "--model", network, "--device", "cpu", "--decoder", decoder) == 2
    assert "--decoder needs the photos of its training: minicnn fetch caltech101" in capsys.readouterr().err
    for file, message in ((tmp_path / "none.h5", "none.h5"), ("shapes", "is no decoder for other, whose codes")):
        assert exit_code(generator_prior, "--model", network, "--device", "cpu", "--decoder", file) == 2
        error = capsys.readouterr().err
        assert message in error and "needs the photos" not in error
    assert exit_code(generator_prior, "--model", network, "--device", "cpu") == 2
    assert "minicnn train_decoder --photos FOLDER --model other" in capsys.readouterr().err
    assert exit_code(train_decoder, "--model", network, "-o", tmp_path / "x.h5") == 2
    assert "--model needs --photos FOLDER" in capsys.readouterr().err
