"""The choice of network and photos, and requests that exceed the memory."""

import pytest
from demo_runs import exit_code as demo
from PIL import Image

from demos import (
    activations,
    attribution,
    class_visualization,
    compare,
    deepdream,
    embedding_map,
    filters,
    fooling,
    gallery,
    guided_backprop,
    inversion,
    multifaceted,
    neighbours,
    neuron_visualization,
    occlusion,
    patches,
    pgd,
    saliency,
    step_through,
    style_transfer,
    texture_gram,
    zoom_page,
)
from demos.shared.inputs import caption, choose_model, load_photos, require_scores
from minicnn.errors import InputError
from minicnn.models import build_network, load_model
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


@pytest.fixture
def trunk(tmp_path):
    """The network `shapes` without its classifier, as a file."""
    shapes, net = load_model("shapes", "cpu"), build_network("shapes", last="relu3")
    for node, other in zip(net.nodes, shapes.net.nodes, strict=False):
        for key, array in node.layer.params.items():
            array[...] = other.layer.params[key]
    save_weights(tmp_path / "trunk.h5", net, Header("trunk", "shapes", shapes.preprocessing, options={"last": "relu3"}))
    return str(tmp_path / "trunk.h5")


def test_a_photo_has_no_classes_without_scores(trunk, photo):
    model = load_model(trunk, "cpu")
    found = load_photos(model, [photo])[0]
    assert found.top == [] and caption(model, found) == "photo"
    with pytest.raises(InputError, match="no classifier"):
        _ = found.label
    with pytest.raises(InputError, match="trunk: this network has no classifier"):
        require_scores(model)


@pytest.mark.parametrize(("module", "options"), [
    (saliency, []), (occlusion, []), (attribution, []), (compare, []), (fooling, []), (pgd, []),
    (class_visualization, []),
    (class_visualization, ["--class", "3"]), (class_visualization, ["--compare"]), (multifaceted, []),
    (step_through, [])])
def test_what_needs_scores_says_so_in_one_line(module, options, trunk, capsys):
    assert demo(module, "--model", trunk, "--device", "cpu", *options) == 2
    error = capsys.readouterr().err
    assert "no classifier, so it gives no class scores" in error and error.count("\n") == 1


@pytest.mark.parametrize(("module", "options"), [
    (activations, []), (guided_backprop, []), (filters, []), (patches, []), (deepdream, ["--steps", "1"]),
    (inversion, ["--rates", "3x0.004"]), (neuron_visualization, ["--steps", "2"]),
    (neuron_visualization, ["--steps", "2", "--grid", "--columns", "2"]),
    (neuron_visualization, ["--steps", "2", "--kind", "channel"]), (texture_gram, ["--steps", "2"]),
    (style_transfer, ["--steps", "2"]), (neighbours, []), (embedding_map, ["--count", "24", "--steps", "60"]),
    (zoom_page, ["--steps", "60"])])
def test_what_needs_no_scores_is_made(module, options, trunk, tmp_path, capsys):
    network = [trunk] if module is filters else ["--model", trunk]
    code = demo(module, *network, "--device", "cpu", *options, "--out", str(tmp_path / "out"))
    assert code == 0, capsys.readouterr().err
    assert list((tmp_path / "out").glob("*.png"))


def test_the_gallery_of_a_trunk_leaves_out_what_needs_scores(trunk):
    shown = gallery.gallery_demos(load_model(trunk, "cpu"))
    assert {"activations", "guided_backprop", "inversion", "deepdream", "neuron_visualization"} <= set(shown)
    assert not {"saliency", "occlusion", "compare", "fooling", "class_visualization", "multifaceted"} & set(shown)
    missing = gallery.missing_techniques(load_model(trunk, "cpu"))
    assert any("saliency needs class scores" in line for line in missing)


def test_guided_backprop_of_a_trunk_shows_its_strongest_output(trunk, photo):
    model = load_model(trunk, "cpu")
    found = load_photos(model, [photo])
    picture = next(guided_backprop.pictures(model, found))
    out = model.net.predict(found[0].x)[0]
    (channel,), (position,) = picture.parameters["neurons"], picture.parameters["positions"]
    assert out[(channel, *position)] == out.max() and picture.parameters["layer"] == "relu3"
    assert all(check.passed for check in picture.checks)
