"""The static edition: recorded answers equal the server's, the folder is whole or empty, and scripts are plain."""

import base64
import io
import json

import numpy as np
import pytest
from explorer_client import decoded, make_explorer
from PIL import Image

from demos.explorer import collection, recorder, settings, static
from demos.explorer.app import PAGE, TEMPLATES
from demos.explorer.bundle import bundle
from demos.explorer.recorder import key_of
from demos.shared.claim import release_claims
from minicnn.errors import InputError


@pytest.fixture(scope="module")
def edition(cache, tmp_path_factory):
    """The folder of a small edition: one photo, one channel of each stage."""
    out = tmp_path_factory.mktemp("static") / "out"
    with pytest.MonkeyPatch.context() as patch:
        for module, name, value in ((static, "MOST_PHOTOS", 1), (static, "STRONGEST", 1), (static, "CLASSES", 2),
                                    (settings, "STYLE_STEPS", 2), (settings, "STRIDE", 32),
                                    (settings, "SYNTHESIS_STEPS", 8),
                                    (collection, "drawn_count", lambda model: 36)):
            patch.setattr(module, name, value)
        explorer = make_explorer()
        size = static.write_static(explorer, out, PAGE, TEMPLATES)
    release_claims()
    explorer.close()
    assert size == sum(file.stat().st_size for file in out.rglob("*") if file.is_file()) < 50_000_000
    return out


def recorded(edition):
    """(the index, {part: {key: answer}}) of the edition's scripts."""
    text = (edition / "data" / "index.js").read_text("ascii")
    index = json.loads(text.removeprefix("window.MINICNN_DATA = ").removesuffix(";\n"))
    parts = {}
    for name in index["files"]:
        text = (edition / "data" / f"{name}.js").read_text("ascii")
        head, _, body = text.partition(" = ")
        assert head == f'MINICNN_DATA.parts["{name}"]'
        parts[name] = json.loads(body.removesuffix(";\n"))
    return index, parts


def test_every_channel_is_addressable_and_its_numbers_are_the_server_s(edition, client, pid):
    index, parts = recorded(edition)
    layers = index["answers"]["network?"]["layers"]
    assert [photo["id"] for photo in index["answers"]["networks?"]["photos"]] == ["p0"]
    assert index["answers"]["photo?id=p0"]["photo"] == "p0" and index["answers"]["thumbnail?id=dots"]
    for number, layer in enumerate(layers):
        part = parts[f"0-{number}"]
        maps = part[key_of("maps", {"photo": "p0", "layer": layer["name"]})]
        assert maps["count"] == layer["channels"]
        told = [part[key_of("channel", {"photo": "p0", "layer": layer["name"], "channel": channel})]
                for channel in range(layer["channels"])]
        assert np.allclose([one["max"] for one in told], maps["maxima"], rtol=1e-3, atol=1e-6) or layer["flat"]
    asked = {"photo": pid, "layer": "relu3", "channel": 3, "s": "a"}
    assert part_of(parts, layers, "relu3")[key_of("channel", {**asked, "photo": "p0"}).replace("&s=a", "")] == \
        client.get("/api/channel", params=asked).json()


def part_of(parts, layers, name):
    """The answers about the first photo and one layer."""
    return parts[f"0-{[layer['name'] for layer in layers].index(name)}"]


def test_recorded_maps_are_the_server_s_pixels(edition, client, pid):
    index, parts = recorded(edition)
    maps = part_of(parts, index["answers"]["network?"]["layers"], "relu3")["maps?layer=relu3&photo=p0"]
    shown = decoded(client.get("/api/maps", params={"s": "a", "photo": pid, "layer": "relu3"}))
    assert np.array_equal(pixels(maps["src"]), shown)


def pixels(src):
    """The pixels of an address with a picture."""
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(src.partition(",")[2]))))


def test_the_strongest_channel_has_pictures_an_image_and_patches(edition):
    index, parts = recorded(edition)
    network = index["answers"]["network?"]
    layer = network["start"]["layer"]
    part = part_of(parts, network["layers"], layer)
    maxima = part[f"maps?layer={layer}&photo=p0"]["maxima"]
    channel = int(np.argmax(maxima))
    for kind in ("overlay", "plain", "deconv", "guided"):
        assert pixels(part[f"picture?channel={channel}&kind={kind}&layer={layer}&photo=p0"]).ndim == 3
    everywhere = parts[f"all-{[one['name'] for one in network['layers']].index(layer)}"]
    stream = everywhere[f"synthesis?channel={channel}&layer={layer}"]
    assert stream[-1][0] == "done" and 1 < len(stream) <= recorder.PICTURES + 1 and stream[-2][1]["step"] == 8
    assert len(everywhere[f"patches?channel={channel}&layer={layer}"]["patches"]) == 9
    best = index["answers"]["photo?id=p0"]["classes"][0]["index"]
    for kind in ("saliency", "gradcam", "relevance", "guided"):
        assert f"class?kind={kind}&label={best}&photo=p0" in parts["0-net"]
    assert parts["0-net"]["style?photo=p0&style=dots"][-1][0] == "done"


def test_every_channel_of_a_stage_s_end_has_small_pictures(edition, client, pid):
    index, parts = recorded(edition)
    network = index["answers"]["network?"]
    layer = next(one for one in network["layers"] if one["name"] == "relu3")
    number = network["layers"].index(layer)
    guided = parts[f"0-{number}"]["tiles?kind=guided&layer=relu3&photo=p0"]
    synthesised = parts[f"all-{number}"]["tiles?kind=synthesis&layer=relu3"]
    for tiles in (guided, synthesised):
        sheet = pixels(tiles["src"])
        assert sheet.shape[1] == 48 * tiles["columns"] and len(sheet) // 48 * tiles["columns"] >= layer["channels"]
    channel = 3
    asked = {"s": "a", "photo": pid, "layer": "relu3", "channel": channel}
    top, left, bottom, right = client.get("/api/channel", params=asked).json()["box"]
    whole = decoded(client.get("/api/picture", params=asked))
    expected = np.asarray(Image.fromarray(whole[top:bottom, left:right]).resize((48, 48)), float)
    row, column = divmod(channel, guided["columns"])
    tile = pixels(guided["src"])[48 * row:48 * row + 48, 48 * column:48 * column + 48]
    assert np.abs(tile - expected).mean() < 12 < expected.std()
    assert len(index["answers"]["colours?"]) == 256 and index["answers"]["photo?id=p0"]["image"].startswith("data:")


def test_the_page_has_plain_scripts_and_nothing_from_the_network(edition):
    html = (edition / "index.html").read_text("utf-8")
    assert 'src="explorer.js"' in html and 'src="data/index.js"' in html and "module" not in html
    script = (edition / "explorer.js").read_text("utf-8")
    assert script == bundle(PAGE)
    assert not any(line.startswith(("import ", "export ")) for line in script.splitlines()) and "fetch(" not in script
    for file in edition.glob("*.*"):
        assert "http://" not in file.read_text("utf-8").replace("http://www.w3.org", "") or file.suffix == ".js"
    assert sorted(file.name for file in edition.iterdir()) == ["data", "explorer.css", "explorer.js", "index.html"]


def test_a_run_that_is_ended_leaves_no_files_and_a_full_folder_is_refused(explorer, tmp_path, monkeypatch):
    def ended(*_):
        raise KeyboardInterrupt
    monkeypatch.setattr(static, "record", ended)
    with pytest.raises(KeyboardInterrupt):
        static.write_static(explorer, tmp_path / "out", PAGE, TEMPLATES)
    release_claims()
    assert not (tmp_path / "out").exists()
    (tmp_path / "note.txt").write_text("mine")
    with pytest.raises(InputError, match="is not empty"):
        static.write_static(explorer, tmp_path, PAGE, TEMPLATES)
    release_claims()
    assert [file.name for file in tmp_path.iterdir()] == ["note.txt"]


def test_a_stream_that_fails_is_left_out(explorer):
    def dead(asked):
        def work(stream):
            raise InputError("no gradient")
        return work
    made = recorder.Recorder(explorer, {}, [])
    made.record_stream("synthesis", dead, channel=3)
    assert made.index == {} and made.size == 0
