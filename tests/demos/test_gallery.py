"""The gallery as a user makes it: its pictures, its page, and an interruption."""

import json
import os
import sys
from html.parser import HTMLParser

import numpy as np
import pytest
from demo_outputs import check_outputs
from demo_runs import exit_code
from PIL import Image
from shape_folders import write_shapes

from demos import __main__ as gallery_module
from demos import (
    activations,
    agreement,
    dissection,
    embedding_map,
    filters,
    gallery,
    neighbours,
    patches,
    universal,
    zoom_page,
)
from demos.__main__ import parser as gallery_parser
from demos.__main__ import run as run_gallery
from demos.gallery_texts import named, sentences
from demos.shared.command import main
from demos.shared.inputs import load_photos
from demos.shared.photo_folder import FolderPhoto
from demos.shared.sentences import translated
from minicnn.errors import InputError
from minicnn.models import load_model

pytestmark = pytest.mark.usefixtures("empty_cache")


class Tags(HTMLParser):
    """The tags of a page that are still open, and the pictures it shows."""

    def __init__(self, page):
        super().__init__()
        self.open, self.pictures, self.links, self.ids, self.unnamed, self.panels = [], [], [], [], [], set()
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        if tag == "image":
            self.panels.add(dict(attributes)["href"])
        self.unnamed += ["a panel"] if tag == "svg" and not dict(attributes)["aria-label"] else []
        if tag not in ("img", "meta", "br", "link"):
            self.open.append(tag)
        self.ids += [dict(attributes)["id"]] if "id" in dict(attributes) else []
        if tag == "img":
            self.pictures.append(dict(attributes)["src"])
            self.unnamed += [] if dict(attributes)["alt"] else [dict(attributes)["src"]]
        if tag == "a":
            self.links.append(dict(attributes)["href"])

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_gallery_without_weights_uses_the_network_of_photographs_and_says_why(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run_gallery(gallery_parser().parse_args(["--device", "cpu"]))
    said = capsys.readouterr().out
    assert "model: photos, the shipped network of photographs: there are no pretrained SqueezeNet" in said
    names = gallery.picture_names(load_model("photos", "cpu"))
    check_outputs(tmp_path / "gallery", names)
    text = (tmp_path / "gallery" / "index.html").read_text(encoding="utf-8")
    page = Tags(text)
    inputs = ["input_1.png"]
    assert page.open == page.unnamed == [] and page.pictures[:1] == inputs and page.panels == {"agreement.png"}
    assert sorted(page.pictures[1:]) == sorted(f"{name}_small.jpg" for name in names if name != "agreement")
    assert {f"{name}.html" for name in names} < set(page.links)
    assert "Not shown here" in text and "minicnn train_fast_style" in text and "not finished" not in text
    require_links(tmp_path / "gallery", page)
    small = [(tmp_path / "gallery" / f"{name}_small.jpg").stat().st_size for name in names]
    assert sum(small) < 30_000 * len(small)  # so that a first screen of about 20 is below 1 MB
    reason = "Why drawn shapes, and not photos?"
    drawn = {"neighbours", "embedding_map", "grid_map", "patches", "dissection", "dissection_concepts", "multifaceted",
             "atlas", *universal.NAMES}
    for name in names:
        card = json.loads((tmp_path / "gallery" / f"{name}.json").read_text())
        assert (card["model"] == "shapes") == (name in drawn) == (reason in card["explanation"]), name
        text = (tmp_path / "gallery" / f"{name}.html").read_text(encoding="utf-8")
        page = Tags(text)
        assert page.open == page.unnamed == [] and {*page.pictures, *page.panels} == {f"{name}.png"}
        assert "How to read this" in text and "def pictures(" in text and "Is it right?" in text
        assert (reason in text) == (name in drawn)
        require_links(tmp_path / "gallery", page)


def require_links(folder, page):
    """Every picture and link of a page leads to a file, to a place on a page, or to a paper."""
    for link in page.links + page.pictures:
        file, _, place = link.partition("#")
        if file.startswith("https:"):
            assert file.startswith(("https://arxiv.org/abs/", "https://distill.pub/"))
        elif file:
            assert (folder / file).is_file(), file
            assert not place or place in Tags((folder / file).read_text(encoding="utf-8")).ids
        else:
            assert place in page.ids


def test_an_interrupted_gallery_keeps_what_is_finished_and_a_valid_page(tmp_path, monkeypatch, capsys):
    def interrupted(*arguments, **settings):
        raise KeyboardInterrupt
    monkeypatch.setattr(gallery.occlusion, "pictures", interrupted)
    sys.argv = ["demos", "--out", str(tmp_path / "out"), "--device", "cpu"]
    with pytest.raises(SystemExit) as end:
        main(run_gallery, gallery_parser())
    assert end.value.code == 130 and "interrupted" in capsys.readouterr().err
    finished = [*agreement.NAMES, *filters.NAMES, *neighbours.NAMES, *embedding_map.NAMES, *zoom_page.NAMES,
                *activations.NAMES, *patches.NAMES, *dissection.NAMES]
    check_outputs(tmp_path / "out", finished)
    page = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    assert Tags(page).open == []
    assert sorted(Tags(page).pictures[1:]) == sorted(f"{name}_small.jpg" for name in finished if name != "agreement")
    require_links(tmp_path / "out", Tags(page))
    assert "not finished" in page


def few_demos(monkeypatch, *names):
    """Let the gallery show only these demos."""
    monkeypatch.setattr(gallery, "gallery_demos", lambda model: list(names))


@pytest.mark.parametrize("problem", [InputError("no such thing <b>"), ValueError("minvalue\nmust <i>"), MemoryError(),
                                     ZeroDivisionError("x" * 5000), RecursionError("\x1b[2J")])
def test_a_picture_that_fails_is_reported_and_the_others_go_on(problem, tmp_path, monkeypatch, capsys):
    def failing(*arguments, **settings):
        yield next(saliency_pictures(*arguments, **settings))
        raise problem
    saliency_pictures = gallery.saliency.pictures
    monkeypatch.setattr(gallery.saliency, "pictures", failing)
    few_demos(monkeypatch, "activations", "saliency", "guided_backprop")
    assert exit_code(gallery_module, "--model", "shapes", "--device", "cpu", "--out", tmp_path) == 1
    printed = capsys.readouterr()
    assert "FAILED: saliency: " in printed.out and printed.err == "1 of the demos failed: saliency\n"
    assert "\x1b" not in printed.out and max(map(len, printed.out.splitlines())) < 500
    names = [*activations.NAMES, "saliency", "three_relus", "guided_backprop"]
    check_outputs(tmp_path, names)
    text = (tmp_path / "index.html").read_text(encoding="utf-8")
    page = Tags(text)
    assert page.open == [] and {f"{name}.html" for name in names} <= set(page.links)
    assert "saliency: this picture could not be made: " in text and "such thing <b>" not in text and "<i>" not in text
    assert "5 of 5 pictures" in text and "not finished" not in text


def test_ctrl_c_is_no_failure_of_one_picture(tmp_path, monkeypatch, capsys):
    def interrupted(*arguments, **settings):
        raise KeyboardInterrupt
    monkeypatch.setattr(gallery.saliency, "pictures", interrupted)
    few_demos(monkeypatch, "saliency", "activations")
    assert exit_code(gallery_module, "--model", "shapes", "--device", "cpu", "--out", tmp_path) == 130
    assert not (tmp_path / "activations.png").exists()


def test_names_of_users_are_text_on_the_page(tmp_path, monkeypatch, capsys):
    few_demos(monkeypatch, "activations")
    name = os.fsdecode(os.fsencode(tmp_path) + b"/<script>$x^2$ \xe9 &.png")
    Image.new("RGB", (60, 60), (90, 120, 40)).save(open(name, "wb"), format="PNG")
    assert exit_code(gallery_module, name, "--model", "shapes", "--device", "cpu", "--out", tmp_path / "out") == 0
    text = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    assert Tags(text).open == [] and "<script" not in text and "&lt;script&gt;$x^2$ \\xe9 &amp;" in text


def test_a_folder_of_photos_takes_the_place_of_drawn_shapes(tmp_path, monkeypatch, capsys):
    few_demos(monkeypatch, "neighbours", "embedding_map", "zoom_page", "patches")
    monkeypatch.setattr(embedding_map, "FEWEST", 36)
    write_shapes(tmp_path / "photos", 36)
    assert exit_code(gallery_module, "--model", "shapes", "--device", "cpu", "--photos", tmp_path / "photos", "--out",
                     tmp_path / "out") == 0
    cards = {name: json.loads((tmp_path / "out" / f"{name}.json").read_text())
             for name in ("neighbours", "embedding_map", "grid_map", "patches")}
    assert "among 36 photos" in cards["neighbours"]["title"] and "36 photos" in cards["grid_map"]["title"]
    assert cards["embedding_map"]["parameters"]["count"] == 36
    assert "pictures" in cards["patches"]["title"] and "41 pictures" in cards["patches"]["title"]


@pytest.mark.parametrize(("photos", "drawn"), [
    (0, {"neighbours", "embedding_map", "zoom_page", "patches", "atlas", "multifaceted"}),
    (9, {"embedding_map", "atlas", "multifaceted"}), (200, set())])
def test_drawn_shapes_stand_in_only_where_the_photos_are_too_few(photos, drawn):
    model, drawn = load_model("photos", "cpu"), drawn | {"dissection", "universal"}
    folder = [FolderPhoto(f"photo {n}", "ab"[n % 2], np.zeros((4, 4, 3), np.uint8)) for n in range(photos)]
    given = gallery.Given([], 0, folder or None)
    shown = gallery.shows(model, given)
    assert {show.demo for show in shown if show.model.name == "shapes"} == drawn
    assert all(bool(show.why) == (show.demo in drawn) and (show.given is given) != (show.demo in drawn)
               for show in shown)
    shapes = load_model("shapes", "cpu")
    assert not any(show.why for show in gallery.shows(shapes, given))
    other = gallery.shows(model._replace(name="other"), given)  # without a decoder of its own
    show, = (show for show in other if show.demo == "generator_prior")
    assert show.model.name == "photos" and show.why.startswith("Why photos, and not other?")
    if photos == 200:
        reasons = {show.demo: show.why for show in other if show.model.name == "shapes"}
        assert all(("exact masks" if demo in ("dissection", "universal") else "more photos than were given") in why
                   for demo, why in reasons.items())


@pytest.mark.parametrize("name", ["flat", "two", "clear"])
def test_a_flat_or_tiny_photo_goes_through(name, tmp_path, monkeypatch, capsys):
    pixels = {"flat": np.full((50, 50, 3), 90, np.uint8), "two": np.arange(12, dtype=np.uint8).reshape(2, 2, 3),
              "clear": np.zeros((40, 40, 4), np.uint8)}[name]
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    few_demos(monkeypatch, "activations", "occlusion", "saliency", "guided_backprop", "attribution", "compare")
    assert exit_code(gallery_module, tmp_path / "photo.png", "--model", "shapes", "--device", "cpu", "--out",
                     tmp_path / "out") == 0, capsys.readouterr()


def test_the_pages_in_korean_with_hostile_names(tmp_path, monkeypatch):
    hostile = '<img src=x onerror="alert(1)">{0}{model}'
    model = load_model("shapes", "cpu").fast()
    photos = [photo._replace(name=hostile) for photo in load_photos(model, [], 0)[:1]]
    few_demos(monkeypatch, "activations", "saliency")
    failed = gallery.write_gallery(tmp_path, model._replace(labels=[hostile] * len(model.labels)), f"model: {hostile}",
                                   gallery.Given(photos, 0, None, "ko"), lambda line: None)
    index, page = ((tmp_path / f"{name}.html").read_text(encoding="utf-8") for name in ("index", "activations"))
    assert failed == [] and index.count('<html lang="ko">') == page.count('<html lang="ko">') == 1
    assert "shapes 들여다보기" in index and "현저성" in index and "그림 3개 중 3개" in index
    assert "그림을 읽는 방법" in page and "각 타일은 사진에 대한 relu3 층의 한 채널의 활성화이며" in page
    assert "<td>at most" not in page and " 이하</td>" in page and "타일에서 다시 읽은 활성화" in page
    assert "<img src=x" not in index + page and "&lt;img src=x" in index and "{0}{model}" in index
    card = json.loads((tmp_path / "saliency.json").read_text(encoding="utf-8"))
    assert card["explanation"].startswith("A pixel is bright")  # the run card stays English


def test_sentences_of_a_demo_are_found_with_their_values():
    source = """
how = f"It has {n} parts of a certain kind." if n else "It has no parts of any kind."
Picture("a", f"{model.name}: {'all' if n else 'no'} parts", figure, array, f"See {colour} here. {how}", "paper", [])
"""
    known = sentences(source)
    assert known == ["{0}: {1} parts", "See {0} here. It has {1} parts of a certain kind.",
                     "See {0} here. It has no parts of any kind."]
    table = {known[0]: "{1} 부분: {0}", known[1]: "{1}개, {0}"}
    assert translated("net: all parts", known, lambda text: table.get(text, text)) == "all 부분: net"
    assert translated("See {x} here. It has 3 parts of a certain kind. And more.", known,
                      lambda text: table.get(text, text)) == "3개, {x} And more."
    assert translated("another text", known, lambda text: table.get(text, text)) == "another text"


def test_a_text_that_is_made_from_itself_goes_in_no_circle():
    source = """
def conclusion(n):
    return f"A conclusion of at least {conclusion(n)} words."
title = "A map of something"
title = f"{title}, with more than five words"
Picture("a", title, figure, array, conclusion(3), "paper", [])
"""
    assert sentences(source) == ["A map of something", "{0}, with more than five words",
                                 "A conclusion of at least {0} words."]


def test_the_name_of_the_network_is_not_translated():
    """The network `photos` has a name that is a word of many titles."""
    table = {"photos": "사진", "{0}: {1} of it": "{1}, {0}"}
    for text, said in (("photos: photos of it", "사진, photos"), ("photos", "사진"), ("a: photos of it", "사진, a")):
        assert named(text, "photos", list(table), lambda text: table.get(text, text)) == said
