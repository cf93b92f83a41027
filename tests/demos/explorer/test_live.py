"""The explorer's streams: growing pictures, their proof, and how they end."""

import base64
import io
import threading
import time

import numpy as np
import pytest
from explorer_client import events
from PIL import Image

from demos.explorer import live, settings
from demos.explorer.session import Session
from demos.explorer.streams import Stream
from minicnn.errors import InputError
from minicnn.models import load_model
from minicnn.visualize import class_probability, occlusion_map


def pixels(src):
    """The pixels of a picture in an event."""
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(src.partition(",")[2]))))


def stream(client, name, **parameters):
    """All events of a stream of session a."""
    return events(client.get(f"/api/{name}", params={"s": "a", **parameters}))


def test_a_synthesised_image_grows_and_is_proven(client):
    *shown, (last, proof) = stream(client, "synthesis", layer="relu3", channel=3, size=32, steps=12)
    assert [name for name, _ in shown] == ["picture"] * len(shown) and last == "done"
    steps = [data["step"] for _, data in shown]
    assert steps == sorted(set(steps)) and steps[-1] == 12 and shown[-1][1]["steps"] == 12
    assert pixels(shown[-1][1]["src"]).shape == (32, 32, 3)
    assert shown[-1][1]["score"] > shown[0][1]["score"] and proof["checks"][0]["ok"] is True
    assert stream(client, "synthesis", layer="fc6", channel=3, steps=2)[-1][0] == "done"


def test_occlusion_is_the_library_s_map(client, pid):
    model = load_model("shapes", "cpu").fast()
    x = model.preprocessing.to_input(np.asarray(Image.open(io.BytesIO(
        client.get("/api/image", params={"s": "a", "photo": pid}).content))))
    *shown, (last, proof) = stream(client, "occlusion", photo=pid, label=1, stride=8)
    assert last == "done" and all(one["ok"] in (True, None) for one in proof["checks"])
    values = occlusion_map(model.net, x, 1, window=9, stride=8)
    assert proof["probability"] == pytest.approx(float(class_probability(model.net, x, 1)[0]), rel=1e-4)
    assert proof["lowest"] == pytest.approx(float(values.min()), rel=1e-4) and proof["step"] == values.size
    assert shown[-1][1]["step"] == values.size


def test_fooling_shows_its_margin_until_the_class_is_seen(client, pid):
    *shown, (last, proof) = stream(client, "fooling", photo=pid, label=1)
    margins = [data["margin"] for _, data in shown]
    assert last == "done" and proof["fooled"] and margins[0] < 0 < margins[-1]
    assert shown[-1][1]["class"] == 1 and all(one["ok"] in (True, None) for one in proof["checks"])
    picture, noise = (pixels(shown[-1][1][key]).astype(int) for key in ("src", "noise"))
    original = np.asarray(Image.open(io.BytesIO(client.get("/api/image", params={"s": "a", "photo": pid}).content)))
    assert np.array_equal(noise, np.clip(127 + 10 * (picture - original), 0, 255))
    assert proof["margin"] == pytest.approx(margins[-1], rel=1e-4)


@pytest.mark.parametrize("name, parameters", [("dream", {"layer": "relu3"}), ("style", {"style": "dots", "steps": 3})])
def test_dreams_and_styles_end_with_a_picture(client, pid, name, parameters):
    *shown, (last, proof) = stream(client, name, photo=pid, **parameters)
    assert last == "done" and pixels(shown[-1][1]["src"]).ndim == 3 and proof["checks"][0]["ok"]
    assert shown[-1][1]["step"] == shown[-1][1]["steps"]


@pytest.mark.parametrize("view, parameters", [
    ("synthesis", {"layer": "relu3", "channel": 5}), ("synthesis", {"layer": "fc6", "channel": 3}),
    ("dream", {"layer": "relu3"}), ("style", {"style": "dots"})])
def test_the_python_of_a_stream_makes_its_last_picture(client, pid, tmp_path, monkeypatch, view, parameters):
    for name, value in (("SYNTHESIS_STEPS", 3), ("STYLE_STEPS", 2), ("SYNTHESIS_SIDE", 40)):
        monkeypatch.setattr(settings, name, value)
    asked = {"s": "a", "photo": pid, **parameters}
    (tmp_path / "photo.jpg").write_bytes(client.get("/api/image", params=asked).content)
    monkeypatch.chdir(tmp_path)
    last = [data for name, data in stream(client, view, photo=pid, **parameters) if "src" in data][-1]
    names = {}
    exec(client.get("/api/code", params=asked | {"view": view}).json()["python"], names)
    shown, made = pixels(last["src"]).astype(int), np.asarray(names["picture"]).squeeze()
    assert shown.shape == made.shape and np.abs(shown - made).max() <= 1


def test_a_channel_that_no_gradient_reaches_is_said_to_start_from_noise(client, pid, explorer, monkeypatch):
    def code():
        asked = {"s": "a", "photo": pid, "view": "channel", "layer": "relu3", "channel": 6}
        return client.get("/api/code", params=asked).json()
    monkeypatch.setattr(settings, "first_relu_is_dead", lambda net: False)  # then a grey image is tried first
    ascend = live.channel_visualization

    def dead(net, layer, channel, preprocessing, ascent, **others):
        if ascent.start_noise < 1:
            raise InputError("the gradient is zero everywhere")
        return ascend(net, layer, channel, preprocessing, ascent, **others)
    monkeypatch.setattr(live, "channel_visualization", dead)
    assert "replace(DISTILL, num_steps=40)" in code()["python"] and "--preset distill" in code()["command"]
    assert stream(client, "synthesis", layer="relu3", channel=6, size=16, steps=2)[-1][0] == "done"
    assert "replace(CS231N, num_steps=40)" in code()["python"] and "--preset cs231n" in code()["command"]
    explorer.from_noise.clear()


def test_a_new_stream_or_a_stop_ends_the_one_before(client, pid):
    """Sessions are judged apart: the stream of session b goes on."""
    answers = {}

    def ask(session, steps):
        answers[session, steps] = events(client.get("/api/synthesis", params={
            "s": session, "layer": "relu3", "channel": 3, "size": 32, "steps": steps}))
    long = [threading.Thread(target=ask, args=(session, 1000)) for session in "ab"]
    for thread in long:
        thread.start()
    time.sleep(0.3)
    ask("a", 2)
    assert client.post("/api/stop", params={"s": "b"}).json() == {"stopped": True}
    for thread in long:
        thread.join(10)
        assert not thread.is_alive()
    assert answers["a", 2][-1][0] == "done"
    assert answers["a", 1000][-1][0] == answers["b", 1000][-1][0] == "stopped"
    assert client.post("/api/stop", params={"s": "b"}).json() == {"stopped": False}


def test_patches_are_found_once_and_kept_in_the_cache_folder(client, explorer):
    def ask():
        return client.get("/api/patches", params={"layer": "relu3", "channel": 3}).json()
    answer, end = ask(), time.monotonic() + 60
    while answer.get("pending") and time.monotonic() < end:
        assert 0 <= answer["progress"] <= 1
        time.sleep(0.1)
        answer = ask()
    found = explorer.patches.started["shapes"]
    values = [one["activation"] for one in answer["patches"]]
    assert len(values) == 9 and values == sorted(values, reverse=True)
    number = found.read[found.best["relu3"].images[3, 0]]
    source, (row, column) = found.collection.sources[number], answer["patches"][0]["at"]
    x = found.model.preprocessing.to_input(source.load())
    assert answer["patches"][0]["title"] == source.name
    assert found.model.net.predict(x, "relu3")[0, 3, row, column] == pytest.approx(values[0], rel=1e-4)
    again = type(found)(found.model, found.collection._replace(sources=found.collection.sources), found.calm)
    while not again.finished:
        time.sleep(0.01)
    assert again.seen == 0 and np.array_equal(again.best["relu3"].values, found.best["relu3"].values)
    file = found.file()
    file.write_bytes(b"damaged")
    assert not found.load(file)


class Now:
    """An event loop that calls at once."""

    @staticmethod
    def call_soon_threadsafe(function, *arguments):
        function(*arguments)


@pytest.mark.parametrize(("language", "said"), [("en", "choose another target"), ("ko", "다른 목표 클래스")])
def test_a_stream_says_what_is_wrong_in_the_language_of_the_page(language, said):
    def work(stream):
        raise InputError("the network classifies the picture as class 3 already; choose another target")
    running = Stream(Now, threading.Event(), language)
    running.calm.set()
    running.run(work, Session())
    event, data = running.events.get_nowait()
    assert event == "problem" and said in data["error"] and "3" in data["error"]
