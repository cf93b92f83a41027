"""The explorer's short answers: its pixels and numbers are the library's."""

import io
import json
import re

import numpy as np
import pytest
from explorer_client import client_of, decoded, make_explorer, png_file
from matplotlib import colormaps
from PIL import Image

from demos.explorer import pictures
from minicnn import plot
from minicnn.models import load_model
from minicnn.visualize import (
    deconvnet,
    feature_maps,
    grad_cam,
    guided_backprop,
    neuron_gradient,
    saliency_map,
    upsample_maps,
)
from minicnn.visualize.units.activations import scale_maps

LAYER = "relu3"


@pytest.fixture(scope="module")
def model():
    """The network that the explorer shows."""
    return load_model("shapes", "cpu").fast()


@pytest.fixture
def x(client, pid, model):
    """The network's input, from the answered pixels of the photo."""
    return model.preprocessing.to_input(decoded(client.get("/api/image", params={"s": "a", "photo": pid})))


def ask(client, pid, name, **parameters):
    """The answer to a question about the photo."""
    return client.get(f"/api/{name}", params={"s": "a", "photo": pid, **parameters})


def test_the_page_and_its_lists_are_answered(client):
    page = client.get("/")
    assert page.status_code == 200 and "script-src 'self'" in page.headers["content-security-policy"]
    listed = client.get("/api/networks").json()
    assert [one["name"] for one in listed["networks"]] == ["shapes", "photos", "digits"]
    assert listed["networks"][0]["default"] and listed["collection"]["title"] == "drawn shapes"
    assert decoded(client.get("/api/thumbnail", params={"id": "p0"})).ndim == 3


def test_the_page_brings_its_modules_and_first_answers_with_it(client):
    html = client.get("/").text
    modules = re.findall(r'modulepreload" href="/page/([a-z-]+\.js)"', html)
    assert modules[-1] == "main.js" and "static-api.js" not in modules and len(modules) == len(set(modules)) > 15
    for module in modules:
        assert client.get(f"/page/{module}").headers["content-type"].startswith("text/javascript")
    known = json.loads(re.search(r'<script type="application/json" id="known">(.*?)</script>', html, re.DOTALL)[1])
    assert known == {"networks?": client.get("/api/networks").json(),
                     "network?model=shapes": client.get("/api/network", params={"model": "shapes"}).json()}


def test_hostile_labels_and_titles_cannot_leave_the_answers_in_the_page(cache):
    explorer = make_explorer()
    hostile = "</script><script>alert(1)</script>"
    explorer.photos["p0"] = explorer.photos["p0"]._replace(title=hostile)
    with client_of(explorer) as client:
        html = client.get("/").text
    assert "alert(1)" in html and "<script>alert" not in html and "</script><" not in html
    explorer.close()


@pytest.mark.parametrize("shape", [(1, 1), (5, 7), (6, 4, 3)])
def test_a_picture_is_a_png_file_of_the_same_pixels(rng, shape):
    picture = rng.integers(0, 256, shape, np.uint8)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(pictures.png(picture)))), picture)


def test_an_offered_photo_is_computed_once_for_all_tabs(client, explorer):
    told = {s: client.post("/api/photo", params={"s": s, "id": "p2"}).json() for s in ("t1", "t2")}
    views = [explorer.sessions.get(s).views[told[s]["photo"], "shapes"] for s in ("t1", "t2")]
    assert views[0] is views[1] and told["t1"]["classes"] == told["t2"]["classes"]
    shown = decoded(client.get("/api/image", params={"s": "t1", "photo": told["t1"]["photo"]}))
    assert told["t1"]["image"] == pictures.data_url(shown)


def test_a_page_that_is_loaded_again_gets_the_photo_that_it_has_sent(client, rng):
    sent = client.post("/api/photo", params={"s": "before", "name": "cat.png"},
                       content=png_file(rng.integers(0, 256, (40, 60, 3), np.uint8))).json()
    asked = {"s": "after", "from": "before", "photo": sent["photo"]}
    again = client.post("/api/photo", params=asked).json()
    assert again["photo"] != sent["photo"] and again | {"photo": 0} == sent | {"photo": 0}
    for wrong in ({"from": "nobody"}, {"photo": "nothing"}, {"from": "../../etc"}):
        answer = client.post("/api/photo", params=asked | wrong)
        assert answer.status_code == 410 and "send the photo again" in answer.json()["error"]


def test_a_network_is_described_with_sizes_and_receptive_fields(client, model):
    told = client.get("/api/network", params={"model": "shapes"}).json()
    layers = {layer["name"]: layer for layer in told["layers"]}
    assert [layers[LAYER][key] for key in ("channels", "height", "width")] == list(model.net.shapes()[LAYER][1:])
    assert layers["relu1"]["field"] == 7 and told["start"]["layer"] in layers
    assert len(told["labels"]) == 12 and told["parameters"] == model.net.num_parameters()


def test_an_upload_is_classified_as_the_library_does(client, model, rng):
    picture = rng.integers(0, 256, (40, 60, 3), np.uint8)
    told = client.post("/api/photo", params={"s": "a", "name": "C:\\x\\<b>cat.png"}, content=png_file(picture)).json()
    assert told["title"] == "<b>cat" and (told["width"], told["height"]) == (60, 40)  # the page shows it as text
    image = decoded(ask(client, told["photo"], "image"))
    scores = model.net.predict(model.preprocessing.to_input(image))[0]
    assert [one["index"] for one in told["classes"]] == np.argsort(-scores)[:5].tolist()
    assert told["classes"][0]["probability"] == pytest.approx(np.exp(scores.max()) / np.exp(scores).sum(), rel=1e-4)


def test_the_sheet_shows_every_map_of_the_layer(client, pid, x, model):
    answer = ask(client, pid, "maps", layer=LAYER)
    sheet, maps = decoded(answer), feature_maps(model.net, x, LAYER)[0]
    columns, count, height, width, gap = (int(answer.headers[f"x-{name}"])
                                          for name in ("columns", "count", "height", "width", "gap"))
    assert (count, height, width) == maps.shape
    expected = np.rint(255 * scale_maps(maps, "channel"))
    for channel in range(count):
        top, left = channel // columns * (height + gap), channel % columns * (width + gap)
        assert abs(sheet[top:top + height, left:left + width].astype(int) - expected[channel]).max() <= 1
    maxima = [float(number) for number in answer.headers["x-maxima"].split(",")]
    assert np.allclose(maxima, maps.max(axis=(1, 2)), rtol=1e-3, atol=1e-6)
    assert answer.headers["x-minima"] == ",".join(["0"] * count)
    assert decoded(ask(client, pid, "maps", layer=model.net.output)).shape == (5, 7)  # 12 scores of one pixel, 4 a row


@pytest.mark.parametrize("layer", ["conv2", "relu3"])
def test_the_products_add_up_to_the_value(client, pid, x, model, layer):
    maps = model.net.predict(x, layer)[0]
    channel, row, column = np.unravel_index(maps.argmax(), maps.shape)
    told = ask(client, pid, "value", layer=layer, channel=channel, row=row, column=column).json()
    terms, conv = told["terms"], model.net.layer(told["terms"]["layer"])
    assert told["value"] == pytest.approx(float(maps.max()), rel=1e-5)
    assert terms["sum"] == pytest.approx(told["value"], rel=1e-4) and terms["channel"] == channel
    source = model.net.predict(x, terms["shown"][0]["input"])[0]
    for one in terms["shown"]:
        place = one["channel"], one["row"], one["column"]
        assert one["activation"] == pytest.approx(float(source[place]), rel=1e-4, abs=1e-6)
        assert one["product"] == pytest.approx(one["activation"] * one["weight"], rel=1e-5)
    sizes = [abs(one["product"]) for one in terms["shown"]]
    assert sizes == sorted(sizes, reverse=True) and terms["count"] == conv.params["w"][channel].size
    kept = np.array(terms["patch"]) * np.array(terms["filter"])
    assert np.array_equal(np.array(terms["filter"], np.float32), conv.params["w"][channel, terms["largest"]])
    assert abs(kept.sum()) > 0
    top, left, bottom, right = told["box"]
    assert 0 <= top < bottom <= 64 and 0 <= left < right <= 64


def test_the_pictures_of_a_channel_are_the_library_s_gradients(client, pid, x, model):
    functions = {"plain": neuron_gradient, "deconv": deconvnet, "guided": guided_backprop}
    for kind, function in functions.items():
        shown = decoded(ask(client, pid, "picture", layer=LAYER, channel=3, kind=kind))
        expected = 255 * plot.gradient_to_colours(function(model.net, x, LAYER, 3)[0])
        assert abs(shown - expected).max() <= 1, kind
    told = ask(client, pid, "channel", layer=LAYER, channel=3).json()
    maps = feature_maps(model.net, x, LAYER)[0]
    assert told["max"] == pytest.approx(float(maps[3].max())) and maps[3][tuple(told["where"])] == maps[3].max()
    assert told["rank"] == 1 + int((maps.max(axis=(1, 2)) > maps[3].max()).sum())
    assert all(one["ok"] in (True, None) for one in
               ask(client, pid, "channel-checks", layer=LAYER, channel=3).json()["checks"])


def test_the_pictures_of_a_class_are_the_library_s(client, pid, x, model):
    saliency = saliency_map(model.net, x, 2)[0]
    options = plot.saliency_range(saliency)
    expected = 255 * colormaps[options["cmap"]](saliency / options["vmax"])[..., :3]
    assert abs(decoded(ask(client, pid, "class", label=2, kind="saliency")) - expected).max() <= 1
    heat = upsample_maps(grad_cam(model.net, x, 2), 64, 64)[0]
    photo = decoded(ask(client, pid, "image"))
    assert abs(decoded(ask(client, pid, "class", label=2, kind="gradcam"))
               - 255 * plot.overlay(photo, heat)).max() <= 1
    shown = decoded(ask(client, pid, "class", label=2, kind="guided"))
    expected = 255 * plot.gradient_to_colours(guided_backprop(model.net, x, model.net.output, 2)[0])
    assert abs(shown - expected).max() <= 1
    assert decoded(ask(client, pid, "class", label=2, kind="relevance")).shape == (64, 64, 3)
    told = ask(client, pid, "class-checks", label=2).json()
    assert told["score"] == pytest.approx(float(model.net.predict(x)[0, 2]), rel=1e-4)
    assert all(one["ok"] in (True, None) for one in told["checks"])


def test_a_frame_of_the_camera_has_its_maps_and_takes_the_place_of_an_old_one(client, explorer, rng):
    frame = png_file(rng.integers(0, 256, (48, 64, 3), np.uint8))
    _, second, third = (client.post("/api/frame", params={"s": "camera", "layer": LAYER}, content=frame).json()
                        for _ in range(3))
    assert third["sheet"].startswith("data:image/png;base64,") and third["columns"] and third["classes"]
    assert list(explorer.sessions.get("camera").photos) == [second["photo"], third["photo"]]


def test_the_code_of_a_view_makes_the_same_pixels(client, pid, tmp_path, monkeypatch, model, x):
    from minicnn import images

    images.save_image(tmp_path / "photo.jpg", decoded(ask(client, pid, "image")))
    monkeypatch.chdir(tmp_path)
    for view in ("maps", "guided", "overlay", "saliency", "gradcam", "occlusion", "fooling"):
        told = ask(client, pid, "code", view=view, layer=LAYER, channel=3, label=2).json()
        assert told["command"].startswith("minicnn ") and "photo.jpg" in told["command"]
        names = {}
        exec(compile(told["python"], view, "exec"), names)
        if view == "maps":
            assert names["maps"].shape == model.net.shapes()[LAYER][1:]


def test_the_page_in_korean(explorer, client):
    english = client.get("/").text
    explorer.language = "ko"
    korean = client.get("/").text
    explorer.language = "en"
    assert '<html lang="en">' in english and '<script type="application/json" id="texts">{}</script>' in english
    assert '<html lang="ko">' in korean and "링크 복사" in korean and "Copy link" not in korean.partition("<body>")[2]
    texts = json.loads(re.search(r'id="texts">(.*?)</script>', korean)[1])
    assert texts["Proof"] == "검증" and len(texts) > 90


def test_checks_in_korean(explorer, client, pid):
    explorer.language = "ko"
    answers = [ask(client, pid, "channel-checks", layer=LAYER, channel=3).json()["checks"],
               ask(client, pid, "class-checks", label=2).json()["checks"]]
    explorer.language = "en"
    texts = [text for checks in answers for check in checks for text in (check["what"], check["expected"])]
    assert len(texts) > 6 and [text for text in texts if not re.search("[가-힣]", text)] == []


@pytest.mark.parametrize("language", ["en", "ko"])
def test_what_is_wrong_is_said_in_the_language_of_the_page(explorer, client, pid, monkeypatch, language):
    monkeypatch.setattr("demos.explorer.answers.MOST_PIXELS", 1000)
    monkeypatch.setattr(explorer, "language", language)
    flat, large = (png_file(np.zeros((*size, 3), np.uint8)) for size in ((1, 9), (90, 90)))
    uploads = (b"", b"not a picture", flat, large)
    answers = [client.post("/api/photo", params={"s": "a", "name": "a.png"}, content=body) for body in uploads]
    answers += [client.post("/api/photo", params={"s": "a"}, headers={"content-length": "99000000"}),
                client.post("/api/photo", params={"s": "a", "id": "p99"}),
                ask(client, pid, "class", label=99), ask(client, pid, "class", label="cat"), ask(client, pid, "maps"),
                ask(client, pid, "maps", layer="relu_3"), ask(client, pid, "maps", layer="input"),
                ask(client, pid, "picture", layer=LAYER, channel=9999), ask(client, pid, "network", model="vgg"),
                ask(client, pid, "style", style="Monet"), ask(client, "lost", "maps", layer=LAYER),
                client.get("/api/maps", params={"photo": pid, "layer": LAYER})]
    said = [answer.json()["error"] for answer in answers]
    english = [text for text in said if re.search("[a-z]{2,} [a-z]{2,}", text)]
    assert (english, len(set(said))) == ((said, 16) if language == "en" else ([], 16))
    assert [answer.status_code for answer in answers].count(413) == 2 and "relu_3" in said[9] and "relu3" in said[9]
    assert all(re.search("[가-힣]", text) for text in said) is (language == "ko")
