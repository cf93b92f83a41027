"""The choice of network and photos, and requests that exceed the memory."""

import pytest
from demo_runs import exit_code as demo
from PIL import Image

from demos import (
    saliency,
    style_transfer,
    texture_gram,
)
from demos.shared.inputs import choose_model, load_photos
from minicnn.errors import InputError
from minicnn.models import build_network, load_model
from minicnn.models.preprocessing import TORCHVISION
from minicnn.models.weights import Header, save_weights

pytestmark = pytest.mark.usefixtures("empty_cache")


def test_the_gallery_uses_squeezenet_from_the_cache(test_data, tmp_path):
    from weights_converter.__main__ import main as convert
    assert convert([str(test_data / "weights" / "squeezenet1_1.npz")]) in (0, None)
    model, said = choose_model(None, "cpu")
    assert model.name == "squeezenet1_1" and "pretrained weights found in" in said
    photos = load_photos(model, [])
    assert photos[0].name == "grace_hopper" and photos[0].image.shape == (224, 224, 3)
    assert len(model.labels) == 1000


def test_a_style_too_large_for_the_memory_is_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("demos.shared.inputs.available_memory", lambda device: 5e7)
    assert demo(style_transfer, "--model", "shapes", "--device", "cpu", "--style-scale", "20", "--out",
                str(tmp_path)) == 2
    assert "1920x1920 pixels take about" in capsys.readouterr().err


def test_a_texture_too_large_for_the_memory_is_refused_before_it_starts(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("demos.shared.inputs.available_memory", lambda device: 3e7)
    assert demo(texture_gram, "--model", "shapes", "--device", "cpu", "--size", "700", "--out", str(tmp_path)) == 2
    error = capsys.readouterr().err
    assert "700x700 pixels take about" in error and "and 0.03 GB are free; " in error
    assert "would fit: give a smaller --size" in error and error.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("content", [b"", b"GIF89a", b"not a picture at all"])
def test_a_broken_photo_is_one_line(content, tmp_path, capsys):
    (tmp_path / "broken.jpg").write_bytes(content)
    assert demo(saliency, str(tmp_path / "broken.jpg"), "--model", "shapes", "--device", "cpu") == 2
    assert "broken.jpg" in capsys.readouterr().err


def test_a_photo_of_one_pixel_is_one_line(tmp_path, capsys):
    Image.new("RGB", (1, 1)).save(tmp_path / "dot.png")
    assert demo(saliency, str(tmp_path / "dot.png"), "--model", "shapes", "--device", "cpu") == 2
    error = capsys.readouterr().err
    assert "dot.png" in error and error.count("\n") == 1


def test_a_trunk_without_scores_is_refused(tmp_path, photo):
    net = build_network("squeezenet1_1", last="fire3/concat")
    save_weights(tmp_path / "trunk.h5", net, Header("trunk", "squeezenet1_1", TORCHVISION,
                                                    options={"last": "fire3/concat"}))
    model = load_model(tmp_path / "trunk.h5", "cpu")
    with pytest.raises(InputError, match="trunk is a trunk without a classifier"):
        load_photos(model, [photo])
